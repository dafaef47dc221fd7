//! What the AMF0 decoder makes of good, odd and hostile input. Bytes by hand from the AMF0 specification.

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{self, Decoder, Object, TypedObject, Value};
use rtmp_amf::{Amf0Error, AmfString, Limits, amf3};

fn list(input: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    amf0::decode_all(Bytes::copy_from_slice(input))
}

fn strict(input: &[u8]) -> Result<Option<Value>, Amf0Error> {
    Decoder::new(Bytes::copy_from_slice(input)).strict().next_value()
}

fn end(offset: usize, needed: usize, available: usize) -> Amf0Error {
    Amf0Error::UnexpectedEnd {
        offset,
        needed,
        available,
    }
}

/// One value of every kind and its bytes.
fn kinds() -> Vec<(&'static [u8], Value)> {
    let object = || Object::new().with("a", 1.0);
    let typed = TypedObject {
        class_name: "com.Foo".into(),
        properties: object(),
    };
    vec![
        (b"\x00\xbf\xf8\0\0\0\0\0\0", Value::Number(-1.5)),
        (b"\x01\x00", Value::Boolean(false)),
        (b"\x01\x01", Value::Boolean(true)),
        (b"\x02\0\x04live", Value::String("live".into())),
        (
            b"\x03\0\x01a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09",
            Value::Object(object()),
        ),
        (b"\x05", Value::Null),
        (b"\x06", Value::Undefined),
        (
            b"\x08\0\0\0\x01\0\x01a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09",
            Value::EcmaArray(object()),
        ),
        (
            b"\x0a\0\0\0\x02\x05\x01\x01",
            Value::StrictArray(vec![Value::Null, true.into()]),
        ),
        (
            b"\x0b\x42\x78\xcc\x25\x1f\x40\0\0\xff\xc4",
            Value::Date {
                millis: 1_704_067_200_000.0,
                time_zone: -60,
            },
        ),
        (b"\x0c\0\0\0\x04live", Value::LongString("live".into())),
        (b"\x0d", Value::Unsupported),
        (b"\x0f\0\0\0\x04<a/>", Value::XmlDocument("<a/>".into())),
        (
            b"\x10\0\x07com.Foo\0\x01a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09",
            typed.into(),
        ),
        (b"\x11\x04\x01", amf3::Value::Integer(1).into()),
    ]
}

#[test]
fn every_kind_of_value_is_decoded() {
    for (bytes, value) in kinds() {
        assert_eq!(strict(bytes), Ok(Some(value)), "{bytes:02x?}");
    }
}

#[test]
fn every_kind_of_value_cut_anywhere_is_an_error() {
    for (bytes, _) in kinds() {
        for cut in 1..bytes.len() {
            let error = strict(&bytes[..cut]).expect_err("part of a value was taken as whole");
            let Amf0Error::UnexpectedEnd {
                offset,
                needed,
                available,
            } = error
            else {
                panic!("{error}")
            };
            assert!(
                needed > available && offset <= cut,
                "{bytes:02x?} cut to {cut}: {error}"
            );
        }
    }
}

#[test]
fn an_error_says_what_is_missing_and_where() {
    assert_eq!(list(b"\x05\x00\x3f"), Err(end(2, 8, 1)));
    assert_eq!(list(b"\x02\0\x05live"), Err(end(3, 5, 4)));
    assert_eq!(list(b"\x11"), Err(end(1, 1, 0)));
    assert_eq!(
        end(3, 5, 4).to_string(),
        "input ends early: 5 bytes needed at offset 3, 4 available"
    );
}

#[test]
fn any_byte_but_zero_is_true() {
    for byte in 1..=255 {
        assert_eq!(list(&[1, byte]), Ok(vec![Value::Boolean(true)]));
    }
}

#[test]
fn reserved_and_unknown_markers_are_refused() {
    for marker in [0x04, 0x09, 0x0e].into_iter().chain(0x12..=0xff) {
        assert_eq!(
            list(&[5, marker, 0, 0]),
            Err(Amf0Error::UnknownMarker { marker, offset: 1 })
        );
    }
}

