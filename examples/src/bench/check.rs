//! What a player must be able to rely on, checked message by message.

use std::fmt;

use rtmp_core::flv::{AudioCodec, Configuration, VideoCodec};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use super::compare::Comparison;
use super::stamp::{Stamp, nal_length_size, read_stamp, take_stamp};

/// How many faults are kept; the rest are counted.
const MAX_FAULTS: usize = 8;

/// A stream with no video among so many messages is taken for one without video.
const VIDEO_AMONG: u64 = 256;

/// Something that no server may do to a player.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The timestamps of a kind went back.
    TimeWentBack {
        /// Of which kind.
        kind: MediaKind,
        /// The time before.
        from: Timestamp,
        /// The time of the message.
        to: Timestamp,
    },
    /// A frame came before the sequence header that its codec needs.
    NoSequenceHeader {
        /// Of which kind.
        kind: MediaKind,
        /// The time of the frame.
        at: Timestamp,
    },
    /// The first video frame is no keyframe.
    NoKeyframe {
        /// The time of the frame.
        at: Timestamp,
    },
    /// A stamped frame came twice, or behind a later one.
    WrongOrder {
        /// The number of the frame before.
        from: u32,
        /// The number of the frame.
        to: u32,
    },
    /// A message is not the one that the file has there: it was changed, or one before it was lost.
    Differs {
        /// Of which kind.
        kind: MediaKind,
        /// The time of the message.
        at: Timestamp,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeWentBack { kind, from, to } => {
                write!(f, "the time of {} went back from {from} to {to}", name(*kind))
            }
            Self::NoSequenceHeader { kind, at } => {
                write!(f, "{} began without its sequence header, at {at}", name(*kind))
            }
            Self::NoKeyframe { at } => write!(f, "video did not begin with a keyframe, at {at}"),
            Self::WrongOrder { from, to } => write!(f, "video frame {to} came behind frame {from}"),
            Self::Differs { kind, at } => write!(f, "{} at {at} is not what the file has there", name(*kind)),
        }
    }
}

fn name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Data | MediaKind::Amf3Data => "data",
    }
}

/// How many messages a player got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Audio messages with coded frames.
    pub audio_frames: u64,
    /// Video messages with coded frames.
    pub video_frames: u64,
    /// All messages.
    pub messages: u64,
    /// Stamped video frames that were left out.
    pub missed_frames: u64,
}

/// Checks the messages of one player.
#[derive(Debug, Default)]
pub struct Checker {
    audio: Track,
    video: Track,
    last_data: Option<Timestamp>,
    has_keyframe: bool,
    nal_length_size: Option<usize>,
    last_number: Option<u32>,
    comparison: Option<Comparison>,
    counts: Counts,
    faults: Vec<Fault>,
    fault_count: u64,
}

#[derive(Debug, Default)]
struct Track {
    last: Option<Timestamp>,
    has_header: bool,
    has_frame: bool,
}

impl Checker {
    /// A checker that also compares the messages with a file.
    #[must_use]
    pub(super) fn comparing(comparison: Option<Comparison>) -> Self {
        Self {
            comparison,
            ..Self::default()
        }
    }

    /// Checks the next message. Gives its stamp, if it has one.
    pub fn check(&mut self, message: &MediaMessage) -> Option<Stamp> {
        self.counts.messages += 1;
        self.check_time(message);
        let is_frame = message.is_coded_frames();
        match message.kind {
            MediaKind::Audio if is_frame => self.check_audio_frame(message),
            MediaKind::Video if is_frame => self.check_video_frame(message),
            _ => self.note_configuration(message),
        }
        let length_size = self.nal_length_size.unwrap_or(4);
        self.compare(message, is_frame, length_size);
        let stamp = read_stamp(message, length_size)?;
        self.check_number(stamp.number);
        Some(stamp)
    }

