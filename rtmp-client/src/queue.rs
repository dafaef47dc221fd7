//! The queues between a connection's driver and its handles: one sender, one receiver, bounded in items and in bytes.
//!
//! Media waits at a full queue ([`Sender::poll_room`]), events push out the oldest ([`Sender::push_over`]). Either
//! side can end a queue with a reason; what is in it then is still received.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::error::StreamEnd;

/// A queue has room while it is below both bounds, so that one item can exceed the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

pub(crate) fn queue<T>(capacity: Capacity) -> (Sender<T>, Receiver<T>) {
    let state = State {
        items: VecDeque::new(),
        bytes: 0,
        capacity,
        lost: 0,
        unsettled: false,
        end: None,
        sender: Side::default(),
        receiver: Side::default(),
    };
    let shared = Arc::new(Mutex::new(state));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    capacity: Capacity,
    /// Items pushed out by newer ones.
    lost: u64,
    /// Items were received whose work is not done.
    unsettled: bool,
    end: Option<StreamEnd>,
    sender: Side,
    receiver: Side,
}

/// One end of the queue, and what its task waits for. That the other end goes always wakes it.
#[derive(Default)]
struct Side {
    waker: Option<Waker>,
    waits_for: Option<Wait>,
    is_gone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Items,
    Room,
    Settled,
}

impl Side {
    fn register(&mut self, cx: &Context<'_>, wait: Option<Wait>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.waits_for = wait.or(self.waits_for);
    }

    fn wake_for(&mut self, wait: Wait) {
        if self.waits_for == Some(wait) {
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.waits_for = None;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl<T> State<T> {
    fn has_room(&self, times: usize) -> bool {
        self.items.len() < self.capacity.items.saturating_mul(times)
            && self.bytes < self.capacity.bytes.saturating_mul(times)
    }

    fn pop(&mut self) -> Option<T> {
        let (item, len) = self.items.pop_front()?;
        self.bytes -= len;
        Some(item)
    }

    fn push(&mut self, item: T, len: usize) {
        self.items.push_back((item, len));
        self.bytes += len;
        self.receiver.wake_for(Wait::Items);
    }

    fn end(&mut self, end: StreamEnd) {
        self.end.get_or_insert(end);
        self.sender.wake();
        self.receiver.wake();
    }
}

/// The items in a queue and their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fill {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

impl<T> Sender<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the queue is below its capacity, or is ended. A sender that has waited goes on when half of the
    /// queue is empty.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), StreamEnd>> {
        self.poll_room_times(cx, 1)
    }

    /// Like [`poll_room`](Self::poll_room) with a multiple of the capacity.
    pub(crate) fn poll_room_times(&self, cx: &Context<'_>, times: usize) -> Poll<Result<(), StreamEnd>> {
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Poll::Ready(Err(end.clone()));
        }
        if state.receiver.is_gone || state.has_room(times) {
            return Poll::Ready(Ok(()));
        }
        state.sender.register(cx, Some(Wait::Room));
        Poll::Pending
    }

    /// Appends an item of `len` bytes, whether there is room or not, unless the queue is ended. Says whether there
    /// is room for another one.
    pub(crate) fn push(&self, item: T, len: usize) -> bool {
        let mut state = self.lock();
        if state.end.is_some() || state.receiver.is_gone {
            return true;
        }
        state.push(item, len);
        state.has_room(1)
    }

    /// Whether the receiver is behind by more than a part of the capacity that may take many times its size in memory.
    pub(crate) fn is_piling_up(&self) -> bool {
        let state = self.lock();
        state.bytes > state.capacity.bytes / 32
    }

