//! What goes to the client, for the session's task and for whoever wakes it.
//!
//! The task writes protocol bytes, waits for room and keeps the deadlines. While it has nothing to write it lets the
//! [`Fanout`] write media in its place, if the transport allows that; as soon as something is left over, it goes on
//! itself.

use std::hint::black_box;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::Status;
use tracing::{Span, debug};

use super::DirectEnd;
use super::fanout::{Fanout, SharedWrite};
use super::follower::{Cursor, Lane};
use super::outbox::Outbox;
use super::successor::{Progress, Successor, Until};
use crate::play_limit::{Filter, PlayLimit};
use crate::relay::Lag;
use crate::source::WireForm;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::{Batch, MediaSource, SessionInfo, SourceEvent, StreamInfo};

/// A stream that the client plays.
pub(super) struct Player {
    pub(super) stream: StreamInfo,
    pub(super) source: Box<dyn MediaSource>,
    /// How much of a live stream the client wants.
    pub(super) limit: Option<PlayLimit>,
    /// Takes its place soon.
    pub(super) successor: Option<Box<Successor>>,
    /// All of it was sent, and the client may still seek.
    pub(super) is_complete: bool,
}

impl Player {
    /// Sets who takes over, and gives who would have done so.
    pub(super) fn replace_successor(&mut self, successor: Successor) -> Option<Self> {
        let former = self.successor.replace(Box::new(successor));
        former.map(|former| former.player)
    }

    /// Nobody takes over. Gives who would have done so, and whether the player has nothing to go on with itself.
    pub(super) fn take_successor(&mut self) -> (Option<Self>, bool) {
        match self.successor.take() {
            Some(successor) => {
                let was_alone = successor.is_alone;
                (Some(successor.player), was_alone)
            }
            None => (None, false),
        }
    }
}

/// The way to write without the session's task.
pub(super) struct Direct {
    pub(super) socket: DirectEnd,
    pub(super) fanout: Arc<Fanout>,
}

/// Where media wait for the client. A source that has media wakes it, not the task.
///
/// What a message to a follower needs stands first and fits one line of the processor's cache: when its turn comes again, the
/// writes to all others have driven it out.
#[repr(C, align(64))]
pub(super) struct Outbound {
    /// Locked before `state`, but by the task when it gives its turn away.
    writer: Mutex<Writer>,
    direct: Option<Direct>,
    info: SessionInfo,
    /// It waits in the fan-out.
    is_queued: AtomicBool,
    state: Mutex<State>,
    /// Wakes the session's task.
    task: AtomicWaker,
    span: Span,
}

/// Who writes to the client.
enum Writer {
    /// The session's task.
    Task,
    /// The task has nothing to do but to wait, so the fan-out may ask the sources, and write.
    Fanout,
    /// It may write what is next for a player that follows without asking its source.
    Follower { cursor: Arc<Cursor>, next: u64 },
}

pub(super) struct State {
    pub(super) players: Vec<Player>,
    pub(super) outbox: Outbox,
    pub(super) form: WireForm,
    /// The player that is to follow, since its source was last asked.
    follows: Option<Arc<Cursor>>,
    /// What a source has said to the fan-out, for the task to act upon.
    event: Option<(MessageStreamId, SourceEvent)>,
    has_panicked: bool,
}

/// What the sources have to say.
pub(super) enum Filled {
    /// They have no more, and wake when they do.
    All,
    /// They may have more.
    Some,
    Event(MessageStreamId, SourceEvent),
    /// A successor is ready, or will never be.
    TakeOver(MessageStreamId),
    NoTakeOver(MessageStreamId),
    /// One has panicked.
    Panicked,
}

impl Outbound {
    pub(super) fn new(direct: Option<Direct>, info: SessionInfo, span: Span) -> Self {
        Self {
            writer: Mutex::new(Writer::Task),
            direct,
            info,
            is_queued: AtomicBool::new(false),
            state: Mutex::new(State {
                players: Vec::new(),
                outbox: Outbox::default(),
                form: WireForm::default(),
                follows: None,
                event: None,
                has_panicked: false,
            }),
            task: AtomicWaker::new(),
            span,
        }
    }

