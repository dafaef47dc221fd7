//! Players of all kinds, over a connection and within the process.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{ConnectReply, ConnectRequest, StatusCode};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::relay::RelayConfig;
use rtmp_server::{ConnectObserver, Observers, Relay, SessionConfig, SessionInfo, Verdict};
use rtmp_tests::media::{audio, frame, keyframe, metadata, padded, video_header};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, session, session_over};
use tokio::time::Instant;

use crate::support::{peer, player};

#[tokio::test(start_paused = true)]
async fn what_nobody_understands_passes_byte_for_byte() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut watcher = player(&relay).await;
    let at = Timestamp::from_millis(0xFFFF_FFF0);
    let mut odd = vec![
        MediaMessage::data(at, &b"\x02\0\x09onCueData\x0D\xFF"[..]),
        MediaMessage::data(at, &b""[..]),
        MediaMessage::data(at, &b"\x02\xFF\xFF@setDataFrame"[..]),
        MediaMessage::audio(at, &b""[..]),
        MediaMessage::video(at, &b""[..]),
        MediaMessage::video(at, &b"\x57\x00"[..]),
    ];
    odd.extend((0..=255).map(|first| MediaMessage::audio(at, vec![first])));
    publisher
        .send(stream, &[video_header(0, 1), keyframe(0, 2)])
        .await;
    publisher.send(stream, &odd).await;
    assert_eq!(watcher.rest_of_media().await[2..], odd);
}

struct Amf3Speaker;