    /// Whether an item can be appended within the capacity, and would be received.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.lock();
        state.end.is_none() && !state.receiver.is_gone && state.has_room(1)
    }

    /// Appends an item; without room for it, the oldest ones are lost.
    pub(crate) fn push_over(&self, item: T, len: usize) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        while !state.has_room(1) && state.pop().is_some() {
            state.lost += 1;
        }
        state.push(item, len);
    }

    /// Keeps only the items that are wanted.
    pub(crate) fn retain(&self, wanted: impl Fn(&T) -> bool) {
        let mut state = self.lock();
        state.items.retain(|(item, _)| wanted(item));
        state.bytes = state.items.iter().map(|(_, len)| len).sum();
    }

    /// Waits until everything pushed was received and [settled](Receiver::settle).
    pub(crate) fn poll_settled(&self, cx: &Context<'_>) -> Poll<Result<(), StreamEnd>> {
        let mut state = self.lock();
        if state.items.is_empty() && !state.unsettled {
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Err(end.clone()));
        }
        state.sender.register(cx, Some(Wait::Settled));
        Poll::Pending
    }

    /// Ready when the receiver is gone.
    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.receiver.is_gone {
            return Poll::Ready(());
        }
        state.sender.register(cx, None);
        Poll::Pending
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().receiver.is_gone
    }

    /// Nothing more can be pushed. The first end counts.
    pub(crate) fn end(&self, end: StreamEnd) {
        self.lock().end(end);
    }

    pub(crate) fn ended(&self) -> Option<StreamEnd> {
        self.lock().end.clone()
    }

    pub(crate) fn watch(&self) -> Watch<T> {
        Watch(Arc::downgrade(&self.0))
    }

    pub(crate) fn fill(&self) -> Fill {
        let state = self.lock();
        Fill {
            items: state.items.len(),
            bytes: state.bytes,
        }
    }
}

/// Looks at a queue without keeping it.
pub(crate) struct Watch<T>(Weak<Mutex<State<T>>>);

impl<T> Watch<T> {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// What is in the queue, and what `of` says of the item that is received next.
    pub(crate) fn look<R>(&self, of: impl FnOnce(&T) -> R) -> Option<(Fill, R)> {
        let shared = self.0.upgrade()?;
        let state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (item, _) = state.items.front()?;
        let fill = Fill {
            items: state.items.len(),
            bytes: state.bytes,
        };
        Some((fill, of(item)))
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.sender.is_gone = true;
        state.end(StreamEnd::Deleted);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.fill()).finish()
    }
}

pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

