//! Slow readers at both ends, and nobody reading at all.

use std::time::Duration;

use futures::FutureExt;
use rtmp_client::{
    ClientConn, ConnectionStatus, Event, MediaMessage, PlayRequest, PublishKind, Status, StatusCode,
    Timestamp,
};
use rtmp_core::conn::ServerEvent;
use rtmp_core::message::Message;

use crate::support::{
    LINE, connect, connect_raw, create_stream_raw, play_with, publish_with, settle, stream_id, video,
};

#[tokio::test]
async fn a_publisher_waits_while_the_server_does_not_read() {
    let builder = ClientConn::builder().media_capacity(8);
    let (_conn, mut publisher, mut server) = publish_with(builder).await;
    let mut sent = 0;
    loop {
        settle().await;
        match publisher.send(video(sent, 1000)).now_or_never() {
            Some(result) => result.unwrap(),
            None => break,
        }
        sent += 1;
    }
    // What the line, the output and the queue hold; the message that waited was not sent.
    let held = LINE as u32 / 1000 + (64 << 10) / 1000 + 8;
    assert!((held - 4..held + 4).contains(&sent), "{sent} of about {held}");
    let progress = publisher.progress();
    assert_eq!((progress.messages_queued, progress.bytes_queued), (8, 8000));
    assert_eq!(progress.messages_sent, u64::from(sent) - 8);
    let (finished, ()) = tokio::join!(publisher.finish(), async {
        for at in 0..sent {
            assert_eq!(server.media().await, video(at, 1000));
        }
        assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
    });
    finished.unwrap();
}

#[tokio::test]
async fn the_queue_of_a_publisher_is_bounded_in_bytes() {
    let builder = ClientConn::builder().media_capacity_bytes(100_000);
    let (_conn, mut publisher, _server) = publish_with(builder).await;
    for _ in 0..40 {
        settle().await;
        if publisher.send(video(0, 60_000)).now_or_never().is_none() {
            assert_eq!(publisher.progress().bytes_queued, 120_000);
            return;
        }
    }
    panic!("the queue has no end");
}

#[tokio::test]
async fn publishers_of_one_connection_are_served_in_turn() {
    let (conn, mut server) = connect().await;
    let greedy = async {
        let stream = conn.create_stream().await.unwrap();
        let mut publisher = stream.publish("greedy", PublishKind::Live).await.unwrap();
        loop {
            publisher.send(video(0, 20_000)).await.unwrap();
        }
    };
    let modest = async {
        let stream = conn.create_stream().await.unwrap();
        let mut publisher = stream.publish("modest", PublishKind::Live).await.unwrap();
        for at in 0..20 {
            publisher
                .send(MediaMessage::audio(Timestamp::from_millis(at), vec![1; 100]))
                .await
                .unwrap();
            publisher.flush().await.unwrap();
        }
    };
    let mut greedy_messages = 0;
    let serve = async {
        loop {
            match server.next().await {
                Some(ServerEvent::Publish { stream, .. }) => server.machine.accept_publish(stream).unwrap(),
                Some(ServerEvent::Media { message, .. }) if message.payload.len() == 20_000 => {
                    greedy_messages += 1
                }
                _ => {}
            }
        }
    };
    let greedy = async {
        let never: std::convert::Infallible = greedy.await;
        match never {}
    };
    tokio::select! {
        () = modest => {}
        () = greedy => {}
        () = serve => {}
    }
    assert!(
        greedy_messages < 400,
        "20 messages waited for {greedy_messages} others"
    );
}

#[tokio::test]
async fn a_player_that_does_not_read_holds_up_the_server() {
    let builder = ClientConn::builder().media_capacity(8);
    let (_conn, mut playback, mut server) = play_with(builder).await;
    let mut sent = 0;
    loop {
        settle().await;
        if server
            .send(stream_id(1), &video(sent, 1000))
            .now_or_never()
            .is_none()
        {
            break;
        }
        sent += 1;
    }
    // What the line, the input and the queue hold.
    assert!(sent < LINE as u32 / 1000 + (128 << 10) / 1000 + 8 + 4, "{sent}");
    for at in 0..sent {
        assert_eq!(playback.recv().await.unwrap(), Some(video(at, 1000)));
    }
}

