//! Publishers that come, leave, return and take over.

use std::time::Duration;

use rtmp_core::message::StatusCode;
use rtmp_server::relay::{BackwardTime, NameTaken, RelayConfig, TakeOver};
use rtmp_server::{Observers, Relay};
use rtmp_tests::media::{audio, frame, keyframe, video_header};
use rtmp_tests::{Peer, session};
use tokio::time::Instant;

use crate::support::{media_in, peer, player, told};

#[tokio::test(start_paused = true)]
async fn players_are_told_when_their_publisher_leaves_and_when_it_returns_with_new_headers() {
    let relay = Relay::default();
    let mut first = peer(&relay).await;
    let stream = first.publish("cam").await.unwrap();
    first.send(stream, &[video_header(0, 1), keyframe(0, 2)]).await;
    let mut watcher = player(&relay).await;
    assert_eq!(watcher.media(2).await, [video_header(0, 1), keyframe(0, 2)]);
    // Without a word, as when the encoder is switched off.
    drop(first);
    assert_eq!(
        told(&watcher.rest().await),
        ["Stream EOF", "NetStream.Play.UnpublishNotify"]
    );

    let mut second = peer(&relay).await;
    let stream = second.publish("cam").await.unwrap();
    second
        .send(stream, &[frame(0, 3), video_header(0, 4), keyframe(40, 5)])
        .await;
    let events = watcher.rest().await;
    assert_eq!(
        told(&events),
        ["Stream Begin", "NetStream.Play.PublishNotify", "media", "media"]
    );
    assert_eq!(media_in(events), [video_header(0, 4), keyframe(40, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_second_publisher_of_a_name_is_refused_and_the_first_goes_on() {
    let relay = Relay::default();
    let mut first = peer(&relay).await;
    let stream = first.publish("cam").await.unwrap();
    let mut second = peer(&relay).await;
    let status = second.publish("cam").await.unwrap_err();
    assert_eq!(
        (status.code.clone(), status.is_error()),
        (StatusCode::PublishBadName, true)
    );
    assert_eq!(relay.publish("live", "cam").unwrap_err(), NameTaken);
    let mut watcher = player(&relay).await;
    first.send(stream, &[audio(0, 1)]).await;
    assert_eq!(watcher.next_media().await, audio(0, 1));
    // Another application has names of its own.
    assert!(relay.publish("other", "cam").is_ok());
    assert!(second.publish("cam2").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_publisher_whose_name_is_empty_is_refused() {
    let relay = Relay::default();
    let status = peer(&relay).await.publish("?token=1").await.unwrap_err();
    assert_eq!(status.code, StatusCode::PublishBadName);
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn names_are_given_back_however_their_sessions_end() {
    let relay = Relay::default();
    let observers = Observers::new().relay(relay.clone());
    let mut sessions = Vec::new();
    let mut peers = Vec::new();
    for number in 0..6 {
        let (io, running) = session(&observers);
        let mut peer = Peer::connected(io, "live").await;
        peer.publish(&format!("cam{number}")).await.unwrap();
        peer.play(&format!("cam{}", (number + 1) % 6)).await.unwrap();
        sessions.push(running);
        peers.push(peer);
    }
    assert_eq!(relay.stream_count(), 6);
    let mut peers = peers.into_iter();
    drop(peers.next());
    peers.next().unwrap().send_bytes(&[0xC3; 20]).await;
    peers.next().unwrap().machine().close().unwrap();
    for running in &sessions[3..] {
        running.info.dispose("enough");
    }
    for mut peer in peers {
        peer.to_the_end().await;
    }
    for running in sessions {
        running.ended().await;
    }
    assert_eq!(relay.stream_count(), 0);
    assert_eq!(relay.statistics(), Default::default());
}

#[tokio::test(start_paused = true)]
async fn players_that_nobody_publishes_for_are_sent_away_after_the_time_that_the_relay_gives() {
    let config = RelayConfig::default()
        .wait_for_publisher(Duration::from_secs(7))
        .grace(Duration::from_secs(11));
    let relay = Relay::new(config);
    let begun = Instant::now();
    let mut watcher = player(&relay).await;
    watcher.status(StatusCode::PlayStop).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(told(&watcher.rest().await), ["Stream EOF"]);
    assert_eq!(relay.stream_count(), 0);

    // Who has had a publisher waits for another time, anew each time that one leaves.
    let mut watcher = player(&relay).await;
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(6)).await;
        relay.publish("live", "cam").unwrap().send(audio(0, 1));
        watcher.next_media().await;
        watcher.status(StatusCode::PlayUnpublishNotify).await;
    }
    let begun = Instant::now();
    watcher.status(StatusCode::PlayStop).await;
    assert_eq!(begun.elapsed().as_secs(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_lets_nobody_wait_does_not_find_streams_without_publisher() {
    let config = RelayConfig::default()
        .wait_for_publisher(Duration::ZERO)
        .grace(Duration::ZERO);
    let relay = Relay::new(config);
    let mut peer = peer(&relay).await;
    assert_eq!(
        peer.play("cam").await.unwrap_err().code,
        StatusCode::PlayStreamNotFound
    );
    assert_eq!(relay.stream_count(), 0);
    let publisher = relay.publish("live", "cam").unwrap();
    peer.play("cam").await.unwrap();
    drop(publisher);
    peer.status(StatusCode::PlayStop).await;
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_takes_over_from_one_that_is_silent_and_players_stay() {
    let patience = Duration::from_secs(20);
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::IfSilent(patience)));
    let (io, first_session) = session(&Observers::new().relay(relay.clone()));
    let mut first = Peer::connected(io, "live").await;
    let stream = first.publish("cam").await.unwrap();
    let mut player = player(&relay).await;
    first.send(stream, &[video_header(0, 1), keyframe(0, 2)]).await;
    player.rest().await;

    tokio::time::advance(patience / 2).await;
    let mut second = peer(&relay).await;
    let refused = second.publish("cam").await.unwrap_err();
    assert_eq!(refused.code, StatusCode::PublishBadName);

    tokio::time::advance(patience).await;
    let mut second = peer(&relay).await;
    let stream = second.publish("cam").await.unwrap();
    let reason = first_session.ended().await;
    assert_eq!(
        reason.to_string(),
        "ended by the server: another publisher has taken over"
    );
    let messages = [video_header(0, 3), keyframe(0, 4), frame(40, 5)];
    second.send(stream, &messages).await;
    let events = player.rest().await;
    assert_eq!(
        told(&events)[..4],
        [
            "Stream EOF",
            "NetStream.Play.UnpublishNotify",
            "Stream Begin",
            "NetStream.Play.PublishNotify"
        ]
    );
    assert_eq!(media_in(events), messages);
}

#[tokio::test(start_paused = true)]
async fn what_a_replaced_publisher_sends_and_its_end_mean_nothing() {
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::Always));
    let mut first = relay.publish("live", "cam").unwrap();
    let mut second = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    first.send(audio(0, 1));
    second.send(audio(0, 2));
    drop(first);
    second.send(audio(20, 3));
    assert_eq!(player.recv().await, Some(audio(0, 2)));
    assert_eq!(player.recv().await, Some(audio(20, 3)));
    assert_eq!(relay.statistics().publishers, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_take_over_from_itself() {
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::Always));
    let mut publisher = peer(&relay).await;
    publisher.publish("cam").await.unwrap();
    let again = publisher.create_stream().await;
    let refused = publisher.publish_on(again, "cam").await.unwrap_err();
    assert_eq!(refused.code, StatusCode::PublishBadName);
    assert_eq!(relay.statistics().publishers, 1);
}

#[tokio::test(start_paused = true)]
async fn a_returning_publisher_whose_clock_starts_anew_goes_on_where_the_relay_is_told_to() {
    for (policy, expected) in [
        (BackwardTime::PassOn, [5000, 5040, 0, 40]),
        (BackwardTime::Hold, [5000, 5040, 0, 40]),
        (BackwardTime::Rebase, [5000, 5040, 5040, 5080]),
    ] {
        let relay = Relay::new(RelayConfig::default().backward_time(policy));
        let mut player = relay.play("live", "cam");
        let mut times = Vec::new();
        for round in [[5000, 5040], [0, 40]] {
            let mut publisher = relay.publish("live", "cam").unwrap();
            for millis in round {
                publisher.send(audio(millis, millis));
            }
            drop(publisher);
            while let Some(message) = player.recv().await {
                times.push(message.timestamp.as_millis());
            }
        }
        assert_eq!(times, expected, "{policy:?}");
    }
}
