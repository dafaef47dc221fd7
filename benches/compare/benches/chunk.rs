//! The chunk codec of this project beside that of other crates: one second of a 2.5 Mb/s stream, and a copy of the
//! same bytes.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rml_rtmp::chunk_io::{ChunkDeserializer, ChunkSerializer};
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;
use rtmp_core::Timestamp;
use rtmp_core::chunk::{ChunkDecoder, ChunkEncoder, ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use rtmp_rs::protocol::chunk::RtmpChunk;
use scuffle_rtmp::chunk::reader::ChunkReader;
use scuffle_rtmp::chunk::writer::ChunkWriter;
use tokio_util::codec::{Decoder, Encoder};

const CHUNK_SIZES: [u32; 3] = [128, 4096, 60_000];

fn media(message_type: MessageType, millis: u32, len: usize) -> RawMessage {
    RawMessage {
        chunk_stream: match message_type {
            MessageType::Audio => ChunkStreamId::AUDIO,
            _ => ChunkStreamId::VIDEO,
        },
        timestamp: Timestamp::from_millis(millis),
        message_type,
        stream: MessageStreamId::new(1),
        payload: vec![0x27; len].into(),
    }
}

/// 30 frames, the first of them a keyframe, and 43 audio messages, in the order of time.
fn one_second() -> Vec<RawMessage> {
    let frames = (0..30).map(|frame| match frame {
        0 => media(MessageType::Video, 0, 60_000),
        _ => media(MessageType::Video, frame * 1000 / 30, 8000 + frame as usize * 70),
    });
    let audio = (0..43).map(|packet| media(MessageType::Audio, packet * 1000 / 43, 370));
    let mut messages: Vec<_> = frames.chain(audio).collect();
    messages.sort_by_key(|message| message.timestamp.as_millis());
    messages
}

fn lens(messages: &[RawMessage]) -> Vec<usize> {
    messages.iter().map(|message| message.payload.len()).collect()
}

/// Our encoder and decoder, having agreed on a chunk size.
fn pair_at(chunk_size: u32) -> (ChunkEncoder, ChunkDecoder) {
    let (mut encoder, mut decoder) = (ChunkEncoder::default(), ChunkDecoder::default());
    let set_chunk_size = RawMessage {
        chunk_stream: ChunkStreamId::CONTROL,
        timestamp: Timestamp::ZERO,
        message_type: MessageType::SetChunkSize,
        stream: MessageStreamId::CONNECTION,
        payload: Bytes::copy_from_slice(&chunk_size.to_be_bytes()),
    };
    let mut wire = BytesMut::new();
    encoder.encode(&set_chunk_size, &mut wire).unwrap();
    decoder.decode(&mut wire).unwrap();
    (encoder, decoder)
}

fn wire_at(chunk_size: u32) -> BytesMut {
    let mut wire = BytesMut::new();
    let (mut encoder, _) = pair_at(chunk_size);
    for message in &one_second() {
        encoder.encode(message, &mut wire).unwrap();
    }
    wire
}

/// Checks once that `decode` hands out the payloads of the stream, then measures it on a fresh copy of `wire` each
/// time.
fn measure_decode(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    wire: &BytesMut,
    mut decode: impl FnMut(&mut BytesMut, &mut dyn FnMut(&[u8])),
) {
    let mut decoded = Vec::new();
    decode(&mut wire.clone(), &mut |payload| decoded.push(payload.len()));
    assert_eq!(decoded, lens(&one_second()), "{name} decodes something else");
    group.bench_function(name, |bencher| {
        bencher.iter_batched_ref(
            || wire.clone(),
            |input| {
                decode(input, &mut |payload| {
                    black_box(payload);
                });
            },
            BatchSize::PerIteration,
        );
    });
}

fn decode(criterion: &mut Criterion) {
    for chunk_size in CHUNK_SIZES {
        let mut group = criterion.benchmark_group(format!("chunk decode {chunk_size}"));
        let wire = wire_at(chunk_size);
        group.throughput(Throughput::Bytes(wire.len() as u64));

        let (_, mut ours) = pair_at(chunk_size);
        measure_decode(&mut group, "ours", &wire, |input, found| {
            while let Some(message) = ours.decode(input).unwrap() {
                found(&message.payload);
            }
        });

        let mut rml = ChunkDeserializer::new();
        rml.set_max_chunk_size(chunk_size as usize).unwrap();
        measure_decode(&mut group, "rml_rtmp", &wire, |input, found| {
            let mut next = rml.get_next_message(input).unwrap();
            while let Some(message) = next {
                found(&message.data);
                next = rml.get_next_message(&[]).unwrap();
            }
        });

        let mut rtmp_rs = rtmp_rs::protocol::ChunkDecoder::new();
        rtmp_rs.set_chunk_size(chunk_size);
        measure_decode(&mut group, "rtmp-rs", &wire, |input, found| {
            // It returns after each chunk, with or without a message.
            while !input.is_empty() {
                if let Some(message) = rtmp_rs.decode(input).unwrap() {
                    found(&message.payload);
                }
            }
        });

        let mut scuffle = ChunkReader::default();
        assert!(scuffle.update_max_chunk_size(chunk_size as usize));
        measure_decode(&mut group, "scuffle-rtmp", &wire, |input, found| {
            while let Some(message) = scuffle.read_chunk(input).unwrap() {
                found(&message.payload);
            }
        });

        let mut copy = vec![0; wire.len()];
        group.bench_function("memcpy", |bencher| {
            bencher.iter_batched_ref(
                || wire.clone(),
                |input| black_box(&mut copy).copy_from_slice(black_box(input)),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

/// That our decoder finds the stream in what another encoder wrote.
fn assert_decodes(name: &str, chunk_size: u32, wire: &[u8]) {
    let (_, mut decoder) = pair_at(chunk_size);
    let mut wire = BytesMut::from(wire);
    for expected in one_second() {
        let message = decoder.decode(&mut wire).unwrap();
        let found = message.map(|message| (message.timestamp, message.message_type, message.payload));
        let expected = (expected.timestamp, expected.message_type, expected.payload);
        assert!(found == Some(expected), "{name} encodes something else");
    }
    assert!(wire.is_empty(), "{name} encodes more than the stream");
}

/// Into one buffer used over and over where the crate takes a buffer, else into what it returns. An encoder lives
/// through all repetitions, as it does in a connection.
fn encode(criterion: &mut Criterion) {
    let messages = one_second();
    let len: usize = lens(&messages).iter().sum();

    for chunk_size in CHUNK_SIZES {
        let mut group = criterion.benchmark_group(format!("chunk encode {chunk_size}"));
        group.throughput(Throughput::Bytes(len as u64));

        let (mut encoder, _) = pair_at(chunk_size);
        let mut buf = BytesMut::with_capacity(2 * len);
        group.bench_function("ours", |bencher| {
            bencher.iter(|| {
                buf.clear();
                for message in black_box(&messages) {
                    encoder.encode(message, &mut buf).unwrap();
                }
                black_box(&buf[..]).len()
            });
        });

        let payloads: Vec<_> = messages.iter().map(rml_message).collect();
        let mut encoder = rml_serializer(chunk_size);
        let packets = payloads
            .iter()
            .map(|message| encoder.serialize(message, false, false));
        let wire: Vec<u8> = packets.flat_map(|packet| packet.unwrap().bytes).collect();
        assert_decodes("rml_rtmp", chunk_size, &wire);
        group.bench_function("rml_rtmp", |bencher| {
            bencher.iter(|| {
                for message in black_box(&payloads) {
                    black_box(encoder.serialize(message, false, false).unwrap());
                }
            });
        });

        let chunks: Vec<_> = messages.iter().map(rtmp_rs_message).collect();
        let mut encoder = rtmp_rs::protocol::ChunkEncoder::new();
        encoder.set_chunk_size(chunk_size);
        buf.clear();
        chunks.iter().for_each(|chunk| encoder.encode(chunk, &mut buf));
        assert_decodes("rtmp-rs", chunk_size, &buf);
        group.bench_function("rtmp-rs", |bencher| {
            bencher.iter(|| {
                buf.clear();
                for chunk in black_box(&chunks) {
                    encoder.encode(chunk, &mut buf);
                }
                black_box(&buf[..]).len()
            });
        });

        let chunks: Vec<_> = messages.iter().map(scuffle_message).collect();
        let mut encoder = ChunkWriter::default();
        encoder.set_chunk_size(chunk_size as usize);
        let mut vec = Vec::with_capacity(2 * len);
        for chunk in &chunks {
            encoder.write_chunk(&mut vec, chunk.clone()).unwrap();
        }
        assert_decodes("scuffle-rtmp", chunk_size, &vec);
        group.bench_function("scuffle-rtmp", |bencher| {
            bencher.iter(|| {
                vec.clear();
                // It consumes the message; cloning one shares its payload.
                for chunk in black_box(&chunks) {
                    encoder.write_chunk(&mut vec, chunk.clone()).unwrap();
                }
                black_box(&vec[..]).len()
            });
        });

        group.bench_function("memcpy", |bencher| {
            bencher.iter(|| {
                buf.clear();
                for message in black_box(&messages) {
                    buf.extend_from_slice(&message.payload);
                }
                black_box(&buf[..]).len()
            });
        });
        group.finish();
    }
}

fn rml_serializer(chunk_size: u32) -> ChunkSerializer {
    let mut serializer = ChunkSerializer::new();
    serializer
        .set_max_chunk_size(chunk_size, RtmpTimestamp::new(0))
        .unwrap();
    serializer
}

fn rml_message(message: &RawMessage) -> MessagePayload {
    MessagePayload {
        timestamp: RtmpTimestamp::new(message.timestamp.as_millis()),
        type_id: type_id(message),
        message_stream_id: 1,
        data: message.payload.clone(),
    }
}

fn rtmp_rs_message(message: &RawMessage) -> RtmpChunk {
    RtmpChunk {
        csid: message.chunk_stream.get(),
        timestamp: message.timestamp.as_millis(),
        message_type: type_id(message),
        stream_id: 1,
        payload: message.payload.clone(),
    }
}

fn scuffle_message(message: &RawMessage) -> scuffle_rtmp::chunk::Chunk {
    scuffle_rtmp::chunk::Chunk::new(
        message.chunk_stream.get(),
        message.timestamp.as_millis(),
        scuffle_rtmp::messages::MessageType(type_id(message)),
        1,
        message.payload.clone(),
    )
}

/// RTMP 1.0 section 7.1.4 and 7.1.5.
fn type_id(message: &RawMessage) -> u8 {
    match message.message_type {
        MessageType::Audio => 8,
        _ => 9,
    }
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
