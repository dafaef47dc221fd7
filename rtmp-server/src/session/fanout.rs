//! Sends media to many clients in few turns.
//!
//! When a publisher's message wakes a thousand players, a thousand task turns would cost more than the bookkeeping of
//! the writes themselves. So what is woken is not the session's task but its [`Outbound`]: that queues up here, and a
//! worker for each thread of the runtime takes some of them at a time, lets each write without waiting, and then
//! makes way for other tasks. A session's task has its turn only if the client does not take all at once, or if there
//! is more to do than to write.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::outbound::Outbound;
use super::outbox::Outbox;

/// Clients that are served in one turn, some 200 microseconds of writing.
const TURN: usize = 64;

/// Clients whose memory is fetched at a time; a write leaves little of it in the caches.
const GROUP: usize = 16;

/// What waits to write. No more than one entry for each session.
#[derive(Default)]
pub(crate) struct Fanout {
    waiting: Mutex<VecDeque<Arc<Outbound>>>,
    ready: Notify,
}

impl Fanout {
    /// Queues up what has something to write. Its flag says that it is not here yet.
    pub(super) fn push(&self, outbound: Arc<Outbound>) {
        let mut waiting = self.lock();
        waiting.push_back(outbound);
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            self.ready.notify_one();
        }
    }

    /// One worker. Never ends.
    pub(crate) async fn work(self: Arc<Self>) {
        let mut turn = Vec::with_capacity(TURN);
        let mut spare = Outbox::default();
        loop {
            self.take_turn(&mut turn);
            if turn.is_empty() {
                self.ready.notified().await;
                continue;
            }
            while !turn.is_empty() {
                let group = turn.len().saturating_sub(GROUP);
                for outbound in turn.iter().skip(group) {
                    outbound.touch();
                }
                for outbound in turn.drain(group..) {
                    outbound.write_now(&mut spare);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn take_turn(&self, turn: &mut Vec<Arc<Outbound>>) {
        let mut waiting = self.lock();
        let count = waiting.len().min(TURN);
        turn.extend(waiting.drain(..count));
        let is_rest = !waiting.is_empty();
        drop(waiting);
        if is_rest {
            // Another thread may be free to help.
            self.ready.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Outbound>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