    /// Whether the stream has begun: the first keyframe is there or, without video, the first audio frame.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let has_no_video = self.counts.messages >= VIDEO_AMONG && self.counts.video_frames == 0;
        self.has_keyframe || (has_no_video && self.counts.audio_frames > 0)
    }

    /// Whether any coded audio or video has come.
    #[must_use]
    pub fn has_media(&self) -> bool {
        self.counts.audio_frames + self.counts.video_frames > 0
    }

    /// What came so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The first faults.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many faults there were.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    fn check_time(&mut self, message: &MediaMessage) {
        let last = match message.kind {
            MediaKind::Audio => &mut self.audio.last,
            MediaKind::Video => &mut self.video.last,
            MediaKind::Data | MediaKind::Amf3Data => &mut self.last_data,
        };
        let before = last.replace(message.timestamp);
        if let Some(from) = before
            && from.is_after(message.timestamp)
        {
            self.note(Fault::TimeWentBack {
                kind: message.kind,
                from,
                to: message.timestamp,
            });
        }
    }

    fn check_audio_frame(&mut self, message: &MediaMessage) {
        self.counts.audio_frames += 1;
        let is_first = !std::mem::replace(&mut self.audio.has_frame, true);
        if is_first && !self.audio.has_header && message.audio_codec() == Some(AudioCodec::Aac) {
            self.note(Fault::NoSequenceHeader {
                kind: MediaKind::Audio,
                at: message.timestamp,
            });
        }
    }

    fn check_video_frame(&mut self, message: &MediaMessage) {
        self.counts.video_frames += 1;
        let is_first = !std::mem::replace(&mut self.video.has_frame, true);
        let is_keyframe = message.is_keyframe();
        self.has_keyframe |= is_keyframe;
        if !is_first {
            return;
        }
        let needs_header = matches!(
            message.video_codec(),
            Some(VideoCodec::Avc | VideoCodec::Hevc | VideoCodec::Vvc)
        );
        if needs_header && !self.video.has_header {
            self.note(Fault::NoSequenceHeader {
                kind: MediaKind::Video,
                at: message.timestamp,
            });
        }
        if !is_keyframe {
            self.note(Fault::NoKeyframe {
                at: message.timestamp,
            });
        }
    }

    fn note_configuration(&mut self, message: &MediaMessage) {
        for configuration in message.configurations() {
            match configuration {
                Configuration::VideoSequenceHeader { .. } => {
                    self.video.has_header = true;
                    self.nal_length_size = nal_length_size(message).or(self.nal_length_size);
                }
                Configuration::AudioSequenceHeader { .. } => self.audio.has_header = true,
                _ => {}
            }
        }
    }

    fn compare(&mut self, message: &MediaMessage, is_frame: bool, length_size: usize) {
        let Some(comparison) = &mut self.comparison else {
            return;
        };
        let matches = if is_frame {
            let plain = take_stamp(message, length_size).map(|(_, payload)| payload);
            comparison.frame_matches(message.kind, plain.as_ref().unwrap_or(&message.payload))
        } else {
            !message.is_sequence_header() || comparison.has_configuration(&message.payload)
        };
        if !matches {
            self.note(Fault::Differs {
                kind: message.kind,
                at: message.timestamp,
            });
        }
    }

    fn check_number(&mut self, number: u32) {
        let Some(last) = self.last_number.replace(number) else {
            return;
        };
        match number.wrapping_sub(last) {
            step @ 1..0x8000_0000 => self.counts.missed_frames += u64::from(step - 1),
            _ => self.note(Fault::WrongOrder {
                from: last,
                to: number,
            }),
        }
    }

    fn note(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stamp::add_stamp;

    const VIDEO_HEADER: &[u8] = b"\x17\0\0\0\0\x01\x4D\x40\x1E\xFF\xE1\0\0";
    const KEYFRAME: &[u8] = b"\x17\x01\0\0\0\0\0\0\x02\x65\x01";
    const INTER_FRAME: &[u8] = b"\x27\x01\0\0\0\0\0\0\x02\x41\x01";
    const AUDIO_HEADER: &[u8] = b"\xAF\0\x12\x10";
    const AUDIO_FRAME: &[u8] = b"\xAF\x01\x21";

    fn at(millis: u32) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn video(millis: u32, body: &'static [u8]) -> MediaMessage {
        MediaMessage::video(at(millis), body)
    }

    fn audio(millis: u32, body: &'static [u8]) -> MediaMessage {
        MediaMessage::audio(at(millis), body)
    }

    fn check(messages: impl IntoIterator<Item = MediaMessage>) -> Checker {
        let mut checker = Checker::default();
        for message in messages {
            checker.check(&message);
        }
        checker
    }

    #[test]
    fn a_stream_in_order_has_no_faults() {
        let checker = check([
            video(40, VIDEO_HEADER),
            audio(23, AUDIO_HEADER),
            video(40, KEYFRAME),
            audio(23, AUDIO_FRAME),
            audio(46, AUDIO_FRAME),
            video(80, INTER_FRAME),
            video(80, INTER_FRAME),
        ]);
        assert_eq!(checker.faults(), []);
        let counts = Counts {
            audio_frames: 2,
            video_frames: 3,
            messages: 7,
            missed_frames: 0,
        };
        assert_eq!(checker.counts(), counts);
        assert!(checker.has_begun());
    }

    #[test]
    fn each_kind_has_a_clock_of_its_own_that_may_wrap() {
        let header = video(u32::MAX - 5, VIDEO_HEADER);
        let messages = [
            header,
            video(u32::MAX - 5, KEYFRAME),
            audio(7, AUDIO_HEADER),
            video(3, INTER_FRAME),
        ];
        assert_eq!(check(messages).fault_count(), 0);
    }

    #[test]
    fn video_that_begins_between_keyframes_is_a_fault_once() {
        let checker = check([
            video(0, VIDEO_HEADER),
            video(0, INTER_FRAME),
            video(40, INTER_FRAME),
        ]);
        assert_eq!(checker.faults(), [Fault::NoKeyframe { at: at(0) }]);
        assert!(!checker.has_begun());
    }

    #[test]
    fn frames_before_their_sequence_header_are_faults() {
        let checker = check([video(9, KEYFRAME), audio(8, AUDIO_FRAME), audio(9, AUDIO_HEADER)]);
        let expected = [
            Fault::NoSequenceHeader {
                kind: MediaKind::Video,
                at: at(9),
            },
            Fault::NoSequenceHeader {
                kind: MediaKind::Audio,
                at: at(8),
            },
        ];
        assert_eq!(checker.faults(), expected);
    }

    #[test]
    fn codecs_without_sequence_header_need_none() {
        let checker = check([audio(0, b"\x2F\xFF\xFB\x90"), video(0, b"\x12\0\0")]);
        assert_eq!(checker.fault_count(), 0);
    }

    #[test]
    fn stamped_frames_tell_what_was_left_out_and_what_came_twice() {
        let stamped =
            |millis, number| add_stamp(&video(millis, INTER_FRAME), 4, Stamp { number, micros: 5 }).unwrap();
        let mut checker = check([video(0, VIDEO_HEADER), video(0, KEYFRAME)]);
        assert_eq!(
            checker.check(&stamped(40, 1)),
            Some(Stamp { number: 1, micros: 5 })
        );
        checker.check(&stamped(80, 4));
        checker.check(&stamped(80, 4));
        assert_eq!(checker.counts().missed_frames, 2);
        assert_eq!(checker.faults(), [Fault::WrongOrder { from: 4, to: 4 }]);
    }

    #[test]
    fn a_stream_without_video_begins_all_the_same() {
        let mut checker = check([audio(0, AUDIO_HEADER)]);
        for millis in 0..VIDEO_AMONG as u32 {
            checker.check(&audio(millis, AUDIO_FRAME));
        }
        assert!(checker.has_begun());
    }

    #[test]
    fn many_faults_are_counted_and_the_first_are_kept() {
        let checker = check((0..100).rev().map(|millis| audio(millis, AUDIO_HEADER)));
        assert_eq!((checker.fault_count(), checker.faults().len()), (99, MAX_FAULTS));
        assert_eq!(
            checker.faults()[0].to_string(),
            "the time of audio went back from 99 ms to 98 ms"
        );
    }
}
