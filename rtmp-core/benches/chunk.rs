//! One second of a 2.5 Mb/s stream through the chunk codec, beside a copy of the same bytes.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtmp_core::Timestamp;
use rtmp_core::chunk::{
    ChunkDecoder, ChunkEncoder, ChunkStreamId, FramedMessage, MessageStreamId, MessageType, RawMessage,
};
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

fn set_chunk_size(size: u32) -> RawMessage {
    RawMessage {
        chunk_stream: ChunkStreamId::CONTROL,
        timestamp: Timestamp::ZERO,
        message_type: MessageType::SetChunkSize,
        stream: MessageStreamId::CONNECTION,
        payload: Bytes::copy_from_slice(&size.to_be_bytes()),
    }
}

fn encode_all(messages: &[RawMessage], encoder: &mut ChunkEncoder, out: &mut BytesMut) {
    for message in messages {
        encoder
            .encode(message, out)
            .expect("media of the benchmark is short enough");
    }
}

/// An encoder and a decoder that have agreed on a chunk size.
fn pair_at(chunk_size: u32) -> (ChunkEncoder, ChunkDecoder) {
    let (mut encoder, mut decoder) = (ChunkEncoder::default(), ChunkDecoder::default());
    let mut wire = BytesMut::new();
    encode_all(&[set_chunk_size(chunk_size)], &mut encoder, &mut wire);
    decoder.decode(&mut wire).expect("the announcement is valid");
    (encoder, decoder)
}

fn wire_at(chunk_size: u32) -> BytesMut {
    let mut wire = BytesMut::new();
    encode_all(&one_second(), &mut pair_at(chunk_size).0, &mut wire);
    wire
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for chunk_size in CHUNK_SIZES {
        let wire = wire_at(chunk_size);
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(chunk_size), |bencher| {
            let (_, mut decoder) = pair_at(chunk_size);
            bencher.iter_batched_ref(
                || wire.clone(),
                |input| {
                    while let Some(message) = decoder.decode(input).expect("the chunks are valid") {
                        black_box(message);
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    let wire = wire_at(60_000);
    group.throughput(Throughput::Bytes(wire.len() as u64));
    group.bench_function("memcpy", |bencher| {
        let mut copy = vec![0; wire.len()];
        bencher.iter_batched_ref(
            || wire.clone(),
            |input| black_box(&mut copy).copy_from_slice(black_box(input)),
            BatchSize::PerIteration,
        );
    });
    // What no decoder that hands out payloads of their own can go below.
    group.bench_function("memcpy-each", |bencher| {
        let lens: Vec<usize> = one_second().iter().map(|message| message.payload.len()).collect();
        bencher.iter_batched_ref(
            || wire.clone(),
            |input| {
                let mut rest = black_box(&input[..]);
                for &len in &lens {
                    let (payload, behind) = rest.split_at(len);
                    black_box(Bytes::copy_from_slice(payload));
                    rest = behind;
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let messages = one_second();
    for chunk_size in CHUNK_SIZES {
        let (mut encoder, _) = pair_at(chunk_size);
        let mut out = wire_at(chunk_size);
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(chunk_size), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_all(black_box(&messages), &mut encoder, &mut out);
                black_box(out.len())
            });
        });
    }
    let len: usize = messages.iter().map(|message| message.payload.len()).sum();
    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function("memcpy", |bencher| {
        let mut out = BytesMut::with_capacity(len);
        bencher.iter(|| {
            out.clear();
            for message in black_box(&messages) {
                out.extend_from_slice(&message.payload);
            }
            black_box(out.len())
        });
    });
    group.finish();
}

fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let messages = one_second();
    let len: usize = messages.iter().map(|message| message.payload.len()).sum();
    group.throughput(Throughput::Bytes(len as u64));
    for chunk_size in CHUNK_SIZES {
        group.bench_function(BenchmarkId::from_parameter(chunk_size), |bencher| {
            bencher.iter(|| {
                for message in black_box(&messages) {
                    black_box(FramedMessage::new(message, chunk_size).expect("media is short enough"));
                }
            });
        });
    }
    group.bench_function("memcpy-each", |bencher| {
        bencher.iter(|| {
            for message in black_box(&messages) {
                black_box(Bytes::copy_from_slice(&message.payload));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decode, encode, frame);
criterion_main!(benches);
