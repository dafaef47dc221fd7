//! Servers and clients in TLS.

use std::net::SocketAddr;
use std::time::Duration;

use rtmp_client::tls::TlsConfig as ClientTls;
use rtmp_client::{ClientConn, ConnectRequest, Error, PlayRequest, Playback};
use rtmp_server::tls::{TlsAcceptor, TlsConfig};
use rtmp_server::{Listener, Observers, ServerConfig};
use rtmp_tests::RunningServer;
use tokio::time::timeout;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An error and its causes.
pub(crate) fn text(error: &dyn std::error::Error) -> String {
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
pub(crate) async fn tls_server(tls: TlsConfig, observers: Observers) -> (RunningServer, TlsAcceptor) {
    tls_server_with(tls, observers, ServerConfig::default()).await
}

pub(crate) async fn tls_server_with(
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

pub(crate) fn url(addr: SocketAddr) -> String {
    format!("rtmps://{addr}/live/cam")
}

pub(crate) async fn dial(addr: SocketAddr, tls: &ClientTls) -> Result<ClientConn, Error> {
    timeout(SOON, ClientConn::builder().tls(tls.clone()).dial(url(addr)))
        .await
        .expect("an end")
}

pub(crate) async fn connect(addr: SocketAddr, tls: &ClientTls) -> ClientConn {
    let conn = dial(addr, tls).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    conn
}

pub(crate) async fn play(conn: &ClientConn) -> Playback {
    let stream = conn.create_stream().await.unwrap();
    stream.play(PlayRequest::new("cam")).await.unwrap()
}
