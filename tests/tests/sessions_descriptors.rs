//! A server that runs out of descriptors. In a process of its own, because all tests of a process share them.
#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use rtmp_server::Observers;
use rtmp_tests::{Peer, RunningServer};
use tokio::net::TcpStream;
use tokio::time::timeout;

const INSIDE: &str = "RTMP_TESTS_FEW_DESCRIPTORS";

#[test]
fn the_accept_loop_goes_on_when_there_are_descriptors_again() {
    if std::env::var_os(INSIDE).is_some() {
        return exhaust_and_recover();
    }
    let this = std::env::current_exe().unwrap();
    let limited = Command::new("sh")
        .args(["-c", "ulimit -n 40 && exec \"$0\""])
        .arg(this)
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
