//! The accept loop over real sockets: limits, shutdown, and ends that only sockets have.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::conn::ClientEvent;
#[cfg(target_os = "linux")]
use rtmp_core::message::PlayRequest;
use rtmp_core::message::{StatusCode, UserControl};
use rtmp_server::relay::RelayConfig;
use rtmp_server::{
    CloseReason, ConnectObserver, Observers, PublishObserver, Relay, Server, ServerConfig, ServerError,
    SessionInfo, StreamInfo,
};
#[cfg(target_os = "linux")]
use rtmp_server::{PlayGrant, Verdict};
use rtmp_tests::media::{audio, keyframe, padded, video_header};
use rtmp_tests::{Peer, Recorder, RunningServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_publisher_and_a_player_meet_over_sockets() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let server = RunningServer::start(recorder.observers().relay(relay.clone())).await;
    let mut publisher = server.peer("live").await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut player = server.peer("live").await;
    player.play("cam").await.unwrap();
    let sent = [video_header(0, 1), padded(keyframe(0, 2), 300_000), audio(20, 3)];
    publisher.send(stream, &sent).await;
    assert!(player.media(3).await == sent);
    drop((publisher, player));
    recorder
        .called("on_unpublish cam: the client closed the connection")
        .await;
    recorder
        .called("on_stop cam: the client closed the connection")
        .await;
    server.shutdown().await;
    assert_eq!(recorder.calls_with("on_disconnect").len(), 2);
    assert_eq!(relay.stream_count(), 0);
}

/// Ends a connection with a reset instead of in order.
fn reset(peer: Peer<TcpStream>) {
    let mut peer = peer;
    peer.io().set_zero_linger().unwrap();
    drop(peer);
}

