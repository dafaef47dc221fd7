//! The server's part of the TLS handshake.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ProtocolVersion, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::{TlsConfig, TlsError};

/// How long a client may take to hang up once it was told by an alert what is wrong.
const LINGER: Duration = Duration::from_secs(1);

/// Shakes hands with clients, with a certificate that can be replaced while they are served. Clones share it.
#[derive(Clone, Debug)]
pub struct TlsAcceptor(Arc<RwLock<TlsConfig>>);

impl TlsAcceptor {
    /// Accepts with these settings.
    #[must_use]
    pub fn new(config: TlsConfig) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// Replaces the settings for connections to come. Sessions that run, and handshakes that have begun, go on with
    /// the old ones.
    pub fn reload(&self, config: TlsConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Shakes hands with a client. [`Server`](crate::Server) does it for its listeners; this is for who accepts
    /// connections himself, to run a [`ServerSession`](crate::ServerSession) over what is returned. It sets no time:
    /// the caller does.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says what the client did, or speaks instead. The client was told by an alert.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn accept(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>, TlsError> {
        let mut first_byte = [0];
        match socket.peek(&mut first_byte).await {
            Ok(0) => return Err(TlsError::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(TlsError::Closed),
            Err(error) => return Err(TlsError::Io(error)),
        }
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner).rustls();
        let accepting = tokio_rustls::TlsAcceptor::from(config).accept(socket);
        match accepting.into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, socket)) => {
                // Best effort: the error is what counts.
                let _ = timeout(LINGER, hang_up(socket)).await;
                let [first_byte] = first_byte;
                Err(TlsError::of_handshake(error, first_byte))
            }
        }
    }
}

/// Closes after the client: with input that nobody has read, the connection would be reset, and the alert lost.
async fn hang_up(mut socket: TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut unwanted = [0; 1024];
    while socket.read(&mut unwanted).await? > 0 {}
    Ok(())
}

/// What is known of the TLS of a session.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    protocol_version: Option<ProtocolVersion>,
    server_name: Option<String>,
    client_certificates: Vec<CertificateDer<'static>>,
}

impl TlsInfo {
    /// What a stream of [`TlsAcceptor::accept`] tells.
    #[must_use]
    pub fn of(stream: &TlsStream<TcpStream>) -> Self {
        let connection: &ServerConnection = stream.get_ref().1;
        let certificates = connection.peer_certificates().unwrap_or_default();
        Self {
            protocol_version: connection.protocol_version(),
            server_name: connection.server_name().map(str::to_owned),
            client_certificates: certificates.iter().map(|one| one.clone().into_owned()).collect(),
        }
    }

    /// The version of TLS.
    #[must_use]
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.protocol_version
    }

    /// The host name that the client asked for (SNI), in lower case.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The client's certificate, verified, and what it has sent behind it; empty if it has shown none.
    #[must_use]
    pub fn client_certificates(&self) -> &[CertificateDer<'static>] {
        &self.client_certificates
    }
}
