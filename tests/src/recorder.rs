//! Observers that write down how they are called.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::MediaMessage;
use rtmp_core::message::{ConnectReply, ConnectRequest, MediaKind, PlayRequest, PublishRequest};
use rtmp_server::{
    CloseReason, ConnectObserver, Observers, PlayGrant, PlayObserver, PublishGrant, PublishObserver,
    SessionInfo, StreamInfo, Verdict,
};
use tokio::sync::Notify;

/// Accepts everything and writes down each call as a line, such as `on_publish cam` and `on_unpublish cam: the client
/// closed the connection`. Clones write to the same list.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    calls: Arc<Mutex<Vec<String>>>,
    called: Arc<Notify>,
}

impl Recorder {
    /// Observers with this one in all three places.
    #[must_use]
    pub fn observers(&self) -> Observers {
        Observers::new()
            .connect(self.clone())
            .publish(self.clone())
            .play(self.clone())
    }

    /// The calls so far.
    ///
    /// # Panics
    ///
    /// If a test has panicked while writing to the list.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls so far whose line contains `part`.
    #[must_use]
    pub fn calls_with(&self, part: &str) -> Vec<String> {
        self.calls()
            .into_iter()
            .filter(|call| call.contains(part))
            .collect()
    }

    /// Writes down something else.
    ///
    /// # Panics
    ///
    /// If a test has panicked while writing to the list.
    pub fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
        self.called.notify_waiters();
    }

    /// Waits for a call whose line contains `part`.
    pub async fn called(&self, part: &str) {
        self.called_times(part, 1).await;
    }

    /// Waits until there are so many calls whose lines contain `part`.
    pub async fn called_times(&self, part: &str, count: usize) {
        loop {
            let next = self.called.notified();
            tokio::pin!(next);
            next.as_mut().enable();
            if self.calls_with(part).len() >= count {
                return;
            }
            next.await;
        }
    }
}

#[async_trait]
impl ConnectObserver for Recorder {
    async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        self.note(format!("on_connect {}", request.app()));
        Verdict::accept()
    }

    async fn on_disconnect(&self, session: &SessionInfo, reason: &CloseReason) {
        self.note(format!("on_disconnect {}: {reason}", session.app()));
    }
}

#[async_trait]
impl PublishObserver for Recorder {
    async fn on_publish(&self, _: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        self.note(format!("on_publish {}", request.name()));
        Verdict::accept()
    }

    fn on_message(&self, stream: &StreamInfo, message: &MediaMessage) {
        self.note(format!(
            "on_message {} {:?} {}",
            stream.name(),
            message.kind,
            message.timestamp
        ));
    }

    async fn on_unpublish(&self, stream: &StreamInfo, reason: &CloseReason) {
        self.note(format!("on_unpublish {}: {reason}", stream.name()));
    }
}

#[async_trait]
impl PlayObserver for Recorder {
    async fn on_play(&self, _: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        self.note(format!("on_play {}", request.name()));
        Verdict::accept()
    }

    fn on_pause(&self, stream: &StreamInfo, paused: bool) {
        self.note(format!("on_pause {} {paused}", stream.name()));
    }

    fn on_seek(&self, stream: &StreamInfo, position: Duration) {
        self.note(format!("on_seek {} {position:?}", stream.name()));
    }

    fn on_receive(&self, stream: &StreamInfo, kind: MediaKind, wanted: bool) {
        self.note(format!("on_receive {} {kind:?} {wanted}", stream.name()));
    }

    async fn on_stop(&self, stream: &StreamInfo, reason: &CloseReason) {
        self.note(format!("on_stop {}: {reason}", stream.name()));
    }
}
