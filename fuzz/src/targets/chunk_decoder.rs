//! Chunks in any number of reads give the same messages as in one, within the limits, and the same as a plain decoder.

use std::iter;

use bytes::BytesMut;
use rtmp_core::chunk::{ChunkDecoder, RawMessage};
use tokio_util::codec::Decoder;

use crate::chunk_model::{self, Limits};

/// Small enough to be exceeded by small inputs.
const SMALL: Limits = Limits {
    message_len: 2000,
    partial_messages: 4,
    partial_bytes: 3000,
    chunk_streams: 8,
};

/// Large enough for the messages that are not copied.
const LARGE: Limits = Limits {
    message_len: 10 << 20,
    partial_messages: 64,
    partial_bytes: 16 << 20,
    chunk_streams: 1024,
};

/// A header has 18 bytes at most.
const MAX_HEADER_LEN: usize = 18;
/// Audio and video of up to this length wait in the buffer until they are whole; everything else is taken at once.
const MAX_SHARED_LEN: usize = 65_536;

type Outcome = (Vec<RawMessage>, Result<(), String>);

/// The messages, and the error behind them.
fn decode<'a>(limits: Limits, reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = ChunkDecoder::new(limits.into());
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    let max_kept = if limits.message_len < 4096 {
        MAX_HEADER_LEN
    } else {
        MAX_SHARED_LEN
    };
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(format!("{error:?}"))),
            }
        }
        assert!(
            buffer.len() < max_kept,
            "{} bytes kept in the buffer",
            buffer.len()
        );
    }
    (messages, Ok(()))
}

fn check(limits: Limits, seed: u32, bytes: &[u8]) -> Vec<RawMessage> {
    let whole = decode(limits, iter::once(bytes));
    assert_eq!(whole, decode(limits, crate::reads(seed, bytes)));
    let (messages, end) = chunk_model::decode(limits, bytes);
    assert_eq!(whole, (messages, end.map_err(|error| format!("{error:?}"))));
    whole.0
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((seed, bytes)) = crate::split_seed(data) else {
        return;
    };
    let messages = check(SMALL, seed, bytes);
    assert!(
        messages
            .iter()
            .all(|message| message.payload.len() <= SMALL.message_len)
    );
    assert!(
        messages
            .iter()
            .map(|message| message.payload.len())
            .sum::<usize>()
            <= bytes.len()
    );
    assert!(check(LARGE, seed, bytes).starts_with(&messages));
}
