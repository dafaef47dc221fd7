//! The switch from AMF0 to AMF3 (AMF0 section 3.1), and the messages that need it.

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{self, Decoder, Object, Value};
use rtmp_amf::amf3::{self, Classes, ReferenceKind};
use rtmp_amf::{Amf0Error, Amf3Error, Limits};

fn list(input: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    amf0::decode_all(Bytes::copy_from_slice(input))
}

fn amf3(value: impl Into<amf3::Value>) -> Value {
    Value::Amf3(Box::new(value.into()))
}

#[test]
fn one_amf3_value_follows_the_marker_and_then_amf0_goes_on() {
    assert_eq!(
        list(b"\x05\x11\x04\x01\x01\x01\x11\x06\x03a"),
        Ok(vec![Value::Null, amf3(1), true.into(), amf3("a")])
    );
}

#[test]
fn amf3_values_stand_inside_amf0_containers() {
    assert_eq!(
        list(b"\x0a\0\0\0\x02\x11\x04\x01\x05\x03\0\x01k\x11\x0a\x0b\x01\x01\0\0\x09"),
        Ok(vec![
            vec![amf3(1), Value::Null].into(),
            Object::new().with("k", amf3::Object::new()).into()
        ])
    );
}

#[test]
fn a_missing_or_broken_amf3_value_is_an_error() {
    assert_eq!(
        list(b"\x11"),
        Err(Amf0Error::UnexpectedEnd {
            offset: 1,
            needed: 1,
            available: 0
        })
    );
    let unknown = Amf3Error::UnknownMarker {
        marker: 0x12,
        offset: 2,
    };
    assert_eq!(list(b"\x05\x11\x12"), Err(Amf0Error::Amf3(unknown)));
}

#[test]
fn an_unknown_externalizable_class_fails_its_list_only() {
    let body = Bytes::from_static(b"\x02\0\x01f\x11\x0a\x07\x07DSK\x00");
    let mut decoder = Decoder::new(body.clone());
    assert_eq!(decoder.next_value(), Ok(Some("f".into())));
    let class_name = Box::new("DSK".into());
    let unknown = Amf3Error::UnknownClass {
        class_name,
        offset: 11,
    };
    assert_eq!(decoder.next_value(), Err(Amf0Error::Amf3(unknown)));
    assert_eq!(decoder.position(), 4);

    let classes = Classes::new().with("DSK", |body| body.byte().map(drop));
    let mut decoder = Decoder::new(body).with_classes(classes);
    decoder.next_value().unwrap();
    assert!(decoder.next_value().unwrap().unwrap().as_amf3().is_some());
}

#[test]
fn the_accessors_look_into_amf3() {
    assert_eq!(
        (amf3(7).as_number(), amf3(7.5).to_number()),
        (Some(7.0), Some(7.5))
    );
    assert_eq!(
        (amf3(7).to_u32(), amf3("7").to_u32(), amf3(-7).to_u32()),
        (Some(7), Some(7), None)
    );
    assert_eq!(
        (amf3(true).as_bool(), amf3(1).to_boolean()),
        (Some(true), Some(true))
    );
    assert_eq!((amf3("cam").as_str(), amf3(1).as_str()), (Some("cam"), None));
    assert!(amf3(amf3::Value::Undefined).is_null_or_undefined() && !amf3(1).is_null_or_undefined());
    assert_eq!(Value::Null.as_amf3(), None);
}

#[test]
fn the_tables_live_as_long_as_the_list() {
    let values =
        list(b"\x11\x0a\x0b\x01\x03a\x06\x03b\x01\x05\x0a\0\0\0\x02\x11\x06\x02\x11\x0a\x00").unwrap();
    let inner = values[2].as_array().unwrap();
    assert_eq!((inner[0].as_str(), &inner[1]), (Some("b"), &values[0]));
}

#[test]
fn fresh_tables_are_tried_for_each_switch() {
    let points = b"\x11\x09\x05\x01\x0a\x13\x03C\x03x\x04\x01\x0a\x01\x04\x02";
    let input = [&b"\x0a\0\0\0\x02\x11\x0a\x0b\x01\x01"[..], points].concat();
    let values = list(&input).unwrap();
    assert_eq!(values[0].as_array().unwrap()[1], list(points).unwrap()[0]);
}

