//! How long everything may take, with the defaults.

use std::time::Duration;

use crate::{CloseReason, Deadline};

/// Stands for longer times, so that they can be added to any time on the clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long each stage of a session may take. A stage ends it when its time is over, whatever trickles in meanwhile.
/// Times beyond ten years count as ten years. A process that has stood still puts all of them off once, see
/// [`Expiry`](rtmp_core::Expiry).
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

    /// Why a session ends when this one is over.
    pub(crate) fn over(&self, deadline: Deadline) -> CloseReason {
        let after = self.of(deadline);
        CloseReason::TimedOut { deadline, after }
    }

    /// The time until a deadline.
    pub(crate) fn of(&self, deadline: Deadline) -> Duration {
        match deadline {
            Deadline::Handshake => self.handshake,
            Deadline::Connect => self.connect,
            Deadline::Media => self.media,
            Deadline::Idle => self.idle,
            Deadline::Write => self.write,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_session_says_which_deadline_was_missed_and_how_long_it_was() {
        let timeouts = Timeouts::default().connect(Duration::from_millis(1500));
        for (deadline, text) in [
            (Deadline::Handshake, "the handshake took too long (limit 10s)"),
            (Deadline::Connect, "connect did not come in time (limit 1.5s)"),
            (
                Deadline::Media,
                "neither publish nor play came in time (limit 30s)",
            ),
            (Deadline::Idle, "the client was silent for too long (limit 60s)"),
            (
                Deadline::Write,
                "the client did not read for too long (limit 10s)",
            ),
        ] {
            assert_eq!(timeouts.over(deadline).to_string(), text);
        }
    }
}
