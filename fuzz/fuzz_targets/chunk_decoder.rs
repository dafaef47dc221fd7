//! Chunks in any number of reads give the same messages as in one, within the limits.

#![no_main]

use std::iter;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rtmp_core::chunk::{ChunkDecoder, ChunkLimits, RawMessage};
use tokio_util::codec::Decoder;

const MAX_MESSAGE_LEN: usize = 2000;
const MAX_PARTIAL_BYTES: usize = 3000;

/// Small enough to be exceeded by small inputs.
fn limits() -> ChunkLimits {
    ChunkLimits::default()
        .max_message_len(MAX_MESSAGE_LEN)
        .max_partial_messages(4)
        .max_partial_bytes(MAX_PARTIAL_BYTES)
        .max_chunk_streams(8)
}

/// The messages, the error behind them, and how many bytes were not taken.
fn decode<'a>(
    limits: ChunkLimits,
    reads: impl Iterator<Item = &'a [u8]>,
) -> (Vec<RawMessage>, Result<usize, String>) {
    let mut decoder = ChunkDecoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(format!("{error:?}"))),
            }
        }
        // A header has 18 bytes at most; everything else is taken at once.
        assert!(buffer.len() < 18, "{} bytes kept in the buffer", buffer.len());
    }
    (messages, Ok(buffer.len()))
}

fuzz_target!(|data: &[u8]| {
    let Some((seed, bytes)) = rtmp_fuzz::split_seed(data) else {
        return;
    };
    let whole = decode(limits(), iter::once(bytes));
    assert_eq!(whole, decode(limits(), rtmp_fuzz::reads(seed, bytes)));

    let (messages, _) = whole;
    assert!(
        messages
            .iter()
            .all(|message| message.payload.len() <= MAX_MESSAGE_LEN)
    );
    let total: usize = messages.iter().map(|message| message.payload.len()).sum();
    assert!(total <= bytes.len());

    let (by_default, _) = decode(ChunkLimits::default(), iter::once(bytes));
    assert!(by_default.starts_with(&messages));
});
