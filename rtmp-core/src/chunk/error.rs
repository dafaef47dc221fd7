//! What can go wrong between bytes and messages.

use std::io;

use super::{ChunkStreamId, MessageType};

/// Why a [`ChunkDecoder`](super::ChunkDecoder) can not go on. The place of the next header is lost, or a limit is
/// exceeded: the connection has to be closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The peer sent a chunk of type 2 or 3 on a chunk stream that has no earlier header (5.3.1.2).
    #[error("chunk of type {format} on chunk stream {chunk_stream}, which has no earlier header")]
    MissingHeader {
        /// The chunk stream without a header.
        chunk_stream: ChunkStreamId,
        /// The chunk type, `fmt` in the specification.
        format: u8,
    },
    /// The peer announced a message longer than [`max_message_len`](crate::Limits::max_message_len).
    #[error("message of {length} bytes announced on chunk stream {chunk_stream}, max_message_len is {limit}")]
    MessageTooLong {
        /// The chunk stream of the message.
        chunk_stream: ChunkStreamId,
        /// The announced length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A chunk of type 1 or 2 inside a message changed its length or type.
    #[error(
        "message on chunk stream {chunk_stream} changed to {length} bytes after {received} were received"
    )]
    LengthChanged {
        /// The chunk stream of the message.
        chunk_stream: ChunkStreamId,
        /// Bytes of the message received so far.
        received: usize,
        /// The length announced in the middle of it.
        length: usize,
    },
    /// More messages are incomplete at once than
    /// [`max_partial_messages`](crate::Limits::max_partial_messages).
    #[error("{count} incomplete messages, max_partial_messages is {limit}")]
    TooManyPartialMessages {
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The incomplete messages together are longer than
    /// [`max_partial_bytes`](crate::Limits::max_partial_bytes).
    #[error("incomplete messages of {length} bytes in all, max_partial_bytes is {limit}")]
    PartialMessagesTooLong {
        /// Their length in bytes, with all of the chunk that has begun.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The peer uses more chunk streams than [`max_chunk_streams`](crate::Limits::max_chunk_streams).
    #[error("{count} chunk streams in use, max_chunk_streams is {limit}")]
    TooManyChunkStreams {
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The peer set its chunk size to zero or above 2^31 - 1 (5.4.1).
    #[error("chunk size {size} is outside 1 to 2147483647")]
    InvalidChunkSize {
        /// The value of the Set Chunk Size message.
        size: u32,
    },
    /// A control message is shorter than its fields.
    #[error("{message_type:?} message of {length} bytes, too short for its fields")]
    ShortBody {
        /// The type of the message.
        message_type: MessageType,
        /// Its length in bytes.
        length: usize,
    },
    /// The connection ended in the middle of a chunk.
    #[error("the connection ended inside a chunk")]
    Truncated,
    /// Never made here: tokio-util's `Decoder` needs it, for the errors of the transport it reads from.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a message can not be put on the wire.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The payload does not fit the 24-bit length field.
    #[error("message of {length} bytes, RTMP can carry 16777215")]
    MessageTooLong {
        /// The length of the payload in bytes.
        length: usize,
    },
    /// A Set Chunk Size message with a value outside 1 to 2^31 - 1.
    #[error("chunk size {size} is outside 1 to 2147483647")]
    InvalidChunkSize {
        /// The value.
        size: u32,
    },
    /// Never made here: tokio-util's `Encoder` needs it, for the errors of the transport it writes to.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_limit_says_which_what_was_met_and_how_much_is_allowed() {
        let chunk_stream = ChunkStreamId::VIDEO;
        let texts = [
            ChunkError::MessageTooLong {
                chunk_stream,
                length: 101,
                limit: 100,
            },
            ChunkError::TooManyPartialMessages { count: 65, limit: 64 },
            ChunkError::PartialMessagesTooLong {
                length: 1060,
                limit: 1000,
            },
            ChunkError::TooManyChunkStreams {
                count: 1025,
                limit: 1024,
            },
        ]
        .map(|error| error.to_string());
        assert_eq!(
            texts,
            [
                "message of 101 bytes announced on chunk stream 6, max_message_len is 100",
                "65 incomplete messages, max_partial_messages is 64",
                "incomplete messages of 1060 bytes in all, max_partial_bytes is 1000",
                "1025 chunk streams in use, max_chunk_streams is 1024",
            ]
        );
    }
}
