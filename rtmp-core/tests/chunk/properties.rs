//! What holds for all messages, all cuts and all bytes.

use std::collections::BTreeMap;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use rtmp_core::Limits;
use rtmp_core::chunk::{
    ChunkDecoder, ChunkStreamId, FramedMessage, MAX_CHUNK_SIZE, MessageStreamId, RawMessage,
};
use tokio_util::codec::Decoder;

use crate::model::{ModelLimits, Wire, model_decode};
use crate::support::{decode, decode_cut, decode_within, encoded, encoder_at, message, noise};

/// Times with their interesting places: small, at the extended mark, at half the clock, at the wrap.
fn times() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..100_u32,
        0xFF_FFF0..0x100_0010_u32,
        0x7FFF_FFF0..0x8000_0010_u32,
        0xFFFF_FFF0..=u32::MAX,
        any::<u32>(),
    ]
}

fn chunk_streams() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 2..9_u32, 1 => 60..68_u32, 1 => 316..324_u32, 1 => 2..=65_599_u32]
}

/// All types but the two that a decoder acts on.
fn message_types() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(8_u8), 4 => Just(9_u8), 1 => Just(18_u8), 1 => 3..=255_u8]
}

fn chunk_sizes() -> impl Strategy<Value = u32> {
    prop_oneof![
        1..200_u32,
        Just(4096),
        Just(60_000),
        0xFF_FFFE..0x100_0002_u32,
        Just(MAX_CHUNK_SIZE),
    ]
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..40), 4 => vec(any::<u8>(), 0..700), 1 => (0..20_000_usize).prop_map(noise)]
}

prop_compose! {
    fn plain_message()(
        chunk_stream in chunk_streams(),
        time in times(),
        message_type in message_types(),
        stream in prop_oneof![0..3_u32, any::<u32>()],
        payload in payloads(),
    ) -> RawMessage {
        message(chunk_stream, time, message_type, stream, payload)
    }
}

/// Messages in order; runs of small steps on few chunk streams, so that the short headers have their turn, and
/// changes of the chunk size in between.
fn message_sequences() -> impl Strategy<Value = Vec<RawMessage>> {
    let steps = (2..5_u32, 0..3_u32, 0..3_usize, 1..12_usize).prop_map(|(chunk_stream, step, len, count)| {
        (0..count as u32)
            .map(|at| message(chunk_stream, at * step, 8, 1, noise(len * 90)))
            .collect()
    });
    let chunk_size = (chunk_streams(), chunk_sizes())
        .prop_map(|(chunk_stream, size)| vec![message(chunk_stream, 0, 1, 0, size.to_be_bytes().to_vec())]);
    let part = prop_oneof![
        4 => plain_message().prop_map(|message| vec![message]),
        2 => steps,
        1 => chunk_size,
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..40)
}

/// One choice of a sender; what is impossible at that point is replaced by the nearest possible.
#[derive(Clone, Debug)]
enum Step {
    /// A message begins, or goes on by a chunk, on a chunk stream.
    Chunk {
        chunk_stream: u32,
        format: u8,
        time: u32,
        length: usize,
        message_type: u8,
        stream: u32,
    },
    SetChunkSize(u32),
    Abort(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let chunk = (
        prop_oneof![3..8_u32, 64..67_u32, 318..322_u32],
        0..4_u8,
        times(),
        prop_oneof![0..10_usize, 0..600_usize],
        message_types(),
        any::<u32>(),
    )
        .prop_map(
            |(chunk_stream, format, time, length, message_type, stream)| Step::Chunk {
                chunk_stream,
                format,
                time,
                length,
                message_type,
                stream,
            },
        );
    let step = prop_oneof![
        30 => chunk,
        1 => prop_oneof![1..300_u32, Just(MAX_CHUNK_SIZE)].prop_map(Step::SetChunkSize),
        1 => prop_oneof![0..8_u32, any::<u32>()].prop_map(Step::Abort),
    ];
    vec(step, 0..150)
}

/// What a sender has to remember of a chunk stream.
#[derive(Default)]
struct Sent {
    extended: Option<u32>,
    length: usize,
    owed: usize,
}

/// A control message, which is no exception to the chunk size.
fn control(mut wire: Wire, message_type: u8, value: u32, chunk_size: usize) -> Wire {
    wire = wire.full(2, 0, 4, message_type, 0);
    for (at, piece) in value.to_be_bytes().chunks(chunk_size).enumerate() {
        wire = if at == 0 { wire } else { wire.repeat(2) }.bytes(piece);
    }
    wire
}

/// Valid chunks, headers chosen by `steps`.
fn write_steps(steps: &[Step]) -> Vec<u8> {
    let mut wire = Wire::new();
    let mut lanes = BTreeMap::<u32, Sent>::new();
    let mut chunk_size = 128;
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Step::SetChunkSize(size) => {
                wire = control(wire, 1, size, chunk_size);
                chunk_size = size as usize;
            }
            Step::Abort(chunk_stream) => {
                wire = control(wire, 2, chunk_stream, chunk_size);
                if let Some(lane) = lanes.get_mut(&chunk_stream) {
                    lane.owed = 0;
                }
            }
            Step::Chunk {
                chunk_stream,
                format,
                time,
                length,
                message_type,
                stream,
            } => {
                let is_fresh = !lanes.contains_key(&chunk_stream);
                let lane = lanes.entry(chunk_stream).or_default();
                let format = match format {
                    _ if lane.owed > 0 => 3,
                    2 | 3 if is_fresh => 0,
                    format => format,
                };
                if format < 3 {
                    lane.extended = (time >= 0xFF_FFFF).then_some(time);
                }
                if format < 2 {
                    lane.length = length;
                }
                wire = match (format, lane.extended) {
                    (0, _) => wire.full(chunk_stream, time, length, message_type, stream),
                    (1, _) => wire.same_stream(chunk_stream, time, length, message_type),
                    (2, _) => wire.time_only(chunk_stream, time),
                    (_, Some(extended)) => wire.repeat(chunk_stream).extended(extended),
                    (_, None) => wire.repeat(chunk_stream),
                };
                if lane.owed == 0 {
                    lane.owed = lane.length;
                }
                let len = lane.owed.min(chunk_size);
                lane.owed -= len;
                wire = wire.bytes(&vec![at as u8; len]);
            }
        }
    }
    wire.0
}

