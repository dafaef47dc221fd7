//! Players that are slow, many, or gone, and what they cost.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rtmp_client::PlayRequest;
use rtmp_server::{Observers, Relay, SessionConfig};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, session, session_over};
use tokio::io::duplex;
use tokio::runtime::Handle;
use tokio::time::{advance, timeout};

use crate::support::{client, peer, player};

#[tokio::test(start_paused = true)]
async fn s5_a_player_that_sleeps_for_an_hour_goes_on_with_what_is_new() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut sleeper = relay.play("live", "cam");
    publisher.send(video_header(0, 0));
    publisher.send(keyframe(0, 0));
    assert_eq!(sleeper.recv().await, Some(video_header(0, 0)));
    assert_eq!(sleeper.recv().await, Some(keyframe(0, 0)));
    for second in 1..=3600 {
        advance(Duration::from_secs(1)).await;
        publisher.send(keyframe(1000 * second, second));
        publisher.send(frame(1000 * second + 500, second));
    }
    assert!(relay.statistics().messages < 50, "{:?}", relay.statistics());
    let mut woken = sleeper.recv().await.unwrap();
    if woken.is_sequence_header() {
        woken = sleeper.recv().await.unwrap();
    }
    assert_eq!(woken, keyframe(3_600_000, 3600));
    assert_eq!(sleeper.recv().await, Some(frame(3_600_500, 3600)));
    assert_eq!(sleeper.take_dropped(), 2 * 3599);
}

#[tokio::test(start_paused = true)]
async fn s6_a_player_that_reads_nothing_costs_the_others_nothing() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut watcher = player(&relay).await;
    let mut stalled = Vec::new();
    for _ in 0..5 {
        let (ours, theirs) = duplex(1000);
        let observers = Observers::new().relay(relay.clone());
        let _session = session_over(theirs, &observers, SessionConfig::default());
        let mut peer = Peer::connected(ours, "live").await;
        peer.play("cam").await.unwrap();
        stalled.push(peer);
    }
    let begun = tokio::time::Instant::now();
    for number in 0..300 {
        let message = padded(keyframe(40 * number, number), 50_000);
        publisher.send(stream, std::slice::from_ref(&message)).await;
        assert!(watcher.next_media().await == message);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody has waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s7_a_hundred_players_that_come_and_go_on_several_threads_block_nobody() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let players: Vec<_> = (0..100)
        .map(|_| {
            let relay = relay.clone();
            tokio::spawn(async move {
                for round in 0..3 {
                    let mut player = player(&relay).await;
                    player.media(5 + round).await;
                    assert!(relay.statistics().publishers == 1);
                }
            })
        })
        .collect();
    let everyone = async {
        for player in players {
            player.await.unwrap();
        }
    };
    let media = async {
        for number in 0.. {
            publisher.send(keyframe(number, number));
            tokio::task::yield_now().await;
        }
    };
    let finished = async {
        tokio::select! {
            () = everyone => {}
            () = media => {}
        }
    };
    timeout(Duration::from_secs(60), finished)
        .await
        .expect("players that get on");
}

#[tokio::test(start_paused = true)]
async fn s12_audio_alone_fills_no_cache() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(audio_header(0, 0));
    for number in 0..50_000 {
        publisher.send(padded(audio(23 * number, number), 400));
    }
    assert_eq!(relay.statistics().messages, 0, "nobody plays");

    // One that does not read, for the time it takes to lose its place.
    let mut asleep = relay.play("live", "cam");
    for number in 0..50_000 {
        publisher.send(padded(audio(23 * number, number), 400));
    }
    assert!(relay.statistics().bytes <= 9 << 20, "{:?}", relay.statistics());
    // There is no keyframe to go on at, so it goes on with the next message.
    assert!(asleep.recv().now_or_never().is_none());
    publisher.send(audio(0, 1));
    assert_eq!(asleep.recv().await, Some(audio_header(0, 0)));
    assert_eq!(asleep.recv().await, Some(audio(0, 1)));
    assert_eq!(asleep.take_dropped(), 50_000);
}

#[tokio::test(start_paused = true)]
async fn s13_sessions_that_have_ended_leave_nothing() {
    let relay = Relay::default();
    let tasks = Handle::current().metrics().num_alive_tasks();
    let witness = Arc::new(());
    for round in 0..20 {
        let (io, running) = session(
            &Observers::new()
                .relay(relay.clone())
                .publish(Holds(Arc::clone(&witness))),
        );
        let mut publisher = Peer::connected(io, "live").await;
        let stream = publisher.publish("cam").await.unwrap();
        let mut watcher = player(&relay).await;
        let (conn, _) = client(&relay, SessionConfig::default()).await;
        let playing = conn.create_stream().await.unwrap();
        let mut playback = playing.play(PlayRequest::new("cam")).await.unwrap();
        publisher
            .send(stream, &[video_header(0, 1), keyframe(0, 2)])
            .await;
        watcher.media(2).await;
        playback.recv().await.unwrap();
        match round % 4 {
            0 => drop(publisher),
            1 => running.info.dispose("enough"),
            2 => publisher.send_bytes(&[0xC3; 20]).await,
            _ => {
                publisher.machine().close().unwrap();
                publisher.flush().await;
            }
        }
        running.ended().await;
    }
    let others_end = async {
        while Handle::current().metrics().num_alive_tasks() > tasks {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(60), others_end)
        .await
        .expect("a task is left");
    assert_eq!(Arc::strong_count(&witness), 1);
    assert_eq!(relay.statistics(), Default::default());
}

/// An observer that is there as long as something holds it.
struct Holds(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl rtmp_server::PublishObserver for Holds {}

#[tokio::test]
async fn a_thousand_players_of_a_stream_share_each_payload() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut players: Vec<_> = (0..1000).map(|_| relay.play("live", "cam")).collect();
    let sent = padded(audio(0, 1), 100_000);
    publisher.send(sent.clone());
    let mut places = Vec::new();
    for player in &mut players {
        let message = player.recv().await.unwrap();
        assert_eq!(message.payload.len(), sent.payload.len());
        places.push(message.payload.as_ptr());
    }
    places.dedup();
    assert_eq!(places.len(), 1);
}
