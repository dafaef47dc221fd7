//! RTMPS at both ends, and what each says when the other does something else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_client::tls::rustls::pki_types::ServerName;
use rtmp_client::tls::{TlsConfig as ClientTls, TlsError as ClientTlsError};
use rtmp_client::{
    ClientConn, CloseReason as ClientEnd, ConnectRequest, Error, PlayRequest, Playback, PublishKind,
};
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::ConnectReply;
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::tls::{ClientCertificates, TlsAcceptor, TlsConfig, TlsError};
use rtmp_server::{
    CloseReason, ConnectObserver, Listener, Observers, Relay, ServerConfig, ServerSession, SessionConfig,
    SessionInfo, Timeouts, Verdict,
};
use rtmp_tests::certificates::{Authority, Identity, Validity};
use rtmp_tests::media::{audio, keyframe, padded, video_header};
use rtmp_tests::{Peer, Recorder, RunningServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// An error and its causes.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A server for RTMPS alone.
async fn tls_server(tls: TlsConfig, observers: Observers) -> (RunningServer, TlsAcceptor) {
    tls_server_with(tls, observers, ServerConfig::default()).await
}

async fn tls_server_with(
    tls: TlsConfig,
    observers: Observers,
    config: ServerConfig,
) -> (RunningServer, TlsAcceptor) {
    let acceptor = TlsAcceptor::new(tls);
    let listener = Listener::bind("127.0.0.1:0").await.unwrap().tls(acceptor.clone());
    (
        RunningServer::with_listener(listener, observers, config),
        acceptor,
    )
}

fn url(addr: SocketAddr) -> String {
    format!("rtmps://{addr}/live/cam")
}

async fn dial(addr: SocketAddr, tls: &ClientTls) -> Result<ClientConn, Error> {
    timeout(SOON, ClientConn::builder().tls(tls.clone()).dial(url(addr)))
        .await
        .expect("an end")
}

async fn connect(addr: SocketAddr, tls: &ClientTls) -> ClientConn {
    let conn = dial(addr, tls).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    conn
}

async fn play(conn: &ClientConn) -> Playback {
    let stream = conn.create_stream().await.unwrap();
    stream.play(PlayRequest::new("cam")).await.unwrap()
}

/// Hands every session that connects to the test.
struct Sessions(mpsc::Sender<SessionInfo>);

#[async_trait]
impl ConnectObserver for Sessions {
    async fn on_connect(&self, session: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        self.0.send(session.clone()).await.unwrap();
        Verdict::accept()
    }
}

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
async fn certificates_that_are_not_good_are_refused_and_told_apart() {
    let authority = Authority::new();
    let cases = [
        (
            authority.issue_for("127.0.0.1", Validity::Past),
            "no TLS with 127.0.0.1: the server's certificate expired",
        ),
        (
            authority.issue_for("127.0.0.1", Validity::Future),
            "no TLS with 127.0.0.1: the server's certificate is not valid for another",
        ),
        (
            authority.issue("example.org"),
            "no TLS with 127.0.0.1: the server's certificate is not for 127.0.0.1, but for ",
        ),
        (
            Authority::new().issue("127.0.0.1"),
            "no TLS with 127.0.0.1: the server's certificate was issued by no authority that is trusted",
        ),
    ];
    for (identity, expected) in cases {
        let (server, _) = tls_server(identity.server(), Observers::new()).await;
        let error = dial(server.addr(), &authority.client()).await.unwrap_err();
        assert!(text(&error).starts_with(expected), "{}", text(&error));
        assert!(!error.is_retryable());
        server.shutdown().await;
    }
}

#[tokio::test]
async fn without_settings_the_platform_decides_and_knows_no_test_authority() {
    let (server, _) = tls_server(Authority::new().issue("127.0.0.1").server(), Observers::new()).await;
    let error = ClientConn::dial(url(server.addr())).await.unwrap_err();
    // A machine without any root certificates can not verify at all.
    let Error::Tls { source, .. } = &error else {
        panic!("{error:?}");
    };
    let is_refused = matches!(
        **source,
        ClientTlsError::UnknownAuthority | ClientTlsError::Config(_)
    );
    assert!(is_refused, "{source:?}");
}

#[tokio::test]
async fn any_certificate_is_accepted_only_by_who_asks_for_it() {
    let identity = Authority::new().issue_for("example.org", Validity::Past);
    let (server, _) = tls_server(identity.server(), Observers::new()).await;
    let tls = ClientTls::builder()
        .dangerously_accept_any_certificate()
        .build()
        .unwrap();
    connect(server.addr(), &tls).await.close().await.unwrap();
}

#[tokio::test]
async fn the_name_of_the_url_is_asked_for_and_an_address_is_not() {
    let authority = Authority::new();
    let (sender, mut sessions) = mpsc::channel(16);
    let (server, acceptor) = tls_server(
        authority.issue("localhost").server(),
        Observers::new().connect(Sessions(sender)),
    )
    .await;
    let dialled = ClientConn::builder()
        .tls(authority.client())
        .dial(format!("rtmps://LOCALHOST:{}/live", server.addr().port()))
        .await
        .unwrap();
    dialled.connect(ConnectRequest::default()).await.unwrap();
    let session = sessions.recv().await.unwrap();
    let tls = session.tls().unwrap();
    assert_eq!(tls.server_name(), Some("localhost"));
    assert_eq!(
        tls.protocol_version(),
        Some(rtmp_server::tls::rustls::ProtocolVersion::TLSv1_3)
    );
    assert!(tls.client_certificates().is_empty());
    acceptor.reload(authority.issue("127.0.0.1").server());
    let _conn = connect(server.addr(), &authority.client()).await;
    assert_eq!(sessions.recv().await.unwrap().tls().unwrap().server_name(), None);
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_ends_no_session() {
    let (old, new) = (Authority::new(), Authority::new());
    let (server, acceptor) = tls_server(old.issue("127.0.0.1").server(), Observers::new()).await;
    let first = connect(server.addr(), &old.client()).await;
    acceptor.reload(new.issue("127.0.0.1").server());
    connect(server.addr(), &new.client()).await.close().await.unwrap();
    assert!(dial(server.addr(), &old.client()).await.is_err());
    first.create_stream().await.unwrap();
    first.close().await.unwrap();
}

fn with_client_certificate(authority: &Authority, identity: &Identity) -> ClientTls {
    ClientTls::builder()
        .root_certificates(authority.pem.as_bytes())
        .client_certificate(identity.certificate.as_bytes(), identity.key.as_bytes())
        .build()
        .unwrap()
}

fn asking(server: &Identity, authority: &Authority, demand: ClientCertificates) -> TlsConfig {
    TlsConfig::builder(server.certificate.as_bytes(), server.key.as_bytes())
        .client_certificates(authority.pem.as_bytes(), demand)
        .build()
        .unwrap()
}

#[tokio::test]
async fn client_certificates_are_verified_and_shown_to_observers() {
    let authority = Authority::new();
    let identity = authority.issue("127.0.0.1");
    let (sender, mut sessions) = mpsc::channel(16);
    let (server, acceptor) = tls_server(
        asking(&identity, &authority, ClientCertificates::Required),
        Observers::new().connect(Sessions(sender)),
    )
    .await;
    let good = with_client_certificate(&authority, &authority.issue("encoder-7"));
    let _conn = connect(server.addr(), &good).await;
    let session = sessions.recv().await.unwrap();
    assert_eq!(session.tls().unwrap().client_certificates().len(), 1);

    let error = dial(server.addr(), &authority.client()).await.unwrap_err();
    assert_eq!(
        text(&error),
        "no TLS with 127.0.0.1: the server asks for a client certificate"
    );
    let stranger = with_client_certificate(&authority, &Authority::new().issue("encoder-7"));
    let error = dial(server.addr(), &stranger).await.unwrap_err();
    assert_eq!(
        text(&error),
        "no TLS with 127.0.0.1: the server does not accept our client certificate (UnknownCA)"
    );

    acceptor.reload(asking(&identity, &authority, ClientCertificates::Optional));
    let _conn = connect(server.addr(), &authority.client()).await;
    let session = sessions.recv().await.unwrap();
    assert!(session.tls().unwrap().client_certificates().is_empty());
    assert!(dial(server.addr(), &stranger).await.is_err());
}

#[test]
fn settings_that_do_not_fit_are_refused_with_their_reason() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("a"), authority.issue("b"));
    let server = |chain: &str, key: &str| {
        let built = TlsConfig::builder(chain.as_bytes(), key.as_bytes()).build();
        built.map(drop).map_err(|error| text(&error))
    };
    assert_eq!(server(&one.certificate, &one.key), Ok(()));
    let mismatch = "the private key does not belong to the certificate";
    assert_eq!(server(&one.certificate, &other.key).unwrap_err(), mismatch);
    assert_eq!(
        server(&one.key, &one.key).unwrap_err(),
        "there is no certificate in the certificate chain"
    );
    let no_key = server(&one.certificate, &one.certificate).unwrap_err();
    assert!(
        no_key.starts_with("the private key can not be read as PEM: "),
        "{no_key}"
    );

    let client = |chain: &str, key: &str| {
        let built = ClientTls::builder()
            .root_certificates(authority.pem.as_bytes())
            .client_certificate(chain.as_bytes(), key.as_bytes())
            .build();
        built.map(drop).map_err(|error| text(&error))
    };
    assert_eq!(client(&one.certificate, &one.key), Ok(()));
    assert_eq!(client(&one.certificate, &other.key).unwrap_err(), mismatch);
    let error = ClientTls::builder()
        .root_certificates(b"nothing")
        .build()
        .unwrap_err();
    assert_eq!(text(&error), "there is no certificate in the root certificates");
}

