//! Sessions over an in-memory pipe, and servers on a free port.

use std::net::SocketAddr;

use rtmp_server::{
    CloseReason, Listener, Observers, Server, ServerConfig, ServerHandle, ServerSession, SessionConfig,
    SessionInfo,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::Peer;

/// Bytes that wait in a pipe, in each direction, before a write has to wait.
pub const PIPE_LEN: usize = 256 << 10;

/// A session that runs as a task.
#[derive(Debug)]
pub struct RunningSession {
    /// What others see of it.
    pub info: SessionInfo,
    task: JoinHandle<CloseReason>,
}

impl RunningSession {
    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If the session does.
    pub async fn ended(self) -> CloseReason {
        self.task.await.expect("a session that does not panic")
    }

    /// Drops the session where it stands.
    pub async fn abort(self) {
        self.task.abort();
        // That it was aborted is what was wanted.
        let _ = self.task.await;
    }
}

/// Runs a session over a pipe; what is returned first is the client's end.
#[must_use]
pub fn session(observers: &Observers) -> (DuplexStream, RunningSession) {
    let (client, server) = tokio::io::duplex(PIPE_LEN);
    (client, session_over(server, observers, SessionConfig::default()))
}

/// Runs a session over any byte stream.
#[must_use]
pub fn session_over<T>(io: T, observers: &Observers, config: SessionConfig) -> RunningSession
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let session = ServerSession::new(io, observers.clone(), config);
    let info = session.info().clone();
    RunningSession {
        info,
        task: tokio::spawn(session.run()),
    }
}

/// A server that runs as a task on a free port of the loopback interface. Dropping it ends it.
#[derive(Debug)]
pub struct RunningServer {
    addr: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<()>,
}

impl RunningServer {
    /// Starts a server.
    pub async fn start(observers: Observers) -> Self {
        Self::with_config(observers, ServerConfig::default()).await
    }

    /// Starts a server with settings of its own.
    ///
    /// # Panics
    ///
    /// If it can not listen.
    pub async fn with_config(observers: Observers, config: ServerConfig) -> Self {
        let listener = Listener::bind("127.0.0.1:0").await.expect("a free port");
        Self::with_listener(listener, observers, config)
    }

    /// Starts a server on a listener.
    ///
    /// # Panics
    ///
    /// If the listener has no address.
    #[must_use]
    pub fn with_listener(listener: Listener, observers: Observers, config: ServerConfig) -> Self {
        let server = Server::from_listener(listener);
        let server = server.observers(observers).config(config);
        let addr = server.local_addr().expect("an address");
        Self {
            addr,
            handle: server.handle(),
            task: tokio::spawn(server.serve()),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of a stream of the application `live`.
    #[must_use]
    pub fn url(&self, stream: &str) -> String {
        format!("rtmp://{}/live/{stream}", self.addr)
    }

    /// A connection on which nothing was sent yet.
    ///
    /// # Panics
    ///
    /// If the server does not listen.
    pub async fn dial(&self) -> TcpStream {
        let socket = TcpStream::connect(self.addr)
            .await
            .expect("a server that listens");
        // Small answers of the client would wait 40 ms for an acknowledgement.
        socket.set_nodelay(true).expect("an open socket");
        socket
    }

    /// A client that is connected to an application.
    pub async fn peer(&self, app: &str) -> Peer<TcpStream> {
        Peer::connected(self.dial().await, app).await
    }

    /// Asks the server to shut down.
    pub fn begin_shutdown(&self) {
        self.handle.shutdown();
    }

    /// Shuts the server down and waits until it has.
    ///
    /// # Panics
    ///
    /// If the server does.
    pub async fn shutdown(mut self) {
        self.handle.shutdown();
        (&mut self.task).await.expect("a server that does not panic");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
