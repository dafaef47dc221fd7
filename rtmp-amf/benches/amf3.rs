//! Decoding and encoding of a connect object in AMF3. Decoding includes dropping the result.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtmp_amf::amf3::{self, Encoder, Object, Value};

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
        .with("capabilities", 239)
        .with("audioCodecs", 3575)
        .with("videoCodecs", 252)
        .with("videoFunction", 1)
        .with("pageUrl", "http://www.example.com/live/index.html")
        .with("objectEncoding", 3)
        .into()
}

fn encoded(value: &Value) -> Bytes {
    let mut out = BytesMut::new();
    amf3::encode(value, &mut out).unwrap();
    out.freeze()
}

fn amf3(c: &mut Criterion) {
    let value = connect();
    let bytes = encoded(&value);

    let mut group = c.benchmark_group("amf3");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("decode connect", |b| {
        b.iter(|| amf3::decode_all(bytes.clone()));
    });
    let mut out = BytesMut::with_capacity(1024);
    group.bench_function("encode connect", |b| {
        b.iter(|| {
            out.clear();
            amf3::encode(black_box(&value), &mut out)
        });
    });
    group.bench_function("encode connect with references", |b| {
        b.iter(|| {
            out.clear();
            Encoder::new(&mut out)
                .with_references()
                .value(black_box(&value))
                .map(drop)
        });
    });
    group.finish();
}

criterion_group!(benches, amf3);
criterion_main!(benches);
