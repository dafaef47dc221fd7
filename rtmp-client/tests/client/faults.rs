//! Servers that say nothing, and servers that go.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rtmp_client::{
    ClientConn, CloseReason, ConnectRequest, ConnectionStatus, Error, Event, Operation, PlayRequest,
    PublishKind, Status, StatusCode,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::time::{Instant, Sleep, sleep};

use crate::support::{
    LINE, Raw, Server, URL, connect, connect_raw, create_stream_raw, dial_raw, play, publish, stream_id,
    text, video,
};

fn assert_timeout(error: &Error, expected: Operation) {
    match error {
        Error::Timeout { operation, after } => {
            assert_eq!((operation, after), (&expected, &Duration::from_secs(10)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stops_half_way_times_out() {
    for answered in [0, 1, 1000, 3072] {
        let (ours, mut theirs) = duplex(LINE);
        let started = Instant::now();
        theirs.write_all(&vec![3; answered]).await.unwrap();
        let error = ClientConn::builder().from_io(ours, URL).await.unwrap_err();
        assert_timeout(&error, Operation::Handshake);
        assert_eq!(started.elapsed().as_secs(), 10);
    }
}

#[tokio::test]
async fn a_peer_that_is_no_rtmp_server_is_told_apart() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"",
            "the handshake with example.org failed: the connection ended before S0 was complete",
        ),
        (
            b"\x03abc",
            "the handshake with example.org failed: the connection ended before S1 was complete",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "the handshake with example.org failed: not RTMP: the first byte is 0x48, the peer seems to speak HTTP",
        ),
        (
            b"\x06",
            "the handshake with example.org failed: encrypted RTMP (version 6) is not supported",
        ),
    ];
    for (answer, expected) in cases {
        let (ours, mut theirs) = duplex(LINE);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        let error = ClientConn::builder().from_io(ours, URL).await.unwrap_err();
        assert_eq!(text(&error), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_not_answered_times_out_and_closes() {
    let (conn, raw) = dial_raw().await;
    let error = conn.connect(ConnectRequest::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "it took longer than 10s to connect");
    assert!(error.is_retryable());
    drop(raw);
    conn.close().await.unwrap();
    assert!(matches!(
        conn.close_reason(),
        Some(CloseReason::Timeout {
            operation: Operation::Connect,
            ..
        })
    ));
}

/// Says something every second for a minute, and never what is waited for.
async fn talk(raw: &mut Raw) {
    for _ in 0..60 {
        raw.send(0, rtmp_client::Command::new("onBWDone")).await;
        raw.send_status(0, Status::new(StatusCode::from("x"), "")).await;
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_talks_and_does_not_answer_has_no_more_time() {
    let (conn, mut raw) = dial_raw().await;
    tokio::select! {
        connected = conn.connect(ConnectRequest::default()) => {
            assert_timeout(&connected.unwrap_err(), Operation::Connect);
        }
        () = talk(&mut raw) => panic!("no deadline"),
    }
    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let ask = async {
        assert_timeout(&conn.create_stream().await.unwrap_err(), Operation::CreateStream);
        let played = stream.play(PlayRequest::new("cam")).await;
        assert_timeout(&played.unwrap_err(), Operation::Play);
    };
    tokio::select! {
        () = ask => {}
        () = talk(&mut raw) => panic!("no deadline"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_command_that_is_not_answered_times_out_by_name() {
    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let error = conn.create_stream().await.unwrap_err();
    assert_timeout(&error, Operation::CreateStream);
    raw.expect("createStream").await;
    let error = conn.call("sum", vec![]).await.unwrap_err();
    assert_timeout(&error, Operation::Call("sum".into()));
    let call = raw.expect("sum").await;
    let error = stream.publish("cam", PublishKind::Live).await.unwrap_err();
    assert_timeout(&error, Operation::Publish);
    raw.expect_publish().await;
    // Nobody is left to use the stream.
    raw.expect("FCUnpublish").await;
    raw.expect("deleteStream").await;
    // The late answer does not disturb the next call.
    raw.send(0, rtmp_client::Command::result(call.transaction)).await;
    let serve = async {
        let call = raw.expect("sum").await;
        raw.send(0, rtmp_client::Command::result(call.transaction).with_argument(3))
            .await;
    };
    let (answer, ()) = tokio::join!(conn.call("sum", vec![]), serve);
    assert_eq!(answer.unwrap().number_argument(0), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn play_pause_resume_and_seek_time_out_by_name() {
    let (_conn, stream, _raw) = create_stream_raw(1).await;
    let error = stream.play(PlayRequest::new("cam")).await.unwrap_err();
    assert_timeout(&error, Operation::Play);
    let (_conn, playback, _server) = play().await;
    let stream = playback.stream();
    assert_timeout(&stream.pause().await.unwrap_err(), Operation::Pause);
    assert_timeout(&stream.resume().await.unwrap_err(), Operation::Resume);
    assert_timeout(&stream.seek(Duration::ZERO).await.unwrap_err(), Operation::Seek);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_created_too_late_is_deleted() {
    let (conn, mut raw) = connect_raw().await;
    let error = conn.create_stream().await.unwrap_err();
    assert_timeout(&error, Operation::CreateStream);
    raw.accept_create_stream(3).await;
    assert_eq!(raw.expect("deleteStream").await.number_argument(0), Some(3.0));
    assert_eq!(conn.status(), ConnectionStatus::Connected);
}

fn assert_closed<T>(result: Result<T, Error>, expected: Operation) {
    match result.map(drop).unwrap_err() {
        Error::Closed {
            operation,
            reason: CloseReason::PeerClosed,
        } => assert_eq!(operation, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_goes_is_reported_at_every_stage() {
    let (conn, mut raw) = dial_raw().await;
    let (result, ()) = tokio::join!(conn.connect(ConnectRequest::default()), async {
        raw.expect("connect").await;
        drop(raw);
    });
    assert_closed(result, Operation::Connect);

    let (conn, mut raw) = connect_raw().await;
    let (result, ()) = tokio::join!(conn.create_stream(), async {
        raw.expect("createStream").await;
        drop(raw);
    });
    assert_closed(result, Operation::CreateStream);

    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let (result, ()) = tokio::join!(stream.publish("cam", PublishKind::Live), async {
        raw.expect_publish().await;
        drop(raw);
    });
    assert_closed(result, Operation::Publish);
    // What is asked of a closed connection fails the same way.
    assert_closed(conn.create_stream().await, Operation::CreateStream);
    assert_closed(stream.play(PlayRequest::new("cam")).await, Operation::Play);
    conn.close().await.unwrap();

    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let (result, ()) = tokio::join!(stream.play(PlayRequest::new("cam")), async {
        raw.expect("play").await;
        drop(raw);
    });
    assert_closed(result, Operation::Play);

    let (_conn, mut playback, server) = play().await;
    drop(server);
    assert_closed(playback.recv().await, Operation::Receive);
    assert_eq!(playback.recv().await.unwrap(), None);

    let (_conn, mut publisher, server) = publish().await;
    drop(server);
    let error = loop {
        if let Err(error) = publisher.send(video(0, 10)).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert!(
        matches!(
            error,
            Error::Closed {
                operation: Operation::Send,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(matches!(
        publisher.finish().await,
        Err(Error::Closed {
            operation: Operation::Close,
            ..
        })
    ));
}

#[tokio::test]
async fn what_the_server_said_before_it_went_is_still_heard() {
    let (_conn, mut playback, mut server) = play().await;
    server.send(stream_id(1), &video(0, 10)).await;
    server.send(stream_id(1), &video(40, 10)).await;
    drop(server);
    assert_eq!(playback.recv().await.unwrap(), Some(video(0, 10)));
    assert_eq!(playback.recv().await.unwrap(), Some(video(40, 10)));
    assert_closed(playback.recv().await, Operation::Receive);
}

#[tokio::test]
async fn broken_chunks_close_the_connection_with_the_cause() {
    let (conn, mut raw) = connect_raw().await;
    let mut events = conn.events();
    // A chunk of type 3 on a chunk stream that has no header.
    raw.send_bytes(&[0xff]).await;
    match events.recv().await {
        Some(Event::Closed { reason }) => assert!(matches!(reason, CloseReason::Protocol(_))),
        other => panic!("{other:?}"),
    }
    assert!(events.recv().await.is_none());
    let error = conn.create_stream().await.unwrap_err();
    assert_eq!(
        text(&error),
        "could not create a stream, the connection is closed: the server broke the protocol: reading chunks: chunk \
         of type 3 on chunk stream 63, which has no earlier header"
    );
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_pinged_and_then_given_up() {
    let (conn, raw) = connect_raw().await;
    let started = Instant::now();
    let mut events = conn.events();
    loop {
        match events.recv().await {
            Some(Event::Closed { reason }) => {
                assert!(matches!(
                    reason,
                    CloseReason::Timeout {
                        operation: Operation::Listen,
                        ..
                    }
                ));
                break;
            }
            Some(_) => {}
            None => panic!("no reason"),
        }
    }
    assert_eq!(started.elapsed().as_secs(), 60);
    drop(raw);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_pings_is_not_given_up() {
    let (conn, mut server) = connect().await;
    let served = tokio::time::timeout(Duration::from_secs(600), server.next());
    assert!(served.await.is_err(), "the client has closed the line");
    assert_eq!(conn.status(), ConnectionStatus::Connected);
    assert_eq!(conn.round_trip(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_is_given_up() {
    let (_conn, mut publisher, _server) = publish().await;
    let error = loop {
        if let Err(error) = publisher.send(video(0, 10_000)).await {
            break error;
        }
    };
    assert_eq!(
        text(&error),
        "could not send media, the connection is closed: it took longer than 10s to write anything to the line"
    );
}

#[tokio::test(start_paused = true)]
async fn a_publisher_to_a_mute_server_goes_on() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        raw.expect_publish().await;
        raw.send_status(1, Status::new(StatusCode::PublishStart, ""))
            .await;
        // It reads, and never says a word.
        assert!(raw.next().await.is_some());
        raw
    };
    let client = async {
        let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
        for at in 0..300 {
            sleep(Duration::from_secs(1)).await;
            publisher.send(video(at * 1000, 100)).await.unwrap();
        }
        publisher.finish().await.unwrap();
    };
    tokio::join!(client, serve);
}

/// A line with a buffer of its own, such as TLS, which takes a second to pass on what was written.
struct Buffered {
    io: DuplexStream,
    passing_on: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Buffered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.passing_on = Some(Box::pin(sleep(Duration::from_secs(1))));
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(passing_on) = &mut self.passing_on {
            ready!(passing_on.as_mut().poll(cx));
            self.passing_on = None;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_was_slow_to_pass_something_on_is_not_given_up_later() {
    let (ours, theirs) = duplex(LINE);
    let line = Buffered {
        io: ours,
        passing_on: None,
    };
    let mut server = Server::new(theirs);
    let client = async {
        let conn = ClientConn::builder().from_io(line, URL).await.unwrap();
        conn.connect(ConnectRequest::default()).await.unwrap();
        conn
    };
    let (conn, _) = tokio::join!(client, server.accept_connect());
    // Longer than a write may take, shorter than until the first ping.
    sleep(Duration::from_secs(20)).await;
    assert!(conn.close_reason().is_none(), "{:?}", conn.close_reason());
}
