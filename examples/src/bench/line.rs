//! A TCP connection to a server, in TLS or not.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rtmp_client::tls::rustls::ClientConfig;
use rtmp_client::tls::rustls::pki_types::ServerName;
use rtmp_core::url::{RtmpUrl, Scheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::BenchError;
use super::client::ClientError;
use crate::tls::ClientTls;

/// How to open one.
#[derive(Clone)]
pub(super) struct Dialler {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What RTMP is spoken over.
#[derive(Debug)]
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Dialler {
    /// Resolves the host, and reads certificates if the URL asks for TLS.
    pub(super) async fn new(url: &RtmpUrl, tls: &ClientTls) -> Result<Self, BenchError> {
        let resolve_error = |source| BenchError::Resolve {
            host: url.host().to_owned(),
            source,
        };
        let tls = match url.scheme() {
            Scheme::Rtmp => None,
            Scheme::Rtmps => {
                let name = ServerName::try_from(url.host().to_owned());
                let name =
                    name.map_err(|error| resolve_error(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                let config: Arc<ClientConfig> = tls.config()?.into();
                Some((TlsConnector::from(config), name))
            }
            scheme => return Err(BenchError::Scheme { scheme }),
        };
        let mut addresses = tokio::net::lookup_host((url.host(), url.port()))
            .await
            .map_err(resolve_error)?;
        let address = addresses
            .next()
            .ok_or_else(|| resolve_error(io::ErrorKind::AddrNotAvailable.into()))?;
        Ok(Self { address, tls })
    }

    pub(super) async fn dial(&self) -> Result<Line, ClientError> {
        let io = TcpStream::connect(self.address)
            .await
            .map_err(ClientError::Dial)?;
        io.set_nodelay(true).map_err(ClientError::Dial)?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Line::Plain(io));
        };
        let io = connector
            .connect(name.clone(), io)
            .await
            .map_err(ClientError::Tls)?;
        Ok(Line::Tls(Box::new(io)))
    }
}

impl Line {
    /// Ends the connection by a reset, as the end of a machine does.
    pub(super) fn reset(self) -> io::Result<()> {
        let io = match &self {
            Self::Plain(io) => io,
            Self::Tls(io) => io.get_ref().0,
        };
        io.set_zero_linger()
    }
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialler")
            .field("address", &self.address)
            .field("is_tls", &self.tls.is_some())
            .finish()
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
