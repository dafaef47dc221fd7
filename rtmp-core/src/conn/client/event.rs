//! What a server does.

use std::time::Duration;

use crate::chunk::{MessageStreamId, RawMessage};
use crate::conn::Ignored;
use crate::handshake::HandshakeKind;
use crate::message::{Command, ConnectReply, MediaMessage, Status, TransactionId, UserControl};

/// What a server does, as [`ClientMachine::poll_event`](super::ClientMachine::poll_event) tells it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The handshake is done.
    HandshakeDone(HandshakeKind),
    /// The server has accepted the connection.
    Connected(ConnectReply),
    /// The server has refused the connection, and will close it.
    ConnectRefused(Status),
    /// `createStream` succeeded.
    StreamCreated {
        /// Which call it answers.
        transaction: TransactionId,
        /// The new stream.
        stream: MessageStreamId,
    },
    /// `createStream` failed.
    StreamRefused {
        /// Which call it answers.
        transaction: TransactionId,
        /// Why.
        status: Status,
    },
    /// A remote call returned. The answer is the whole `_result`.
    CallReturned {
        /// Which call it answers.
        transaction: TransactionId,
        /// What came back.
        answer: Command,
    },
    /// A remote call failed. The answer is the whole `_error`.
    CallFailed {
        /// Which call it answers.
        transaction: TransactionId,
        /// What came back.
        answer: Command,
    },
    /// The stream is published: media may be sent.
    PublishStarted {
        /// The stream.
        stream: MessageStreamId,
        /// What the server says.
        status: Status,
    },
    /// The server does not let us publish.
    PublishRefused {
        /// The stream.
        stream: MessageStreamId,
        /// Why.
        status: Status,
    },
    /// The stream is played: media follow.
    PlayStarted {
        /// The stream.
        stream: MessageStreamId,
        /// What the server says.
        status: Status,
    },
    /// The server does not let us play.
    PlayRefused {
        /// The stream.
        stream: MessageStreamId,
        /// Why.
        status: Status,
    },
    /// Any other status of a stream, or of the connection if `stream` is 0.
    Status {
        /// The stream.
        stream: MessageStreamId,
        /// What the server says.
        status: Status,
    },
    /// A message of a stream that we play.
    Media {
        /// The stream.
        stream: MessageStreamId,
        /// The message.
        message: MediaMessage,
    },
    /// A user control event: a stream begins, ends, runs dry, is recorded.
    UserControl(UserControl),
    /// A remote call of the server. If it wants an answer, give it with `answer_call`; some servers wait for one to
    /// calls that measure the line, and an empty one will do.
    Call {
        /// The stream it is about, 0 for the connection.
        stream: MessageStreamId,
        /// The call.
        command: Command,
    },
    /// The server has received this many bytes so far, modulo 2^32; some count differently.
    Acknowledgement(u32),
    /// The server has answered our newest ping, after this time.
    Pong(Duration),
    /// The server closes the connection in order.
    CloseRequested,
    /// A message of a type that means nothing to the machine: a shared object, or one that no specification explains.
    Other(RawMessage),
    /// Something was passed over.
    Ignored(Ignored),
}
