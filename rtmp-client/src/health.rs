//! What a connection has moved, how well its line is, and what waits for it.

use std::time::Duration;

/// What a connection has moved since its handshake, and how well its line is: a snapshot, from
/// [`ClientConn::health`](crate::ClientConn::health).
///
/// A line that is too slow for what is published shows first in [`queue_age`](Self::queue_age), which grows. In time an
/// encoder can lower its bit rate, before the queue is full and [`Publisher::send`](crate::Publisher::send) waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The time since the handshake. It goes on when the connection is closed.
    pub age: Duration,
    /// Bytes read from the line.
    pub bytes_received: u64,
    /// Bytes written to the line.
    pub bytes_sent: u64,
    /// Bytes that the server says it has received. Servers count differently, with or without the handshake, and some
    /// never say.
    pub bytes_acknowledged: u64,
    /// The time from the last answered ping to its answer. [`ClientConn::ping`](crate::ClientConn::ping) measures it
    /// anew.
    pub round_trip: Option<Duration>,
    /// Messages that wait in the queues of the publishers of this connection.
    pub queued_messages: usize,
    /// Bytes of their payloads.
    pub queued_bytes: usize,
    /// How long the oldest of them has waited; 0 if none waits.
    pub queue_age: Duration,
}

impl Health {
    /// Bytes that were written and that the server has not acknowledged. It means something only for servers that
    /// acknowledge, and is up to a window too large even then.
    #[must_use]
    pub fn bytes_in_flight(&self) -> u64 {
        self.bytes_sent.saturating_sub(self.bytes_acknowledged)
    }

    /// What was moved between an earlier snapshot of the same connection and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Interval {
        Interval {
            duration: self.age.saturating_sub(earlier.age),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_acknowledged: self.bytes_acknowledged.saturating_sub(earlier.bytes_acknowledged),
        }
    }
}

/// What a connection has moved within some time, from [`Health::since`].
///
/// ```
/// # use std::time::Duration;
/// # use rtmp_client::ClientConn;
/// # async fn watch(conn: &ClientConn) {
/// let earlier = conn.health();
/// tokio::time::sleep(Duration::from_secs(2)).await;
/// let health = conn.health();
/// let kilobits = health.since(&earlier).send_rate() / 1000.0;
/// if health.queue_age > Duration::from_secs(1) {
///     println!("the line takes {kilobits:.0} kbit/s, which is too little");
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval {
    /// How long it was.
    pub duration: Duration,
    /// Bytes read from the line.
    pub bytes_received: u64,
    /// Bytes written to the line.
    pub bytes_sent: u64,
    /// Bytes that the server has acknowledged.
    pub bytes_acknowledged: u64,
}

impl Interval {
    /// Bits a second that came from the server; 0 for an interval without length.
    #[must_use]
    pub fn receive_rate(&self) -> f64 {
        rate(self.bytes_received, self.duration)
    }

    /// Bits a second that the line took; 0 for an interval without length.
    #[must_use]
    pub fn send_rate(&self) -> f64 {
        rate(self.bytes_sent, self.duration)
    }

    /// Whether the server has sent anything.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        self.bytes_received > 0
    }

    /// Whether the line has taken anything.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_interval() {
        let earlier = Health {
            age: Duration::from_secs(1),
            bytes_sent: 1000,
            bytes_acknowledged: 200,
            ..Health::default()
        };
        let later = Health {
            age: Duration::from_secs(3),
            bytes_sent: 1500,
            bytes_acknowledged: 700,
            ..Health::default()
        };
        let interval = later.since(&earlier);
        assert_eq!(interval.send_rate(), 2000.0);
        assert_eq!(interval.bytes_acknowledged, 500);
        assert!(interval.is_sending() && !interval.is_receiving());
        assert_eq!(later.since(&later).send_rate(), 0.0);
        assert_eq!((earlier.bytes_in_flight(), later.bytes_in_flight()), (800, 800));
    }

    #[test]
    fn a_server_that_counts_more_than_was_sent_leaves_nothing_in_flight() {
        let health = Health {
            bytes_sent: 10,
            bytes_acknowledged: 3083,
            ..Health::default()
        };
        assert_eq!(health.bytes_in_flight(), 0);
    }
}
