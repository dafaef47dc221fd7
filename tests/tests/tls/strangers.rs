//! What each end says of one that does not speak TLS.

use std::net::Ipv4Addr;

use rtmp_client::{ClientConn, Error};
use rtmp_server::tls::{TlsAcceptor, TlsError};
use rtmp_server::{CloseReason, Observers, ServerSession, SessionConfig};
use rtmp_tests::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{SOON, dial, text, tls_server};

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
