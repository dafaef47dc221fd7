//! Publishers and players that are refused.

use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::message::{PlayRequest, PublishKind, PublishRequest, StatusCode};
use rtmp_server::{
    Observers, PlayGrant, PlayObserver, PublishGrant, PublishObserver, Relay, SessionInfo, Verdict,
};
use rtmp_tests::{Peer, session};

/// Says no, after some thought.
#[derive(Clone, Copy)]
struct Gate;

const THOUGHT: Duration = Duration::from_secs(2);

#[async_trait]
impl PublishObserver for Gate {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        tokio::time::sleep(THOUGHT).await;
        Verdict::reject(StatusCode::PublishDenied, "the token has expired")
    }
}

#[async_trait]
impl PlayObserver for Gate {
    async fn on_play(&self, _: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        tokio::time::sleep(THOUGHT).await;
        Verdict::reject(StatusCode::PlayFailed, "members only")
    }
}

fn gated() -> Observers {
    Observers::new().publish(Gate).play(Gate).relay(Relay::default())
}

#[tokio::test(start_paused = true)]
async fn a1_who_is_refused_is_told_why() {
    let (io, _running) = session(&gated());
    let mut peer = Peer::connected(io, "live").await;
    let status = peer.publish("cam").await.unwrap_err();
    assert_eq!(status.code, StatusCode::PublishDenied);
    assert_eq!(status.description, "the token has expired");
    let status = peer.play("cam").await.unwrap_err();
    assert_eq!(status.code, StatusCode::PlayFailed);
    assert_eq!(status.description, "members only");
}

#[tokio::test(start_paused = true)]
async fn a2_nothing_looks_like_success_before_the_decision() {
    let (io, _running) = session(&gated());
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    peer.machine()
        .publish(stream, &PublishRequest::new("cam", PublishKind::Live))
        .unwrap();
    let before: Vec<_> = peer
        .rest()
        .await
        .into_iter()
        .map(|event| format!("{event:?}"))
        .collect();
    let is_start = |event: &String| event.contains("PublishStarted") || event.contains("StreamBegin");
    assert!(!before.iter().any(is_start), "{before:?}");
    let refused = peer.until("the decision", |event| {
        let shown = format!("{event:?}");
        assert!(!is_start(&shown), "{shown}");
        shown.contains("PublishRefused").then_some(())
    });
    refused.await;
}
