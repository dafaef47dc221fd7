//! Protocol control messages (RTMP 1.0 section 5.4).

use bytes::{BufMut, Bytes, BytesMut};

use super::MessageError;
use crate::chunk::MessageType;

/// A message that steers the chunk stream. It travels on chunk stream 2 and message stream 0, its timestamp means
/// nothing, and it acts on arrival; when reading, any chunk stream and message stream will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The sender's chunks hold up to this many payload bytes from now on, 1 to 2^31 - 1 (section 5.4.1).
    SetChunkSize(u32),
    /// The sender gives up the incomplete message on the chunk stream of this number (section 5.4.2).
    Abort(u32),
    /// The sender has received this many bytes so far, modulo 2^32 (section 5.4.3).
    Acknowledgement(u32),
    /// The sender wants an acknowledgement at least every so many bytes (section 5.4.4).
    WindowAckSize(u32),
    /// The sender asks its peer to have at most `window` bytes unacknowledged (section 5.4.5).
    SetPeerBandwidth {
        /// The window in bytes.
        window: u32,
        /// How it combines with an earlier window.
        limit: BandwidthLimit,
    },
}

/// How a Set Peer Bandwidth message combines with the window in force (section 5.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BandwidthLimit {
    /// The window becomes this one.
    Hard,
    /// The window becomes the smaller of this one and the one in force.
    Soft,
    /// Hard if the limit before it was hard, otherwise without effect.
    Dynamic,
    /// A number that the specification does not define.
    Other(u8),
}

impl From<u8> for BandwidthLimit {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Hard,
            1 => Self::Soft,
            2 => Self::Dynamic,
            other => Self::Other(other),
        }
    }
}

impl From<BandwidthLimit> for u8 {
    fn from(limit: BandwidthLimit) -> Self {
        match limit {
            BandwidthLimit::Hard => 0,
            BandwidthLimit::Soft => 1,
            BandwidthLimit::Dynamic => 2,
            BandwidthLimit::Other(other) => other,
        }
    }
}

impl Control {
    /// The type of the message.
    #[must_use]
    pub fn message_type(self) -> MessageType {
        match self {
            Self::SetChunkSize(_) => MessageType::SetChunkSize,
            Self::Abort(_) => MessageType::Abort,
            Self::Acknowledgement(_) => MessageType::Acknowledgement,
            Self::WindowAckSize(_) => MessageType::WindowAckSize,
            Self::SetPeerBandwidth { .. } => MessageType::SetPeerBandwidth,
        }
    }

    /// Reads a body; `None` if `message_type` is none of these. Bytes behind the fields are ignored, and a Set Peer
    /// Bandwidth without its limit type counts as dynamic: both occur.
    pub(super) fn decode(message_type: MessageType, body: &[u8]) -> Option<Result<Self, MessageError>> {
        let field = body.first_chunk().map(|field| u32::from_be_bytes(*field));
        let control = match message_type {
            MessageType::SetChunkSize => field.map(Self::SetChunkSize),
            MessageType::Abort => field.map(Self::Abort),
            MessageType::Acknowledgement => field.map(Self::Acknowledgement),
            MessageType::WindowAckSize => field.map(Self::WindowAckSize),
            MessageType::SetPeerBandwidth => field.map(|window| {
                let limit = body
                    .get(4)
                    .map_or(BandwidthLimit::Dynamic, |&number| number.into());
                Self::SetPeerBandwidth { window, limit }
            }),
            _ => return None,
        };
        Some(control.ok_or(MessageError::ShortBody {
            message_type,
            length: body.len(),
        }))
    }

    pub(super) fn encode_body(self) -> Bytes {
        let mut body = BytesMut::with_capacity(5);
        match self {
            Self::SetChunkSize(value)
            | Self::Abort(value)
            | Self::Acknowledgement(value)
            | Self::WindowAckSize(value) => body.put_u32(value),
            Self::SetPeerBandwidth { window, limit } => {
                body.put_u32(window);
                body.put_u8(limit.into());
            }
        }
        body.freeze()
    }
}
