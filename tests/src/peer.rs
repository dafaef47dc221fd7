//! A scripted client: it says what a test tells it to, and hands over what the server answers.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::chunk::{FramedMessage, MessageStreamId};
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine, DEFAULT_OUTGOING_CHUNK_SIZE};
use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, Message, PlayRequest, PublishKind, PublishRequest, Status,
    StatusCode,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// A client over any byte stream. It answers pings while it waits for something, and only then.
///
/// Its methods panic where a test can not go on: at the end of the connection, and at answers that do not fit.
#[derive(Debug)]
pub struct Peer<T> {
    io: T,
    machine: ClientMachine,
    input: BytesMut,
    begun: Instant,
    bytes_sent: u64,
    bytes_received: u64,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// A client that has sent nothing yet.
    #[must_use]
    pub fn new(io: T) -> Self {
        Self::with_config(io, ClientConfig::default())
    }

    /// The same with settings of its own.
    #[must_use]
    pub fn with_config(io: T, config: ClientConfig) -> Self {
        let machine = ClientMachine::new(config, Duration::ZERO, |bytes| bytes.fill(0x5A));
        let input = BytesMut::new();
        Self {
            io,
            machine,
            input,
            begun: Instant::now(),
            bytes_sent: 0,
            bytes_received: 0,
        }
    }

    /// A client that has shaken hands and connected to an application.
    pub async fn connected(io: T, app: &str) -> Self {
        let mut peer = Self::new(io);
        peer.connect(app)
            .await
            .expect("the server refused the connection");
        peer
    }

    /// Shakes hands.
    pub async fn shake_hands(&mut self) {
        self.until("the handshake", |event| {
            matches!(event, ClientEvent::HandshakeDone(_)).then_some(())
        })
        .await;
    }

