//! Players that have all there is, and get everything that comes.
//!
//! They need not be asked one by one: those that wait at the same place get the same. So the fan-out takes what is new
//! from the history once for many of them, and puts those that have it all back here. They come and go in bands, so that
//! nothing is done for each of them; and one that leaves is found without looking at all others.

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
pub(super) struct Followers {
    groups: Vec<Group>,
    /// Numbers the bands.
    last_band: u64,
    /// Counts those that have left, wherever they were.
    departures: u64,
}

/// Those that wait at the same place, for the same server.
struct Group {
    fanout: Arc<Fanout>,
    place: Place,
    /// All but the last are more than half full, or there is but one.
    bands: Vec<Band>,
}

/// Followers that are served in one turn of the fan-out.
pub(crate) struct Band {
    id: u64,
    pub(crate) followers: Vec<Follower>,
}

/// Followers for which there is something new.
pub(crate) struct Round {
    pub(crate) stream: Arc<LiveStream>,
    pub(crate) place: Place,
    /// How many had left when they were taken from the stream.
    pub(crate) departures: u64,
    pub(crate) bands: VecDeque<Band>,
}

/// What is new behind a place, as much as goes into one write.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) len: usize,
}

impl Band {
    /// Some 200 microseconds of writing.
    pub(crate) const MAX_LEN: usize = 64;

    /// Takes in those of another one.
    fn join(&mut self, mut other: Self) {
        for follower in &other.followers {
            follower.enter(self.id);
        }
        self.followers.append(&mut other.followers);
    }

    fn len(&self) -> usize {
        self.followers.len()
    }
}

impl Group {
    /// Adds a band, or those that are in it. The smallest comes last.
    fn add(&mut self, band: Band) {
        match self.bands.last_mut() {
            Some(last) if last.len() + band.len() <= Band::MAX_LEN => last.join(band),
            Some(last) if last.len() < band.len() => {
                let smallest = mem::replace(last, band);
                self.bands.push(smallest);
            }
            _ => self.bands.push(band),
        }
    }

    /// Takes one away, if its band is here.
    fn remove(&mut self, cursor: &Arc<Cursor>) {
        let Some(place) = self.bands.iter().position(|band| band.id == cursor.band()) else {
            return;
        };
        let mut band = self.bands.remove(place);
        band.followers.retain(|follower| !follower.is_at(cursor));
        if band.len() > Band::MAX_LEN / 2 {
            self.bands.insert(place, band);
        } else if !band.followers.is_empty() {
            self.add(band);
        }
    }
}

impl Followers {
    /// Adds one that comes.
    pub(super) fn add(&mut self, fanout: &Arc<Fanout>, place: Place, follower: Follower) {
        self.last_band += 1;
        let id = self.last_band;
        follower.enter(id);
        let followers = vec![follower];
        self.add_band(fanout, place, Band { id, followers });
    }

    fn add_band(&mut self, fanout: &Arc<Fanout>, place: Place, band: Band) {
        let is_same = |group: &&mut Group| group.place == place && Arc::ptr_eq(&group.fanout, fanout);
        match self.groups.iter_mut().find(is_same) {
            Some(group) => group.add(band),
            None => self.groups.push(Group {
                fanout: Arc::clone(fanout),
                place,
                bands: vec![band],
            }),
        }
    }

    /// Takes away one that leaves: what waits keeps the memory of its connection. If its band is on its way through the
    /// fan-out it is taken away when that comes back.
    pub(super) fn remove(&mut self, cursor: &Arc<Cursor>) {
        self.departures += 1;
        for group in &mut self.groups {
            group.remove(cursor);
        }
        self.groups.retain(|group| !group.bands.is_empty());
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("place", &self.place)
            .field("bands", &self.bands.len())
            .finish_non_exhaustive()
    }
}

/// Hands groups over to the fan-outs that serve them, outside of all locks.
pub(super) struct Due {
    groups: Vec<Group>,
    departures: u64,
}

impl Due {
    pub(super) fn serve(self, stream: &Arc<LiveStream>) {
        for Group { fanout, place, bands } in self.groups {
            fanout.push_round(Round {
                stream: Arc::clone(stream),
                place,
                departures: self.departures,
                bands: bands.into(),
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
        let (rest, groups) = mem::take(&mut self.followers.groups)
            .into_iter()
            .partition(|group| self.is_all(group.place.next, group.place.epoch));
        self.followers.groups = rest;
        Due {
            groups,
            departures: self.followers.departures,
        }
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

    /// Lets a band wait at a place, unless there is something new for it already. So many had left when it was taken.
    pub(crate) fn wait(
        self: &Arc<Self>,
        fanout: &Arc<Fanout>,
        place: Place,
        mut band: Band,
        departures: u64,
    ) -> Option<Round> {
        let mut state = self.lock();
        if state.followers.departures != departures {
            band.followers.retain(|follower| !follower.has_left());
        }
        if band.followers.is_empty() {
            return None;
        }
        if state.is_all(place.next, place.epoch) {
            state.followers.add_band(fanout, place, band);
            return None;
        }
        let departures = state.followers.departures;
        drop(state);
        Some(Round {
            stream: Arc::clone(self),
            place,
            departures,
            bands: [band].into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_stay_few_and_who_leaves_is_found_in_its_own() {
        let fanout = Arc::<Fanout>::default();
        let place = Place {
            next: 0,
            epoch: 0,
            has_keyframe: true,
            max_lag: Lag::default(),
        };
        let mut followers = Followers::default();
        let mut cursors = Vec::new();
        let mut random = 1_u64;
        for step in 0..4000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = (random >> 33) as usize;
            // More come at first, and then more leave.
            if index % 8 < if step < 2000 { 6 } else { 2 } {
                let (follower, cursor) = Follower::without_connection();
                followers.add(&fanout, place, follower);
                cursors.push(cursor);
            } else if !cursors.is_empty() {
                let cursor = cursors.swap_remove(index / 8 % cursors.len());
                followers.remove(&cursor);
                assert_eq!(Arc::strong_count(&cursor), 1, "it waits nowhere");
            }
            let bands: Vec<_> = followers.groups.iter().flat_map(|group| &group.bands).collect();
            assert_eq!(bands.iter().map(|band| band.len()).sum::<usize>(), cursors.len());
            let most = 2 * cursors.len() / Band::MAX_LEN + 1;
            assert!(bands.len() <= most, "{} bands of {}", bands.len(), cursors.len());
            assert!(bands.iter().all(|band| (1..=Band::MAX_LEN).contains(&band.len())));
        }
    }

    #[test]
    fn who_leaves_while_its_band_is_served_does_not_come_back() {
        let fanout = Arc::<Fanout>::default();
        let stream = Arc::<LiveStream>::default();
        let place = Place {
            next: 0,
            epoch: 0,
            has_keyframe: true,
            max_lag: Lag::default(),
        };
        let (leaves, left) = Follower::without_connection();
        let (stays, stayed) = Follower::without_connection();
        let band = Band {
            id: 1,
            followers: vec![leaves, stays],
        };
        left.leave();
        stream.lock().followers.remove(&left);
        // Nobody publishes, so they have to be asked.
        let round = stream.wait(&fanout, place, band, 0).expect("a round");
        assert_eq!(Arc::strong_count(&left), 1);
        assert_eq!(Arc::strong_count(&stayed), 2);
        assert_eq!((round.departures, round.bands.len()), (1, 1));
    }
}
