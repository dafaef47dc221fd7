//! Futures that are dropped half way, as a `select!`, a timeout or an abort does.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Drops a future behind so many polls. `None` if it was not done by then.
pub(crate) async fn dropped_behind<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Repeats something with a future that is dropped behind one poll, behind two and so on, until it says that the
/// future was done. Returns how many polls that took.
pub(crate) async fn behind_every_poll(mut round: impl AsyncFnMut(usize) -> bool) -> usize {
    for polls in 1..10_000 {
        if round(polls).await {
            return polls;
        }
    }
    panic!("a future that is never done");
}
