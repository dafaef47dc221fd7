//! Observers of the suite.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rtmp_core::MediaMessage;
use rtmp_core::message::{ConnectReply, ConnectRequest, PlayRequest, PublishRequest, Status};
use rtmp_server::{
    ConnectObserver, MediaSink, PlayGrant, PlayObserver, PublishGrant, PublishObserver, SessionInfo, Verdict,
};
use tokio::sync::Notify;

/// Decides as its functions say, and accepts where it has none.
#[derive(Clone, Default)]
pub(crate) struct Judge {
    pub(crate) connect: Option<fn(&ConnectRequest) -> Verdict<ConnectReply>>,
    pub(crate) publish: Option<fn(&PublishRequest) -> Verdict<PublishGrant>>,
    pub(crate) play: Option<fn(&PlayRequest) -> Verdict<PlayGrant>>,
}

#[async_trait]
impl ConnectObserver for Judge {
    async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        self.connect
            .map_or_else(Verdict::accept, |decide| decide(request))
    }
}

#[async_trait]
impl PublishObserver for Judge {
    async fn on_publish(&self, _: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        self.publish
            .map_or_else(Verdict::accept, |decide| decide(request))
    }
}

#[async_trait]
impl PlayObserver for Judge {
    async fn on_play(&self, _: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        self.play.map_or_else(Verdict::accept, |decide| decide(request))
    }
}

/// Says yes only when it is let.
#[derive(Clone, Default)]
pub(crate) struct Patient {
    pub(crate) go_on: Arc<Notify>,
}

#[async_trait]
impl ConnectObserver for Patient {
    async fn on_connect(&self, _: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        self.go_on.notified().await;
        Verdict::accept()
    }
}

#[async_trait]
impl PublishObserver for Patient {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        self.go_on.notified().await;
        Verdict::accept()
    }
}

#[async_trait]
impl PlayObserver for Patient {
    async fn on_play(&self, _: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        self.go_on.notified().await;
        Verdict::accept()
    }
}

/// Keeps what a publisher sends.
#[derive(Clone, Default)]
pub(crate) struct Store(pub(crate) Arc<Mutex<Vec<MediaMessage>>>);

impl MediaSink for Store {
    fn send(&mut self, message: &MediaMessage) {
        self.0.lock().unwrap().push(message.clone());
    }
}

#[async_trait]
impl PublishObserver for Store {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        Verdict::Accept(PublishGrant::default().sink(self.clone()))
    }
}

impl Store {
    pub(crate) fn messages(&self) -> Vec<MediaMessage> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn code_of(status: &Status) -> &str {
    status.code.as_str()
}
