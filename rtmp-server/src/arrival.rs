//! A connection from its acceptance to its session: what stands before RTMP.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::admission::{Admission, Place, Refusal};
use crate::error::error_chain;
use crate::expiry::{Expiry, expire};
use crate::proxy::{self, ProxyError};
use crate::session::Fanout;
#[cfg(feature = "tls")]
use crate::tls::{TlsAcceptor, TlsError, TlsInfo, TlsStream};
use crate::{Deadline, Observers, ServerSession, SessionConfig, SessionInfo};

/// A connection that was just accepted.
pub(crate) struct Arrival {
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) accepted: Instant,
    pub(crate) origin: Origin,
    pub(crate) fanout: Arc<Fanout>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Whose connection it is.
pub(crate) enum Origin {
    /// That of the address it comes from.
    Client(Option<Place>),
    /// That of whom the balancer names.
    Proxy(Arc<Admission>),
}

/// Why a connection gets no session.
#[derive(Debug, thiserror::Error)]
enum ArrivalError {
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The log has it already.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ArrivalError {
    /// Whether somebody came only to look.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Proxy(ProxyError::Closed) | Self::Refused(_) => true,
            #[cfg(feature = "tls")]
            Self::Tls(TlsError::Closed) => true,
            _ => false,
        }
    }
}

impl Arrival {
    /// Serves the connection until it ends, or somebody ends it by `info`.
    pub(crate) async fn serve(
        self,
        info: SessionInfo,
        observers: Arc<Observers>,
        config: Arc<SessionConfig>,
    ) {
        let accepted = self.accepted;
        let fanout = Arc::clone(&self.fanout);
        let expiry = Expiry::since(accepted, config.timeouts.handshake);
        // In boxes, so that a session over plain TCP takes no more memory than it needs.
        let Some((line, _place)) = Box::pin(self.prepare(&info, expiry)).await else {
            return;
        };
        match line {
            Line::Plain(socket) => {
                let session = ServerSession::prepared(socket, info, accepted, observers, config);
                session.run_with(fanout).await;
            }
            #[cfg(feature = "tls")]
            Line::Tls(stream) => {
                let session = ServerSession::prepared(stream, info, accepted, observers, config);
                Box::pin(session.run()).await;
            }
        }
    }

    /// Does what comes before RTMP, as long as there is time for the handshake and nobody ends it. `None` means that
    /// the connection is closed, and the log has it.
    async fn prepare(self, info: &SessionInfo, expiry: Expiry) -> Option<(Line, Option<Place>)> {
        let (id, from) = (info.id().get(), self.peer);
        let opened = tokio::select! {
            biased;
            () = info.disposed().cancelled() => return None,
            opened = expire(expiry, self.open(info)) => opened,
        };
        let peer = info.peer_addr().unwrap_or(from);
        match opened {
            Ok(Ok(opened)) => return Some(opened),
            Ok(Err(error)) if error.is_ordinary() => debug!(id, %peer, "closed: {error}"),
            Ok(Err(error)) => warn!(id, %peer, "closed: {}", error_chain(&error)),
            Err(_) => debug!(id, %peer, "closed: {}", Deadline::Handshake),
        }
        None
    }

    async fn open(self, info: &SessionInfo) -> Result<(Line, Option<Place>), ArrivalError> {
        let mut socket = self.socket;
        // Without it an answer could wait 40 ms for an acknowledgement. A socket that is closed already may refuse.
        if let Err(error) = socket.set_nodelay(true) {
            debug!(peer = %self.peer, "no TCP_NODELAY: {error}");
        }
        let (client, place) = match self.origin {
            Origin::Client(place) => (self.peer, place),
            Origin::Proxy(admission) => unwrap_proxy(&mut socket, self.peer, &admission).await?,
        };
        info.set_peer_addr(client);
        #[cfg(feature = "tls")]
        if let Some(acceptor) = self.tls {
            let stream = acceptor.accept(socket).await?;
            info.set_tls(TlsInfo::of(&stream));
            return Ok((Line::Tls(Box::new(stream)), place));
        }
        Ok((Line::Plain(socket), place))
    }
}

/// What RTMP is spoken over.
enum Line {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

/// Learns from a balancer whose connection it is, and counts it.
async fn unwrap_proxy(
    socket: &mut TcpStream,
    proxy: SocketAddr,
    admission: &Arc<Admission>,
) -> Result<(SocketAddr, Option<Place>), ArrivalError> {
    match proxy::read_header(socket).await? {
        Some(client) => {
            let place = admission.admit(client)?;
            Ok((client, place))
        }
        None => Ok((proxy, None)),
    }
}
