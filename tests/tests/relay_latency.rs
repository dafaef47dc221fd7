//! Messages that are gathered for players on purpose.

use std::time::Duration;

use rtmp_core::MediaMessage;
use rtmp_server::relay::{PlayerConfig, RelayConfig, RelayPlayer, RelayPublisher};
use rtmp_server::{Observers, Relay, SessionConfig};
use rtmp_tests::media::{audio, frame, keyframe, video_header};
use rtmp_tests::{Peer, session_over};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

const LATENCY: Duration = Duration::from_millis(350);

fn patient() -> PlayerConfig {
    PlayerConfig::default().latency(LATENCY)
}

/// What a player gets up to the end of its publisher, and when since the start of the test.
fn watch(mut player: RelayPlayer, start: Instant) -> JoinHandle<Vec<(MediaMessage, u128)>> {
    tokio::spawn(async move {
        let mut received = Vec::new();
        while let Some(message) = player.recv().await {
            received.push((message, start.elapsed().as_millis()));
        }
        received
    })
}

/// Sends messages at their times.
async fn send_all(publisher: &mut RelayPublisher, messages: &[MediaMessage], start: Instant) {
    for message in messages {
        let time = Duration::from_millis(message.timestamp.as_millis().into());
        sleep_until(start + time).await;
        publisher.send(message.clone());
    }
}

/// Whether it came when the timer was over, which has a resolution of a millisecond.
fn is_gathered(time: Duration) -> bool {
    (LATENCY..=LATENCY + Duration::from_millis(2)).contains(&time)
}

#[tokio::test(start_paused = true)]
async fn messages_come_together_a_while_after_the_first_and_to_others_at_once() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let start = Instant::now();
    let prompt = watch(relay.play("live", "cam"), start);
    let gathered = watch(relay.play_with("live", "cam", patient()), start);
    // The publisher is silent after the third, and after the last.
    let sent = [video_header(10, 0), keyframe(50, 1), frame(90, 2), audio(1000, 3)];
    send_all(&mut publisher, &sent, start).await;
    sleep(LATENCY * 2).await;
    drop(publisher);
    let at = |times: [u128; 4]| sent.iter().cloned().zip(times).collect::<Vec<_>>();
    assert_eq!(prompt.await.unwrap(), at([10, 50, 90, 1000]));
    let gathered = gathered.await.unwrap();
    // The timer has a resolution of a millisecond.
    let is_near = |(received, expected): (&(MediaMessage, u128), &(MediaMessage, u128))| {
        received.0 == expected.0 && (expected.1..=expected.1 + 2).contains(&received.1)
    };
    let expected = at([360, 360, 360, 1350]);
    assert!(gathered.iter().zip(&expected).all(is_near), "{gathered:?}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_publisher_is_told_behind_what_was_gathered() {
    let relay = Relay::new(RelayConfig::default().latency(LATENCY));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let start = Instant::now();
    let player = watch(relay.play("live", "cam"), start);
    send_all(&mut publisher, &[audio(10, 1)], start).await;
    drop(publisher);
    let received = player.await.unwrap();
    assert_eq!(received.len(), 1);
    assert!(received[0].1 >= 360);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_meanwhile_takes_nobody_along() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let start = Instant::now();
    let players: Vec<_> = (0..5)
        .map(|_| watch(relay.play_with("live", "cam", patient()), start))
        .collect();
    let other = PlayerConfig::default().latency(Duration::from_millis(20));
    let other = watch(relay.play_with("live", "cam", other), start);
    send_all(&mut publisher, &[audio(10, 1)], start).await;
    for gone in &players[..3] {
        gone.abort();
    }
    let late = watch(relay.play_with("live", "cam", patient()), start);
    send_all(&mut publisher, &[audio(20, 2), audio(900, 3)], start).await;
    drop(publisher);
    assert_eq!(other.await.unwrap().len(), 3);
    assert_eq!(late.await.unwrap().len(), 2);
    for player in players.into_iter().skip(3) {
        assert_eq!(player.await.unwrap().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_begins_at_once_and_gets_what_follows_gathered() {
    let relay = Relay::new(RelayConfig::default().latency(LATENCY));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let begin = [video_header(0, 0), keyframe(0, 1), frame(40, 2)];
    for message in &begin {
        publisher.send(message.clone());
    }
    let (client, server) = tokio::io::duplex(1 << 20);
    let observers = Observers::new().relay(relay.clone());
    let _session = session_over(server, &observers, SessionConfig::default());
    let mut peer = Peer::connected(client, "live").await;
    let start = Instant::now();
    peer.play("cam").await.unwrap();
    assert!(peer.media(3).await == begin);
    assert_eq!(start.elapsed(), Duration::ZERO);
    peer.rest().await;
    for round in 0..3 {
        let start = Instant::now();
        let sent: Vec<_> = (0..10)
            .map(|number| frame(400 * round + 40 * number, number))
            .collect();
        for message in &sent {
            publisher.send(message.clone());
        }
        assert!(peer.media(10).await == sent);
        assert!(is_gathered(start.elapsed()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn gathering_ends_at_half_of_what_a_player_may_be_behind() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let start = Instant::now();
    let for_ever = PlayerConfig::default().latency(Duration::MAX);
    let long = watch(relay.play_with("live", "cam", for_ever), start);
    let short = for_ever.max_lag(Duration::from_secs(1));
    let short = watch(relay.play_with("live", "cam", short), start);
    sleep(Duration::from_millis(1)).await;
    let sent: Vec<_> = (0..12).map(|second| audio(1000 * second, 0)).collect();
    send_all(&mut publisher, &sent, start).await;
    drop(publisher);
    for (received, rhythm) in [(long.await.unwrap(), 5000), (short.await.unwrap(), 500)] {
        assert_eq!(received.len(), sent.len(), "nothing is left out");
        let (_, first) = received[0];
        assert!((rhythm..=rhythm + 3).contains(&first), "{first} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn gathering_ends_with_half_of_the_bytes_that_a_player_may_be_behind() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let start = Instant::now();
    let few = patient().max_lag_len(4000);
    let player = watch(relay.play_with("live", "cam", few), start);
    sleep(Duration::from_millis(1)).await;
    // Each counts with 256 bytes more than it has.
    let sent: Vec<_> = (1..=20).map(|number| audio(10 * number, 0)).collect();
    send_all(&mut publisher, &sent, start).await;
    drop(publisher);
    let received = player.await.unwrap();
    assert_eq!(received.len(), sent.len(), "nothing is left out");
    let times: Vec<_> = received.iter().map(|&(_, time)| time).collect();
    let woken = times.chunk_by(|a, b| a == b).count();
    assert!(times[0] < 100 && woken >= 3, "{times:?}");
}

#[test]
fn without_a_clock_nothing_is_gathered() {
    let relay = Relay::new(RelayConfig::default().latency(LATENCY));
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    let woken = std::sync::Arc::new(Flag::default());
    let waker = std::task::Waker::from(std::sync::Arc::clone(&woken));
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(std::pin::pin!(player.recv()).poll(&mut cx).is_pending());
    publisher.send(audio(0, 1));
    assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
