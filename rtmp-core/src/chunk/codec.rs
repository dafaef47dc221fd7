//! Decoder and encoder as one codec.

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use super::{ChunkDecoder, ChunkEncoder, ChunkError, EncodeError, RawMessage};
use crate::Limits;

/// Both directions of a connection behind the handshake: `Framed::new(io, ChunkCodec::default())` is a stream and a
/// sink of [`RawMessage`]s.
///
/// It acknowledges nothing and answers no ping; the connection machines do.
#[derive(Debug, Default)]
pub struct ChunkCodec {
    decoder: ChunkDecoder,
    encoder: ChunkEncoder,
}

impl ChunkCodec {
    /// A codec whose decoder holds a peer to `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            decoder: ChunkDecoder::new(limits),
            encoder: ChunkEncoder::default(),
        }
    }

    /// The reading half.
    pub fn decoder(&mut self) -> &mut ChunkDecoder {
        &mut self.decoder
    }

    /// The writing half.
    pub fn encoder(&mut self) -> &mut ChunkEncoder {
        &mut self.encoder
    }
}

impl Decoder for ChunkCodec {
    type Item = RawMessage;
    type Error = ChunkError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<RawMessage>, ChunkError> {
        self.decoder.decode(src)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<RawMessage>, ChunkError> {
        self.decoder.decode_eof(src)
    }
}

impl Encoder<RawMessage> for ChunkCodec {
    type Error = EncodeError;

    fn encode(&mut self, message: RawMessage, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.encoder.encode(message, dst)
    }
}
