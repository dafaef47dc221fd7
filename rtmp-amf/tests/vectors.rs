//! Golden bytes from `tests/vectors/amf` of the workspace; its README names their sources.

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{self, Decoder, Value};
use rtmp_amf::amf3;

struct Vector {
    name: String,
    bytes: Bytes,
}

fn vectors(file: &str) -> Vec<Vector> {
    let path = format!("{}/../tests/vectors/amf/{file}", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let json: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(!json.is_empty());
    let text =
        |vector: &serde_json::Value, field: &str| vector[field].as_str().unwrap_or_default().to_owned();
    json.iter()
        .map(|vector| Vector {
            name: format!("{} {}", text(vector, "name"), text(vector, "sender")),
            bytes: hex::decode(text(vector, "hex")).unwrap().into(),
        })
        .collect()
}

fn decode_strictly(bytes: &Bytes) -> Vec<Value> {
    let mut decoder = Decoder::new(bytes.clone()).strict();
    std::iter::from_fn(|| decoder.next_value().unwrap()).collect()
}

fn encode(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    amf0::encode_all(values, &mut out).unwrap();
    out.freeze()
}

#[test]
fn vectors_decode_to_one_value_and_encode_to_the_same_bytes_but_for_wrong_counts() {
    for Vector { name, bytes } in vectors("amf0.json") {
        let values = decode_strictly(&bytes);
        assert_eq!(values.len(), 1, "{name}");
        let mut expected = bytes.to_vec();
        if name.contains("wrong count") {
            let len = values[0].as_object().unwrap().len();
            expected[1..5].copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
        }
        assert_eq!(encode(&values), expected, "{name}");
    }
}

#[test]
fn amf3_vectors_decode_and_encode_to_the_same_bytes_with_references() {
    for Vector { name, bytes } in vectors("amf3.json") {
        let values = amf3::decode_all(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut out = BytesMut::new();
        let mut encoder = amf3::Encoder::new(&mut out).with_references();
        for value in &values {
            encoder.value(value).unwrap();
        }
        assert_eq!(out, bytes, "{name}");
    }
}

#[test]
fn amf3_vectors_keep_their_meaning_without_references_and_inside_amf0() {
    for Vector { name, bytes } in vectors("amf3.json") {
        let values = amf3::decode_all(bytes).unwrap();
        let mut out = BytesMut::new();
        amf3::encode_all(&values, &mut out).unwrap();
        assert_eq!(amf3::decode_all(out.freeze()).unwrap(), values, "{name}");

        let list: Vec<_> = values.into_iter().map(Value::from).collect();
        assert_eq!(decode_strictly(&encode(&list)), list, "{name}");
    }
}

#[test]
fn captured_messages_decode_and_encode_to_the_same_bytes() {
    for Vector { name, bytes } in vectors("captured.json") {
        let values = decode_strictly(&bytes);
        assert_eq!(encode(&values), bytes, "{name}");
    }
}

#[test]
fn captured_messages_say_what_their_senders_meant() {
    let captured = |wanted: &str| {
        let found = vectors("captured.json")
            .into_iter()
            .find(|vector| vector.name == wanted);
        decode_strictly(&found.unwrap_or_else(|| panic!("no vector {wanted}")).bytes)
    };

    let connect = captured("connect FFmpeg 5.1.9");
    let keys: Vec<_> = connect[2]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, _)| key.to_string())
        .collect();
    assert_eq!(
        (connect[0].as_str(), connect[1].as_number()),
        (Some("connect"), Some(1.0))
    );
    assert_eq!(keys, ["app", "type", "flashVer", "tcUrl"]);

    let enhanced = captured("connect with fourCcList FFmpeg 9.0.2");
    let codecs = enhanced[2]
        .as_object()
        .unwrap()
        .get("fourCcList")
        .unwrap()
        .as_array()
        .unwrap();
    let codecs: Vec<_> = codecs.iter().filter_map(Value::as_str).collect();
    assert_eq!(
        codecs,
        ["hvc1", "av01", "vp09", "vvc1", "Opus", "fLaC", "ac-3", "ec-3"]
    );

    let play = captured("play rtmpdump (librtmp 2.4, gitfa8646d)");
    assert_eq!(play[4..], [Value::Number(-1000.0), Value::Number(1000.0)]);

    let metadata = captured("onMetaData with strings of NUL nginx-rtmp 1.2.2");
    let profile = metadata[1].as_object().unwrap().get("profile").unwrap();
    assert_eq!(profile.as_string().unwrap().as_bytes(), [0; 32]);
}
