//! The header of a video body (FLV 10.1 section E.4.3.1, Enhanced RTMP v2).

use super::enhanced::{self, Input, TrackBodies};
use super::{MediaBodyError, MediaHeaderError, MultitrackType, VideoCodec};

/// The header of a video body, and where the tracks' data is. Nothing is copied.
///
/// The old form (codec id in the first byte) and the enhanced form (FourCC) read alike: a body of the old form has
/// the single track 0.
///
/// ```
/// use rtmp_core::flv::{FrameType, VideoCodec, VideoHeader, VideoPacketType};
///
/// # fn main() -> Result<(), rtmp_core::flv::MediaHeaderError> {
/// let header = VideoHeader::parse(b"\x91hvc1\0\0\x85\0\0\0\x02\x26\x01")?;
/// assert_eq!(header.frame_type, FrameType::Key);
/// assert_eq!(header.packet_type, VideoPacketType::CodedFrames);
/// assert_eq!(header.codec(), Some(VideoCodec::Hevc));
/// for track in header.tracks() {
///     let track = track?;
///     assert_eq!((track.id, track.composition_time, track.body.len()), (0, 133, 6));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct VideoHeader<'a> {
    /// Kind of frame. Means nothing when the packet type is [`VideoPacketType::Metadata`].
    pub frame_type: FrameType,
    /// What the body holds.
    pub packet_type: VideoPacketType,
    /// Whether the body has the enhanced form.
    pub is_enhanced: bool,
    /// How the body is divided into tracks; `None` for a body without track ids.
    pub multitrack: Option<MultitrackType>,
    /// Nanoseconds to add to the presentation time, below 1 000 000 (ModEx `TimestampOffsetNano`).
    pub presentation_offset_nanos: u32,
    tracks: VideoTracks<'a>,
}

impl<'a> VideoHeader<'a> {
    /// Reads the header of a video body.
    ///
    /// # Errors
    ///
    /// [`MediaHeaderError`] when the body is empty, ends inside its header or inside its first track's, or nests
    /// multitrack.
    pub fn parse(body: &'a [u8]) -> Result<Self, MediaHeaderError> {
        let mut input = Input::new(body);
        let first = input.u8()?;
        let header = if first & 0x80 == 0 {
            Self::parse_legacy(first, input)?
        } else {
            Self::parse_enhanced(first, input)?
        };
        match header.tracks().next() {
            Some(Err(fault)) => Err(fault),
            _ => Ok(header),
        }
    }

