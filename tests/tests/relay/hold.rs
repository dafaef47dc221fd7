//! Publishers that wait for their players, where the application wants that.

use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use rtmp_core::MediaMessage;
use rtmp_core::message::StatusCode;
use rtmp_server::relay::{PlayerConfig, RelayConfig, SlowPlayers, TakeOver};
use rtmp_server::{CloseReason, Deadline, Observers, Relay, SessionConfig, Timeouts};
use rtmp_tests::media::{audio, padded};
use rtmp_tests::{Peer, RunningSession, session_over};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

/// What a player may be behind until it holds its publisher, and what the relay may hold: also the pipe, and a message.
const MAX_LAG_LEN: usize = 100_000;
const MAX_HELD: u64 = 120_000;

fn config() -> RelayConfig {
    RelayConfig::default()
        .max_lag_len(MAX_LAG_LEN)
        .slow_players(SlowPlayers::HoldPublisher)
}

fn messages(count: u32) -> Vec<MediaMessage> {
    (0..count)
        .map(|number| padded(audio(20 * number, number), 4000))
        .collect()
}

/// A client, connected to `live` through a pipe that holds little.
async fn narrow(relay: &Relay, timeouts: Timeouts) -> (Peer<DuplexStream>, RunningSession) {
    let (client, server) = tokio::io::duplex(8 << 10);
    let observers = Observers::new().relay(relay.clone());
    let config = SessionConfig::default().timeouts(timeouts);
    let session = session_over(server, &observers, config);
    (Peer::connected(client, "live").await, session)
}

/// A client that plays.
async fn player(relay: &Relay, name: &str, timeouts: Timeouts) -> (Peer<DuplexStream>, RunningSession) {
    let (mut peer, session) = narrow(relay, timeouts).await;
    peer.play(name).await.unwrap();
    (peer, session)
}

/// A client that publishes so many messages as fast as it can, and then stays.
async fn publisher(
    relay: &Relay,
    name: &str,
    count: u32,
) -> (JoinHandle<Peer<DuplexStream>>, RunningSession) {
    let (mut peer, session) = narrow(relay, Timeouts::default()).await;
    let stream = peer.publish(name).await.unwrap();
    let sending = tokio::spawn(async move {
        peer.send(stream, &messages(count)).await;
        peer
    });
    (sending, session)
}

