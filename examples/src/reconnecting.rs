//! What `push` and `pull` have in common when a connection is lost.

use rtmp_client::reconnect::{ReconnectEvent, ReconnectPolicy};

use crate::progress::Progress;

/// The policy for the option `--reconnect`: without it there is one try, with it so many in a row or any number. What
/// happens is told in lines that stay.
#[must_use]
pub fn policy(reconnect: Option<Option<u32>>, progress: &Progress) -> ReconnectPolicy {
    let voice = progress.voice();
    let policy = match reconnect {
        None => ReconnectPolicy::default().max_retries(0),
        Some(None) => ReconnectPolicy::default(),
        Some(Some(retries)) => ReconnectPolicy::default().max_retries(retries),
    };
    policy.on_event(move |event| match event {
        // Without another try the tool ends with the same words.
        ReconnectEvent::Failed { .. } | ReconnectEvent::Lost { .. } if reconnect.is_none() => {}
        event => voice.note(event),
    })
}
