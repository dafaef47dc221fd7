//! How often the server's requests to reconnect are followed.

use rtmp_core::message::Status;
use rtmp_core::url::RtmpUrl;
use tokio::time::Instant;

use super::ReconnectPolicy;
use crate::Error;
use crate::redirect::of_reconnect_request;

/// The requests to reconnect in a row. A row is over when none was followed for as long as a connection takes to be
/// stable. The age of the connection alone does not end it, or an old one could be sent to dial without end.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Where they have led.
    hops: Vec<RtmpUrl>,
    /// When the newest one was followed, or the first one refused.
    last: Option<Instant>,
    is_refusal_told: bool,
}

impl Moves {
    /// Where to go from `from`, which was reached at `since`. The error is that of the first request of a row that can
    /// not be followed; for others there is none, as a server that asks without end must not flood who is told.
    pub(super) fn follow(
        &mut self,
        from: &RtmpUrl,
        since: Instant,
        status: &Status,
        limit: usize,
        policy: &ReconnectPolicy,
    ) -> Result<Option<RtmpUrl>, Error> {
        let last = self.last.map_or(since, |last| last.max(since));
        if policy.is_stable_after(last.elapsed()) {
            *self = Self::default();
        }
        let next = self.next(from, status, limit);
        if next.is_err() && self.is_refusal_told {
            return Ok(None);
        }
        self.is_refusal_told |= next.is_err();
        self.last = Some(Instant::now());
        next.map(Some)
    }

    fn next(&mut self, from: &RtmpUrl, status: &Status, limit: usize) -> Result<RtmpUrl, Error> {
        let to = of_reconnect_request(from, status)?;
        if self.hops.is_empty() {
            self.hops.push(from.clone());
        }
        if self.hops.len() > limit {
            let hops = self.hops.iter().cloned().chain([to]).collect();
            return Err(Error::TooManyRedirects { hops, limit });
        }
        self.hops.push(to.clone());
        Ok(to)
    }
}
