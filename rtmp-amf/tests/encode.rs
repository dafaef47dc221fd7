//! What the AMF0 encoder writes, with and without a tree. Bytes by hand from the AMF0 specification.

use bytes::BytesMut;
use rtmp_amf::amf0::{self, Encoder, Object, TypedObject, Value};
use rtmp_amf::{Amf0Error, AmfString, Limits};

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = BytesMut::new();
    amf0::encode(value, &mut out).unwrap();
    out.to_vec()
}

fn refused(value: &Value) -> Amf0Error {
    let mut out = BytesMut::from("before");
    let error = amf0::encode_all(&[Value::Null, value.clone()], &mut out).unwrap_err();
    assert_eq!(out, "before", "a refused list must leave nothing behind");
    error
}

#[test]
fn values_are_appended_in_order() {
    let mut out = BytesMut::from("before");
    amf0::encode_all(&["a".into(), 1.into(), Value::Undefined], &mut out).unwrap();
    assert_eq!(out, &b"before\x02\0\x01a\x00\x3f\xf0\0\0\0\0\0\0\x06"[..]);
}

#[test]
fn an_ecma_array_is_given_its_true_count() {
    let array = Value::EcmaArray(Object::new().with("a", Value::Null).with("b", Value::Null));
    assert_eq!(encoded(&array), b"\x08\0\0\0\x02\0\x01a\x05\0\x01b\x05\0\0\x09");
}

#[test]
fn references_are_written_as_given() {
    assert_eq!(encoded(&Value::Reference(0x1234)), b"\x07\x12\x34");
}

#[test]
fn a_string_takes_the_long_form_when_the_short_one_has_no_room() {
    let string = |len: usize| Value::String("x".repeat(len).into());
    assert_eq!(encoded(&string(65_535))[..4], *b"\x02\xff\xffx");
    assert_eq!(encoded(&string(65_536))[..6], *b"\x0c\0\x01\0\0x");
    let decoded = amf0::decode_all(encoded(&string(65_536)).into()).unwrap();
    assert_eq!(decoded, [Value::LongString("x".repeat(65_536).into())]);
    assert_eq!(encoded(&Value::LongString("x".into())), b"\x0c\0\0\0\x01x");
}

#[test]
fn names_have_no_long_form() {
    let name = |len: usize| AmfString::from("x".repeat(len));
    let key = |len| Value::from(Object::new().with(name(len), Value::Null));
    let class = |len| {
        Value::from(TypedObject {
            class_name: name(len),
            properties: Object::new(),
        })
    };
    assert_eq!(encoded(&key(65_535)).len(), 65_542);
    assert_eq!(encoded(&class(65_535)).len(), 65_541);
    assert_eq!(refused(&key(65_536)), Amf0Error::NameTooLong { len: 65_536 });
    assert_eq!(refused(&class(65_536)), Amf0Error::NameTooLong { len: 65_536 });
}

#[test]
fn depth_is_limited_for_every_kind_of_container() {
    let kinds: [fn(Value) -> Value; 4] = [
        |inner| Object::new().with("k", inner).into(),
        |inner| Value::EcmaArray(Object::new().with("k", inner)),
        |inner| vec![inner].into(),
        |inner| {
            TypedObject {
                class_name: "C".into(),
                properties: Object::new().with("k", inner),
            }
            .into()
        },
    ];
    for wrap in kinds {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| wrap(inner));
        assert!(!encoded(&nested(32)).is_empty());
        assert_eq!(refused(&nested(33)), Amf0Error::TooDeep { depth: 33, limit: 32 });

        let mut out = BytesMut::new();
        let mut flat = Encoder::new(&mut out).with_limits(Limits::default().max_depth(1));
        assert!(flat.value(&nested(1)).is_ok());
        assert_eq!(
            flat.value(&nested(2)).unwrap_err(),
            Amf0Error::TooDeep { depth: 2, limit: 1 }
        );
    }
}

#[test]
fn writing_without_a_tree_gives_the_same_bytes() -> Result<(), Amf0Error> {
    let tree = [
        "connect".into(),
        1.into(),
        Object::new()
            .with("app", "live")
            .with("fpad", false)
            .with("nothing", Value::Null)
            .with("missing", Value::Undefined)
            .with("codecs", vec![Value::from("hvc1"), Value::from("av01")])
            .with("info", Value::EcmaArray(Object::new().with("x", 1)))
            .into(),
    ];
    let mut out = BytesMut::new();
    let mut body = Encoder::new(&mut out);
    body.string("connect")?.number(1.0).begin_object();
    body.key("app")?.string("live")?;
    body.key("fpad")?.boolean(false);
    body.key("nothing")?.null();
    body.key("missing")?.undefined();
    body.key("codecs")?
        .begin_strict_array(2)
        .string("hvc1")?
        .string("av01")?;
    body.key("info")?
        .begin_ecma_array(1)
        .key("x")?
        .value(&1.into())?
        .end_object();
    body.end_object();

    let mut expected = BytesMut::new();
    amf0::encode_all(&tree, &mut expected)?;
    assert_eq!(out, expected);
    Ok(())
}

#[test]
fn writing_without_a_tree_refuses_what_a_tree_does() {
    let mut out = BytesMut::new();
    let mut body = Encoder::new(&mut out);
    assert_eq!(
        body.key("x".repeat(65_536)).unwrap_err(),
        Amf0Error::NameTooLong { len: 65_536 }
    );
    assert!(body.string("x".repeat(65_536)).is_ok());
    assert_eq!(out[..6], *b"\x0c\0\x01\0\0x");
}

#[test]
fn a_value_of_any_length_is_appended_to_what_is_there_and_nothing_else() {
    for len in (0..1200).chain(65_530..65_540) {
        let object = Object::new().with("text", "x".repeat(len)).with("short", 1.0);
        let value = Value::StrictArray(vec![object.into(); 2]);
        let mut whole = BytesMut::from(&b"before"[..]);
        amf0::encode(&value, &mut whole).unwrap();

        let mut pieces = BytesMut::from(&b"before"[..]);
        let mut encoder = Encoder::new(&mut pieces);
        encoder.begin_strict_array(2);
        for _ in 0..2 {
            encoder.begin_object();
            encoder.key("text").unwrap().string("x".repeat(len)).unwrap();
            encoder.key("short").unwrap().number(1.0);
            encoder.end_object();
        }
        assert!(whole == pieces, "{len}");
    }
}
