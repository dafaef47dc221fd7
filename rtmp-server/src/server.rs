//! The accept loop.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::runtime::Handle;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::admission::{Admission, Refusal};
use crate::arrival::{Arrival, Origin};
use crate::session::Fanout;
use crate::{CloseReason, Listener, Observers, ServerConfig, ServerError, SessionConfig, SessionInfo};

/// How long the accept loop rests when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener yields.
type Accepted = io::Result<(TcpStream, SocketAddr)>;

/// Accepts connections and runs a [`ServerSession`](crate::ServerSession) for each.
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
    listeners: Vec<Listener>,
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
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, nobody listens.
    pub async fn bind(address: impl ToSocketAddrs + fmt::Display) -> Result<Self, ServerError> {
        Ok(Self::from_listener(Listener::bind(address).await?))
    }

    /// Serves a listener, or a socket that listens already.
    #[must_use]
    pub fn from_listener(listener: impl Into<Listener>) -> Self {
        Self {
            listeners: vec![listener.into()],
            observers: Observers::default(),
            config: ServerConfig::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Serves one more listener, with the same observers and limits.
    #[must_use]
    pub fn also_listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
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

    /// Where the server listens; its first listener, if there are several.
    ///
    /// # Errors
    ///
    /// [`ServerError::LocalAddress`] if the system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, ServerError> {
        let first = self.listeners.first().map(Listener::local_addr);
        first.unwrap_or_else(|| Err(ServerError::LocalAddress(io::ErrorKind::NotFound.into())))
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
        let mut sessions = Sessions::begin(self.observers.clone(), self.config.session.clone());
        let admission = Arc::new(Admission::new(self.config.max_connections_per_address));
        let mut turn = 0;
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                Some(ended) = sessions.tasks.join_next_with_id() => sessions.note_end(ended),
                (listener, accepted) = poll_fn(|cx| self.poll_accept(cx, &mut turn)) => match accepted {
                    Ok((socket, peer)) => self.start_session(listener, socket, peer, &admission, &mut sessions),
                    Err(error) => self.note_accept_error(&error).await,
                },
            }
        }
        drop(self.listeners);
        sessions.drain(self.config.drain).await;
    }

    /// The next connection of any listener. They take turns to be asked first.
    fn poll_accept(&self, cx: &mut Context<'_>, turn: &mut usize) -> Poll<(&Listener, Accepted)> {
        *turn = turn.wrapping_add(1) % self.listeners.len().max(1);
        let (before, from) = self.listeners.split_at_checked(*turn).unwrap_or_default();
        for listener in from.iter().chain(before) {
            if let Poll::Ready(accepted) = listener.socket.poll_accept(cx) {
                return Poll::Ready((listener, accepted));
            }
        }
        Poll::Pending
    }

    fn start_session(
        &self,
        listener: &Listener,
        socket: TcpStream,
        peer: SocketAddr,
        admission: &Arc<Admission>,
        sessions: &mut Sessions,
    ) {
        let limit = self.config.max_connections;
        let count = sessions.tasks.len() + 1;
        if count > limit {
            admission.note_refusal(peer, Refusal::TooManyConnections { count, limit });
            return;
        }
        let origin = if listener.is_proxy(peer) {
            Origin::Proxy(Arc::clone(admission))
        } else {
            match admission.admit(peer) {
                Ok(place) => Origin::Client(place),
                Err(_) => return,
            }
        };
        let arrival = Arrival {
            socket,
            peer,
            accepted: Instant::now(),
            origin,
            fanout: Arc::clone(&sessions.fanout),
            #[cfg(feature = "tls")]
            tls: listener.tls.clone(),
        };
        let info = SessionInfo::new(None);
        let serving = arrival.serve(
            info.clone(),
            Arc::clone(&sessions.observers),
            Arc::clone(&sessions.config),
        );
        sessions.start(info, serving);
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
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

/// The sessions that run. Each is a task of its own, so that a panic in an observer ends only its session.
struct Sessions {
    observers: Arc<Observers>,
    config: Arc<SessionConfig>,
    tasks: JoinSet<()>,
    infos: HashMap<task::Id, SessionInfo>,
    fanout: Arc<Fanout>,
    /// One for each thread of the runtime.
    fanout_workers: JoinSet<()>,
}

impl Sessions {
    fn begin(observers: Observers, config: SessionConfig) -> Self {
        let fanout = Arc::new(Fanout::default());
        let mut fanout_workers = JoinSet::new();
        for _ in 0..Handle::current().metrics().num_workers() {
            fanout_workers.spawn(Arc::clone(&fanout).work());
        }
        Self {
            observers: Arc::new(observers),
            config: Arc::new(config),
            tasks: JoinSet::new(),
            infos: HashMap::new(),
            fanout,
            fanout_workers,
        }
    }

    fn start(&mut self, info: SessionInfo, serving: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(serving);
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