    /// Locked for some writes that do not wait, and never across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task has something to do, and what it sends comes first.
    pub(super) fn begin_work(&self) -> MutexGuard<'_, State> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.take_back();
        drop(writer);
        self.lock()
    }

    /// The task waits, and has written everything.
    pub(super) fn end_work(&self, state: &mut State) {
        // Whoever holds this lock sees that it is the task's turn, and does not wait for the state.
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = state.next_writer();
    }

    /// What sources wake from the turn of the session's task on.
    pub(super) fn waker(self: &Arc<Self>, task: &Waker) -> Waker {
        if self.direct.is_none() {
            return task.clone();
        }
        self.task.register(task);
        Waker::from(Arc::clone(self))
    }

    /// Takes what the sources have, if nothing is on its way.
    pub(super) fn fill(self: &Arc<Self>, state: &mut State, waker: &Waker) -> Filled {
        if mem::take(&mut state.has_panicked) {
            return Filled::Panicked;
        }
        if let Some((stream, event)) = state.event.take() {
            return Filled::Event(stream, event);
        }
        let mut filled = Filled::All;
        state.follows = None;
        // With more than one it is the order of their media that counts.
        let direct = self.direct.as_ref().filter(|_| state.players.len() == 1);
        for Player {
            stream,
            source,
            limit,
            successor,
            ..
        } in &mut state.players
        {
            if let Some(successor) = successor {
                match successor.poll(&mut Context::from_waker(waker), state.form) {
                    Progress::TakesOver => return Filled::TakeOver(stream.id()),
                    Progress::CanNot => return Filled::NoTakeOver(stream.id()),
                    Progress::Waits if successor.is_alone => continue,
                    Progress::Waits => {}
                }
            }
            if limit.as_ref().is_some_and(PlayLimit::is_reached) {
                return Filled::Event(stream.id(), SourceEvent::Ended);
            }
            let has_successor = successor.is_some();
            let until = successor.as_mut().and_then(|successor| successor.until.as_mut());
            let filter = match until {
                Some(until) => Some(until as &mut dyn Filter),
                None => limit.as_mut().map(|limit| limit as &mut dyn Filter),
            };
            // It must be asked while there is a successor to look after.
            let direct = direct.filter(|_| !has_successor);
            let lane = direct.map(|direct| Lane::new(self, &direct.fanout, &mut state.follows));
            let mut batch = Batch::new(&mut state.outbox.media, stream.id(), state.form)
                .through(filter)
                .over(lane);
            let polled = source.poll_fill(&mut Context::from_waker(waker), &mut batch);
            let dropped = source.take_dropped();
            if dropped > 0 {
                self.info.counters().count_dropped(dropped);
                debug!(parent: &self.span, dropped, "the player is slow");
            }
            if limit.as_ref().is_some_and(PlayLimit::is_reached) {
                // What it was given goes out first.
                filled = Filled::Some;
                continue;
            }
            if let Some(successor) = successor {
                successor.is_alone |= matches!(
                    polled,
                    Poll::Ready(SourceEvent::Completed(_) | SourceEvent::Ended | SourceEvent::Failed(_))
                );
                if successor.is_alone || successor.until.as_ref().is_some_and(Until::is_reached) {
                    // What it was given goes out first.
                    filled = Filled::Some;
                    continue;
                }
            }
            match polled {
                Poll::Pending => {}
                Poll::Ready(SourceEvent::Media) => filled = Filled::Some,
                Poll::Ready(event) => return Filled::Event(stream.id(), event),
            }
        }
        filled
    }

    /// Looks at what a write needs. Between writes the processor would wait for the memory of one client after the other;
    /// several of these it fetches at the same time.
    pub(super) fn touch(&self) {
        black_box(self.info.counters().bytes_sent());
        if let Some(Direct { socket, .. }) = &self.direct {
            socket.touch();
        }
    }

    /// Its turn in the fan-out's queue has come. From here on whoever wakes queues it up anew.
    pub(super) fn serve(self: Arc<Self>, spare: &mut Outbox) {
        self.is_queued.swap(false, Ordering::AcqRel);
        self.write_now(spare);
    }

    /// Writes media in the place of the session's task, as far as the system takes them at once. `spare` is an outbox
    /// to use meanwhile, so that those who keep nothing need no memory for it.
    pub(super) fn write_now(self: Arc<Self>, spare: &mut Outbox) {
        let Some((mut writer, Direct { socket, .. })) = self.try_writer().zip(self.direct.as_ref()) else {
            return self.task.wake();
        };
        if matches!(*writer, Writer::Task) {
            return self.task.wake();
        }
        writer.take_back();
        let mut state = self.lock();
        let state = &mut *state;
        mem::swap(&mut state.outbox, spare);
        let waker = Waker::from(Arc::clone(&self));
        let filled = catch_unwind(AssertUnwindSafe(|| self.fill(state, &waker)));
        let mut has_all = false;
        match filled {
            Ok(Filled::All) => has_all = true,
            // The task finds out about the rest by itself.
            Ok(Filled::Some | Filled::TakeOver(_) | Filled::NoTakeOver(_)) => {}
            Ok(Filled::Event(stream, event)) => state.event = Some((stream, event)),
            Ok(Filled::Panicked) | Err(_) => state.has_panicked = true,
        }
        if !state.outbox.is_empty()
            // What went wrong the task finds out by itself.
            && let Ok(written) = state.outbox.try_write(socket)
        {
            self.info.counters().count_sent(written);
        }
        if state.outbox.is_empty() {
            mem::swap(&mut state.outbox, spare);
        } else {
            has_all = false;
        }
        if has_all {
            *writer = state.next_writer();
        } else {
            self.task.wake();
        }
    }

    /// Writes to a follower what its stream has new, if that is next for it. Returns whether it has it all, and may go on
    /// following.
    pub(super) fn write_share(
        self: &Arc<Self>,
        follower: &Arc<Cursor>,
        from: u64,
        share: &SharedWrite<'_>,
        spare: &mut Outbox,
    ) -> bool {
        let mut writer = self.try_writer();
        let next = match writer.as_deref_mut() {
            Some(Writer::Follower { cursor, next }) if Arc::ptr_eq(cursor, follower) && *next == from => next,
            _ => {
                drop(writer);
                follower.unlist();
                Arc::clone(self).write_now(spare);
                return false;
            }
        };
        *next = share.reached;
        let socket = self.direct.as_ref().map(|direct| &direct.socket);
        // What went wrong the task finds out by itself.
        let written = socket.map_or(0, |socket| share.try_write(socket).unwrap_or(0));
        self.info.counters().count_sent(written);
        if written == share.len {
            return true;
        }
        follower.unlist();
        self.lock().outbox.put_rest(share.pieces, written);
        if let Some(writer) = &mut writer {
            writer.take_back();
        }
        drop(writer);
        self.task.wake();
        false
    }

    /// `None` if another thread is at it.
    fn try_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Writer {
    /// From here on the task writes. A player's source learns how far it has got.
    fn take_back(&mut self) {
        if let Self::Follower { cursor, next } = mem::replace(self, Self::Task) {
            cursor.move_to(next);
        }
    }
}

