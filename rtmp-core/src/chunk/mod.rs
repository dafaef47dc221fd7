//! The chunk stream: messages cut into chunks and put together again (RTMP 1.0 section 5.3).
//!
//! A connection carries many *chunk streams*, lanes numbered 2 to 65599. A message travels in one of them, cut
//! into chunks of at most *chunk size* payload bytes; chunks of different lanes may interleave. Each lane remembers
//! its last header, so that the next one can be shorter.
//!
//! - [`ChunkDecoder`] turns bytes into [`RawMessage`]s, [`ChunkEncoder`] the reverse. Both obey what changes the
//!   chunk stream itself (Set Chunk Size, Abort Message) and leave the meaning of every payload to
//!   [`message`](crate::message).
//! - [`ChunkCodec`] is the pair as one tokio-util codec, for `Framed`.
//! - [`FramedMessage`] is a message in a wire form that depends on no connection's state: framed once, it can be
//!   sent to any number of players.
//!
//! ```
//! use bytes::BytesMut;
//! use rtmp_core::Timestamp;
//! use rtmp_core::chunk::{ChunkDecoder, ChunkEncoder, ChunkStreamId, MessageStreamId, MessageType, RawMessage};
//! use tokio_util::codec::{Decoder, Encoder};
//!
//! let message = RawMessage {
//!     chunk_stream: ChunkStreamId::AUDIO,
//!     timestamp: Timestamp::from_millis(40),
//!     message_type: MessageType::Audio,
//!     stream: MessageStreamId::new(1),
//!     payload: vec![0xAF; 300].into(),
//! };
//! let mut wire = BytesMut::new();
//! ChunkEncoder::default().encode(message.clone(), &mut wire)?;
//! assert_eq!(wire.len(), 12 + 300 + 2); // two more chunks of at most 128 bytes, each with a one-byte header
//! assert_eq!(ChunkDecoder::default().decode(&mut wire)?, Some(message));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod cut;
mod decoder;
mod encoder;
mod error;
mod framed;
mod header;
mod raw_message;
mod streams;

pub use codec::ChunkCodec;
pub(crate) use cut::CutMessage;
pub use decoder::ChunkDecoder;
pub use encoder::ChunkEncoder;
pub use error::{ChunkError, EncodeError};
pub use framed::FramedMessage;
pub use raw_message::{ChunkStreamId, MessageStreamId, MessageType, RawMessage};

/// The chunk size of each direction until a Set Chunk Size message changes it, in bytes (RTMP 1.0 section 5.4.1).
pub const DEFAULT_CHUNK_SIZE: u32 = 128;

/// The largest chunk size that can be announced, in bytes: the top bit of the field must be zero
/// (RTMP 1.0 section 5.4.1). A message is at most 2^24 - 1 bytes long, so a larger size means "never split".
pub const MAX_CHUNK_SIZE: u32 = 0x7FFF_FFFF;

/// The longest message that the 24-bit length field can announce, in bytes (RTMP 1.0 section 5.3.1.2.1).
pub const MAX_MESSAGE_LEN: usize = 0xFF_FFFF;
