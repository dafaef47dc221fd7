//! The times of what is received, over several connections.

use std::time::Duration;

use rtmp_core::{MediaMessage, Timestamp};

/// How far ahead of what the outage explains a server's clock may be and still count as the same, in milliseconds.
const TOLERANCE: u32 = 10_000;

/// The longest outage that is told apart, in milliseconds.
const MAX_GAP: u32 = 1 << 30;

/// Puts the times of a later connection behind those of the earlier ones.
#[derive(Debug, Default)]
pub(super) struct Seam {
    /// There was audio or video.
    has_media: bool,
    /// The latest time that was given out.
    latest: Option<Timestamp>,
    /// What is added to the server's times, modulo 2^32.
    shift: u32,
    /// No time of the current connection is before this.
    floor: Option<Timestamp>,
    /// The outage before the current connection, in milliseconds, until its first frame has come.
    gap: Option<u32>,
}

impl Seam {
    /// What is placed from now on comes over another connection.
    pub(super) fn reconnected(&mut self, outage: Duration) {
        self.floor = self.latest;
        self.gap = Some(u32::try_from(outage.as_millis()).unwrap_or(MAX_GAP).min(MAX_GAP));
    }

    /// The time of a message on the common clock.
    pub(super) fn place(&mut self, message: &MediaMessage) -> Timestamp {
        self.has_media |= !message.kind.is_data();
        let (time, Some(latest)) = (message.timestamp, self.latest) else {
            self.gap = None;
            self.latest = Some(message.timestamp);
            return message.timestamp;
        };
        if let Some(gap) = self.gap {
            // Servers give configuration any time, and often none.
            if message.configurations().next().is_some() || (message.kind.is_data() && self.has_media) {
                return latest;
            }
            self.gap = None;
            let goes_on = |shift: &u32| time.wrapping_add(*shift).millis_since(latest) <= gap + TOLERANCE;
            let expected = latest.wrapping_add(gap);
            self.shift = [self.shift, 0]
                .into_iter()
                .find(goes_on)
                .unwrap_or(expected.millis_since(time));
        }
        let shifted = time.wrapping_add(self.shift);
        let placed = match self.floor {
            Some(floor) if floor.is_after(shifted) => floor,
            _ => shifted,
        };
        if placed.is_after(latest) {
            self.latest = Some(placed);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(at: u32) -> MediaMessage {
        MediaMessage::video(Timestamp::from_millis(at), &b"\x17\x01\0\0\0\x65"[..])
    }

    fn header(at: u32) -> MediaMessage {
        MediaMessage::video(Timestamp::from_millis(at), &b"\x17\0\0\0\0\x01"[..])
    }

    /// Frames and headers at these times behind an outage of 2 s, and before it a frame at 60,000.
    fn placed(messages: &[MediaMessage]) -> Vec<u32> {
        let mut seam = Seam::default();
        seam.place(&frame(60_000));
        seam.reconnected(Duration::from_secs(2));
        messages
            .iter()
            .map(|message| seam.place(message).as_millis())
            .collect()
    }

    #[test]
    fn times_that_go_on_are_kept() {
        assert_eq!(
            placed(&[header(0), frame(62_000), frame(62_040)]),
            [60_000, 62_000, 62_040]
        );
        assert_eq!(placed(&[frame(60_000), frame(60_040)]), [60_000, 60_040]);
    }

    #[test]
    fn times_that_begin_anew_are_put_behind_the_outage() {
        assert_eq!(
            placed(&[header(0), frame(0), frame(40)]),
            [60_000, 62_000, 62_040]
        );
        assert_eq!(placed(&[frame(59_000), frame(59_040)]), [62_000, 62_040]);
    }

    #[test]
    fn times_far_ahead_are_brought_back() {
        assert_eq!(placed(&[frame(72_000)]), [72_000]);
        assert_eq!(placed(&[frame(72_001), frame(72_041)]), [62_000, 62_040]);
    }

    #[test]
    fn no_time_is_before_the_earlier_connection() {
        assert_eq!(
            placed(&[frame(60_001), frame(59_990), frame(60_020)]),
            [60_001, 60_000, 60_020]
        );
    }

    #[test]
    fn a_clock_that_was_shifted_once_stays_so_when_it_goes_on() {
        let mut seam = Seam::default();
        seam.place(&frame(60_000));
        seam.reconnected(Duration::from_secs(2));
        assert_eq!(seam.place(&frame(0)).as_millis(), 62_000);
        seam.reconnected(Duration::from_secs(1));
        assert_eq!(seam.place(&frame(1000)).as_millis(), 63_000);
    }

    proptest! {
        #[test]
        fn a_later_connection_is_never_before_an_earlier_one(
            connections in prop::collection::vec((any::<u32>(), 0..100_000_u64, prop::collection::vec(0..100_u32, 1..10)), 1..5)
        ) {
            let mut seam = Seam::default();
            let mut floor: Option<Timestamp> = None;
            for (start, outage, steps) in connections {
                seam.reconnected(Duration::from_millis(outage));
                let mut at = Timestamp::from_millis(start);
                let mut latest = floor;
                for step in steps {
                    at = at.wrapping_add(step);
                    let placed = seam.place(&frame(at.as_millis()));
                    prop_assert!(floor.is_none_or(|floor| !floor.is_after(placed)));
                    if latest.is_none_or(|latest| placed.is_after(latest)) {
                        latest = Some(placed);
                    }
                }
                floor = latest;
            }
        }
    }
}
