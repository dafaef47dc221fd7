//! A process that stands still, stopped or asleep with its machine: all its deadlines pass at once. Here the clock jumps
//! while no task runs, and the server answers only afterwards.

use std::future::Future;
use std::io;
use std::time::Duration;

use rtmp_client::{ClientConn, CloseReason, ConnectRequest, ConnectionStatus, Error, Operation};
use tokio::io::duplex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use crate::support::*;

/// Lets everything happen that needs no time, and then nothing for longer than any deadline.
async fn stand_still() {
    settle().await;
    advance(Duration::from_secs(300)).await;
    settle().await;
}

/// It is given up after so many seconds, while doing this.
async fn assert_times_out<T: std::fmt::Debug>(
    seconds: u64,
    expected: Operation,
    what: impl Future<Output = Result<T, Error>>,
) {
    let begun = Instant::now();
    match what.await.unwrap_err() {
        Error::Timeout { operation, .. } => assert_eq!(operation, expected),
        other => panic!("{other:?}"),
    }
    // Timers are exact to a millisecond.
    assert_eq!((begun.elapsed() + Duration::from_millis(500)).as_secs(), seconds);
}

fn spawn<T: Send + 'static>(
    what: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> JoinHandle<Result<T, Error>> {
    tokio::spawn(what)
}

#[tokio::test(start_paused = true)]
async fn the_opening_of_a_line_has_its_time_once_more() {
    for goes_on in [true, false] {
        let (open, opened) = oneshot::channel();
        let (ours, theirs) = duplex(LINE);
        let parts = std::sync::Mutex::new(Some((opened, ours)));
        let builder = ClientConn::builder().connector(move |_| {
            let parts = parts.lock().unwrap().take();
            async move {
                let (opened, line) = parts.ok_or(io::ErrorKind::ConnectionRefused)?;
                let _ = opened.await;
                // What has come is looked at in a turn of its own.
                sleep(Duration::from_millis(1)).await;
                Ok(line)
            }
        });
        let dialling = spawn(async move { builder.dial(URL).await });
        stand_still().await;
        if goes_on {
            open.send(()).unwrap();
            let _raw = Raw::accept(theirs).await;
            dialling.await.unwrap().unwrap();
        } else {
            let begun = Instant::now();
            let error = dialling.await.unwrap().unwrap_err();
            assert!(matches!(error, Error::Connector { .. }), "{error:?}");
            assert_eq!((begun.elapsed() + Duration::from_millis(500)).as_secs(), 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time_once_more() {
    for goes_on in [true, false] {
        let (ours, theirs) = duplex(LINE);
        let opening = spawn(async move { ClientConn::builder().from_io(ours, URL).await });
        stand_still().await;
        if goes_on {
            let _raw = Raw::accept(theirs).await;
            opening.await.unwrap().unwrap();
        } else {
            assert_times_out(10, Operation::Handshake, async { opening.await.unwrap() }).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commands_have_their_time_once_more() {
    let (conn, mut raw) = dial_raw().await;
    let (connected, ()) = tokio::join!(conn.connect(ConnectRequest::default()), async {
        stand_still().await;
        raw.accept_connect().await;
    });
    connected.unwrap();
    let (stream, ()) = tokio::join!(conn.create_stream(), async {
        stand_still().await;
        raw.accept_create_stream(1).await;
    });
    stream.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_answer_ends_after_its_second_time() {
    let (conn, mut raw) = connect_raw().await;
    let call = spawn({
        let conn = conn.clone();
        async move { conn.call("sum", vec![]).await }
    });
    raw.expect("sum").await;
    stand_still().await;
    assert_times_out(10, Operation::Call("sum".into()), async { call.await.unwrap() }).await;
    assert_eq!(conn.status(), ConnectionStatus::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_write_has_its_time_once_more() {
    for goes_on in [true, false] {
        let (conn, mut publisher, mut server) = publish().await;
        // Much more than the line holds.
        let sent = video(0, 4 * LINE);
        publisher.send(sent.clone()).await.unwrap();
        stand_still().await;
        assert_eq!(conn.status(), ConnectionStatus::StreamCreated);
        if goes_on {
            assert_eq!(server.media().await, sent);
            continue;
        }
        let begun = Instant::now();
        publisher.flush().await.unwrap_err();
        assert_eq!((begun.elapsed() + Duration::from_millis(500)).as_secs(), 10);
        assert!(matches!(
            conn.close_reason(),
            Some(CloseReason::Timeout {
                operation: Operation::Write,
                ..
            })
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_asked_for_life_has_its_time_once_more() {
    for goes_on in [true, false] {
        let (conn, mut raw) = connect_raw().await;
        // It was pinged half a minute after its last word.
        sleep(Duration::from_secs(31)).await;
        stand_still().await;
        assert_eq!(conn.status(), ConnectionStatus::Connected);
        if goes_on {
            let (stream, ()) = tokio::join!(conn.create_stream(), raw.accept_create_stream(1));
            stream.unwrap();
            continue;
        }
        let begun = Instant::now();
        while raw.next_message().await.is_some() {}
        assert_eq!((begun.elapsed() + Duration::from_millis(500)).as_secs(), 30);
    }
}
