//! Publishers whose connection is lost.

use std::time::Duration;

use rtmp_client::reconnect::{ReconnectPolicy, ReconnectingPublisher, WhenDown};
use rtmp_client::{Error, MediaMessage, Timestamp};
use tokio::time::sleep;

use super::{
    Told, accept_publisher, frame, frame_at, keyframe, media_until_the_end, metadata, millis, publisher,
    video_header,
};
use crate::support::{Server, dialled_lines, settle};

fn audio_header(at: u32) -> MediaMessage {
    MediaMessage::audio(Timestamp::from_millis(at), &b"\xAF\0\x12\x10"[..])
}

/// The sequence header of another audio track, as Enhanced RTMP has it.
fn second_audio_header(at: u32) -> MediaMessage {
    MediaMessage::audio(Timestamp::from_millis(at), &b"\x95\x00mp4a\x01\x12\x10"[..])
}

#[tokio::test(start_paused = true)]
async fn a_publisher_goes_on_over_another_connection_with_its_configuration_and_a_keyframe() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder, told.policy());
    let (connected, (_, _, mut server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    connected.unwrap();
    let before = [
        metadata(0),
        video_header(0),
        audio_header(0),
        second_audio_header(0),
        keyframe(0),
        frame(40),
    ];
    for message in &before {
        publisher.send(message.clone()).await.unwrap();
        assert_eq!(&server.media().await, message);
    }
    drop(server);
    settle().await;

    let serving = tokio::spawn(async move {
        let (_, _, mut server) = accept_publisher(&mut lines).await;
        media_until_the_end(&mut server).await
    });
    let mut sent = 0;
    for at in (80..6000).step_by(40) {
        publisher.send(frame_at(at)).await.unwrap();
        sent += 1;
        sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(publisher.connections(), 2);
    let (dropped, progress) = (publisher.dropped(), publisher.progress());
    publisher.finish().await.unwrap();
    let after = serving.await.unwrap();

    let at = after[0].timestamp.as_millis();
    let again = [
        metadata(at),
        video_header(at),
        audio_header(at),
        second_audio_header(at),
        keyframe(at),
    ];
    assert_eq!(after[..5], again);
    assert_eq!(
        millis(&after[5..]),
        (at + 40..6000).step_by(40).collect::<Vec<_>>()
    );
    assert_eq!(dropped + after.len() as u64 - 4, sent);
    assert_eq!(progress.messages_sent, (before.len() + after.len()) as u64);
    assert_eq!(
        told.take(),
        [
            "attempt 0 at rtmp://example.org/live/cam",
            "connected 1",
            "connection lost: could not send media, the connection is closed: the server closed the line",
            "attempt 1 at rtmp://example.org/live/cam",
            "connected 2",
            "resumed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_publisher_without_video_goes_on_at_once() {
    let audio = |at| MediaMessage::audio(Timestamp::from_millis(at), &b"\xAF\x01\x21"[..]);
    let (builder, mut lines) = dialled_lines();
    let mut publisher = publisher(builder, Told::default().policy()).when_down(WhenDown::Wait);
    let (_, (_, _, server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    publisher.send(audio_header(0)).await.unwrap();
    publisher.send(audio(0)).await.unwrap();
    publisher.flush().await.unwrap();
    drop(server);
    settle().await;
    let (sent, (_, _, mut server)) = tokio::join!(publisher.send(audio(20)), accept_publisher(&mut lines));
    sent.unwrap();
    assert_eq!(server.media().await, audio_header(20));
    assert_eq!(server.media().await, audio(20));
    assert_eq!(publisher.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_waits_does_not_keep_the_publisher_from_connecting() {
    let (builder, mut lines) = dialled_lines();
    let policy = ReconnectPolicy::default().delays(Duration::ZERO, Duration::ZERO);
    let mut publisher = publisher(builder, policy);
    let (_, (_, _, server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    drop(server);
    settle().await;
    let serving = tokio::spawn(async move {
        let (_, _, mut server) = accept_publisher(&mut lines).await;
        server.media().await
    });
    let mut sent = 0;
    while publisher.connections() == 1 {
        assert!(sent < 1_000_000, "it never connects");
        publisher.send(keyframe(sent)).await.unwrap();
        sent += 1;
    }
    // The first one behind those that were dropped.
    assert_eq!(
        u64::from(serving.await.unwrap().timestamp.as_millis()),
        publisher.dropped()
    );
}

#[tokio::test]
async fn a_handle_that_is_dropped_while_it_connects_leaves_nothing_behind() {
    let (builder, mut lines) = dialled_lines();
    let mut publisher = publisher(builder, Told::default().policy());
    tokio::select! {
        connected = publisher.connect() => panic!("{connected:?}"),
        line = lines.recv() => {
            let mut server = Server::new(line.unwrap().1);
            drop(publisher);
            assert!(server.next().await.is_none());
        }
    }
    // The builder that dials is gone with it.
    assert!(lines.recv().await.is_none());
}

#[tokio::test]
async fn a_url_without_a_stream_is_refused_at_once() {
    let (builder, _lines) = dialled_lines();
    let policy = ReconnectPolicy::default();
    let error = ReconnectingPublisher::new(builder, "rtmp://example.org/live", policy).unwrap_err();
    assert!(matches!(error, Error::MissingStreamName));
}
