//! Audio, video and data messages (RTMP 1.0 section 7.1.2 to 7.1.5), payload untouched.

use bytes::Bytes;

use crate::Timestamp;

/// What a [`MediaMessage`] carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Audio (message type 8): the body of an FLV audio tag.
    Audio,
    /// Video (message type 9): the body of an FLV video tag.
    Video,
    /// AMF0 data (message type 18): a handler name such as `onMetaData`, then values.
    Data,
    /// AMF3 data (message type 15): a format selector byte, then what [`MediaKind::Data`] has.
    Amf3Data,
}

impl MediaKind {
    /// Whether this is data (metadata, cue points, text) in either encoding.
    #[must_use]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Data | Self::Amf3Data)
    }
}

/// One message of a stream's media: what a publisher sends and a player receives, and what an FLV tag holds.
///
/// The payload is shared, so a clone costs no copy. That of a received message may keep the buffer in memory that it was
/// read into, see [`ChunkDecoder`](crate::chunk::ChunkDecoder#memory): copy what you keep for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaMessage {
    /// Audio, video or data.
    pub kind: MediaKind,
    /// Absolute decoding time on the stream's clock.
    pub timestamp: Timestamp,
    /// The body as it stands on the wire.
    pub payload: Bytes,
}

impl MediaMessage {
    /// The message for who reads only AMF0: AMF3 data loses the format selector in front of its values, which are AMF0
    /// but for those behind an AMF3 marker (RTMP 1.0 section 7.1.2). All other messages stay as they are.
    #[must_use]
    pub fn without_amf3_envelope(&self) -> Self {
        match (self.kind, self.payload.first()) {
            (MediaKind::Amf3Data, Some(0)) => Self {
                payload: self.payload.slice(1..),
                kind: MediaKind::Data,
                ..*self
            },
            (MediaKind::Amf3Data, _) => Self {
                kind: MediaKind::Data,
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    /// An audio message; `payload` is the body of an FLV audio tag.
    #[must_use]
    pub fn audio(timestamp: Timestamp, payload: impl Into<Bytes>) -> Self {
        Self {
            kind: MediaKind::Audio,
            timestamp,
            payload: payload.into(),
        }
    }

    /// A video message; `payload` is the body of an FLV video tag.
    #[must_use]
    pub fn video(timestamp: Timestamp, payload: impl Into<Bytes>) -> Self {
        Self {
            kind: MediaKind::Video,
            timestamp,
            payload: payload.into(),
        }
    }

    /// An AMF0 data message; `payload` is a list of AMF0 values, the first a handler name.
    #[must_use]
    pub fn data(timestamp: Timestamp, payload: impl Into<Bytes>) -> Self {
        Self {
            kind: MediaKind::Data,
            timestamp,
            payload: payload.into(),
        }
    }
}
