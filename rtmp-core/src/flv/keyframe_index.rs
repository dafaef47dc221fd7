//! A keyframe index of bounded size.

use std::time::Duration;

use crate::flv::KeyframePosition;

/// The keyframes of a recording, or evenly chosen ones of them.
#[derive(Debug)]
pub(super) struct KeyframeIndex {
    capacity: usize,
    entries: Vec<KeyframePosition>,
    /// Every how manieth keyframe is an entry: a power of two.
    stride: u64,
    seen: u64,
    last: Option<Duration>,
}

impl KeyframeIndex {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Vec::new(),
            stride: 1,
            seen: 0,
            last: None,
        }
    }

    pub(super) fn push(&mut self, keyframe: KeyframePosition) {
        self.last = Some(keyframe.time);
        if self.seen.is_multiple_of(self.stride) && self.entries.len() == self.capacity {
            self.thin();
        }
        if self.seen.is_multiple_of(self.stride) && self.entries.len() < self.capacity {
            self.entries.push(keyframe);
        }
        self.seen = self.seen.saturating_add(1);
    }

    fn thin(&mut self) {
        self.stride = self.stride.saturating_mul(2);
        let mut is_kept = false;
        self.entries.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
    }

    pub(super) fn entries(&self) -> &[KeyframePosition] {
        &self.entries
    }

    /// The time of the last keyframe, whether it is an entry or not.
    pub(super) const fn last(&self) -> Option<Duration> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(capacity: usize, keyframes: u64) -> Vec<u64> {
        let mut index = KeyframeIndex::new(capacity);
        for n in 0..keyframes {
            index.push(KeyframePosition::new(Duration::from_secs(n), n));
        }
        index.entries().iter().map(|entry| entry.offset).collect()
    }

    #[test]
    fn every_keyframe_is_an_entry_while_there_is_room() {
        assert_eq!(offsets(4, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn beyond_its_capacity_the_index_is_thinned_evenly() {
        assert_eq!(offsets(4, 5), [0, 2, 4]);
        assert_eq!(offsets(4, 8), [0, 2, 4, 6]);
        assert_eq!(offsets(4, 9), [0, 4, 8]);
        assert_eq!(offsets(3, 100), [0, 64]);
    }

    #[test]
    fn an_index_without_room_stays_empty() {
        assert!(offsets(0, 9).is_empty());
        assert_eq!(offsets(1, 9), [0]);
    }
}
