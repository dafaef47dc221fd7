//! Times and deltas, plain and extended (RTMP 1.0 sections 5.3.1.2 and 5.3.1.3).

use rtmp_core::Limits;
use rtmp_core::chunk::RawMessage;

use crate::model::Wire;
use crate::support::{AUDIO, VIDEO, decode, decode_cut, message, noise};

const EXTENDED: u32 = 0x0100_0000;

fn times(messages: &[RawMessage]) -> Vec<u32> {
    messages
        .iter()
        .map(|message| message.timestamp.as_millis())
        .collect()
}

/// Decodes `wire` whole and byte by byte; both have to give the same, and leave nothing.
#[track_caller]
fn decode_both_ways(wire: Wire) -> Vec<RawMessage> {
    let every_byte: Vec<usize> = (0..wire.0.len()).collect();
    let messages = decode(&wire.0).complete();
    let cut = decode_cut(Limits::default(), &wire.0, &every_byte).complete();
    assert_eq!(messages, cut);
    messages
}

#[test]
fn absolute_times_around_the_extended_mark_are_exact() {
    for time in [
        0,
        1,
        0xFF_FFFE,
        0xFF_FFFF,
        0x100_0000,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFFF,
    ] {
        let wire = Wire::new().full(4, time, 2, AUDIO, 1).bytes(&[1, 2]);
        assert_eq!(decode_both_ways(wire), [message(4, time, AUDIO, 1, vec![1, 2])]);
    }
}

#[test]
fn deltas_around_the_extended_mark_are_exact() {
    for delta in [
        0,
        1,
        0xFF_FFFE,
        0xFF_FFFF,
        0x100_0000,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFFF,
    ] {
        let wire = Wire::new()
            .full(4, 1000, 1, AUDIO, 1)
            .bytes(&[1])
            .same_stream(4, delta, 1, AUDIO)
            .bytes(&[2])
            .time_only(4, delta)
            .bytes(&[3]);
        let once = delta.wrapping_add(1000);
        assert_eq!(
            times(&decode_both_ways(wire)),
            [1000, once, once.wrapping_add(delta)]
        );
    }
}

#[test]
fn a_delta_that_overflows_wraps() {
    let wire = Wire::new()
        .full(4, 0xFFFF_FFF0, 1, AUDIO, 1)
        .bytes(&[1])
        .time_only(4, 0x20)
        .bytes(&[2])
        .repeat(4)
        .bytes(&[3]);
    // The type 2 header has no extended timestamp, so the type 3 header behind it has none.
    assert_eq!(times(&decode_both_ways(wire)), [0xFFFF_FFF0, 0x10, 0x30]);
}

#[test]
fn times_may_go_back_and_jump_by_half_the_clock() {
    let wire = Wire::new()
        .full(4, 5000, 1, AUDIO, 1)
        .bytes(&[1])
        .full(4, 100, 1, AUDIO, 1)
        .bytes(&[2])
        .full(4, 100 + (1 << 31), 1, AUDIO, 1)
        .bytes(&[3])
        .full(4, 0, 1, AUDIO, 1)
        .bytes(&[4]);
    assert_eq!(times(&decode_both_ways(wire)), [5000, 100, 100 + (1 << 31), 0]);
}

#[test]
fn an_extended_field_may_hold_a_small_time() {
    let header = Wire::new()
        .basic(0, 4)
        .bytes(&[0xFF, 0xFF, 0xFF, 0, 0, 1, AUDIO, 1, 0, 0, 0]);
    let wire = header.extended(40).bytes(&[9]).repeat(4).extended(40).bytes(&[8]);
    assert_eq!(times(&decode_both_ways(wire)), [40, 80]);
}

#[test]
fn chunk_streams_keep_their_own_clocks() {
    let wire = Wire::new()
        .full(4, 3_000_000_000, 1, AUDIO, 1)
        .bytes(&[1])
        .full(6, 17, 1, VIDEO, 1)
        .bytes(&[2])
        .time_only(4, 23)
        .bytes(&[3])
        .time_only(6, 40)
        .bytes(&[4]);
    assert_eq!(
        times(&decode_both_ways(wire)),
        [3_000_000_000, 17, 3_000_000_023, 57]
    );
}

#[test]
fn a_type_3_chunk_behind_type_0_adds_the_absolute_time_again() {
    let wire = Wire::new()
        .full(4, 26, 1, AUDIO, 1)
        .bytes(&[1])
        .repeat(4)
        .bytes(&[2])
        .repeat(4)
        .bytes(&[3]);
    assert_eq!(times(&decode_both_ways(wire)), [26, 52, 78]);
}

