//! What the AMF3 encoder writes, with and without references. Bytes by hand from the AMF3 specification.

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf3::{
    self, Array, Dictionary, Encoder, Externalizable, Object, ObjectVector, Piece, Properties, Traits, Value,
    Vector,
};
use rtmp_amf::{Amf3Error, Limits};

fn encoded(value: impl Into<Value>) -> Vec<u8> {
    let mut out = BytesMut::new();
    amf3::encode(&value.into(), &mut out).unwrap();
    out.to_vec()
}

fn with_references(values: &[Value]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(&mut out).with_references();
    for value in values {
        encoder.value(value).unwrap();
    }
    out.to_vec()
}

fn refused(value: impl Into<Value>) -> Amf3Error {
    let mut out = BytesMut::from("before");
    let error = amf3::encode_all(&[Value::Null, value.into()], &mut out).unwrap_err();
    assert_eq!(out, "before", "a refused list must leave nothing behind");
    error
}

#[test]
fn values_are_appended_in_order() {
    let mut out = BytesMut::from("before");
    amf3::encode_all(&["a".into(), 1.into(), Value::Undefined], &mut out).unwrap();
    assert_eq!(out, &b"before\x06\x03a\x04\x01\x00"[..]);
}

#[test]
fn integers_out_of_range_are_written_as_doubles() {
    assert_eq!(encoded(Value::Integer(268_435_455)), b"\x04\xbf\xff\xff\xff");
    assert_eq!(encoded(Value::Integer(268_435_456)), b"\x05\x41\xb0\0\0\0\0\0\0");
    assert_eq!(encoded(Value::Integer(-268_435_456)), b"\x04\xc0\x80\x80\x00");
    assert_eq!(
        encoded(Value::Integer(-268_435_457)),
        b"\x05\xc1\xb0\0\0\x01\0\0\0"
    );
}

#[test]
fn nothing_is_referred_to_unless_asked_for() {
    let inner = Value::from(Object::new().with("a", "a"));
    let outer = Value::from(vec![inner.clone(), inner]);
    assert_eq!(
        encoded(outer.clone()),
        b"\x09\x05\x01\x0a\x0b\x01\x03a\x06\x03a\x01\x0a\x0b\x01\x03a\x06\x03a\x01"
    );
    assert_eq!(
        with_references(&[outer]),
        b"\x09\x05\x01\x0a\x0b\x01\x03a\x06\x00\x01\x0a\x02"
    );
}

#[test]
fn equal_strings_dates_and_xml_are_referred_to() {
    let values = [
        "a".into(),
        Value::Date(0.0),
        Value::Xml("x".into()),
        Value::XmlDocument("x".into()),
        "a".into(),
        Value::Date(0.0),
        Value::Xml("x".into()),
        Value::XmlDocument("x".into()),
        Value::Date(-0.0),
    ];
    assert_eq!(
        with_references(&values),
        [
            &b"\x06\x03a\x08\x01\0\0\0\0\0\0\0\0\x0b\x03x\x07\x03x"[..],
            b"\x06\x00\x08\x00\x0b\x02\x07\x04",
            b"\x08\x01\x80\0\0\0\0\0\0\0"
        ]
        .concat()
    );
}

#[test]
fn containers_that_are_the_same_are_referred_to_and_equal_ones_are_not() {
    let array = || Value::from(vec![Value::Null]);
    assert_eq!(
        with_references(&[array(), array()]),
        b"\x09\x03\x01\x01".repeat(2)
    );
    let once = array();
    assert_eq!(
        with_references(&[once.clone(), once]),
        b"\x09\x03\x01\x01\x09\x00"
    );

    let bytes = Value::from(Bytes::from_static(b"x"));
    assert_eq!(with_references(&[bytes.clone(), bytes]), b"\x0c\x03x\x0c\x00");
    // Empty ones have no place in memory that tells them apart.
    assert_eq!(
        with_references(&[Bytes::new().into(), Bytes::new().into()]),
        b"\x0c\x01".repeat(2)
    );
}

#[test]
fn equal_traits_are_referred_to() {
    let point = |x| Value::from(Object::of(Traits::sealed("C", ["x"]), [x]));
    assert_eq!(
        with_references(&[
            point(1.into()),
            Object::new().into(),
            point(2.into()),
            Object::new().into()
        ]),
        b"\x0a\x13\x03C\x03x\x04\x01\x0a\x0b\x01\x01\x0a\x01\x04\x02\x0a\x05\x01"
    );
    let external = |byte| {
        Value::from(Externalizable {
            class_name: "C".into(),
            body: vec![Piece::Bytes(Bytes::from_static(byte))],
        })
    };
    assert_eq!(
        with_references(&[external(b"\x2a"), external(b"\x2b")]),
        b"\x0a\x07\x03C\x2a\x0a\x01\x2b"
    );
}

#[test]
fn an_address_that_was_freed_is_not_taken_for_the_value_that_was_there() {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(&mut out).with_references();
    for _ in 0..100 {
        encoder.value(&vec![Value::Null].into()).unwrap();
    }
    assert_eq!(out, b"\x09\x03\x01\x01".repeat(100));
}

#[test]
fn an_empty_name_would_end_the_properties() {
    let properties = Properties::new().with("", Value::Null);
    assert_eq!(refused(Object::from(properties.clone())), Amf3Error::EmptyName);
    assert_eq!(refused(Array::from(properties)), Amf3Error::EmptyName);
    let sealed = Object::of(Traits::sealed("C", [""]), [1.into()]);
    assert_eq!(encoded(sealed), b"\x0a\x13\x03C\x01\x04\x01");
}

#[test]
fn cycles_are_refused() {
    assert_eq!(refused(vec![Value::Cycle(3)]), Amf3Error::Cycle { index: 3 });
}

#[test]
fn lengths_have_28_bits() {
    let len = 1 << 28;
    assert_eq!(refused(Bytes::from(vec![0; len])), Amf3Error::LenTooLong { len });
}

#[test]
fn depth_is_limited_for_every_kind_of_container() {
    let kinds: [fn(Value) -> Value; 6] = [
        |inner| vec![inner].into(),
        |inner| Object::new().with("k", inner).into(),
        |inner| Object::of(Traits::sealed("C", ["k"]), [inner]).into(),
        |inner| {
            ObjectVector {
                elements: vec![inner],
                ..ObjectVector::default()
            }
            .into()
        },
        |inner| Dictionary::from_iter([(inner, Value::Null)]).into(),
        |inner| Externalizable::of_value("flex.messaging.io.ObjectProxy", inner).into(),
    ];
    for wrap in kinds {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| wrap(inner));
        assert!(!encoded(nested(32)).is_empty());
        assert_eq!(refused(nested(33)), Amf3Error::TooDeep { depth: 33, limit: 32 });

        let mut out = BytesMut::new();
        let mut flat = Encoder::new(&mut out).with_limits(Limits::default().max_depth(1));
        assert!(flat.value(&nested(1)).is_ok());
        assert_eq!(
            flat.value(&nested(2)).unwrap_err(),
            Amf3Error::TooDeep { depth: 2, limit: 1 }
        );
    }
    let vector = Value::from(Vector::from(vec![1]));
    let mut out = BytesMut::new();
    assert!(
        Encoder::new(&mut out)
            .with_limits(Limits::default().max_depth(0))
            .value(&vector)
            .is_ok()
    );
}