    /// The tracks in the body, in order; none when the body is a command or is not understood.
    #[must_use]
    pub const fn tracks(&self) -> VideoTracks<'a> {
        self.tracks
    }

    /// The codec of the first track.
    #[must_use]
    pub fn codec(&self) -> Option<VideoCodec> {
        self.tracks().next()?.ok().map(|track| track.codec)
    }

    /// Whether this holds coded data of frames that can be decoded without others. The frame type is trusted; the
    /// coded data is not looked into.
    #[must_use]
    pub const fn is_keyframe(&self) -> bool {
        self.frame_type.is_key() && self.packet_type.is_coded_frames()
    }

    /// Whether this holds decoder configuration.
    #[must_use]
    pub const fn is_sequence_header(&self) -> bool {
        matches!(
            self.packet_type,
            VideoPacketType::SequenceStart | VideoPacketType::Mpeg2TsSequenceStart
        )
    }

    fn parse_legacy(first: u8, mut input: Input<'a>) -> Result<Self, MediaHeaderError> {
        let frame_type = FrameType::from_wire(first >> 4);
        let codec = VideoCodec::from_legacy(first & 0x0F);
        let mut bodies = TrackBodies::plain(codec, input);
        let packet_type = if frame_type == FrameType::Command {
            bodies.end();
            VideoPacketType::Command(VideoCommand::from_wire(input.u8()?))
        } else if codec.has_avc_layout() {
            let packet_type = match input.u8()? {
                0 => VideoPacketType::SequenceStart,
                1 => VideoPacketType::CodedFrames,
                2 => VideoPacketType::SequenceEnd,
                other => VideoPacketType::Other(other),
            };
            match packet_type {
                VideoPacketType::CodedFrames => bodies = TrackBodies::plain(codec, input),
                VideoPacketType::SequenceStart => {
                    // The composition time is there and means nothing.
                    input.si24()?;
                    bodies = TrackBodies::plain(codec, input);
                }
                _ => bodies = TrackBodies::plain(codec, Input::new(&[])),
            }
            packet_type
        } else {
            VideoPacketType::CodedFrames
        };
        Ok(Self {
            frame_type,
            packet_type,
            is_enhanced: false,
            multitrack: None,
            presentation_offset_nanos: 0,
            tracks: VideoTracks {
                bodies,
                composition_times: if packet_type == VideoPacketType::CodedFrames && codec.has_avc_layout() {
                    CompositionTimes::Every
                } else {
                    CompositionTimes::Absent
                },
            },
        })
    }

    fn parse_enhanced(first: u8, mut input: Input<'a>) -> Result<Self, MediaHeaderError> {
        let frame_type = FrameType::from_wire((first >> 4) & 0x07);
        let (packet_type, presentation_offset_nanos) = enhanced::read_mod_ex(&mut input, first & 0x0F)?;
        // The packet type decides before the frame type: metadata is sent with frame type 5 by some, 0 by others.
        let (packet_type, multitrack, bodies) = if frame_type == FrameType::Command && packet_type != METADATA
        {
            let command = VideoCommand::from_wire(input.u8()?);
            (VideoPacketType::Command(command), None, TrackBodies::none())
        } else {
            TrackBodies::open(input, packet_type, MULTITRACK, VideoPacketType::from_enhanced)?
        };
        Ok(Self {
            frame_type,
            packet_type,
            is_enhanced: true,
            multitrack,
            presentation_offset_nanos,
            tracks: VideoTracks {
                bodies,
                composition_times: if packet_type == VideoPacketType::CodedFrames {
                    CompositionTimes::NaluCodecs
                } else {
                    CompositionTimes::Absent
                },
            },
        })
    }
}

/// One track's part of a video body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoTrack<'a> {
    /// The track's id; 0 is the default track, and the one of bodies that name none.
    pub id: u8,
    /// The codec.
    pub codec: VideoCodec,
    /// Presentation time minus decoding time in milliseconds; 0 where the format has no such field.
    pub composition_time: i32,
    /// The data after all headers. For codecs older than AVC it begins right after the first byte of the body.
    pub body: &'a [u8],
}

impl<'a> VideoTrack<'a> {
    /// Track 0 with a composition time of 0.
    #[must_use]
    pub const fn new(codec: VideoCodec, body: &'a [u8]) -> Self {
        Self {
            id: 0,
            codec,
            composition_time: 0,
            body,
        }
    }

    /// The same with another id.
    #[must_use]
    pub const fn with_id(self, id: u8) -> Self {
        Self { id, ..self }
    }

    /// The same with another composition time, in milliseconds.
    #[must_use]
    pub const fn with_composition_time(self, composition_time: i32) -> Self {
        Self {
            composition_time,
            ..self
        }
    }
}

/// The tracks of a video body; the first fault ends the list.
#[derive(Clone, Copy, Debug)]
pub struct VideoTracks<'a> {
    bodies: TrackBodies<'a, VideoCodec>,
    composition_times: CompositionTimes,
}

/// Where a composition time stands before the coded data.
#[derive(Clone, Copy, Debug)]
enum CompositionTimes {
    Absent,
    Every,
    NaluCodecs,
}