#[test]
fn nothing_is_no_value() {
    assert_eq!(list(b""), Ok(vec![]));
}

#[test]
fn bytes_that_are_not_utf8_and_nul_survive_in_values_and_keys() {
    let bytes = b"\x03\0\x02\xff\0\x02\0\x03\xed\xa0\x80\0\0\x09";
    let value = strict(bytes).unwrap().unwrap();
    let (key, text) = value.as_object().unwrap().iter().next().unwrap();
    assert_eq!(
        (key.as_bytes(), text.as_string().unwrap().as_bytes()),
        (&b"\xff\0"[..], &b"\xed\xa0\x80"[..])
    );
    let mut out = BytesMut::new();
    amf0::encode(&value, &mut out).unwrap();
    assert_eq!(out, &bytes[..]);
}

#[test]
fn long_strings_share_the_memory_of_the_input() {
    let mut bytes = b"\x02\0\x40".to_vec();
    bytes.extend([b'x'; 64]);
    let input = Bytes::from(bytes);
    let values = amf0::decode_all(input.clone()).unwrap();
    assert_eq!(
        values[0].as_string().unwrap().as_bytes().as_ptr(),
        input[3..].as_ptr()
    );
}

/// FFmpeg writes the true count, OBS Studio always 20, others 0.
#[test]
fn the_count_of_an_ecma_array_is_only_a_hint() {
    let expected = Value::EcmaArray(Object::new().with("a", Value::Null).with("b", Value::Null));
    for count in [0u32, 1, 2, 3, 20, u32::MAX] {
        let bytes = [
            &[8],
            &count.to_be_bytes()[..],
            b"\0\x01a\x05\0\x01b\x05\0\0\x09\x06",
        ]
        .concat();
        assert_eq!(
            list(&bytes),
            Ok(vec![expected.clone(), Value::Undefined]),
            "{count}"
        );
    }
}

#[test]
fn the_end_of_the_input_closes_a_top_level_container_unless_strict() {
    let inputs: [&[u8]; 3] = [
        b"\x03\0\x01a\x05",
        b"\x08\0\0\0\x01\0\x01a\x05",
        b"\x10\0\x01C\0\x01a\x05",
    ];
    for input in inputs {
        let value = list(input).unwrap().remove(0);
        assert_eq!(
            value.as_object(),
            Some(&Object::new().with("a", Value::Null)),
            "{input:02x?}"
        );
        assert_eq!(strict(input), Err(end(input.len(), 2, 0)));
    }
}

#[test]
fn the_end_of_the_input_closes_nothing_else() {
    for (input, error) in [
        (&b"\x03"[..], end(1, 2, 0)),
        (b"\x08\0\0\0\0", end(5, 2, 0)),
        (b"\x03\0\x01a", end(4, 1, 0)),
        (b"\x03\0\x01a\x05\0", end(5, 2, 1)),
        (b"\x03\0\x01a\x05\0\0", end(7, 1, 0)),
        (b"\x03\0\x01o\x03\0\x01a\x05", end(9, 2, 0)),
        (b"\x0a\0\0\0\x01\x03\0\x01a\x05", end(10, 2, 0)),
    ] {
        assert_eq!(list(input), Err(error), "{input:02x?}");
    }
}

#[test]
fn an_empty_key_is_a_key_unless_the_end_marker_follows() {
    let expected = Object::new().with("", Value::Null).with("", true).with("a", "");
    assert_eq!(
        strict(b"\x03\0\0\x05\0\0\x01\x01\0\x01a\x02\0\0\0\0\x09"),
        Ok(Some(expected.into()))
    );
}

#[test]
fn order_and_repeated_keys_are_kept() {
    let value = strict(b"\x03\0\x01b\x05\0\x01a\x05\0\x01b\x06\0\0\x09")
        .unwrap()
        .unwrap();
    let expected = [("b", Value::Null), ("a", Value::Null), ("b", Value::Undefined)];
    assert_eq!(value, Object::from_iter(expected).into());
    assert_eq!(value.as_object().unwrap().get("b"), Some(&Value::Undefined));
}

