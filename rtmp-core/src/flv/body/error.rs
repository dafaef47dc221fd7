use thiserror::Error;

use crate::flv::{AudioCodec, FrameType, SoundFormat, VideoCodec};

/// An audio or video body that cannot be written: the format has no place for what it was to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MediaBodyError {
    /// A video codec that the chosen form cannot name, such as VP6 in the enhanced one.
    #[error("video codec {codec:?} cannot be written in this form")]
    VideoCodec {
        /// The codec.
        codec: VideoCodec,
    },
    /// An audio codec that the chosen form cannot name, such as Speex in the enhanced one.
    #[error("audio codec {codec:?} cannot be written in this form")]
    AudioCodec {
        /// The codec.
        codec: AudioCodec,
    },
    /// Coded frames of a type that is no frame or is reserved.
    #[error("coded frames cannot have the frame type {frame_type:?}")]
    FrameType {
        /// The frame type.
        frame_type: FrameType,
    },
    /// A reserved video command.
    #[error("video command {value} is reserved")]
    Command {
        /// Its number.
        value: u8,
    },
    /// A composition time that does not fit into 24 bits; all in milliseconds.
    #[error("composition time of {composition_time} ms is outside {min}..={max}")]
    CompositionTime {
        /// The composition time.
        composition_time: i32,
        /// The smallest possible.
        min: i32,
        /// The largest possible.
        max: i32,
    },
    /// A composition time where none is sent: with a codec other than AVC, HEVC and VVC, or with configuration.
    #[error("track {track} has a composition time of {composition_time} ms where none can be sent")]
    NoCompositionTime {
        /// The track's id.
        track: u8,
        /// The composition time in milliseconds.
        composition_time: i32,
    },
    /// A presentation offset of a millisecond or more; both in nanoseconds.
    #[error("presentation offset of {nanos} ns exceeds the limit of {limit}")]
    PresentationOffset {
        /// The offset.
        nanos: u32,
        /// The largest possible.
        limit: u32,
    },
    /// A body of several tracks without any.
    #[error("a multitrack body needs a track")]
    NoTracks,
    /// Two tracks of a body have the same id.
    #[error("track {track} is there twice")]
    DuplicateTrack {
        /// The id.
        track: u8,
    },
    /// One of several tracks is longer than its size field can say; both in bytes.
    #[error("track {track} of {len} bytes exceeds the limit of {limit}")]
    TrackTooLong {
        /// The track's id.
        track: u8,
        /// Its length, with the composition time.
        len: usize,
        /// The longest possible.
        limit: usize,
    },
    /// A multichannel configuration whose channels do not match its speakers.
    #[error("{channel_count} channels cannot have {speakers} speakers")]
    Speakers {
        /// Channels it announces.
        channel_count: u8,
        /// Speakers it names.
        speakers: usize,
    },
    /// A reserved channel order.
    #[error("channel order {value} is reserved")]
    ChannelOrder {
        /// Its number.
        value: u8,
    },
    /// A sound format that the old form cannot say.
    #[error("the old form has no {} Hz with {} bits and {} channels", .format.sample_rate, .format.sample_bits, .format.channels)]
    SoundFormat {
        /// The format.
        format: SoundFormat,
    },
}
