//! A server that runs out of descriptors. In a process of its own, because all tests of a process share them.
#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use rtmp_server::{Observers, Relay};
use rtmp_tests::media::keyframe;
use rtmp_tests::{Peer, RunningServer};
use tokio::net::TcpStream;
use tokio::time::timeout;

const INSIDE: &str = "RTMP_TESTS_FEW_DESCRIPTORS";

#[test]
fn the_accept_loop_goes_on_when_there_are_descriptors_again() {
    with_few_descriptors(
        "the_accept_loop_goes_on_when_there_are_descriptors_again",
        exhaust_and_recover,
    );
}

/// What waits for the next message of a stream must not keep a connection that is gone.
#[test]
fn players_that_leave_while_nothing_comes_give_their_descriptors_back() {
    with_few_descriptors(
        "players_that_leave_while_nothing_comes_give_their_descriptors_back",
        play_and_leave,
    );
}

fn with_few_descriptors(test: &str, inside: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let this = std::env::current_exe().unwrap();
    let limited = Command::new("sh")
        .args(["-c", "ulimit -n 40 && exec \"$0\" --exact \"$1\""])
        .arg(this)
        .arg(test)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(
        limited.status.success(),
        "{}",
        String::from_utf8_lossy(&limited.stdout)
    );
}

#[tokio::main(flavor = "current_thread")]
async fn play_and_leave() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(keyframe(0, 1));
    let mut staying = [server.peer("live").await, server.peer("live").await];
    for player in &mut staying {
        player.play("cam").await.unwrap();
    }
    for _ in 0..100 {
        let player = async {
            let mut player = server.peer("live").await;
            player.play("cam").await.unwrap();
            player.next_media().await;
        };
        let played = timeout(Duration::from_secs(20), player).await;
        played.expect("a server that has descriptors");
    }
    server.shutdown().await;
}

#[tokio::main(flavor = "current_thread")]
async fn exhaust_and_recover() {
    let server = RunningServer::start(Observers::new()).await;
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(server.addr()).await {
        clients.push(client);
        assert!(clients.len() < 100, "the limit does not hold");
        // Every other connection is accepted, until that fails, too.
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(clients);
    let served = async {
        Peer::connected(server.dial().await, "live")
            .await
            .publish("cam")
            .await
    };
    let served = timeout(Duration::from_secs(20), served).await;
    assert!(served.expect("a server that accepts again").is_ok());
    server.shutdown().await;
}
