//! AMF0 of this project beside that of other crates: the same bytes decoded, and the values that came out of them
//! encoded again. Decoding includes dropping the result.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rtmp_amf::amf0::{self, Object, Value};

/// The command object of `connect` with all properties that Flash Player sends (RTMP 1.0 section 7.2.1.1) and the
/// `type` that encoders add.
fn connect() -> Bytes {
    encoded(
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
            .into(),
    )
}

/// `onMetaData` with the 20 entries that OBS Studio announces.
fn metadata() -> Bytes {
    encoded(Value::EcmaArray(
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
    ))
}

fn encoded(value: Value) -> Bytes {
    let mut out = BytesMut::new();
    amf0::encode(&value, &mut out).unwrap();
    out.freeze()
}

/// What each crate makes of the same bytes.
struct Decoded {
    ours: Value,
    amf: amf::amf0::Value,
    rml: Vec<rml_amf0::Amf0Value>,
    rtmp_rs: rtmp_rs::amf::AmfValue,
    scuffle: scuffle_amf0::Amf0Value<'static>,
}

impl Decoded {
    fn new(bytes: &Bytes, entries: usize) -> Self {
        let decoded = Self {
            ours: ours(bytes).remove(0),
            amf: amf(bytes),
            rml: rml(bytes),
            rtmp_rs: rtmp_rs(bytes),
            scuffle: scuffle_borrowed(bytes).into_owned(),
        };
        let lens = decoded.lens();
        assert_eq!(lens, [entries; 5], "not all crates decode the same");
        decoded
    }

    /// Entries of the object in each crate's value; 0 for what is no object.
    fn lens(&self) -> [usize; 5] {
        [
            match &self.ours {
                Value::Object(object) | Value::EcmaArray(object) => object.len(),
                _ => 0,
            },
            match &self.amf {
                amf::amf0::Value::Object { entries, .. } | amf::amf0::Value::EcmaArray { entries } => {
                    entries.len()
                }
                _ => 0,
            },
            match &self.rml[..] {
                [rml_amf0::Amf0Value::Object(object)] => object.len(),
                _ => 0,
            },
            match &self.rtmp_rs {
                rtmp_rs::amf::AmfValue::Object(object) | rtmp_rs::amf::AmfValue::EcmaArray(object) => {
                    object.len()
                }
                _ => 0,
            },
            match &self.scuffle {
                scuffle_amf0::Amf0Value::Object(object) => object.len(),
                _ => 0,
            },
        ]
    }
}

fn ours(bytes: &Bytes) -> Vec<Value> {
    amf0::decode_all(bytes.clone()).unwrap()
}

/// Our decoder leaves it to the reader of a string whether it is UTF-8, the others check every one. So does this.
fn ours_checked(bytes: &Bytes) -> Vec<Value> {
    let values = ours(bytes);
    for value in &values {
        if let Value::Object(object) | Value::EcmaArray(object) = value {
            for (key, value) in object.iter() {
                black_box(key.to_str().unwrap());
                if let Value::String(string) = value {
                    black_box(string.to_str().unwrap());
                }
            }
        }
    }
    values
}

fn amf(bytes: &Bytes) -> amf::amf0::Value {
    amf::amf0::Value::read_from(&mut &bytes[..]).unwrap()
}

fn rml(bytes: &Bytes) -> Vec<rml_amf0::Amf0Value> {
    rml_amf0::deserialize(&mut &bytes[..]).unwrap()
}

fn rtmp_rs(bytes: &Bytes) -> rtmp_rs::amf::AmfValue {
    rtmp_rs::amf::Amf0Decoder::new()
        .decode(&mut bytes.clone())
        .unwrap()
}

/// Strings share the input, as ours do.
fn scuffle(bytes: &Bytes) -> scuffle_amf0::Amf0Value<'static> {
    scuffle_amf0::Amf0Decoder::from_buf(bytes.clone())
        .decode_value()
        .unwrap()
}

/// Strings borrow from the input.
fn scuffle_borrowed(bytes: &Bytes) -> scuffle_amf0::Amf0Value<'_> {
    scuffle_amf0::Amf0Decoder::from_slice(bytes)
        .decode_value()
        .unwrap()
}

fn decode(mut group: BenchmarkGroup<'_, WallTime>, bytes: &Bytes) {
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("ours", |b| b.iter(|| ours(black_box(bytes))));
    group.bench_function("ours, UTF-8 checked", |b| {
        b.iter(|| ours_checked(black_box(bytes)))
    });
    group.bench_function("amf", |b| b.iter(|| amf(black_box(bytes))));
    group.bench_function("rml_amf0", |b| b.iter(|| rml(black_box(bytes))));
    group.bench_function("rtmp-rs", |b| b.iter(|| rtmp_rs(black_box(bytes))));
    group.bench_function("scuffle-amf0", |b| b.iter(|| scuffle(black_box(bytes))));
    group.bench_function("scuffle-amf0 borrowed", |b| {
        b.iter(|| scuffle_borrowed(black_box(bytes)));
    });
    group.finish();
}

/// Into one buffer used over and over where the crate takes a buffer, else into what it returns.
fn encode(mut group: BenchmarkGroup<'_, WallTime>, bytes: &Bytes, values: &Decoded) {
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    let mut buf = BytesMut::with_capacity(1024);
    group.bench_function("ours", |b| {
        b.iter(|| {
            buf.clear();
            amf0::encode(black_box(&values.ours), &mut buf).unwrap();
            black_box(&buf[..]).len()
        });
    });
    let mut vec = Vec::with_capacity(1024);
    group.bench_function("amf", |b| {
        b.iter(|| {
            vec.clear();
            black_box(&values.amf).write_to(&mut vec).unwrap();
            black_box(&vec[..]).len()
        });
    });
    group.bench_function("rml_amf0", |b| {
        b.iter(|| rml_amf0::serialize(black_box(&values.rml)).unwrap());
    });
    let mut encoder = rtmp_rs::amf::Amf0Encoder::with_capacity(1024);
    group.bench_function("rtmp-rs", |b| {
        b.iter(|| {
            encoder.encode(black_box(&values.rtmp_rs));
            encoder.finish()
        });
    });
    group.bench_function("scuffle-amf0", |b| {
        b.iter(|| {
            vec.clear();
            let mut encoder = scuffle_amf0::Amf0Encoder::new(&mut vec);
            black_box(&values.scuffle).encode(&mut encoder).unwrap();
            black_box(&vec[..]).len()
        });
    });
    group.finish();
}

fn amf0(c: &mut Criterion) {
    for (name, bytes, entries) in [("connect", connect(), 12), ("metadata", metadata(), 20)] {
        let values = Decoded::new(&bytes, entries);
        decode(c.benchmark_group(format!("amf0 decode {name}")), &bytes);
        encode(c.benchmark_group(format!("amf0 encode {name}")), &bytes, &values);
    }
}

criterion_group!(benches, amf0);
criterion_main!(benches);