/// Bytes that look like chunks often enough to get deep into the decoder.
fn noisy_bytes() -> impl Strategy<Value = Vec<u8>> {
    let corrupted = (steps(), vec((any::<usize>(), any::<u8>()), 1..8)).prop_map(|(steps, faults)| {
        let mut wire = write_steps(&steps);
        for (at, byte) in faults {
            let len = wire.len().max(1);
            if let Some(place) = wire.get_mut(at % len) {
                *place = byte;
            }
        }
        wire
    });
    prop_oneof![vec(any::<u8>(), 0..600), corrupted]
}

fn small_limits() -> impl Strategy<Value = ModelLimits> {
    (100..700_usize, 0..6_usize, 0..1500_usize, 1..10_usize).prop_map(
        |(message_len, partial_messages, partial_bytes, chunk_streams)| ModelLimits {
            message_len,
            partial_messages,
            partial_bytes,
            chunk_streams,
        },
    )
}

fn limits_of(model: ModelLimits) -> Limits {
    Limits::default()
        .max_message_len(model.message_len)
        .max_partial_messages(model.partial_messages)
        .max_partial_bytes(model.partial_bytes)
        .max_chunk_streams(model.chunk_streams)
}

proptest! {
    #[test]
    fn encode_then_decode_is_the_identity(chunk_size in chunk_sizes(), messages in message_sequences()) {
        let (mut encoder, mut wire) = encoder_at(chunk_size);
        for message in &messages {
            wire.extend(encoded(&mut encoder, message));
        }
        prop_assert_eq!(&decode(&wire).complete()[1..], messages);
    }

    #[test]
    fn the_model_reads_what_the_encoder_writes(chunk_size in chunk_sizes(), messages in message_sequences()) {
        let (mut encoder, mut wire) = encoder_at(chunk_size);
        for message in &messages {
            wire.extend(encoded(&mut encoder, message));
        }
        let (decoded, _) = model_decode(ModelLimits::NONE, &wire);
        prop_assert_eq!(&decoded[1..], messages);
    }

    #[test]
    fn where_the_reads_are_cut_does_not_matter(
        chunk_size in chunk_sizes(),
        messages in message_sequences(),
        cuts in cuts(),
    ) {
        let (mut encoder, mut wire) = encoder_at(chunk_size);
        for message in &messages {
            wire.extend(encoded(&mut encoder, message));
        }
        let decoded = decode_cut(Limits::default(), &wire, &cuts).complete();
        prop_assert_eq!(&decoded[1..], messages);
    }

    #[test]
    fn the_decoder_agrees_with_the_model_on_all_valid_chunks(steps in steps(), cuts in cuts()) {
        let wire = write_steps(&steps);
        let (expected, _) = model_decode(ModelLimits::NONE, &wire);
        prop_assert_eq!(decode(&wire).complete(), expected.clone());
        prop_assert_eq!(decode_cut(Limits::default(), &wire, &cuts).complete(), expected);
    }

    #[test]
    fn the_decoder_stops_at_the_limits_where_the_model_does(
        steps in steps(),
        limits in small_limits(),
        cuts in cuts(),
    ) {
        let wire = write_steps(&steps);
        let (expected, expected_error) = model_decode(limits, &wire);
        let outcome = decode_cut(limits_of(limits), &wire, &cuts);
        prop_assert_eq!(outcome.messages, expected);
        let error = outcome.error.map(|error| format!("{error:?}"));
        let name = error.as_deref().and_then(|text| text.split(' ').next());
        prop_assert_eq!(name, expected_error);
    }

    #[test]
    fn interleaved_chunk_streams_do_not_disturb_each_other(
        lanes in vec(vec((times(), message_types(), payloads()), 1..6), 1..8),
        turns in vec(any::<usize>(), 0..200),
    ) {
        let chunk_size = 50;
        let mut expected = BTreeMap::new();
        let mut chunks = BTreeMap::new();
        for (id, lane) in (3..).zip(&lanes) {
            let mut lane_chunks = Vec::new();
            for (time, message_type, payload) in lane {
                let mut header = Wire::new().full(id, *time, payload.len(), *message_type, id);
                let mut pieces = payload.chunks(chunk_size);
                lane_chunks.push(header.bytes(pieces.next().unwrap_or_default()).0);
                for piece in pieces {
                    header = Wire::new().repeat(id);
                    if *time >= 0xFF_FFFF {
                        header = header.extended(*time);
                    }
                    lane_chunks.push(header.bytes(piece).0);
                }
                let sent = message(id, *time, *message_type, id, payload.clone());
                expected.entry(id).or_insert_with(Vec::new).push(sent);
            }
            chunks.insert(id, lane_chunks.into_iter());
        }
        let mut wire = Wire::new().control(1, chunk_size as u32);
        for turn in turns.into_iter().chain(std::iter::repeat(0)) {
            chunks.retain(|_, lane| lane.len() > 0);
            if chunks.is_empty() {
                break;
            }
            let nth = turn % chunks.len();
            let chunk = chunks.values_mut().nth(nth).and_then(Iterator::next);
            wire = wire.bytes(&chunk.unwrap_or_default());
        }
        let mut decoded = BTreeMap::new();
        for message in decode(&wire.0).complete().into_iter().skip(1) {
            decoded.entry(message.chunk_stream.get()).or_insert_with(Vec::new).push(message);
        }
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn arbitrary_bytes_give_the_same_end_for_every_cut(
        bytes in noisy_bytes(),
        limits in small_limits(),
        cuts in cuts(),
    ) {
        let limits = limits_of(limits);
        prop_assert_eq!(
            decode_within(limits, &bytes).summary(),
            decode_cut(limits, &bytes, &cuts).summary()
        );
    }

    #[test]
    fn going_on_after_an_error_does_no_harm(bytes in noisy_bytes(), limits in small_limits()) {
        let mut decoder = ChunkDecoder::new(limits_of(limits));
        let mut buffer = BytesMut::from(&bytes[..]);
        for _ in 0..200 {
            if let Ok(Some(message)) = decoder.decode(&mut buffer) {
                prop_assert!(message.payload.len() <= limits.message_len);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_give_more_than_the_limits_allow(bytes in noisy_bytes(), limits in small_limits()) {
        let outcome = decode_within(limits_of(limits), &bytes);
        let longest = limits.message_len.min(limits.partial_bytes);
        prop_assert!(outcome.messages.iter().all(|message| message.payload.len() <= longest));
        let total: usize = outcome.messages.iter().map(|message| message.payload.len()).sum();
        prop_assert!(total <= bytes.len());
    }

    #[test]
    fn a_framed_message_is_what_a_fresh_encoder_writes(message in plain_message(), chunk_size in chunk_sizes()) {
        let framed = FramedMessage::new(&message, chunk_size).expect("the message can be framed");
        let (mut encoder, announcement) = encoder_at(chunk_size);
        let chunks = encoded(&mut encoder, &message);
        prop_assert_eq!(framed.wire(), &chunks);
        prop_assert_eq!(framed.chunk_size(), chunk_size);
        let in_one_chunk = message.payload.len() <= chunk_size as usize;
        prop_assert_eq!(framed.payload(), in_one_chunk.then(|| message.payload.clone()));
        let decoded = decode(&[announcement, chunks].concat()).complete();
        prop_assert_eq!(&decoded[1], &message);
    }

    #[test]
    fn a_framed_message_for_another_message_stream_differs_in_nothing_else(
        message in plain_message(),
        chunk_size in chunk_sizes(),
        stream in any::<u32>(),
    ) {
        let stream = MessageStreamId::new(stream);
        let framed = FramedMessage::new(&message, chunk_size).expect("the message can be framed");
        let other = FramedMessage::new(&RawMessage { stream, ..message }, chunk_size).expect("as before");
        prop_assert_eq!(&framed.wire_for(stream), other.wire());
    }

    #[test]
    fn chunk_stream_ids_survive_every_form(id in 2..=65_599_u32) {
        prop_assert_eq!(ChunkStreamId::new(id).map(ChunkStreamId::get), Some(id));
        let wire = Wire::new().full(id, 0, 0, 8, 0);
        prop_assert_eq!(decode(&wire.0).complete(), [message(id, 0, 8, 0, vec![])]);
    }
}