#[test]
fn a_declared_length_is_compared_with_what_is_there() {
    assert_eq!(
        list(b"\x0a\xff\xff\xff\xff\x05"),
        Err(end(5, u32::MAX as usize, 1))
    );
    assert_eq!(
        list(b"\x0c\xff\xff\xff\xffabc"),
        Err(end(5, u32::MAX as usize, 3))
    );
    assert_eq!(
        list(b"\x0f\xff\xff\xff\xffabc"),
        Err(end(5, u32::MAX as usize, 3))
    );
    assert_eq!(list(b"\x10\xff\xffabc"), Err(end(3, 65_535, 3)));
}

/// Containers that each hold only the next one: object, ECMA array, strict array, typed object, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let kinds: [&[u8]; 4] = [
        b"\x03\0\x01k",
        b"\x08\0\0\0\x01\0\x01k",
        b"\x0a\0\0\0\x01",
        b"\x10\0\x01C\0\x01k",
    ];
    let mut bytes: Vec<u8> = kinds
        .iter()
        .cycle()
        .take(depth)
        .copied()
        .flatten()
        .copied()
        .collect();
    bytes.push(5);
    let closed_by_marker = (0..depth).filter(|level| level % 4 != 2).count();
    bytes.extend(b"\0\0\x09".repeat(closed_by_marker));
    bytes
}

#[test]
fn containers_nest_up_to_the_limit() {
    assert!(matches!(strict(&nested(32)), Ok(Some(Value::Object(_)))));
    for depth in [33, 200_000] {
        assert_eq!(
            strict(&nested(depth)),
            Err(Amf0Error::TooDeep { depth: 33, limit: 32 })
        );
    }
    let decode = |limit: usize, depth: usize| {
        let limits = Limits::default().max_depth(limit);
        Decoder::new(nested(depth).into())
            .with_limits(limits)
            .next_value()
    };
    assert_eq!(decode(0, 0), Ok(Some(Value::Null)));
    assert_eq!(decode(0, 1), Err(Amf0Error::TooDeep { depth: 1, limit: 0 }));
    assert!(decode(33, 33).is_ok());
}

