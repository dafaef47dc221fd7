//! Whom each end believes, and what it says of a certificate that it does not like.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use rtmp_client::tls::{TlsConfig as ClientTls, TlsError as ClientTlsError};
use rtmp_client::{ClientConn, ConnectRequest, Error};
use rtmp_core::message::ConnectReply;
use rtmp_server::tls::{ClientCertificates, TlsAcceptor, TlsConfig};
use rtmp_server::{ConnectObserver, Observers, SessionInfo, Verdict};
use rtmp_tests::certificates::{Authority, Identity, Validity};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{connect, dial, text, tls_server, url};

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
