//! The other end of the connections under test: servers in memory that do what the test says.

use std::time::Duration;

use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use rtmp_client::{
    ClientBuilder, ClientConn, ClientStream, Command, ConnectReply, ConnectRequest, Error, MediaMessage,
    MessageStreamId, PlayRequest, Playback, PublishKind, Publisher, RtmpUrl, Status, StatusCode, Timestamp,
};
use rtmp_core::chunk::{ChunkCodec, RawMessage};
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::handshake::ServerHandshake;
use rtmp_core::message::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_util::codec::{Framed, FramedParts};

pub(crate) const URL: &str = "rtmp://example.org/live/cam";

/// What the line between the two holds in each direction.
pub(crate) const LINE: usize = 64 << 10;

pub(crate) fn stream_id(id: u32) -> MessageStreamId {
    MessageStreamId::new(id)
}

pub(crate) fn video(millis: u32, len: usize) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(millis), vec![0x17; len])
}

pub(crate) trait Line: AsyncRead + AsyncWrite + Send + Unpin {}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Line for Io {}

/// A server that speaks the protocol right.
pub(crate) struct Server {
    io: Box<dyn Line>,
    pub(crate) machine: ServerMachine,
    input: BytesMut,
}

impl Server {
    pub(crate) fn new(io: impl Line + 'static) -> Self {
        let machine = ServerMachine::new(ServerConfig::default(), Duration::ZERO, |random| random.fill(7));
        Self {
            io: Box::new(io),
            machine,
            input: BytesMut::new(),
        }
    }

    /// What the client does next, but for what has no bearing on the tests; `None` when it has closed the line.
    pub(crate) async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            let event = self.machine.poll_event(&mut self.input, Duration::ZERO).unwrap();
            self.flush().await;
            match event {
                Some(
                    ServerEvent::HandshakeDone(_)
                    | ServerEvent::UserControl(_)
                    | ServerEvent::Acknowledgement(_)
                    | ServerEvent::Ignored(_),
                ) => {}
                Some(event) => return Some(event),
                None => {
                    if self.io.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                        return None;
                    }
                }
            }
        }
    }

    /// Reads once: what the client does, if that was enough to tell.
    pub(crate) async fn read_once(&mut self) -> Option<ServerEvent> {
        assert_ne!(self.io.read_buf(&mut self.input).await.unwrap_or(0), 0);
        self.machine.poll_event(&mut self.input, Duration::ZERO).unwrap()
    }

    /// Writes what the machine has prepared. A client that has gone does not get it.
    pub(crate) async fn flush(&mut self) {
        while !self.machine.output().is_empty() {
            let output = self.machine.output().split();
            let _ = self.io.write_all(&output).await;
        }
    }

    pub(crate) async fn accept_connect(&mut self) -> ConnectRequest {
        match self.next().await {
            Some(ServerEvent::Connect(request)) => {
                self.machine.accept_connect(&ConnectReply::default()).unwrap();
                self.flush().await;
                request
            }
            other => panic!("{other:?} instead of connect"),
        }
    }

    /// The name that the client publishes under.
    pub(crate) async fn accept_publish(&mut self) -> (MessageStreamId, String) {
        match self.next().await {
            Some(ServerEvent::Publish { stream, request }) => {
                self.machine.accept_publish(stream).unwrap();
                self.flush().await;
                (stream, request.name().to_owned())
            }
            other => panic!("{other:?} instead of publish"),
        }
    }

    pub(crate) async fn accept_play(&mut self) -> (MessageStreamId, String) {
        match self.next().await {
            Some(ServerEvent::Play { stream, request }) => {
                self.machine.accept_play(stream).unwrap();
                self.flush().await;
                (stream, request.name().to_owned())
            }
            other => panic!("{other:?} instead of play"),
        }
    }

    pub(crate) async fn send(&mut self, stream: MessageStreamId, message: &MediaMessage) {
        self.machine.send_media(stream, message).unwrap();
        self.flush().await;
    }

    pub(crate) async fn media(&mut self) -> MediaMessage {
        match self.next().await {
            Some(ServerEvent::Media { message, .. }) => message,
            other => panic!("{other:?} instead of media"),
        }
    }
}

/// A connection whose handshake is done, and the server at its other end.
pub(crate) async fn dial_with(builder: ClientBuilder) -> (ClientConn, Server) {
    let (ours, theirs) = duplex(LINE);
    let mut server = Server::new(theirs);
    let dialling = builder.from_io(ours, URL);
    tokio::pin!(dialling);
    tokio::select! {
        conn = &mut dialling => (conn.unwrap(), server),
        // The handshake is all that the server has to do.
        event = server.next() => panic!("{event:?} during the handshake"),
    }
}

/// A builder that dials in memory, and the addresses that it dials with the other ends of their lines.
pub(crate) fn dialled_lines() -> (ClientBuilder, mpsc::Receiver<(RtmpUrl, DuplexStream)>) {
    let (dialled, lines) = mpsc::channel(16);
    let builder = ClientConn::builder().connector(move |url| {
        let (ours, theirs) = duplex(LINE);
        let sent = dialled.try_send((url, theirs));
        async move {
            match sent {
                Ok(()) => Ok(ours),
                Err(_) => Err(std::io::ErrorKind::ConnectionRefused.into()),
            }
        }
    });
    (builder, lines)
}