/// As much stack as the smallest common default for threads, and the build that uses most of it.
#[test]
fn the_deepest_value_that_can_be_decoded_is_safe_to_use() {
    let work = || {
        let limits = Limits::default().max_depth(usize::MAX);
        let bytes = nested(Limits::MAX_DEPTH);
        let value = Decoder::new(bytes.clone().into())
            .with_limits(limits)
            .next_value()
            .unwrap()
            .unwrap();
        assert_eq!(value.clone(), value);
        assert!(format!("{value:#?}").len() > Limits::MAX_DEPTH);
        let mut out = BytesMut::new();
        amf0::Encoder::new(&mut out)
            .with_limits(limits)
            .value(&value)
            .unwrap();
        assert_eq!(out, bytes);
    };
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn values_are_counted_over_the_whole_list() {
    let limits = Limits::default().max_values(5);
    let within = Bytes::from_static(b"\x05\x0a\0\0\0\x02\x05\x05\x05");
    let beyond = Bytes::from_static(b"\x05\x0a\0\0\0\x02\x05\x05\x05\x05");
    let drain = |input: Bytes| {
        let mut decoder = Decoder::new(input).with_limits(limits);
        while decoder.next_value()?.is_some() {}
        Ok(decoder.position())
    };
    assert_eq!(drain(within.clone()), Ok(within.len()));
    assert_eq!(
        drain(beyond),
        Err(Amf0Error::TooManyValues { count: 6, limit: 5 })
    );
}

#[test]
fn the_default_number_of_values_is_bounded() {
    let array = |count: u32| {
        let mut bytes = vec![0x0a];
        bytes.extend(count.to_be_bytes());
        bytes.resize(bytes.len() + count as usize, 0x05);
        strict(&bytes)
    };
    assert_eq!(array(65_535).unwrap().unwrap().as_array().unwrap().len(), 65_535);
    assert_eq!(
        array(65_536),
        Err(Amf0Error::TooManyValues {
            count: 65_537,
            limit: 65_536
        })
    );
    assert_eq!(
        array(1_000_000),
        Err(Amf0Error::TooManyValues {
            count: 65_537,
            limit: 65_536
        })
    );
}

#[test]
fn many_equal_keys_are_as_good_as_others() {
    let mut bytes = vec![3];
    bytes.extend(b"\0\x01k\x05".repeat(60_000));
    bytes.extend(b"\0\0\x09");
    assert_eq!(
        strict(&bytes).unwrap().unwrap().as_object().unwrap().len(),
        60_000
    );
}

#[test]
fn references_count_containers_over_the_list_parents_first() {
    let object = |reference| {
        Value::from(
            Object::new()
                .with("o", Object::new())
                .with("r", Value::Reference(reference)),
        )
    };
    let input = |reference: u8| {
        [
            b"\x03\0\x01o\x03\0\0\x09\0\x01r\x07\0",
            &[reference][..],
            b"\0\0\x09",
        ]
        .concat()
    };
    for reference in [0, 1] {
        assert_eq!(list(&input(reference)), Ok(vec![object(reference.into())]));
    }
    assert_eq!(
        list(&input(2)),
        Err(Amf0Error::BadReference {
            index: 2,
            len: 2,
            offset: 11
        })
    );

    let twice = [input(0), input(3)].concat();
    assert_eq!(list(&twice), Ok(vec![object(0), object(3)]));
    let all_kinds = b"\x08\0\0\0\0\0\0\x09\x0a\0\0\0\0\x10\0\x01C\0\0\x09\x07\0\x02";
    assert_eq!(list(all_kinds).unwrap()[3], Value::Reference(2));
    assert_eq!(
        list(b"\x0b\0\0\0\0\0\0\0\0\0\0\x07\0\0"),
        Err(Amf0Error::BadReference {
            index: 0,
            len: 0,
            offset: 11
        })
    );
}

#[test]
fn many_references_to_a_large_object_stay_references() {
    let large = AmfString::from("x".repeat(60_000));
    let mut bytes = BytesMut::new();
    amf0::encode(&Object::new().with("large", large).into(), &mut bytes).unwrap();
    bytes.extend_from_slice(&b"\x07\0\0".repeat(50_000));
    let values = amf0::decode_all(bytes.freeze()).unwrap();
    assert!(values[1..].iter().all(|value| *value == Value::Reference(0)));
    assert_eq!(values.len(), 50_001);
}

#[test]
fn a_failed_value_leaves_the_decoder_where_it_stood() {
    let input = Bytes::from_static(b"\x02\0\x01a\x03\0\x01o\x03\0\0\x09\0\x01r\x07\0\x02");
    let mut decoder = Decoder::new(input.clone()).with_limits(Limits::default().max_values(4));
    assert_eq!(decoder.next_value(), Ok(Some("a".into())));
    for _ in 0..3 {
        assert_eq!(
            decoder.next_value(),
            Err(Amf0Error::BadReference {
                index: 2,
                len: 2,
                offset: 15
            })
        );
        assert_eq!((decoder.position(), decoder.remaining()), (4, input.slice(4..)));
    }
}

#[test]
fn what_follows_the_last_wanted_value_is_not_looked_at() {
    let mut decoder = Decoder::new(Bytes::from_static(b"\x02\0\x01a\x05\0\0\0\x09"));
    assert_eq!(decoder.next_value(), Ok(Some("a".into())));
    assert_eq!(decoder.next_value(), Ok(Some(Value::Null)));
    assert_eq!(
        (decoder.position(), decoder.remaining()),
        (5, Bytes::from_static(b"\0\0\0\x09"))
    );
}

#[test]
fn numbers_of_every_bit_pattern_survive() {
    for bits in [
        0x7ff8_0000_0000_0001,
        0xfff0_0000_0000_0000,
        0x8000_0000_0000_0000,
        1u64,
    ] {
        let bytes = [&[0], &bits.to_be_bytes()[..]].concat();
        let value = strict(&bytes).unwrap().unwrap();
        assert_eq!(value.as_number().map(f64::to_bits), Some(bits));
    }
}
