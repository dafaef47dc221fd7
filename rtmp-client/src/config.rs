//! Settings of a connection, and their defaults.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rtmp_core::Limits;
use rtmp_core::chunk::RawMessage;
use rtmp_core::conn::{ClientConfig, Direction};
use rtmp_core::handshake::ClientHandshakeConfig;
use rtmp_core::message::ConnectRequest;
use rtmp_core::url::RtmpUrl;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::queue::Capacity;
use crate::{ClientConn, Error, Timeouts, dial};

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) timeouts: Timeouts,
    pub(crate) events: Capacity,
    pub(crate) media: Capacity,
    pub(crate) subscribes: bool,
    pub(crate) tap: Option<Tap>,
    pub(crate) tcp_nodelay: bool,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) connector: Option<Connector>,
    pub(crate) connect_request: ConnectRequest,
    pub(crate) max_redirects: usize,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::TlsConfig>,
    pub(crate) machine: ClientConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            events: Capacity {
                items: 64,
                bytes: 1 << 20,
            },
            media: Capacity {
                items: 64,
                bytes: 8 << 20,
            },
            subscribes: false,
            tap: None,
            tcp_nodelay: true,
            local_addr: None,
            connector: None,
            connect_request: ConnectRequest::default(),
            max_redirects: 3,
            #[cfg(feature = "tls")]
            tls: None,
            machine: ClientConfig::default(),
        }
    }
}

/// Sees every message of a connection.
#[derive(Clone)]
pub(crate) struct Tap(Arc<TapFn>);

/// What a tap is told: which way a message goes, and the message.
type TapFn = dyn Fn(Direction, &RawMessage) + Send + Sync;

impl Tap {
    pub(crate) fn see(&self, direction: Direction, message: &RawMessage) {
        (self.0)(direction, message);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// A line of any kind.
pub(crate) trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Line for Io {}

/// Opens lines in place of TCP.
#[derive(Clone)]
pub(crate) struct Connector(Arc<ConnectorFn>);

type ConnectorFn = dyn Fn(RtmpUrl) -> BoxFuture<'static, io::Result<Box<dyn Line>>> + Send + Sync;

impl Connector {
    pub(crate) async fn open(&self, url: RtmpUrl) -> io::Result<Box<dyn Line>> {
        (self.0)(url).await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Settings of a connection, from [`ClientConn::builder`]. The crate's front page has a table of the defaults.
///
/// ```no_run
/// use std::time::Duration;
/// use rtmp_client::{ClientConn, Limits, Timeouts};
///
/// # async fn example() -> Result<(), rtmp_client::Error> {
/// let conn = ClientConn::builder()
///     .timeouts(Timeouts::default().dial(Duration::from_secs(3)))
///     .limits(Limits::default().max_message_len(4 << 20))
///     .chunk_size(4096)
///     .dial("rtmp://example.org/live")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientBuilder {
    config: Config,
}

impl ClientBuilder {
    /// How long each stage may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// What the server may make us hold. A server that goes beyond it ends the connection with
    /// [`CloseReason::Protocol`](crate::CloseReason::Protocol).
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.machine(|machine| machine.limits(limits))
    }

    /// The form of the handshake.
    #[must_use]
    pub fn handshake(self, handshake: ClientHandshakeConfig) -> Self {
        self.machine(|machine| machine.handshake(handshake))
    }

    /// The chunk size announced to the server, in bytes, brought into 1 to 2^31 - 1.
    #[must_use]
    pub fn chunk_size(self, bytes: u32) -> Self {
        self.machine(|machine| machine.chunk_size(bytes))
    }

    /// How often the server is to acknowledge, in bytes.
    #[must_use]
    pub fn window_ack_size(self, bytes: u32) -> Self {
        self.machine(|machine| machine.window_ack_size(bytes))
    }

    /// How much media a player buffers, which servers of recorded streams send ahead.
    #[must_use]
    pub fn buffer_length(self, length: Duration) -> Self {
        self.machine(|machine| machine.buffer_length(length))
    }

    /// How many events each [`Events`](crate::Events) holds and how many calls [`Calls`](crate::Calls), 1 at least; they
    /// hold 1 MiB at most in any case.
    #[must_use]
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.config.events.items = events.max(1);
        self
    }

    /// How many messages each [`Publisher`](crate::Publisher) and [`Playback`](crate::Playback) queues, 1 at least.
    #[must_use]
    pub fn media_capacity(mut self, messages: usize) -> Self {
        self.config.media.items = messages.max(1);
        self
    }

    /// How many bytes each [`Publisher`](crate::Publisher) and [`Playback`](crate::Playback) queues. A queue below
    /// this takes one more message, however long.
    #[must_use]
    pub fn media_capacity_bytes(mut self, bytes: usize) -> Self {
        self.config.media.bytes = bytes.max(1);
        self
    }

    /// Whether streams are announced with `FCSubscribe` before `play`, as some content networks insist on. The server's
    /// answer is not waited for. Not specified; sent by librtmp and FFmpeg when they are told to.
    #[must_use]
    pub fn subscribe_before_play(mut self, subscribe: bool) -> Self {
        self.config.subscribes = subscribe;
        self
    }

    /// Lets `tap` see every message behind the handshake, as it is received and sent, for logs and measurements. It
    /// runs within the connection's task and should be quick. Connections of the same builder share it.
    ///
    /// ```
    /// # use rtmp_client::ClientConn;
    /// let builder = ClientConn::builder().tap(|direction, message| {
    ///     println!("{direction:?} {:?}, {} bytes", message.message_type, message.payload.len());
    /// });
    /// ```
    #[must_use]
    pub fn tap(mut self, tap: impl Fn(Direction, &RawMessage) + Send + Sync + 'static) -> Self {
        self.config.tap = Some(Tap(Arc::new(tap)));
        self
    }

    /// Whether small writes go out at once (`TCP_NODELAY`) instead of waiting for the acknowledgement of the last.
    #[must_use]
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.config.tcp_nodelay = nodelay;
        self
    }

