//! Players that have all there is, and get everything that comes.
//!
//! They need not be asked one by one: those that wait at the same place get the same. So the fan-out takes what is new
//! from the history once for many of them, and puts those that have it all back here.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use rtmp_core::MediaKind;

use super::Lag;
use super::history::Entry;
use super::stream::{LiveStream, StreamState};
use crate::Batch;
use crate::session::{Cursor, Fanout, Follower};

/// Where followers stand, and what they get from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the next message.
    pub(crate) next: u64,
    /// Whose messages they get.
    pub(super) epoch: u64,
    /// They have a keyframe to go on from, so they get video.
    pub(super) has_keyframe: bool,
    /// How far they may be behind.
    pub(super) max_lag: Lag,
}

/// Those that wait at the end of the history.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Group>);

/// Those that wait at the same place, for the same server.
struct Group {
    fanout: Arc<Fanout>,
    place: Place,
    followers: VecDeque<Follower>,
}

/// Followers for which there is something new.
pub(crate) struct Round {
    pub(crate) stream: Arc<LiveStream>,
    pub(crate) place: Place,
    pub(crate) followers: VecDeque<Follower>,
}

/// What is new behind a place, as much as goes into one write.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) len: usize,
}

impl Followers {
    pub(super) fn add(
        &mut self,
        fanout: &Arc<Fanout>,
        place: Place,
        followers: impl IntoIterator<Item = Follower>,
    ) {
        let is_same = |group: &&mut Group| group.place == place && Arc::ptr_eq(&group.fanout, fanout);
        match self.0.iter_mut().find(is_same) {
            Some(group) => group.followers.extend(followers),
            None => self.0.push(Group {
                fanout: Arc::clone(fanout),
                place,
                followers: followers.into_iter().collect(),
            }),
        }
    }

    /// Takes away one that leaves: what waits keeps the memory of its connection.
    pub(super) fn remove(&mut self, cursor: &Arc<Cursor>) {
        for group in &mut self.0 {
            let is_this = |follower: &Follower| follower.is_at(cursor);
            if let Some(place) = group.followers.iter().position(is_this) {
                group.followers.swap_remove_back(place);
            }
        }
        self.0.retain(|group| !group.followers.is_empty());
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("place", &self.place)
            .field("followers", &self.followers.len())
            .finish_non_exhaustive()
    }
}

/// Hands groups over to the fan-outs that serve them, outside of all locks.
pub(super) struct Due(Vec<Group>);

impl Due {
    pub(super) fn serve(self, stream: &Arc<LiveStream>) {
        for Group {
            fanout,
            place,
            followers,
        } in self.0
        {
            fanout.push_round(Round {
                stream: Arc::clone(stream),
                place,
                followers,
            });
        }
    }
}

impl StreamState {
    /// Whether somebody at this place has all there is to give or to tell.
    pub(super) fn is_all(&self, next: u64, epoch: u64) -> bool {
        next == self.history.end() && epoch == self.history.epoch() && self.feeds.is_on_air()
    }

    /// Takes the followers for which there is something new.
    pub(super) fn take_due(&mut self) -> Due {
        let (rest, due) = mem::take(&mut self.followers.0)
            .into_iter()
            .partition(|group| self.is_all(group.place.next, group.place.epoch));
        self.followers.0 = rest;
        Due(due)
    }
}

impl LiveStream {
    /// Takes what is new for the followers at a place, and returns the place behind it. `None` if each
    /// of them has to be asked, because they are too slow, have to be told something, or do not all get the same.
    pub(crate) fn share(&self, place: Place, share: &mut Share) -> Option<Place> {
        share.pieces.clear();
        share.len = 0;
        let state = self.lock();
        let history = &state.history;
        let is_same = |entry: &Entry| match entry.message.kind {
            MediaKind::Audio | MediaKind::Data => true,
            MediaKind::Video => place.has_keyframe,
            MediaKind::Amf3Data => false,
        };
        let is_newest = place.next + 1 >= history.end();
        let is_behind = !is_newest && history.lag(place.next).exceeds(place.max_lag);
        let is_there = place.next >= history.first() && place.epoch == history.epoch();
        if is_behind || !is_there || !state.feeds.is_on_air() {
            return None;
        }
        let mut next = place.next;
        while let Some(entry) = history.get(next).filter(|entry| is_same(entry))
            && !Batch::is_enough(share.pieces.len(), share.len)
        {
            let wire = entry.framed.wire();
            share.len += wire.len();
            share.pieces.push(wire.clone());
            next += 1;
        }
        let is_something = next > place.next || next == history.end();
        is_something.then_some(Place { next, ..place })
    }

    /// Lets followers wait at a place, unless there is something new for them already.
    pub(crate) fn wait(
        self: &Arc<Self>,
        fanout: &Arc<Fanout>,
        place: Place,
        followers: &mut Vec<Follower>,
    ) -> Option<Round> {
        let mut state = self.lock();
        followers.retain(|follower| !follower.has_left());
        if followers.is_empty() {
            return None;
        }
        if state.is_all(place.next, place.epoch) {
            state.followers.add(fanout, place, followers.drain(..));
            return None;
        }
        drop(state);
        Some(Round {
            stream: Arc::clone(self),
            place,
            followers: followers.drain(..).collect(),
        })
    }
}
