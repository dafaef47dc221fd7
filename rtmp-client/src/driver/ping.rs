//! Pings, and the round trips that they measure.

use std::time::Duration;

use rtmp_core::conn::ProtocolError;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Driver;
use super::waiting::Awaited;

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    pub(super) fn send_ping(&mut self) -> Result<(), ProtocolError> {
        let now = self.now();
        self.machine.ping(now)
    }

    /// Tells everyone who waits for it.
    pub(super) fn ping_answered(&mut self, round_trip: Duration) {
        self.shared.set_round_trip(round_trip);
        while let Some(Awaited::Ping(reply)) =
            self.take_waiting(|awaited| matches!(awaited, Awaited::Ping(_)))
        {
            // Who has gone meanwhile does not need to know.
            let _ = reply.send(Ok(round_trip));
        }
    }
}
