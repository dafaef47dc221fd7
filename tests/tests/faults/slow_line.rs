//! Lines that are slow, uneven, or stop for a minute. A kernel that loses and reorders packets looks like this to a
//! program: bytes come late and in lumps, but in order.

use std::time::Duration;

use rtmp_client::{ClientConn, ConnectRequest, Error, PlayRequest, PublishKind};
use rtmp_server::{CloseReason, Deadline, Observers, Relay, SessionConfig};
use rtmp_tests::media::{frame, keyframe, padded};
use rtmp_tests::session_over;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const URL: &str = "rtmp://localhost/live/cam";

/// A line between two ends: what one writes, the other reads after the time that `delay` gives for each lump.
fn slow_line(delay: fn(u32) -> Duration) -> (DuplexStream, DuplexStream, [JoinHandle<()>; 2]) {
    let (ours, near) = duplex(16 << 10);
    let (far, theirs) = duplex(16 << 10);
    let (near_reader, near_writer) = split(near);
    let (far_reader, far_writer) = split(far);
    let forward = |mut from: tokio::io::ReadHalf<DuplexStream>,
                   mut to: tokio::io::WriteHalf<DuplexStream>| {
        tokio::spawn(async move {
            let mut lump = vec![0; 4096];
            for number in 0.. {
                let Ok(len @ 1..) = from.read(&mut lump).await else {
                    break;
                };
                sleep(delay(number)).await;
                if to.write_all(&lump[..len]).await.is_err() {
                    break;
                }
            }
            // An end that is gone already needs no goodbye.
            let _ = to.shutdown().await;
        })
    };
    let there = forward(near_reader, far_writer);
    let back = forward(far_reader, near_writer);
    (ours, theirs, [there, back])
}

/// Publishes over such a line and counts what a player in the process gets.
async fn delivered(delay: fn(u32) -> Duration) -> usize {
    let relay = Relay::default();
    let (ours, theirs, _tasks) = slow_line(delay);
    let session = session_over(
        theirs,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    let mut tap = relay.play("live", "cam");
    let sent: Vec<_> = (0..50)
        .map(|number| match number % 10 {
            0 => padded(keyframe(number * 40, number), 20_000),
            _ => padded(frame(number * 40, number), 2000),
        })
        .collect();
    let expected = sent.clone();
    let publish = async move {
        let conn = ClientConn::builder().from_io(ours, URL).await?;
        conn.connect(ConnectRequest::default()).await?;
        let stream = conn.create_stream().await?;
        let mut publisher = stream.publish("cam", PublishKind::Live).await?;
        for message in sent {
            publisher.send(message).await?;
        }
        publisher.finish().await?;
        conn.close().await
    };
    let receive = async {
        let mut count = 0;
        while count < expected.len() {
            assert_eq!(tap.recv().await.as_ref(), expected.get(count));
            count += 1;
        }
        count
    };
    let (published, count) = tokio::join!(publish, receive);
    published.unwrap();
    session.ended().await;
    count
}

#[tokio::test(start_paused = true)]
async fn a_line_of_300_ms_loses_nothing() {
    assert_eq!(delivered(|_| Duration::from_millis(300)).await, 50);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_stops_every_now_and_then_as_with_lost_packets_loses_nothing() {
    // One lump in twenty waits for a second sending, as with 5 % of loss.
    let delay = |number| Duration::from_millis(if number % 20 == 7 { 1200 } else { 15 });
    assert_eq!(delivered(delay).await, 50);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_stops_for_a_minute_is_given_up_at_both_ends_and_the_name_is_free() {
    let relay = Relay::default();
    let (ours, theirs, tasks) = slow_line(|_| Duration::ZERO);
    let session = session_over(
        theirs,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    publisher.send(keyframe(0, 1)).await.unwrap();
    tokio::task::yield_now().await;
    // Both directions stop, and nobody says so.
    for task in &tasks {
        task.abort();
    }
    let mut lost = Ok(());
    for number in 0.. {
        lost = publisher.send(padded(frame(number * 40, number), 5000)).await;
        if lost.is_err() {
            break;
        }
        sleep(Duration::from_millis(40)).await;
    }
    assert!(matches!(lost, Err(Error::Closed { .. })), "{lost:?}");
    assert!(lost.unwrap_err().is_retryable());
    let reason = session.ended().await;
    let is_given_up = matches!(
        reason,
        CloseReason::TimedOut {
            deadline: Deadline::Idle | Deadline::Write,
            ..
        } | CloseReason::PeerClosed
    );
    assert!(is_given_up, "{reason:?}");
    assert!(relay.publish("live", "cam").is_ok(), "the name is free");
}

#[tokio::test(start_paused = true)]
async fn a_player_on_a_slow_line_gets_everything_late_and_nobody_waits_for_it() {
    let relay = Relay::default();
    let (ours, theirs, _tasks) = slow_line(|_| Duration::from_millis(120));
    let _session = session_over(
        theirs,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    let mut publisher = relay.publish("live", "cam").unwrap();
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
    for number in 0..30 {
        publisher.send(padded(keyframe(number, number), 3000));
    }
    for number in 0..30 {
        let received = playback.recv().await.unwrap().unwrap();
        assert_eq!(received, padded(keyframe(number, number), 3000));
    }
}
