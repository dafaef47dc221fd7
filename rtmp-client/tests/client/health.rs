//! What a connection tells of itself.

use std::time::Duration;

use futures::FutureExt;
use rtmp_client::{ClientConn, Event};
use rtmp_core::message::{Control, Message};
use tokio::time::advance;

use crate::support::{connect_raw, publish_with, settle, video};

#[tokio::test(start_paused = true)]
async fn the_age_of_the_queue_is_how_long_the_oldest_message_waits() {
    let builder = ClientConn::builder().media_capacity(8);
    let (conn, mut publisher, mut server) = publish_with(builder).await;
    assert_eq!(conn.health().queue_age, Duration::ZERO);
    // The server does not read: the line and the output fill, then the queue.
    let mut sent = 0;
    while publisher.send(video(sent, 10_000)).now_or_never().is_some() {
        settle().await;
        advance(Duration::from_millis(10)).await;
        sent += 1;
    }
    let full = conn.health();
    assert_eq!((full.queued_messages, full.queued_bytes), (8, 80_000));
    assert_eq!(full.queue_age, Duration::from_millis(80));
    advance(Duration::from_millis(500)).await;
    assert_eq!(conn.health().queue_age, Duration::from_millis(580));

    for at in 0..sent - 4 {
        assert_eq!(server.media().await, video(at, 10_000));
    }
    settle().await;
    for at in sent - 4..sent {
        assert_eq!(server.media().await, video(at, 10_000));
    }
    settle().await;
    let empty = conn.health();
    assert_eq!((empty.queued_messages, empty.queued_bytes), (0, 0));
    assert_eq!(empty.queue_age, Duration::ZERO);
    let interval = empty.since(&full);
    assert_eq!(interval.duration, Duration::from_millis(500));
    assert!(interval.is_sending());
}

#[tokio::test]
async fn nothing_waits_for_a_line_that_is_gone() {
    let (conn, mut publisher, server) = publish_with(ClientConn::builder()).await;
    for at in 0..40 {
        publisher.send(video(at, 10_000)).await.unwrap();
    }
    settle().await;
    assert!(conn.health().queued_messages > 0);
    drop(server);
    settle().await;
    assert_eq!(conn.health().queued_messages, 0);
}

#[tokio::test]
async fn acknowledged_bytes_and_the_round_trip_are_part_of_it() {
    let (conn, mut raw) = connect_raw().await;
    let mut events = conn.events();
    let before = conn.health();
    assert_eq!((before.bytes_acknowledged, before.round_trip), (0, None));
    assert_eq!(before.bytes_in_flight(), before.bytes_sent);
    raw.send_message(Message::Control(Control::Acknowledgement(100)))
        .await;
    assert!(matches!(events.recv().await, Some(Event::Acknowledgement(100))));
    let after = conn.health();
    assert_eq!(after.bytes_acknowledged, 100);
    assert_eq!(after.bytes_in_flight(), after.bytes_sent - 100);
    // A control message of four bytes behind a header of twelve.
    assert_eq!(after.since(&before).bytes_received, 16);
    assert_eq!(
        (after.bytes_received, after.bytes_sent),
        (conn.bytes_received(), conn.bytes_sent())
    );
}
