//! What a peer can make a decoder hold, and where that ends.

use rtmp_core::Limits;
use rtmp_core::chunk::{ChunkDecoder, ChunkError};
use tokio_util::codec::Decoder;

use crate::model::Wire;
use crate::support::{AUDIO, VIDEO, decode, decode_cut, decode_reads, decode_within, message, noise};

/// A message of `length` bytes begun on each of `ids`, one chunk of it sent.
fn begun(ids: impl IntoIterator<Item = u32>, length: usize) -> Wire {
    let chunk = noise(length.min(128));
    ids.into_iter().fold(Wire::new(), |wire, id| {
        wire.full(id, 0, length, VIDEO, 1).bytes(&chunk)
    })
}

#[test]
fn lengths_that_are_only_declared_count_for_nothing() {
    let limits = Limits::default().max_message_len(0xFF_FFFF);
    let wire = begun(3..63, 0xFF_FFFF).full(2, 0, 2, AUDIO, 0).bytes(&[1, 2]);
    // A gigabyte is declared, 7680 bytes came.
    assert_eq!(
        decode_within(limits, &wire.0).complete(),
        [message(2, 0, AUDIO, 0, vec![1, 2])]
    );
    let tight = limits.max_partial_bytes(60 * 128 + 2);
    assert_eq!(decode_within(tight, &wire.0).complete().len(), 1);
}

#[test]
fn the_65th_incomplete_message_is_one_too_many() {
    assert!(decode(&begun(100..164, 1000).0).complete().is_empty());
    let error = decode(&begun(100..165, 1000).0).error();
    let ChunkError::TooManyPartialMessages { count, limit } = error else {
        panic!("{error:?}")
    };
    assert_eq!((count, limit), (65, 64));
}

#[test]
fn messages_that_were_completed_or_aborted_leave_room() {
    let limits = Limits::default().max_partial_messages(2).max_partial_bytes(200);
    let mut wire = Wire::new();
    for round in 0..1000 {
        wire = wire
            .full(6, round, 150 + (round % 7) as usize, VIDEO, 1)
            .bytes(&noise(128));
        wire = match round % 3 {
            0 => wire.control(2, 6),
            1 => wire.repeat(6).bytes(&noise(22 + (round % 7) as usize)),
            _ => wire, // dropped by the next full header
        };
        wire = wire.full(4, round, 50, AUDIO, 1).bytes(&noise(50));
    }
    decode_within(limits, &wire.0).complete();
}

#[test]
fn incomplete_messages_share_one_budget_of_bytes() {
    let limits = Limits::default().max_partial_bytes(1000);
    let wire = begun(3..11, 500); // 8 times 128 are 1024
    assert!(decode_within(limits, &begun(3..10, 500).0).complete().is_empty());
    let error = decode_within(limits, &wire.0).error();
    let ChunkError::PartialMessagesTooLong { length, limit } = error else {
        panic!("{error:?}")
    };
    assert_eq!((length, limit), (1024, 1000));
}

/// A message of one chunk is incomplete until its last byte, however many of them one read brings.
#[test]
fn the_budget_of_bytes_does_not_depend_on_the_reads() {
    let limits = Limits::default().max_partial_bytes(100);
    for (wire, fits) in [
        (begun([4], 100), true),
        (begun([4], 101), false),
        (begun([4, 5], 100), true),
    ] {
        let every_byte: Vec<usize> = (0..wire.0.len()).collect();
        let whole = decode_within(limits, &wire.0);
        let cut = decode_cut(limits, &wire.0, &every_byte);
        assert_eq!(whole.error.is_none(), fits);
        assert_eq!(whole.summary(), cut.summary());
    }
}

/// However its chunks came, a payload that is kept wastes no memory.
#[test]
fn a_payload_takes_as_much_memory_as_it_is_long() {
    for len in [100, 128, 129, 5000, 70_000, 200_000] {
        let payload = noise(len);
        let mut wire = Wire::new().full(6, 0, len, VIDEO, 1);
        for (at, piece) in payload.chunks(128).enumerate() {
            wire = if at == 0 { wire } else { wire.repeat(6) }.bytes(piece);
        }
        for read_len in [1000, 65_536, usize::MAX] {
            let mut messages = decode_reads(Limits::default(), wire.0.chunks(read_len)).complete();
            let kept = messages
                .remove(0)
                .payload
                .try_into_mut()
                .expect("nobody shares the payload");
            assert_eq!(
                (kept.len(), kept.capacity()),
                (len, len),
                "in reads of {read_len}"
            );
        }
    }
}

#[test]
fn all_65598_chunk_streams_can_be_used_where_the_limit_allows_it() {
    let all = |wire: Wire, id| wire.full(id, id, 0, AUDIO, 1);
    let wire = (2..=65_599).fold(Wire::new(), all);
    let limits = Limits::default().max_chunk_streams(usize::MAX);
    let messages = decode_within(limits, &wire.0).complete();
    assert!(
        messages
            .iter()
            .map(|message| message.chunk_stream.get())
            .eq(2..=65_599)
    );
}

#[test]
fn the_1025th_chunk_stream_is_one_too_many() {
    let wire = (2..2000).fold(Wire::new(), |wire, id| wire.full(id, 0, 0, AUDIO, 1));
    let outcome = decode(&wire.0);
    assert_eq!(outcome.messages.len(), 1024);
    let error = outcome.error();
    let ChunkError::TooManyChunkStreams { count, limit } = error else {
        panic!("{error:?}")
    };
    assert_eq!((count, limit), (1025, 1024));
}

#[test]
fn new_limits_bind_from_the_next_message_on() {
    let mut decoder = ChunkDecoder::new(Limits::default().max_message_len(100));
    let wire = Wire::new().full(4, 0, 120, AUDIO, 1).bytes(&noise(120)).0;
    decoder.set_limits(Limits::default().max_message_len(120));
    assert!(matches!(decoder.decode(&mut wire.as_slice().into()), Ok(Some(_))));
    decoder.set_limits(Limits::default().max_message_len(119));
    assert!(matches!(
        decoder.decode(&mut wire.as_slice().into()),
        Err(ChunkError::MessageTooLong {
            length: 120,
            limit: 119,
            ..
        })
    ));
}
