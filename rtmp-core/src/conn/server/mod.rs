//! The server's end of a connection.

mod answer;
mod commands;
mod event;
mod playing;
mod streams;

use std::time::Duration;

use bytes::BytesMut;

pub use event::ServerEvent;
use streams::{Role, Streams};

use super::calls::Calls;
use super::link::{Incoming, Link};
use super::link_methods::link_methods;
use super::{DEFAULT_OUTGOING_CHUNK_SIZE, DEFAULT_WINDOW, Direction, Ignored, ProtocolError};
use crate::chunk::{MAX_CHUNK_SIZE, MessageStreamId, RawMessage};
use crate::handshake::{ServerHandshake, ServerHandshakeConfig};
use crate::message::{Control, MediaMessage, TransactionId, UserControl};
use crate::{Limits, Timestamp};

/// What a [`ServerMachine`] announces and accepts.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    handshake: ServerHandshakeConfig,
    limits: Limits,
    chunk_size: u32,
    window_ack_size: u32,
    peer_bandwidth: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            handshake: ServerHandshakeConfig::default(),
            limits: Limits::default(),
            chunk_size: DEFAULT_OUTGOING_CHUNK_SIZE,
            window_ack_size: DEFAULT_WINDOW,
            peer_bandwidth: DEFAULT_WINDOW,
        }
    }
}

impl ServerConfig {
    /// How the handshake is answered.
    #[must_use]
    pub fn handshake(mut self, handshake: ServerHandshakeConfig) -> Self {
        self.handshake = handshake;
        self
    }

    /// What a client may make the machine hold.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The chunk size announced to the client, in bytes, brought into 1 to 2^31 - 1; 60,000 by default. Some encoders
    /// adopt it for what they send.
    #[must_use]
    pub fn chunk_size(mut self, bytes: u32) -> Self {
        self.chunk_size = bytes.clamp(1, MAX_CHUNK_SIZE);
        self
    }

    /// How often the client is to acknowledge, in bytes; 2,500,000 by default.
    #[must_use]
    pub fn window_ack_size(mut self, bytes: u32) -> Self {
        self.window_ack_size = bytes;
        self
    }

    /// The peer bandwidth announced to the client, in bytes; 2,500,000 by default.
    #[must_use]
    pub fn peer_bandwidth(mut self, bytes: u32) -> Self {
        self.peer_bandwidth = bytes;
        self
    }

    /// The chunk size that will be announced.
    #[must_use]
    pub fn announced_chunk_size(&self) -> u32 {
        self.chunk_size
    }
}

/// The server's end of a connection, as a state machine; see [`conn`](super).
///
/// A request of the client stops the machine until it is accepted or rejected: what the client has sent behind it
/// waits in the input buffer, so that media which come before the answer are lost neither whole nor in part.
#[derive(Debug)]
pub struct ServerMachine {
    config: ServerConfig,
    link: Link,
    phase: Phase,
    streams: Streams,
    /// The request that the caller has to answer before the next event.
    undecided: Option<Undecided>,
    /// The second event of a command that gave two.
    next_event: Option<ServerEvent>,
    calls: Calls,
    /// The client has asked for AMF3, and whether it was agreed on.
    amf3: Amf3,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Amf3 {
    #[default]
    NotAsked,
    Asked,
    Agreed,
}

/// ```text
/// handshake --> unconnected --accept_connect--> connected --close--> closed
///                    \--------reject_connect----------------------->/
/// ```
#[derive(Debug)]
enum Phase {
    Handshake(Box<ServerHandshake>),
    Unconnected,
    Connected,
    Closed,
}

impl Phase {
    const fn name(&self) -> &'static str {
        match self {
            Self::Handshake(_) => "shaking hands",
            Self::Unconnected => "not connected",
            Self::Connected => "connected",
            Self::Closed => "closed",
        }
    }
}

/// Whether what is played comes from a publisher or from a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOrigin {
    /// From a publisher.
    Live,
    /// From a recording.
    Recorded,
}

/// What a player was sent of a recorded stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// The time on the stream's clock from the first to the last message.
    pub duration: Duration,
    /// The time of the last message.
    pub end: Timestamp,
    /// The length of all messages.
    pub bytes: u64,
}

/// A request that was handed to the caller. The stream of a `publish` or `play` is idle until it is accepted.
#[derive(Debug)]
enum Undecided {
    Connect { transaction: TransactionId },
    Publish { stream: MessageStreamId, name: String },
    Play { stream: MessageStreamId, reset: bool },
}

