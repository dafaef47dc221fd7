//! What can go wrong.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ProtocolError;
use rtmp_core::flv::FlvError;
use rtmp_core::handshake::HandshakeError;
use rtmp_core::message::{Command, Status, StatusCode};
use rtmp_core::url::{RtmpUrl, Scheme, UrlError};

use crate::{ConnectionStatus, redirect};

/// What was being done when something went wrong. `Display` fits behind "to".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Resolving the host and opening the line.
    Dial,
    /// The TLS handshake.
    TlsHandshake,
    /// The RTMP handshake.
    Handshake,
    /// [`ClientConn::connect`](crate::ClientConn::connect).
    Connect,
    /// [`ClientConn::create_stream`](crate::ClientConn::create_stream).
    CreateStream,
    /// [`ClientStream::publish`](crate::ClientStream::publish).
    Publish,
    /// [`ClientStream::play`](crate::ClientStream::play).
    Play,
    /// [`ClientStream::pause`](crate::ClientStream::pause).
    Pause,
    /// [`ClientStream::resume`](crate::ClientStream::resume).
    Resume,
    /// [`ClientStream::seek`](crate::ClientStream::seek).
    Seek,
    /// [`ClientStream::receive_audio`](crate::ClientStream::receive_audio).
    ReceiveAudio,
    /// [`ClientStream::receive_video`](crate::ClientStream::receive_video).
    ReceiveVideo,
    /// [`ClientStream::transition`](crate::ClientStream::transition).
    Transition,
    /// A remote call of this name.
    Call(Box<str>),
    /// Sending media.
    Send,
    /// Receiving media.
    Receive,
    /// [`ClientConn::ping`](crate::ClientConn::ping).
    Ping,
    /// A message at a low level, such as by [`ClientConn::send_raw`](crate::ClientConn::send_raw).
    SendRaw,
    /// Closing a stream or the connection in order.
    Close,
    /// Hearing anything of the server.
    Listen,
    /// Writing to the line.
    Write,
    /// Connecting again, by what is in [`reconnect`](crate::reconnect).
    Reconnect,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dial => "dial",
            Self::TlsHandshake => "shake hands in TLS",
            Self::Handshake => "shake hands",
            Self::Connect => "connect",
            Self::CreateStream => "create a stream",
            Self::Publish => "publish",
            Self::Play => "play",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Seek => "seek",
            Self::ReceiveAudio => "switch audio",
            Self::ReceiveVideo => "switch video",
            Self::Transition => "go over to another stream",
            Self::Call(name) => return write!(f, "call {}", name.escape_debug()),
            Self::Send => "send media",
            Self::Receive => "receive media",
            Self::Ping => "ping",
            Self::SendRaw => "send a message",
            Self::Close => "close",
            Self::Listen => "hear anything of the server",
            Self::Write => "write anything to the line",
            Self::Reconnect => "connect again",
        })
    }
}

/// What a stream is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamState {
    /// It is closed, or never was.
    Closed,
    /// Nothing; it can be published or played.
    Idle,
    /// It is being published, or about to be.
    Publishing,
    /// It is being played, or about to be.
    Playing,
}

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Publishing => "being published",
            Self::Playing => "being played",
        })
    }
}

