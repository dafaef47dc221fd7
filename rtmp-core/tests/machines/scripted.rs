//! A machine and a peer that a test plays by hand.

use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{Object, Value};
use rtmp_core::Timestamp;
use rtmp_core::chunk::{ChunkDecoder, ChunkEncoder, ChunkStreamId, MessageStreamId, RawMessage};
use rtmp_core::conn::{
    ClientConfig, ClientEvent, ClientMachine, ProtocolError, ServerConfig, ServerEvent, ServerMachine,
};
use rtmp_core::handshake::{HandshakeKind, ServerHandshake};
use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, Control, Message, TransactionId, UserControl,
};
use tokio_util::codec::{Decoder, Encoder};

use crate::described;

pub(crate) const SET_CHUNK_SIZE: u8 = 1;
pub(crate) const ABORT: u8 = 2;
pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
pub(crate) const USER_CONTROL: u8 = 4;
pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
pub(crate) const SET_PEER_BANDWIDTH: u8 = 6;
pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const AMF3_COMMAND: u8 = 17;
pub(crate) const COMMAND: u8 = 20;

pub(crate) fn stream(id: u32) -> MessageStreamId {
    MessageStreamId::new(id)
}

pub(crate) fn random(bytes: &mut [u8]) {
    bytes.fill(7);
}

pub(crate) fn raw(chunk_stream: u32, message_type: u8, stream: u32, payload: impl Into<Bytes>) -> RawMessage {
    RawMessage {
        chunk_stream: ChunkStreamId::new(chunk_stream).expect("the test names a chunk stream"),
        timestamp: Timestamp::ZERO,
        message_type: message_type.into(),
        stream: MessageStreamId::new(stream),
        payload: payload.into(),
    }
}

pub(crate) fn command(name: &str, transaction: u32) -> Command {
    Command::new(name).with_transaction(TransactionId::new(transaction))
}

pub(crate) fn connect_to(app: impl Into<Value>) -> Command {
    command("connect", 1).with_object(Object::new().with("app", app.into()))
}

/// Values that stand where another kind is meant.
pub(crate) fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Undefined,
        Value::Boolean(true),
        Value::Number(f64::NAN),
        Value::Number(f64::INFINITY),
        Value::Number(f64::NEG_INFINITY),
        Value::Number(-1.0),
        Value::Number(1e308),
        Value::Object(Object::new()),
        Value::StrictArray(vec![Value::Null]),
    ]
}

/// A transaction id of any number, the way a peer writes it.
pub(crate) fn odd_transaction(command: Command, id: impl Into<Value>) -> RawMessage {
    let mut body = BytesMut::new();
    let mut encoder = rtmp_amf::amf0::Encoder::new(&mut body);
    for value in [
        Value::from(command.name.to_string_lossy().into_owned()),
        id.into(),
        command.object,
    ] {
        encoder.value(&value).expect("the test writes AMF0");
    }
    for argument in &command.arguments {
        encoder.value(argument).expect("the test writes AMF0");
    }
    raw(3, COMMAND, 0, body)
}

/// What the hand-played peer knows: it writes messages into one buffer and reads the machine's from another.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    encoder: ChunkEncoder,
    decoder: ChunkDecoder,
    pub(crate) sent: BytesMut,
    received: BytesMut,
}

impl Peer {
    fn send(&mut self, message: &RawMessage) {
        self.encoder
            .encode(message, &mut self.sent)
            .expect("the test sends what can be encoded");
    }

    fn read(&mut self, output: &mut BytesMut) {
        self.received.unsplit(output.split());
    }

    fn receive(&mut self, output: &mut BytesMut) -> Vec<RawMessage> {
        self.read(output);
        let mut messages = Vec::new();
        while let Some(message) = self
            .decoder
            .decode(&mut self.received)
            .expect("a machine sends whole chunks")
        {
            messages.push(message);
        }
        assert!(self.received.is_empty(), "a machine sends whole messages");
        messages
    }
}

/// A server machine whose client the test plays.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) machine: ServerMachine,
    pub(crate) peer: Peer,
    pub(crate) now: Duration,
}

