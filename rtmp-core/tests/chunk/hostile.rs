//! Headers and control messages that are odd, broken or meant to hurt.

use rtmp_core::Limits;
use rtmp_core::chunk::{ChunkDecoder, ChunkError, ChunkStreamId, MessageType};
use tokio_util::codec::Decoder;

use crate::model::Wire;
use crate::support::{
    AUDIO, COMMAND, VIDEO, decode, decode_cut, decode_reads, decode_within, message, noise,
};

#[test]
fn longer_forms_of_an_id_mean_the_same_chunk_stream() {
    // Ids 2 to 63 have no longer form: those begin at 64.
    for id in [64, 65, 319] {
        let wire = Wire::new()
            .full(id, 7, 1, AUDIO, 1)
            .bytes(&[1])
            .basic_of_3_bytes(2, id)
            .bytes(&[0, 0, 5, 2])
            .repeat(id)
            .bytes(&[3]);
        let expected = [(7, 1), (12, 2), (17, 3)].map(|(time, byte)| message(id, time, AUDIO, 1, vec![byte]));
        assert_eq!(decode(&wire.0).complete(), expected);
    }
}

#[test]
fn ids_0_and_1_are_forms_and_65599_is_the_last_id() {
    let header = [0, 0, 0, 0, 0, 0, AUDIO, 0, 0, 0, 0];
    for (basic, id) in [(&[0, 0][..], 64), (&[1, 0, 0], 64), (&[1, 0xFF, 0xFF], 65_599)] {
        let messages = decode(&[basic, &header].concat()).complete();
        assert_eq!(messages, [message(id, 0, AUDIO, 0, vec![])]);
    }
}

#[test]
fn a_chunk_stream_can_not_start_with_type_2_or_3() {
    for (wire, expected) in [(Wire::new().time_only(9, 1), 2), (Wire::new().repeat(9), 3)] {
        let error = decode(&wire.0).error();
        let ChunkError::MissingHeader { chunk_stream, format } = error else {
            panic!("{error:?}")
        };
        assert_eq!((chunk_stream.get(), format), (9, expected));
    }
}

/// librtmp begins its control stream like that.
#[test]
fn a_chunk_stream_may_start_with_type_1() {
    let wire = Wire::new().same_stream(2, 30, 2, AUDIO).bytes(&[1, 2]);
    assert_eq!(decode(&wire.0).complete(), [message(2, 30, AUDIO, 0, vec![1, 2])]);
}

#[test]
fn a_full_header_of_another_message_inside_a_message_drops_the_first() {
    let wire = Wire::new()
        .full(6, 10, 300, VIDEO, 1)
        .bytes(&noise(128))
        .full(6, 20, 200, VIDEO, 1)
        .bytes(&[5; 128])
        .repeat(6)
        .bytes(&[6; 72]);
    let payload = [vec![5; 128], vec![6; 72]].concat();
    assert_eq!(decode(&wire.0).complete(), [message(6, 20, VIDEO, 1, payload)]);
}

/// Some encoders put a whole header on every chunk.
#[test]
fn a_header_of_the_same_length_and_type_inside_a_message_continues_it() {
    let payload = noise(300);
    let head = Wire::new().full(6, 10, 300, VIDEO, 1).bytes(&payload[..128]);
    for again in [
        head.clone().full(6, 10, 300, VIDEO, 1),
        head.clone().same_stream(6, 0, 300, VIDEO),
        head.time_only(6, 0),
    ] {
        let wire = again.bytes(&payload[128..256]).repeat(6).bytes(&payload[256..]);
        assert_eq!(
            decode(&wire.0).complete(),
            [message(6, 10, VIDEO, 1, payload.clone())]
        );
    }
}

#[test]
fn the_extended_timestamp_of_a_header_inside_a_message_is_the_one_that_is_repeated() {
    let payload = noise(400);
    let head = Wire::new()
        .full(6, 0x100_0000, 400, VIDEO, 1)
        .bytes(&payload[..128]);
    let other_time = head.clone().time_only(6, 0x100_0020).bytes(&payload[128..256]);
    let repeated = other_time.repeat(6).extended(0x100_0020);
    let plain_time = head.time_only(6, 0).bytes(&payload[128..256]);
    let absent = plain_time.repeat(6);
    for wire in [repeated, absent] {
        let wire = wire
            .bytes(&payload[256..384])
            .time_only(6, 0)
            .bytes(&payload[384..]);
        assert_eq!(
            decode(&wire.0).complete(),
            [message(6, 0x100_0000, VIDEO, 1, payload.clone())]
        );
    }
}

#[test]
fn a_full_header_for_another_message_stream_begins_a_message_even_of_the_same_length_and_type() {
    let wire = Wire::new()
        .full(6, 10, 200, VIDEO, 1)
        .bytes(&[5; 128])
        .full(6, 10, 200, VIDEO, 2)
        .bytes(&noise(128))
        .repeat(6)
        .bytes(&noise(200)[128..]);
    assert_eq!(decode(&wire.0).complete(), [message(6, 10, VIDEO, 2, noise(200))]);
}