#[test]
fn a_failed_list_value_takes_its_amf3_strings_back() {
    let mut decoder = Decoder::new(Bytes::from_static(b"\x0a\0\0\0\x02\x11\x06\x03a\x11\x06\x04"));
    let error = Amf3Error::BadReference {
        kind: ReferenceKind::String,
        index: 2,
        len: 1,
        offset: 12,
    };
    for _ in 0..3 {
        assert_eq!(decoder.next_value(), Err(Amf0Error::Amf3(error.clone())));
    }
}

#[test]
fn depth_and_values_are_counted_over_both_formats() {
    // An array of: AMF3 array of AMF3 array of null.
    let input = b"\x0a\0\0\0\x01\x11\x09\x03\x01\x09\x03\x01\x01";
    let with = |limits| {
        Decoder::new(Bytes::from_static(input))
            .with_limits(limits)
            .next_value()
            .map(|value| value.is_some())
    };
    let limits = Limits::default();
    assert_eq!(with(limits.max_depth(3).max_values(4)), Ok(true));
    assert_eq!(
        with(limits.max_depth(2)),
        Err(Amf0Error::TooDeep { depth: 3, limit: 2 })
    );
    assert_eq!(
        with(limits.max_values(3)),
        Err(Amf0Error::TooManyValues { count: 4, limit: 3 })
    );

    let value = list(input).unwrap().remove(0);
    let mut out = BytesMut::new();
    let mut encoder = amf0::Encoder::new(&mut out).with_limits(limits.max_depth(2));
    assert_eq!(
        encoder.value(&value).unwrap_err(),
        Amf0Error::TooDeep { depth: 3, limit: 2 }
    );
}

#[test]
fn references_are_charged_over_the_whole_list() {
    // A byte array of 1 MiB.
    let mut input = b"\x11\x0c\x80\xc0\x80\x01".to_vec();
    input.resize(input.len() + (1 << 20), 0);
    input.extend(b"\x11\x0c\x00".repeat(15));
    assert_eq!(list(&input).unwrap().len(), 16);
    input.extend(b"\x11\x0c\x00".repeat(2));
    assert_eq!(
        list(&input),
        Err(Amf0Error::Amf3(Amf3Error::TooLong {
            len: 17 << 20,
            limit: 16 << 20
        }))
    );
}

#[test]
fn references_are_written_only_if_asked_for() {
    let input = b"\x11\x06\x03a\x0a\0\0\0\x01\x11\x06\x00";
    let values = list(input).unwrap();
    let mut out = BytesMut::new();
    amf0::encode_all(&values, &mut out).unwrap();
    assert_eq!(out, &b"\x11\x06\x03a\x0a\0\0\0\x01\x11\x06\x03a"[..]);

    let mut out = BytesMut::new();
    let mut encoder = amf0::Encoder::new(&mut out).with_references();
    for value in &values {
        encoder.value(value).unwrap();
    }
    assert_eq!(out, &input[..]);
}

#[test]
fn a_refused_amf3_value_leaves_nothing_behind() {
    let mut out = BytesMut::from("before");
    let values = [Value::Null, amf3(vec![amf3::Value::Cycle(0)])];
    assert_eq!(
        amf0::encode_all(&values, &mut out),
        Err(Amf0Error::Amf3(Amf3Error::Cycle { index: 0 }))
    );
    assert_eq!(out, "before");
}

/// Message types 15 (data) and 17 (command): a format byte, then AMF0 that may hold AMF3.
#[test]
fn a_body_is_read_with_and_without_its_format_byte() {
    let command = b"\x02\0\x01f\x00\0\0\0\0\0\0\0\0\x05\x11\x04\x01";
    let expected = vec!["f".into(), 0.into(), Value::Null, amf3(1)];
    for body in [[&[amf3::FORMAT_AMF0], &command[..]].concat(), command.to_vec()] {
        assert_eq!(list(&amf3::strip_format(body.into())), Ok(expected.clone()));
    }
    assert_eq!(amf3::strip_format(Bytes::new()), Bytes::new());
}
