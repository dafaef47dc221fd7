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
    /// back, and another publisher goes on where the last one was, wherever its own time begins.
    Rebase,
}

/// The clock that players see.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The latest time of audio, video and data.
    latest: [Option<Timestamp>; 3],
    /// What is added to the publisher's times.
    shift: u32,
    /// Another publisher has begun, and where its time begins is not known yet.
    at_seam: bool,
}

impl Clock {
    /// The time at which players get a message. Only audio and video move the clock, or data if there is nothing else:
    /// encoders give configuration and data any time, often zero.
    pub(super) fn place(
        &mut self,
        kind: MediaKind,
        timestamp: Timestamp,
        is_configuration: bool,
        policy: BackwardTime,
    ) -> Timestamp {
        if policy == BackwardTime::PassOn {
            return timestamp;
        }
        let moves_clock = !is_configuration && (!kind.is_data() || self.latest_of_media().is_none());
        if self.at_seam
            && let Some(latest) = self.latest_of_media().or(self.latest_of_data())
        {
            if !moves_clock {
                return latest;
            }
            self.shift = latest.millis_since(timestamp);
        }
        self.at_seam &= !moves_clock;
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
            if policy == BackwardTime::Rebase && moves_clock {
                self.shift = self.shift.wrapping_add(latest.millis_since(placed));
            }
            placed = latest;
        }
        *latest = Some(placed);
        placed
    }

    /// Another publisher begins. Only with [`BackwardTime::Rebase`] does it go on where the last one was, wherever its
    /// own time begins.
    pub(super) fn restart(&mut self, policy: BackwardTime) {
        if policy == BackwardTime::Rebase {
            self.at_seam = self.latest.iter().any(Option::is_some);
        } else {
            *self = Self::default();
        }
    }

    fn latest_of_data(&self) -> Option<Timestamp> {
        let [_, _, data] = self.latest;
        data
    }

    fn latest_of_media(&self) -> Option<Timestamp> {
        let [audio, video, _] = self.latest;
        match (audio, video) {
            (Some(audio), Some(video)) if audio.is_after(video) => Some(audio),
            (audio, video) => video.or(audio),
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
                .place(kind, Timestamp::from_millis(millis), false, policy)
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

    #[test]
    fn another_publisher_goes_on_where_the_last_was_wherever_its_time_begins() {
        for begin in [0, 5000, 9_000_000, u32::MAX - 20] {
            let mut clock = Clock::default();
            clock.restart(BackwardTime::Rebase);
            let place = |clock: &mut Clock, kind, millis: u32, is_configuration| {
                let timestamp = Timestamp::ZERO.wrapping_add(millis);
                clock
                    .place(kind, timestamp, is_configuration, BackwardTime::Rebase)
                    .as_millis()
            };
            place(&mut clock, MediaKind::Video, 0, true);
            place(&mut clock, MediaKind::Video, 5000, false);
            place(&mut clock, MediaKind::Audio, 4990, false);
            clock.restart(BackwardTime::Rebase);
            let placed = [
                place(&mut clock, MediaKind::Data, 0, true),
                place(&mut clock, MediaKind::Video, 0, true),
                place(&mut clock, MediaKind::Video, begin, false),
                place(&mut clock, MediaKind::Audio, begin.wrapping_add(10), false),
                place(&mut clock, MediaKind::Video, begin.wrapping_add(40), false),
            ];
            assert_eq!(placed, [5000, 5000, 5000, 5010, 5040], "{begin}");
        }
    }

    #[test]
    fn configuration_and_data_at_zero_move_no_clock() {
        let mut clock = Clock::default();
        let mut place = |kind, millis, is_configuration| {
            let timestamp = Timestamp::from_millis(millis);
            clock
                .place(kind, timestamp, is_configuration, BackwardTime::Rebase)
                .as_millis()
        };
        let placed = [
            place(MediaKind::Video, 5000, false),
            place(MediaKind::Data, 5000, false),
            place(MediaKind::Video, 0, true),
            place(MediaKind::Data, 0, false),
            place(MediaKind::Video, 5040, false),
        ];
        assert_eq!(placed, [5000, 5000, 5000, 5000, 5040]);
    }
}
