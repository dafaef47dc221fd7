//! Thousands of connections that come and go.

use std::time::Duration;

use rtmp_core::message::StatusCode;
use rtmp_server::{Observers, Relay};
use rtmp_tests::media::{frame, keyframe, video_header};
use rtmp_tests::{Peer, Recorder, RunningServer, session};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_publisher_that_comes_and_goes_a_thousand_times_keeps_its_players() {
    let relay = Relay::default();
    let observers = Observers::new().relay(relay.clone());
    let (line, _session) = session(&observers);
    let mut player = Peer::connected(line, "live").await;
    player.play("cam").await.unwrap();
    for number in 0..1000 {
        let (line, session) = session(&observers);
        let mut publisher = Peer::connected(line, "live").await;
        let stream = publisher.publish("cam").await.unwrap();
        let sent = [
            video_header(number, number),
            keyframe(number, number),
            frame(number, number),
        ];
        publisher.send(stream, &sent).await;
        assert_eq!(timeout(SOON, player.media(3)).await.unwrap(), sent);
        drop(publisher);
        // The name is free when the session has ended, and not a moment later.
        session.ended().await;
    }
    drop(player);
}

/// Goes through the stages of a connection up to one of them, and leaves.
async fn visit(server: &RunningServer, number: u32) {
    let mut socket = server.dial().await;
    match number % 6 {
        0 => {}
        1 => {
            let _ = socket.write_all(&[3; 700]).await;
        }
        2 => Peer::new(socket).shake_hands().await,
        3 => drop(Peer::connected(socket, "live").await),
        4 => {
            let mut peer = Peer::connected(socket, "live").await;
            let stream = peer.publish(&format!("cam{number}")).await.unwrap();
            peer.send(stream, &[keyframe(0, number)]).await;
        }
        _ => {
            let mut peer = Peer::connected(socket, "live").await;
            let played = peer.play(&format!("cam{}", number - 1)).await;
            assert!(played.is_ok() || played.unwrap_err().code == StatusCode::PlayStreamNotFound);
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[tokio::test]
async fn ten_thousand_connections_through_all_stages_leave_nothing() {
    let relay = Relay::default();
    let recorder = Recorder::default();
    let server = RunningServer::start(recorder.observers().relay(relay.clone())).await;
    for round in 0..100 {
        let visits = (0..100).map(|number| visit(&server, round * 100 + number));
        timeout(SOON, futures::future::join_all(visits)).await.unwrap();
    }
    // The last of them may still be on their way out.
    timeout(SOON, async {
        while relay.stream_count() > 0
            || recorder.calls_with("on_connect ").len() > recorder.calls_with("on_disconnect ").len()
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let opened = recorder.calls_with("on_publish ").len();
    assert_eq!(opened, recorder.calls_with("on_unpublish ").len());
    assert!(opened > 1600, "{opened}");
    // Two for each of a hundred at most, if the system has not closed them yet: far from 10,000.
    assert!(descriptors() < 400, "{}", descriptors());
    let mut last = Peer::connected(TcpStream::connect(server.addr()).await.unwrap(), "live").await;
    last.publish("cam").await.unwrap();
    drop(last);
    server.shutdown().await;
}
