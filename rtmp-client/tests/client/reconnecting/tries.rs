//! How often, how soon and how long a connection is tried again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtmp_client::reconnect::{ReconnectEvent, ReconnectPolicy, WhenDown};
use rtmp_client::{Error, Operation, StatusCode};
use tokio::time::{Instant, sleep};

use super::{Told, accept_player, accept_publisher, keyframe, playback, publisher, refuse_publisher};
use crate::support::{Server, dialled_lines, settle, stream_id, text};

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_tried_again() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut first = publisher(builder.clone(), told.policy());
    // A name that is taken is so for the first connection, too.
    for code in [StatusCode::PublishDenied, StatusCode::PublishBadName] {
        let mut refused = publisher(builder.clone(), told.policy());
        let (error, ()) = tokio::join!(refused.connect(), refuse_publisher(&mut lines, code.clone()));
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_eq!(error.status().unwrap().code, code);
        // It stays so.
        let error = refused.send(keyframe(0)).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::WrongState {
                    operation: Operation::Send,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    let (_, (_, _, server)) = tokio::join!(first.connect(), accept_publisher(&mut lines));
    drop(server);
    settle().await;
    told.take();
    let mut first = first.when_down(WhenDown::Wait);
    let serve = async {
        // Our own connection may still be there for the server.
        refuse_publisher(&mut lines, StatusCode::PublishBadName).await;
        refuse_publisher(&mut lines, StatusCode::PublishDenied).await;
    };
    let (error, ()) = tokio::join!(first.send(keyframe(0)), serve);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::GaveUp { retries: 2, .. }), "{error:?}");
    assert_eq!(
        text(&error),
        "gave up at retry 2: the server refused to publish: NetStream.Publish.Denied (no)"
    );
    assert!(!error.is_retryable());
    assert_eq!(told.take().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn tries_are_counted_and_their_delays_grow() {
    let (builder, lines) = dialled_lines();
    drop(lines);
    let begun = Instant::now();
    let tries = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&tries);
    let policy = ReconnectPolicy::default()
        .delays(Duration::from_secs(2), Duration::from_secs(10))
        .max_retries(4)
        .on_event(move |event| {
            if let ReconnectEvent::Failed { number, .. } = event {
                heard
                    .lock()
                    .unwrap()
                    .push((*number, begun.elapsed().as_secs_f64()));
            }
        });
    let mut publisher = publisher(builder, policy);
    let error = publisher.connect().await.unwrap_err();
    assert_eq!(
        text(&error),
        "gave up at retry 4: can not open a line to example.org: connection refused"
    );
    assert!(error.is_retryable());
    let tries = tries.lock().unwrap();
    let mut before = 0.0;
    for ((number, at), (expected, longest)) in
        tries
            .iter()
            .zip([(0, 0.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0)])
    {
        assert_eq!(*number, expected);
        let delay = at - before;
        // The clock of the runtime counts whole milliseconds.
        assert!(delay >= longest / 2.0 && delay <= longest + 0.002, "{tries:?}");
        before = *at;
    }
    assert_eq!(tries.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_has_a_time_limit() {
    // Nobody accepts: each try takes the time of a handshake.
    let (builder, _lines) = dialled_lines();
    let policy = Told::default().policy().time_limit(Duration::from_secs(25));
    let mut playback = playback(builder, policy);
    let begun = Instant::now();
    let error = playback.recv().await.unwrap_err();
    assert_eq!(
        text(&error),
        "gave up at retry 2: it took longer than 25s to connect again"
    );
    assert_eq!(begun.elapsed().as_secs(), 25);
    assert_eq!(playback.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_goes_away_meets_growing_delays() {
    let (builder, mut lines) = dialled_lines();
    let policy = ReconnectPolicy::default()
        .delays(Duration::from_secs(1), Duration::from_secs(60))
        .max_retries(5);
    let mut playback = playback(builder, policy);
    let serving = tokio::spawn(async move {
        let mut times = Vec::new();
        while let Some((_, line)) = lines.recv().await {
            times.push(Instant::now());
            let mut server = Server::new(line);
            server.accept_connect().await;
            server.accept_play().await;
        }
        times
    });
    let error = playback.recv().await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { retries: 5, .. }), "{error:?}");
    drop(playback);
    let times = serving.await.unwrap();
    assert_eq!(times.len(), 6);
    assert!(times[5] - times[4] >= Duration::from_secs(8), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn counting_begins_anew_behind_a_stable_connection() {
    let (builder, mut lines) = dialled_lines();
    let mut playback = playback(builder, Told::default().policy().max_retries(1));
    let serving = tokio::spawn(async move {
        for _ in 0..4 {
            let (_, server) = accept_player(&mut lines).await;
            sleep(Duration::from_secs(10)).await;
            drop(server);
        }
        let (_, mut server) = accept_player(&mut lines).await;
        server.machine.end_play(stream_id(1)).unwrap();
        server.flush().await;
        while server.next().await.is_some() {}
    });
    assert_eq!(playback.recv().await.unwrap(), None);
    drop(playback);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_retries_an_error_is_as_it_is() {
    let (builder, mut lines) = dialled_lines();
    let mut playback = playback(builder, ReconnectPolicy::default().max_retries(0));
    let (_, (_, server)) = tokio::join!(playback.connect(), accept_player(&mut lines));
    drop(server);
    let error = playback.recv().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}
