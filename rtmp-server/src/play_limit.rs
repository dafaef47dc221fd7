//! How much of a live stream a player wants: the duration of its `play` (RTMP 1.0 section 7.2.2.1).

use std::time::Duration;

use rtmp_core::message::MediaKind;
use rtmp_core::{MediaMessage, Timestamp};

/// A longer step from one frame to the next is another clock, of the next publisher say, and counts no more than this.
const MAX_STEP: Duration = Duration::from_secs(10);

/// Audio and video overtake each other by a little, in milliseconds. More is a clock that begins again.
const MAX_DISORDER: i32 = 1000;

/// Lets only a part of a stream through.
pub(crate) trait Filter: Send {
    /// Whether the player is to get this message.
    fn takes(&mut self, message: &MediaMessage) -> bool;
}

/// Counts the time of the media that a player gets.
#[derive(Debug)]
pub(crate) struct PlayLimit {
    left: Duration,
    /// Only one frame is wanted: of video, once it is known that there is any.
    is_frame: bool,
    has_video: bool,
    latest: Option<Timestamp>,
    is_reached: bool,
}

impl PlayLimit {
    /// Zero is a single frame.
    pub(crate) fn new(duration: Duration) -> Self {
        Self {
            left: duration,
            is_frame: duration.is_zero(),
            has_video: false,
            latest: None,
            is_reached: false,
        }
    }

    /// The player has got all that it wants.
    pub(crate) fn is_reached(&self) -> bool {
        self.is_reached
    }
}

impl Filter for PlayLimit {
    fn takes(&mut self, message: &MediaMessage) -> bool {
        if self.is_reached {
            return false;
        }
        self.has_video |= message.kind == MediaKind::Video;
        if !message.is_coded_frames() {
            return true;
        }
        if self.is_frame {
            self.is_reached = message.kind == MediaKind::Video || !self.has_video;
            return self.is_reached;
        }
        let step = self
            .latest
            .map_or(0, |latest| message.timestamp.signed_millis_since(latest));
        if self.latest.is_none() || step > 0 || -step > MAX_DISORDER {
            self.latest = Some(message.timestamp);
        }
        let step = Duration::from_millis(step.max(0).unsigned_abs().into()).min(MAX_STEP);
        self.left = self.left.saturating_sub(step);
        self.is_reached = self.left.is_zero();
        !self.is_reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(millis: u32) -> MediaMessage {
        MediaMessage::video(Timestamp::from_millis(millis), &b"\x27\x01\0\0\0\x41"[..])
    }

    fn audio(millis: u32) -> MediaMessage {
        MediaMessage::audio(Timestamp::from_millis(millis), &b"\xAF\x01\x21"[..])
    }

    fn taken(duration: u64, messages: &[MediaMessage]) -> usize {
        let mut limit = PlayLimit::new(Duration::from_millis(duration));
        let taken = messages.iter().filter(|message| limit.takes(message)).count();
        assert_eq!(limit.is_reached(), taken < messages.len());
        taken
    }

    #[test]
    fn time_counts_across_a_wrap_and_disorder_and_a_clock_that_begins_again() {
        let start = u32::MAX - 59;
        let messages = [
            video(start),
            audio(start - 10),
            video(start.wrapping_add(40)),
            audio(start.wrapping_add(30)),
            video(start.wrapping_add(80)),
        ];
        assert_eq!(taken(80, &messages), 4);
        assert_eq!(taken(81, &messages), 5);
        let again = [video(90_000), video(90_040), video(0), video(40), video(80)];
        assert_eq!(taken(120, &again), 4);
        let ahead = [video(0), video(3_600_000), video(3_600_040)];
        assert_eq!(taken(10_041, &ahead), 3);
    }

    #[test]
    fn a_single_frame_is_one_of_video_if_there_is_any() {
        let header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x64"[..]);
        assert_eq!(taken(0, &[header, audio(0), video(0), video(40)]), 2);
        assert_eq!(taken(0, &[audio(0), audio(23)]), 1);
    }
}
