//! Futures that are dropped half way.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use rtmp_client::reconnect::{ReconnectPolicy, ReconnectingPlayback, ReconnectingPublisher, WhenDown};
use rtmp_client::{
    ClientConn, ConnectRequest, ConnectionStatus, MediaMessage, PlayOptions, PlayRequest, PublishKind,
    Status, StatusCode, Timestamp, Transition,
};
use rtmp_core::conn::ServerEvent;
use tokio::task::yield_now;

use crate::support::{
    Server, URL, connect, connect_raw, create_stream_raw, dial_with, dialled_lines, play, publish, settle,
    stream_id, video,
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

fn at_once() -> ReconnectPolicy {
    ReconnectPolicy::default().delays(Duration::ZERO, Duration::ZERO)
}

fn keyframe(at: u32) -> MediaMessage {
    MediaMessage::video(
        Timestamp::from_millis(at),
        [&b"\x17\x01\0\0\0"[..], &[0x65; 1000]].concat(),
    )
}

/// Each send is dropped after one poll until it is done, while the line is lost every hundred messages.
#[tokio::test]
async fn dropped_sends_lose_and_double_nothing_where_a_publisher_reconnects() {
    let (builder, mut lines) = dialled_lines();
    let policy = at_once();
    let mut publisher = ReconnectingPublisher::new(builder, URL, policy)
        .unwrap()
        .when_down(WhenDown::Wait);
    let receiving = tokio::spawn(async move {
        let mut times: Vec<Vec<u32>> = Vec::new();
        while let Some((_, line)) = lines.recv().await {
            let mut server = Server::new(line);
            server.accept_connect().await;
            server.accept_publish().await;
            let mut received = Vec::new();
            while let Some(event) = server.next().await {
                if let ServerEvent::Media { message, .. } = event {
                    received.push(message.timestamp.as_millis());
                }
                if received.len() == 100 {
                    break;
                }
            }
            times.push(received);
        }
        times
    });
    let mut dropped = 0;
    for at in 0..450 {
        while !poll_times(1, async { publisher.send(keyframe(at)).await.unwrap() }).await {
            dropped += 1;
        }
        // The server has what it reads before the next one, so that only a loss loses anything.
        while !poll_times(1, async { publisher.flush().await.unwrap() }).await {
            dropped += 1;
        }
        settle().await;
    }
    assert!(dropped > 4, "{dropped}");
    assert_eq!(publisher.dropped(), 0);
    let connections = publisher.connections();
    publisher.finish().await.unwrap();
    let times = receiving.await.unwrap();
    assert_eq!((times.len() as u64, connections), (5, 5));
    // Each of the messages is a keyframe, so that no other reason than a line lost behind it drops one.
    assert_eq!(times.concat(), (0..450).collect::<Vec<_>>());
}

#[tokio::test]
async fn dropped_receives_lose_nothing_where_a_playback_reconnects() {
    let (builder, mut lines) = dialled_lines();
    let mut playback = ReconnectingPlayback::new(builder, URL, at_once()).unwrap();
    let sending = tokio::spawn(async move {
        for round in 0..5 {
            let mut server = Server::new(lines.recv().await.unwrap().1);
            server.accept_connect().await;
            let (stream, _) = server.accept_play().await;
            for at in 0..20 {
                server.send(stream, &keyframe(round * 20 + at)).await;
            }
            if round == 4 {
                server.machine.end_play(stream).unwrap();
                server.flush().await;
                server.next().await;
            }
        }
    });
    let (mut next, mut dropped_receives) = (0, 0);
    loop {
        let mut received = None;
        poll_times(1, async { received = Some(playback.recv().await.unwrap()) }).await;
        match received {
            None => dropped_receives += 1,
            Some(None) => break,
            Some(Some(message)) => {
                assert_eq!(message, keyframe(next));
                next += 1;
            }
        }
    }
    assert_eq!((next, playback.connection()), (100, 5));
    assert!(dropped_receives > 4, "{dropped_receives}");
    drop(playback);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_dropped_wait_for_a_connection_lets_it_come() {
    let mut is_done = false;
    for times in 0..150 {
        let (builder, mut lines) = dialled_lines();
        let mut publisher = ReconnectingPublisher::new(builder, URL, at_once()).unwrap();
        let serving = tokio::spawn(async move { serve(Server::new(lines.recv().await.unwrap().1)).await });
        is_done = poll_times(times, publisher.connect()).await;
        publisher.send(keyframe(0)).await.unwrap();
        assert_eq!(publisher.connections(), 1);
        publisher.finish().await.unwrap();
        serving.await.unwrap();
    }
    assert!(is_done);
}
