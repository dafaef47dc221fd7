//! Futures that are dropped half way.

use std::future::Future;
use std::pin::pin;

use futures::FutureExt;
use rtmp_client::{
    ClientConn, ConnectRequest, ConnectionStatus, PlayOptions, PlayRequest, PublishKind, Status, StatusCode,
    Transition,
};
use rtmp_core::conn::ServerEvent;
use tokio::task::yield_now;

use crate::support::{
    Server, connect, connect_raw, create_stream_raw, dial_with, play, publish, settle, stream_id, video,
};

/// Polls a future so many times, lets the other tasks run between, and drops it. Says whether it was done.
async fn poll_times<T>(times: usize, future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if (&mut future).now_or_never().is_some() {
            return true;
        }
        yield_now().await;
    }
    false
}

/// Accepts whatever the client asks for.
async fn serve(mut server: Server) {
    while let Some(event) = server.next().await {
        match event {
            ServerEvent::Connect(_) => server.machine.accept_connect(&Default::default()).unwrap(),
            ServerEvent::Publish { stream, .. } => server.machine.accept_publish(stream).unwrap(),
            ServerEvent::Play { stream, .. } => server.machine.accept_play(stream).unwrap(),
            ServerEvent::Pause { stream, paused, .. } => {
                server.machine.confirm_pause(stream, paused).unwrap()
            }
            ServerEvent::Seek { stream, position } => server.machine.accept_seek(stream, position).unwrap(),
            ServerEvent::Transition { stream, .. } => server.machine.accept_transition(stream).unwrap(),
            ServerEvent::StreamLength { transaction, .. } => {
                server.machine.answer_stream_length(transaction, None).unwrap();
            }
            ServerEvent::Call { command, .. } => {
                server
                    .machine
                    .answer_call(command.transaction, Ok(1.into()))
                    .unwrap();
            }
            _ => {}
        }
    }
}

/// Creates a stream, publishes and plays: what a connection has to be good for.
async fn assert_usable(conn: &ClientConn) {
    settle().await;
    assert_eq!(
        conn.status(),
        ConnectionStatus::Connected,
        "a stream is left over"
    );
    let stream = conn.create_stream().await.unwrap();
    // The server gives the numbers of deleted streams again.
    assert_eq!(stream.id(), stream_id(1));
    stream
        .publish("cam", PublishKind::Live)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    let stream = conn.create_stream().await.unwrap();
    stream
        .play(PlayRequest::new("cam"))
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
}

#[tokio::test]
async fn every_command_can_be_dropped_at_every_await() {
    let (conn, server) = connect().await;
    let server = tokio::spawn(serve(server));
    let mut done = [false; 5];
    for times in 0..40 {
        done[0] = poll_times(times, conn.create_stream()).await;
        assert_usable(&conn).await;
        done[1] = poll_times(times, conn.call("hello", vec![])).await;
        assert_usable(&conn).await;
        let stream = conn.create_stream().await.unwrap();
        done[2] = poll_times(times, stream.publish("cam", PublishKind::Live)).await;
        drop(stream);
        assert_usable(&conn).await;
        let stream = conn.create_stream().await.unwrap();
        done[3] = poll_times(times, stream.play(PlayRequest::new("cam"))).await;
        drop(stream);
        assert_usable(&conn).await;
        let stream = conn.create_stream().await.unwrap();
        let publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
        done[4] = poll_times(times, publisher.finish()).await;
        drop(stream);
        assert_usable(&conn).await;
    }
    // The last round took each to its end, so the rounds before have stopped at every await.
    assert_eq!(done, [true; 5]);
    drop(conn);
    server.await.unwrap();
}

#[tokio::test]
async fn what_is_sent_besides_commands_can_be_dropped_at_every_await() {
    let (conn, server) = connect().await;
    let server = tokio::spawn(serve(server));
    let mut done = [false; 6];
    for times in 0..20 {
        done[0] = poll_times(times, conn.ping()).await;
        done[1] = poll_times(times, conn.set_window_ack_size(100_000)).await;
        done[2] = poll_times(times, conn.stream_length("cam")).await;
        assert_usable(&conn).await;
        let stream = conn.create_stream().await.unwrap();
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        done[3] = poll_times(times, stream.receive_audio(true)).await;
        done[4] = poll_times(times, stream.receive_video(true)).await;
        let options = PlayOptions::new("cam 2", Transition::Switch);
        done[5] = poll_times(times, stream.transition(options)).await;
        stream
            .transition(PlayOptions::new("cam 3", Transition::Switch))
            .await
            .unwrap();
        while poll_times(1, playback.recv()).await {}
        playback.close().await.unwrap();
        drop(stream);
        assert_usable(&conn).await;
    }
    assert_eq!(done, [true; 6]);
    drop(conn);
    server.await.unwrap();
}

