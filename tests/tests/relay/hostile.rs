//! Loads that nobody sends by accident: memory and work stay bounded, and others notice nothing.

use std::time::Duration;

use futures::FutureExt;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::relay::{PlayerConfig, RelayConfig, SlowPlayers};
use rtmp_server::{CloseReason, Observers, Relay, SessionConfig};
use rtmp_tests::media::{audio, frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{peer, player};

const POLICIES: [SlowPlayers; 5] = [
    SlowPlayers::SkipToKeyframe,
    SlowPlayers::DropVideo,
    SlowPlayers::Disconnect,
    SlowPlayers::Keep,
    SlowPlayers::HoldPublisher,
];

fn bounded() -> RelayConfig {
    RelayConfig::default()
        .max_gop_len(1 << 20)
        .max_lag_len(1 << 20)
        .max_history_len(1 << 20)
}

#[tokio::test(start_paused = true)]
async fn a_keyframe_every_millisecond_or_never_is_bounded_for_every_policy() {
    for policy in POLICIES {
        for has_keyframes in [true, false] {
            let relay = Relay::new(bounded().slow_players(policy));
            let mut publisher = relay.publish("live", "cam").unwrap();
            let mut stalled = relay.play("live", "cam");
            let mut healthy = relay.play("live", "cam");
            publisher.send(video_header(0, 0));
            assert!(healthy.recv().await.is_some());
            for number in 1..4_000 {
                let message = if has_keyframes {
                    keyframe(number, number)
                } else {
                    frame(number, number)
                };
                publisher.send(message.clone());
                tokio::time::advance(Duration::from_millis(1)).await;
                let got = healthy.recv().now_or_never().flatten();
                assert_eq!(got, has_keyframes.then_some(message), "{policy:?}");
                assert!(relay.statistics().bytes <= 1 << 20);
            }
            assert_eq!(healthy.take_dropped(), 0);
            while stalled.recv().now_or_never().flatten().is_some() {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_of_16_mib_are_dropped_for_who_is_slow_and_held_once() {
    for policy in POLICIES {
        let relay = Relay::new(RelayConfig::default().slow_players(policy));
        let mut publisher = relay.publish("live", "cam").unwrap();
        let _stalled = relay.play("live", "cam");
        let mut healthy = relay.play("live", "cam");
        let huge = padded(keyframe(0, 1), (16 << 20) - 1 - 9);
        for _ in 0..5 {
            publisher.send(huge.clone());
            assert!(healthy.recv().await == Some(huge.clone()));
            // Two forms of one message; the bound is passed by no more than the newest.
            assert!(
                relay.statistics().messages <= 1,
                "{policy:?} {:?}",
                relay.statistics()
            );
        }
        // One byte more is no message of RTMP, and goes nowhere.
        publisher.send(padded(huge.clone(), 1));
        assert!(healthy.recv().now_or_never().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_million_empty_messages_are_bounded_in_memory() {
    let relay = Relay::new(bounded());
    let mut publisher = relay.publish("live", "cam").unwrap();
    let keep = PlayerConfig::default().slow_players(SlowPlayers::Keep);
    let _stalled = [relay.play("live", "cam"), relay.play_with("live", "cam", keep)];
    publisher.send(keyframe(0, 0));
    for _ in 0..1_000_000 {
        publisher.send(MediaMessage::audio(Timestamp::ZERO, &b""[..]));
    }
    let held = relay.statistics();
    assert!(held.messages < 5000 && held.bytes <= 1 << 20, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn sequence_headers_of_every_track_that_change_all_the_time_are_bounded() {
    let config = bounded().max_configurations_len(100_000);
    let relay = Relay::new(config);
    let mut publisher = relay.publish("live", "cam").unwrap();
    for round in 0..20_u8 {
        for track in 0..=255_u8 {
            let body = [&[0x96, 0, b'h', b'v', b'c', b'1', track][..], &[round; 5000]].concat();
            publisher.send(MediaMessage::video(Timestamp::ZERO, body));
        }
    }
    let mut joiner = relay.play("live", "cam");
    publisher.send(audio(0, 1));
    let mut len = 0;
    loop {
        let message = joiner.recv().await.unwrap();
        if message == audio(0, 1) {
            break;
        }
        len += message.payload.len();
    }
    assert!((90_000..=100_000).contains(&len), "{len}");
    assert_eq!(relay.statistics().messages, 1);
}

#[tokio::test(start_paused = true)]
async fn players_that_join_and_leave_all_the_time_leave_nothing_and_disturb_nobody() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut watcher = relay.play("live", "cam");
    for number in 0..200 {
        let message = if number % 10 == 0 {
            keyframe(number, number)
        } else {
            frame(number, number)
        };
        for round in 0..50 {
            let config = match round % 4 {
                0 => PlayerConfig::default(),
                1 => PlayerConfig::default().slow_players(SlowPlayers::Keep),
                2 => PlayerConfig::default().join_within(Duration::ZERO),
                _ => PlayerConfig::default().max_lag(Duration::from_secs(60)),
            };
            let mut guest = relay.play_with("live", "cam", config);
            if round % 3 == 0 {
                // It leaves in the middle, or while it waits.
                let _ = guest.recv().now_or_never();
            }
        }
        publisher.send(message.clone());
        assert_eq!(watcher.recv().await, Some(message));
        assert_eq!(relay.statistics().players, 1);
    }
    drop((watcher, publisher));
    assert_eq!(relay.statistics(), Default::default());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_sending_half_is_gone() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut half = player(&relay).await;
    half.io().shutdown().await.unwrap();
    half.to_the_end().await;
    assert_eq!(relay.statistics().players, 0);

    let mut camera = peer(&relay).await;
    camera.publish("other").await.unwrap();
    camera.io().shutdown().await.unwrap();
    camera.to_the_end().await;
    assert!(relay.publish("live", "other").is_ok());
    publisher.send(audio(0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_player_that_reads_a_byte_a_second_holds_nothing_and_ends_as_the_policy_says() {
    for policy in [SlowPlayers::SkipToKeyframe, SlowPlayers::Disconnect] {
        let relay = Relay::new(bounded().slow_players(policy));
        let mut publisher = relay.publish("live", "cam").unwrap();
        let (client, server) = tokio::io::duplex(1000);
        let observers = Observers::new().relay(relay.clone());
        let session = session_over(server, &observers, SessionConfig::default());
        let mut slow = Peer::connected(client, "live").await;
        slow.play("cam").await.unwrap();
        let mut watcher = relay.play("live", "cam");
        for second in 0..120 {
            let message = padded(keyframe(1000 * second, second), 50_000);
            publisher.send(message.clone());
            assert!(watcher.recv().await == Some(message));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = slow.io().read_u8().now_or_never();
            assert!(relay.statistics().bytes <= 1 << 20);
        }
        if policy == SlowPlayers::Disconnect {
            assert!(matches!(session.ended().await, CloseReason::TooSlow(_)));
        } else {
            // A byte is progress, and what is on its way to it is all that it holds.
            assert_eq!(relay.statistics().players, 2);
            drop(slow);
            assert!(matches!(session.ended().await, CloseReason::PeerClosed));
        }
        assert_eq!(relay.statistics().players, 1);
    }
}
