//! What can be wrong with a tag body and with an FLV file.

use std::io;

use thiserror::Error;

/// An audio or video body whose header cannot be read.
///
/// Only bytes that are missing or contradict themselves are errors; unknown codecs, packet types and frame types
/// are values of their enums. A relay forwards such a message all the same, it just does not cache it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MediaHeaderError {
    /// The body ends inside its header; both in bytes.
    #[error("media header is cut off: the next field takes {needed} bytes, {left} are left")]
    Truncated {
        /// Length of the field that could not be read.
        needed: usize,
        /// Bytes left for it.
        left: usize,
    },
    /// A track of a multitrack body announces more bytes than the message has left.
    #[error("track {track} announces {announced} bytes, {left} are left")]
    TrackTooLong {
        /// The track's id.
        track: u8,
        /// The length it announces.
        announced: usize,
        /// Bytes left for it.
        left: usize,
    },
    /// A multitrack body whose inner packet type is multitrack again (Enhanced RTMP v2 forbids it).
    #[error("multitrack inside multitrack")]
    NestedMultitrack,
}

/// Reading or writing an FLV file failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FlvError {
    /// The input does not start with `FLV`.
    #[error("not an FLV file: it starts with {}", found.escape_ascii())]
    NotFlv {
        /// The first three bytes.
        found: [u8; 3],
    },
    /// A file version other than 1.
    #[error("FLV version {version} is not supported")]
    UnsupportedVersion {
        /// The version in the file header.
        version: u8,
    },
    /// The file header announces a length that is impossible (below 9) or absurd.
    #[error("FLV header announces a length of {announced} bytes, outside 9..={limit}")]
    HeaderLen {
        /// The announced length.
        announced: u32,
        /// The largest length accepted.
        limit: u32,
    },
    /// The input ended inside the file header.
    #[error("FLV header is cut off after {found} bytes")]
    TruncatedHeader {
        /// Bytes there were.
        found: usize,
    },
    /// A tag body longer than the reader's limit or, when writing, than the format's 24 bits can say.
    #[error("tag body of {announced} bytes exceeds the limit of {limit}")]
    TagTooLong {
        /// Length of the body.
        announced: usize,
        /// The limit.
        limit: usize,
    },
    /// The input ended inside a tag. Everything before it has been returned; cutting the file at `offset` repairs
    /// it.
    #[error("last tag is cut off, the complete tags end at byte {offset}")]
    TruncatedTag {
        /// End of the last complete tag, in bytes from the start of the input.
        offset: u64,
    },
    /// A file header where a tag should be: several files were put behind each other, and each has its own times.
    #[error("several FLV files behind each other")]
    SeveralFiles,
    /// A script body that is not AMF0.
    #[error("script data is not AMF0")]
    Script(#[from] rtmp_amf::Amf0Error),
    /// A script body that is not metadata.
    #[error("script data is not onMetaData with an object or array")]
    NotMetadata,
    /// An input or output error of the transport around the codec; nothing here does I/O.
    #[error(transparent)]
    Io(#[from] io::Error),
}
