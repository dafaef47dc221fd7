//! What an observer learns of a session and its streams.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::{MessageStreamId, RawMessage};
use rtmp_core::conn::ProtocolError;
use rtmp_core::message::{Command, ConnectRequest, Shortened, Status};
use tokio_util::sync::CancellationToken;

use crate::calls::{CallError, ClientRequest, ClientRequests};
use crate::relay::Lag;
use crate::statistics::{Counters, Statistics};

/// Numbers a session, uniquely within the process. It stands in every log line of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session as others see it: who it is, what it has moved, and the means to end it. Cheap to clone and to keep.
#[derive(Clone)]
pub struct SessionInfo(Arc<Shared>);

struct Shared {
    id: SessionId,
    /// Behind a balancer it is known only when its header was read.
    peer_addr: OnceLock<SocketAddr>,
    #[cfg(feature = "tls")]
    tls: OnceLock<crate::tls::TlsInfo>,
    connect: OnceLock<ConnectRequest>,
    counters: Counters,
    disposed: CancellationToken,
    dispose_reason: OnceLock<CloseReason>,
    requests: ClientRequests,
}

impl SessionInfo {
    pub(crate) fn new(peer_addr: Option<SocketAddr>) -> Self {
        Self(Arc::new(Shared {
            id: SessionId::next(),
            peer_addr: peer_addr.map_or_else(OnceLock::new, OnceLock::from),
            #[cfg(feature = "tls")]
            tls: OnceLock::new(),
            connect: OnceLock::new(),
            counters: Counters::new(),
            disposed: CancellationToken::new(),
            dispose_reason: OnceLock::new(),
            requests: ClientRequests::default(),
        }))
    }

    /// The session's number.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// Where the client is, if it came over a network. Behind a balancer that is believed, what it says.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr.get().copied()
    }

    /// The TLS of the connection, with the client's certificate, if it came to a listener for RTMPS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<&crate::tls::TlsInfo> {
        self.0.tls.get()
    }

    /// What the client sent with `connect`, once that has come.
    #[must_use]
    pub fn connect_request(&self) -> Option<&ConnectRequest> {
        self.0.connect.get()
    }

    /// The application; empty until `connect` has come.
    #[must_use]
    pub fn app(&self) -> &str {
        self.connect_request().map_or("", ConnectRequest::app)
    }

    /// What the session has moved since it began, and how well its line is.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.counters.snapshot()
    }

    /// Calls a procedure of the client and returns its whole answer (`_result`); the value asked for is mostly
    /// `answer.argument(0)`. On one of its streams: [`StreamInfo::call`].
    ///
    /// There is no limit of time but the end of the session, because a procedure may wait for somebody; clients that do
    /// not know it mostly give no answer, so put a [`timeout`](tokio::time::timeout) around it. An observer must not
    /// wait for it while the session waits for the observer.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the call was made or not; a late answer is ignored.
    pub async fn call(&self, procedure: &str, arguments: Vec<Value>) -> Result<Command, CallError> {
        self.call_on(MessageStreamId::CONNECTION, procedure, arguments)
            .await
    }

    async fn call_on(
        &self,
        stream: MessageStreamId,
        procedure: &str,
        arguments: Vec<Value>,
    ) -> Result<Command, CallError> {
        let request = |reply| ClientRequest::Call {
            stream,
            procedure: procedure.into(),
            arguments,
            reply,
        };
        self.requests().ask(request).await
    }

    /// Tells the client a status of its connection, for example that it is to reconnect
    /// ([`ConnectReconnectRequest`](rtmp_core::message::StatusCode::ConnectReconnectRequest), Enhanced RTMP v2), and
    /// returns when that is on its way.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the client was told or not.
    pub async fn send_status(&self, status: Status) -> Result<(), CallError> {
        let status = Box::new(status);
        self.requests()
            .ask(|reply| ClientRequest::Status { status, reply })
            .await
    }

    /// Sends the client a message as it is, and returns when that is on its way: a shared object, an event, or something
    /// that no specification explains. Nothing is checked but what the chunk stream needs, and messages that mean
    /// something here, such as media, change nothing in the session.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was sent or not.
    pub async fn send_raw(&self, message: RawMessage) -> Result<(), CallError> {
        self.requests()
            .ask(|reply| ClientRequest::Raw { message, reply })
            .await
    }

    /// Ends the session, for a reason that its observers are told. Only the first call counts.
    pub fn dispose(&self, reason: impl Into<String>) {
        self.dispose_for(CloseReason::Disposed(reason.into()));
    }

    pub(crate) fn dispose_for(&self, reason: CloseReason) {
        // Only the first reason is kept.
        let _ = self.0.dispose_reason.set(reason);
        self.0.disposed.cancel();
    }

    /// Whether the session is to end; costs no lock.
    pub(crate) fn is_disposed(&self) -> bool {
        self.0.dispose_reason.get().is_some()
    }

    pub(crate) fn disposed(&self) -> &CancellationToken {
        &self.0.disposed
    }

    pub(crate) fn dispose_reason(&self) -> CloseReason {
        self.0
            .dispose_reason
            .get()
            .cloned()
            .unwrap_or(CloseReason::ServerShutdown)
    }

    pub(crate) fn set_peer_addr(&self, peer_addr: SocketAddr) {
        // It is set once, before the session begins.
        let _ = self.0.peer_addr.set(peer_addr);
    }

    #[cfg(feature = "tls")]
    pub(crate) fn set_tls(&self, tls: crate::tls::TlsInfo) {
        // It is set once, before the session begins.
        let _ = self.0.tls.set(tls);
    }

    pub(crate) fn set_connect_request(&self, request: ConnectRequest) -> &ConnectRequest {
        // The machine lets one connect a session through, so this is the first.
        self.0.connect.get_or_init(|| request)
    }

    pub(crate) fn requests(&self) -> &ClientRequests {
        &self.0.requests
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("id", &self.0.id)
            .field("peer_addr", &self.peer_addr())
            .field("app", &Shortened(self.app()))
            .finish_non_exhaustive()
    }
}

