//! A server that does to a client what a test tells it to.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::{FramedMessage, MessageStreamId};
use rtmp_core::conn::{DEFAULT_OUTGOING_CHUNK_SIZE, ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::{Command, ConnectReply, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listens on a free port of the loopback interface.
#[derive(Debug)]
pub struct HostileServer {
    listener: TcpListener,
}

impl HostileServer {
    /// A server that nobody has dialled yet.
    ///
    /// # Panics
    ///
    /// If it can not listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener }
    }

    /// Its address with this path.
    ///
    /// # Panics
    ///
    /// If the system does not tell the address.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let addr = self.listener.local_addr().expect("an address");
        format!("rtmp://{addr}/{path}")
    }

    /// The next client that dials it.
    ///
    /// # Panics
    ///
    /// If none can be accepted.
    pub async fn accept(&self) -> Line {
        let (io, _) = self.listener.accept().await.expect("a client");
        Line {
            io,
            machine: ServerMachine::new(ServerConfig::default(), Duration::ZERO, |random| random.fill(7)),
            input: BytesMut::new(),
        }
    }
}

/// The line to one client. It keeps the protocol as long as a test lets it.
#[derive(Debug)]
pub struct Line {
    io: TcpStream,
    machine: ServerMachine,
    input: BytesMut,
}

impl Line {
    /// What the client asks for next; `None` if it has closed the line.
    ///
    /// # Panics
    ///
    /// If the client breaks the protocol.
    pub async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            let event = self.machine.poll_event(&mut self.input, Duration::ZERO);
            let event = event.expect("a client that keeps the protocol");
            self.flush().await;
            match event {
                Some(
                    ServerEvent::HandshakeDone(_)
                    | ServerEvent::UserControl(_)
                    | ServerEvent::Acknowledgement(_)
                    | ServerEvent::Ignored(_),
                ) => {}
                Some(event) => return Some(event),
                // A reset is a way of closing, too.
                None => match self.io.read_buf(&mut self.input).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                },
            }
        }
    }

    /// Shakes hands and lets the client connect.
    ///
    /// # Panics
    ///
    /// If the client asks for something else.
    pub async fn accept_connect(&mut self) {
        match self.next().await {
            Some(ServerEvent::Connect(_)) => {
                self.machine
                    .accept_connect(&ConnectReply::default())
                    .expect("connect");
                self.flush().await;
            }
            other => panic!("{other:?} instead of connect"),
        }
    }

    /// Sends a command as it is.
    ///
    /// # Panics
    ///
    /// If it can not be written.
    pub async fn say(&mut self, stream: u32, command: Command) {
        let stream = MessageStreamId::new(stream);
        let raw = Message::Command { stream, command }
            .encode()
            .expect("a command that can be written");
        let framed = FramedMessage::new(&raw, DEFAULT_OUTGOING_CHUNK_SIZE).expect("a short command");
        self.send_bytes(framed.wire()).await;
    }

    /// Sends bytes as they are. A client that has gone does not get them.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.machine.output().extend_from_slice(bytes);
        self.flush().await;
    }

    /// The protocol behind it, for what has no method here.
    pub fn machine(&mut self) -> &mut ServerMachine {
        &mut self.machine
    }

    /// Sends what is to be sent. A client that has gone does not get it.
    pub async fn flush(&mut self) {
        let output = self.machine.output().split();
        let _ = self.io.write_all(&output).await;
    }

    /// The socket below.
    pub fn io(&mut self) -> &mut TcpStream {
        &mut self.io
    }
}
