//! How connections, streams and their handles end.

use futures::{SinkExt, StreamExt};
use rtmp_client::{CloseReason, ConnectionStatus, Error, Event, Operation, PlayRequest, PublishKind};
use rtmp_core::conn::ServerEvent;

use crate::support::{
    connect, connect_raw, create_stream_raw, dial_raw, play, publish, settle, stream_id, video,
};

#[tokio::test]
async fn dropping_the_last_handle_closes_the_line() {
    let (conn, mut raw) = dial_raw().await;
    drop(conn.clone());
    let serve = raw.next();
    tokio::pin!(serve);
    tokio::select! {
        biased;
        command = &mut serve => panic!("{command:?}"),
        () = settle() => {}
    }
    drop(conn);
    assert!(serve.await.is_none());
}

#[tokio::test]
async fn streams_publishers_and_playbacks_keep_the_connection() {
    let (conn, publisher, mut server) = publish().await;
    let stream = publisher.stream().clone();
    drop((conn, stream));
    settle().await;
    let events = async {
        assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
        assert!(server.next().await.is_none());
    };
    tokio::pin!(events);
    tokio::select! {
        biased;
        () = &mut events => panic!("the connection has gone before its publisher"),
        () = settle() => {}
    }
    drop(publisher);
    events.await;

    let (conn, playback, mut server) = play().await;
    drop(conn);
    server.send(stream_id(1), &video(0, 10)).await;
    settle().await;
    drop(playback);
    assert!(matches!(server.next().await, Some(ServerEvent::StopPlay { .. })));
    assert!(server.next().await.is_none());
}

#[tokio::test]
async fn what_a_dropped_publisher_has_queued_is_still_sent() {
    let (conn, mut publisher, mut server) = publish().await;
    for at in 0..50 {
        publisher.send(video(at, 10_000)).await.unwrap();
    }
    drop((publisher, conn));
    for at in 0..50 {
        assert_eq!(server.media().await, video(at, 10_000));
    }
    assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
    assert!(server.next().await.is_none());
}

#[tokio::test]
async fn a_dropped_publisher_deletes_its_stream_and_no_other() {
    let (conn, publisher, mut server) = publish().await;
    let stream = publisher.stream().clone();
    let client = async {
        let other = conn.create_stream().await.unwrap();
        let other = other.publish("other", PublishKind::Live).await.unwrap();
        drop(publisher);
        other
    };
    let (other, _) = tokio::join!(client, server.accept_publish());
    match server.next().await {
        Some(ServerEvent::Unpublish { stream }) => assert_eq!(stream, stream_id(1)),
        event => panic!("{event:?}"),
    }
    assert_eq!(other.stream().id(), stream_id(2));
    let error = stream.publish("cam", PublishKind::Live).await.unwrap_err();
    assert_eq!(error.to_string(), "can not publish on stream 1, which is closed");
    other.finish().await.unwrap();
    assert_eq!(conn.status(), ConnectionStatus::Connected);
}

#[tokio::test]
async fn a_stream_that_nobody_uses_is_deleted_with_its_last_handle() {
    let (_conn, stream, mut raw) = create_stream_raw(4).await;
    drop(stream.clone());
    drop(stream);
    assert_eq!(raw.expect("deleteStream").await.number_argument(0), Some(4.0));
}

#[tokio::test]
async fn close_sends_what_is_queued_and_deletes_the_streams() {
    let (conn, mut publisher, mut server) = publish().await;
    for at in 0..50 {
        publisher.send(video(at, 10_000)).await.unwrap();
    }
    let serve = async {
        for at in 0..50 {
            assert_eq!(server.media().await, video(at, 10_000));
        }
        assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
        assert!(server.next().await.is_none());
        drop(server);
    };
    let (closed, ()) = tokio::join!(conn.close(), serve);
    closed.unwrap();
    assert_eq!(conn.status(), ConnectionStatus::Closed);
    assert!(matches!(conn.close_reason(), Some(CloseReason::Local)));
    let error = publisher.send(video(0, 10)).await.unwrap_err();
    assert!(matches!(
        error,
        Error::Closed {
            operation: Operation::Send,
            reason: CloseReason::Local
        }
    ));
    conn.close().await.unwrap();
}

