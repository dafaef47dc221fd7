//! Which payloads share the read buffer, and what becomes of the buffer.

use bytes::BytesMut;
use rtmp_core::Limits;
use rtmp_core::chunk::{ChunkDecoder, ChunkError, RawMessage};
use tokio_util::codec::Decoder;

use crate::support::{AUDIO, COMMAND, VIDEO, decode_reads, encoded, encoder_at, message, noise};

const DATA: u8 = 18;

/// Each message in one chunk, and what came out of a single read; with it, whether the payload lies in the read buffer.
fn read_at_once(messages: &[RawMessage], chunk_size: u32) -> Vec<(RawMessage, bool)> {
    let (mut encoder, mut wire) = encoder_at(chunk_size);
    for message in messages {
        wire.extend(encoded(&mut encoder, message));
    }
    let mut buffer = BytesMut::from(&wire[..]);
    let range = buffer.as_ptr_range();
    let mut decoder = ChunkDecoder::default();
    let announcement = decoder.decode(&mut buffer).unwrap().unwrap();
    assert!(!range.contains(&announcement.payload.as_ptr()));
    std::iter::from_fn(|| decoder.decode(&mut buffer).unwrap())
        .map(|message| {
            let is_shared = range.contains(&message.payload.as_ptr());
            (message, is_shared)
        })
        .collect()
}

#[test]
fn audio_and_video_of_some_kilobytes_in_one_chunk_are_not_copied() {
    for (message_type, len, chunk_size, is_shared) in [
        (VIDEO, 4096, 100_000, true),
        (AUDIO, 4096, 4096, true),
        (VIDEO, 65_536, 100_000, true),
        (VIDEO, 4095, 100_000, false),
        (VIDEO, 65_537, 100_000, false),
        (VIDEO, 4097, 4096, false),
        (DATA, 5000, 100_000, false),
        (COMMAND, 5000, 100_000, false),
    ] {
        let sent = message(6, 40, message_type, 1, noise(len));
        let sent = [sent.clone(), sent];
        let received = read_at_once(&sent, chunk_size);
        assert_eq!(
            received,
            sent.map(|message| (message, is_shared)),
            "{message_type} {len} {chunk_size}"
        );
    }
}

#[test]
fn a_message_in_one_chunk_may_come_in_any_number_of_reads() {
    let (mut encoder, mut wire) = encoder_at(100_000);
    let sent: Vec<_> = (0..4)
        .map(|at| message(6, at * 40, VIDEO, 1, noise(4000 + at as usize * 100)))
        .collect();
    for message in &sent {
        wire.extend(encoded(&mut encoder, message));
    }
    for read_len in [1, 7, 1448, 4096, 5000, wire.len()] {
        let outcome = decode_reads(Limits::default(), wire.chunks(read_len));
        assert_eq!(outcome.complete()[1..], sent, "{read_len}");
    }
}

#[test]
fn a_stream_that_ends_inside_such_a_message_is_truncated() {
    let (mut encoder, mut wire) = encoder_at(100_000);
    wire.extend(encoded(&mut encoder, &message(6, 0, VIDEO, 1, noise(5000))));
    for missing in [1, 4999, 5000] {
        let mut buffer = BytesMut::from(&wire[..wire.len() - missing]);
        let mut decoder = ChunkDecoder::default();
        assert!(decoder.decode(&mut buffer).unwrap().is_some());
        let error = decoder.decode_eof(&mut buffer).unwrap_err();
        assert!(matches!(error, ChunkError::Truncated), "{missing}: {error}");
    }
}

#[test]
fn a_read_buffer_is_used_over_and_over_when_its_messages_are_gone() {
    const READ_LEN: usize = 16 << 10;
    let (mut encoder, mut wire) = encoder_at(60_000);
    for at in 0..2000 {
        wire.extend(encoded(&mut encoder, &message(6, at * 40, VIDEO, 1, noise(9000))));
    }
    let (mut decoder, mut buffer) = (ChunkDecoder::default(), BytesMut::new());
    let mut places = Vec::new();
    let mut count = 0;
    for read in wire.chunks(READ_LEN) {
        buffer.reserve(READ_LEN);
        buffer.extend_from_slice(read);
        while let Some(message) = decoder.decode(&mut buffer).unwrap() {
            if message.payload.len() == 9000 {
                places.push(message.payload.as_ptr() as usize);
                count += 1;
            }
        }
    }
    assert_eq!(count, 2000);
    // It grows while the first messages come, and then stays where it is.
    let settled = &places[count / 10..];
    let (first, last) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
    assert!(last - first < 4 * READ_LEN, "{}", last - first);
}

#[test]
fn messages_that_are_kept_stay_as_they_were() {
    let (mut encoder, mut wire) = encoder_at(60_000);
    let sent: Vec<_> = (0..200)
        .map(|at| message(6, at, VIDEO, 1, vec![at as u8; 3000 + at as usize * 40]))
        .collect();
    for message in &sent {
        wire.extend(encoded(&mut encoder, message));
    }
    let (mut decoder, mut buffer) = (ChunkDecoder::default(), BytesMut::new());
    let mut received = Vec::new();
    for read in wire.chunks(10_000) {
        buffer.reserve(10_000);
        buffer.extend_from_slice(read);
        while let Some(message) = decoder.decode(&mut buffer).unwrap() {
            received.push(message);
        }
    }
    assert_eq!(received[1..], sent);
}
