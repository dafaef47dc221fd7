//! A connection.

use std::time::Duration;

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::{MessageStreamId, RawMessage};
use rtmp_core::message::{
    BandwidthLimit, Command, ConnectReply, ConnectRequest, Control, Status, UserControl,
};
use rtmp_core::url::RtmpUrl;

use crate::driver::{Outgoing, Request};
use crate::error::Operation;
use crate::queue::Receiver;
use crate::shared::Link;
use crate::{Calls, ClientBuilder, ClientStream, CloseReason, ConnectionStatus, Error, Events, Health};

/// A connection to a server (`NetConnection`).
///
/// A handle: cheap to clone and to share, and every method takes `&self`. A task of its own reads and writes the line;
/// it ends, and the line closes, when the last handle of the connection is dropped, those of its streams included, or
/// when [`close`](Self::close) is called. Dropping closes in order too, in the background: what is queued is still
/// sent, as long as the line takes it.
#[derive(Clone, Debug)]
pub struct ClientConn {
    link: Link,
}

impl ClientConn {
    pub(crate) fn new(link: Link) -> Self {
        Self { link }
    }

    /// Opens the line to the server of a URL and shakes hands, with the default settings.
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::dial`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the line.
    pub async fn dial<U>(url: U) -> Result<Self, Error>
    where
        U: TryInto<RtmpUrl>,
        Error: From<U::Error>,
    {
        Self::builder().dial(url).await
    }

    /// Settings for a connection.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Connects to the app of the URL. `ConnectRequest::default()` is what servers expect; more properties and
    /// arguments can be added to it. The reply is open as well: the server's properties and its status.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's word, [`Error::WrongState`] if the connection is connected already,
    /// [`Error::Timeout`], [`Error::Closed`]. The connection is of no use after the first, and after a timeout.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, either nothing was sent, or the connection becomes connected when the server agrees:
    /// [`status`](Self::status) tells.
    pub async fn connect(&self, request: ConnectRequest) -> Result<ConnectReply, Error> {
        let request = Box::new(request);
        self.link
            .request(|| Operation::Connect, |reply| Request::Connect { request, reply })
            .await
    }

    /// Creates a stream, to publish or to play.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's word, [`Error::WrongState`] if the connection is not connected,
    /// [`Error::Timeout`], [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, either nothing was sent, or the stream is deleted when the server has created it.
    pub async fn create_stream(&self) -> Result<ClientStream, Error> {
        let created = self
            .link
            .request(
                || Operation::CreateStream,
                |reply| Request::CreateStream { reply },
            )
            .await?;
        Ok(ClientStream::new(self.link.clone(), created))
    }

    /// Calls a procedure of the server and returns its whole answer (`_result`); the value asked for is mostly
    /// `answer.argument(0)`.
    ///
    /// # Errors
    ///
    /// [`Error::CallFailed`] with the whole `_error`, [`Error::WrongState`] if the connection is not connected,
    /// [`Error::Encode`] if the arguments can not be written, [`Error::Timeout`], [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the call was made or not; a late answer is ignored.
    pub async fn call(&self, procedure: &str, arguments: Vec<Value>) -> Result<Command, Error> {
        self.link
            .call(MessageStreamId::CONNECTION, procedure, arguments)
            .await
    }

    /// How long a recorded stream is (`getStreamLength`). `None` if the server gives no length, as for a live stream.
    /// Not specified; asked by Flash Player and FFmpeg.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); a server that does not know the procedure fails the call or never answers.
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn stream_length(&self, name: &str) -> Result<Option<Duration>, Error> {
        let answer = self.call("getStreamLength", vec![name.into()]).await?;
        let seconds = answer.number_argument(0).filter(|seconds| *seconds > 0.0);
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    /// The events of the connection from now on. Each call gives its own, and nobody has to read them.
    #[must_use]
    pub fn events(&self) -> Events {
        self.link.shared.subscribe()
    }

    /// The remote calls of the server from now on, to be answered. Who asked for them last gets them, and who asked
    /// before finds no more. Calls that nobody takes get the empty answer, as servers that measure the line expect.
    ///
    /// ```no_run
    /// # use rtmp_client::{ClientConn, Status, StatusCode};
    /// # async fn example(conn: ClientConn) {
    /// let mut calls = conn.calls();
    /// while let Some(call) = calls.recv().await {
    ///     match call.command().name.as_bytes() {
    ///         b"getVersion" => call.answer("1.0"),
    ///         _ => call.refuse(Status::new(StatusCode::CallFailed, "no such procedure")),
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.link.shared.take_calls()
    }

    /// The server's requests to reconnect from now on, of which the last is kept. Who asked before finds no more.
    pub(crate) fn move_requests(&self) -> Receiver<Status> {
        self.link.shared.take_move_requests()
    }

    /// How far the connection has got.
    #[must_use]
    pub fn status(&self) -> ConnectionStatus {
        self.link.shared.status()
    }

    /// Why the connection is closed, if it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.link.shared.close_reason()
    }

    /// The URL that was dialled.
    #[must_use]
    pub fn url(&self) -> &RtmpUrl {
        &self.link.shared.url
    }

    /// The time from the last ping that the server answered to its answer: a [`ping`](Self::ping), or one of those
    /// that a server gets that says nothing for half the idle timeout.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.link.shared.round_trip()
    }

    /// Bytes received since the handshake.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.link.shared.bytes_received()
    }

    /// Bytes written to the line since the handshake.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.link.shared.bytes_sent()
    }

    /// What the connection has moved, how well its line is, and what waits for it, as of now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.link.shared.health()
    }

    /// Asks the server for a sign of life (RTMP 1.0 section 7.1.7) and returns the time until its answer. Callers at the
    /// same time share a ping. The answer comes behind media that are under way, and not while a full
    /// [`Playback`](crate::Playback) holds up the connection.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if there is no answer within the command timeout, as some servers give none;
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the ping is sent or not.
    pub async fn ping(&self) -> Result<Duration, Error> {
        self.link
            .request(|| Operation::Ping, |reply| Request::Ping { reply })
            .await
    }

    /// Sends a message as it is, on the chunk stream that it names, and returns when it is on its way. Nothing is
    /// checked: what does not fit the state of the connection may make the server close it.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLong`]; [`Error::Encode`] for a Set Chunk Size outside 1 to 2^31 - 1; [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message is sent or not.
    pub async fn send_raw(&self, message: RawMessage) -> Result<(), Error> {
        self.send(Outgoing::Raw(message)).await
    }

    /// Sends in chunks of up to so many bytes from now on, 1 to 2^31 - 1 (RTMP 1.0 section 5.4.1).
    /// [`connect`](Self::connect) announces the [setting](ClientBuilder::chunk_size) again.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] for an impossible size, [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// As [`send_raw`](Self::send_raw).
    pub async fn set_chunk_size(&self, bytes: u32) -> Result<(), Error> {
        self.send(Outgoing::Control(Control::SetChunkSize(bytes))).await
    }

    /// Asks the server to acknowledge every so many bytes (RTMP 1.0 section 5.4.4).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// As [`send_raw`](Self::send_raw).
    pub async fn set_window_ack_size(&self, bytes: u32) -> Result<(), Error> {
        self.send(Outgoing::Control(Control::WindowAckSize(bytes))).await
    }

    /// Asks the server to have at most so many bytes unacknowledged (RTMP 1.0 section 5.4.5). Most servers do not care.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// As [`send_raw`](Self::send_raw).
    pub async fn set_peer_bandwidth(&self, window: u32, limit: BandwidthLimit) -> Result<(), Error> {
        self.send(Outgoing::Control(Control::SetPeerBandwidth { window, limit }))
            .await
    }

    /// Sends a user control event (RTMP 1.0 sections 6.2 and 7.1.7), such as another buffer length of a stream that is
    /// being played.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLong`], [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// As [`send_raw`](Self::send_raw).
    pub async fn send_user_control(&self, event: UserControl) -> Result<(), Error> {
        self.send(Outgoing::UserControl(event)).await
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), Error> {
        let request = |reply| Request::Send { outgoing, reply };
        self.link.request(|| Operation::SendRaw, request).await
    }

    /// Closes the connection in order: sends what publishers have queued, deletes the streams, closes our side of the
    /// line and waits for the server to close its own. When it returns, nothing of the connection is left. Other
    /// handles find it closed; a playback ends.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the connection failed before everything that publishers had queued was written. That it
    /// was closed before is no error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the connection closes or not; another call can wait for it.
    pub async fn close(&self) -> Result<(), Error> {
        let was_open = self.close_reason().is_none() && self.link.requests.send(Request::Close).await.is_ok();
        self.link.requests.closed().await;
        match self.close_reason() {
            Some(reason) if was_open && self.link.shared.has_lost_media() => Err(Error::Closed {
                operation: Operation::Close,
                reason,
            }),
            _ => Ok(()),
        }
    }
}
