//! The accept loop.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::runtime::Handle;
use tokio::task::{self, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::session::Fanout;
use crate::{CloseReason, Observers, ServerConfig, ServerError, ServerSession, SessionInfo};

/// How long the accept loop rests when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// Accepts connections and runs a [`ServerSession`] for each.
///
/// ```no_run
/// use rtmp_server::{Observers, Relay, Server};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), rtmp_server::ServerError> {
/// let server = Server::bind("0.0.0.0:1935").await?.observers(Observers::new().relay(Relay::default()));
/// println!("listening on rtmp://{}", server.local_addr()?);
/// server.serve().await;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    observers: Observers,
    config: ServerConfig,
    shutdown: CancellationToken,
}

/// Shuts a [`Server`] down from elsewhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerHandle(CancellationToken);

impl ServerHandle {
    /// Stops accepting, ends all sessions in order, and lets `serve` return.
    pub fn shutdown(&self) {
        self.0.cancel();
    }
}

impl Server {
    /// Listens on an address. Port 0 picks a free one, see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] with the address and the system's reason.
    pub async fn bind(address: impl ToSocketAddrs + fmt::Display) -> Result<Self, ServerError> {
        let text = address.to_string();
        let bind_error = |source| ServerError::Bind {
            address: text.clone(),
            source,
        };
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
        for candidate in tokio::net::lookup_host(address).await.map_err(bind_error)? {
            match listen(candidate) {
                Ok(listener) => return Ok(Self::from_listener(listener)),
                Err(error) => last = error,
            }
        }
        Err(bind_error(last))
    }

    /// Serves a listener that is open already.
    #[must_use]
    pub fn from_listener(listener: TcpListener) -> Self {
        Self {
            listener,
            observers: Observers::default(),
            config: ServerConfig::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Sets who decides and is told.
    #[must_use]
    pub fn observers(mut self, observers: Observers) -> Self {
        self.observers = observers;
        self
    }

    /// Sets timeouts and limits.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = config;
        self
    }

    /// Where the server listens.
    ///
    /// # Errors
    ///
    /// [`ServerError::LocalAddress`] if the system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, ServerError> {
        self.listener.local_addr().map_err(ServerError::LocalAddress)
    }

    /// A handle to shut the server down.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.shutdown.clone())
    }

    /// Serves until [`ServerHandle::shutdown`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all connections at once, without the observers' closing calls.
    pub async fn serve(self) {
        self.serve_until(std::future::pending::<()>()).await;
    }

    /// Serves until `stop` is ready, or [`ServerHandle::shutdown`]. Then it accepts nobody any more, ends all sessions
    /// in order, cuts off those that take longer than [`ServerConfig::drain`], and returns when nothing runs any
    /// more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all connections at once, without the observers' closing calls.
    pub async fn serve_until<R>(self, stop: impl Future<Output = R>) {
        let shutdown = self.shutdown.clone();
        // The caller may be on a thread that runs nothing else, as in `main`, and each connection would have to be
        // handed over to another. A set of one task, because dropping it ends the task.
        let mut accepting = JoinSet::new();
        accepting.spawn(self.accept());
        tokio::pin!(stop);
        let ended = tokio::select! {
            biased;
            _ = &mut stop => {
                shutdown.cancel();
                accepting.join_next().await
            }
            ended = accepting.join_next() => ended,
        };
        if let Some(Err(error)) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    async fn accept(self) {
        let mut sessions = Sessions::begin();
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                Some(ended) = sessions.tasks.join_next_with_id() => sessions.note_end(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => self.start_session(socket, peer, &mut sessions),
                    Err(error) => self.note_accept_error(&error).await,
                },
            }
        }
        drop(self.listener);
        sessions.drain(self.config.drain).await;
    }

    fn start_session(&self, socket: TcpStream, peer: SocketAddr, sessions: &mut Sessions) {
        let limit = self.config.max_connections;
        if sessions.tasks.len() >= limit {
            warn!(%peer, limit, "refused: too many connections");
            return;
        }
        // Without it an answer could wait 40 ms for an acknowledgement. A socket that is closed already may refuse.
        if let Err(error) = socket.set_nodelay(true) {
            debug!(%peer, "no TCP_NODELAY: {error}");
        }
        let session =
            ServerSession::with_peer_addr(socket, peer, self.observers.clone(), self.config.session.clone());
        sessions.start(session);
    }

    /// A connection that is gone again costs nothing; without descriptors a rest lets others give theirs back.
    async fn note_accept_error(&self, error: &io::Error) {
        let passing = [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::Interrupted,
        ];
        if passing.contains(&error.kind()) {
            debug!("not accepted: {error}");
        } else {
            warn!("not accepted: {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// The sessions that run. Each is a task of its own, so that a panic in an observer ends only its session.
struct Sessions {
    tasks: JoinSet<()>,
    infos: HashMap<task::Id, SessionInfo>,
    fanout: Arc<Fanout>,
    /// One for each thread of the runtime.
    fanout_workers: JoinSet<()>,
}

impl Sessions {
    fn begin() -> Self {
        let fanout = Arc::new(Fanout::default());
        let mut fanout_workers = JoinSet::new();
        for _ in 0..Handle::current().metrics().num_workers() {
            fanout_workers.spawn(Arc::clone(&fanout).work());
        }
        Self {
            tasks: JoinSet::new(),
            infos: HashMap::new(),
            fanout,
            fanout_workers,
        }
    }

    fn start(&mut self, session: ServerSession<TcpStream>) {
        let info = session.info().clone();
        let fanout = Arc::clone(&self.fanout);
        let task = self.tasks.spawn(async move {
            session.run_with(fanout).await;
        });
        self.infos.insert(task.id(), info);
    }

    fn note_end(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        if let (Some(info), Err(error)) = (self.infos.remove(&id), ended) {
            warn!(id = info.id().get(), "the session failed: {error}");
        }
    }

    async fn drain(mut self, limit: Duration) {
        for info in self.infos.values() {
            info.dispose_for(CloseReason::ServerShutdown);
        }
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all_ended).await.is_err() {
            info!(sessions = self.tasks.len(), "cut off after the drain limit");
            self.tasks.shutdown().await;
        }
        self.fanout_workers.shutdown().await;
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
