//! Players that can not keep up: what they miss, what it costs, and that nobody else notices.

use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{PlayRequest, StatusCode, StatusLevel};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::relay::{PlayerConfig, RelayConfig, RelayPlayer, RelayPublisher, SlowPlayers};
use rtmp_server::{
    CloseReason, Observers, PlayGrant, PlayObserver, Relay, SessionConfig, SessionInfo, Verdict,
};
use rtmp_tests::media::{audio, frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, RunningSession, session_over};
use tokio::io::DuplexStream;

use crate::support::told;

/// A group of pictures whose messages are numbered from `first` on, 40 ms apart.
fn group(first: u32, count: u32, len: usize) -> Vec<MediaMessage> {
    let message = |number| match number {
        _ if number == first => keyframe(40 * number, number),
        _ if number % 4 == 3 => audio(40 * number, number),
        _ => frame(40 * number, number),
    };
    (first..first + count)
        .map(|number| padded(message(number), len))
        .collect()
}

/// The number of a message of [`group`].
fn number(message: &MediaMessage) -> u32 {
    message.timestamp.as_millis() / 40
}

fn send_all(publisher: &mut RelayPublisher, messages: &[MediaMessage]) {
    for message in messages {
        publisher.send(message.clone());
    }
}

/// A client that plays `cam` through a pipe that holds little.
async fn narrow_player(relay: &Relay) -> (Peer<DuplexStream>, RunningSession) {
    let (client, server) = tokio::io::duplex(8 << 10);
    let session = session_over(
        server,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    let mut peer = Peer::connected(client, "live").await;
    peer.play("cam").await.unwrap();
    peer.rest().await;
    (peer, session)
}

#[tokio::test(start_paused = true)]
async fn a_stalled_player_goes_on_at_the_newest_keyframe_and_the_others_get_everything() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(500_000));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let (mut stalled, session) = narrow_player(&relay).await;
    let (mut healthy, healthy_session) = narrow_player(&relay).await;
    let mut tap = relay.play("live", "cam");
    publisher.send(video_header(0, 0));
    let mut sent = Vec::new();
    for round in 0..20 {
        let messages = group(1 + 30 * round, 30, 4000);
        send_all(&mut publisher, &messages);
        let (first, count) = if round == 0 { (1, 31) } else { (0, 30) };
        assert!(healthy.media(count).await[first..] == messages);
        for expected in &messages {
            let mut received = tap.recv().await;
            if received.as_ref().is_some_and(MediaMessage::is_sequence_header) {
                received = tap.recv().await;
            }
            assert!(received.as_ref() == Some(expected));
        }
        sent.extend(messages);
    }
    // Not longer than a write may wait.
    tokio::time::advance(Duration::from_secs(5)).await;

    let media = stalled.rest_of_media().await;
    let numbers: Vec<_> = media
        .iter()
        .filter(|message| !message.is_sequence_header())
        .map(number)
        .collect();
    let gap = numbers
        .windows(2)
        .position(|pair| pair[1] != pair[0] + 1)
        .expect("a gap");
    let (before, behind) = numbers.split_at(gap + 1);
    assert_eq!(before[0], 1);
    assert_eq!(behind.first(), Some(&571), "the newest keyframe");
    assert_eq!(behind.last(), Some(&600));
    assert!(
        behind.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "one gap only"
    );
    let missed = u64::from(behind[0] - before[before.len() - 1] - 1);
    assert_eq!(session.info.statistics().messages_dropped, missed);
    assert_eq!(healthy_session.info.statistics().messages_dropped, 0);
    assert_eq!(tap.take_dropped(), 0);
    // Content is content, gap or not.
    assert!(
        media
            .iter()
            .filter(|m| !m.is_sequence_header())
            .all(|m| *m == sent[number(m) as usize - 1])
    );

    // It is like any other from here on.
    send_all(&mut publisher, &group(601, 30, 1000));
    assert_eq!(stalled.media(30).await.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_player_may_be_late_by_the_time_that_the_relay_gives_and_no_later() {
    for (late, dropped) in [(9, 0), (11, 12)] {
        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        let mut tap = relay.play("live", "cam");
        publisher.send(audio(0, 0));
        assert_eq!(tap.recv().await, Some(audio(0, 0)));
        for second in 0..=late {
            publisher.send(audio(20 * second, second));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        publisher.send(audio(1000, 1000));
        let missed = if dropped > 0 { 1 + late } else { 0 };
        let mut received = Vec::new();
        while let Some(message) = tap.recv().now_or_never().flatten() {
            received.push(message);
        }
        // Behind everything when it is too late, because there is no keyframe to go on at.
        let expected = if dropped > 0 { 0 } else { 2 + late as usize };
        assert_eq!(received.len(), expected, "{late} s");
        assert_eq!(tap.take_dropped(), u64::from(missed) + u64::from(dropped > 0));
        publisher.send(audio(1020, 1001));
        assert_eq!(tap.recv().await, Some(audio(1020, 1001)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_publishers_clock_drops_nothing() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut tap = relay.play("live", "cam");
    publisher.send(keyframe(0, 0));
    tap.recv().await;
    let times = [40, 3_600_000, 3_600_040, 100, 140, u32::MAX - 10, 20];
    let sent: Vec<_> = times.iter().map(|&time| frame(time, time)).collect();
    send_all(&mut publisher, &sent);
    for message in sent {
        assert_eq!(tap.recv().await, Some(message));
    }
    assert_eq!(tap.take_dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_that_takes_a_long_group_slowly_is_not_too_slow() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(100_000));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let messages = group(1, 200, 4000);
    send_all(&mut publisher, &messages);
    let mut tap = relay.play("live", "cam");
    let mut received = Vec::new();
    for number in 201..=400 {
        received.extend(tap.recv().await);
        publisher.send(frame(40 * number, number));
    }
    while let Some(message) = tap.recv().now_or_never().flatten() {
        received.push(message);
    }
    assert_eq!(
        received.iter().map(number).collect::<Vec<_>>(),
        (1..=400).collect::<Vec<_>>()
    );
    assert_eq!(tap.take_dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_player_past_the_newest_keyframe_goes_on_with_the_next() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(100_000));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut tap = relay.play("live", "cam");
    let messages = group(1, 200, 4000);
    send_all(&mut publisher, &messages[..10]);
    for message in &messages[..10] {
        assert!(tap.recv().await.as_ref() == Some(message));
    }
    assert!(tap.recv().now_or_never().is_none());
    send_all(&mut publisher, &messages[10..]);
    assert!(tap.recv().now_or_never().is_none(), "190 messages are too many");
    assert_eq!(tap.take_dropped(), 190);
    // Frames that need those it has missed are missed, too; sound is not.
    send_all(
        &mut publisher,
        &[
            frame(8040, 201),
            audio(8080, 202),
            keyframe(8120, 203),
            frame(8160, 204),
        ],
    );
    let mut received = Vec::new();
    while let Some(message) = tap.recv().now_or_never().flatten() {
        received.push(message);
    }
    assert_eq!(
        received,
        [audio(8080, 202), keyframe(8120, 203), frame(8160, 204)]
    );
    assert_eq!(tap.take_dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_player_that_is_too_slow_is_sent_away_if_the_relay_says_so() {
    let config = RelayConfig::default()
        .max_lag_len(200_000)
        .slow_players(SlowPlayers::Disconnect);
    let relay = Relay::new(config);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let (mut stalled, session) = narrow_player(&relay).await;
    let (mut healthy, _healthy_session) = narrow_player(&relay).await;
    for round in 0..10 {
        let messages = group(1 + 30 * round, 30, 4000);
        send_all(&mut publisher, &messages);
        assert!(healthy.media(30).await == messages);
    }
    let told = told(&stalled.to_the_end().await);
    assert_eq!(
        told.iter().filter(|what| *what != "media").collect::<Vec<_>>(),
        [
            "NetStream.Play.InsufficientBW",
            "NetStream.Play.Stop",
            "Stream EOF",
        ]
    );
    let CloseReason::TooSlow(lag) = session.ended().await else {
        panic!("another reason");
    };
    assert!(lag.len > 190_000, "{lag}");
    assert_eq!(relay.statistics().players, 1);
}

/// All that a player within the process can have at once.
fn drain(player: &mut RelayPlayer) -> Vec<MediaMessage> {
    std::iter::from_fn(|| player.recv().now_or_never().flatten()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_slow_player_keeps_the_sound_and_gets_video_again_from_the_newest_keyframe() {
    let config = RelayConfig::default()
        .max_lag_len(100_000)
        .slow_players(SlowPlayers::DropVideo);
    let relay = Relay::new(config);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut tap = relay.play("live", "cam");
    let first = group(1, 10, 4000);
    send_all(&mut publisher, &first);
    assert_eq!(drain(&mut tap), first);
    let (missed, newest) = (group(11, 100, 4000), group(111, 10, 4000));
    send_all(&mut publisher, &missed);
    publisher.send(video_header(40 * 111, 0));
    send_all(&mut publisher, &newest);

    let mut expected: Vec<_> = missed
        .iter()
        .filter(|message| message.kind == MediaKind::Audio)
        .cloned()
        .collect();
    let dropped = missed.len() - expected.len();
    expected.push(video_header(40 * 111, 0));
    expected.extend(newest);
    assert_eq!(drain(&mut tap), expected);
    assert_eq!(tap.take_dropped(), dropped as u64);
}

#[tokio::test(start_paused = true)]
async fn sound_is_kept_as_far_back_as_the_history_goes() {
    let config = RelayConfig::default()
        .max_lag_len(100_000)
        .max_history_len(200_000)
        .max_gop_len(100_000)
        .slow_players(SlowPlayers::DropVideo);
    let relay = Relay::new(config);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut tap = relay.play("live", "cam");
    let messages = group(1, 400, 4000);
    send_all(&mut publisher, &messages[..8]);
    assert_eq!(drain(&mut tap).len(), 8);
    send_all(&mut publisher, &messages[8..]);
    let held = relay.statistics();
    assert!((190_000..=200_000).contains(&held.bytes), "{held:?}");
    // No keyframe came since, so there is sound alone.
    let received = drain(&mut tap);
    let first_held = 401 - held.messages as u32;
    let expected: Vec<_> = (first_held..=400).filter(|number| number % 4 == 3).collect();
    assert_eq!(received.iter().map(number).collect::<Vec<_>>(), expected);
    assert_eq!(tap.take_dropped(), 392 - expected.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_player_for_which_nothing_is_dropped_gets_everything_or_is_given_up() {
    let relay = Relay::new(
        RelayConfig::default()
            .max_lag_len(10_000)
            .max_gop_len(10_000)
            .max_history_len(1_000_000),
    );
    let keep = PlayerConfig::default().slow_players(SlowPlayers::Keep);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut recorder = relay.play_with("live", "cam", keep);
    let messages = group(1, 500, 4000);
    send_all(&mut publisher, &messages[..200]);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(drain(&mut recorder), messages[..200]);
    // What it has got need not be kept for it.
    publisher.send(messages[200].clone());
    assert!(relay.statistics().bytes <= 10_000);

    send_all(&mut publisher, &messages[201..]);
    assert!(relay.statistics().bytes <= 1_000_000);
    assert_eq!(recorder.recv().await, None);
    assert!(recorder.too_slow().is_some_and(|lag| lag.len > 990_000));
    assert_eq!(recorder.recv().await, None, "for good");
    assert_eq!(recorder.take_dropped(), 0);
    drop(recorder);
    publisher.send(audio(0, 0));
    assert!(relay.statistics().bytes <= 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_player_with_a_larger_bound_of_its_own_has_its_messages_kept_that_long() {
    let relay = Relay::new(RelayConfig::default().max_lag(Duration::from_secs(1)));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let late = PlayerConfig::default().max_lag(Duration::from_secs(30));
    let (mut late, mut usual) = (relay.play_with("live", "cam", late), relay.play("live", "cam"));
    publisher.send(audio(0, 0));
    for player in [&mut late, &mut usual] {
        assert_eq!(drain(player).len(), 1);
    }
    for second in 1..=20 {
        publisher.send(audio(1000 * second, second));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(drain(&mut late).len(), 20);
    assert_eq!((drain(&mut usual).len(), usual.take_dropped()), (0, 20));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_told_once_until_it_has_caught_up() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(100_000));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let (mut slow, session) = narrow_player(&relay).await;
    for episode in 1..3 {
        for round in 0..5 {
            // It takes a little in between, and stays slow.
            send_all(&mut publisher, &group(1 + 30 * round, 30, 8000));
            slow.next_media().await;
        }
        let events = slow.rest().await;
        let told: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                ClientEvent::Status { status, .. } => Some(status),
                _ => None,
            })
            .collect();
        let [status] = told.as_slice() else {
            panic!("episode {episode}: {told:?}")
        };
        assert_eq!(status.code, StatusCode::PlayInsufficientBandwidth);
        assert_eq!(status.level, StatusLevel::Warning);
        let len = status
            .details
            .get("lagBytes")
            .and_then(|len| len.as_number())
            .unwrap();
        assert!(len > 90_000.0, "{len}");
        assert!(status.description.contains("bytes behind"), "{status}");
    }
    assert!(session.info.statistics().messages_dropped > 0);
}

/// Lets those play at any price who ask for it.
struct Patience;

#[async_trait]
impl PlayObserver for Patience {
    async fn on_play(&self, _: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        let policy = match request.query() {
            Some("keep") => SlowPlayers::Keep,
            _ => SlowPlayers::Disconnect,
        };
        let config = PlayerConfig::default()
            .slow_players(policy)
            .join_within(Duration::ZERO);
        Verdict::Accept(PlayGrant::default().player(config))
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_chooses_how_a_player_is_treated() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(100_000));
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(keyframe(0, 0));
    let mut players = Vec::new();
    for name in ["cam?keep", "cam"] {
        let (client, server) = tokio::io::duplex(8 << 10);
        let observers = Observers::new().play(Patience).relay(relay.clone());
        let session = session_over(server, &observers, SessionConfig::default());
        let mut peer = Peer::connected(client, "live").await;
        peer.play(name).await.unwrap();
        assert!(peer.rest_of_media().await.is_empty(), "nothing older than it is");
        players.push((peer, session));
    }
    let messages: Vec<_> = (0..10)
        .flat_map(|round| group(1 + 30 * round, 30, 4000))
        .collect();
    for messages in messages.chunks(30) {
        send_all(&mut publisher, messages);
        tokio::task::yield_now().await;
    }
    let (mut peer, session) = players.pop().unwrap();
    peer.to_the_end().await;
    assert!(matches!(session.ended().await, CloseReason::TooSlow(_)));
    let (mut peer, session) = players.pop().unwrap();
    assert_eq!(peer.media(300).await, messages);
    assert_eq!(session.info.statistics().messages_dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_however_many_players_stall() {
    let config = RelayConfig::default().max_lag_len(1 << 20).max_gop_len(2 << 20);
    let relay = Relay::new(config);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut stalled = Vec::new();
    for _ in 0..10 {
        stalled.push(narrow_player(&relay).await);
    }
    let mut most = 0;
    for round in 0..40 {
        for message in group(1 + 30 * round, 30, 30_000) {
            publisher.send(message);
            tokio::task::yield_now().await;
            most = most.max(relay.statistics().bytes);
        }
    }
    assert_eq!(relay.statistics().players, 10);
    assert!((500_000..(3 << 20) + 40_000).contains(&most), "{most}");
    drop(stalled);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_empty_messages_counts_too() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(1 << 20).max_gop_len(1 << 20));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let _stalled = relay.play("live", "cam");
    publisher.send(keyframe(0, 0));
    for _ in 0..50_000 {
        publisher.send(MediaMessage::video(Timestamp::ZERO, &b""[..]));
    }
    let held = relay.statistics();
    assert!(held.messages < 10_000 && held.bytes <= 1 << 20, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_a_chunk_count_with_both_their_copies() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(8 << 20));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let _stalled = relay.play("live", "cam");
    for number in 0..40 {
        publisher.send(padded(audio(0, number), 1_000_000));
    }
    assert!(relay.statistics().messages <= 4);
}
