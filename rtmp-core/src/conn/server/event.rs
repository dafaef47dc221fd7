//! What a client does.

use std::time::Duration;

use crate::chunk::{MessageStreamId, RawMessage};
use crate::conn::Ignored;
use crate::handshake::HandshakeKind;
use crate::message::{
    Command, ConnectRequest, MediaKind, MediaMessage, PlayOptions, PlayRequest, PublishRequest,
    TransactionId, UserControl,
};

/// What a client does, as [`ServerMachine::poll_event`](super::ServerMachine::poll_event) tells it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent {
    /// The handshake is done.
    HandshakeDone(HandshakeKind),
    /// The client asks to connect. Answer with `accept_connect` or `reject_connect`.
    Connect(ConnectRequest),
    /// The client asks to publish. Answer with `accept_publish` or `reject_publish`.
    Publish {
        /// The stream to publish on.
        stream: MessageStreamId,
        /// What to publish.
        request: PublishRequest,
    },
    /// The client has stopped publishing on this stream.
    Unpublish {
        /// The stream.
        stream: MessageStreamId,
    },
    /// The client asks to play. Answer with `accept_play`, `accept_recorded_play` or `reject_play`; and with
    /// `append_play` if the request does not reset the playlist and something is played on the stream.
    Play {
        /// The stream to play on.
        stream: MessageStreamId,
        /// What to play.
        request: PlayRequest,
    },
    /// The client has stopped playing on this stream.
    StopPlay {
        /// The stream.
        stream: MessageStreamId,
    },
    /// A player asks to pause or to go on. Answer with `confirm_pause` once it is done.
    Pause {
        /// The stream.
        stream: MessageStreamId,
        /// Whether to pause.
        paused: bool,
        /// Where the player stands, on the stream's clock.
        position: Duration,
    },
    /// A player asks for another position. Answer with `accept_seek` or `reject_seek`.
    Seek {
        /// The stream.
        stream: MessageStreamId,
        /// The position, on the stream's clock.
        position: Duration,
    },
    /// A player does not want audio or video any more, or wants it again. Answer the latter with `confirm_receive`.
    Receive {
        /// The stream.
        stream: MessageStreamId,
        /// [`MediaKind::Audio`] or [`MediaKind::Video`].
        kind: MediaKind,
        /// Whether it is wanted.
        wanted: bool,
    },
    /// A message of a publisher, or media of another kind on a stream that is being published.
    Media {
        /// The stream that is being published.
        stream: MessageStreamId,
        /// The message.
        message: MediaMessage,
    },
    /// A remote call that the machine does not know. If it wants an answer, give it with `answer_call`.
    Call {
        /// The stream it is about, 0 for the connection.
        stream: MessageStreamId,
        /// The call.
        command: Command,
    },
    /// A player asks to go over to another stream. Ask whether it may, then answer with `accept_transition` or
    /// `reject_transition`.
    Transition {
        /// The stream.
        stream: MessageStreamId,
        /// What to play instead, and how to go over to it.
        options: PlayOptions,
    },
    /// A client asks how long a recorded stream is. Answer with `answer_stream_length`.
    StreamLength {
        /// Which call to answer.
        transaction: TransactionId,
        /// The name of the stream, with its query.
        name: String,
    },
    /// A remote call of ours returned. The answer is the whole `_result`.
    CallReturned {
        /// Which call it answers.
        transaction: TransactionId,
        /// What came back.
        answer: Command,
    },
    /// A remote call of ours failed. The answer is the whole `_error`.
    CallFailed {
        /// Which call it answers.
        transaction: TransactionId,
        /// What came back.
        answer: Command,
    },
    /// A user control event, for example the buffer length of a player.
    UserControl(UserControl),
    /// The client has received this many bytes so far, modulo 2^32; some count differently.
    Acknowledgement(u32),
    /// The client has answered our newest ping, after this time.
    Pong(Duration),
    /// The client wants to close the connection.
    CloseRequested,
    /// A message of a type that means nothing to the machine: a shared object, or one that no specification explains.
    Other(RawMessage),
    /// Something was passed over.
    Ignored(Ignored),
}
