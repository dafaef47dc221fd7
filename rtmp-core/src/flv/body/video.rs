use bytes::Bytes;

use super::{Fields, Head, MediaBodyError, Part, si24};
use crate::flv::{FrameType, VideoCodec, VideoCommand, VideoTrack};

/// A video body of the enhanced form, to be written (Enhanced RTMP v2): the reverse of
/// [`VideoHeader`](crate::flv::VideoHeader).
///
/// Track 0 is written without track id, other tracks with it. For the form with codec numbers, which is what most
/// receivers expect of AVC, see [`MediaMessage::avc_frame`](crate::MediaMessage::avc_frame).
///
/// ```
/// use rtmp_core::flv::{FrameType, VideoBody, VideoCodec, VideoTrack};
/// use rtmp_core::{MediaMessage, Timestamp};
///
/// # fn main() -> Result<(), rtmp_core::flv::MediaBodyError> {
/// # let (record, frame) = ([1, 1], [0, 0, 0, 2, 0x26, 0x01]);
/// let start = VideoBody::sequence_start(VideoTrack::new(VideoCodec::Hevc, &record)).to_bytes()?;
/// assert_eq!(start[..5], *b"\x90hvc1");
///
/// let track = VideoTrack::new(VideoCodec::Hevc, &frame).with_composition_time(133);
/// let body = VideoBody::coded_frames(FrameType::Key, track).to_bytes()?;
/// assert_eq!(body[..], *b"\x91hvc1\0\0\x85\0\0\0\x02\x26\x01");
/// let message = MediaMessage::video(Timestamp::from_millis(40), body);
/// assert!(message.is_keyframe());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a body is written by `to_bytes`"]
pub struct VideoBody<'a> {
    packet: Packet<'a>,
    presentation_offset_nanos: u32,
}

#[derive(Clone, Copy, Debug)]
enum Packet<'a> {
    /// A packet of one track that holds no frames, with its frame type and packet type.
    OneTrack(u8, u8, VideoTrack<'a>),
    Frames {
        frame_type: FrameType,
        tracks: Tracks<'a>,
        composition_time_if_zero: bool,
    },
    Command(VideoCommand),
}

#[derive(Clone, Copy, Debug)]
enum Tracks<'a> {
    One(VideoTrack<'a>),
    Many(&'a [VideoTrack<'a>]),
}

const EX_HEADER: u8 = 0x80;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const CODED_FRAMES_X: u8 = 3;
const METADATA: u8 = 4;
const MPEG2_TS_SEQUENCE_START: u8 = 5;
const MULTITRACK: u8 = 6;

const KEY: u8 = 1;
const COMMAND: u8 = 5;
/// The frame type of metadata means nothing. FFmpeg sends that of a command, but where a track id follows, readers
/// would take it for one, because they do not know the packet type yet; OBS sends 0 there.
const METADATA_OF_TRACK_0: u8 = COMMAND;
const METADATA_OF_OTHER_TRACKS: u8 = 0;

impl<'a> VideoBody<'a> {
    /// Decoder configuration, in the codec's own record: `AVCDecoderConfigurationRecord`,
    /// `HEVCDecoderConfigurationRecord`, `VVCDecoderConfigurationRecord`, `AV1CodecConfigurationRecord`; for VP8
    /// and VP9 the content of a `vpcC` box, which in the field begins with the box's version and flags.
    pub const fn sequence_start(track: VideoTrack<'a>) -> Self {
        Self::new(Packet::OneTrack(KEY, SEQUENCE_START, track))
    }

    /// The coded frames of one track: an access unit of NAL units with length prefixes (AVC, HEVC, VVC), a temporal
    /// unit of OBUs with sizes (AV1), a frame (VP8, VP9).
    ///
    /// A composition time of 0 is not sent (`CodedFramesX`), unless
    /// [`with_composition_time_if_zero`](Self::with_composition_time_if_zero) asks for it.
    pub const fn coded_frames(frame_type: FrameType, track: VideoTrack<'a>) -> Self {
        Self::frames(frame_type, Tracks::One(track))
    }

