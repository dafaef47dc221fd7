//! Who decides what a client may do, and is told what it does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rtmp_amf::amf0::Value;
use rtmp_core::MediaMessage;
use rtmp_core::chunk::{MessageStreamId, RawMessage};
use rtmp_core::flv::Metadata;
use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, MediaKind, PlayRequest, PublishRequest, Status,
};

use crate::{CloseReason, PlayGrant, PublishGrant, Relay, RequestObserver, SessionInfo, StreamInfo, Verdict};

/// Decides over connections, and answers the remote calls of clients.
///
/// # Cancel safety
///
/// Of this and the other observers: a future is dropped, at any of its await points, when
/// [its time](crate::Timeouts::verdict) is over or its session ends.
#[async_trait]
pub trait ConnectObserver: Send + Sync {
    /// A client asks to connect; it hears nothing until this returns. What is granted goes into both objects of the
    /// reply. Of several observers the last that changes the reply is heard.
    async fn on_connect(&self, session: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        let _ = (session, request);
        Verdict::accept()
    }

    /// A client calls a procedure that the protocol does not define, on one of its streams or on the connection (stream
    /// 0). `None` passes the call on to the next observer; if nobody knows it, the client gets an empty answer, which is
    /// what the encoders that probe for such procedures can live with.
    async fn on_call(
        &self,
        session: &SessionInfo,
        stream: MessageStreamId,
        call: &Command,
    ) -> Option<Result<Value, Status>> {
        let _ = (session, stream, call);
        None
    }

    /// A client has sent a message of a type that means nothing here: a shared object
    /// ([`SharedObjectMessage`](rtmp_core::message::SharedObjectMessage)), or one that no specification explains.
    fn on_other_message(&self, session: &SessionInfo, message: &RawMessage) {
        let _ = (session, message);
    }

    /// Called once for every [`on_connect`](Self::on_connect) that this observer has accepted, even if another refuses it
    /// then.
    async fn on_disconnect(&self, session: &SessionInfo, reason: &CloseReason) {
        let _ = (session, reason);
    }
}

/// Decides over publications, and sees their media.
///
/// An ingest server, which hands what is published to the application:
///
/// ```
/// use async_trait::async_trait;
/// use rtmp_server::rtmp_core::MediaMessage;
/// use rtmp_server::{Observers, PublishObserver, StreamInfo};
/// use tokio::sync::mpsc;
///
/// struct Ingest(mpsc::Sender<(String, MediaMessage)>);
///
/// #[async_trait]
/// impl PublishObserver for Ingest {
///     fn on_message(&self, stream: &StreamInfo, message: &MediaMessage) {
///         if self.0.try_send((stream.name().to_owned(), message.clone())).is_err() {
///             stream.session().dispose("the application does not keep up");
///         }
///     }
/// }
///
/// let (sender, media) = mpsc::channel(256); // the application reads `media`
/// let observers = Observers::new().publish(Ingest(sender));
/// # drop((media, observers));
/// ```
///
/// One that would rather let the publisher wait grants a [`MediaSink`](crate::MediaSink::poll_ready).
#[async_trait]
pub trait PublishObserver: Send + Sync {
    /// A client asks to publish; it hears nothing until this returns.
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        let _ = (session, request);
        Verdict::accept()
    }

    /// One message from an accepted publisher, in order. This is the hot path: clone the message (that costs no copy)
    /// and return; do not wait.
    fn on_message(&self, stream: &StreamInfo, message: &MediaMessage) {
        let _ = (stream, message);
    }

    /// The metadata that an accepted publisher has sent, each time it does. They also come by
    /// [`on_message`](Self::on_message), as they stand on the wire; what can not be decoded comes only there.
    fn on_metadata(&self, stream: &StreamInfo, metadata: &Metadata) {
        let _ = (stream, metadata);
    }

    /// Called once for every [`on_publish`](Self::on_publish) that this observer has accepted, even if another refuses it
    /// then.
    async fn on_unpublish(&self, stream: &StreamInfo, reason: &CloseReason) {
        let _ = (stream, reason);
    }
}

/// Decides over playback, and where its media come from.
#[async_trait]
pub trait PlayObserver: Send + Sync {
    /// A client asks to play; it hears nothing until this returns. If no observer grants a source, the stream is not
    /// found.
    async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        let _ = (session, request);
        Verdict::accept()
    }

    /// A client asks how long a recorded stream is, before it plays it. `None` passes the question on; a stream whose
    /// length nobody knows is a live one.
    async fn stream_length(&self, session: &SessionInfo, request: &PlayRequest) -> Option<Duration> {
        let _ = (session, request);
        None
    }

    /// A player has paused, or goes on.
    fn on_pause(&self, stream: &StreamInfo, paused: bool) {
        let _ = (stream, paused);
    }

    /// A player goes to another position.
    fn on_seek(&self, stream: &StreamInfo, position: Duration) {
        let _ = (stream, position);
    }

    /// A player says how much it wants to hold ahead of what it shows.
    fn on_buffer_length(&self, stream: &StreamInfo, length: Duration) {
        let _ = (stream, length);
    }

    /// A player does not want audio or video any more, or wants it again.
    fn on_receive(&self, stream: &StreamInfo, kind: MediaKind, wanted: bool) {
        let _ = (stream, kind, wanted);
    }

    /// Called once for every [`on_play`](Self::on_play) that this observer has accepted, even if another refuses it
    /// then.
    async fn on_stop(&self, stream: &StreamInfo, reason: &CloseReason) {
        let _ = (stream, reason);
    }
}

/// All observers of a server. They are asked in the order they were added; the first no is final.
///
/// Without any observer connections are accepted, publications go nowhere and nothing is found to play.
#[derive(Clone, Default)]
pub struct Observers {
    pub(crate) connect: Vec<Arc<dyn ConnectObserver>>,
    pub(crate) publish: Vec<Arc<dyn PublishObserver>>,
    pub(crate) play: Vec<Arc<dyn PlayObserver>>,
}

impl Observers {
    /// No observers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one that decides over connections.
    #[must_use]
    pub fn connect(mut self, observer: impl ConnectObserver + 'static) -> Self {
        self.connect.push(Arc::new(observer));
        self
    }

    /// Adds one that decides over publications.
    #[must_use]
    pub fn publish(mut self, observer: impl PublishObserver + 'static) -> Self {
        self.publish.push(Arc::new(observer));
        self
    }

    /// Adds one that decides over playback.
    #[must_use]
    pub fn play(mut self, observer: impl PlayObserver + 'static) -> Self {
        self.play.push(Arc::new(observer));
        self
    }

    /// Adds one that turns all questions into values, see [`request_channel`](crate::request_channel()).
    #[must_use]
    pub fn requests(self, observer: RequestObserver) -> Self {
        self.connect(observer.clone())
            .publish(observer.clone())
            .play(observer)
    }

    /// Adds a relay, which takes what is published and gives it to who plays. Add it behind those that decide who
    /// may.
    #[must_use]
    pub fn relay(self, relay: Relay) -> Self {
        self.publish(relay.clone()).play(relay)
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("connect", &self.connect.len())
            .field("publish", &self.publish.len())
            .field("play", &self.play.len())
            .finish()
    }
}
