//! Clients that are silent, or seem to be.

use std::time::Duration;

use rtmp_server::{CloseReason, Deadline, Observers, Relay, SessionConfig, Timeouts};
use rtmp_tests::media::audio;
use rtmp_tests::{Peer, RunningSession, session_over};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::time::{Instant, advance};

use crate::support::player;

/// Asks a client for a sign of life after 11 seconds, and closes it after 17.
fn served(relay: &Relay) -> (DuplexStream, RunningSession) {
    let (ours, theirs) = duplex(64 << 10);
    let timeouts = Timeouts::default()
        .ping(Duration::from_secs(11))
        .idle(Duration::from_secs(17));
    let config = SessionConfig::default().timeouts(timeouts);
    let observers = Observers::new().relay(relay.clone());
    (ours, session_over(theirs, &observers, config))
}

#[tokio::test(start_paused = true)]
async fn a_silent_publisher_is_pinged_and_then_closed() {
    let relay = Relay::default();
    let (io, running) = served(&relay);
    let mut peer = Peer::connected(io, "live").await;
    let begun = Instant::now();
    peer.publish("cam").await.unwrap();
    peer.rest().await;
    // It ends with the event of a ping request, 6, and its value.
    let mut ping = [0; 64];
    let len = peer.io().read(&mut ping).await.unwrap();
    assert_eq!(ping[len - 6..len - 4], [0, 6]);
    assert_eq!(begun.elapsed().as_secs(), 11);
    // The end of the line, which is not an answer either.
    assert_eq!(peer.io().read(&mut ping).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 17);
    drop(peer);
    let reason = running.ended().await;
    assert!(
        matches!(
            reason,
            CloseReason::TimedOut {
                deadline: Deadline::Idle,
                ..
            }
        ),
        "{reason}"
    );
    assert_eq!(relay.stream_count(), 0, "the name is free again");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_sends_media_needs_no_pongs() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let (io, running) = served(&relay);
    let mut publisher = Peer::connected(io, "live").await;
    let stream = publisher.publish("cam").await.unwrap();
    for number in 0..600 {
        // It writes and never reads.
        let message = audio(1000 * number, number);
        publisher.send(stream, std::slice::from_ref(&message)).await;
        assert_eq!(watcher.next_media().await, message);
        // Now and then long enough to be pinged.
        advance(Duration::from_secs(if number % 100 == 99 { 15 } else { 1 })).await;
    }
    drop(publisher);
    assert!(matches!(running.ended().await, CloseReason::PeerClosed));
}
