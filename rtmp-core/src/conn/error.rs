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

/// What a machine has passed over. The connection goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ignored {
    /// A command that can not be decoded.
    Undecodable(MessageError),
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