impl<'a> Iterator for VideoTracks<'a> {
    type Item = Result<VideoTrack<'a>, MediaHeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut track = match self.bodies.next()? {
            Ok(track) => track,
            Err(fault) => return Some(Err(fault)),
        };
        let has_composition_time = match self.composition_times {
            CompositionTimes::Absent => false,
            CompositionTimes::Every => true,
            CompositionTimes::NaluCodecs => track.codec.has_composition_time(),
        };
        let composition_time = if has_composition_time {
            track.body.si24()
        } else {
            Ok(0)
        };
        if composition_time.is_err() {
            self.bodies.end();
        }
        Some(composition_time.map(|composition_time| VideoTrack {
            id: track.id,
            codec: track.codec,
            composition_time,
            body: track.body.rest(),
        }))
    }
}

/// Kind of a video frame, as its sender says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameType {
    /// Decodable alone.
    Key,
    /// Depends on other frames.
    Inter,
    /// Depends on other frames, and none depends on it (H.263).
    DisposableInter,
    /// A keyframe made by a server.
    GeneratedKey,
    /// No picture: a [`VideoCommand`].
    Command,
    /// A reserved value.
    Other(u8),
}

impl FrameType {
    const fn from_wire(value: u8) -> Self {
        match value {
            1 => Self::Key,
            2 => Self::Inter,
            3 => Self::DisposableInter,
            4 => Self::GeneratedKey,
            5 => Self::Command,
            other => Self::Other(other),
        }
    }

    /// The number, if it is that of a picture.
    pub(super) const fn picture_to_wire(self) -> Result<u8, MediaBodyError> {
        match self {
            Self::Key => Ok(1),
            Self::Inter => Ok(2),
            Self::DisposableInter => Ok(3),
            Self::GeneratedKey => Ok(4),
            Self::Command | Self::Other(_) => Err(MediaBodyError::FrameType { frame_type: self }),
        }
    }

    /// Whether the frame can be decoded alone.
    #[must_use]
    pub const fn is_key(self) -> bool {
        matches!(self, Self::Key | Self::GeneratedKey)
    }
}

/// What a video body holds: the AVC packet types of FLV 10.1 and the packet types of Enhanced RTMP v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoPacketType {
    /// Decoder configuration: a sequence header.
    SequenceStart,
    /// Coded frames, with a composition time for AVC, HEVC and VVC.
    CodedFrames,
    /// End of the sequence.
    SequenceEnd,
    /// Coded frames whose composition time is 0 and not sent.
    CodedFramesX,
    /// Name and value pairs in AMF0, such as `colorInfo`.
    Metadata,
    /// Decoder configuration as an MPEG-2 TS descriptor (AV1).
    Mpeg2TsSequenceStart,
    /// A command to the player; the body has no codec and no tracks.
    Command(VideoCommand),
    /// A reserved value; the body is not looked into.
    Other(u8),
}

const METADATA: u8 = 4;
const MULTITRACK: u8 = 6;

impl VideoPacketType {
    const fn from_enhanced(value: u8) -> Result<Self, Self> {
        match value {
            0 => Ok(Self::SequenceStart),
            1 => Ok(Self::CodedFrames),
            2 => Ok(Self::SequenceEnd),
            3 => Ok(Self::CodedFramesX),
            METADATA => Ok(Self::Metadata),
            5 => Ok(Self::Mpeg2TsSequenceStart),
            other => Err(Self::Other(other)),
        }
    }

    /// Whether the body holds coded frames.
    #[must_use]
    pub const fn is_coded_frames(self) -> bool {
        matches!(self, Self::CodedFrames | Self::CodedFramesX)
    }
}

/// A video command frame: borders of the frames sent only to reach a seek target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoCommand {
    /// Frames from here on are to be decoded but not shown.
    StartSeek,
    /// The seek target is reached.
    EndSeek,
    /// A reserved value.
    Other(u8),
}

impl VideoCommand {
    const fn from_wire(value: u8) -> Self {
        match value {
            0 => Self::StartSeek,
            1 => Self::EndSeek,
            other => Self::Other(other),
        }
    }