#[tokio::test]
async fn a_held_up_connection_still_writes() {
    let builder = ClientConn::builder().media_capacity(4);
    let (conn, playback, mut server) = play_with(builder).await;
    for at in 0..20 {
        server.send(stream_id(1), &video(at, 100)).await;
    }
    settle().await;
    let call = conn.call("hello", vec![]);
    tokio::select! {
        biased;
        answer = call => panic!("{answer:?}"),
        event = server.next() => assert!(matches!(event, Some(ServerEvent::Call { .. }))),
    }
    drop(playback);
    assert!(matches!(server.next().await, Some(ServerEvent::StopPlay { .. })));
}

#[tokio::test(start_paused = true)]
async fn being_held_up_is_not_the_servers_silence() {
    let builder = ClientConn::builder().media_capacity(4);
    let (conn, mut playback, mut server) = play_with(builder).await;
    for at in 0..20 {
        server.send(stream_id(1), &video(at, 100)).await;
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(conn.status(), ConnectionStatus::StreamCreated);
    for at in 0..20 {
        assert_eq!(playback.recv().await.unwrap(), Some(video(at, 100)));
    }
}

/// The answer comes behind the media that are under way.
#[tokio::test]
async fn a_full_playback_can_be_paused_and_searched_before_it_is_read() {
    let builder = ClientConn::builder().media_capacity(8);
    let (_conn, mut playback, mut server) = play_with(builder).await;
    for at in 0..7 {
        server.send(stream_id(1), &video(at * 40, 100)).await;
    }
    let serve = async {
        for step in 0..3 {
            let event = server.next().await;
            for at in 0..2 {
                server.send(stream_id(1), &video(1000 + at * 40, 100)).await;
            }
            let stream = stream_id(1);
            match event {
                Some(ServerEvent::Pause {
                    paused: true,
                    position,
                    ..
                }) => {
                    assert_eq!((step, position), (0, Duration::from_millis(240)));
                    server.machine.confirm_pause(stream, true).unwrap();
                }
                Some(ServerEvent::Pause {
                    paused: false,
                    position,
                    ..
                }) => {
                    assert_eq!((step, position), (1, Duration::from_millis(1040)));
                    server.machine.confirm_pause(stream, false).unwrap();
                }
                Some(ServerEvent::Seek { position, .. }) => {
                    assert_eq!((step, position), (2, Duration::from_secs(90)));
                    server.machine.accept_seek(stream, position).unwrap();
                    server.send(stream, &video(90_000, 100)).await;
                }
                other => panic!("{other:?}"),
            }
            server.flush().await;
        }
    };
    let client = async {
        let stream = playback.stream().clone();
        settle().await;
        stream.pause().await.unwrap();
        stream.resume().await.unwrap();
        stream.seek(Duration::from_secs(90)).await.unwrap();
        // What came before the seek is gone.
        assert_eq!(playback.recv().await.unwrap(), Some(video(90_000, 100)));
        assert_eq!(playback.time(), Duration::from_secs(90));
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn headers_and_metadata_outlive_a_seek() {
    let (_conn, mut playback, mut server) = play_with(ClientConn::builder()).await;
    let metadata = MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09"[..]);
    let header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x64\0\x1f\xff"[..]);
    for message in [&metadata, &header, &video(0, 100)] {
        server.send(stream_id(1), message).await;
    }
    let serve = async {
        assert!(matches!(server.next().await, Some(ServerEvent::Seek { .. })));
        server
            .machine
            .accept_seek(stream_id(1), Duration::from_secs(2))
            .unwrap();
        server.send(stream_id(1), &video(2000, 100)).await;
    };
    let stream = playback.stream().clone();
    settle().await;
    tokio::join!(stream.seek(Duration::from_secs(2)), serve)
        .0
        .unwrap();
    for expected in [metadata, header, video(2000, 100)] {
        assert_eq!(playback.recv().await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn events_that_nobody_reads_push_out_the_oldest() {
    let (conn, mut raw) = connect_raw().await;
    drop(conn.events());
    let mut events = conn.events();
    for number in 0..200_u32 {
        let status = Status::new(StatusCode::from("NetConnection.Test"), number.to_string());
        raw.send_status(0, status).await;
    }
    settle().await;
    assert_eq!(events.lost(), 200 - 64);
    for number in 136..200_u32 {
        match events.recv().await {
            Some(Event::Status { status, .. }) => assert_eq!(status.description, number.to_string()),
            other => panic!("{other:?}"),
        }
    }
    drop(raw);
    assert!(matches!(events.recv().await, Some(Event::Closed { .. })));
    assert!(events.recv().await.is_none());
    assert!(matches!(conn.events().recv().await, Some(Event::Closed { .. })));
}

#[tokio::test]
async fn events_are_bounded_in_bytes() {
    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let events = conn.events();
    let serve = async {
        raw.expect("play").await;
        raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
        for _ in 0..16 {
            raw.send_status(0, Status::new(StatusCode::from("x"), "y".repeat(200_000)))
                .await;
        }
        raw.send_message(Message::Media {
            stream: stream_id(1),
            message: video(0, 10),
        })
        .await;
    };
    let client = async {
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        playback.recv().await.unwrap();
    };
    tokio::join!(client, serve);
    // Play.Start and 16 others, of which 6 fit below 1 MiB but for the last.
    assert_eq!(events.lost(), 17 - 6);
}

#[tokio::test]
async fn audio_overtakes_a_keyframe_on_a_slow_line_and_flushing_waits_for_both() {
    let (_conn, mut publisher, mut server) = publish_with(ClientConn::builder()).await;
    let audio = MediaMessage::audio(Timestamp::from_millis(10), vec![1; 300]);
    publisher.send(video(0, 500_000)).await.unwrap();
    publisher.send(audio.clone()).await.unwrap();
    publisher.send(video(40, 1000)).await.unwrap();
    settle().await;
    assert_eq!(server.media().await, audio);
    let mut flush = Box::pin(publisher.flush());
    settle().await;
    assert!((&mut flush).now_or_never().is_none());
    let read = async {
        assert!(server.media().await == video(0, 500_000));
        assert_eq!(server.media().await, video(40, 1000));
    };
    let (flushed, ()) = tokio::join!(flush, read);
    flushed.unwrap();
}

#[tokio::test]
async fn a_publication_that_ends_behind_a_keyframe_loses_nothing() {
    let (_conn, mut publisher, mut server) = publish_with(ClientConn::builder()).await;
    let audio = MediaMessage::audio(Timestamp::from_millis(10), vec![1; 300]);
    publisher.send(video(0, 500_000)).await.unwrap();
    publisher.send(audio.clone()).await.unwrap();
    let (finished, ()) = tokio::join!(publisher.finish(), async {
        settle().await;
        assert_eq!(server.media().await, audio);
        assert!(server.media().await == video(0, 500_000));
        assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
    });
    finished.unwrap();
}

#[tokio::test]
async fn the_servers_ping_is_answered_in_the_middle_of_a_keyframe() {
    let (_conn, mut publisher, mut server) = publish_with(ClientConn::builder()).await;
    publisher.send(video(0, 500_000)).await.unwrap();
    settle().await;
    server.machine.ping(Duration::from_millis(7)).unwrap();
    server.flush().await;
    let first = loop {
        settle().await;
        if let Some(event) = server.read_once().await {
            break event;
        }
    };
    assert!(matches!(first, ServerEvent::Pong(_)), "the keyframe came first");
    assert!(server.media().await == video(0, 500_000));
}
