//! Where connections come in, and what stands before RTMP there.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, ToSocketAddrs};
#[cfg(any(target_os = "linux", target_os = "android"))]
use tracing::debug;

use crate::ServerError;
use crate::proxy::Network;
#[cfg(feature = "tls")]
use crate::tls::TlsAcceptor;

/// Connections that the system holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// What the system takes of a connection's output before it can be sent. Without this bound it takes megabytes for each
/// client that does not read, out of a store that all connections of the machine share, and is kept busy by that; and we
/// learn only then that the client is slow. What is on its way to the client comes on top, as much as its line holds.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT: u32 = 256 << 10;

/// A port on which a [`Server`](crate::Server) listens, for [`Server::from_listener`](crate::Server::from_listener) and
/// [`Server::also_listen`](crate::Server::also_listen).
///
/// ```no_run
/// use rtmp_server::{Listener, Server};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let behind_balancer = Listener::bind("10.0.0.5:1935").await?.proxy_protocol(["10.0.0.0/24".parse()?]);
/// let server = Server::bind("127.0.0.1:1935").await?.also_listen(behind_balancer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) proxies: Arc<[Network]>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Listens on an address. Port 0 picks a free one, see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] with the address and the system's reason.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, nobody listens.
    pub async fn bind(address: impl ToSocketAddrs + fmt::Display) -> Result<Self, ServerError> {
        let text = address.to_string();
        let bind_error = |source| ServerError::Bind {
            address: text.clone(),
            source,
        };
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
        for candidate in tokio::net::lookup_host(address).await.map_err(bind_error)? {
            match listen(candidate) {
                Ok(socket) => return Ok(Self::from(socket)),
                Err(error) => last = error,
            }
        }
        Err(bind_error(last))
    }

    /// Believes these networks whom they pass on, and demands that they say it; see [`proxy`](crate::proxy).
    #[must_use]
    pub fn proxy_protocol(mut self, trusted: impl IntoIterator<Item = Network>) -> Self {
        self.proxies = trusted.into_iter().collect();
        self
    }

    /// Speaks RTMPS here, and nothing else.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, acceptor: TlsAcceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// [`ServerError::LocalAddress`] if the system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, ServerError> {
        self.socket.local_addr().map_err(ServerError::LocalAddress)
    }

    /// Whether connections from there have to begin with a header of the PROXY protocol.
    pub(crate) fn is_proxy(&self, peer: SocketAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer.ip()))
    }
}

/// A socket that listens already, for plain RTMP.
impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        // Connections have it from their listener.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Err(error) = SockRef::from(&socket).set_tcp_notsent_lowat(MAX_UNSENT) {
            debug!("no TCP_NOTSENT_LOWAT: {error}");
        }
        Self {
            socket,
            proxies: Arc::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server gets its port back while old connections linger.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