/// Why something failed. The cause of a cause is its [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's URL is wrong.
    #[error("the URL is wrong")]
    Url(#[from] UrlError),
    /// The URL asks for a transport that this build does not have: `rtmps` needs the feature `tls`.
    #[error("{scheme} needs the feature \"tls\" of rtmp-client")]
    UnsupportedScheme {
        /// The scheme of the URL.
        scheme: Scheme,
    },
    /// A URL given to [`push`](crate::push()) or [`pull`](crate::pull()) names no stream.
    #[error("the URL names no stream")]
    MissingStreamName,
    /// The host has no address that can be used.
    #[error("no address found for {host}")]
    Resolve {
        /// The host, from the URL.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// None of the host's addresses can be reached. The address and the cause are those of the last one tried.
    #[error("can not reach {host} at {address}")]
    Dial {
        /// The host, from the URL.
        host: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The caller's [`connector`](crate::ClientBuilder::connector) could not open a line.
    #[error("can not open a line to {host}")]
    Connector {
        /// The host, from the URL.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// There is no line in TLS: the server does not speak it, or is not who it should be.
    #[cfg(feature = "tls")]
    #[error("no TLS with {host}")]
    Tls {
        /// The host, from the URL.
        host: String,
        /// Why.
        source: Box<crate::tls::TlsError>,
    },
    /// What answers is no RTMP server, or speaks a form of RTMP that is not supported.
    #[error("the handshake with {host} failed")]
    Handshake {
        /// The host, from the URL.
        host: String,
        /// Why.
        source: HandshakeError,
    },
    /// The server did not answer in time, or nothing moved for too long.
    #[error("it took longer than {after:?} to {operation}")]
    Timeout {
        /// What was being done.
        operation: Operation,
        /// The time that it was given.
        after: Duration,
    },
    /// The server said no.
    #[error("the server refused to {operation}: {status}")]
    Refused {
        /// What was asked for.
        operation: Operation,
        /// What the server said.
        status: Box<Status>,
    },
    /// More redirects in a row than [`max_redirects`](crate::ClientBuilder::max_redirects) allows.
    #[error("more than {limit} redirects: {}", Trail(hops))]
    TooManyRedirects {
        /// The addresses in order, from the caller's to the one that was not followed any more.
        hops: Vec<RtmpUrl>,
        /// How many are followed.
        limit: usize,
    },
    /// Redirects lead back to where they came from.
    #[error("the redirects go round: {}", Trail(hops))]
    RedirectLoop {
        /// The addresses in order, from the caller's to the one that was there before.
        hops: Vec<RtmpUrl>,
    },
    /// A server redirects to an address that can not be read.
    #[error("{from} redirects to a wrong URL")]
    RedirectUrl {
        /// Who redirects.
        from: Box<RtmpUrl>,
        /// What is wrong with the URL.
        source: UrlError,
    },
    /// A server that was reached with `rtmps` redirects to one without.
    #[error("{from} redirects to {to}, which is not encrypted")]
    InsecureRedirect {
        /// Who redirects.
        from: Box<RtmpUrl>,
        /// Where to.
        to: Box<RtmpUrl>,
    },
    /// Tries to [reconnect](crate::reconnect) came to their end.
    #[error("gave up at retry {retries}")]
    GaveUp {
        /// How many tries there were, the first of all not counted.
        retries: u32,
        /// What the last one came to.
        source: Box<Self>,
    },
    /// The server answered a remote call with `_error`.
    #[error("calling {} failed: {}", .procedure.escape_debug(), answer_status(.answer))]
    CallFailed {
        /// What was called.
        procedure: Box<str>,
        /// The whole answer.
        answer: Box<Command>,
    },
    /// The server ended the stream, for a reason that is not its regular end.
    #[error("the server ended the stream: {status}")]
    Ended {
        /// What was being done.
        operation: Operation,
        /// What the server said.
        status: Box<Status>,
    },
    /// The connection is not ready for what the caller asks.
    #[error("can not {operation} while the connection is {status}")]
    WrongState {
        /// What was asked for.
        operation: Operation,
        /// How far the connection is.
        status: ConnectionStatus,
    },
    /// The stream is not ready for what the caller asks.
    #[error("can not {operation} on stream {stream}, which is {state}")]
    WrongStream {
        /// What was asked for.
        operation: Operation,
        /// The stream.
        stream: MessageStreamId,
        /// What it is used for.
        state: StreamState,
    },
    /// The caller's message is longer than RTMP can carry; it was not sent.
    #[error("message of {length} bytes, RTMP can carry {limit}")]
    MessageTooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest one in bytes.
        limit: usize,
    },
    /// The caller's values can not be written as AMF0; nothing was sent.
    #[error("what to {operation} can not be written")]
    Encode {
        /// What was asked for.
        operation: Operation,
        /// Why.
        source: ProtocolError,
    },
    /// The caller's metadata can not be written as AMF0; nothing was sent.
    #[error("the metadata can not be written")]
    Metadata(#[source] FlvError),
    /// The connection closed before it was done, or was closed already.
    #[error("could not {operation}, the connection is closed")]
    Closed {
        /// What was being done.
        operation: Operation,
        /// Why the connection closed.
        #[source]
        reason: CloseReason,
    },
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Error {
    /// Whether the same may succeed later on a new connection: the network failed, the server was slow or shut down,
    /// the name was still in use, or the stream was not there yet. Mistakes of the caller, refusals and faults in the
    /// protocol are not retryable.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Dial { .. } | Self::Connector { .. } | Self::Timeout { .. } => true,
            #[cfg(feature = "tls")]
            Self::Tls { source, .. } => source.is_retryable(),
            Self::Handshake { source, .. } => matches!(source, HandshakeError::ConnectionClosed { .. }),
            Self::Refused { status, .. } | Self::Ended { status, .. } => is_temporary(&status.code),
            Self::Closed { reason, .. } => reason.is_retryable(),
            Self::GaveUp { source, .. } => source.is_retryable(),
            Self::Url(_)
            | Self::UnsupportedScheme { .. }
            | Self::MissingStreamName
            | Self::TooManyRedirects { .. }
            | Self::RedirectLoop { .. }
            | Self::RedirectUrl { .. }
            | Self::InsecureRedirect { .. }
            | Self::CallFailed { .. }
            | Self::WrongState { .. }
            | Self::WrongStream { .. }
            | Self::MessageTooLong { .. }
            | Self::Encode { .. }
            | Self::Metadata(_) => false,
        }
    }

    /// What the server said, if it is the server that refused or ended what was being done.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } | Self::Ended { status, .. } => Some(status),
            Self::Closed {
                reason: CloseReason::Refused(status),
                ..
            } => Some(status),
            Self::GaveUp { source, .. } => source.status(),
            _ => None,
        }
    }

    /// The URL where the server says to go instead, as it sent it. [`push`](crate::push()) and [`pull`](crate::pull())
    /// follow it; who dials a [`ClientConn`](crate::ClientConn) decides whether to trust it and how often to follow. Not
    /// specified; sent by Flash Media Server, Wowza and SRS, some with a stream name and some without.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), rtmp_client::Error> {
    /// # use rtmp_client::{ClientConn, ConnectRequest};
    /// let mut conn = ClientConn::dial("rtmp://example.org/live").await?;
    /// if let Err(error) = conn.connect(ConnectRequest::default()).await {
    ///     let target = error.redirect().map(str::to_owned).ok_or(error)?;
    ///     conn = ClientConn::dial(target).await?;
    ///     conn.connect(ConnectRequest::default()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redirect(&self) -> Option<&str> {
        self.status().and_then(redirect::target)
    }
}

