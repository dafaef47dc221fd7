//! What a session has moved, and how well its line is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What a session has moved since it began, and how well its line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The time since the session began.
    pub age: Duration,
    /// Bytes read from the client, handshake included.
    pub bytes_received: u64,
    /// Bytes written to the client, handshake included.
    pub bytes_sent: u64,
    /// Bytes that the client says it has received. Clients count differently, and some never say.
    pub bytes_acknowledged: u64,
    /// Media messages that the client published.
    pub messages_received: u64,
    /// Media messages that the client did not get because it was too slow.
    pub messages_dropped: u64,
    /// The time from the last answered ping to its answer. Clients are pinged when they are silent.
    pub round_trip: Option<Duration>,
}

impl Statistics {
    /// Bytes that were written and that the client has not acknowledged. It means something only for clients that
    /// acknowledge, and is up to a window too large even then.
    #[must_use]
    pub fn bytes_in_flight(&self) -> u64 {
        self.bytes_sent.saturating_sub(self.bytes_acknowledged)
    }

    /// What was moved between an earlier snapshot of the same session and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Interval {
        Interval {
            duration: self.age.saturating_sub(earlier.age),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            messages_received: self.messages_received.saturating_sub(earlier.messages_received),
            messages_dropped: self.messages_dropped.saturating_sub(earlier.messages_dropped),
        }
    }
}

/// What a session has moved within some time. A publisher that lives sends, and a player that lives is sent something.
///
/// ```
/// # use rtmp_server::SessionInfo;
/// # async fn watch(session: &SessionInfo) {
/// let earlier = session.statistics();
/// tokio::time::sleep(std::time::Duration::from_secs(5)).await;
/// let interval = session.statistics().since(&earlier);
/// if !interval.is_receiving() {
///     session.dispose("the publisher sends nothing");
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval {
    /// How long it was.
    pub duration: Duration,
    /// Bytes read from the client.
    pub bytes_received: u64,
    /// Bytes written to the client.
    pub bytes_sent: u64,
    /// Media messages that the client published.
    pub messages_received: u64,
    /// Media messages that the client did not get because it was too slow.
    pub messages_dropped: u64,
}

impl Interval {
    /// Bits a second that came from the client; 0 for an interval without length.
    #[must_use]
    pub fn receive_rate(&self) -> f64 {
        rate(self.bytes_received, self.duration)
    }

    /// Bits a second that went to the client; 0 for an interval without length.
    #[must_use]
    pub fn send_rate(&self) -> f64 {
        rate(self.bytes_sent, self.duration)
    }

    /// Whether the client has sent anything.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        self.bytes_received > 0
    }

    /// Whether the client has taken anything.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.bytes_sent > 0
    }
}

fn rate(bytes: u64, duration: Duration) -> f64 {
    if duration.is_zero() {
        0.0
    } else {
        bytes as f64 * 8.0 / duration.as_secs_f64()
    }
}

/// The counters behind [`Statistics`]. Each is right by itself; together they are as of about the same time.
#[derive(Debug)]
pub(crate) struct Counters {
    begun: Instant,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_acknowledged: AtomicU64,
    messages_received: AtomicU64,
    messages_dropped: AtomicU64,
    /// In microseconds plus one; 0 is none.
    round_trip: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            bytes_received: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_acknowledged: AtomicU64::new(0),
            messages_received: AtomicU64::new(0),
            messages_dropped: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
        }
    }

    pub(crate) fn snapshot(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            age: self.begun.elapsed(),
            bytes_received: read(&self.bytes_received),
            bytes_sent: read(&self.bytes_sent),
            bytes_acknowledged: read(&self.bytes_acknowledged),
            messages_received: read(&self.messages_received),
            messages_dropped: read(&self.messages_dropped),
            round_trip: read(&self.round_trip).checked_sub(1).map(Duration::from_micros),
        }
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_message(&self) {
        self.messages_received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self, messages: u64) {
        self.messages_dropped.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn note_acknowledged(&self, bytes: u64) {
        self.bytes_acknowledged.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn note_round_trip(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip.store(micros.saturating_add(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_of_the_interval() {
        let counters = Counters::new();
        counters.count_received(1000);
        tokio::time::advance(Duration::from_secs(1)).await;
        let earlier = counters.snapshot();
        counters.count_received(500);
        tokio::time::advance(Duration::from_secs(2)).await;
        let interval = counters.snapshot().since(&earlier);
        assert_eq!(interval.receive_rate(), 2000.0);
        assert!(interval.is_receiving() && !interval.is_sending());
        assert_eq!(earlier.since(&earlier).receive_rate(), 0.0);
    }

    #[tokio::test]
    async fn what_is_not_acknowledged_is_in_flight() {
        let counters = Counters::new();
        counters.count_sent(5000);
        counters.note_acknowledged(4000);
        counters.note_round_trip(Duration::from_millis(3));
        let statistics = counters.snapshot();
        assert_eq!(
            (statistics.bytes_in_flight(), statistics.round_trip),
            (1000, Some(Duration::from_millis(3)))
        );
        counters.note_acknowledged(9000);
        assert_eq!(counters.snapshot().bytes_in_flight(), 0);
    }
}
