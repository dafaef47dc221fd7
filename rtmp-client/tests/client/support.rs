//! The other end of the connections under test: servers in memory that do what the test says.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_client::{
    ClientBuilder, ClientConn, ConnectReply, ConnectRequest, MediaMessage, MessageStreamId, Timestamp,
};
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

pub(crate) const URL: &str = "rtmp://example.org/live/cam";

/// What the line between the two holds in each direction.
pub(crate) const LINE: usize = 64 << 10;

pub(crate) fn stream_id(id: u32) -> MessageStreamId {
    MessageStreamId::new(id)
}

pub(crate) fn video(millis: u32, len: usize) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(millis), vec![0x17; len])
}

/// A server that speaks the protocol right.
pub(crate) struct Server {
    io: DuplexStream,
    pub(crate) machine: ServerMachine,
    input: BytesMut,
}

impl Server {
    pub(crate) fn new(io: DuplexStream) -> Self {
        let machine = ServerMachine::new(ServerConfig::default(), Duration::ZERO, |random| random.fill(7));
        Self {
            io,
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

    /// Writes what the machine has prepared. A client that has gone does not get it.
    pub(crate) async fn flush(&mut self) {
        let output = self.machine.output().split();
        let _ = self.io.write_all(&output).await;
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