    /// The local address to dial from; port 0 leaves the port to the system. Only addresses of the server of the same
    /// family are tried then.
    #[must_use]
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.config.local_addr = Some(address);
        self
    }

    /// Opens lines with `connector` instead of TCP whenever an address is dialled: through a tunnel or a proxy, with TLS
    /// of your own, in memory. It is given the URL and judges the scheme and the host; the
    /// time to [dial](Timeouts::dial) holds for it.
    ///
    /// ```
    /// # use rtmp_client::ClientConn;
    /// let builder = ClientConn::builder().connector(|url| async move {
    ///     println!("{} instead of {}", "/run/rtmp.sock", url.host());
    ///     tokio::net::UnixStream::connect("/run/rtmp.sock").await
    /// });
    /// ```
    #[must_use]
    pub fn connector<F, Opening, Io>(mut self, connector: F) -> Self
    where
        F: Fn(RtmpUrl) -> Opening + Send + Sync + 'static,
        Opening: Future<Output = io::Result<Io>> + Send + 'static,
        Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.config.connector = Some(Connector(Arc::new(move |url| {
            let opening = connector(url);
            async move { opening.await.map(|line| Box::new(line) as Box<dyn Line>) }.boxed()
        })));
        self
    }

    /// What [`push`](Self::push), [`pull`](Self::pull) and the handles that [reconnect](crate::reconnect) send with
    /// `connect`; [`ClientConn::connect`] is given its own.
    #[must_use]
    pub fn connect_request(mut self, request: ConnectRequest) -> Self {
        self.config.connect_request = request;
        self
    }

    /// How many redirects [`push`](Self::push), [`pull`](Self::pull) and the handles that
    /// [reconnect](crate::reconnect) follow in a row; with 0 a redirect is the error that it is elsewhere
    /// ([`Error::redirect`]). One from `rtmps` to `rtmp` is never followed.
    #[must_use]
    pub fn max_redirects(mut self, redirects: usize) -> Self {
        self.config.max_redirects = redirects;
        self
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whom `rtmps` URLs trust, and the certificate to show. Without it the platform verifies, with its root
    /// certificates.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::TlsConfig) -> Self {
        self.config.tls = Some(tls);
        self
    }

    fn machine(mut self, set: impl FnOnce(ClientConfig) -> ClientConfig) -> Self {
        self.config.machine = set(self.config.machine);
        self
    }

    /// Opens the line and shakes hands. The addresses of the host are tried one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] and [`Error::UnsupportedScheme`] for the URL; [`Error::Resolve`], [`Error::Dial`],
    /// [`Error::Connector`], [`Error::Handshake`], [`Error::Closed`] and [`Error::Timeout`] if the server can not be reached;
    /// with the feature `tls`, `Error::Tls` if there is no TLS with it, or not with the right one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the line.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn dial<U>(&self, url: U) -> Result<ClientConn, Error>
    where
        U: TryInto<RtmpUrl>,
        Error: From<U::Error>,
    {
        let url = url.try_into()?;
        match &self.config.connector {
            Some(connector) => {
                let line = dial::dial_by(connector, &url, &self.config).await?;
                dial::open(line, url, self.config.clone()).await
            }
            None => dial::dial(url, self.config.clone()).await,
        }
    }

    /// Shakes hands over a line that is open already. The URL says which app to connect to; its host and scheme are
    /// not used.
    ///
    /// # Errors
    ///
    /// [`Error::Url`]; [`Error::Handshake`], [`Error::Closed`] and [`Error::Timeout`] if the handshake fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the line.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time.
    pub async fn from_io<Io, U>(&self, io: Io, url: U) -> Result<ClientConn, Error>
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        U: TryInto<RtmpUrl>,
        Error: From<U::Error>,
    {
        dial::open(io, url.try_into()?, self.config.clone()).await
    }
}
