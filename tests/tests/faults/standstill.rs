//! A process that stands still, stopped by a signal or with its virtual machine: all its deadlines pass at once. Here the
//! clock jumps while no task runs, which is what such a process sees.

use std::time::Duration;

use async_trait::async_trait;
use rtmp_client::{ClientConn, ConnectRequest, ConnectionStatus};
use rtmp_core::message::PublishRequest;
use rtmp_server::relay::RelayConfig;
use rtmp_server::{
    CloseReason, Deadline, Observers, PublishGrant, PublishObserver, Relay, SessionConfig, SessionInfo,
    Verdict,
};
use rtmp_tests::media::{frame, keyframe, padded};
use rtmp_tests::{Peer, RunningSession, session, session_over};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::time::{Instant, advance, sleep};

use crate::cut::URL;

/// Longer than any deadline.
const LONG: Duration = Duration::from_secs(300);

/// Lets everything happen that needs no time, and then nothing for a long time.
async fn stand_still() {
    settle().await;
    advance(LONG).await;
    settle().await;
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Timers are exact to a millisecond.
fn seconds_since(begun: Instant) -> u64 {
    (begun.elapsed() + Duration::from_millis(500)).as_secs()
}

/// The session is on its way, and a client that now does nothing has so many seconds.
async fn assert_ends_after(
    seconds: u64,
    deadline: Deadline,
    mut peer: Peer<DuplexStream>,
    running: RunningSession,
) {
    let begun = Instant::now();
    peer.io().read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!(seconds_since(begun), seconds);
    drop(peer);
    let reason = running.ended().await;
    assert!(
        matches!(reason, CloseReason::TimedOut { deadline: of, .. } if of == deadline),
        "{reason:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_in_the_middle_of_a_stage_has_its_time_once_more() {
    for goes_on in [true, false] {
        let (io, running) = session(&Observers::new());
        let mut peer = Peer::new(io);
        // Its first packet; the answer to the server's comes after the standstill.
        peer.flush().await;
        stand_still().await;
        if goes_on {
            peer.connect("live").await.unwrap();
            stand_still().await;
            peer.publish("cam").await.unwrap();
        } else {
            assert_ends_after(10, Deadline::Handshake, peer, running).await;
        }
    }
    let (io, running) = session(&Observers::new());
    let mut peer = Peer::new(io);
    peer.shake_hands().await;
    stand_still().await;
    assert_ends_after(10, Deadline::Connect, peer, running).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_standstill_in_a_stage_ends_it() {
    let (io, running) = session(&Observers::new());
    let mut peer = Peer::new(io);
    peer.flush().await;
    stand_still().await;
    advance(LONG).await;
    let reason = running.ended().await;
    assert!(
        matches!(
            reason,
            CloseReason::TimedOut {
                deadline: Deadline::Handshake,
                ..
            }
        ),
        "{reason:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_came_meanwhile_is_read_before_anything_is_judged() {
    let relay = Relay::default();
    let mut tap = relay.play("live", "cam");
    let (io, _running) = session(&Observers::new().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    settle().await;
    // The publisher goes on while the server stands still.
    peer.send(stream, &[keyframe(0, 1), frame(40, 2)]).await;
    advance(LONG).await;
    peer.send(stream, &[frame(80, 3)]).await;
    for expected in [keyframe(0, 1), frame(40, 2), frame(80, 3)] {
        assert_eq!(tap.recv().await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_player_is_asked_and_not_cut_off() {
    let relay = Relay::new(RelayConfig::default().wait_for_publisher(Duration::MAX));
    let (io, running) = session(&Observers::new().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    peer.play("cam").await.unwrap();
    for _ in 0..3 {
        stand_still().await;
        // It answers the ping.
        peer.rest().await;
    }
    // The same when the ping was sent before.
    sleep(Duration::from_secs(31)).await;
    stand_still().await;
    peer.rest().await;
    assert_eq!(relay.statistics().players, 1);
    let begun = Instant::now();
    let reason = running.ended().await;
    assert!(
        matches!(
            reason,
            CloseReason::TimedOut {
                deadline: Deadline::Idle,
                ..
            }
        ),
        "{reason:?}"
    );
    // One second more is for it to hang up.
    assert_eq!(seconds_since(begun), 61);
}

#[tokio::test(start_paused = true)]
async fn a_player_whose_line_is_full_has_the_time_of_a_write_once_more() {
    for goes_on in [true, false] {
        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        let (client, server) = duplex(8 << 10);
        let observers = Observers::new().relay(relay.clone());
        let running = session_over(server, &observers, SessionConfig::default());
        let mut peer = Peer::connected(client, "live").await;
        peer.play("cam").await.unwrap();
        peer.rest().await;
        let sent = padded(keyframe(0, 1), 100_000);
        publisher.send(sent.clone());
        stand_still().await;
        if goes_on {
            assert_eq!(peer.next_media().await, sent);
        } else {
            let begun = Instant::now();
            let reason = running.ended().await;
            assert!(
                matches!(
                    reason,
                    CloseReason::TimedOut {
                        deadline: Deadline::Write,
                        ..
                    }
                ),
                "{reason:?}"
            );
            assert_eq!(seconds_since(begun), 10);
        }
    }
}

/// Asks somebody who takes a second to answer.
struct Asks;

#[async_trait]
impl PublishObserver for Asks {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        sleep(Duration::from_secs(1)).await;
        // The answer has come meanwhile, and is looked at in a turn of its own.
        sleep(Duration::from_millis(1)).await;
        Verdict::accept()
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_has_its_time_once_more() {
    let (io, _running) = session(&Observers::new().publish(Asks));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    let (published, ()) = tokio::join!(peer.publish_on(stream, "cam"), stand_still());
    published.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_asks_its_server_before_it_gives_it_up() {
    let (ours, theirs) = duplex(64 << 10);
    let relay = Relay::new(RelayConfig::default().wait_for_publisher(Duration::MAX));
    let _running = session_over(
        theirs,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let mut playback = stream.play(rtmp_client::PlayRequest::new("cam")).await.unwrap();
    for _ in 0..3 {
        stand_still().await;
    }
    assert_eq!(conn.status(), ConnectionStatus::StreamCreated);
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(keyframe(0, 1));
    assert_eq!(playback.recv().await.unwrap(), Some(keyframe(0, 1)));
}
