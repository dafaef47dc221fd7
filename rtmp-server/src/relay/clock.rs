//! What becomes of times that go back.

use rtmp_core::{MediaKind, Timestamp};

/// What a relay does when the times of a publisher go back, or another publisher of the name begins with earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackwardTime {
    /// Passes them on as they are: players see what the publisher sent.
    #[default]
    PassOn,
    /// Holds each kind of media at its latest time until the publisher is there again.
    Hold,
    /// Goes on from the latest time, moving all later times by the same amount. Players see one stream that never goes
    /// back, also across publishers.
    Rebase,
}

/// The clock that players see.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The latest time of audio, video and data.
    latest: [Option<Timestamp>; 3],
    /// What is added to the publisher's times.
    shift: u32,
}

impl Clock {
    /// The time at which players get a message.
    pub(super) fn place(&mut self, kind: MediaKind, timestamp: Timestamp, policy: BackwardTime) -> Timestamp {
        if policy == BackwardTime::PassOn {
            return timestamp;
        }
        let [audio, video, data] = &mut self.latest;
        let latest = match kind {
            MediaKind::Audio => audio,
            MediaKind::Video => video,
            MediaKind::Data | MediaKind::Amf3Data => data,
        };
        let mut placed = timestamp.wrapping_add(self.shift);
        if let Some(latest) = *latest
            && latest.is_after(placed)
        {
            if policy == BackwardTime::Rebase {
                self.shift = self.shift.wrapping_add(latest.millis_since(placed));
            }
            placed = latest;
        }
        *latest = Some(placed);
        placed
    }

    /// Another publisher begins. Only with [`BackwardTime::Rebase`] does it go on where the last one was.
    pub(super) fn restart(&mut self, policy: BackwardTime) {
        if policy != BackwardTime::Rebase {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(policy: BackwardTime, times: &[(MediaKind, u32)]) -> Vec<u32> {
        let mut clock = Clock::default();
        let place = |&(kind, millis)| {
            clock
                .place(kind, Timestamp::from_millis(millis), policy)
                .as_millis()
        };
        times.iter().map(place).collect()
    }

    const JUMP: [(MediaKind, u32); 6] = [
        (MediaKind::Video, 5000),
        (MediaKind::Audio, 4990),
        (MediaKind::Video, 100),
        (MediaKind::Audio, 90),
        (MediaKind::Video, 140),
        (MediaKind::Audio, 6000),
    ];

    #[test]
    fn times_are_passed_on_by_default() {
        assert_eq!(
            placed(BackwardTime::PassOn, &JUMP),
            [5000, 4990, 100, 90, 140, 6000]
        );
    }

    #[test]
    fn held_times_stay_until_the_publisher_is_there_again() {
        assert_eq!(
            placed(BackwardTime::Hold, &JUMP),
            [5000, 4990, 5000, 4990, 5000, 6000]
        );
    }

    #[test]
    fn rebased_times_go_on_and_keep_their_distances() {
        assert_eq!(
            placed(BackwardTime::Rebase, &JUMP),
            [5000, 4990, 5000, 4990, 5040, 10_900]
        );
    }

    #[test]
    fn the_wrap_of_the_clock_is_no_step_back() {
        let times = [(MediaKind::Audio, u32::MAX - 10), (MediaKind::Audio, 13)];
        for policy in [BackwardTime::PassOn, BackwardTime::Hold, BackwardTime::Rebase] {
            assert_eq!(placed(policy, &times), [u32::MAX - 10, 13]);
        }
    }
}
