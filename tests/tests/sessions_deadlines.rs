//! A session that makes no progress ends: after which time, and with which reason.

use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientConfig, ClientMachine};
use rtmp_core::message::{Command, StatusCode};
use rtmp_server::relay::RelayConfig;
use rtmp_server::{CloseReason, Deadline, Observers, Relay, SessionConfig, Timeouts};
use rtmp_tests::media::{audio, keyframe, padded};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, Recorder, RunningSession, session, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

/// Seconds from `begun` until the session has ended, and why.
async fn end(begun: Instant, session: RunningSession) -> (u64, CloseReason) {
    let reason = session.ended().await;
    (begun.elapsed().as_secs(), reason)
}

fn timed_out(reason: &CloseReason) -> Option<Deadline> {
    match reason {
        CloseReason::TimedOut { deadline, .. } => Some(*deadline),
        _ => None,
    }
}

/// Sends one byte a second for as long as the session takes them.
async fn dribble(io: &mut DuplexStream, bytes: &[u8]) {
    for byte in bytes {
        sleep(Duration::from_secs(1)).await;
        if io.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// What a client sends from its handshake to `connect`, if nobody answers.
fn handshake_bytes() -> Vec<u8> {
    let mut machine = ClientMachine::new(ClientConfig::default(), Duration::ZERO, |bytes| bytes.fill(7));
    machine.output().to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_has_the_time_of_the_handshake() {
    let recorder = Recorder::default();
    let (io, session) = session(&recorder.observers());
    let (seconds, reason) = end(Instant::now(), session).await;
    // One second more is for the client to hang up.
    assert_eq!((seconds, timed_out(&reason)), (11, Some(Deadline::Handshake)));
    assert!(recorder.calls().is_empty());
    drop(io);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_in_single_bytes_has_no_more_time() {
    let (mut io, session) = session(&Observers::new());
    let begun = Instant::now();
    let bytes = handshake_bytes();
    let ((), ended) = tokio::join!(
        async {
            dribble(&mut io, &bytes[..9]).await;
            // The rest of the time without a byte.
            io.read_to_end(&mut Vec::new()).await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), 10);
            drop(io);
        },
        end(begun, session)
    );
    assert_eq!((ended.0, timed_out(&ended.1)), (10, Some(Deadline::Handshake)));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_may_take_longer_than_a_ping_if_it_is_configured_so() {
    let timeouts = Timeouts::default()
        .handshake(Duration::from_secs(50))
        .ping(Duration::from_secs(5));
    let (io, server) = tokio::io::duplex(PIPE_LEN);
    let session = session_over(
        server,
        &Observers::new(),
        SessionConfig::default().timeouts(timeouts),
    );
    let begun = Instant::now();
    let hang_up = async {
        let mut io = io;
        // Nothing is sent to a client that is still shaking hands.
        assert_eq!(io.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    };
    let ((), ended) = tokio::join!(hang_up, end(begun, session));
    assert_eq!((ended.0, timed_out(&ended.1)), (50, Some(Deadline::Handshake)));
}

#[tokio::test(start_paused = true)]
async fn connect_has_a_time_of_its_own_and_not_for_each_byte() {
    let (io, session) = session(&Observers::new());
    let mut peer = Peer::new(io);
    peer.shake_hands().await;
    let begun = Instant::now();
    let ((), ended) = tokio::join!(
        async {
            // A command of 200 bytes, one byte a second.
            let mut header = vec![3, 0, 0, 0, 0, 0, 200, 20, 0, 0, 0, 0];
            header.extend([2, 0, 7]);
            dribble(peer.io(), &header[..9]).await;
            peer.to_the_end().await;
            drop(peer);
        },
        end(begun, session)
    );
    assert_eq!((ended.0, timed_out(&ended.1)), (10, Some(Deadline::Connect)));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_neither_publishes_nor_plays_has_thirty_seconds() {
    let recorder = Recorder::default();
    let (io, session) = session(&recorder.observers());
    let mut peer = Peer::connected(io, "live").await;
    let begun = Instant::now();
    let ((), ended) = tokio::join!(
        async {
            // Whatever else it does.
            for _ in 0..29 {
                sleep(Duration::from_secs(1)).await;
                peer.say(MessageStreamId::CONNECTION, Command::new("ping")).await;
            }
            peer.to_the_end().await;
            drop(peer);
        },
        end(begun, session)
    );
    assert_eq!((ended.0, timed_out(&ended.1)), (30, Some(Deadline::Media)));
    assert_eq!(
        recorder.calls(),
        [
            "on_connect live",
            "on_disconnect live: neither publish nor play came in time (limit 30s)"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_without_media_begins_again_when_a_stream_ends() {
    let (io, session) = session(&Observers::new());
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    sleep(Duration::from_secs(25)).await;
    peer.machine().delete_stream(stream).unwrap();
    peer.flush().await;
    let begun = Instant::now();
    let ((), ended) = tokio::join!(
        async {
            peer.to_the_end().await;
            drop(peer);
        },
        end(begun, session)
    );
    assert_eq!((ended.0, timed_out(&ended.1)), (30, Some(Deadline::Media)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_player_is_pinged_and_lives_as_long_as_it_answers() {
    let config = RelayConfig::default().wait_for_publisher(Duration::from_secs(100_000));
    let relay = Relay::new(config);
    let (io, session) = session(&Observers::new().relay(relay));
    let mut peer = Peer::connected(io, "live").await;
    peer.play("cam").await.unwrap();
    // It answers pings while it waits for something that never comes.
    let waiting = tokio::time::timeout(Duration::from_secs(3600), peer.status(StatusCode::PlayStop));
    assert!(waiting.await.is_err());
    let statistics = session.info.statistics();
    assert!(statistics.bytes_received > 0);
    // The pipe between the two takes no time.
    assert_eq!(statistics.round_trip, Some(Duration::ZERO));

    let begun = Instant::now();
    let (seconds, reason) = end(begun, session).await;
    assert_eq!(timed_out(&reason), Some(Deadline::Idle));
    assert!((30..=61).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_publisher_ends_too_and_its_name_is_free() {
    let relay = Relay::default();
    let recorder = Recorder::default();
    let (io, session) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    for number in 0..100 {
        sleep(Duration::from_secs(20)).await;
        peer.send(stream, &[audio(20_000 * number, number)]).await;
    }
    let begun = Instant::now();
    let (seconds, reason) = end(begun, session).await;
    assert_eq!((seconds, timed_out(&reason)), (61, Some(Deadline::Idle)));
    assert_eq!(relay.stream_count(), 0);
    assert_eq!(
        recorder.calls_with("on_unpublish"),
        ["on_unpublish cam: the client was silent for too long (limit 60s)"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_player_that_does_not_read_ends_after_the_time_of_a_write() {
    let relay = Relay::default();
    let recorder = Recorder::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let (io, server) = tokio::io::duplex(16 << 10);
    let session = session_over(
        server,
        &recorder.observers().relay(relay.clone()),
        SessionConfig::default(),
    );
    let mut peer = Peer::connected(io, "live").await;
    peer.play("cam").await.unwrap();
    peer.rest().await;
    publisher.send(padded(keyframe(0, 1), 100_000));
    let begun = Instant::now();
    let (seconds, reason) = end(begun, session).await;
    assert_eq!((seconds, timed_out(&reason)), (10, Some(Deadline::Write)));
    assert_eq!(relay.statistics().players, 0);
    assert_eq!(
        recorder.calls_with("on_stop"),
        ["on_stop cam: the client did not read for too long (limit 10s)"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_player_that_reads_a_little_now_and_then_is_not_idle() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let (io, server) = tokio::io::duplex(16 << 10);
    let session = session_over(
        server,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    let mut peer = Peer::connected(io, "live").await;
    peer.play("cam").await.unwrap();
    peer.rest().await;
    publisher.send(padded(keyframe(0, 1), 1_000_000));
    // It never says a word, and takes nine seconds for each kilobyte.
    let mut part = [0; 1000];
    for _ in 0..40 {
        sleep(Duration::from_secs(9)).await;
        peer.io().read_exact(&mut part).await.unwrap();
    }
    let (seconds, reason) = end(Instant::now(), session).await;
    assert_eq!((seconds, timed_out(&reason)), (10, Some(Deadline::Write)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_never_reads_is_held_up_and_ends() {
    let (io, server) = tokio::io::duplex(16 << 10);
    let session = session_over(server, &Observers::new(), SessionConfig::default());
    let info = session.info.clone();
    let mut peer = Peer::connected(io, "live").await;
    peer.publish("cam").await.unwrap();
    let call = Command::new("c").with_transaction(rtmp_core::message::TransactionId::new(9));
    let begun = Instant::now();
    let flood = async {
        for _ in 0..100_000 {
            peer.say(MessageStreamId::CONNECTION, call.clone()).await;
        }
    };
    tokio::select! {
        () = flood => panic!("nothing holds it up"),
        reason = session.ended() => assert_eq!(timed_out(&reason), Some(Deadline::Write)),
    }
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert!(
        info.statistics().bytes_received < 400_000,
        "{:?}",
        info.statistics()
    );
}

#[tokio::test(start_paused = true)]
async fn times_without_end_are_possible() {
    let timeouts = Timeouts::default()
        .handshake(Duration::MAX)
        .connect(Duration::MAX)
        .media(Duration::MAX)
        .ping(Duration::MAX)
        .idle(Duration::MAX)
        .write(Duration::MAX)
        .verdict(Duration::MAX);
    let (io, server) = tokio::io::duplex(PIPE_LEN);
    let session = session_over(
        server,
        &Observers::new(),
        SessionConfig::default().timeouts(timeouts),
    );
    let mut peer = Peer::new(io);
    sleep(Duration::from_secs(1_000_000)).await;
    peer.connect("live").await.unwrap();
    sleep(Duration::from_secs(1_000_000)).await;
    peer.publish("cam").await.unwrap();
    drop(peer);
    assert!(matches!(session.ended().await, CloseReason::PeerClosed));
}
