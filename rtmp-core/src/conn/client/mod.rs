//! The client's end of a connection.

mod commands;
mod event;
mod incoming;

use std::time::Duration;

use bytes::BytesMut;

pub use event::ClientEvent;

use super::calls::Calls;
use super::link::{Incoming, Link};
use super::link_methods::link_methods;
use super::{DEFAULT_OUTGOING_CHUNK_SIZE, DEFAULT_WINDOW, Direction, ProtocolError};
use crate::Limits;
use crate::chunk::{MAX_CHUNK_SIZE, MessageStreamId, RawMessage};
use crate::handshake::{ClientHandshake, ClientHandshakeConfig, HandshakePacket};
use crate::message::{Control, UserControl};

/// What a [`ClientMachine`] announces and accepts.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    handshake: ClientHandshakeConfig,
    limits: Limits,
    chunk_size: u32,
    window_ack_size: u32,
    buffer_length: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            handshake: ClientHandshakeConfig::default(),
            limits: Limits::default(),
            chunk_size: DEFAULT_OUTGOING_CHUNK_SIZE,
            window_ack_size: DEFAULT_WINDOW,
            buffer_length: Duration::from_secs(3),
        }
    }
}

impl ClientConfig {
    /// Which handshake is offered.
    #[must_use]
    pub fn handshake(mut self, handshake: ClientHandshakeConfig) -> Self {
        self.handshake = handshake;
        self
    }

    /// What a server may make the machine hold.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The chunk size announced to the server, in bytes, brought into 1 to 2^31 - 1; 60,000 by default.
    #[must_use]
    pub fn chunk_size(mut self, bytes: u32) -> Self {
        self.chunk_size = bytes.clamp(1, MAX_CHUNK_SIZE);
        self
    }

    /// How often the server is to acknowledge, in bytes; 2,500,000 by default.
    #[must_use]
    pub fn window_ack_size(mut self, bytes: u32) -> Self {
        self.window_ack_size = bytes;
        self
    }

    /// How much media a player buffers, which servers of recorded streams send ahead; 3 s by default.
    #[must_use]
    pub fn buffer_length(mut self, length: Duration) -> Self {
        self.buffer_length = length;
        self
    }
}

/// The client's end of a connection, as a state machine; see [`conn`](super).
#[derive(Debug)]
pub struct ClientMachine {
    config: ClientConfig,
    link: Link,
    phase: Phase,
    /// Commands that wait for an answer.
    calls: Calls<Pending>,
    streams: Vec<Stream>,
    /// Streams that there were: what is still under way for them must not count as another's.
    deleted: Vec<MessageStreamId>,
}

/// ```text
/// handshake --> unconnected --connect--> connecting --_result--> connected --close--> closed
///                                             \-------_error------------------------->/
/// ```
#[derive(Debug)]
enum Phase {
    Handshake(Box<ClientHandshake>),
    Unconnected,
    Connecting,
    Connected,
    Closed,
}

impl Phase {
    const fn name(&self) -> &'static str {
        match self {
            Self::Handshake(_) => "shaking hands",
            Self::Unconnected => "not connected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Closed => "closed",
        }
    }
}

/// What the answer to a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Connect,
    CreateStream,
    Publish(MessageStreamId),
    Play(MessageStreamId),
    Call,
    /// Sent because servers expect it; the answer says nothing.
    Courtesy,
}

#[derive(Debug)]
struct Stream {
    id: MessageStreamId,
    role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Idle,
    PublishRequested { name: String },
    Publishing { name: String },
    PlayRequested,
    Playing,
}

impl ClientMachine {
    /// A machine whose [`output`](Self::output) begins with the handshake. `now` is the time on the caller's clock,
    /// and `fill_random` fills the free bytes of the handshake.
    #[must_use]
    pub fn new(config: ClientConfig, now: Duration, fill_random: impl FnOnce(&mut [u8])) -> Self {
        let mut handshake = ClientHandshake::new(config.handshake, now.as_millis() as u32, fill_random);
        let mut link = Link::new(config.limits);
        handshake.start(link.output());
        Self {
            config,
            link,
            phase: Phase::Handshake(Box::new(handshake)),
            calls: Calls::default(),
            streams: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Takes bytes from `input` until they give an event or run out. `now` is the time on the clock that
    /// [`new`](Self::new) was given.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the server broke the protocol or a limit: the connection has to be closed.
    pub fn poll_event(
        &mut self,
        input: &mut BytesMut,
        now: Duration,
    ) -> Result<Option<ClientEvent>, ProtocolError> {
        loop {
            if !self.link.has_room() {
                return Ok(None);
            }
            match &mut self.phase {
                Phase::Handshake(handshake) => {
                    let Some(kind) = handshake.handle_input(input, self.link.output())? else {
                        return Ok(None);
                    };
                    self.phase = Phase::Unconnected;
                    return Ok(Some(ClientEvent::HandshakeDone(kind)));
                }
                Phase::Closed => {
                    input.clear();
                    return Ok(None);
                }
                Phase::Unconnected | Phase::Connecting | Phase::Connected => {}
            }
            let Some(incoming) = self.link.next_message(input, now)? else {
                return Ok(None);
            };
            if let Some(event) = self.handle(incoming)? {
                return Ok(Some(event));
            }
        }
    }

    /// What is to be sent to the server, in whole chunks. The caller takes bytes off its front as it writes them. There may
    /// be more when they are gone: a long message comes [in parts](super#what-overtakes-what).
    pub fn output(&mut self) -> &mut BytesMut {
        self.link.output()
    }

    /// The packet of the handshake that is awaited, or `None` once it is done.
    #[must_use]
    pub fn awaited_handshake_packet(&self) -> Option<HandshakePacket> {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.awaits(),
            _ => None,
        }
    }

    link_methods!();

    fn stream(&mut self, id: MessageStreamId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    fn role(&self, id: MessageStreamId) -> Option<&Role> {
        self.streams
            .iter()
            .find(|stream| stream.id == id)
            .map(|stream| &stream.role)
    }

    fn set_role(&mut self, id: MessageStreamId, role: Role) {
        if let Some(stream) = self.stream(id) {
            stream.role = role;
        }
    }

    fn wrong_phase(&self, operation: &'static str) -> ProtocolError {
        ProtocolError::WrongPhase {
            operation,
            phase: self.phase.name(),
        }
    }
}
