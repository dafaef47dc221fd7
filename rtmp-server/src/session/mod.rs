//! One connection of a client.

mod calls;
mod deadlines;
mod driver;
mod events;
mod fanout;
mod follower;
mod goodbye;
mod log_budget;
#[cfg(all(test, shuttle))]
mod model;
mod outbound;
mod outbox;
mod playing;
mod successor;
#[cfg(not(all(test, shuttle)))]
mod tcp;
mod transition;

use std::fmt;
use std::net::SocketAddr;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(not(all(test, shuttle)))]
use tokio::net::TcpStream;
use tokio::time::Instant;

use driver::Driver;
pub(crate) use fanout::Fanout;
pub(crate) use follower::{Cursor, Follower, Following, Lane};
#[cfg(all(test, shuttle))]
use model::DirectEnd;
#[cfg(not(all(test, shuttle)))]
use outbound::Direct;
#[cfg(not(all(test, shuttle)))]
use tcp::DirectEnd;

use crate::{CloseReason, Observers, SessionConfig, SessionInfo};

/// Serves one connection of a client, over any byte stream.
///
/// [`Server`](crate::Server) runs one for each connection that it accepts; to use another transport, run them
/// yourself:
///
/// ```
/// use rtmp_server::{Observers, Relay, ServerSession, SessionConfig};
///
/// # async fn serve(io: tokio::io::DuplexStream) {
/// let observers = Observers::new().relay(Relay::default());
/// let session = ServerSession::new(io, observers, SessionConfig::default());
/// let handle = session.info().clone(); // to look at it, or to end it, from elsewhere
/// let reason = session.run().await;
/// println!("session {} ended: {reason}", handle.id());
/// # }
/// ```
pub struct ServerSession<T> {
    io: T,
    info: SessionInfo,
    accepted: Instant,
    observers: Arc<Observers>,
    config: Arc<SessionConfig>,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ServerSession<T> {
    /// A session that begins with the client's handshake.
    #[must_use]
    pub fn new(io: T, observers: Observers, config: SessionConfig) -> Self {
        Self::prepared(
            io,
            SessionInfo::new(None),
            Instant::now(),
            Arc::new(observers),
            Arc::new(config),
        )
    }

    /// The same for a client whose address is known.
    #[must_use]
    pub fn with_peer_addr(io: T, peer_addr: SocketAddr, observers: Observers, config: SessionConfig) -> Self {
        Self::prepared(
            io,
            SessionInfo::new(Some(peer_addr)),
            Instant::now(),
            Arc::new(observers),
            Arc::new(config),
        )
    }

    /// The same for a connection that is known already, and whose time for the handshake is running.
    pub(crate) fn prepared(
        io: T,
        info: SessionInfo,
        accepted: Instant,
        observers: Arc<Observers>,
        config: Arc<SessionConfig>,
    ) -> Self {
        Self {
            io,
            info,
            accepted,
            observers,
            config,
        }
    }

    /// What others may know of the session; it can also end it.
    #[must_use]
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// Serves the client until the session ends, and tells the observers. A panic of an observer, a sink or a source
    /// ends the session and goes no further.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection and gives back its streams, but the observers' closing calls are not
    /// made. [`SessionInfo::dispose`] ends a session in order.
    pub async fn run(self) -> CloseReason {
        Driver::new(
            self.io,
            None,
            self.info,
            self.accepted,
            self.observers,
            self.config,
        )
        .run()
        .await
    }
}

#[cfg(not(all(test, shuttle)))]
impl ServerSession<TcpStream> {
    /// The same, with media written by the fan-out. Not an `async fn`: its future would keep room for the session beside
    /// the driver's.
    pub(crate) fn run_with(self, fanout: Arc<Fanout>) -> impl Future<Output = CloseReason> {
        let (io, socket) = tcp::split(self.io);
        let direct = Some(Direct { socket, fanout });
        Driver::new(io, direct, self.info, self.accepted, self.observers, self.config).run()
    }
}

impl<T> fmt::Debug for ServerSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSession")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
