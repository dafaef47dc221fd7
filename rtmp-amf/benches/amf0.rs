//! Decoding and encoding of what every RTMP session carries: a connect object and the metadata of a stream.
//! Decoding includes dropping the result.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtmp_amf::Amf0Error;
use rtmp_amf::amf0::{self, Encoder, Object, Value};

/// The command object of `connect` with all properties that Flash Player sends (RTMP 1.0 section 7.2.1.1) and the
/// `type` that encoders add.
fn connect() -> Value {
    Object::new()
        .with("app", "live")
        .with("type", "nonprivate")
        .with("flashVer", "FMLE/3.0 (compatible; Lavf59.27.100)")
        .with("swfUrl", "rtmp://origin.example.com:1935/live")
        .with("tcUrl", "rtmp://origin.example.com:1935/live")
        .with("fpad", false)
        .with("capabilities", 239.0)
        .with("audioCodecs", 3575.0)
        .with("videoCodecs", 252.0)
        .with("videoFunction", 1.0)
        .with("pageUrl", "http://www.example.com/live/index.html")
        .with("objectEncoding", 0.0)
        .into()
}

/// `onMetaData` with the 20 entries that OBS Studio announces.
fn metadata() -> Value {
    Value::EcmaArray(
        Object::new()
            .with("duration", 0.0)
            .with("fileSize", 0.0)
            .with("width", 1920.0)
            .with("height", 1080.0)
            .with("videocodecid", 7.0)
            .with("videodatarate", 2500.0)
            .with("framerate", 30.0)
            .with("audiocodecid", 10.0)
            .with("audiodatarate", 160.0)
            .with("audiosamplerate", 48000.0)
            .with("audiosamplesize", 16.0)
            .with("audiochannels", 2.0)
            .with("stereo", true)
            .with("2.1", false)
            .with("3.1", false)
            .with("4.0", false)
            .with("4.1", false)
            .with("5.1", false)
            .with("7.1", false)
            .with("encoder", "obs-output module (libobs version 30.1.2)"),
    )
}

/// Writes the connect object without a tree.
fn write_connect(out: &mut BytesMut) -> Result<(), Amf0Error> {
    let mut object = Encoder::new(out);
    object.begin_object();
    object.key("app")?.string("live")?;
    object.key("type")?.string("nonprivate")?;
    object
        .key("flashVer")?
        .string("FMLE/3.0 (compatible; Lavf59.27.100)")?;
    object
        .key("swfUrl")?
        .string("rtmp://origin.example.com:1935/live")?;
    object
        .key("tcUrl")?
        .string("rtmp://origin.example.com:1935/live")?;
    object.key("fpad")?.boolean(false);
    object.key("capabilities")?.number(239.0);
    object.key("audioCodecs")?.number(3575.0);
    object.key("videoCodecs")?.number(252.0);
    object.key("videoFunction")?.number(1.0);
    object
        .key("pageUrl")?
        .string("http://www.example.com/live/index.html")?;
    object.key("objectEncoding")?.number(0.0);
    object.end_object();
    Ok(())
}

fn encoded(value: &Value) -> Bytes {
    let mut out = BytesMut::new();
    amf0::encode(value, &mut out).unwrap();
    out.freeze()
}

fn amf0(c: &mut Criterion) {
    let inputs = [("connect", connect()), ("metadata", metadata())];

    let mut group = c.benchmark_group("decode");
    for (name, value) in &inputs {
        let bytes = encoded(value);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |b, bytes| {
            b.iter(|| amf0::decode_all(bytes.clone()));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("encode");
    let mut out = BytesMut::with_capacity(1024);
    for (name, value) in &inputs {
        group.throughput(Throughput::Bytes(encoded(value).len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), value, |b, value| {
            b.iter(|| {
                out.clear();
                amf0::encode(black_box(value), &mut out)
            });
        });
    }
    group.throughput(Throughput::Bytes(encoded(&connect()).len() as u64));
    group.bench_function("connect without a tree", |b| {
        b.iter(|| {
            out.clear();
            write_connect(black_box(&mut out))
        });
    });
    group.finish();
}

criterion_group!(benches, amf0);
criterion_main!(benches);
