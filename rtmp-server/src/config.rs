//! How sessions and the server behave, with the defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::Limits;
use rtmp_core::chunk::RawMessage;
use rtmp_core::conn::{self, Direction};
use rtmp_core::handshake::ServerHandshakeConfig;

use crate::{SessionInfo, Timeouts};

/// How one session behaves.
///
/// ```
/// use std::time::Duration;
/// use rtmp_server::{Limits, SessionConfig, Timeouts};
///
/// let config = SessionConfig::default()
///     .limits(Limits::default().max_message_len(4 << 20).max_streams(4))
///     .timeouts(Timeouts::default().connect(Duration::from_secs(3)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    pub(crate) machine: conn::ServerConfig,
    pub(crate) timeouts: Timeouts,
    pub(crate) tap: Option<Tap>,
}

#[derive(Clone)]
pub(crate) struct Tap(pub(crate) Arc<TapFn>);

/// What a tap is told: whose message it is, which way it goes, and the message.
type TapFn = dyn Fn(&SessionInfo, Direction, &RawMessage) + Send + Sync;

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl SessionConfig {
    /// How long each stage may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// What a client may make the server hold. One that goes beyond it ends its session with
    /// [`CloseReason::Protocol`](crate::CloseReason::Protocol), or gets an error for an answer.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.machine(|machine| machine.limits(limits))
    }

    /// How the handshake is answered.
    #[must_use]
    pub fn handshake(self, handshake: ServerHandshakeConfig) -> Self {
        self.machine(|machine| machine.handshake(handshake))
    }

    /// The chunk size announced to clients, in bytes, brought into 1 to 2^31 - 1; 60,000 by default. Some encoders adopt
    /// it for what they send.
    #[must_use]
    pub fn chunk_size(self, bytes: u32) -> Self {
        self.machine(|machine| machine.chunk_size(bytes))
    }

    /// How often a client is to acknowledge, in bytes; 2,500,000 by default.
    #[must_use]
    pub fn window_ack_size(self, bytes: u32) -> Self {
        self.machine(|machine| machine.window_ack_size(bytes))
    }

    /// The peer bandwidth announced to clients, in bytes; 2,500,000 by default.
    #[must_use]
    pub fn peer_bandwidth(self, bytes: u32) -> Self {
        self.machine(|machine| machine.peer_bandwidth(bytes))
    }

    /// Lets `tap` see every message behind the handshake as it is received and sent, for logs and measurements, but for
    /// what a [`MediaSource`](crate::MediaSource) gives a player. It is called by the session's task: return soon. If it
    /// panics it sees no more of that session.
    ///
    /// ```
    /// use rtmp_server::SessionConfig;
    ///
    /// let config = SessionConfig::default().tap(|session, direction, message| {
    ///     println!("{} {direction:?} {:?}", session.id(), message.message_type);
    /// });
    /// ```
    #[must_use]
    pub fn tap(mut self, tap: impl Fn(&SessionInfo, Direction, &RawMessage) + Send + Sync + 'static) -> Self {
        self.tap = Some(Tap(Arc::new(tap)));
        self
    }

    fn machine(mut self, set: impl FnOnce(conn::ServerConfig) -> conn::ServerConfig) -> Self {
        self.machine = set(self.machine);
        self
    }
}

/// How a [`Server`](crate::Server) behaves.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub(crate) session: SessionConfig,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: Option<usize>,
    pub(crate) drain: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            session: SessionConfig::default(),
            max_connections: 10_000,
            max_connections_per_address: None,
            drain: Duration::from_secs(5),
        }
    }
}

impl ServerConfig {
    /// How each session behaves.
    #[must_use]
    pub fn session(mut self, session: SessionConfig) -> Self {
        self.session = session;
        self
    }

    /// How many connections may be open at a time; 10,000 by default. One more is accepted and closed at once.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// How many connections one address may have open at a time; no limit by default. One more is accepted and closed
    /// at once. In IPv6 a network of 64 bits counts as one address, since a single client has all of it. Behind a
    /// balancer it counts for the client that the [PROXY protocol](crate::proxy) names.
    #[must_use]
    pub fn max_connections_per_address(mut self, count: usize) -> Self {
        self.max_connections_per_address = Some(count);
        self
    }

    /// How long sessions may take to end in order at a shutdown before they are cut off; 5 s by default.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }
}
