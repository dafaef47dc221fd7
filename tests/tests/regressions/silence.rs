//! Clients that say too little, or nothing, at each stage of a session.

use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_server::{CloseReason, Deadline, Observers, Relay, SessionConfig, Timeouts};
use rtmp_tests::media::audio;
use rtmp_tests::{Peer, RunningSession, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, advance, sleep};

use crate::support::player;

/// A time of its own for each stage, so that one can not be taken for another.
fn timeouts() -> Timeouts {
    let seconds = Duration::from_secs;
    Timeouts::default()
        .handshake(seconds(3))
        .connect(seconds(5))
        .media(seconds(7))
        .ping(seconds(11))
        .idle(seconds(17))
        .write(seconds(13))
}

fn served(relay: &Relay) -> (DuplexStream, RunningSession) {
    let (ours, theirs) = duplex(64 << 10);
    let config = SessionConfig::default().timeouts(timeouts());
    let observers = Observers::new().relay(relay.clone());
    (ours, session_over(theirs, &observers, config))
}

/// That this deadline ends the session after so many seconds. The client has a second more to hang up.
async fn assert_ends(running: RunningSession, deadline: Deadline, seconds: u64) {
    let begun = Instant::now();
    match running.ended().await {
        CloseReason::TimedOut(ended_by) => assert_eq!(ended_by, deadline),
        other => panic!("{other}"),
    }
    let elapsed = begun.elapsed().as_secs();
    assert!((seconds..=seconds + 1).contains(&elapsed), "{elapsed}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time_whatever_trickles_in() {
    let (mut io, running) = served(&Relay::default());
    let dribble = tokio::spawn(async move {
        while io.write_all(&[3]).await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    });
    assert_ends(running, Deadline::Handshake, 3).await;
    dribble.await.unwrap();

    let (_io, running) = served(&Relay::default());
    assert_ends(running, Deadline::Handshake, 3).await;
}

#[tokio::test(start_paused = true)]
async fn connect_has_its_time() {
    let (io, running) = served(&Relay::default());
    let begun = Instant::now();
    Peer::new(io).shake_hands().await;
    // The client has hung up, and that ends it too.
    assert!(matches!(running.ended().await, CloseReason::PeerClosed));
    assert_eq!(begun.elapsed(), Duration::ZERO);

    let (io, running) = served(&Relay::default());
    let mut peer = Peer::new(io);
    peer.shake_hands().await;
    assert_ends(running, Deadline::Connect, 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_neither_publishes_nor_plays_has_its_time() {
    let (io, running) = served(&Relay::default());
    let mut peer = Peer::connected(io, "live").await;
    let talk = tokio::spawn(async move {
        // One call after another is no sign of life at this stage.
        while peer.next_event().await.is_some() {
            let call = peer.machine().call(MessageStreamId::CONNECTION, "hello", vec![]);
            call.unwrap();
            peer.flush().await;
            sleep(Duration::from_millis(300)).await;
        }
    });
    assert_ends(running, Deadline::Media, 7).await;
    talk.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_publisher_is_pinged_and_then_closed() {
    let relay = Relay::default();
    let (io, running) = served(&relay);
    let mut peer = Peer::connected(io, "live").await;
    peer.publish("cam").await.unwrap();
    peer.rest().await;
    let begun = Instant::now();
    // It ends with the event of a ping request, 6, and its value.
    let mut ping = [0; 64];
    let len = peer.io().read(&mut ping).await.unwrap();
    assert_eq!(ping[len - 6..len - 4], [0, 6]);
    // A millisecond less than 11 seconds, which the rest has taken.
    assert_eq!(begun.elapsed(), Duration::from_millis(10_999));
    assert_ends(running, Deadline::Idle, 6).await;
    assert_eq!(relay.stream_count(), 0, "the name is free again");
}

#[tokio::test(start_paused = true)]
async fn a_player_that_answers_pings_is_never_idle() {
    let relay = Relay::default();
    let (io, running) = served(&relay);
    let _publisher = relay.publish("live", "cam").unwrap();
    let mut peer = Peer::connected(io, "live").await;
    peer.play("cam").await.unwrap();
    let hour = sleep(Duration::from_secs(3600));
    tokio::pin!(hour);
    loop {
        tokio::select! {
            () = &mut hour => break,
            event = peer.next_event() => assert!(event.is_some(), "the session has ended"),
        }
    }
    assert!(running.info.statistics().round_trip.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_sends_media_needs_no_pongs() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let (io, running) = served(&relay);
    let mut publisher = Peer::connected(io, "live").await;
    let stream = publisher.publish("cam").await.unwrap();
    for second in 0..600 {
        // It writes and never reads.
        publisher.send(stream, &[audio(1000 * second, second)]).await;
        assert_eq!(watcher.next_media().await, audio(1000 * second, second));
        // Longer than the time to a ping, every now and then.
        advance(Duration::from_secs(if second % 100 == 99 { 15 } else { 1 })).await;
    }
    drop(publisher);
    assert!(matches!(running.ended().await, CloseReason::PeerClosed));
}

#[tokio::test(start_paused = true)]
async fn a_player_that_reads_nothing_is_closed_when_a_write_has_had_its_time() {
    let relay = Relay::default();
    let (io, running) = served(&relay);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut stalled = Peer::connected(io, "live").await;
    stalled.play("cam").await.unwrap();
    publisher.send(rtmp_tests::media::padded(audio(0, 1), 1 << 20));
    assert_ends(running, Deadline::Write, 13).await;
}
