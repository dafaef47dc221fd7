//! Waiting in a process that may stand still.

use std::future::Future;
use std::pin::pin;

use tokio::time::Instant;
use tokio::time::error::Elapsed;

/// A deadline that is put off if this process has stood still.
pub(crate) type Expiry = rtmp_core::Expiry<Instant>;

/// Waits for something, as [`tokio::time::timeout`] does, with an [`Expiry`] that others may share.
pub(crate) async fn expire<F: Future>(expiry: &mut Expiry, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    loop {
        match tokio::time::timeout_at(expiry.at(), future.as_mut()).await {
            Err(_) if !expiry.is_over(Instant::now()) => {}
            outcome => return outcome,
        }
    }
}
