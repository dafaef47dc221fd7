//! Pings, and the round trips that they measure.

use std::time::Duration;

use rtmp_core::conn::ProtocolError;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Driver;
use super::waiting::Awaited;

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    pub(super) fn send_ping(&mut self) -> Result<(), ProtocolError> {
        let now = self.now();
        self.machine.ping(now)?;
        self.pinged_at = Some(now);
        Ok(())
    }

    /// The time for the machine. An answer to the ping shows in a round trip unlike the last; should both be the same
    /// to the nanosecond, this one gets another.
    pub(super) fn input_time(&self) -> Duration {
        let now = self.now();
        let round_trip = self.pinged_at.map(|sent| now.saturating_sub(sent));
        if round_trip.is_some() && round_trip == self.machine.round_trip() {
            now + Duration::from_nanos(1)
        } else {
            now
        }
    }

    /// Tells who waits for the answer to a ping, if it has come since the round trip was `last`.
    pub(super) fn note_round_trip(&mut self, last: Option<Duration>) {
        let round_trip = self.machine.round_trip();
        if round_trip == last {
            return;
        }
        self.pinged_at = None;
        self.shared.set_round_trip(round_trip);
        let Some(round_trip) = round_trip else {
            return;
        };
        while let Some(Awaited::Ping(reply)) =
            self.take_waiting(|awaited| matches!(awaited, Awaited::Ping(_)))
        {
            // Who has gone meanwhile does not need to know.
            let _ = reply.send(Ok(round_trip));
        }
    }
}