/// What the acceptor makes of a client that sends these bytes, and what the client hears.
async fn accepts(bytes: &[u8]) -> (TlsError, Vec<u8>) {
    let acceptor = TlsAcceptor::new(Authority::new().issue("localhost").server());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = async {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let server = async {
        acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap_err()
    };
    timeout(SOON, async { tokio::join!(server, client) })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_server_tells_what_comes_instead_of_tls_and_alerts_who_sent_it() {
    let c0_c1 = [3; 1537];
    let cases: [(&[u8], &str); 4] = [
        (&c0_c1, "the client speaks plain RTMP, not TLS"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "the client speaks plain HTTP, not TLS",
        ),
        (
            b"POST /open/1 HTTP/1.1\r\n\r\n",
            "the client speaks plain HTTP, not TLS",
        ),
        (
            b"\xFF\xFE\xFD\xFC\xFB\xFA",
            "the client does not speak TLS: its first byte is 0xff",
        ),
    ];
    for (bytes, expected) in cases {
        let (error, heard) = accepts(bytes).await;
        assert_eq!(error.to_string(), expected);
        assert_eq!(heard.first(), Some(&0x15), "{expected}");
    }
    let (error, _) = accepts(b"").await;
    assert_eq!(
        error.to_string(),
        "the client closed the connection within the TLS handshake"
    );
    let (error, _) = accepts(b"\x16\x03\x01\x02\x00\x01").await;
    assert!(matches!(error, TlsError::Closed), "{error:?}");
    let (error, _) = accepts(b"\x16\x03\x01\x00\x04\xFF\x00\x00\x00").await;
    assert!(matches!(error, TlsError::Handshake(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_tells_that_its_certificate_is_not_accepted() {
    let acceptor = TlsAcceptor::new(Authority::new().issue("127.0.0.1").server());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let tls = Authority::new().client();
    let (accepted, dialled) = tokio::join!(
        async { acceptor.accept(listener.accept().await.unwrap().0).await },
        dial(addr, &tls)
    );
    assert!(dialled.is_err());
    let error = accepted.unwrap_err();
    assert_eq!(
        text(&error),
        "the client does not accept our certificate (UnknownCA)"
    );
}

#[tokio::test]
async fn plain_rtmp_at_the_port_of_rtmps_is_told_at_the_client() {
    let (server, _) = tls_server(Authority::new().issue("127.0.0.1").server(), Observers::new()).await;
    let error = ClientConn::dial(format!("rtmp://{}/live", server.addr()))
        .await
        .unwrap_err();
    assert_eq!(
        text(&error),
        "the handshake with 127.0.0.1 failed: not RTMP: the first byte is 0x15, the peer seems to speak TLS"
    );
}

#[tokio::test]
async fn tls_at_the_port_of_rtmp_is_told_at_both_ends() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let tls = Authority::new().client();
    let serving = async {
        let (socket, _) = listener.accept().await.unwrap();
        ServerSession::new(socket, Observers::new(), SessionConfig::default())
            .run()
            .await
    };
    let (reason, dialled) = tokio::join!(serving, dial(addr, &tls));
    let CloseReason::Protocol(error) = reason else {
        panic!("{reason:?}");
    };
    assert!(text(error.as_ref()).ends_with("the first byte is 0x16, the peer seems to speak TLS"));
    assert_eq!(
        text(&dialled.unwrap_err()),
        "no TLS with 127.0.0.1: the server closed the line within the TLS handshake, it may not speak TLS there"
    );
}

/// What a client makes of a server that answers with these bytes.
async fn answered_with(bytes: &[u8]) -> Error {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let tls = Authority::new().client();
    let serving = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        assert!(socket.read(&mut hello).await.unwrap() > 0);
        socket.write_all(bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        // It hangs up when it likes.
        let _ = socket.read(&mut hello).await;
    };
    let (dialled, ()) = tokio::join!(dial(addr, &tls), serving);
    dialled.unwrap_err()
}

#[tokio::test]
async fn a_client_tells_what_answers_instead_of_tls() {
    let plain_rtmp = [3; 3073];
    let cases: [(&[u8], &str); 5] = [
        (&plain_rtmp, "the server speaks plain RTMP there, not TLS"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "the server speaks plain HTTP there, not TLS",
        ),
        (
            b"220 mail ESMTP\r\n",
            "the server does not speak TLS there: its first byte is 0x32",
        ),
        (
            b"",
            "the server closed the line within the TLS handshake, it may not speak TLS there",
        ),
        (
            b"\x16\x03\x03\x00\x40\x02",
            "the server closed the line within the TLS handshake, it may not speak TLS there",
        ),
    ];
    for (bytes, expected) in cases {
        let error = answered_with(bytes).await;
        assert_eq!(text(&error), format!("no TLS with 127.0.0.1: {expected}"));
    }
    let alert = answered_with(b"\x15\x03\x03\x00\x02\x02\x28").await;
    assert!(
        text(&alert).starts_with("no TLS with 127.0.0.1: the TLS handshake failed: "),
        "{}",
        text(&alert)
    );
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
