//! Media over TLS, and lines that stand still, end, or are cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rtmp_client::tls::rustls::pki_types::ServerName;
use rtmp_client::{ClientConn, CloseReason as ClientEnd, Error, PublishKind};
use rtmp_core::conn::ClientEvent;
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::tls::TlsAcceptor;
use rtmp_server::{Listener, Observers, Relay, ServerConfig, SessionConfig, Timeouts};
use rtmp_tests::certificates::Authority;
use rtmp_tests::media::{audio, keyframe, padded, video_header};
use rtmp_tests::{Peer, Recorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::{SOON, connect, dial, play, text, tls_server, tls_server_with, url};

#[tokio::test]
async fn media_pass_from_publisher_to_player_and_everything_ends_in_order() {
    let authority = Authority::new();
    let recorder = Recorder::default();
    let relay = Relay::default();
    let (server, _) = tls_server(
        authority.issue("127.0.0.1").server(),
        recorder.observers().relay(relay.clone()),
    )
    .await;
    let client = authority.client();
    let (publishing, playing) = (
        connect(server.addr(), &client).await,
        connect(server.addr(), &client).await,
    );
    let mut playback = play(&playing).await;
    let stream = publishing.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    let mut sent = vec![
        video_header(0, 1),
        padded(keyframe(0, 2), 1_000_000),
        audio(20, 3),
    ];
    sent.extend((0..200).map(|number| padded(audio(20 + number, number), 700)));
    // Sound may overtake a long picture, so each kind has an order of its own.
    let of_kind = |messages: &[MediaMessage], kind| -> Vec<_> {
        let of_kind = messages.iter().filter(|message| message.kind == kind);
        of_kind.cloned().collect()
    };
    let all = sent.clone();
    let receiving = tokio::spawn(async move {
        let mut received = Vec::new();
        while let Some(message) = playback.recv().await.unwrap() {
            received.push(message);
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            assert!(of_kind(&received, kind) == of_kind(&all, kind), "{kind:?}");
        }
    });
    for message in sent {
        publisher.send(message).await.unwrap();
    }
    publisher.finish().await.unwrap();
    publishing.close().await.unwrap();
    timeout(SOON, receiving).await.unwrap().unwrap();
    playing.close().await.unwrap();
    recorder
        .called_times("on_disconnect live: the client closed the connection", 2)
        .await;
    server.shutdown().await;
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test]
async fn a_server_that_stops_within_the_tls_handshake_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let dialling = ClientConn::builder()
        .tls(Authority::new().client())
        .timeouts(rtmp_client::Timeouts::default().handshake(Duration::from_millis(50)));
    let (dialled, _socket) = tokio::join!(dialling.dial(url(addr)), listener.accept());
    let error = dialled.unwrap_err();
    assert_eq!(text(&error), "it took longer than 50ms to shake hands in TLS");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_client_that_stops_within_the_tls_handshake_is_closed_and_holds_up_nobody() {
    let authority = Authority::new();
    let session =
        SessionConfig::default().timeouts(Timeouts::default().handshake(Duration::from_millis(300)));
    let (server, _) = tls_server_with(
        authority.issue("127.0.0.1").server(),
        Observers::new(),
        ServerConfig::default().session(session),
    )
    .await;
    let mut idlers = Vec::new();
    for start in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut idler = server.dial().await;
        idler.write_all(start).await.unwrap();
        idlers.push(idler);
    }
    connect(server.addr(), &authority.client())
        .await
        .close()
        .await
        .unwrap();
    for mut idler in idlers {
        let end = timeout(SOON, idler.read(&mut [0])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    server.shutdown().await;
}

/// TLS is done in time, and RTMP never begins: the time is for both.
#[tokio::test]
async fn a_client_that_is_silent_behind_the_tls_handshake_is_closed() {
    let authority = Authority::new();
    let session =
        SessionConfig::default().timeouts(Timeouts::default().handshake(Duration::from_millis(300)));
    let (server, _) = tls_server_with(
        authority.issue("localhost").server(),
        Observers::new(),
        ServerConfig::default().session(session),
    )
    .await;
    let mut line = raw_tls(server.addr(), &authority).await;
    let end = timeout(SOON, line.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

/// A line in TLS 1.2 that is no client of ours.
async fn raw_tls(addr: SocketAddr, authority: &Authority) -> tokio_rustls::client::TlsStream<TcpStream> {
    let socket = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(authority.rustls_client());
    connector.connect(name, socket).await.unwrap()
}

#[tokio::test]
async fn a_client_of_tls_1_2_publishes_and_may_leave_without_a_goodbye() {
    let authority = Authority::new();
    let recorder = Recorder::default();
    let (server, _) = tls_server(
        authority.issue("localhost").server(),
        recorder.observers().relay(Relay::default()),
    )
    .await;
    let mut peer = Peer::connected(raw_tls(server.addr(), &authority).await, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    peer.send(stream, &[video_header(0, 1), keyframe(0, 2)]).await;
    recorder.called_times("on_message cam", 2).await;
    drop(peer); // TCP ends, TLS does not.
    recorder
        .called("on_unpublish cam: the client closed the connection")
        .await;
    server.shutdown().await;
}

/// A server says in TLS that nothing more comes, when the client ends it and when the server does.
#[tokio::test]
async fn a_server_says_goodbye_in_tls() {
    let authority = Authority::new();
    let (server, _) = tls_server(authority.issue("localhost").server(), Observers::new()).await;
    let mut leaving = raw_tls(server.addr(), &authority).await;
    leaving.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(SOON, leaving.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    let mut staying = Peer::connected(raw_tls(server.addr(), &authority).await, "live").await;
    server.begin_shutdown();
    // Without a goodbye the end would be an error.
    let events = timeout(SOON, staying.to_the_end()).await.unwrap();
    assert!(
        matches!(events.last(), Some(ClientEvent::CloseRequested)),
        "{events:?}"
    );
}

/// Passes on a connection to the server until it is told to cut it, below TLS.
async fn cutting_proxy(to: SocketAddr) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (cut, is_cut) = oneshot::channel();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => {}
            _ = is_cut => {}
        }
    });
    (addr, cut)
}

#[tokio::test]
async fn a_line_that_is_cut_is_an_error_for_a_player_until_the_stream_has_ended() {
    let authority = Authority::new();
    let (server, _) = tls_server(
        authority.issue("127.0.0.1").server(),
        Observers::new().relay(Relay::default()),
    )
    .await;
    let client = authority.client();
    let publishing = connect(server.addr(), &client).await;
    let stream = publishing.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    let (through, cut) = cutting_proxy(server.addr()).await;
    let early = connect(through, &client).await;
    let mut early_playback = play(&early).await;
    let (through, cut_later) = cutting_proxy(server.addr()).await;
    let late = connect(through, &client).await;
    let mut late_playback = play(&late).await;
    publisher.send(keyframe(0, 1)).await.unwrap();
    assert_eq!(early_playback.recv().await.unwrap(), Some(keyframe(0, 1)));
    assert_eq!(late_playback.recv().await.unwrap(), Some(keyframe(0, 1)));

    cut.send(()).unwrap();
    let error = timeout(SOON, early_playback.recv()).await.unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Closed {
                reason: ClientEnd::CutOff,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        text(&error),
        "could not receive media, the connection is closed: the line was cut off, TLS did not say that it ends"
    );

    publisher.finish().await.unwrap();
    assert_eq!(timeout(SOON, late_playback.recv()).await.unwrap().unwrap(), None);
    drop(late_playback);
    cut_later.send(()).unwrap();
    late.close().await.unwrap();
}

#[tokio::test]
async fn a_player_that_does_not_read_ends_after_the_time_of_a_write() {
    let authority = Authority::new();
    let recorder = Recorder::default();
    let session = SessionConfig::default().timeouts(Timeouts::default().write(Duration::from_millis(300)));
    let (server, acceptor) = tls_server_with(
        authority.issue("localhost").server(),
        recorder.observers().relay(Relay::default()),
        ServerConfig::default().session(session),
    )
    .await;
    let mut player = Peer::connected(raw_tls(server.addr(), &authority).await, "live").await;
    player.play("cam").await.unwrap();
    acceptor.reload(authority.issue("127.0.0.1").server());
    let publishing = connect(server.addr(), &authority.client()).await;
    let stream = publishing.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    let flooding = async {
        for number in 0.. {
            publisher
                .send(padded(keyframe(number, number), 1 << 20))
                .await
                .unwrap();
        }
    };
    tokio::select! {
        () = flooding => {}
        () = recorder.called("on_stop cam: the client did not read for too long (limit 300ms)") => {}
    }
    drop(player);
    server.shutdown().await;
}

#[tokio::test]
async fn one_server_speaks_rtmp_and_rtmps_at_once_with_one_set_of_limits() {
    let authority = Authority::new();
    let rtmps = Listener::bind("127.0.0.1:0").await.unwrap();
    let rtmps = rtmps.tls(TlsAcceptor::new(authority.issue("127.0.0.1").server()));
    let tls_addr = rtmps.local_addr().unwrap();
    let server = rtmp_server::Server::bind("127.0.0.1:0")
        .await
        .unwrap()
        .also_listen(rtmps)
        .observers(Observers::new().relay(Relay::default()))
        .config(ServerConfig::default().max_connections_per_address(2));
    let plain_addr = server.local_addr().unwrap();
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let mut publisher = Peer::connected(TcpStream::connect(plain_addr).await.unwrap(), "live").await;
    let stream = publisher.publish("cam").await.unwrap();
    let conn = connect(tls_addr, &authority.client()).await;
    let mut playback = play(&conn).await;
    publisher.send(stream, &[keyframe(0, 1)]).await;
    assert_eq!(playback.recv().await.unwrap(), Some(keyframe(0, 1)));
    assert!(dial(tls_addr, &authority.client()).await.is_err());
    handle.shutdown();
    serving.await.unwrap();
}
