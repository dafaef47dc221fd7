//! Deadlines in a process that may stand still.
//!
//! Stopped by a signal, by a debugger, or with its virtual machine, it finds that all deadlines have passed at once, and
//! clients could do nothing about that. What they have sent meanwhile is read before anything is judged. Who is in the
//! middle of something that takes more than one turn gets its time once more.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::error::Elapsed;

/// A deadline that is noticed so much later was missed by this process. Timers of one that is only busy are not that
/// late.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A deadline that is put off, once, if this process has stood still when it passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    at: Instant,
    time: Duration,
    is_put_off: bool,
}

impl Expiry {
    /// So much time from `since` on.
    pub(crate) fn since(since: Instant, time: Duration) -> Self {
        Self {
            at: since + time,
            time,
            is_put_off: false,
        }
    }

    /// When it is to be looked at.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&mut self, now: Instant) -> bool {
        if now < self.at {
            return false;
        }
        if self.is_put_off || now - self.at < STANDSTILL {
            return true;
        }
        self.at = now + self.time;
        self.is_put_off = true;
        false
    }
}

/// Waits for something, as [`tokio::time::timeout`] does, with an [`Expiry`].
pub(crate) async fn expire<F: Future>(mut expiry: Expiry, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    loop {
        match tokio::time::timeout_at(expiry.at, future.as_mut()).await {
            Err(_) if !expiry.is_over(Instant::now()) => {}
            outcome => return outcome,
        }
    }
}
