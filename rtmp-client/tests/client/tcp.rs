//! Dialling, over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use rtmp_client::reconnect::{ReconnectPolicy, ReconnectingPlayback};
use rtmp_client::{ClientConn, Error, RtmpUrl, pull, push};
use rtmp_core::conn::ServerEvent;
use tokio::net::TcpListener;

use crate::support::{Server, text, video};

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("rtmp://127.0.0.1:{port}/live/cam?token=1"))
}

#[tokio::test]
async fn push_publishes_what_the_url_names() {
    let (listener, url) = listen().await;
    let serve = async {
        let mut server = Server::new(listener.accept().await.unwrap().0);
        let connect = server.accept_connect().await;
        assert_eq!(connect.app(), "live");
        assert_eq!(
            connect.tc_url().unwrap(),
            url.strip_suffix("/cam?token=1").unwrap()
        );
        assert_eq!(server.accept_publish().await.1, "cam?token=1");
        for at in 0..100 {
            assert_eq!(server.media().await, video(at, 100_000));
        }
        assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
        assert!(server.next().await.is_none());
    };
    let client = async {
        let mut publisher = push(url.as_str()).await.unwrap();
        for at in 0..100 {
            publisher.send(video(at, 100_000)).await.unwrap();
        }
        publisher.finish().await.unwrap();
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn pull_plays_what_the_url_names() {
    let (listener, url) = listen().await;
    let serve = async {
        let mut server = Server::new(listener.accept().await.unwrap().0);
        server.accept_connect().await;
        let (stream, name) = server.accept_play().await;
        assert_eq!(name, "cam?token=1");
        for at in 0..100 {
            server.send(stream, &video(at, 100_000)).await;
        }
        assert!(matches!(server.next().await, Some(ServerEvent::StopPlay { .. })));
        assert!(server.next().await.is_none());
    };
    let client = async {
        let mut playback = pull(url.clone()).await.unwrap();
        for at in 0..100 {
            assert_eq!(playback.recv().await.unwrap(), Some(video(at, 100_000)));
        }
        playback.close().await.unwrap();
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn a_playback_dials_its_host_anew_when_the_line_is_lost() {
    let (listener, url) = listen().await;
    let url = url.replace("127.0.0.1", "localhost");
    let policy = ReconnectPolicy::default().delays(Duration::ZERO, Duration::ZERO);
    let mut playback = ReconnectingPlayback::new(ClientConn::builder(), url, policy).unwrap();
    let serve = async {
        for connection in 0..3 {
            let mut server = Server::new(listener.accept().await.unwrap().0);
            let connect = server.accept_connect().await;
            assert!(connect.tc_url().unwrap().starts_with("rtmp://localhost:"));
            let (stream, name) = server.accept_play().await;
            assert_eq!(name, "cam?token=1");
            server.send(stream, &video(connection, 100_000)).await;
            if connection == 2 {
                server.machine.end_play(stream).unwrap();
                server.flush().await;
                while server.next().await.is_some() {}
            }
        }
    };
    let client = async {
        for connection in 0..3 {
            let message = playback.recv().await.unwrap().unwrap();
            assert_eq!(message, video(connection, 100_000));
            assert_eq!(playback.connection(), u64::from(connection) + 1);
        }
        assert_eq!(playback.recv().await.unwrap(), None);
        playback.close().await.unwrap();
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn a_host_that_can_not_be_reached_is_named() {
    // Bound and not listening: nobody else gets the port meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let error = ClientConn::dial(format!("rtmp://{address}/live"))
        .await
        .unwrap_err();
    assert!(
        text(&error).starts_with(&format!(
            "can not reach 127.0.0.1 at {address}: Connection refused"
        )),
        "{}",
        text(&error)
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_local_address_is_dialled_from_and_chooses_the_family() {
    let (listener, url) = listen().await;
    let local: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let dialling = ClientConn::builder().local_addr(local);
    let (conn, peer) = tokio::join!(dialling.dial(url.as_str()), async {
        let (line, peer) = listener.accept().await.unwrap();
        let mut server = Server::new(line);
        tokio::spawn(async move { server.next().await });
        peer
    });
    conn.unwrap();
    assert_eq!(peer.ip(), local.ip());
    let dialling = ClientConn::builder().local_addr("[::1]:0".parse().unwrap());
    let error = dialling.dial(url).await.unwrap_err();
    assert!(matches!(error, Error::Resolve { .. }), "{error:?}");
}

#[tokio::test]
async fn urls_that_can_not_be_used_are_told_apart() {
    let error = ClientConn::dial("http://127.0.0.1/live").await.unwrap_err();
    assert!(matches!(error, Error::Url(_)));
    let url: RtmpUrl = "rtmp://127.0.0.1/live".parse().unwrap();
    let error = push(url).await.unwrap_err();
    assert_eq!(error.to_string(), "the URL names no stream");
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn rtmps_names_the_feature_that_it_needs() {
    let error = ClientConn::dial("rtmps://127.0.0.1/live").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "rtmps needs the feature \"tls\" of rtmp-client"
    );
}