/// A stream that a session publishes or plays.
#[derive(Clone)]
pub struct StreamInfo {
    session: SessionInfo,
    id: MessageStreamId,
    name: Arc<str>,
    query: Option<Arc<str>>,
}

impl StreamInfo {
    pub(crate) fn new(session: SessionInfo, id: MessageStreamId, name: &str, query: Option<&str>) -> Self {
        Self {
            session,
            id,
            name: name.into(),
            query: query.map(Into::into),
        }
    }

    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> &SessionInfo {
        &self.session
    }

    /// The number of the message stream within the session.
    #[must_use]
    pub fn id(&self) -> MessageStreamId {
        self.id
    }

    /// The application.
    #[must_use]
    pub fn app(&self) -> &str {
        self.session.app()
    }

    /// Calls a procedure of the client on this stream; see [`SessionInfo::call`].
    ///
    /// # Errors
    ///
    /// [`CallError`].
    ///
    /// # Cancel safety
    ///
    /// As [`SessionInfo::call`].
    pub async fn call(&self, procedure: &str, arguments: Vec<Value>) -> Result<Command, CallError> {
        self.session.call_on(self.id, procedure, arguments).await
    }

    /// The stream name without its query, after an observer may have renamed it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The query behind the name.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl fmt::Debug for StreamInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamInfo")
            .field("session", &self.session.id())
            .field("id", &self.id)
            .field("app", &Shortened(self.app()))
            .field("name", &Shortened(&self.name))
            .finish_non_exhaustive()
    }
}

/// A stage of a session that has a deadline; see [`Timeouts`](crate::Timeouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deadline {
    /// The handshake.
    Handshake,
    /// From the handshake to `connect`.
    Connect,
    /// From `connect` to `publish` or `play`.
    Media,
    /// Silence of the client.
    Idle,
    /// A write that made no progress.
    Write,
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake took too long",
            Self::Connect => "connect did not come in time",
            Self::Media => "neither publish nor play came in time",
            Self::Idle => "the client was silent for too long",
            Self::Write => "the client did not read for too long",
        })
    }
}

/// Why a session, a publication or a playback ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client ended it with a command.
    #[error("ended by the client")]
    Requested,
    /// The client closed the connection, in order or not.
    #[error("the client closed the connection")]
    PeerClosed,
    /// `connect` was refused; or, of a publication or a playback, an observer refused it after this one had agreed.
    #[error("refused")]
    Refused,
    /// The media have ended.
    #[error("the stream has ended")]
    StreamEnded,
    /// The source of the media could not go on.
    #[error("the media could not be had")]
    SourceFailed(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// A stage took longer than its [timeout](crate::Timeouts).
    #[error("{deadline} (limit {after:?})")]
    TimedOut {
        /// Which one.
        deadline: Deadline,
        /// The time that it had.
        after: Duration,
    },
    /// A player was too slow for its source, such as a relay with
    /// [`SlowPlayers::Disconnect`](crate::relay::SlowPlayers::Disconnect).
    #[error("the player was too slow: {0}")]
    TooSlow(Lag),
    /// The client broke the protocol or a limit.
    #[error("the client broke the protocol")]
    Protocol(#[source] Arc<ProtocolError>),
    /// The transport failed.
    #[error("the transport failed")]
    Transport(#[source] Arc<io::Error>),
    /// The application ended it, for this reason.
    #[error("ended by the server: {0}")]
    Disposed(String),
    /// The server shuts down.
    #[error("the server shuts down")]
    ServerShutdown,
    /// An observer, a sink or a source panicked.
    #[error("an observer panicked")]
    ObserverPanicked,
}