/// Addresses one behind the other, as `Display` shows them: without their secrets.
struct Trail<'a>(&'a [RtmpUrl]);

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, url) in self.0.iter().enumerate() {
            let arrow = if place == 0 { "" } else { " -> " };
            write!(f, "{arrow}{url}")?;
        }
        Ok(())
    }
}

/// A busy name is free again once the server has noticed that the last publisher is gone.
fn is_temporary(code: &StatusCode) -> bool {
    matches!(
        code,
        StatusCode::PublishBadName
            | StatusCode::PublishFailed
            | StatusCode::PlayStreamNotFound
            | StatusCode::PlayFailed
            | StatusCode::StreamFailed
            | StatusCode::ConnectFailed
            | StatusCode::ConnectAppShutdown
            | StatusCode::ConnectIdleTimeOut
            | StatusCode::UnpublishSuccess
    )
}

/// Why a connection is closed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it: by [`close`](crate::ClientConn::close), or by dropping the last handle.
    #[error("it was closed by this end")]
    Local,
    /// The server closed the line.
    #[error("the server closed the line")]
    PeerClosed,
    /// The line ended in the middle of TLS, while a stream was in use: whoever sits between may have cut it.
    #[error("the line was cut off, TLS did not say that it ends")]
    CutOff,
    /// The server asked to close the connection.
    #[error("the server asked to close the connection")]
    CloseRequested,
    /// The server refused `connect`.
    #[error("the server refused to connect: {0}")]
    Refused(Arc<Status>),
    /// The line failed.
    #[error("the line failed")]
    Io(#[source] Arc<io::Error>),
    /// The server broke the protocol or a limit.
    #[error("the server broke the protocol")]
    Protocol(#[source] Arc<ProtocolError>),
    /// The server did not answer in time, or nothing moved for too long.
    #[error("it took longer than {after:?} to {operation}")]
    Timeout {
        /// What was being done.
        operation: Operation,
        /// The time that it was given.
        after: Duration,
    },
    /// The runtime that the connection belongs to was shut down.
    #[error("the runtime was shut down")]
    RuntimeShutdown,
}

impl CloseReason {
    /// Whether a new connection may fare better.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::PeerClosed | Self::CutOff | Self::CloseRequested | Self::Io(_) | Self::Timeout { .. } => {
                true
            }
            Self::Refused(status) => is_temporary(&status.code),
            Self::Local | Self::Protocol(_) | Self::RuntimeShutdown => false,
        }
    }
}

/// Why there are no more media.
#[derive(Clone, Debug)]
pub(crate) enum StreamEnd {
    /// The stream is over.
    Finished,
    /// The stream was deleted by this end.
    Deleted,
    /// The server ended it.
    Status(Box<Status>),
    /// The connection is closed.
    Closed(CloseReason),
}

impl StreamEnd {
    /// The same as an error of what was being done on the stream.
    pub(crate) fn into_error(self, operation: Operation, stream: MessageStreamId) -> Error {
        match self {
            Self::Finished | Self::Deleted => Error::WrongStream {
                operation,
                stream,
                state: StreamState::Closed,
            },
            Self::Status(status) => Error::Ended { operation, status },
            Self::Closed(reason) => Error::Closed { operation, reason },
        }
    }
}

/// The information object of an `_error`, which is its last argument.
fn answer_status(answer: &Command) -> Status {
    Status::from_value(answer.arguments.last().unwrap_or(&answer.object))
}
