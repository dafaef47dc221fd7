//! What a peer may make a [`ChunkDecoder`](super::ChunkDecoder) hold.

use super::MAX_MESSAGE_LEN;

/// Bounds on what a peer can make a decoder store. Lengths are in bytes.
///
/// | limit | default | error |
/// |---|---|---|
/// | [`max_message_len`](Self::max_message_len) | 10 MiB | `MessageTooLong` |
/// | [`max_partial_messages`](Self::max_partial_messages) | 64 | `TooManyPartialMessages` |
/// | [`max_partial_bytes`](Self::max_partial_bytes) | 16 MiB | `PartialMessagesTooLong` |
/// | [`max_chunk_streams`](Self::max_chunk_streams) | 1024 | `TooManyChunkStreams` |
///
/// A declared length is checked as soon as its header is read, and reserves nothing: buffers grow with the bytes
/// that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    pub(super) max_message_len: usize,
    pub(super) max_partial_messages: usize,
    pub(super) max_partial_bytes: usize,
    pub(super) max_chunk_streams: usize,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            max_message_len: 10 << 20,
            max_partial_messages: 64,
            max_partial_bytes: 16 << 20,
            max_chunk_streams: 1024,
        }
    }
}

impl ChunkLimits {
    /// The longest message accepted; values above 2^24 - 1, the protocol's own limit, count as that.
    #[must_use]
    pub fn max_message_len(mut self, bytes: usize) -> Self {
        self.max_message_len = bytes.min(MAX_MESSAGE_LEN);
        self
    }

    /// How many messages may be incomplete at a time, one a chunk stream; the one being received is among them.
    #[must_use]
    pub fn max_partial_messages(mut self, count: usize) -> Self {
        self.max_partial_messages = count;
        self
    }

    /// How many bytes all incomplete messages together may have received; the chunk being received counts whole from
    /// its header on.
    #[must_use]
    pub fn max_partial_bytes(mut self, bytes: usize) -> Self {
        self.max_partial_bytes = bytes;
        self
    }

    /// How many chunk streams a peer may use in all; each costs less than 100 bytes while it is idle.
    #[must_use]
    pub fn max_chunk_streams(mut self, count: usize) -> Self {
        self.max_chunk_streams = count;
        self
    }
}