impl<T> Receiver<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item or, behind the last one, why there are no more.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<T, StreamEnd>> {
        let mut state = self.lock();
        if let Some(item) = state.pop() {
            state.unsettled = true;
            let Fill { items, bytes } = Fill {
                items: state.capacity.items / 2,
                bytes: state.capacity.bytes / 2,
            };
            if state.items.len() <= items && state.bytes <= bytes {
                state.sender.wake_for(Wait::Room);
            }
            return Poll::Ready(Ok(item));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Err(end.clone()));
        }
        state.receiver.register(cx, Some(Wait::Items));
        Poll::Pending
    }

    /// What was received so far is done with.
    pub(crate) fn settle(&self) {
        let mut state = self.lock();
        state.unsettled = false;
        state.sender.wake_for(Wait::Settled);
    }

    /// Ready when the sender is gone and everything was received.
    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.sender.is_gone && state.items.is_empty() {
            return Poll::Ready(());
        }
        state.receiver.register(cx, None);
        Poll::Pending
    }

    /// Nothing more can be pushed; what is there is still received. The first end counts.
    pub(crate) fn end(&self, end: StreamEnd) {
        self.lock().end(end);
    }

    /// Throws away what is there.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.items.clear();
        state.bytes = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.receiver.is_gone = true;
        state.items.clear();
        state.bytes = 0;
        state.sender.wake();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.lock().items.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    /// Counts how often a side was woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> (Arc<Wakes>, Waker) {
        let wakes = Arc::new(Wakes::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    fn count(wakes: &Wakes) -> usize {
        wakes.0.load(Ordering::Relaxed)
    }

    const FOUR: Capacity = Capacity { items: 4, bytes: 100 };

    #[test]
    fn a_sender_that_waited_for_room_goes_on_when_half_is_empty() {
        let (sender, receiver) = queue(FOUR);
        let (wakes, waker) = task();
        let cx = Context::from_waker(&waker);
        for item in 0..4 {
            assert!(sender.poll_room(&cx).is_ready());
            assert_eq!(sender.push(item, 1), item < 3);
        }
        assert!(sender.poll_room(&cx).is_pending());
        assert!(matches!(receiver.poll_next(&cx), Poll::Ready(Ok(0))));
        assert_eq!(count(&wakes), 0);
        assert!(matches!(receiver.poll_next(&cx), Poll::Ready(Ok(1))));
        assert_eq!(count(&wakes), 1);
        assert!(sender.poll_room(&cx).is_ready());
    }

    #[test]
    fn bytes_bound_a_queue_as_well() {
        let (sender, _receiver) = queue(FOUR);
        let (_, waker) = task();
        let cx = Context::from_waker(&waker);
        assert!(sender.push('a', 99));
        assert!(!sender.push('b', 500));
        assert!(sender.poll_room(&cx).is_pending());
        assert!(sender.poll_room_times(&cx, 7).is_ready());
        sender.retain(|item| *item == 'a');
        assert!(sender.poll_room(&cx).is_ready());
    }

    #[test]
    fn what_was_pushed_before_the_end_is_still_received() {
        let (sender, receiver) = queue(FOUR);
        let (_, waker) = task();
        let cx = Context::from_waker(&waker);
        sender.push(1, 1);
        sender.end(StreamEnd::Finished);
        sender.push(2, 1);
        drop(sender);
        assert!(receiver.poll_closed(&cx).is_pending());
        assert!(matches!(receiver.poll_next(&cx), Poll::Ready(Ok(1))));
        assert!(matches!(
            receiver.poll_next(&cx),
            Poll::Ready(Err(StreamEnd::Finished))
        ));
        assert!(receiver.poll_closed(&cx).is_ready());
    }

    #[test]
    fn either_side_is_woken_when_the_other_goes() {
        let (sender, receiver) = queue::<u8>(FOUR);
        let (wakes, waker) = task();
        assert!(receiver.poll_closed(&Context::from_waker(&waker)).is_pending());
        drop(sender);
        assert_eq!(count(&wakes), 1);

        let (sender, receiver) = queue::<u8>(FOUR);
        assert!(sender.poll_closed(&Context::from_waker(&waker)).is_pending());
        drop(receiver);
        assert_eq!(count(&wakes), 2);
        assert!(sender.poll_closed(&Context::from_waker(&waker)).is_ready());
    }

    #[test]
    fn a_side_is_not_woken_for_what_it_does_not_wait_for() {
        let (sender, receiver) = queue(FOUR);
        let (wakes, waker) = task();
        let cx = Context::from_waker(&waker);
        assert!(receiver.poll_closed(&cx).is_pending());
        assert!(sender.poll_closed(&cx).is_pending());
        sender.push(1, 1);
        assert!(receiver.poll_next(&cx).is_ready());
        receiver.settle();
        assert_eq!(count(&wakes), 0);
    }

    #[test]
    fn settled_means_received_and_done() {
        let (sender, receiver) = queue(FOUR);
        let (wakes, waker) = task();
        let cx = Context::from_waker(&waker);
        assert!(sender.poll_settled(&cx).is_ready());
        sender.push(1, 1);
        assert!(receiver.poll_next(&cx).is_ready());
        assert!(sender.poll_settled(&cx).is_pending());
        receiver.settle();
        assert_eq!(count(&wakes), 1);
        assert!(sender.poll_settled(&cx).is_ready());
    }

    proptest! {
        #[test]
        fn a_queue_that_drops_the_oldest_keeps_the_newest_in_order(lens in prop::collection::vec(0_usize..60, 0..50)) {
            let (sender, receiver) = queue(FOUR);
            let (_, waker) = task();
            for (item, &len) in lens.iter().enumerate() {
                sender.push_over(item, len);
                let Fill { items, bytes } = sender.fill();
                prop_assert!(items <= 4 && bytes < 100 + 60);
            }
            let mut received = Vec::new();
            while let Poll::Ready(Ok(item)) = receiver.poll_next(&Context::from_waker(&waker)) {
                received.push(item);
            }
            prop_assert_eq!(received.len() as u64 + receiver.lost(), lens.len() as u64);
            let newest: Vec<usize> = (lens.len() - received.len()..lens.len()).collect();
            prop_assert_eq!(received, newest);
        }
    }
}