impl ServerMachine {
    /// A machine that waits for the client's first byte. `now` is the time on the caller's clock, and `fill_random`
    /// fills the free bytes of the handshake.
    #[must_use]
    pub fn new(config: ServerConfig, now: Duration, fill_random: impl FnOnce(&mut [u8])) -> Self {
        let handshake = ServerHandshake::with_config(config.handshake, now.as_millis() as u32, fill_random);
        let mut link = Link::new(config.limits);
        link.set_awaits_connect(true);
        Self {
            link,
            config,
            phase: Phase::Handshake(Box::new(handshake)),
            streams: Streams::default(),
            undecided: None,
            next_event: None,
            calls: Calls::default(),
            amf3: Amf3::default(),
        }
    }

    /// Takes bytes from `input` until they give an event or run out. `now` is the time on the clock that
    /// [`new`](Self::new) was given.
    ///
    /// While a request waits for its answer there is no further event.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the client broke the protocol or a limit: the connection has to be closed, after what
    /// [`output`](Self::output) holds is sent.
    pub fn poll_event(
        &mut self,
        input: &mut BytesMut,
        now: Duration,
    ) -> Result<Option<ServerEvent>, ProtocolError> {
        loop {
            if self.undecided.is_some() {
                return Ok(None);
            }
            if let Some(event) = self.next_event.take() {
                self.note_request(&event);
                return Ok(Some(event));
            }
            if !self.link.has_room() {
                return Ok(None);
            }
            match &mut self.phase {
                Phase::Handshake(handshake) => {
                    let Some(kind) = handshake.handle_input(input, self.link.output())? else {
                        return Ok(None);
                    };
                    self.phase = Phase::Unconnected;
                    return Ok(Some(ServerEvent::HandshakeDone(kind)));
                }
                Phase::Closed => {
                    input.clear();
                    return Ok(None);
                }
                Phase::Unconnected | Phase::Connected => {}
            }
            let Some(incoming) = self.link.next_message(input, now)? else {
                return Ok(None);
            };
            if let Some(event) = self.handle(incoming)? {
                self.note_request(&event);
                return Ok(Some(event));
            }
        }
    }

    /// What is to be sent to the client, in whole chunks. The caller takes bytes off its front as it writes them. There may
    /// be more when they are gone: a long message comes [in parts](super#what-overtakes-what).
    pub fn output(&mut self) -> &mut BytesMut {
        self.link.output()
    }

    /// Whether AMF3 was agreed on with the client.
    #[must_use]
    pub fn is_amf3_agreed(&self) -> bool {
        self.amf3 == Amf3::Agreed
    }

    /// The chunk size in force for what is sent, in bytes.
    #[must_use]
    pub fn outgoing_chunk_size(&self) -> u32 {
        self.link.outgoing_chunk_size()
    }

    link_methods!();

    /// Sends a message to a player.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played, [`ProtocolError::Encode`] if the message is
    /// too long.
    pub fn send_media(
        &mut self,
        stream: MessageStreamId,
        message: &MediaMessage,
    ) -> Result<(), ProtocolError> {
        if self.streams.role(stream) != Some(Role::Playing) {
            return Err(ProtocolError::WrongStream {
                operation: "send media",
                stream,
            });
        }
        self.link.send_media(stream, message)
    }

    fn handle(&mut self, incoming: Incoming) -> Result<Option<ServerEvent>, ProtocolError> {
        Ok(match incoming {
            Incoming::Media { stream, message } => Some(match self.streams.publishing(stream) {
                Some(stream) => ServerEvent::Media { stream, message },
                None => ServerEvent::Ignored(Ignored::Media { stream }),
            }),
            Incoming::Command { stream, command } => self.handle_command(stream, command)?,
            Incoming::UserControl(event) => Some(ServerEvent::UserControl(event)),
            Incoming::Acknowledgement(sequence) => Some(ServerEvent::Acknowledgement(sequence)),
            Incoming::Pong(round_trip) => Some(ServerEvent::Pong(round_trip)),
            Incoming::Other(raw) => Some(ServerEvent::Other(raw)),
            Incoming::Undecodable(error) => Some(ServerEvent::Ignored(Ignored::Undecodable(error))),
        })
    }

    /// Remembers that an event is a request.
    fn note_request(&mut self, event: &ServerEvent) {
        self.undecided = match event {
            ServerEvent::Publish { stream, request } => Some(Undecided::Publish {
                stream: *stream,
                name: request.name().to_owned(),
            }),
            ServerEvent::Play { stream, request } => Some(Undecided::Play {
                stream: *stream,
                reset: request.is_reset(),
            }),
            // `connect` is noted where its transaction id is at hand.
            _ => return,
        };
    }

    fn wrong_phase(&self, operation: &'static str) -> ProtocolError {
        ProtocolError::WrongPhase {
            operation,
            phase: self.phase.name(),
        }
    }
}