/// A connection that the server has accepted.
pub(crate) async fn connect_with(builder: ClientBuilder) -> (ClientConn, Server) {
    let (conn, mut server) = dial_with(builder).await;
    let (connected, _) = tokio::join!(conn.connect(ConnectRequest::default()), server.accept_connect());
    connected.unwrap();
    (conn, server)
}

pub(crate) async fn connect() -> (ClientConn, Server) {
    connect_with(ClientConn::builder()).await
}

/// A server that sends what no server should: whole messages by hand.
pub(crate) struct Raw {
    line: Framed<DuplexStream, ChunkCodec>,
}

impl Raw {
    /// Shakes hands.
    pub(crate) async fn accept(mut io: DuplexStream) -> Self {
        let mut handshake = ServerHandshake::new(0, |random| random.fill(9));
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        while handshake.handle_input(&mut input, &mut output).unwrap().is_none() {
            io.write_all_buf(&mut output).await.unwrap();
            assert_ne!(io.read_buf(&mut input).await.unwrap(), 0);
        }
        let mut parts = FramedParts::new::<RawMessage>(io, ChunkCodec::default());
        parts.read_buf = input;
        Self {
            line: Framed::from_parts(parts),
        }
    }

    /// The client's next message; `None` when it has closed the line.
    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        let message = self.line.next().await?.unwrap();
        Some(Message::decode(message).unwrap())
    }

    /// The client's next command; `None` when it has closed the line.
    pub(crate) async fn next(&mut self) -> Option<(MessageStreamId, Command)> {
        loop {
            if let Message::Command { stream, command } = self.next_message().await? {
                return Some((stream, command));
            }
        }
    }

    /// The client's next command, which has to have this name.
    pub(crate) async fn expect(&mut self, name: &str) -> Command {
        let (_, command) = self.next().await.unwrap();
        assert_eq!(command.name, *name);
        command
    }

    pub(crate) async fn send(&mut self, stream: u32, command: Command) {
        let stream = stream_id(stream);
        self.send_message(Message::Command { stream, command }).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.line.send(message.encode().unwrap()).await.unwrap();
    }

    pub(crate) async fn send_status(&mut self, stream: u32, status: Status) {
        self.send(stream, Command::on_status(&status)).await;
    }

    /// Writes bytes that may be no chunks.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.line.get_mut().write_all(bytes).await.unwrap();
    }

    pub(crate) async fn accept_connect(&mut self) {
        let connect = self.expect("connect").await;
        let status = Status::new(StatusCode::ConnectSuccess, "");
        self.send(
            0,
            Command::result(connect.transaction).with_argument(status.to_value()),
        )
        .await;
    }

    pub(crate) async fn accept_create_stream(&mut self, id: u32) {
        let create = self.expect("createStream").await;
        self.send(0, Command::result(create.transaction).with_argument(id))
            .await;
    }

    /// The command `publish`, behind those that come with it.
    pub(crate) async fn expect_publish(&mut self) -> (MessageStreamId, Command) {
        self.expect("releaseStream").await;
        self.expect("FCPublish").await;
        let (stream, publish) = self.next().await.unwrap();
        assert_eq!(publish.name, *"publish");
        (stream, publish)
    }
}

pub(crate) async fn dial_raw_with(builder: ClientBuilder) -> (ClientConn, Raw) {
    let (ours, theirs) = duplex(LINE);
    let (conn, raw) = tokio::join!(builder.from_io(ours, URL), Raw::accept(theirs));
    (conn.unwrap(), raw)
}

pub(crate) async fn dial_raw() -> (ClientConn, Raw) {
    dial_raw_with(ClientConn::builder()).await
}

/// A connection that a server by hand has accepted.
pub(crate) async fn connect_raw() -> (ClientConn, Raw) {
    let (conn, mut raw) = dial_raw().await;
    let (connected, ()) = tokio::join!(conn.connect(ConnectRequest::default()), raw.accept_connect());
    connected.unwrap();
    (conn, raw)
}

/// A stream of this number.
pub(crate) async fn create_stream_raw(id: u32) -> (ClientConn, ClientStream, Raw) {
    let (conn, mut raw) = connect_raw().await;
    let (stream, ()) = tokio::join!(conn.create_stream(), raw.accept_create_stream(id));
    (conn, stream.unwrap(), raw)
}

pub(crate) async fn publish() -> (ClientConn, Publisher, Server) {
    publish_with(ClientConn::builder()).await
}

/// A stream that is being published.
pub(crate) async fn publish_with(builder: ClientBuilder) -> (ClientConn, Publisher, Server) {
    let (conn, mut server) = connect_with(builder).await;
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        stream.publish("cam", PublishKind::Live).await.unwrap()
    };
    let (publisher, _) = tokio::join!(client, server.accept_publish());
    (conn, publisher, server)
}

pub(crate) async fn play() -> (ClientConn, Playback, Server) {
    play_with(ClientConn::builder()).await
}

/// A stream that is being played.
pub(crate) async fn play_with(builder: ClientBuilder) -> (ClientConn, Playback, Server) {
    let (conn, mut server) = connect_with(builder).await;
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        stream.play(PlayRequest::new("cam")).await.unwrap()
    };
    let (playback, _) = tokio::join!(client, server.accept_play());
    (conn, playback, server)
}

/// Lets the other tasks do all that they can do now.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// An error with its causes, as a program prints it.
pub(crate) fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