#[tokio::test]
async fn a_dropped_connect_is_not_sent_or_connects() {
    for times in 0..10 {
        let (conn, server) = dial_with(ClientConn::builder()).await;
        let server = tokio::spawn(serve(server));
        poll_times(times, conn.connect(ConnectRequest::default())).await;
        settle().await;
        match conn.status() {
            ConnectionStatus::HandshakeDone => drop(conn.connect(ConnectRequest::default()).await.unwrap()),
            status => assert_eq!(status, ConnectionStatus::Connected),
        }
        assert_usable(&conn).await;
        drop(conn);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_was_dropped_before_the_driver_saw_it_is_not_sent() {
    let (conn, mut raw) = connect_raw().await;
    assert!(conn.create_stream().now_or_never().is_none());
    assert!(conn.call("first", vec![]).now_or_never().is_none());
    assert!(conn.call("second", vec![]).now_or_never().is_none());
    let call = conn.call("third", vec![]);
    tokio::select! {
        _ = call => panic!("nobody has answered"),
        // Nothing has come before it.
        _ = raw.expect("third") => {}
    }
}

#[tokio::test]
async fn a_stream_that_nobody_waits_for_any_more_is_deleted_when_it_comes() {
    let (conn, mut raw) = connect_raw().await;
    let create = {
        let creating = pin!(conn.create_stream());
        tokio::select! {
            _ = creating => panic!("nobody has answered"),
            create = raw.expect("createStream") => create,
        }
    };
    raw.send(
        0,
        rtmp_client::Command::result(create.transaction).with_argument(6),
    )
    .await;
    assert_eq!(raw.expect("deleteStream").await.number_argument(0), Some(6.0));
}

#[tokio::test]
async fn a_publication_that_nobody_waits_for_any_more_is_ended_when_it_starts() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    {
        let publishing = pin!(stream.publish("cam", PublishKind::Live));
        tokio::select! {
            _ = publishing => panic!("nobody has answered"),
            _ = raw.expect_publish() => {}
        }
    }
    raw.send_status(1, Status::new(StatusCode::PublishStart, ""))
        .await;
    raw.expect("FCUnpublish").await;
    raw.expect("deleteStream").await;
}

#[tokio::test]
async fn dropped_sends_and_receives_lose_nothing() {
    let (_conn, mut publisher, server) = publish().await;
    let receiving = tokio::spawn(async move {
        let mut server = server;
        let mut times = Vec::new();
        while let Some(event) = server.next().await {
            if let ServerEvent::Media { message, .. } = event {
                times.push(message.timestamp.as_millis());
            }
        }
        times
    });
    let mut sent = Vec::new();
    for at in 0..500 {
        if poll_times(1, publisher.send(video(at, 3000))).await {
            sent.push(at);
        }
    }
    assert!(sent.len() < 500, "no send had to wait");
    publisher.finish().await.unwrap();
    drop(_conn);
    assert_eq!(receiving.await.unwrap(), sent);

    let (_conn, mut playback, mut server) = play().await;
    let sending = tokio::spawn(async move {
        for at in 0..500 {
            server.send(stream_id(1), &video(at, 3000)).await;
        }
        server.machine.end_play(stream_id(1)).unwrap();
        server.flush().await;
        server.next().await;
    });
    let mut next = 0;
    loop {
        let mut received = None;
        poll_times(1, async { received = Some(playback.recv().await.unwrap()) }).await;
        match received {
            None => {}
            Some(None) => break,
            Some(Some(message)) => {
                assert_eq!(message, video(next, 3000));
                next += 1;
            }
        }
    }
    assert_eq!(next, 500);
    drop((playback, _conn));
    sending.await.unwrap();
}