#[tokio::test]
async fn a_reset_is_an_ordinary_end_and_the_name_is_free_at_once() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let server = RunningServer::start(recorder.observers().relay(relay.clone())).await;
    for round in 1..=3 {
        let mut publisher = server.peer("live").await;
        publisher.publish("cam").await.unwrap();
        reset(publisher);
        let end = "on_disconnect live: the client closed the connection";
        timeout(SOON, recorder.called_times(end, round)).await.unwrap();
        assert_eq!(
            recorder
                .calls_with("on_unpublish cam: the client closed the connection")
                .len(),
            round
        );
        assert_eq!(relay.stream_count(), 0);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_that_closes_its_writing_half_is_served_to_the_end_of_what_it_sent() {
    let recorder = Recorder::default();
    let server = RunningServer::start(recorder.observers()).await;
    let mut publisher = server.peer("live").await;
    let stream = publisher.publish("cam").await.unwrap();
    let many: Vec<_> = (0..500)
        .map(|number| padded(audio(number, number), 500))
        .collect();
    publisher.send(stream, &many).await;
    publisher.io().shutdown().await.unwrap();
    timeout(SOON, publisher.to_the_end()).await.unwrap();
    recorder.called("on_disconnect").await;
    assert_eq!(recorder.calls_with("on_message").len(), 500);
    server.shutdown().await;
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed_at_once() {
    let config = ServerConfig::default().max_connections(2);
    let recorder = Recorder::default();
    let server = RunningServer::with_config(recorder.observers(), config).await;
    let first = server.peer("live").await;
    let mut second = server.peer("live").await;
    let mut third = server.dial().await;
    let end = timeout(SOON, third.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    // The others do not notice, and a place that is given back is free.
    assert!(second.publish("cam").await.is_ok());
    drop(first);
    recorder.called("on_disconnect").await;
    // The accept loop learns of it a little later.
    let is_let_in = || async {
        let mut io = server.dial().await;
        io.write_all(&[3; 1537]).await.is_ok() && matches!(timeout(SOON, io.read(&mut [0])).await, Ok(Ok(1)))
    };
    while !is_let_in().await {}
    server.shutdown().await;
}

#[tokio::test]
async fn one_connection_of_an_address_more_than_allowed_is_closed_at_once_and_others_come_in() {
    let config = ServerConfig::default().max_connections_per_address(2);
    let recorder = Recorder::default();
    let server = RunningServer::with_config(recorder.observers(), config).await;
    let first = server.peer("live").await;
    let _second = server.peer("live").await;
    let mut third = server.dial().await;
    let end = timeout(SOON, third.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let from_elsewhere = tokio::net::TcpSocket::new_v4().unwrap();
    from_elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let from_elsewhere = from_elsewhere.connect(server.addr()).await.unwrap();
    Peer::connected(from_elsewhere, "live").await;
    drop(first);
    // The place is free once its session has ended.
    let is_let_in = || async {
        let mut io = server.dial().await;
        io.write_all(&[3; 1537]).await.is_ok() && matches!(timeout(SOON, io.read(&mut [0])).await, Ok(Ok(1)))
    };
    while !is_let_in().await {}
    server.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_tells_publishers_and_players_and_returns_when_all_have_left() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let server = RunningServer::start(recorder.observers().relay(relay.clone())).await;
    let mut publisher = server.peer("live").await;
    publisher.publish("cam").await.unwrap();
    let mut player = server.peer("live").await;
    player.play("cam").await.unwrap();
    let addr = server.addr();
    server.begin_shutdown();

    let status = publisher.status(StatusCode::UnpublishSuccess).await;
    assert_eq!(status.description, "the server shuts down");
    let events = publisher.to_the_end().await;
    assert!(matches!(events.last(), Some(ClientEvent::CloseRequested)));
    let events = player.to_the_end().await;
    let stopped = |event: &ClientEvent| matches!(event, ClientEvent::Status { status, .. } if status.code == StatusCode::PlayStop);
    assert!(events.iter().any(stopped));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, ClientEvent::UserControl(UserControl::StreamEof(_))))
    );
    assert!(matches!(events.last(), Some(ClientEvent::CloseRequested)));
    drop((publisher, player));
    timeout(SOON, server.shutdown()).await.unwrap();

    assert!(TcpStream::connect(addr).await.is_err());
    assert_eq!(relay.stream_count(), 0);
    let mut ends = recorder.calls_with(": the server shuts down");
    ends.sort_unstable();
    assert_eq!(
        ends,
        [
            "on_disconnect live: the server shuts down",
            "on_disconnect live: the server shuts down",
            "on_stop cam: the server shuts down",
            "on_unpublish cam: the server shuts down",
        ]
    );
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_clients_that_do_not_read_and_their_observers_hear_of_it() {
    let recorder = Recorder::default();
    let relay = Relay::new(RelayConfig::default());
    let config = ServerConfig::default().drain(Duration::from_millis(300));
    let server = RunningServer::with_config(recorder.observers().relay(relay.clone()), config).await;
    let mut stalled = server.peer("live").await;
    stalled.play("cam").await.unwrap();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for number in 0..20 {
        publisher.send(padded(keyframe(number, number), 1_000_000));
        tokio::task::yield_now().await;
    }
    // And one that has not even shaken hands.
    let silent = server.dial().await;
    let _ = Peer::connected(server.dial().await, "live").await;
    timeout(SOON, server.shutdown()).await.unwrap();
    assert_eq!(recorder.calls_with("on_stop cam: the server shuts down").len(), 1);
    assert!(
        !recorder
            .calls_with("on_disconnect live: the server shuts down")
            .is_empty()
    );
    drop((stalled, silent));
}

#[tokio::test]
async fn serve_until_ends_with_the_future_it_is_given() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(server.serve_until(stopped));
    stop.send(()).unwrap();
    timeout(SOON, task).await.unwrap().unwrap();
}

/// Holds up the end of each publication, and panics in each `on_disconnect`.
#[derive(Clone)]
struct Awkward(Arc<Semaphore>);

#[async_trait]
impl PublishObserver for Awkward {
    async fn on_unpublish(&self, _: &StreamInfo, _: &CloseReason) {
        self.0.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl ConnectObserver for Awkward {
    async fn on_disconnect(&self, _: &SessionInfo, _: &CloseReason) {
        panic!("as the test wants it");
    }
}

#[tokio::test]
async fn observers_that_hang_or_panic_hold_up_only_their_own_session() {
    let awkward = Awkward(Arc::new(Semaphore::new(0)));
    let recorder = Recorder::default();
    let relay = Relay::default();
    let observers = Observers::new().connect(awkward.clone()).publish(awkward.clone());
    let observers = observers.connect(recorder.clone()).relay(relay.clone());
    let server = RunningServer::start(observers).await;
    let mut hangs = server.peer("live").await;
    hangs.publish("cam").await.unwrap();
    drop(hangs);
    // The name is free although nobody knows yet.
    let again = async {
        loop {
            let mut peer = server.peer("live").await;
            if peer.publish("cam").await.is_ok() {
                return peer;
            }
        }
    };
    let again = timeout(SOON, again).await.unwrap();
    awkward.0.add_permits(2);
    drop(again);
    recorder.called("on_disconnect").await;
    assert!(server.peer("live").await.publish("other").await.is_ok());
    awkward.0.add_permits(10);
    server.shutdown().await;
}

/// Keeps the sessions that ask to play.
#[cfg(target_os = "linux")]
#[derive(Clone, Default)]
struct Players(Arc<std::sync::Mutex<Vec<SessionInfo>>>);

#[cfg(target_os = "linux")]
#[async_trait]
impl rtmp_server::PlayObserver for Players {
    async fn on_play(&self, session: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        self.0.lock().unwrap().push(session.clone());
        Verdict::accept()
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_takes_little_for_a_player_that_does_not_read() {
    let players = Players::default();
    let observers = Observers::new().play(players.clone()).relay(Relay::default());
    let server = RunningServer::start(observers).await;
    let mut stalled = server.peer("live").await;
    stalled.play("cam").await.unwrap();
    let mut publisher = server.peer("live").await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut player = server.peer("live").await;
    player.play("cam").await.unwrap();
    for number in 0..60 {
        let sent = padded(keyframe(number, number), 100_000);
        publisher.send(stream, std::slice::from_ref(&sent)).await;
        assert!(timeout(SOON, player.next_media()).await.unwrap() == sent);
    }
    // What is not sent yet, and what its own system holds for it.
    let sent = players.0.lock().unwrap()[0].statistics().bytes_sent;
    assert!((100_000..1_000_000).contains(&sent), "{sent} bytes");
    drop(stalled);
    server.shutdown().await;
}

#[tokio::test]
async fn what_can_not_be_bound_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for address in [
        addr.as_str(),
        "256.0.0.1:1935",
        "no-such-host.invalid:1935",
        "127.0.0.1",
        "192.0.2.1:0",
    ] {
        let error = Server::bind(address).await.expect_err(address);
        assert!(matches!(error, ServerError::Bind { .. }), "{error:?}");
        assert!(error.to_string().contains(address), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn many_clients_come_and_go_at_once() {
    let relay = Relay::default();
    let recorder = Recorder::default();
    let server = RunningServer::start(recorder.observers().relay(relay.clone())).await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..100_u32 {
        let addr = server.addr();
        clients.spawn(async move {
            let io = TcpStream::connect(addr).await.unwrap();
            let mut peer = Peer::connected(io, "live").await;
            match number % 4 {
                0 => reset(peer),
                1 => {
                    peer.publish(&format!("cam{number}")).await.unwrap();
                }
                2 => {
                    peer.play("cam1").await.unwrap();
                    reset(peer);
                }
                _ => {}
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    timeout(SOON, recorder.called_times("on_disconnect", 100))
        .await
        .unwrap();
    assert_eq!(recorder.calls_with("on_connect").len(), 100);
    assert_eq!(recorder.calls_with("on_unpublish").len(), 25);
    assert_eq!(recorder.calls_with("on_stop").len(), 25);
    assert_eq!(relay.stream_count(), 0);
    server.shutdown().await;
}