/// A message in three chunks with an extended time, whose continuations have what `between` appends.
fn extended_message(between: impl Fn(Wire) -> Wire) -> Wire {
    let payload = noise(300);
    let mut wire = Wire::new()
        .full(6, EXTENDED, 300, VIDEO, 1)
        .bytes(&payload[..128]);
    wire = between(wire.repeat(6)).bytes(&payload[128..256]);
    between(wire.repeat(6)).bytes(&payload[256..])
}

#[test]
fn type_3_chunks_repeat_the_extended_timestamp() {
    let wire = extended_message(|wire| wire.extended(EXTENDED));
    assert_eq!(
        decode_both_ways(wire),
        [message(6, EXTENDED, VIDEO, 1, noise(300))]
    );
}

#[test]
fn type_3_chunks_may_leave_the_extended_timestamp_out() {
    let wire = extended_message(|wire| wire);
    assert_eq!(
        decode_both_ways(wire),
        [message(6, EXTENDED, VIDEO, 1, noise(300))]
    );
}

#[test]
fn type_3_chunks_may_repeat_the_delta_or_the_absolute_time() {
    for repeated in [EXTENDED, EXTENDED + 100] {
        let payload = noise(200);
        let wire = Wire::new()
            .full(6, 100, 1, VIDEO, 1)
            .bytes(&[7])
            .same_stream(6, EXTENDED, 200, VIDEO)
            .bytes(&payload[..128])
            .repeat(6)
            .extended(repeated)
            .bytes(&payload[128..]);
        let messages = decode_both_ways(wire);
        assert_eq!(messages[1], message(6, EXTENDED + 100, VIDEO, 1, payload));
    }
}

#[test]
fn one_to_three_last_bytes_are_delivered_without_waiting_for_more() {
    for rest in 1..4 {
        let payload = noise(128 + rest);
        let head = Wire::new()
            .full(6, EXTENDED, payload.len(), VIDEO, 1)
            .bytes(&payload[..128])
            .repeat(6);
        let expected = [message(6, EXTENDED, VIDEO, 1, payload.clone())];
        let omitted = head.clone().bytes(&payload[128..]);
        assert_eq!(decode_both_ways(omitted), expected, "omitted, {rest} bytes");
        let repeated = head.extended(EXTENDED).bytes(&payload[128..]);
        assert_eq!(decode_both_ways(repeated), expected, "repeated, {rest} bytes");
    }
}

#[test]
fn a_message_that_starts_with_type_3_repeats_the_extended_delta() {
    let wire = Wire::new()
        .full(6, 5, 1, VIDEO, 1)
        .bytes(&[1])
        .same_stream(6, EXTENDED, 1, VIDEO)
        .bytes(&[2])
        .repeat(6)
        .extended(EXTENDED)
        .bytes(&[3])
        .repeat(6)
        .extended(EXTENDED)
        .bytes(&[4]);
    assert_eq!(
        times(&decode_both_ways(wire)),
        [5, 5 + EXTENDED, 5 + 2 * EXTENDED, 5 + 3 * EXTENDED]
    );
}

#[test]
fn a_message_that_starts_with_type_3_may_bring_another_extended_delta() {
    let wire = Wire::new()
        .full(6, 0, 1, VIDEO, 1)
        .bytes(&[1])
        .time_only(6, EXTENDED)
        .bytes(&[2])
        .repeat(6)
        .extended(EXTENDED + 9)
        .bytes(&[3])
        .repeat(6)
        .extended(EXTENDED + 9)
        .bytes(&[4]);
    assert_eq!(
        times(&decode_both_ways(wire)),
        [0, EXTENDED, 2 * EXTENDED + 9, 3 * EXTENDED + 18]
    );
}

#[test]
fn a_peer_that_left_the_timestamp_out_once_is_expected_to_go_on_like_that() {
    let wire = extended_message(|wire| wire)
        .repeat(6)
        .bytes(&noise(128))
        .repeat(6)
        .bytes(&noise(128));
    let wire = wire
        .repeat(6)
        .bytes(&noise(44))
        .time_only(6, 40)
        .bytes(&noise(128));
    let messages = decode(&wire.0).messages;
    assert_eq!(times(&messages), [EXTENDED, 2 * EXTENDED]);
    assert_eq!(messages[1].payload, [noise(128), noise(128), noise(44)].concat());
}

#[test]
fn a_plain_header_ends_the_repeating() {
    let payload = noise(200);
    let wire = Wire::new()
        .full(6, EXTENDED, 1, VIDEO, 1)
        .bytes(&[1])
        .same_stream(6, 40, 200, VIDEO)
        .bytes(&payload[..128])
        .repeat(6)
        .bytes(&payload[128..]);
    assert_eq!(times(&decode_both_ways(wire)), [EXTENDED, EXTENDED + 40]);
}