impl Server {
    /// Behind the handshake.
    pub(crate) fn new(config: ServerConfig) -> Self {
        let mut machine = ServerMachine::new(config, Duration::ZERO, random);
        let mut packets = BytesMut::zeroed(3073);
        packets[0] = 3;
        let event = machine
            .poll_event(&mut packets, Duration::ZERO)
            .expect("a simple handshake");
        assert!(matches!(
            event,
            Some(ServerEvent::HandshakeDone(HandshakeKind::Simple))
        ));
        assert_eq!(machine.output().split().len(), 3073);
        Self {
            machine,
            peer: Peer::default(),
            now: Duration::ZERO,
        }
    }

    /// Behind `connect`.
    pub(crate) fn connected() -> Self {
        Self::connected_with(ServerConfig::default())
    }

    pub(crate) fn connected_with(config: ServerConfig) -> Self {
        let mut server = Self::new(config);
        server.send(0, connect_to("live"));
        assert_eq!(server.events(), ["connect live"]);
        server
            .machine
            .accept_connect(&ConnectReply::default())
            .expect("a client asks to connect");
        server.replies();
        server
    }

    /// With stream 1 created.
    pub(crate) fn with_stream() -> Self {
        let mut server = Self::connected();
        server.send(0, command("createStream", 2));
        assert_eq!(server.exchange(), ["3/0 _result 2 Number(1.0)"]);
        server
    }

    /// With "cam" published on stream 1.
    pub(crate) fn publishing() -> Self {
        let mut server = Self::with_stream();
        server.send(1, command("publish", 0).with_argument("cam"));
        assert_eq!(server.events(), ["publish 1 cam live"]);
        server
            .machine
            .accept_publish(stream(1))
            .expect("a client asks to publish");
        server.replies();
        server
    }

    /// With "cam" played on stream 1.
    pub(crate) fn playing() -> Self {
        let mut server = Self::with_stream();
        server.send(1, command("play", 0).with_argument("cam"));
        assert_eq!(server.events(), ["play 1 cam"]);
        server
            .machine
            .accept_play(stream(1))
            .expect("a client asks to play");
        server.replies();
        server
    }

    pub(crate) fn send(&mut self, stream: u32, command: Command) {
        let stream = MessageStreamId::new(stream);
        self.say(&Message::Command { stream, command });
    }

    pub(crate) fn say(&mut self, message: &Message) {
        self.send_raw(&message.encode().expect("the test sends what can be encoded"));
    }

    pub(crate) fn send_raw(&mut self, message: &RawMessage) {
        self.peer.send(message);
    }

    /// The next event, with a peer that reads whenever the machine waits for that.
    pub(crate) fn poll(&mut self) -> Result<Option<ServerEvent>, ProtocolError> {
        loop {
            let event = self.machine.poll_event(&mut self.peer.sent, self.now)?;
            if let Some(ServerEvent::StreamLength { transaction, .. }) = &event {
                self.machine.answer_stream_length(*transaction, None)?;
            }
            if event.is_some() || self.machine.has_room() {
                return Ok(event);
            }
            self.peer.read(self.machine.output());
        }
    }

    /// The events of what was sent, as far as the machine goes.
    #[track_caller]
    pub(crate) fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.poll().expect("the connection goes on") {
            events.push(described::server_event(&event));
        }
        events
    }

    /// Why the connection ends at what was sent.
    #[track_caller]
    pub(crate) fn fault(&mut self) -> ProtocolError {
        loop {
            match self.poll() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the connection goes on"),
                Err(error) => return error,
            }
        }
    }

    /// What the machine has sent since the last time.
    pub(crate) fn replies(&mut self) -> Vec<String> {
        self.raw_replies().iter().map(described::message).collect()
    }

    pub(crate) fn raw_replies(&mut self) -> Vec<RawMessage> {
        self.peer.receive(self.machine.output())
    }

    /// What the machine answers to what was sent, whatever the events are.
    #[track_caller]
    pub(crate) fn exchange(&mut self) -> Vec<String> {
        self.events();
        self.replies()
    }

    /// That the connection still works: a stream can be created.
    #[track_caller]
    pub(crate) fn assert_goes_on(&mut self) {
        self.send(0, command("createStream", 77));
        let replies = self.exchange();
        assert!(
            replies
                .last()
                .is_some_and(|reply| reply.starts_with("3/0 _result 77")),
            "{replies:?}"
        );
    }
}

