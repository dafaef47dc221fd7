//! A whole message as the chunk layer sees it, and the numbers in its header.

use std::fmt;

use bytes::Bytes;

use crate::Timestamp;

/// A message with its header fields, its payload not yet looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// The lane it travels in.
    pub chunk_stream: ChunkStreamId,
    /// Absolute time in milliseconds.
    pub timestamp: Timestamp,
    /// What the payload is.
    pub message_type: MessageType,
    /// The message stream it belongs to, 0 for the connection itself.
    pub stream: MessageStreamId,
    /// The body; at most [`MAX_MESSAGE_LEN`](super::MAX_MESSAGE_LEN) bytes.
    pub payload: Bytes,
}

/// The number of a chunk stream: 2 to 65599 (RTMP 1.0 section 5.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkStreamId(u32);

impl ChunkStreamId {
    /// Protocol control and user control messages (RTMP 1.0 sections 5.4 and 6.2).
    pub const CONTROL: Self = Self(2);
    /// Commands of the connection. Not specified; customary, and some peers insist on it.
    pub const COMMAND: Self = Self(3);
    /// Audio. Not specified; customary.
    pub const AUDIO: Self = Self(4);
    /// Statuses that a server sends on a stream. Not specified; customary.
    pub const STATUS: Self = Self(5);
    /// Video. Not specified; customary.
    pub const VIDEO: Self = Self(6);
    /// Data messages. Not specified; any id of its own will do.
    pub const DATA: Self = Self(7);
    /// Commands that a client sends on a stream. Not specified; customary.
    pub const STREAM_COMMAND: Self = Self(8);

    /// The smallest id; 0 and 1 announce longer basic headers.
    pub const MIN: Self = Self(2);
    /// The largest id.
    pub const MAX: Self = Self(65_599);

    /// The chunk stream of this number, or `None` outside 2 to 65599.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id >= Self::MIN.0 && id <= Self::MAX.0 {
            Some(Self(id))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// For values that are in range by the way they were read.
    pub(super) const fn from_wire(id: u32) -> Self {
        Self(id)
    }
}

impl fmt::Display for ChunkStreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a message stream; 0 is the connection itself (RTMP 1.0 section 3, "message stream").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageStreamId(u32);

impl MessageStreamId {
    /// The stream of the connection's own commands and of control messages.
    pub const CONNECTION: Self = Self(0);

    /// The message stream of this number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for MessageStreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// The type of a message (RTMP 1.0 sections 5.4, 6.2 and 7.1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MessageType {
            $($(#[$doc])* $name,)*
            /// A number that no specification gives a meaning; kept as it came.
            Other(u8),
        }

        impl From<u8> for MessageType {
            fn from(id: u8) -> Self {
                match id {
                    $($id => Self::$name,)*
                    other => Self::Other(other),
                }
            }
        }

        impl From<MessageType> for u8 {
            fn from(message_type: MessageType) -> Self {
                match message_type {
                    $(MessageType::$name => $id,)*
                    MessageType::Other(other) => other,
                }
            }
        }
    };
}

message_types! {
    /// Set Chunk Size (section 5.4.1).
    SetChunkSize = 1,
    /// Abort Message (section 5.4.2).
    Abort = 2,
    /// Acknowledgement (section 5.4.3).
    Acknowledgement = 3,
    /// User Control (section 6.2).
    UserControl = 4,
    /// Window Acknowledgement Size (section 5.4.4).
    WindowAckSize = 5,
    /// Set Peer Bandwidth (section 5.4.5).
    SetPeerBandwidth = 6,
    /// Audio (section 7.1.4).
    Audio = 8,
    /// Video (section 7.1.5).
    Video = 9,
    /// Data in AMF3 (section 7.1.2).
    Amf3Data = 15,
    /// Shared object in AMF3 (section 7.1.3).
    Amf3SharedObject = 16,
    /// Command in AMF3 (section 7.1.1).
    Amf3Command = 17,
    /// Data in AMF0 (section 7.1.2).
    Data = 18,
    /// Shared object in AMF0 (section 7.1.3).
    SharedObject = 19,
    /// Command in AMF0 (section 7.1.1).
    Command = 20,
    /// Aggregate (section 7.1.6).
    Aggregate = 22,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_number_survives_the_way_there_and_back() {
        for id in 0..=u8::MAX {
            assert_eq!(u8::from(MessageType::from(id)), id);
        }
        assert_eq!(MessageType::from(7), MessageType::Other(7));
    }

    #[test]
    fn chunk_stream_ids_end_at_their_limits() {
        assert_eq!(ChunkStreamId::new(1), None);
        assert_eq!(ChunkStreamId::new(2), Some(ChunkStreamId::MIN));
        assert_eq!(ChunkStreamId::new(65_599), Some(ChunkStreamId::MAX));
        assert_eq!(ChunkStreamId::new(65_600), None);
    }
}
