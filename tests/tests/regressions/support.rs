//! Both ends of the connections under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use rtmp_client::ClientConn;
use rtmp_core::chunk::{ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::{Command, ConnectReply, ConnectRequest, Message, PublishRequest};
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::{
    ConnectObserver, Observers, PublishGrant, PublishObserver, Relay, SessionConfig, SessionInfo, Verdict,
};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, RunningSession, session, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

pub(crate) const URL: &str = "rtmp://localhost/live/cam";

/// A scripted client of a relay, connected to `live`.
pub(crate) async fn peer(relay: &Relay) -> Peer<DuplexStream> {
    let (io, _session) = session(&Observers::new().relay(relay.clone()));
    Peer::connected(io, "live").await
}

/// A scripted client that plays `cam`.
pub(crate) async fn player(relay: &Relay) -> Peer<DuplexStream> {
    let mut player = peer(relay).await;
    player.play("cam").await.unwrap();
    player
}

/// A client of the library, connected to `live` of a relay whose session has this configuration.
pub(crate) async fn client(relay: &Relay, config: SessionConfig) -> (ClientConn, RunningSession) {
    let (ours, theirs) = duplex(PIPE_LEN);
    let session = session_over(theirs, &Observers::new().relay(relay.clone()), config);
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    (conn, session)
}

pub(crate) fn at(millis: u32) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A message of any type on any chunk stream.
pub(crate) fn raw(
    chunk_stream: u32,
    message_type: u8,
    stream: MessageStreamId,
    payload: &[u8],
) -> RawMessage {
    RawMessage {
        chunk_stream: ChunkStreamId::new(chunk_stream).unwrap(),
        timestamp: Timestamp::ZERO,
        message_type: MessageType::from(message_type),
        stream,
        payload: payload.to_vec().into(),
    }
}

/// Sends a message from a scripted client as it is.
pub(crate) async fn send_raw(peer: &mut Peer<DuplexStream>, message: &RawMessage) {
    peer.machine().send_raw(message).unwrap();
    peer.flush().await;
}

/// The same, with media on the chunk stream that the test says.
pub(crate) async fn send_on(
    peer: &mut Peer<DuplexStream>,
    chunk_stream: u32,
    stream: MessageStreamId,
    message: &MediaMessage,
) {
    let message = RawMessage {
        chunk_stream: ChunkStreamId::new(chunk_stream).unwrap(),
        ..message.to_raw(stream)
    };
    send_raw(peer, &message).await;
}

/// The same with a command.
pub(crate) async fn say_on(
    peer: &mut Peer<DuplexStream>,
    chunk_stream: u32,
    stream: MessageStreamId,
    command: Command,
) {
    let message = RawMessage {
        chunk_stream: ChunkStreamId::new(chunk_stream).unwrap(),
        ..Message::Command { stream, command }.encode().unwrap()
    };
    send_raw(peer, &message).await;
}

/// An observer that accepts everything and keeps what was asked.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    connects: Arc<Mutex<Vec<ConnectRequest>>>,
    publishes: Arc<Mutex<Vec<PublishRequest>>>,
}

impl Desk {
    pub(crate) fn observers(&self) -> Observers {
        Observers::new().connect(self.clone()).publish(self.clone())
    }

    pub(crate) fn connects(&self) -> Vec<ConnectRequest> {
        self.connects.lock().unwrap().clone()
    }

    pub(crate) fn publishes(&self) -> Vec<PublishRequest> {
        self.publishes.lock().unwrap().clone()
    }
}

#[async_trait]
impl ConnectObserver for Desk {
    async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        self.connects.lock().unwrap().push(request.clone());
        Verdict::accept()
    }
}

#[async_trait]
impl PublishObserver for Desk {
    async fn on_publish(&self, _: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        self.publishes.lock().unwrap().push(request.clone());
        Verdict::accept()
    }
}

/// A server that accepts everything and says besides what a test wants it to.
pub(crate) struct Host {
    io: DuplexStream,
    pub(crate) machine: ServerMachine,
    input: BytesMut,
}

impl Host {
    pub(crate) fn new(io: DuplexStream) -> Self {
        Self {
            io,
            machine: ServerMachine::new(ServerConfig::default(), Duration::ZERO, |bytes| bytes.fill(3)),
            input: BytesMut::new(),
        }
    }

    /// What the client does next; `None` when it has gone.
    pub(crate) async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            let event = self
                .machine
                .poll_event(&mut self.input, Duration::ZERO)
                .expect("a client that keeps the protocol");
            match &event {
                Some(ServerEvent::Connect(_)) => self.machine.accept_connect(&ConnectReply::default()),
                Some(ServerEvent::Publish { stream, .. }) => self.machine.accept_publish(*stream),
                Some(ServerEvent::Play { stream, .. }) => self.machine.accept_play(*stream),
                _ => Ok(()),
            }
            .unwrap();
            self.flush().await;
            if event.is_some() {
                return event;
            }
            if self.io.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next event that is wanted.
    pub(crate) async fn until<R>(&mut self, mut wanted: impl FnMut(ServerEvent) -> Option<R>) -> R {
        loop {
            let event = self.next().await.expect("the client has gone too early");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    /// The next media message.
    pub(crate) async fn media(&mut self) -> MediaMessage {
        self.until(|event| match event {
            ServerEvent::Media { message, .. } => Some(message),
            _ => None,
        })
        .await
    }

    /// Sends what the machine has prepared. A client that has gone does not get it.
    pub(crate) async fn flush(&mut self) {
        while !self.machine.output().is_empty() {
            let output = self.machine.output().split();
            let _ = self.io.write_all(&output).await;
        }
    }
}
