//! What the tests share: reading in pieces, and building messages in one line.

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use rtmp_core::chunk::{ChunkDecoder, ChunkEncoder, ChunkError, ChunkStreamId, MessageStreamId, RawMessage};
use rtmp_core::{Limits, Timestamp};
use tokio_util::codec::{Decoder, Encoder};

pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const COMMAND: u8 = 20;

/// What a decoder made of some bytes.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) messages: Vec<RawMessage>,
    /// The error behind the messages, if there was one.
    pub(crate) error: Option<ChunkError>,
    /// Bytes that it left in the buffer.
    pub(crate) left: usize,
}

impl Outcome {
    /// The messages, of input that has to decode completely.
    #[track_caller]
    pub(crate) fn complete(self) -> Vec<RawMessage> {
        assert!(self.error.is_none(), "{:?}", self.error);
        assert_eq!(self.left, 0, "bytes left");
        self.messages
    }

    /// The error, of input that has to fail.
    #[track_caller]
    pub(crate) fn error(self) -> ChunkError {
        self.error.expect("the input should have failed")
    }

    /// All of it in comparable form; what is left behind an error has no meaning.
    pub(crate) fn summary(self) -> (Vec<RawMessage>, Option<String>, usize) {
        let left = if self.error.is_some() { 0 } else { self.left };
        (self.messages, self.error.map(|error| format!("{error:?}")), left)
    }
}

pub(crate) fn decode(input: &[u8]) -> Outcome {
    decode_within(Limits::default(), input)
}

pub(crate) fn decode_within(limits: Limits, input: &[u8]) -> Outcome {
    decode_reads(limits, [input])
}

/// Decodes `input` cut at the given places.
pub(crate) fn decode_cut(limits: Limits, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    decode_reads(limits, cuts.windows(2).map(|ends| &input[ends[0]..ends[1]]))
}

/// Decodes what several reads from a socket bring.
pub(crate) fn decode_reads<'a>(limits: Limits, reads: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = ChunkDecoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    return Outcome {
                        messages,
                        error: Some(error),
                        left: buffer.len(),
                    };
                }
            }
        }
    }
    Outcome {
        messages,
        error: None,
        left: buffer.len(),
    }
}

pub(crate) fn message(
    chunk_stream: u32,
    millis: u32,
    message_type: u8,
    stream: u32,
    payload: impl Into<Bytes>,
) -> RawMessage {
    RawMessage {
        chunk_stream: ChunkStreamId::new(chunk_stream).expect("a chunk stream id of the test is in range"),
        timestamp: Timestamp::from_millis(millis),
        message_type: message_type.into(),
        stream: MessageStreamId::new(stream),
        payload: payload.into(),
    }
}

/// Bytes that differ from their neighbours, so that a lost or doubled one shows.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// What `encoder` appends for `message`.
pub(crate) fn encoded(encoder: &mut ChunkEncoder, message: &RawMessage) -> Vec<u8> {
    let mut out = BytesMut::new();
    encoder
        .encode(message, &mut out)
        .expect("the message can be encoded");
    out.to_vec()
}

/// An encoder that has announced `chunk_size`, and the bytes of the announcement.
pub(crate) fn encoder_at(chunk_size: u32) -> (ChunkEncoder, Vec<u8>) {
    let mut encoder = ChunkEncoder::default();
    // On a chunk stream that no test uses, so that the first message of each is still its first.
    let announcement = message(65_000, 0, 1, 0, chunk_size.to_be_bytes().to_vec());
    let bytes = encoded(&mut encoder, &announcement);
    (encoder, bytes)
}

pub(crate) fn vector(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors")
        .join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
