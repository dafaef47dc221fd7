//! A server behind a balancer that speaks the PROXY protocol.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::message::{ConnectReply, ConnectRequest};
use rtmp_server::tls::TlsAcceptor;
use rtmp_server::{
    ConnectObserver, Listener, Observers, ServerConfig, SessionConfig, SessionInfo, Timeouts, Verdict,
};
use rtmp_tests::certificates::Authority;
use rtmp_tests::{Peer, RunningServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// Hands the address of every session that connects to the test.
struct Addresses(mpsc::Sender<SocketAddr>);

#[async_trait]
impl ConnectObserver for Addresses {
    async fn on_connect(&self, session: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        self.0.send(session.peer_addr().unwrap()).await.unwrap();
        Verdict::accept()
    }
}

struct Balanced {
    server: RunningServer,
    addresses: mpsc::Receiver<SocketAddr>,
}

impl Balanced {
    /// A server that believes 127.0.0.1, and nobody else.
    async fn start(config: ServerConfig) -> Self {
        Self::on(Listener::bind("127.0.0.1:0").await.unwrap(), config)
    }

    fn on(listener: Listener, config: ServerConfig) -> Self {
        let listener = listener.proxy_protocol(["127.0.0.1".parse().unwrap()]);
        let (sender, addresses) = mpsc::channel(16);
        let observers = Observers::new().connect(Addresses(sender));
        Self {
            server: RunningServer::with_listener(listener, observers, config),
            addresses,
        }
    }

    /// A connection that begins with this header.
    async fn dial(&self, header: &[u8]) -> TcpStream {
        let mut socket = self.server.dial().await;
        socket.write_all(header).await.unwrap();
        socket
    }

    /// The address of the session that such a connection gets.
    async fn address_behind(&mut self, header: &[u8]) -> (SocketAddr, Peer<TcpStream>) {
        let peer = Peer::connected(self.dial(header).await, "live").await;
        (self.addresses.recv().await.unwrap(), peer)
    }

    /// Asserts that a connection gets no session.
    async fn closes(&self, mut socket: TcpStream) {
        let _ = socket.write_all(&[3; 1537]).await;
        let end = timeout(SOON, socket.read(&mut [0])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family]);
    header.extend((block.len() as u16).to_be_bytes());
    header.extend(block);
    header
}

#[tokio::test]
async fn a_session_has_the_address_that_the_balancer_names() {
    let mut balanced = Balanced::start(ServerConfig::default()).await;
    let (address, _peer) = balanced
        .address_behind(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 1935\r\n")
        .await;
    assert_eq!(address, "192.0.2.7:56324".parse().unwrap());
    let ipv4 = v2(
        1,
        0x11,
        &[192, 0, 2, 8, 198, 51, 100, 1, 0, 80, 7, 0x8F, 4, 0, 1, 0xAA],
    );
    let (address, _peer) = balanced.address_behind(&ipv4).await;
    assert_eq!(address, "192.0.2.8:80".parse().unwrap());
    let mut block = vec![0x20, 0x01, 0x0D, 0xB8];
    block.extend([0; 11]);
    block.push(9);
    block.extend([0; 16]);
    block.extend([0, 80, 7, 0x8F]);
    let (address, _peer) = balanced.address_behind(&v2(1, 0x21, &block)).await;
    assert_eq!(address, "[2001:db8::9]:80".parse().unwrap());
}

#[tokio::test]
async fn a_header_that_names_nobody_leaves_the_balancers_address() {
    let mut balanced = Balanced::start(ServerConfig::default()).await;
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0, 0, &[]),
        v2(0, 0x11, &[192, 0, 2, 8, 198, 51, 100, 1, 0, 80, 7, 0x8F]),
        v2(1, 0, &[1, 2, 3]),
    ] {
        let (address, peer) = balanced.address_behind(&header).await;
        assert_eq!(address.ip().to_string(), "127.0.0.1", "{header:02x?}");
        drop(peer);
    }
}

#[tokio::test]
async fn who_is_believed_has_to_begin_with_a_header_and_who_is_not_must_not() {
    let mut balanced = Balanced::start(ServerConfig::default()).await;
    let without = balanced.dial(b"").await;
    balanced.closes(without).await;
    let elsewhere = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(balanced.server.addr()).await.unwrap()
    };
    let mut lying = elsewhere().await;
    let peer = Peer::connected(elsewhere().await, "live").await;
    lying
        .write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 1935\r\n")
        .await
        .unwrap();
    balanced.closes(lying).await;
    assert_eq!(
        balanced.addresses.recv().await.unwrap().ip().to_string(),
        "127.0.0.2"
    );
    drop(peer);
}

#[tokio::test]
async fn a_header_that_does_not_come_is_waited_for_as_long_as_a_handshake() {
    let session =
        SessionConfig::default().timeouts(Timeouts::default().handshake(Duration::from_millis(200)));
    let balanced = Balanced::start(ServerConfig::default().session(session)).await;
    for start in [&b""[..], b"PROXY TCP4 ", &v2(1, 0x11, &[0; 4])[..18]] {
        let mut socket = balanced.dial(start).await;
        let end = timeout(SOON, socket.read(&mut [0])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[tokio::test]
async fn connections_are_counted_by_the_address_that_is_named() {
    let mut balanced = Balanced::start(ServerConfig::default().max_connections_per_address(1)).await;
    let header = |last: u8| format!("PROXY TCP4 192.0.2.{last} 198.51.100.1 56324 1935\r\n").into_bytes();
    let (_, first) = balanced.address_behind(&header(1)).await;
    let (_, _second) = balanced.address_behind(&header(2)).await;
    let one_more = balanced.dial(&header(1)).await;
    balanced.closes(one_more).await;
    // Those of the balancer itself are not counted.
    let (_, _check) = balanced.address_behind(b"PROXY UNKNOWN\r\n").await;
    let (_, _check) = balanced.address_behind(b"PROXY UNKNOWN\r\n").await;
    drop(first);
    let is_let_in = async || {
        let mut socket = balanced.dial(&header(1)).await;
        let _ = socket.write_all(&[3; 1537]).await;
        matches!(timeout(SOON, socket.read(&mut [0])).await, Ok(Ok(1)))
    };
    while !is_let_in().await {}
}

#[tokio::test]
async fn the_header_stands_before_tls() {
    let authority = Authority::new();
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let listener = listener.tls(TlsAcceptor::new(authority.issue("localhost").server()));
    let mut balanced = Balanced::on(listener, ServerConfig::default());
    let socket = balanced
        .dial(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n")
        .await;
    let name = rtmp_client::tls::rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let line = tokio_rustls::TlsConnector::from(authority.rustls_client())
        .connect(name, socket)
        .await
        .unwrap();
    let _peer = Peer::connected(line, "live").await;
    let address = balanced.addresses.recv().await.unwrap();
    assert_eq!(address, "192.0.2.7:56324".parse().unwrap());
}