#[async_trait]
impl ConnectObserver for Amf3Speaker {
    async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        if request.asks_for_amf3() {
            Verdict::Accept(ConnectReply::default().with_amf3())
        } else {
            Verdict::accept()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn amf3_data_reach_as_they_came_only_players_that_agreed_to_amf3() {
    let relay = Relay::default();
    let observers = Observers::new().connect(Amf3Speaker).relay(relay.clone());
    let mut players = Vec::new();
    for encoding in [0.0, 3.0] {
        let (io, _session) = session(&observers);
        let request = ConnectRequest::default().property("objectEncoding", encoding);
        let mut player = Peer::new(io);
        let reply = player.connect_with(&request, "live").await.unwrap();
        let agreed = reply
            .status
            .details
            .get("objectEncoding")
            .and_then(|value| value.as_number());
        assert_eq!(agreed, Some(encoding));
        player.play("cam").await.unwrap();
        players.push(player);
    }
    let mut tap = relay.play("live", "cam");
    let mut publisher = relay.publish("live", "cam").unwrap();
    let values = b"\x02\0\x01x\x11\x01";
    let sent = MediaMessage {
        kind: MediaKind::Amf3Data,
        timestamp: Timestamp::ZERO,
        payload: [&b"\0"[..], values].concat().into(),
    };
    publisher.send(sent.clone());
    assert_eq!(
        players[0].rest_of_media().await,
        [MediaMessage::data(Timestamp::ZERO, &values[..])]
    );
    assert_eq!(players[1].rest_of_media().await, std::slice::from_ref(&sent));
    assert_eq!(tap.recv().await, Some(sent));
}

#[tokio::test(start_paused = true)]
async fn players_get_the_same_media_on_whatever_stream_with_whatever_chunk_size() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut players = Vec::new();
    for (chunk_size, stream_count) in [(60_000, 1), (60_000, 3), (128, 1), (1 << 20, 2)] {
        let (client, server) = tokio::io::duplex(PIPE_LEN);
        let config = SessionConfig::default().chunk_size(chunk_size);
        let _session = session_over(server, &Observers::new().relay(relay.clone()), config);
        let mut peer = Peer::connected(client, "live").await;
        for _ in 1..stream_count {
            peer.create_stream().await;
        }
        assert_eq!(
            peer.play("cam").await.unwrap(),
            MessageStreamId::new(stream_count)
        );
        players.push(peer);
    }
    let sent = [
        metadata(0, 1),
        video_header(0, 2),
        padded(keyframe(0x00FF_FFFF, 3), 200_000),
        padded(frame(0x0100_0000, 4), 59_991),
        padded(frame(0x0100_0028, 5), 59_992),
        frame(u32::MAX, 6),
    ];
    for message in &sent {
        publisher.send(stream, std::slice::from_ref(message)).await;
        for player in &mut players {
            assert!(player.next_media().await == *message);
        }
    }
    // The same for one who joins with the cache.
    let mut late = player(&relay).await;
    assert!(late.media(6).await[2..] == sent[2..]);
}

#[tokio::test(start_paused = true)]
async fn a_player_that_goes_on_after_a_pause_does_so_at_a_keyframe() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut watcher = peer(&relay).await;
    let stream = watcher.play("cam").await.unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    watcher.media(2).await;
    watcher.machine().pause(stream, true, Duration::ZERO).unwrap();
    watcher.status(StatusCode::PauseNotify).await;
    for message in [frame(40, 3), video_header(80, 4), keyframe(80, 5), audio(90, 6)] {
        publisher.send(message);
    }
    assert!(watcher.rest_of_media().await.is_empty());
    watcher.machine().pause(stream, false, Duration::ZERO).unwrap();
    watcher.status(StatusCode::UnpauseNotify).await;
    for message in [frame(120, 7), audio(130, 8), keyframe(160, 9), frame(200, 10)] {
        publisher.send(message);
    }
    // The new header first, because it has missed it.
    let expected = [
        video_header(120, 4),
        audio(130, 8),
        keyframe(160, 9),
        frame(200, 10),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_player_without_video_gets_audio_alone_and_begins_video_again_with_header_and_keyframe() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut watcher = peer(&relay).await;
    let stream = watcher.play("cam").await.unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    watcher.media(2).await;
    watcher.machine().receive_video(stream, false).unwrap();
    watcher.rest().await;
    for message in [frame(40, 3), audio(50, 4), video_header(80, 5), keyframe(80, 6)] {
        publisher.send(message);
    }
    assert_eq!(watcher.rest_of_media().await, [audio(50, 4)]);
    watcher.machine().receive_video(stream, true).unwrap();
    watcher.status(StatusCode::PlayStart).await;
    for message in [frame(120, 7), audio(130, 8), keyframe(160, 9)] {
        publisher.send(message);
    }
    assert_eq!(
        watcher.rest_of_media().await,
        [video_header(120, 5), audio(130, 8), keyframe(160, 9)]
    );

    watcher.machine().receive_audio(stream, false).unwrap();
    watcher.rest().await;
    publisher.send(audio(170, 10));
    publisher.send(frame(200, 11));
    assert_eq!(watcher.rest_of_media().await, [frame(200, 11)]);
}

#[tokio::test(start_paused = true)]
async fn a_player_within_the_process_waits_for_one_publisher_after_another() {
    let relay = Relay::new(RelayConfig::default().grace(Duration::from_secs(5)));
    let mut player = relay.play("live", "cam");
    for round in 0..3 {
        let mut publisher = relay.publish("live", "cam").unwrap();
        publisher.send(audio(0, round));
        assert_eq!(player.recv().await, Some(audio(0, round)));
        publisher.send(audio(20, round));
        drop(publisher);
        assert_eq!(player.recv().await, Some(audio(20, round)));
        assert_eq!(player.recv().await, None);
    }
    let begun = Instant::now();
    assert_eq!(player.recv().await, None);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(player.take_dropped(), 0);
    drop(player);
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_recv_that_is_dropped_loses_no_message() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    let mut received = Vec::new();
    for number in 0..200 {
        // One that waits and is dropped, and one that may have something ready.
        received.extend(
            tokio::time::timeout(Duration::from_millis(1), player.recv())
                .await
                .ok()
                .flatten(),
        );
        for part in 0..number % 3 {
            publisher.send(audio(number, number * 10 + part));
        }
        received.extend(player.recv().now_or_never().flatten());
    }
    drop(publisher);
    while let Some(message) = player.recv().await {
        received.push(message);
    }
    let sent: Vec<_> = (0..200)
        .flat_map(|number| (0..number % 3).map(move |part| audio(number, number * 10 + part)))
        .collect();
    assert_eq!(received, sent);
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test]
async fn players_that_leave_while_they_wait_are_forgotten() {
    let relay = Relay::default();
    // It keeps the stream.
    let _stays = relay.play("live", "cam");
    let task = Arc::new(Idle);
    let waker = Waker::from(Arc::clone(&task));
    let held = Arc::strong_count(&task);
    for _ in 0..100 {
        let mut player = relay.play("live", "cam");
        assert!(
            player
                .recv()
                .boxed()
                .poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert!(Arc::strong_count(&task) > held);
        drop(player);
        assert_eq!(Arc::strong_count(&task), held);
    }
}