/// Lets everything happen that needs no time.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_fast_publisher_is_not_read_from_while_a_player_is_slow_and_nothing_is_lost() {
    let relay = Relay::new(config());
    let (mut slow, slow_session) = player(&relay, "cam", Timeouts::default()).await;
    let (mut swift, _swift_session) = player(&relay, "cam", Timeouts::default()).await;
    let swift = tokio::spawn(async move { swift.media(1000).await });
    let (sending, _session) = publisher(&relay, "cam", 1000).await;
    for expected in messages(1000) {
        settle().await;
        assert!(relay.statistics().bytes <= MAX_HELD, "{:?}", relay.statistics());
        assert!(slow.next_media().await == expected);
    }
    sending.await.unwrap();
    assert!(swift.await.unwrap() == messages(1000));
    assert_eq!(slow_session.info.statistics().messages_dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn other_streams_and_the_held_session_itself_go_on() {
    let relay = Relay::new(config());
    let (_stuck, _stuck_session) = player(&relay, "cam", Timeouts::default()).await;
    let (sending, session) = publisher(&relay, "cam", 1000).await;
    settle().await;
    assert!(!sending.is_finished());

    let (mut other, _other_session) = player(&relay, "other", Timeouts::default()).await;
    let (other_sending, _other_publisher) = publisher(&relay, "other", 1000).await;
    assert!(other.media(1000).await == messages(1000));
    other_sending.await.unwrap();
    assert!(!sending.is_finished(), "still held");

    session.info.dispose("enough");
    assert!(matches!(session.ended().await, CloseReason::Disposed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_goes_on_when_the_player_that_held_it_leaves() {
    let relay = Relay::new(config());
    let (stuck, _stuck_session) = player(&relay, "cam", Timeouts::default()).await;
    let (sending, _session) = publisher(&relay, "cam", 1000).await;
    settle().await;
    assert!(!sending.is_finished());
    drop(stuck);
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_player_that_takes_nothing_holds_its_publisher_until_its_write_deadline() {
    let relay = Relay::new(config());
    let (_dead, dead_session) = player(&relay, "cam", Timeouts::default()).await;
    let (sending, _session) = publisher(&relay, "cam", 1000).await;
    let reason = dead_session.ended().await;
    assert!(
        matches!(
            reason,
            CloseReason::TimedOut {
                deadline: Deadline::Write,
                ..
            }
        ),
        "{reason}"
    );
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_is_held_is_not_taken_for_silent_and_is_so_afterwards() {
    let relay = Relay::new(config().take_over(TakeOver::IfSilent(Duration::from_secs(5))));
    let hour = Duration::from_secs(3600);
    let patient = Timeouts::default().write(hour).idle(hour);
    let (mut slow, _slow_session) = player(&relay, "cam", patient).await;
    let (sending, session) = publisher(&relay, "cam", 200).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!sending.is_finished());
    assert!(
        relay.publish("live", "cam").is_err(),
        "its silence is not its own"
    );
    assert!(slow.media(200).await == messages(200));

    let mut peer = sending.await.unwrap();
    // Now it could be heard, and says nothing.
    assert!(matches!(
        session.ended().await,
        CloseReason::TimedOut {
            deadline: Deadline::Idle,
            ..
        }
    ));
    peer.to_the_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_within_the_process_waits_if_it_asks_and_goes_on_when_half_is_taken() {
    let relay = Relay::new(config());
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    let mut sent = Vec::new();
    for message in messages(1000) {
        if publisher.ready().now_or_never().is_none() {
            break;
        }
        publisher.send(message.clone());
        sent.push(message);
    }
    assert!(relay.statistics().bytes <= MAX_HELD);
    assert!(sent.len() < 30, "{}", sent.len());

    let mut ready = Box::pin(publisher.ready());
    assert!(futures::poll!(&mut ready).is_pending());
    // It takes all there is at once.
    assert_eq!(player.recv().await.as_ref(), Some(&sent[0]));
    assert_eq!(futures::poll!(&mut ready), Poll::Ready(()));
    drop(ready);
    for expected in &sent[1..] {
        assert_eq!(player.recv().await.as_ref(), Some(expected));
    }
    assert_eq!(player.take_dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_players_with_that_policy_are_waited_for_and_only_by_who_has_the_name() {
    let relay = Relay::new(
        RelayConfig::default()
            .max_lag_len(MAX_LAG_LEN)
            .take_over(TakeOver::Always),
    );
    let mut publisher = relay.publish("live", "cam").unwrap();
    let _usual = relay.play("live", "cam");
    let keep = PlayerConfig::default().slow_players(SlowPlayers::Keep);
    let _keep = relay.play_with("live", "cam", keep);
    let send_all = |publisher: &mut rtmp_server::relay::RelayPublisher| {
        messages(100)
            .into_iter()
            .for_each(|message| publisher.send(message));
    };
    send_all(&mut publisher);
    assert!(publisher.ready().now_or_never().is_some());

    let hold = PlayerConfig::default().slow_players(SlowPlayers::HoldPublisher);
    let _hold = relay.play_with("live", "cam", hold);
    send_all(&mut publisher);
    let waiting = tokio::spawn(async move { publisher.ready().await });
    settle().await;
    assert!(!waiting.is_finished());
    let mut next = relay.publish("live", "cam").unwrap();
    waiting.await.unwrap();
    next.send(audio(0, 0));
    assert!(
        next.ready().now_or_never().is_none(),
        "it has come to the same players"
    );
}

#[tokio::test(start_paused = true)]
async fn a_player_that_pauses_does_not_hold_its_publisher() {
    let relay = Relay::new(config());
    let (mut peer, _session) = narrow(&relay, Timeouts::default()).await;
    let stream = peer.play("cam").await.unwrap();
    peer.machine().pause(stream, true, Duration::ZERO).unwrap();
    peer.flush().await;
    peer.status(StatusCode::PauseNotify).await;
    let (sending, _publisher) = publisher(&relay, "cam", 1000).await;
    sending.await.unwrap();
}
