//! A message that is sent chunk by chunk, so that others can go between its chunks.

use std::num::NonZero;

use bytes::{Bytes, BytesMut};

use super::{ChunkStreamId, MessageType};

/// What is not sent yet of a message. Its header was made when the encoder was given it, so messages of one chunk
/// stream are sent in the order in which they were cut, and with no message of that chunk stream between their chunks.
#[derive(Debug)]
pub(crate) struct CutMessage {
    pub(super) chunk_stream: ChunkStreamId,
    pub(super) message_type: MessageType,
    /// What stands in front of the next chunk's payload.
    pub(super) header: Bytes,
    /// The header of type 3 that stands in front of the others.
    pub(super) repeat: Bytes,
    pub(super) payload: Bytes,
    pub(super) chunk_size: NonZero<usize>,
}

impl CutMessage {
    pub(crate) fn chunk_stream(&self) -> ChunkStreamId {
        self.chunk_stream
    }

    pub(crate) fn message_type(&self) -> MessageType {
        self.message_type
    }

    /// Bytes of all its chunks, headers included.
    pub(crate) fn wire_len(&self) -> usize {
        wire_len(
            self.header.len(),
            self.payload.len(),
            self.chunk_size,
            self.repeat.len(),
        )
    }

    /// Appends the next chunk to `out`, and says whether that was the last one.
    pub(crate) fn write_chunk(&mut self, out: &mut BytesMut) -> bool {
        let piece = self
            .payload
            .split_to(self.payload.len().min(self.chunk_size.get()));
        out.reserve(self.header.len().saturating_add(piece.len()));
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&piece);
        self.header.clone_from(&self.repeat);
        self.payload.is_empty()
    }
}

/// Bytes of a payload in chunks, with `header_len` bytes in front of the first and `repeat_len` in front of the others.
pub(super) fn wire_len(
    header_len: usize,
    payload_len: usize,
    chunk_size: NonZero<usize>,
    repeat_len: usize,
) -> usize {
    let continuations = payload_len.saturating_sub(1) / chunk_size;
    let repeats = continuations.saturating_mul(repeat_len);
    header_len.saturating_add(payload_len).saturating_add(repeats)
}