    /// The coded frames of several tracks, all with the same time and frame type; each id may be there once.
    ///
    /// The codec is written once if all tracks have the same (`ManyTracks`, else `ManyTracksManyCodecs`). Few
    /// receivers know these forms: a message for each track is understood more widely. There is no such form for
    /// configuration on purpose: a widespread reader loses its place in it.
    pub const fn many_tracks(frame_type: FrameType, tracks: &'a [VideoTrack<'a>]) -> Self {
        Self::frames(frame_type, Tracks::Many(tracks))
    }

    /// End of a track's sequence.
    pub const fn sequence_end(track: u8, codec: VideoCodec) -> Self {
        Self::new(Packet::OneTrack(
            KEY,
            SEQUENCE_END,
            VideoTrack::new(codec, &[]).with_id(track),
        ))
    }

    /// Metadata of a track: pairs of name and value in AMF0, such as [`ColorInfo::encode`](crate::flv::ColorInfo::encode)
    /// makes. It must precede the frames it is about.
    pub const fn metadata(track: VideoTrack<'a>) -> Self {
        let frame_type = if track.id == 0 {
            METADATA_OF_TRACK_0
        } else {
            METADATA_OF_OTHER_TRACKS
        };
        Self::new(Packet::OneTrack(frame_type, METADATA, track))
    }

    /// Decoder configuration of AV1 as the video descriptor of MPEG-2 TS.
    pub const fn mpeg2_ts_sequence_start(track: VideoTrack<'a>) -> Self {
        Self::new(Packet::OneTrack(KEY, MPEG2_TS_SEQUENCE_START, track))
    }

    /// A command to the player, without codec and tracks.
    pub const fn command(command: VideoCommand) -> Self {
        Self::new(Packet::Command(command))
    }

    /// Sends composition times of 0 as well (`CodedFrames`), for receivers that do not know `CodedFramesX`.
    pub const fn with_composition_time_if_zero(mut self) -> Self {
        if let Packet::Frames {
            composition_time_if_zero,
            ..
        } = &mut self.packet
        {
            *composition_time_if_zero = true;
        }
        self
    }

    /// Adds up to 999 999 nanoseconds to the presentation time of all tracks (ModEx `TimestampOffsetNano`). Only for
    /// receivers that announced that they read ModEx. 0 is not sent, and neither is the offset of a command.
    pub const fn with_presentation_offset_nanos(mut self, nanos: u32) -> Self {
        self.presentation_offset_nanos = nanos;
        self
    }

    /// The body: the payload of a video message. Its data is copied once.
    ///
    /// # Errors
    ///
    /// [`MediaBodyError`] if the format has no place for what the body is to say.
    pub fn to_bytes(&self) -> Result<Bytes, MediaBodyError> {
        match self.packet {
            Packet::OneTrack(frame_type, packet_type, track) => self
                .head(frame_type, packet_type)
                .one_track(part(&track, packet_type)?),
            Packet::Frames {
                frame_type,
                tracks,
                composition_time_if_zero,
            } => {
                let frame_type = frame_type.picture_to_wire()?;
                let packet_type = if !composition_time_if_zero && tracks.can_omit_composition_time() {
                    CODED_FRAMES_X
                } else {
                    CODED_FRAMES
                };
                let head = self.head(frame_type, packet_type);
                match tracks {
                    Tracks::One(track) => head.one_track(part(&track, packet_type)?),
                    Tracks::Many(tracks) => {
                        head.many_tracks(tracks.iter().map(|track| part(track, packet_type)))
                    }
                }
            }
            Packet::Command(command) => {
                let first = EX_HEADER | COMMAND << 4;
                Ok(Bytes::copy_from_slice(&[first, command.to_wire()?]))
            }
        }
    }

    const fn new(packet: Packet<'a>) -> Self {
        Self {
            packet,
            presentation_offset_nanos: 0,
        }
    }

    const fn frames(frame_type: FrameType, tracks: Tracks<'a>) -> Self {
        Self::new(Packet::Frames {
            frame_type,
            tracks,
            composition_time_if_zero: false,
        })
    }

    const fn head(&self, frame_type: u8, packet_type: u8) -> Head {
        Head {
            first: EX_HEADER | frame_type << 4,
            packet_type,
            multitrack_packet_type: MULTITRACK,
            presentation_offset_nanos: self.presentation_offset_nanos,
        }
    }
}

impl Tracks<'_> {
    /// Whether `CodedFramesX` says everything: it is defined for codecs that have a composition time.
    fn can_omit_composition_time(&self) -> bool {
        let can_omit =
            |track: &VideoTrack<'_>| track.codec.has_composition_time() && track.composition_time == 0;
        match self {
            Self::One(track) => can_omit(track),
            Self::Many(tracks) => tracks.iter().all(can_omit),
        }
    }
}

fn part<'a>(track: &VideoTrack<'a>, packet_type: u8) -> Result<Part<'a>, MediaBodyError> {
    let VideoTrack {
        id,
        codec,
        composition_time,
        body,
    } = *track;
    let fields = if packet_type == CODED_FRAMES && codec.has_composition_time() {
        Fields::CompositionTime(si24(composition_time)?)
    } else if composition_time == 0 {
        Fields::None
    } else {
        return Err(MediaBodyError::NoCompositionTime {
            track: id,
            composition_time,
        });
    };
    Ok(Part {
        track: id,
        four_cc: codec.four_cc().ok_or(MediaBodyError::VideoCodec { codec })?,
        fields,
        data: body,
    })
}