#[tokio::test]
async fn close_ends_playbacks_and_finishes_publishers() {
    let (conn, mut playback, mut server) = play().await;
    let (closed, ended, _) = tokio::join!(conn.close(), playback.recv(), async {
        while server.next().await.is_some() {}
        drop(server);
    });
    closed.unwrap();
    assert_eq!(ended.unwrap(), None);
    playback.close().await.unwrap();

    let (conn, publisher, mut server) = publish().await;
    let (finished, closed, _) = tokio::join!(publisher.finish(), conn.close(), async {
        while server.next().await.is_some() {}
        drop(server);
    });
    finished.unwrap();
    closed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_close_its_side_is_not_waited_for_long() {
    let (conn, mut raw) = connect_raw().await;
    let started = tokio::time::Instant::now();
    conn.close().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    assert!(raw.next().await.is_none());
}

#[tokio::test]
async fn losing_queued_media_makes_close_fail() {
    let (conn, mut publisher, server) = publish().await;
    for at in 0..30 {
        publisher.send(video(at, 10_000)).await.unwrap();
    }
    let (closed, ()) = tokio::join!(conn.close(), async { drop(server) });
    assert!(matches!(
        closed,
        Err(Error::Closed {
            operation: Operation::Close,
            ..
        })
    ));
}

#[tokio::test]
async fn the_servers_close_is_obeyed() {
    let (conn, mut server) = connect().await;
    let mut events = conn.events();
    server.machine.close().unwrap();
    server.flush().await;
    drop(server);
    while let Some(event) = events.next().await {
        if let Event::Closed { reason } = event {
            assert!(matches!(reason, CloseReason::CloseRequested));
            return;
        }
    }
    panic!("no reason");
}

#[tokio::test]
async fn media_handles_are_a_sink_and_a_stream() {
    let (conn, mut publisher, mut server) = publish().await;
    let sent = futures::stream::iter((0..100).map(|at| Ok(video(at, 1000))));
    let client = async {
        publisher.send_all(&mut sent.boxed()).await.unwrap();
        SinkExt::close(&mut publisher).await.unwrap();
        assert_eq!(publisher.progress().messages_queued, 0);
        drop((publisher, conn));
    };
    let serve = async {
        for at in 0..100 {
            assert_eq!(server.media().await, video(at, 1000));
        }
    };
    tokio::join!(client, serve);

    let (_conn, playback, mut server) = play().await;
    let serve = async {
        for at in 0..100 {
            server.send(stream_id(1), &video(at, 1000)).await;
        }
        server.machine.notify_unpublished(stream_id(1)).unwrap();
        server.flush().await;
    };
    let (received, ()) = tokio::join!(playback.collect::<Vec<_>>(), serve);
    let received: Vec<_> = received.into_iter().map(Result::unwrap).collect();
    assert_eq!(received, (0..100).map(|at| video(at, 1000)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_can_play_again_after_its_end() {
    let (_conn, mut playback, mut server) = play().await;
    server.machine.end_play(stream_id(1)).unwrap();
    server.flush().await;
    assert_eq!(playback.recv().await.unwrap(), None);
    let stream = playback.stream().clone();
    let (again, (_, name)) = tokio::join!(stream.play(PlayRequest::new("encore")), async {
        match server.next().await {
            Some(ServerEvent::Play { stream, request }) => {
                server.machine.accept_play(stream).unwrap();
                server.send(stream, &video(0, 10)).await;
                (stream, request.name().to_owned())
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(name, "encore");
    assert_eq!(again.unwrap().recv().await.unwrap(), Some(video(0, 10)));
}

#[test]
fn a_runtime_that_shuts_down_leaves_no_one_waiting() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (conn, raw) = runtime.block_on(dial_raw());
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let error = other.block_on(conn.create_stream()).unwrap_err();
    assert!(matches!(
        error,
        Error::Closed {
            reason: CloseReason::RuntimeShutdown,
            ..
        }
    ));
    assert_eq!(conn.status(), ConnectionStatus::Closed);
    drop(raw);
}

#[tokio::test]
async fn late_media_of_a_deleted_stream_are_not_anothers() {
    let (conn, first, mut server) = play().await;
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        stream.play(PlayRequest::new("other")).await.unwrap()
    };
    let (mut second, _) = tokio::join!(client, server.accept_play());
    drop(first);
    settle().await;
    server.send(stream_id(1), &video(1, 10)).await;
    server.send(stream_id(2), &video(2, 10)).await;
    assert_eq!(second.recv().await.unwrap(), Some(video(2, 10)));
}
