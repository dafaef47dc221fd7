//! A stream of the relay: its history, who feeds it, and who waits for it.

use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::feed::Feeds;
use super::followers::Followers;
use super::history::History;
use super::readers::Readers;
use super::sleepers::Sleepers;
use crate::sync::{Mutex, MutexGuard};

/// A stream that has a publisher, players, or somebody who stands in.
#[derive(Debug, Default)]
pub(crate) struct LiveStream {
    state: Mutex<StreamState>,
}

#[derive(Debug, Default)]
pub(super) struct StreamState {
    pub(super) history: History,
    pub(super) feeds: Feeds,
    pub(super) readers: Readers,
    pub(super) sleepers: Sleepers,
    pub(super) followers: Followers,
    /// The publisher, if it waits for its players.
    pub(super) held: Option<Waker>,
}

impl LiveStream {
    /// Locked for a few lines at a time, and never across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, StreamState> {
        // A panic elsewhere leaves a history that is still in order: each change to it is complete or absent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the players that wait, or sees to it that they are woken in time. The list of sleepers is handed back and
    /// forth, so that waking allocates nothing once it has grown. Returns whether the publisher has to wait for some.
    pub(super) fn wake(self: &Arc<Self>, spare: &mut Vec<Option<Waker>>) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.history.end_turn();
        state.sleepers.note_media(spare, self, &state.history);
        let due = state.take_due();
        let must_wait = state.readers.hold(&state.history);
        drop(guard);
        due.serve(self);
        for sleeper in spare.drain(..).flatten() {
            sleeper.wake();
        }
        must_wait
    }
}

impl StreamState {
    /// Takes the publisher that waits no longer, to be woken.
    pub(super) fn release(&mut self) -> Option<Waker> {
        if self.held.is_none() || self.readers.still_hold(&self.history) {
            return None;
        }
        // Its silence was not its own.
        self.feeds.hear_publisher();
        self.held.take()
    }

    pub(super) fn is_unused(&self) -> bool {
        self.feeds.is_empty() && self.readers.count == 0
    }
}
