//! Publishers that drop out, come back, or block their own name.

use std::time::Duration;

use rtmp_core::message::StatusCode;
use rtmp_server::Relay;
use rtmp_server::relay::{Handover, RelayConfig, TakeOver};
use rtmp_tests::media::{frame, keyframe, video_header};
use tokio::time::advance;

use crate::support::{peer, player};

#[tokio::test(start_paused = true)]
async fn r2_a_publisher_that_drops_out_is_let_in_at_once_and_its_players_see_one_stream() {
    let config = RelayConfig::default()
        .handover(Handover::Seamless)
        .take_over(TakeOver::Always);
    let relay = Relay::new(config);
    let mut watcher = player(&relay).await;
    let mut connections = Vec::new();
    for round in 0..3 {
        // The old connection is still open, and its end may be noticed a minute later.
        let mut camera = peer(&relay).await;
        let stream = camera.publish("cam").await.unwrap();
        let media = [
            video_header(0, round),
            keyframe(0, 10 + round),
            frame(40, 20 + round),
        ];
        camera.send(stream, &media).await;
        camera.rest().await;
        let at = 40 * round;
        let expected = [
            video_header(at, round),
            keyframe(at, 10 + round),
            frame(at + 40, 20 + round),
        ];
        assert_eq!(watcher.rest_of_media().await, expected);
        connections.push(camera);
        advance(Duration::from_secs(5)).await;
    }
    assert_eq!(relay.statistics().publishers, 1);
}

#[tokio::test(start_paused = true)]
async fn r4_another_source_is_seen_while_the_publisher_is_away() {
    let relay = Relay::new(RelayConfig::default().handover(Handover::Seamless));
    let mut slate = relay.stand_in("live", "cam").unwrap();
    slate.send(video_header(0, 1));
    let mut watcher = player(&relay).await;
    for round in 0..3 {
        let mut camera = peer(&relay).await;
        let stream = camera.publish("cam").await.unwrap();
        camera.send(stream, &[keyframe(0, 2), frame(40, 3)]).await;
        camera.rest().await;
        assert_eq!(watcher.rest_of_media().await.len(), 2);
        drop(camera);
        // Its session ends.
        watcher.rest().await;
        slate.send(keyframe(1000 * round, 4));
        assert_eq!(watcher.rest_of_media().await.len(), 2, "a header and a picture");
    }
}

#[tokio::test(start_paused = true)]
async fn r6_a_stale_publisher_does_not_block_its_name() {
    let patience = Duration::from_secs(10);
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::IfSilent(patience)));
    let mut stale = peer(&relay).await;
    stale.publish("cam").await.unwrap();
    let refused = peer(&relay).await.publish("cam").await.unwrap_err();
    assert_eq!(refused.code, StatusCode::PublishBadName);
    advance(patience).await;
    peer(&relay).await.publish("cam").await.unwrap();
}
