//! Timeouts and limits, with their defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::chunk::RawMessage;
use rtmp_core::conn::{self, Direction};

use crate::SessionInfo;

/// Stands for longer times, so that they can be added to any time on the clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long each stage of a session may take. A stage ends it when its time is over, whatever trickles in meanwhile.
/// Times beyond ten years count as ten years.
///
/// | timeout | default | what it bounds |
/// |---|---|---|
/// | [`handshake`](Self::handshake) | 10 s | from the beginning of the connection to the end of the handshake |
/// | [`connect`](Self::connect) | 10 s | from there to `connect` |
/// | [`media`](Self::media) | 30 s | from there to `publish` or `play`, and between two of them |
/// | [`ping`](Self::ping) | 30 s | silence of a client, after which it is asked for a sign of life |
/// | [`idle`](Self::idle) | 60 s | silence of a client, in spite of the ping |
/// | [`write`](Self::write) | 10 s | a write that makes no progress |
/// | [`verdict`](Self::verdict) | 10 s | an observer's answer; no answer means no |
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub(crate) handshake: Duration,
    pub(crate) connect: Duration,
    pub(crate) media: Duration,
    pub(crate) ping: Duration,
    pub(crate) idle: Duration,
    pub(crate) write: Duration,
    pub(crate) verdict: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            media: Duration::from_secs(30),
            ping: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(10),
            verdict: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// The whole handshake, with that of TLS and a header of the PROXY protocol before it.
    #[must_use]
    pub fn handshake(mut self, timeout: Duration) -> Self {
        self.handshake = timeout.min(LONGEST);
        self
    }

    /// From the handshake to `connect`.
    #[must_use]
    pub fn connect(mut self, timeout: Duration) -> Self {
        self.connect = timeout.min(LONGEST);
        self
    }

    /// How long a connection may neither publish nor play.
    #[must_use]
    pub fn media(mut self, timeout: Duration) -> Self {
        self.media = timeout.min(LONGEST);
        self
    }

    /// How long a client may be silent before it is pinged.
    #[must_use]
    pub fn ping(mut self, timeout: Duration) -> Self {
        self.ping = timeout.min(LONGEST);
        self
    }

    /// How long a client may be silent altogether. One that lets a write wait and then takes it is not silent, nor is one
    /// that is not read from because a [`MediaSink`](crate::MediaSink::poll_ready) takes nothing.
    #[must_use]
    pub fn idle(mut self, timeout: Duration) -> Self {
        self.idle = timeout.min(LONGEST);
        self
    }

    /// How long a write may make no progress.
    #[must_use]
    pub fn write(mut self, timeout: Duration) -> Self {
        self.write = timeout.min(LONGEST);
        self
    }

    /// How long an observer may take for a verdict or a notice.
    #[must_use]
    pub fn verdict(mut self, timeout: Duration) -> Self {
        self.verdict = timeout.min(LONGEST);
        self
    }
}

/// How one session behaves.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    pub(crate) protocol: conn::ServerConfig,
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
    /// Handshake, limits, chunk size, windows.
    #[must_use]
    pub fn protocol(mut self, protocol: conn::ServerConfig) -> Self {
        self.protocol = protocol;
        self
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

    /// How long each stage may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
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