    pub(super) const fn to_wire(self) -> Result<u8, MediaBodyError> {
        match self {
            Self::StartSeek => Ok(0),
            Self::EndSeek => Ok(1),
            Self::Other(value) => Err(MediaBodyError::Command { value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_track<'a>(header: &VideoHeader<'a>) -> VideoTrack<'a> {
        let mut tracks = header.tracks();
        let track = tracks.next().expect("a track").expect("complete");
        assert_eq!(tracks.next(), None);
        track
    }

    #[test]
    fn an_avc_sequence_header_has_its_record_after_the_unused_composition_time() {
        let header = VideoHeader::parse(&[0x17, 0, 0, 0, 0, 0x01, 0x4D, 0x40]).unwrap();
        assert!(header.is_sequence_header() && !header.is_keyframe() && !header.is_enhanced);
        assert_eq!(only_track(&header).body, [0x01, 0x4D, 0x40]);
    }

    #[test]
    fn legacy_frames_of_avc_hevc_and_av1_have_signed_composition_times() {
        for (first, codec) in [
            (0x27, VideoCodec::Avc),
            (0x2C, VideoCodec::Hevc),
            (0x2D, VideoCodec::Av1),
        ] {
            let body = [first, 1, 0xFF, 0xFF, 0xFE, 0xAA];
            let header = VideoHeader::parse(&body).unwrap();
            assert_eq!(
                (header.frame_type, header.is_keyframe()),
                (FrameType::Inter, false)
            );
            let track = only_track(&header);
            assert_eq!(
                (track.codec, track.composition_time, track.body),
                (codec, -2, &[0xAA][..])
            );
        }
    }

    #[test]
    fn a_legacy_sequence_end_needs_no_composition_time() {
        for body in [&[0x17, 2][..], &[0x17, 2, 0, 0, 0]] {
            let header = VideoHeader::parse(body).unwrap();
            assert_eq!(header.packet_type, VideoPacketType::SequenceEnd);
            assert!(only_track(&header).body.is_empty());
        }
    }

    #[test]
    fn codecs_before_avc_have_no_packet_type() {
        let header = VideoHeader::parse(&[0x12, 0, 0, 0x84]).unwrap();
        assert!(header.is_keyframe());
        assert_eq!(
            only_track(&header),
            VideoTrack {
                id: 0,
                codec: VideoCodec::SorensonH263,
                composition_time: 0,
                body: &[0, 0, 0x84]
            }
        );
    }

    #[test]
    fn a_legacy_command_frame_has_no_picture() {
        let header = VideoHeader::parse(&[0x57, 1]).unwrap();
        assert_eq!(
            header.packet_type,
            VideoPacketType::Command(VideoCommand::EndSeek)
        );
        assert_eq!(header.codec(), None);
        assert!(!header.is_keyframe());
    }

    #[test]
    fn headers_that_are_cut_off_are_errors() {
        for body in [
            &[][..],
            &[0x17],
            &[0x17, 0, 0, 0],
            &[0x27, 1, 0],
            &[0x57],
            b"\x91hvc",
            b"\x91hvc1\0\0",
            b"\xD1",
            b"\x96\x01hvc1",
            b"\x97\xFF\x01",
        ] {
            assert!(
                matches!(VideoHeader::parse(body), Err(MediaHeaderError::Truncated { .. })),
                "{body:02x?}"
            );
        }
    }

    #[test]
    fn reserved_values_are_values() {
        assert_eq!(
            VideoHeader::parse(&[0x99]).unwrap().packet_type,
            VideoPacketType::Other(9)
        );
        assert_eq!(
            VideoHeader::parse(&[0x0F]).unwrap().codec(),
            Some(VideoCodec::Other(15))
        );
        assert_eq!(
            VideoHeader::parse(&[0x72]).unwrap().frame_type,
            FrameType::Other(7)
        );
        let reserved = VideoHeader::parse(&[0x96, 0x31, 1, 2]).unwrap();
        assert_eq!(reserved.multitrack, Some(MultitrackType::Other(3)));
        assert_eq!(reserved.tracks().count(), 0);
    }
}
