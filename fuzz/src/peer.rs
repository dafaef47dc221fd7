//! A client of a session, over a pipe in memory.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine};
use rtmp_core::handshake::{ClientHandshakeConfig, HandshakeKind};
use rtmp_core::message::ConnectRequest;
use rtmp_server::{CloseReason, Observers, ServerSession, SessionConfig, SessionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A client that does what it is told. It is polled by hand, so that the target decides who acts when.
#[derive(Debug)]
pub struct Peer {
    io: DuplexStream,
    machine: ClientMachine,
    input: BytesMut,
    begun: Instant,
    /// What waits to be sent.
    pub outbox: BytesMut,
    /// What it has to send waits for [`send`](Self::send).
    pub is_held: bool,
    /// The server has closed the connection.
    pub has_ended: bool,
}

impl Peer {
    /// A client of a new session. At most `pipe_len` bytes are on their way in each direction.
    pub fn new(
        pipe_len: usize,
        observers: &Observers,
        config: &SessionConfig,
        sessions: &mut JoinSet<CloseReason>,
    ) -> (Self, SessionId) {
        let (io, server) = tokio::io::duplex(pipe_len);
        let session = ServerSession::new(server, observers.clone(), config.clone());
        let id = session.info().id();
        sessions.spawn(session.run());
        // The digest has a target of its own.
        let handshake = ClientHandshakeConfig::default().offer(HandshakeKind::Simple);
        let config = ClientConfig::default().handshake(handshake);
        let peer = Self {
            io,
            machine: ClientMachine::new(config, Duration::ZERO, |bytes| bytes.fill(0x5A)),
            input: BytesMut::new(),
            begun: Instant::now(),
            outbox: BytesMut::new(),
            is_held: false,
            has_ended: false,
        };
        (peer, id)
    }

    /// The protocol behind it.
    pub fn machine(&mut self) -> &mut ClientMachine {
        &mut self.machine
    }

    /// Puts what the machine has to say into the outbox.
    pub fn collect(&mut self) {
        while !self.machine.output().is_empty() {
            self.outbox.unsplit(self.machine.output().split());
        }
    }

    /// Sends at most so many bytes of the outbox, as far as there is room for them; `true` if any.
    pub fn send(&mut self, max_len: usize) -> bool {
        let end = max_len.min(self.outbox.len());
        let mut part = self.outbox.split_to(end);
        let mut has_sent = false;
        while !part.is_empty() {
            match pin!(self.io.write_buf(&mut part)).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(_)) => has_sent = true,
                // That the connection has ended shows when it is read.
                Poll::Ready(Err(_)) => part.clear(),
                Poll::Pending => break,
            }
        }
        part.unsplit(self.outbox.split());
        self.outbox = part;
        has_sent
    }

    /// Takes all that the server has sent, and sends what there is to be sent; `true` if there was anything.
    pub fn exchange(&mut self, events: &mut Vec<ClientEvent>) -> bool {
        let mut has_moved = false;
        loop {
            while let Some(event) = self.poll_event() {
                events.push(event);
                has_moved = true;
            }
            self.collect();
            has_moved |= !self.is_held && self.send(usize::MAX);
            let mut cx = Context::from_waker(Waker::noop());
            match pin!(self.io.read_buf(&mut self.input)).poll(&mut cx) {
                Poll::Ready(Ok(1..)) => has_moved = true,
                Poll::Ready(_) => {
                    self.has_ended = true;
                    return has_moved;
                }
                Poll::Pending => return has_moved,
            }
        }
    }

    /// What the server does next; `None` once the connection has ended.
    pub async fn next_event(&mut self) -> Option<ClientEvent> {
        loop {
            if let Some(event) = self.poll_event() {
                return Some(event);
            }
            self.collect();
            // An error shows when it is read.
            let _ = self.io.write_all_buf(&mut self.outbox).await;
            match self.io.read_buf(&mut self.input).await {
                Ok(1..) => {}
                _ => return None,
            }
        }
    }

    /// Waits for something that the server does.
    ///
    /// # Panics
    ///
    /// If the connection ends before.
    pub async fn until<R>(&mut self, mut wanted: impl FnMut(&ClientEvent) -> Option<R>) -> R {
        loop {
            let event = self.next_event().await.expect("the connection stays");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// Shakes hands, connects to an application and creates a stream.
    pub async fn prepare(&mut self, app: &str) -> MessageStreamId {
        self.prepare_with(&ConnectRequest::default(), app).await
    }

    /// The same with a request of its own.
    pub async fn prepare_with(&mut self, request: &ConnectRequest, app: &str) -> MessageStreamId {
        self.until(|event| matches!(event, ClientEvent::HandshakeDone(_)).then_some(()))
            .await;
        self.machine
            .connect(request, app, "rtmp://localhost/")
            .expect("the handshake is done");
        self.until(|event| matches!(event, ClientEvent::Connected(_)).then_some(()))
            .await;
        self.create_stream().await
    }

    /// Creates a stream.
    pub async fn create_stream(&mut self) -> MessageStreamId {
        self.machine.create_stream().expect("it is connected");
        self.until(|event| match event {
            ClientEvent::StreamCreated { stream, .. } => Some(*stream),
            _ => None,
        })
        .await
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        let event = self.machine.poll_event(&mut self.input, self.begun.elapsed());
        event.expect("what a server sends can be read, whatever it was sent")
    }
}