impl Wake for Outbound {
    fn wake(self: Arc<Self>) {
        if let Some(Direct { fanout, .. }) = &self.direct
            && !self.is_queued.swap(true, Ordering::AcqRel)
        {
            fanout.push(Arc::clone(&self));
        }
    }
}

impl State {
    /// Who writes while the task waits.
    fn next_writer(&mut self) -> Writer {
        match self.follows.take() {
            Some(cursor) => Writer::Follower {
                next: cursor.next(),
                cursor,
            },
            None => Writer::Fanout,
        }
    }

    /// Takes a player away, and what was not begun of its media: what is played next on this stream must not begin with
    /// the rest of this.
    pub(super) fn remove_player(&mut self, stream: MessageStreamId) -> Option<Player> {
        let is_wanted = |player: &Player| player.stream.id() == stream;
        let place = self.players.iter().position(is_wanted)?;
        self.forget(stream);
        Some(self.players.swap_remove(place))
    }

    /// Puts a successor that is ready in the place of its player, and gives that.
    pub(super) fn take_over(&mut self, stream: MessageStreamId) -> Option<Player> {
        let form = self.form;
        let place = self
            .players
            .iter()
            .position(|player| player.stream.id() == stream)?;
        let successor = self.players.get_mut(place)?.successor.take()?;
        let successor = successor.take_over(&mut self.outbox.media, form);
        Some(mem::replace(self.players.get_mut(place)?, successor))
    }

    /// Lets a player go on at another position. Nothing follows of what came before.
    pub(super) fn seek(
        &mut self,
        stream: MessageStreamId,
        position: Duration,
    ) -> Option<Result<StreamInfo, Status>> {
        let player = self.player(stream)?;
        if let Err(status) = player.source.seek(position) {
            return Some(Err(status));
        }
        player.is_complete = false;
        let info = player.stream.clone();
        self.forget(stream);
        Some(Ok(info))
    }

    /// Drops what a player's source has said and given, but for a message that has begun.
    fn forget(&mut self, stream: MessageStreamId) {
        self.outbox.take_back(stream);
        if self.event.as_ref().is_some_and(|(of, _)| *of == stream) {
            self.event = None;
        }
    }

    /// A player that its source gives up while media are on their way to it. Those that were not begun are taken back.
    pub(super) fn give_up(&mut self) -> Option<(MessageStreamId, Lag)> {
        let too_slow = |player: &Player| Some((player.stream.id(), player.source.too_slow()?));
        let (stream, lag) = self.players.iter().find_map(too_slow)?;
        self.outbox.take_back(stream);
        Some((stream, lag))
    }

    pub(super) fn player(&mut self, stream: MessageStreamId) -> Option<&mut Player> {
        self.players
            .iter_mut()
            .find(|player| player.stream.id() == stream)
    }
}

/// The session's own hold on its [`Outbound`]. With it go the players and the connection, even if a source has left a
/// waker behind.
pub(super) struct OwnOutbound(Arc<Outbound>);

impl OwnOutbound {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self(Arc::new(outbound))
    }

    pub(super) fn share(&self) -> Arc<Outbound> {
        Arc::clone(&self.0)
    }

    pub(super) fn begin_work(&self) -> MutexGuard<'_, State> {
        self.0.begin_work()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Drop for OwnOutbound {
    fn drop(&mut self) {
        let players = mem::take(&mut self.lock().players);
        drop(players);
        if let Some(outbound) = Arc::get_mut(&mut self.0) {
            if let Some(direct) = outbound.direct.take() {
                direct.socket.close();
            }
        } else if let Some(direct) = &self.0.direct {
            direct.socket.cut_off();
        }
    }
}
