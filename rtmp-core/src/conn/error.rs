//! What ends a connection, and what does not.

use crate::chunk::{ChunkError, EncodeError, MessageStreamId};
use crate::handshake::HandshakeError;
use crate::message::{Command, MessageError};

/// Why a machine can not go on, or refuses a command of its caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The peer's handshake is wrong. The connection has to be closed.
    #[error("handshake")]
    Handshake(#[from] HandshakeError),
    /// The peer's chunk stream is broken or beyond the limits. The connection has to be closed.
    #[error("reading chunks")]
    Chunk(#[from] ChunkError),
    /// The incomplete messages of a peer that neither publishes nor plays are longer than
    /// [`max_partial_bytes_before_media`](crate::Limits::max_partial_bytes_before_media). The connection has to be
    /// closed.
    #[error(
        "incomplete messages of {length} bytes before publish or play, max_partial_bytes_before_media is {limit}"
    )]
    TooLongBeforeMedia {
        /// Their length in bytes, with all of the chunk that has begun.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A control message of the peer is broken. The connection has to be closed.
    #[error("reading a message")]
    Message(#[source] MessageError),
    /// A message of the caller can not be sent; nothing was.
    #[error("writing chunks")]
    Encode(#[from] EncodeError),
    /// A command of the caller can not be written as AMF0; nothing was.
    #[error("writing a command")]
    EncodeMessage(#[source] MessageError),
    /// The caller asks for something that the connection is not ready for.
    #[error("can not {operation} while the connection is {phase}")]
    WrongPhase {
        /// What was asked for.
        operation: &'static str,
        /// What the connection is.
        phase: &'static str,
    },
    /// The caller names a stream that does not exist, or does something else.
    #[error("can not {operation} on stream {stream}")]
    WrongStream {
        /// What was asked for.
        operation: &'static str,
        /// The stream.
        stream: MessageStreamId,
    },
}

/// What a client asks for beyond a [limit](crate::Limits). It was told no, and the connection goes on unless it was
/// `connect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// More streams than [`max_streams`](crate::Limits::max_streams).
    #[error("{count} streams, max_streams is {limit}")]
    TooManyStreams {
        /// How many there would be.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The name of an application or a stream is longer than [`max_name_len`](crate::Limits::max_name_len).
    #[error("a name of {length} bytes, max_name_len is {limit}")]
    NameTooLong {
        /// Its length in bytes, with its query.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// What a machine has passed over. The connection goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ignored {
    /// A command that can not be decoded.
    Undecodable(MessageError),
    /// A command that asks for more than a limit allows.
    OverLimit(LimitError),
    /// Media on a stream that is not being published, or not being played.
    Media {
        /// The stream that the message named.
        stream: MessageStreamId,
    },
    /// A command that means nothing here, or comes at a time when it means nothing.
    Command {
        /// Its name, lossily decoded and cut to 64 bytes.
        name: String,
    },
}

impl Ignored {
    pub(super) fn command(command: &Command) -> Self {
        Self::Command {
            name: command.name.to_string_lossy().chars().take(64).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_limit_says_which_what_was_met_and_how_much_is_allowed() {
        assert_eq!(
            ProtocolError::TooLongBeforeMedia {
                length: 1_108_576,
                limit: 1 << 20
            }
            .to_string(),
            "incomplete messages of 1108576 bytes before publish or play, max_partial_bytes_before_media is 1048576"
        );
        assert_eq!(
            LimitError::TooManyStreams { count: 33, limit: 32 }.to_string(),
            "33 streams, max_streams is 32"
        );
        assert_eq!(
            LimitError::NameTooLong {
                length: 60_000,
                limit: 1024
            }
            .to_string(),
            "a name of 60000 bytes, max_name_len is 1024"
        );
    }
}
