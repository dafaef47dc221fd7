//! RTMP as a calculation: bytes and messages go in, messages and events come out.
//!
//! This crate is the protocol without I/O. It opens no socket, reads no clock and spawns nothing; time and randomness
//! are arguments. To publish or play use `rtmp-client`, to serve use `rtmp-server`; use this crate to build something
//! else on the same protocol, to look into a capture, or to read and write FLV files.
//!
//! # Layers
//!
//! Each knows only those above it in this table.
//!
//! | module | what it does | specification |
//! |---|---|---|
//! | [`handshake`] | simple and digest handshake, both roles | RTMP 1.0 section 5.2 |
//! | [`chunk`] | bytes to messages and back, as tokio-util codecs | RTMP 1.0 section 5.3 |
//! | [`message`] | what a message means: control, commands, statuses, media | RTMP 1.0 sections 5.4, 6, 7 |
//! | [`conn`] | the two ends of a connection as state machines | RTMP 1.0 sections 5 to 7 |
//! | [`flv`] | audio and video headers, FLV files | FLV 10.1 annex E, Enhanced RTMP v2 |
//! | [`url`] | what an `rtmp://` address names | none; see there |
//!
//! # Three ways to use it
//!
//! **A whole end of a connection**: [`conn::ClientMachine`] and [`conn::ServerMachine`] take bytes and give events; the
//! page of [`conn`] has both of them in one example.
//!
//! **Messages over a byte stream**: behind the handshake, `Framed` with a [`chunk::ChunkCodec`] is a stream and a sink
//! of messages.
//!
//! ```
//! use futures::{SinkExt, StreamExt};
//! use rtmp_core::chunk::{ChunkCodec, MessageStreamId};
//! use rtmp_core::message::{Command, Message, TransactionId};
//! use tokio_util::codec::Framed;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (here, there) = tokio::io::duplex(4096);
//! let mut client = Framed::new(here, ChunkCodec::default());
//! let mut server = Framed::new(there, ChunkCodec::default());
//!
//! let command = Command::new("createStream").with_transaction(TransactionId::new(2));
//! let message = Message::Command { stream: MessageStreamId::CONNECTION, command };
//! client.send(message.encode()?).await?;
//!
//! let received = server.next().await.ok_or("closed")??;
//! assert_eq!(Message::decode(received)?, message);
//! # Ok(())
//! # }
//! ```
//!
//! **A message at a time**: [`message::Message::decode`] and [`encode`](message::Message::encode), or the questions that
//! a relay asks of a [`MediaMessage`]: is it a keyframe, a sequence header, which codec.
//!
//! # Trust
//!
//! Nothing that comes from the network is trusted, and nothing from it can make this crate panic. A declared length
//! reserves no memory; what a peer can make us hold is bounded by [`Limits`]. Where
//! real encoders and servers are odd, the crate follows them when reading and the specification when writing.

// Nothing that comes from outside may panic, nor make a number wrap.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod chunk;
pub mod conn;
mod expiry;
pub mod flv;
pub mod handshake;
mod limits;
pub mod message;
mod timestamp;
pub mod url;

pub use expiry::Expiry;
pub use limits::Limits;
pub use message::{MediaKind, MediaMessage};
pub use rtmp_amf as amf;
pub use timestamp::{Timestamp, TimestampUnwrapper};
