//! Golden bytes: the examples of the specification, and single cases computed from it.

use rtmp_core::chunk::{ChunkEncoder, ChunkError, RawMessage};
use serde_json::Value;

use crate::model::Wire;
use crate::support::{AUDIO, VIDEO, decode, decode_cut, encoded, message, noise, vector};

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or_else(|| panic!("{value} has no {name}"))
}

fn number(value: &Value, name: &str) -> u32 {
    field(value, name)
        .as_u64()
        .and_then(|number| number.try_into().ok())
        .expect("a number of 32 bits")
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(field(value, name).as_str().expect("text")).expect("hexadecimal digits")
}

fn expected_message(value: &Value) -> RawMessage {
    message(
        number(value, "csid"),
        number(value, "timestamp"),
        number(value, "type").try_into().expect("a type has 8 bits"),
        number(value, "stream_id"),
        bytes(value, "payload"),
    )
}

/// `vectors/chunk/cases.json`, computed from RTMP 1.0 section 5.3.
#[test]
fn every_computed_case_gives_its_messages_or_its_error() {
    let cases: Value = serde_json::from_slice(&vector("chunk/cases.json")).expect("the file is JSON");
    let cases = cases.as_array().expect("a list of cases");
    assert_eq!(cases.len(), 26);
    for case in cases {
        let name = field(case, "name");
        let input = bytes(case, "hex");
        let every_byte: Vec<usize> = (0..input.len()).collect();
        for cuts in [&[][..], &every_byte] {
            let outcome = decode_cut(Default::default(), &input, cuts);
            let Some(error) = case.get("error").and_then(Value::as_str) else {
                let expected = field(case, "messages").as_array().expect("a list of messages");
                let expected: Vec<_> = expected.iter().map(expected_message).collect();
                assert_eq!(outcome.complete(), expected, "{name}");
                continue;
            };
            let as_expected = match outcome.error() {
                ChunkError::MissingHeader { chunk_stream, format } => {
                    chunk_stream.get() == 5 && error == format!("fresh csid with fmt {format}")
                }
                ChunkError::InvalidChunkSize {
                    size: 0 | 0x8000_0080,
                } => error == "chunk size",
                _ => false,
            };
            assert!(as_expected, "{name}");
        }
    }
}

/// RTMP 1.0 section 5.3.2.1: four audio messages of 32 bytes, 20 ms apart, on chunk stream 3. The first has a type
/// 0 header, the second a type 2 header with the delta; the others repeat it with a type 3 header.
#[test]
fn specification_example_1() {
    let stream = 12345;
    let messages = [1000, 1020, 1040, 1060].map(|time| message(3, time, AUDIO, stream, noise(32)));
    let expected = Wire::new()
        .full(3, 1000, 32, AUDIO, stream)
        .bytes(&noise(32))
        .time_only(3, 20)
        .bytes(&noise(32))
        .repeat(3)
        .bytes(&noise(32))
        .repeat(3)
        .bytes(&noise(32))
        .0;
    let mut encoder = ChunkEncoder::default();
    let chunks = messages.each_ref().map(|message| encoded(&mut encoder, message));
    assert_eq!(chunks.each_ref().map(Vec::len), [44, 36, 33, 33]);
    assert_eq!(chunks.concat(), expected);
    assert_eq!(decode(&expected).complete(), messages);
}

/// RTMP 1.0 section 5.3.2.2: a video message of 307 bytes on chunk stream 4 travels in chunks of 128, 128 and 51
/// payload bytes, which are 140, 129 and 52 bytes long.
#[test]
fn specification_example_2() {
    let stream = 12346;
    let video = message(4, 1000, VIDEO, stream, noise(307));
    let payload = noise(307);
    let first = Wire::new()
        .full(4, 1000, 307, VIDEO, stream)
        .bytes(&payload[..128])
        .0;
    let second = Wire::new().repeat(4).bytes(&payload[128..256]).0;
    let third = Wire::new().repeat(4).bytes(&payload[256..]).0;
    assert_eq!([first.len(), second.len(), third.len()], [140, 129, 52]);
    let expected = [first, second, third].concat();
    assert_eq!(encoded(&mut ChunkEncoder::default(), &video), expected);
    assert_eq!(decode(&expected).complete(), [video]);
}

/// The header bytes of the first example, digit by digit.
#[test]
fn a_full_header_is_big_endian_but_for_the_message_stream_id() {
    let audio = message(3, 1000, AUDIO, 0x0102_0304, noise(1));
    let expected = hex::decode("03 0003e8 000001 08 04030201 00".replace(' ', "")).expect("digits");
    assert_eq!(encoded(&mut ChunkEncoder::default(), &audio), expected);
    assert_eq!(decode(&expected).complete(), [audio]);
}
