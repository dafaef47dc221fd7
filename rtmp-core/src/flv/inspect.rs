//! What a relay, a recorder or a player asks of a message without decoding it.

use super::script;
use super::{AudioCodec, AudioHeader, AudioPacketType, AudioTracks, VideoCodec, VideoHeader, VideoTracks};
use crate::{MediaKind, MediaMessage};

/// A part of a stream's configuration: what someone who joins late needs before the next keyframe, and in this
/// order.
///
/// A relay keeps the last message of each configuration it meets, in a map with this as its key; iterating a
/// `BTreeMap` gives them in the order to send. Audio and video tracks are numbered independently; a message
/// without track ids is track 0's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Configuration {
    /// `onMetaData`.
    Metadata,
    /// The sequence header of a video track.
    VideoSequenceHeader {
        /// The track's id.
        track: u8,
    },
    /// The video metadata (`colorInfo`) of a video track.
    VideoMetadata {
        /// The track's id.
        track: u8,
    },
    /// The sequence header of an audio track.
    AudioSequenceHeader {
        /// The track's id.
        track: u8,
    },
    /// The multichannel configuration of an audio track.
    MultichannelConfig {
        /// The track's id.
        track: u8,
    },
}

/// The configurations in one message: none for almost all, one, or one per track of a multitrack message.
#[derive(Clone, Debug)]
pub struct Configurations<'a>(Found<'a>);

#[derive(Clone, Debug)]
enum Found<'a> {
    Nothing,
    Metadata,
    Video(fn(u8) -> Configuration, VideoTracks<'a>),
    Audio(fn(u8) -> Configuration, AudioTracks<'a>),
}

impl<'a> Configurations<'a> {
    fn video(body: &'a [u8]) -> Self {
        let Ok(header) = VideoHeader::parse(body) else {
            return Self(Found::Nothing);
        };
        let of_track: fn(u8) -> Configuration = match header.packet_type {
            _ if header.is_sequence_header() => |track| Configuration::VideoSequenceHeader { track },
            super::VideoPacketType::Metadata => |track| Configuration::VideoMetadata { track },
            _ => return Self(Found::Nothing),
        };
        Self(Found::Video(of_track, header.tracks()))
    }

    fn audio(body: &'a [u8]) -> Self {
        let Ok(header) = AudioHeader::parse(body) else {
            return Self(Found::Nothing);
        };
        let of_track: fn(u8) -> Configuration = match header.packet_type {
            // Two bytes are the shortest AudioSpecificConfig. Enhanced sequence headers may be empty.
            AudioPacketType::SequenceStart if !header.is_enhanced() && body.len() < 4 => {
                return Self(Found::Nothing);
            }
            AudioPacketType::SequenceStart => |track| Configuration::AudioSequenceHeader { track },
            AudioPacketType::MultichannelConfig => |track| Configuration::MultichannelConfig { track },
            _ => return Self(Found::Nothing),
        };
        Self(Found::Audio(of_track, header.tracks()))
    }
}

impl Iterator for Configurations<'_> {
    type Item = Configuration;

    fn next(&mut self) -> Option<Configuration> {
        match &mut self.0 {
            Found::Nothing => None,
            Found::Metadata => {
                self.0 = Found::Nothing;
                Some(Configuration::Metadata)
            }
            Found::Video(of_track, tracks) => loop {
                // A video sequence header without content configures nothing: parameter sets come in-band.
                let track = tracks.next()?.ok()?;
                if !track.body.is_empty() {
                    return Some(of_track(track.id));
                }
            },
            Found::Audio(of_track, tracks) => Some(of_track(tracks.next()?.ok()?.id)),
        }
    }
}

/// Questions about the content, answered from its first bytes without allocation. A message that cannot be parsed
/// is no keyframe, no sequence header and no configuration.
impl MediaMessage {
    /// Whether this is video of at least one track that can be decoded without earlier frames. An empty keyframe
    /// is none.
    #[must_use]
    pub fn is_keyframe(&self) -> bool {
        self.has_keyframe(|_| true)
    }

