//! The time of a recording, from timestamps that wrap, jump and go back.

use std::time::Duration;

use crate::{MediaKind, Timestamp};

/// Time from the first coded frame of a recording. It never falls below where it began and does not wrap.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The time of the first frame, in milliseconds.
    start: u64,
    /// The last frame: its timestamp, and its time in milliseconds, which may be a little below the start.
    last: Option<(Timestamp, i64)>,
    /// The latest time so far, in milliseconds.
    latest: u64,
    audio: Pace,
    video: Pace,
}

/// Frames of one kind.
#[derive(Debug, Default)]
struct Pace {
    latest: Option<u64>,
    /// From the frame before the latest to the latest: how long the latest lasts.
    distance: u64,
}

/// Audio and video may be this far out of order. A greater step back before the start is another clock.
pub(super) const MAX_DISORDER: i32 = 1000;
/// A frame lasts no longer than this; what follows was a gap.
const MAX_FRAME_DISTANCE: u64 = 1000;

impl Clock {
    /// A clock whose first frame is at this time.
    pub(super) fn starting_at(start: Duration) -> Self {
        Self {
            start: u64::try_from(start.as_millis()).unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    /// The frames that come follow on the last without gap, whatever their timestamps are.
    pub(super) fn go_on_behind_the_last(&mut self) {
        self.start = self.end();
        self.last = None;
    }

    /// A frame of this timestamp would be the first. It may be another that comes first.
    pub(super) fn begin(&mut self, timestamp: Timestamp) {
        if self.last.is_none() {
            self.last = Some((timestamp, i64::try_from(self.start).unwrap_or(i64::MAX)));
        }
    }

    /// The time of a coded frame, which moves the clock.
    pub(super) fn frame(&mut self, kind: MediaKind, timestamp: Timestamp) -> Duration {
        let start = i64::try_from(self.start).unwrap_or(i64::MAX);
        let millis = match self.last {
            None => start,
            Some((last, millis)) => {
                let millis = millis.saturating_add(i64::from(timestamp.signed_millis_since(last)));
                if millis < start.saturating_sub(MAX_DISORDER.into()) {
                    i64::try_from(self.latest).unwrap_or(i64::MAX)
                } else {
                    millis
                }
            }
        };
        self.last = Some((timestamp, millis));
        let time = u64::try_from(millis).unwrap_or(0).max(self.start);
        self.latest = self.latest.max(time);
        match kind {
            MediaKind::Video => self.video.frame(time),
            _ => self.audio.frame(time),
        }
        Duration::from_millis(time)
    }

    /// The time of a message that is no coded frame. Configuration is often sent with a time of 0 or of long ago;
    /// it belongs where it was sent.
    pub(super) fn between_frames(&self, timestamp: Timestamp) -> Duration {
        let Some((last, millis)) = self.last else {
            return Duration::from_millis(self.start);
        };
        let step = i64::from(timestamp.signed_millis_since(last));
        let millis = if step.abs() <= MAX_DISORDER.into() {
            millis.saturating_add(step)
        } else {
            millis
        };
        Duration::from_millis(u64::try_from(millis).unwrap_or(0).max(self.start))
    }

    /// The latest time of a frame.
    pub(super) const fn latest(&self) -> Duration {
        Duration::from_millis(self.latest)
    }

    /// The end of the last frame.
    pub(super) fn duration(&self) -> Duration {
        Duration::from_millis(self.end())
    }

    fn end(&self) -> u64 {
        self.start.max(self.audio.end()).max(self.video.end())
    }
}

impl Pace {
    fn frame(&mut self, time: u64) {
        match self.latest {
            Some(latest) if time > latest => {
                self.distance = time.saturating_sub(latest).min(MAX_FRAME_DISTANCE);
                self.latest = Some(time);
            }
            Some(_) => {}
            None => self.latest = Some(time),
        }
    }

    fn end(&self) -> u64 {
        self.latest
            .map_or(0, |latest| latest.saturating_add(self.distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(kind: MediaKind, timestamps: &[u32]) -> (Vec<u128>, u128) {
        let mut clock = Clock::default();
        let times = timestamps
            .iter()
            .map(|&millis| clock.frame(kind, Timestamp::from_millis(millis)).as_millis())
            .collect();
        (times, clock.duration().as_millis())
    }

    #[test]
    fn time_starts_at_zero_and_crosses_the_wrap() {
        let start = u32::MAX - 20;
        assert_eq!(
            times(MediaKind::Video, &[start, u32::MAX, 19]),
            (vec![0, 20, 40], 60)
        );
    }

    #[test]
    fn a_little_disorder_at_the_start_is_time_zero() {
        assert_eq!(times(MediaKind::Audio, &[1000, 990, 1010]), (vec![0, 0, 10], 20));
    }

    #[test]
    fn a_clock_that_begins_with_the_earliest_frame_keeps_disorder() {
        let mut clock = Clock::default();
        clock.begin(Timestamp::from_millis(990));
        let mut at = |millis| {
            let time = clock.frame(MediaKind::Video, Timestamp::from_millis(millis));
            time.as_millis()
        };
        assert_eq!([at(1000), at(990), at(1040)], [10, 0, 50]);
    }

    #[test]
    fn a_clock_that_starts_again_goes_on_from_the_latest_time() {
        assert_eq!(
            times(MediaKind::Video, &[5_000_000, 5_000_040, 0, 40]),
            (vec![0, 40, 40, 80], 120)
        );
    }

    #[test]
    fn a_jump_of_half_the_range_gives_no_negative_and_no_wrapped_time() {
        let (times, duration) = times(MediaKind::Video, &[0, 1 << 31, 0, (1 << 31) - 1, u32::MAX]);
        assert!(duration >= times.iter().copied().max().unwrap());
        assert!(duration < 1 << 33);
    }

    #[test]
    fn a_gap_is_not_the_length_of_a_frame() {
        assert_eq!(times(MediaKind::Video, &[0, 40, 3_600_000]).1, 3_601_000);
    }

    #[test]
    fn configuration_does_not_move_the_clock() {
        let mut clock = Clock::default();
        assert_eq!(clock.between_frames(Timestamp::from_millis(7)), Duration::ZERO);
        clock.frame(MediaKind::Video, Timestamp::from_millis(90_000));
        clock.frame(MediaKind::Video, Timestamp::from_millis(95_000));
        assert_eq!(clock.between_frames(Timestamp::ZERO).as_millis(), 5000);
        assert_eq!(
            clock.between_frames(Timestamp::from_millis(95_020)).as_millis(),
            5020
        );
        assert_eq!(
            clock
                .frame(MediaKind::Video, Timestamp::from_millis(95_040))
                .as_millis(),
            5040
        );
    }

    #[test]
    fn a_clock_goes_on_behind_its_last_frame() {
        let mut clock = Clock::starting_at(Duration::from_millis(100));
        for millis in [7000, 7040] {
            clock.frame(MediaKind::Video, Timestamp::from_millis(millis));
        }
        clock.go_on_behind_the_last();
        let mut at = |kind, millis| clock.frame(kind, Timestamp::from_millis(millis)).as_millis();
        assert_eq!(at(MediaKind::Video, 500), 180);
        assert_eq!(at(MediaKind::Audio, 490), 180);
        assert_eq!(at(MediaKind::Video, 540), 220);
        assert_eq!(clock.duration().as_millis(), 260);
    }

    #[test]
    fn nothing_lasts_no_time() {
        assert_eq!(Clock::default().duration(), Duration::ZERO);
    }
}
