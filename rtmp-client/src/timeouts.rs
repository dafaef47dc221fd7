//! How long everything may take, with the defaults.

use std::time::Duration;

/// Stands for longer times, so that they can be added to any time on the clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long each stage of a connection may take. A stage ends when its time is over, whatever trickles in meanwhile.
/// Times beyond ten years count as ten years. A process that has stood still puts all but the last of them off once, see
/// [`Expiry`](rtmp_core::Expiry).
///
/// | timeout | default | what it bounds | beyond it |
/// |---|---|---|---|
/// | [`dial`](Self::dial) | 10 s | finding and reaching the server | [`Error::Resolve`], [`Error::Dial`] or [`Error::Connector`] |
/// | [`handshake`](Self::handshake) | 10 s | the handshakes of TLS and RTMP together | [`Error::Timeout`] |
/// | [`command`](Self::command) | 10 s | the answer to a command | [`Error::Timeout`] |
/// | [`ping`](Self::ping) | 30 s | silence of the server, after which it is asked for a sign of life | a ping |
/// | [`idle`](Self::idle) | 60 s | silence of the server, in spite of the ping | [`CloseReason::Timeout`] |
/// | [`write`](Self::write) | 10 s | a write that makes no progress | [`CloseReason::Timeout`] |
/// | [`close`](Self::close) | 2 s | the server's closing of its side of the line | the line is dropped |
///
/// The errors say what was being done, and the time that it was given.
///
/// ```
/// use std::time::Duration;
/// use rtmp_client::{ClientConn, Timeouts};
///
/// let timeouts = Timeouts::default().dial(Duration::from_secs(3)).command(Duration::from_secs(5));
/// let builder = ClientConn::builder().timeouts(timeouts);
/// ```
///
/// [`Error::Resolve`]: crate::Error::Resolve
/// [`Error::Dial`]: crate::Error::Dial
/// [`Error::Connector`]: crate::Error::Connector
/// [`Error::Timeout`]: crate::Error::Timeout
/// [`CloseReason::Timeout`]: crate::CloseReason::Timeout
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub(crate) dial: Duration,
    pub(crate) handshake: Duration,
    pub(crate) command: Duration,
    pub(crate) ping: Duration,
    pub(crate) idle: Duration,
    pub(crate) write: Duration,
    pub(crate) close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            command: Duration::from_secs(10),
            ping: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(10),
            close: Duration::from_secs(2),
        }
    }
}

impl Timeouts {
    /// How long resolving the host and reaching one of its addresses may take together.
    #[must_use]
    pub fn dial(mut self, timeout: Duration) -> Self {
        self.dial = timeout.min(LONGEST);
        self
    }

    /// How long the handshake may take; for `rtmps` those of TLS and RTMP together.
    #[must_use]
    pub fn handshake(mut self, timeout: Duration) -> Self {
        self.handshake = timeout.min(LONGEST);
        self
    }

    /// How long the server may take to answer a command, counted from when it was handed to the line.
    #[must_use]
    pub fn command(mut self, timeout: Duration) -> Self {
        self.command = timeout.min(LONGEST);
        self
    }

    /// How long the server may be silent before it is pinged. With [`idle`](Self::idle) or more there is no ping.
    #[must_use]
    pub fn ping(mut self, timeout: Duration) -> Self {
        self.ping = timeout.min(LONGEST);
        self
    }

    /// How long the server may be silent altogether. Media that the line takes from a publisher count as a sign of life
    /// too, since some servers send publishers nothing.
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

    /// How long the server may take to close its side of the line when we have closed ours. Closing without this
    /// wait could make the system throw away what the server has not received yet.
    #[must_use]
    pub fn close(mut self, timeout: Duration) -> Self {
        self.close = timeout.min(LONGEST);
        self
    }
}
