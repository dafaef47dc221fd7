//! A stream of the relay: its history, who feeds it, and who waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::feed::Feeds;
use super::history::History;
use super::readers::Readers;

/// A stream that has a publisher, players, or somebody who stands in.
#[derive(Debug, Default)]
pub(super) struct LiveStream {
    state: Mutex<StreamState>,
}

#[derive(Debug, Default)]
pub(super) struct StreamState {
    pub(super) history: History,
    pub(super) feeds: Feeds,
    pub(super) readers: Readers,
    sleepers: Vec<Option<Waker>>,
    /// Places among the sleepers that were left.
    free_places: Vec<usize>,
    /// Counts the times that all sleepers were woken. A place among them is good for one round.
    round: u64,
}

/// A player's place among the sleepers of a round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SleepPlace {
    round: Option<u64>,
    index: usize,
}

impl LiveStream {
    /// Locked for a few lines at a time, and never across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, StreamState> {
        // A panic elsewhere leaves a history that is still in order: each change to it is complete or absent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all players that wait. The list of sleepers is handed back and forth, so that waking allocates nothing
    /// once it has grown.
    pub(super) fn wake(&self, spare: &mut Vec<Option<Waker>>) {
        {
            let mut state = self.lock();
            state.round += 1;
            state.free_places.clear();
            std::mem::swap(&mut state.sleepers, spare);
        }
        for sleeper in spare.drain(..).flatten() {
            sleeper.wake();
        }
    }
}

impl StreamState {
    /// Puts a player among the sleepers, once a round.
    pub(super) fn sleep(&mut self, place: &mut SleepPlace, waker: &Waker) {
        if let Some(known) = self.sleeper(*place) {
            known.clone_from(waker);
            return;
        }
        let index = match self.free_places.pop() {
            Some(index) => index,
            None => {
                self.sleepers.push(None);
                self.sleepers.len() - 1
            }
        };
        *place = SleepPlace {
            round: Some(self.round),
            index,
        };
        if let Some(sleeper) = self.sleepers.get_mut(index) {
            *sleeper = Some(waker.clone());
        }
    }

    /// Takes a player that leaves from among the sleepers: a waker keeps the memory of its task.
    pub(super) fn forget(&mut self, place: SleepPlace) {
        if place.round == Some(self.round)
            && let Some(sleeper) = self.sleepers.get_mut(place.index)
            && sleeper.take().is_some()
        {
            self.free_places.push(place.index);
        }
    }

    fn sleeper(&mut self, place: SleepPlace) -> Option<&mut Waker> {
        if place.round != Some(self.round) {
            return None;
        }
        self.sleepers.get_mut(place.index)?.as_mut()
    }

    pub(super) fn is_unused(&self) -> bool {
        self.feeds.is_empty() && self.readers.count == 0
    }
}