    /// Shakes hands if that is still to be done, and connects.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn connect(&mut self, app: &str) -> Result<ConnectReply, Status> {
        self.connect_with(&ConnectRequest::default(), app).await
    }

    /// The same with a request of its own.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn connect_with(
        &mut self,
        request: &ConnectRequest,
        app: &str,
    ) -> Result<ConnectReply, Status> {
        if !self.machine.is_handshake_done() {
            self.shake_hands().await;
        }
        self.machine
            .connect(request, app, &format!("rtmp://localhost/{app}"))
            .expect("connect");
        self.until("the answer to connect", |event| match event {
            ClientEvent::Connected(reply) => Some(Ok(reply)),
            ClientEvent::ConnectRefused(status) => Some(Err(status)),
            _ => None,
        })
        .await
    }

    /// Creates a stream.
    pub async fn create_stream(&mut self) -> MessageStreamId {
        self.machine.create_stream().expect("create a stream");
        self.until("the new stream", |event| match event {
            ClientEvent::StreamCreated { stream, .. } => Some(stream),
            _ => None,
        })
        .await
    }

    /// Creates a stream and publishes on it.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn publish(&mut self, name: &str) -> Result<MessageStreamId, Status> {
        self.publish_as(name, PublishKind::Live).await
    }

    /// Creates a stream and publishes on it, asking for a recording or not.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn publish_as(&mut self, name: &str, kind: PublishKind) -> Result<MessageStreamId, Status> {
        let stream = self.create_stream().await;
        self.request_publish(stream, &PublishRequest::new(name, kind))
            .await
            .map(|_| stream)
    }

    /// Publishes on a stream.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn publish_on(&mut self, stream: MessageStreamId, name: &str) -> Result<Status, Status> {
        self.request_publish(stream, &PublishRequest::new(name, PublishKind::Live))
            .await
    }

    async fn request_publish(
        &mut self,
        stream: MessageStreamId,
        request: &PublishRequest,
    ) -> Result<Status, Status> {
        self.machine.publish(stream, request).expect("publish");
        self.until("the answer to publish", |event| match event {
            ClientEvent::PublishStarted { stream: on, status } if on == stream => Some(Ok(status)),
            ClientEvent::PublishRefused { stream: on, status } if on == stream => Some(Err(status)),
            _ => None,
        })
        .await
    }

    /// Creates a stream and plays on it.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn play(&mut self, name: &str) -> Result<MessageStreamId, Status> {
        let stream = self.create_stream().await;
        self.play_on(stream, name).await.map(|_| stream)
    }

    /// Plays on a stream.
    ///
    /// # Errors
    ///
    /// The status of a refusal.
    pub async fn play_on(&mut self, stream: MessageStreamId, name: &str) -> Result<Status, Status> {
        self.machine.play(stream, &PlayRequest::new(name)).expect("play");
        self.until("the answer to play", |event| match event {
            ClientEvent::PlayStarted { stream: on, status } if on == stream => Some(Ok(status)),
            ClientEvent::PlayRefused { stream: on, status } if on == stream => Some(Err(status)),
            _ => None,
        })
        .await
    }

    /// Sends media on a stream that the server lets it publish.
    pub async fn send(&mut self, stream: MessageStreamId, messages: &[MediaMessage]) {
        for message in messages {
            self.machine.send_media(stream, message).expect("send media");
            self.flush().await;
        }
    }

    /// Sends media whatever the server has said about the stream.
    pub async fn force(&mut self, stream: MessageStreamId, messages: &[MediaMessage]) {
        for message in messages {
            self.send_framed(&FramedMessage::new(
                &message.to_raw(stream),
                DEFAULT_OUTGOING_CHUNK_SIZE,
            ))
            .await;
        }
    }

    /// Sends a command as it is.
    pub async fn say(&mut self, stream: MessageStreamId, command: Command) {
        let raw = Message::Command { stream, command }
            .encode()
            .expect("a command that can be written");
        self.send_framed(&FramedMessage::new(&raw, DEFAULT_OUTGOING_CHUNK_SIZE))
            .await;
    }

    async fn send_framed<E: std::fmt::Debug>(&mut self, framed: &Result<FramedMessage, E>) {
        let wire = framed.as_ref().expect("a message that RTMP can carry").wire();
        self.machine.output().extend_from_slice(wire);
        self.flush().await;
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.machine.output().extend_from_slice(bytes);
        self.flush().await;
    }

    /// The protocol behind it, for what has no method here; [`flush`](Self::flush) sends it.
    pub fn machine(&mut self) -> &mut ClientMachine {
        &mut self.machine
    }

    /// The byte stream below.
    pub fn io(&mut self) -> &mut T {
        &mut self.io
    }

    /// Bytes that it has sent and received.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        (self.bytes_sent, self.bytes_received)
    }

    /// Sends what is to be sent. A connection that has ended meanwhile is no error: that shows when it is read.
    pub async fn flush(&mut self) {
        while !self.machine.output().is_empty() {
            let output = self.machine.output().split();
            if self.io.write_all(&output).await.is_ok() {
                self.bytes_sent += output.len() as u64;
            }
        }
    }

    /// The next thing that the server does, or `None` when the connection has ended.
    pub async fn next_event(&mut self) -> Option<ClientEvent> {
        loop {
            let now = self.begun.elapsed();
            let event = self
                .machine
                .poll_event(&mut self.input, now)
                .expect("a server that keeps the protocol");
            self.flush().await;
            if event.is_some() {
                return event;
            }
            match self.io.read_buf(&mut self.input).await {
                Ok(0) => return None,
                Ok(len) => self.bytes_received += len as u64,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("reading from the server: {error}"),
            }
        }
    }

    /// Waits for something that the server does, and passes over everything else.
    pub async fn until<R>(&mut self, what: &str, mut wanted: impl FnMut(ClientEvent) -> Option<R>) -> R {
        loop {
            let event = self
                .next_event()
                .await
                .unwrap_or_else(|| panic!("the connection ended before {what}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    /// Waits for a status with this code.
    pub async fn status(&mut self, code: StatusCode) -> Status {
        self.until(code.as_str(), |event| match event {
            ClientEvent::Status { status, .. } if status.code == code => Some(status),
            _ => None,
        })
        .await
    }

    /// The next message of any stream.
    pub async fn next_media(&mut self) -> MediaMessage {
        self.until("media", |event| match event {
            ClientEvent::Media { message, .. } => Some(message),
            _ => None,
        })
        .await
    }

    /// The next messages of any stream.
    pub async fn media(&mut self, count: usize) -> Vec<MediaMessage> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next_media().await);
        }
        messages
    }

    /// All that the server does before it rests. Use it with paused time: then nothing else can happen any more.
    pub async fn rest(&mut self) -> Vec<ClientEvent> {
        let mut events = Vec::new();
        while let Ok(Some(event)) = timeout(Duration::from_millis(1), self.next_event()).await {
            events.push(event);
        }
        events
    }

    /// The media in [`rest`](Self::rest).
    pub async fn rest_of_media(&mut self) -> Vec<MediaMessage> {
        let media = |event| match event {
            ClientEvent::Media { message, .. } => Some(message),
            _ => None,
        };
        self.rest().await.into_iter().filter_map(media).collect()
    }

    /// All that the server does until the connection ends.
    pub async fn to_the_end(&mut self) -> Vec<ClientEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await {
            events.push(event);
        }
        events
    }
}