/// A client machine whose server the test plays.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) machine: ClientMachine,
    pub(crate) peer: Peer,
    pub(crate) now: Duration,
}

impl Client {
    /// Behind the handshake.
    pub(crate) fn new() -> Self {
        let mut machine = ClientMachine::new(ClientConfig::default(), Duration::ZERO, random);
        let (mut to_client, mut to_server) = (BytesMut::new(), machine.output().split());
        ServerHandshake::new(0, random)
            .handle_input(&mut to_server, &mut to_client)
            .expect("our own handshake");
        let event = machine
            .poll_event(&mut to_client, Duration::ZERO)
            .expect("our own handshake");
        assert!(matches!(event, Some(ClientEvent::HandshakeDone(_))));
        machine.output().clear();
        Self {
            machine,
            peer: Peer::default(),
            now: Duration::ZERO,
        }
    }

    /// With `connect` sent.
    pub(crate) fn connecting() -> Self {
        let mut client = Self::new();
        client.connect();
        assert_eq!(client.replies(), ["2/0 SetChunkSize(60000)", "3/0 connect 1"]);
        client
    }

    pub(crate) fn connect(&mut self) {
        self.machine
            .connect(&ConnectRequest::default(), "live", "rtmp://h/live")
            .expect("the handshake is done");
    }

    /// Behind `connect`.
    pub(crate) fn connected() -> Self {
        let mut client = Self::connecting();
        client.send(0, connect_accepted());
        assert_eq!(client.events(), ["connected NetConnection.Connect.Success"]);
        assert_eq!(client.replies(), ["2/0 WindowAckSize(2500000)"]);
        client
    }

    /// With stream 1 created.
    pub(crate) fn with_stream() -> Self {
        let mut client = Self::connected();
        client
            .machine
            .create_stream()
            .expect("the connection is connected");
        client.replies();
        client.send(0, command("_result", 2).with_argument(1.0));
        assert_eq!(client.events(), ["created 2 1"]);
        client
    }

    pub(crate) fn send(&mut self, stream: u32, command: Command) {
        let stream = MessageStreamId::new(stream);
        self.say(&Message::Command { stream, command });
    }

    pub(crate) fn say(&mut self, message: &Message) {
        self.send_raw(&message.encode().expect("the test sends what can be encoded"));
    }

    pub(crate) fn send_raw(&mut self, message: &RawMessage) {
        self.peer.send(message);
    }

    pub(crate) fn poll(&mut self) -> Result<Option<ClientEvent>, ProtocolError> {
        self.machine.poll_event(&mut self.peer.sent, self.now)
    }

    #[track_caller]
    pub(crate) fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.poll().expect("the connection goes on") {
            events.push(described::client_event(&event));
        }
        events
    }

    #[track_caller]
    pub(crate) fn fault(&mut self) -> ProtocolError {
        loop {
            match self.poll() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the connection goes on"),
                Err(error) => return error,
            }
        }
    }

    pub(crate) fn replies(&mut self) -> Vec<String> {
        let messages = self.peer.receive(self.machine.output());
        messages.iter().map(described::message).collect()
    }
}

pub(crate) fn connect_accepted() -> Command {
    let info = Object::new()
        .with("level", "status")
        .with("code", "NetConnection.Connect.Success");
    command("_result", 1)
        .with_object(Object::new())
        .with_argument(Value::Object(info))
}

pub(crate) fn on_status(code: &str) -> Command {
    Command::new("onStatus").with_argument(Value::Object(Object::new().with("code", code)))
}

pub(crate) fn control(control: Control) -> Message {
    Message::Control(control)
}

pub(crate) fn ping(value: u32) -> Message {
    Message::UserControl(UserControl::PingRequest(value))
}

pub(crate) fn recording(name: &str) -> Vec<u8> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/vectors/captures/{name}.bin"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