    /// Whether this is a keyframe of the video track with that id.
    ///
    /// Senders of several video tracks send each track's keyframe in a message of its own, so a group of pictures
    /// begins where the keyframe of one chosen track is, usually track 0.
    #[must_use]
    pub fn is_keyframe_of(&self, track: u8) -> bool {
        self.has_keyframe(|id| id == track)
    }

    fn has_keyframe(&self, is_wanted: impl Fn(u8) -> bool) -> bool {
        self.video_header().is_some_and(|header| {
            let holds_picture = |track: super::VideoTrack<'_>| is_wanted(track.id) && !track.body.is_empty();
            header.is_keyframe() && header.tracks().flatten().any(holds_picture)
        })
    }

    /// Whether this is decoder configuration of an audio or video track, with content where the codec needs it.
    #[must_use]
    pub fn is_sequence_header(&self) -> bool {
        self.configurations().any(|configuration| {
            matches!(
                configuration,
                Configuration::VideoSequenceHeader { .. } | Configuration::AudioSequenceHeader { .. }
            )
        })
    }

    /// The parts of the stream's configuration in this message.
    ///
    /// `onMetaData` counts with and without `@setDataFrame` and is recognized by its name; its values are not
    /// decoded.
    #[must_use]
    pub fn configurations(&self) -> Configurations<'_> {
        match self.kind {
            MediaKind::Video => Configurations::video(&self.payload),
            MediaKind::Audio => Configurations::audio(&self.payload),
            MediaKind::Data | MediaKind::Amf3Data if script::is_metadata(&self.payload) => {
                Configurations(Found::Metadata)
            }
            MediaKind::Data | MediaKind::Amf3Data => Configurations(Found::Nothing),
        }
    }

    /// Whether this holds coded audio or video: neither configuration, command, silence, end of sequence nor data.
    #[must_use]
    pub fn is_coded_frames(&self) -> bool {
        let is_coded_video = |header: VideoHeader<'_>| header.packet_type.is_coded_frames();
        let is_coded_audio = |header: AudioHeader<'_>| header.packet_type == AudioPacketType::CodedFrames;
        self.video_header().is_some_and(is_coded_video) || self.audio_header().is_some_and(is_coded_audio)
    }

    /// The codec of video, that of the first track if there are several.
    #[must_use]
    pub fn video_codec(&self) -> Option<VideoCodec> {
        self.video_header()?.codec()
    }

    /// The codec of audio, that of the first track if there are several.
    #[must_use]
    pub fn audio_codec(&self) -> Option<AudioCodec> {
        self.audio_header()?.codec()
    }

    fn video_header(&self) -> Option<VideoHeader<'_>> {
        (self.kind == MediaKind::Video).then(|| VideoHeader::parse(&self.payload).ok())?
    }

    fn audio_header(&self) -> Option<AudioHeader<'_>> {
        (self.kind == MediaKind::Audio).then(|| AudioHeader::parse(&self.payload).ok())?
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;

    fn video(body: &'static [u8]) -> MediaMessage {
        MediaMessage::video(Timestamp::ZERO, body)
    }

    fn audio(body: &'static [u8]) -> MediaMessage {
        MediaMessage::audio(Timestamp::ZERO, body)
    }

    fn configurations(message: &MediaMessage) -> Vec<Configuration> {
        message.configurations().collect()
    }

    #[test]
    fn keyframes_are_recognized_in_every_form() {
        for body in [
            &b"\x17\x01\0\0\0\x65"[..],
            b"\x1C\x01\0\0\0\x26",
            b"\x12\0",
            b"\x91hvc1\0\0\0\x26",
            b"\x93hvc1\x26",
            b"\x91av01\x0A",
            b"\x96\x01av01\x05\x0A",
            b"\x97\x02\0\0\x07\x03hvc1\x26",
        ] {
            assert!(video(body).is_keyframe(), "{body:02x?}");
            assert!(!audio(body).is_keyframe());
        }
    }

    #[test]
    fn what_only_looks_like_a_keyframe_is_none() {
        for body in [
            &b""[..],
            b"\x17",
            b"\x17\x00\0\0\0\x01",
            b"\x17\x01\0\0\0",
            b"\x17\x02\0\0\0",
            b"\x17\x07\0\0\0\x65",
            b"\x90hvc1\x01",
            b"\x92hvc1",
            b"\x94hvc1\x02",
            b"\xD1\x00",
            b"\x57\x00",
            b"\x99hvc1\x26",
            b"\xA1hvc1\0\0\0\x26",
        ] {
            assert!(!video(body).is_keyframe(), "{body:02x?}");
        }
    }

    #[test]
    fn a_keyframe_of_another_track_does_not_start_the_group_of_the_first() {
        let second = video(b"\x96\x01av01\x01\x0A");
        assert!(second.is_keyframe_of(1) && !second.is_keyframe_of(0));
        assert!(video(b"\x17\x01\0\0\0\x65").is_keyframe_of(0));
    }

    #[test]
    fn configurations_name_their_track() {
        use Configuration::*;
        assert_eq!(
            configurations(&video(b"\x17\0\0\0\0\x01")),
            [VideoSequenceHeader { track: 0 }]
        );
        assert_eq!(
            configurations(&video(b"\x96\x20avc1\x00\0\0\x01\x01av01\x02\0\0\x01\x81")),
            [VideoSequenceHeader { track: 0 }, VideoSequenceHeader { track: 2 }]
        );
        assert_eq!(
            configurations(&video(b"\x86\x04hvc1\x03\x02")),
            [VideoMetadata { track: 3 }]
        );
        assert_eq!(
            configurations(&audio(b"\xAF\0\x12\x10")),
            [AudioSequenceHeader { track: 0 }]
        );
        assert_eq!(
            configurations(&audio(b"\x90ac-3")),
            [AudioSequenceHeader { track: 0 }]
        );
        assert_eq!(
            configurations(&audio(b"\x94mp4a\x01\x06\0\0\x06\x0F")),
            [MultichannelConfig { track: 0 }]
        );
        let metadata = MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09"[..]);
        assert_eq!(configurations(&metadata), [Metadata]);
    }

    #[test]
    fn configuration_that_is_empty_or_cut_off_is_not_kept() {
        for message in [
            video(b"\x17\0\0\0\0"),
            video(b"\x17\0\0"),
            video(b"\x90hvc1"),
            audio(b"\xAF\0"),
            audio(b"\xAF\0\x12"),
            audio(b"\x90Opu"),
            audio(b""),
        ] {
            assert_eq!(configurations(&message), [], "{message:?}");
            assert!(!message.is_sequence_header());
        }
    }

    #[test]
    fn configurations_sort_in_the_order_to_send() {
        assert!(Configuration::Metadata < Configuration::VideoSequenceHeader { track: 0 });
        assert!(
            Configuration::VideoSequenceHeader { track: 9 } < Configuration::AudioSequenceHeader { track: 0 }
        );
    }

    #[test]
    fn a_body_of_one_byte_is_answered_whatever_it_is() {
        for first in 0..=u8::MAX {
            for kind in [MediaKind::Audio, MediaKind::Video, MediaKind::Data] {
                let message = MediaMessage {
                    kind,
                    timestamp: Timestamp::ZERO,
                    payload: vec![first].into(),
                };
                assert!(!message.is_keyframe() && !message.is_sequence_header());
            }
        }
    }

    proptest! {
        #[test]
        fn any_body_is_answered_and_keyframes_are_no_configuration(
            start in prop::sample::select(vec![0x90_u8, 0x91, 0x94, 0x95, 0x96, 0x97, 0x17, 0xAF, 0x2C]),
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let body = [&[start], &rest[..]].concat();
            for kind in [MediaKind::Audio, MediaKind::Video, MediaKind::Data, MediaKind::Amf3Data] {
                let message = MediaMessage { kind, timestamp: Timestamp::ZERO, payload: body.clone().into() };
                prop_assert!(!(message.is_coded_frames() && message.configurations().next().is_some()));
                prop_assert!(!message.is_keyframe() || message.is_coded_frames());
                // A track takes at least one byte.
                prop_assert!(message.configurations().count() <= body.len());
            }
        }
    }
}