#[test]
fn a_type_1_header_that_changes_the_message_in_progress_is_an_error() {
    for (new_length, new_type) in [
        (0, VIDEO),
        (100, VIDEO),
        (128, VIDEO),
        (0xFF_FFFF, VIDEO),
        (300, AUDIO),
    ] {
        let wire = Wire::new()
            .full(6, 10, 300, VIDEO, 1)
            .bytes(&noise(128))
            .same_stream(6, 0, new_length, new_type);
        let error = decode(&wire.0).error();
        let ChunkError::LengthChanged {
            chunk_stream,
            received,
            length,
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((chunk_stream.get(), received, length), (6, 128, new_length));
    }
}

#[test]
fn an_empty_message_of_every_type_is_delivered() {
    for message_type in 0..=u8::MAX {
        let wire = Wire::new().full(4, 9, 0, message_type, 1);
        if let 1 | 2 = message_type {
            continue; // too short for what they say, tested below
        }
        assert_eq!(
            decode(&wire.0).complete(),
            [message(4, 9, message_type, 1, vec![])]
        );
    }
}

#[test]
fn a_longer_message_than_allowed_is_refused_at_its_header() {
    let over_default = 10 * 1024 * 1024 + 1;
    for (limits, limit, length) in [
        (Limits::default(), over_default - 1, over_default),
        (Limits::default(), over_default - 1, 0xFF_FFFF),
        (Limits::default().max_message_len(1000), 1000, 1001),
        (Limits::default().max_message_len(0), 0, 1),
    ] {
        for wire in [
            Wire::new().full(6, 0, length, VIDEO, 1),
            Wire::new().same_stream(6, 0, length, VIDEO),
        ] {
            let expected = (6, length, limit);
            let error = decode_within(limits, &wire.0).error();
            let ChunkError::MessageTooLong {
                chunk_stream,
                length,
                limit,
            } = error
            else {
                panic!("{error:?}")
            };
            assert_eq!((chunk_stream.get(), length, limit), expected);
        }
    }
}

#[test]
fn the_longest_message_is_read_where_the_limit_allows_it() {
    let limits = Limits::default().max_message_len(usize::MAX);
    let payload = noise(0xFF_FFFF);
    let wire = Wire::new()
        .control(1, 0x7FFF_FFFF)
        .full(6, 3, payload.len(), VIDEO, 1)
        .bytes(&payload);
    let messages = decode_reads(limits, wire.0.chunks(65_536)).complete();
    assert!(messages[1] == message(6, 3, VIDEO, 1, payload));
}

#[test]
fn chunks_of_twenty_messages_may_take_turns() {
    let ids = 10..30;
    let payload = |id: u32| vec![id as u8; 1000];
    let mut wire = Wire::new();
    for start in (0..1000).step_by(128) {
        for id in ids.clone() {
            let header = match start {
                0 => wire.full(id, id, 1000, VIDEO, 1),
                _ => wire.repeat(id),
            };
            wire = header.bytes(&payload(id)[start..1000.min(start + 128)]);
        }
    }
    let expected: Vec<_> = ids.map(|id| message(id, id, VIDEO, 1, payload(id))).collect();
    assert_eq!(decode(&wire.0).complete(), expected);
}

#[test]
fn a_message_that_never_ends_holds_up_no_other() {
    let mut wire = Wire::new().full(6, 0, 1_000_000, VIDEO, 1).bytes(&noise(128));
    for _ in 0..1000 {
        wire = wire.full(4, 0, 3, AUDIO, 1).bytes(&[1, 2, 3]);
    }
    assert_eq!(decode(&wire.0).complete().len(), 1000);
}

#[test]
fn any_message_stream_id_is_handed_on() {
    for stream in [0, 1, 77, 0x0100_0000, u32::MAX] {
        let wire = Wire::new().full(8, 0, 1, COMMAND, stream).bytes(&[1]);
        assert_eq!(
            decode(&wire.0).complete(),
            [message(8, 0, COMMAND, stream, vec![1])]
        );
    }
}

#[test]
fn the_end_inside_a_chunk_is_told_from_the_end_between_chunks() {
    let wire = Wire::new()
        .full(6, 0, 200, VIDEO, 1)
        .bytes(&noise(128))
        .repeat(6)
        .bytes(&noise(72))
        .0;
    for end in 0..=wire.len() {
        let mut decoder = ChunkDecoder::default();
        let mut buffer = wire[..end].into();
        let result = decoder.decode_eof(&mut buffer);
        match end {
            0 | 140 => assert!(matches!(result, Ok(None)), "{end}: {result:?}"),
            _ if end == wire.len() => assert!(matches!(result, Ok(Some(_))), "{result:?}"),
            _ => assert!(matches!(result, Err(ChunkError::Truncated)), "{end}: {result:?}"),
        }
    }
}

#[test]
fn chunk_size_0_and_sizes_with_the_top_bit_are_errors() {
    for wrong in [0, 0x8000_0000, 0x8000_0080, u32::MAX] {
        let error = decode(&Wire::new().control(1, wrong).0).error();
        let ChunkError::InvalidChunkSize { size } = error else {
            panic!("{error:?}")
        };
        assert_eq!(size, wrong);
    }
}

#[test]
fn chunk_size_1_works() {
    let payload = noise(5000);
    let mut wire = Wire::new().control(1, 1).full(6, 0, payload.len(), VIDEO, 1);
    for (at, byte) in payload.iter().enumerate() {
        wire = if at == 0 { wire } else { wire.repeat(6) }.bytes(&[*byte]);
    }
    let expected = message(6, 0, VIDEO, 1, payload);
    let every_byte: Vec<usize> = (0..wire.0.len()).collect();
    assert_eq!(decode(&wire.0).complete()[1], expected);
    assert_eq!(
        decode_cut(Limits::default(), &wire.0, &every_byte).complete()[1],
        expected
    );
}

#[test]
fn a_chunk_size_beyond_the_longest_message_means_never_split() {
    let payload = noise(100_000);
    for size in [0xFF_FFFF, 0x100_0000, 0x7FFF_FFFF] {
        let wire = Wire::new()
            .control(1, size)
            .full(6, 0, payload.len(), VIDEO, 1)
            .bytes(&payload);
        let mut decoder = ChunkDecoder::default();
        let mut buffer = wire.0.as_slice().into();
        decoder.decode(&mut buffer).expect("the announcement is valid");
        assert_eq!(decoder.chunk_size(), size);
        let video = decoder
            .decode(&mut buffer)
            .expect("the message is valid")
            .expect("and complete");
        assert_eq!(video.payload, payload);
    }
}

#[test]
fn a_new_chunk_size_binds_the_next_chunk_of_a_message_in_progress() {
    let payload = noise(400);
    let wire = Wire::new()
        .full(6, 0, 400, VIDEO, 1)
        .bytes(&payload[..128])
        .control(1, 200)
        .repeat(6)
        .bytes(&payload[128..328])
        .control(1, 10_000)
        .repeat(6)
        .bytes(&payload[328..]);
    assert_eq!(decode(&wire.0).complete()[2], message(6, 0, VIDEO, 1, payload));
}

#[test]
fn a_chunk_size_announced_on_any_chunk_stream_and_message_stream_counts() {
    let payload = noise(300);
    let wire = Wire::new()
        .full(3, 77, 6, 1, 5)
        .bytes(&[0, 0, 1, 0x2C, 0xAA, 0xBB]) // 300, and bytes that mean nothing
        .full(6, 0, 300, VIDEO, 1)
        .bytes(&payload);
    assert_eq!(decode(&wire.0).complete()[1], message(6, 0, VIDEO, 1, payload));
}

#[test]
fn set_chunk_size_and_abort_need_four_bytes() {
    for (number, expected) in [(1, MessageType::SetChunkSize), (2, MessageType::Abort)] {
        for len in 0..4 {
            let wire = Wire::new().full(2, 0, len, number, 0).bytes(&noise(len));
            let error = decode(&wire.0).error();
            let ChunkError::ShortBody { message_type, length } = error else {
                panic!("{error:?}")
            };
            assert_eq!((message_type, length), (expected, len));
        }
    }
}

#[test]
fn an_aborted_message_makes_room_for_a_new_one() {
    let wire = Wire::new()
        .full(6, 10, 300, VIDEO, 1)
        .bytes(&noise(128))
        .full(7, 10, 200, VIDEO, 1)
        .bytes(&noise(128))
        .control(2, 6)
        .same_stream(6, 5, 3, AUDIO)
        .bytes(&[1, 2, 3])
        .repeat(7)
        .bytes(&noise(200)[128..]);
    let messages = decode(&wire.0).complete();
    // The time of the message that was aborted is the base of the next delta.
    assert_eq!(messages[1], message(6, 15, AUDIO, 1, vec![1, 2, 3]));
    assert_eq!(messages[2], message(7, 10, VIDEO, 1, noise(200)));
}

#[test]
fn aborts_of_nothing_are_ignored() {
    for id in [0, 1, 2, 6, 64, 65_599, 65_600, u32::MAX] {
        let wire = Wire::new().control(2, id).full(6, 0, 1, VIDEO, 1).bytes(&[1]);
        let messages = decode(&wire.0).complete();
        assert_eq!(messages[0], message(2, 0, 2, 0, id.to_be_bytes().to_vec()));
        assert_eq!(messages[1], message(6, 0, VIDEO, 1, vec![1]));
    }
}

#[test]
fn largest_and_smallest_ids_are_as_the_constants_say() {
    assert_eq!((ChunkStreamId::MIN.get(), ChunkStreamId::MAX.get()), (2, 65_599));
}
