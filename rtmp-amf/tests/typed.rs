//! Rust types as AMF values and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use rtmp_amf::amf0::{self, Object, Value};
use rtmp_amf::{Amf0Error, AmfString, Date, EcmaArray, SerdeError, SerdeErrorKind, amf3};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What Enhanced RTMP and RTMP 1.0 section 7.2.1.1 say a client sends, as far as this one cares.
#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
#[serde(rename_all = "camelCase")]
struct Connect {
    app: String,
    tc_url: String,
    fpad: bool,
    capabilities: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_url: Option<String>,
    #[serde(default)]
    four_cc_list: Vec<String>,
}

fn connect() -> Connect {
    Connect {
        app: "live".into(),
        tc_url: "rtmp://example.com/live".into(),
        capabilities: 239,
        four_cc_list: vec!["av01".into(), "hvc1".into()],
        ..Connect::default()
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Shape {
    Nothing,
    Circle(f64),
    Line(i32, i32),
    Box { width: u32, height: u32 },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Everything {
    unit: (),
    boolean: bool,
    signed: (i8, i16, i32, i64),
    unsigned: (u8, u16, u32, u64),
    floats: (f32, f64),
    text: (char, String),
    some: Option<u8>,
    none: Option<u8>,
    list: Vec<Option<bool>>,
    map: BTreeMap<String, u8>,
    counted: BTreeMap<u32, String>,
    shapes: Vec<Shape>,
    date: Date,
    array: EcmaArray<BTreeMap<String, f64>>,
}

fn everything() -> Everything {
    Everything {
        unit: (),
        boolean: true,
        signed: (i8::MIN, i16::MIN, i32::MIN, -(1 << 53)),
        unsigned: (u8::MAX, u16::MAX, u32::MAX, 1 << 53),
        floats: (0.1, -0.0),
        text: ('é', "x".repeat(70_000)),
        some: Some(1),
        none: None,
        list: vec![Some(true), None],
        map: BTreeMap::from([("a".into(), 1), ("b".into(), 2)]),
        counted: BTreeMap::from([(7, "seven".into())]),
        shapes: vec![
            Shape::Nothing,
            Shape::Circle(0.5),
            Shape::Line(-1, 268_435_456),
            Shape::Box { width: 1, height: 2 },
        ],
        date: Date(1_704_067_200_000.0),
        array: EcmaArray(BTreeMap::from([("x".into(), 0.25)])),
    }
}

/// Through both formats, and through AMF3 inside AMF0.
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let amf0 = amf0::to_bytes(&(value,)).unwrap();
    assert_eq!(amf0::from_bytes::<(T,)>(amf0).unwrap().0, *value);
    let amf3 = amf3::to_bytes(&(value,)).unwrap();
    assert_eq!(amf3::from_bytes::<(T,)>(amf3).unwrap().0, *value);
    let switched = Value::from(amf3::to_value(value).unwrap());
    assert_eq!(amf0::from_value::<T>(&switched).unwrap(), *value);
}

#[test]
fn whatever_can_be_derived_comes_back() {
    round_trips(&connect());
    round_trips(&everything());
}

#[test]
fn types_become_the_values_of_the_table() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct New(u8);
    for (value, expected) in [
        (amf0::to_value(&()), Value::Null),
        (amf0::to_value(&Unit), Value::Null),
        (amf0::to_value(&None::<u8>), Value::Null),
        (amf0::to_value(&Some(1)), 1.into()),
        (amf0::to_value(&New(7)), 7.into()),
        (amf0::to_value(&-1.5f32), Value::from(-1.5)),
        (amf0::to_value(&'x'), "x".into()),
        (amf0::to_value("text"), "text".into()),
        (
            amf0::to_value(&[true, false]),
            vec![true.into(), false.into()].into(),
        ),
        (amf0::to_value(&(1, "a")), vec![1.into(), "a".into()].into()),
        (amf0::to_value(&Shape::Nothing), "Nothing".into()),
        (
            amf0::to_value(&Shape::Circle(1.0)),
            Object::new().with("Circle", 1.0).into(),
        ),
        (
            amf0::to_value(&Shape::Line(1, 2)),
            Object::new().with("Line", vec![Value::from(1), 2.into()]).into(),
        ),
        (
            amf0::to_value(&Date(5.0)),
            Value::Date {
                millis: 5.0,
                time_zone: 0,
            },
        ),
        (
            amf0::to_value(&EcmaArray(New2 { x: 1 })),
            Value::EcmaArray(Object::new().with("x", 1)),
        ),
    ] {
        assert_eq!(value.unwrap(), expected);
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct New2 {
    x: u8,
}

#[test]
fn amf3_has_forms_of_its_own_for_integers_bytes_and_arrays() {
    struct Raw;
    impl Serialize for Raw {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(b"\xff")
        }
    }
    assert_eq!(amf3::to_value(&1u64).unwrap(), amf3::Value::Integer(1));
    assert_eq!(
        amf3::to_value(&(1u64 << 28)).unwrap(),
        amf3::Value::Double(268_435_456.0)
    );
    assert_eq!(amf3::to_value(&Raw).unwrap(), Bytes::from_static(b"\xff").into());
    assert_eq!(
        amf0::to_value(&Raw).unwrap(),
        Value::String(AmfString::from(&b"\xff"[..]))
    );
    assert_eq!(
        amf3::to_value(&New2 { x: 1 }).unwrap(),
        amf3::Object::new().with("x", 1).into()
    );
    assert_eq!(amf3::to_value(&Date(5.0)).unwrap(), amf3::Value::Date(5.0));
    let array = amf3::Array::from(amf3::Properties::new().with("x", 1));
    assert_eq!(amf3::to_value(&EcmaArray(New2 { x: 1 })).unwrap(), array.into());
}

fn kind<T: std::fmt::Debug>(result: Result<T, SerdeError>) -> (String, SerdeErrorKind) {
    let error = result.unwrap_err();
    (error.path().to_owned(), error.kind().clone())
}

#[test]
fn integers_that_a_double_does_not_hold_are_refused_with_their_place() {
    #[derive(Serialize)]
    struct Ids {
        ids: Vec<u64>,
    }
    let exact = Ids { ids: vec![1 << 53] };
    assert!(amf0::to_value(&exact).is_ok());
    let inexact = Ids {
        ids: vec![0, (1 << 53) + 1],
    };
    let expected = ("[1].ids[1]".to_owned(), SerdeErrorKind::Inexact((1 << 53) + 1));
    assert_eq!(kind(amf0::to_values(&("f", &inexact))), expected);
    assert_eq!(kind(amf3::to_values(&("f", &inexact))), expected);
    assert_eq!(
        kind(amf0::to_value(&i64::MIN)),
        (String::new(), SerdeErrorKind::Inexact(i64::MIN.into()))
    );
    assert_eq!(
        amf0::to_values(&("f", inexact)).unwrap_err().to_string(),
        "[1].ids[1]: integer 9007199254740993 cannot be sent exactly"
    );
}

#[test]
fn numbers_become_integers_only_if_nothing_is_lost() {
    for number in [
        0.5,
        f64::NAN,
        f64::INFINITY,
        -f64::INFINITY,
        1e300,
        9_007_199_254_740_994.0,
    ] {
        let (_, kind) = kind(amf0::from_value::<u64>(&number.into()));
        assert!(matches!(kind, SerdeErrorKind::NotAnInteger(_)), "{kind:?}");
    }
    let (_, kind) = kind(amf0::from_value::<u8>(&256.into()));
    assert_eq!(
        kind,
        SerdeErrorKind::Data("invalid value: integer `256`, expected u8".into())
    );
    assert!(amf0::from_value::<u32>(&(-1).into()).is_err());
    assert_eq!(amf0::from_value(&(-0.0).into()), Ok(0u8));
    assert_eq!(amf3::from_value(&(-1).into()), Ok(-1i8));
}

#[test]
fn what_peers_send_instead_is_read_as_the_accessors_do() {
    assert_eq!(amf0::from_value(&"1920".into()), Ok(1920u16));
    assert_eq!(amf0::from_value(&true.into()), Ok(1.0f64));
    assert_eq!(amf0::from_value(&1.into()), Ok(true));
    assert_eq!(amf0::from_value(&Value::LongString("a".into())), Ok("a"));
    assert_eq!(amf0::from_value(&Value::Undefined), Ok(None::<u8>));
    assert_eq!(
        amf0::from_value(&Value::EcmaArray(Object::new().with("x", 1))),
        Ok(New2 { x: 1 })
    );
    assert_eq!(amf0::from_value(&Value::from(3)), Ok(Date(3.0)));
    let latin1 = Value::String(AmfString::from(&b"caf\xe9"[..]));
    assert_eq!(amf0::from_value(&latin1), Ok("caf\u{fffd}".to_owned()));
    assert_eq!(amf0::from_value(&latin1), Ok(AmfString::from(&b"caf\xe9"[..])));
    assert!(amf0::from_value::<String>(&1.into()).is_err());
}

#[test]
fn unknown_fields_are_ignored_and_the_last_of_equal_ones_wins() {
    let cycle = Value::Reference(0);
    let object = Object::new().with("x", 1).with("other", cycle).with("x", 2);
    assert_eq!(amf0::from_value(&object.into()), Ok(New2 { x: 2 }));
    let object = amf3::Object::of(amf3::Traits::sealed("C", ["x", "x"]), [1.into(), 2.into()]);
    assert_eq!(amf3::from_value(&object.into()), Ok(New2 { x: 2 }));
}

#[test]
fn an_error_says_where_it_is() {
    let object = Object::new().with("four", vec![Value::from(1), Object::new().with("x", "y").into()]);
    #[derive(Deserialize, Debug)]
    struct Outer {
        #[serde(rename = "four")]
        _four: (u8, New2),
    }
    let values = ["onMetaData".into(), object.into()];
    let error = amf0::from_values::<(String, Outer)>(&values).unwrap_err();
    assert_eq!(error.path(), "[1].four[1].x");
    assert_eq!(
        error.to_string(),
        r#"[1].four[1].x: invalid type: string "y", expected u8"#
    );
    let missing = amf0::from_value::<New2>(&Object::new().into()).unwrap_err();
    assert_eq!(
        (missing.path(), missing.to_string().as_str()),
        ("", "missing field `x`")
    );

    let hostile = Object::new().with("\x1b".repeat(10_000), "y");
    let error = amf0::from_value::<BTreeMap<String, u8>>(&hostile.into()).unwrap_err();
    assert!(
        error.path().len() <= 64 && !error.path().contains('\x1b'),
        "{error}"
    );
}

#[test]
fn a_tuple_is_an_argument_list() {
    let body = amf0::to_bytes(&("connect", 1, connect())).unwrap();
    let (name, transaction, object): (String, f64, Connect) = amf0::from_bytes(body).unwrap();
    assert_eq!((name.as_str(), transaction, object), ("connect", 1.0, connect()));

    assert_eq!(amf0::to_values(&()), Ok(vec![]));
    assert_eq!(amf0::to_values(&[1, 2]), Ok(vec![1.into(), 2.into()]));
    assert_eq!(kind(amf0::to_values("connect")).1, SerdeErrorKind::NotAList);
    assert_eq!(kind(amf3::to_values(&1)).1, SerdeErrorKind::NotAList);
}

#[test]
fn missing_arguments_are_null_and_surplus_ones_ignored_in_lists_only() {
    let values = ["play".into(), 0.into()];
    assert_eq!(
        amf0::from_values(&values),
        Ok(("play".to_owned(), 0u8, None::<String>, ()))
    );
    assert_eq!(amf0::from_values(&values), Ok(("play".to_owned(),)));
    assert_eq!(
        amf0::from_values::<(String, u8, String)>(&values)
            .unwrap_err()
            .path(),
        "[2]"
    );
    let nested = Value::from(vec![1.into(), 2.into()]);
    assert_eq!(amf0::from_value(&nested), Ok((1, 2)));
    assert!(amf0::from_value::<(u8, Option<u8>, Option<u8>)>(&nested).is_err());
    let error = amf0::from_value::<(u8,)>(&nested).unwrap_err();
    assert_eq!(error.to_string(), "invalid length 2, expected fewer elements");
}

#[test]
fn every_kind_of_amf3_container_is_read() {
    use amf3::{Array, Dictionary, Externalizable, ObjectVector, Properties, Vector};
    assert_eq!(
        amf3::from_value(&Vector::from(vec![1, -1]).into()),
        Ok(vec![1i8, -1])
    );
    assert_eq!(
        amf3::from_value(&Vector::from(vec![1u32, 2]).into()),
        Ok(vec![1u8, 2])
    );
    assert_eq!(
        amf3::from_value(&Vector::from(vec![0.5]).into()),
        Ok(vec![0.5f64])
    );
    let objects = ObjectVector {
        elements: vec!["a".into()],
        ..ObjectVector::default()
    };
    assert_eq!(amf3::from_value(&objects.into()), Ok(vec!["a".to_owned()]));
    let collection = Externalizable::of_value("flex.messaging.io.ArrayCollection", vec![1.into()]);
    assert_eq!(amf3::from_value(&collection.into()), Ok([1u8]));

    let dictionary = Dictionary::from_iter([(1.into(), "a".into()), (2.into(), "b".into())]);
    let expected = BTreeMap::from([(1u8, "a".to_owned()), (2, "b".to_owned())]);
    assert_eq!(amf3::from_value(&dictionary.into()), Ok(expected));
    let mixed = Array {
        properties: Properties::new().with("x", 7),
        elements: vec![8.into()],
    };
    let expected = BTreeMap::from([("x".to_owned(), 7u8), ("0".to_owned(), 8)]);
    assert_eq!(amf3::from_value(&mixed.clone().into()), Ok(expected));
    assert_eq!(amf3::from_value(&mixed.into()), Ok(New2 { x: 7 }));
    let empty = amf3::Value::from(vec![]);
    assert_eq!(amf3::from_value(&empty), Ok(BTreeMap::<String, u8>::new()));
    assert_eq!(amf3::from_value(&empty), Ok(Vec::<u8>::new()));
}

#[test]
fn what_has_no_counterpart_is_refused_where_it_is_asked_for() {
    let reference = Value::from(vec![Value::Reference(0)]);
    assert_eq!(
        kind(amf0::from_value::<Vec<u8>>(&reference)),
        ("[0]".to_owned(), SerdeErrorKind::NoCounterpart("a reference"))
    );
    let cycle = amf3::Value::from(amf3::Object::new().with("self", amf3::Value::Cycle(0)));
    assert_eq!(
        kind(amf3::from_value::<BTreeMap<String, Option<u8>>>(&cycle)),
        ("self".to_owned(), SerdeErrorKind::NoCounterpart("a cycle"))
    );
    assert_eq!(
        kind(amf0::to_value(&EcmaArray(1))).1,
        SerdeErrorKind::NoProperties
    );
    assert_eq!(
        kind(amf0::to_value(&BTreeMap::from([((), 1)]))).1,
        SerdeErrorKind::Key
    );
}

#[test]
fn errors_of_the_bytes_are_handed_on() {
    let result = amf0::from_bytes::<(u8,)>(Bytes::from_static(b"\x04"));
    let unknown = Amf0Error::UnknownMarker { marker: 4, offset: 0 };
    assert_eq!(kind(result).1, SerdeErrorKind::Amf0(unknown));
    let deep = (0..40).fold(Value::Null, |inner, _| vec![inner].into());
    let (_, kind) = kind(amf0::to_bytes(&(deep,)));
    assert_eq!(
        kind,
        SerdeErrorKind::Amf0(Amf0Error::TooDeep { depth: 33, limit: 32 })
    );
}

/// `flatten` and untagged enums look at a value before they know its type.
#[test]
fn values_can_be_buffered() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Metadata {
        width: u32,
        #[serde(flatten)]
        others: BTreeMap<String, Value>,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(untagged)]
    enum Codec {
        Id(u32),
        FourCc(String),
    }
    let metadata = Metadata {
        width: 1920,
        others: BTreeMap::from([("encoder".into(), "x".into()), ("rate".into(), 29.97.into())]),
    };
    round_trips(&metadata);
    round_trips(&vec![Codec::Id(7), Codec::FourCc("av01".into())]);
}

#[test]
fn values_are_fields_like_others_and_go_to_other_formats() {
    let value = Value::from(
        Object::new()
            .with("n", 1.5)
            .with("b", true)
            .with("s", "x")
            .with("l", vec![Value::Null, 2.into()]),
    );
    assert_eq!(amf0::to_value(&value), Ok(value.clone()));
    assert_eq!(amf0::from_value(&value), Ok(value.clone()));
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(json, r#"{"n":1.5,"b":true,"s":"x","l":[null,2.0]}"#);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);

    let amf3: amf3::Value = serde_json::from_str(r#"{"n":1,"d":0.5,"l":[true]}"#).unwrap();
    let list = amf3::Value::from(vec![true.into()]);
    assert_eq!(
        amf3,
        amf3::Object::new()
            .with("n", 1)
            .with("d", 0.5)
            .with("l", list)
            .into()
    );
    assert_eq!(amf3::from_value(&amf3), Ok(amf3.clone()));
    assert_eq!(
        serde_json::to_string(&amf3).unwrap(),
        r#"{"n":1,"d":0.5,"l":[true]}"#
    );
    assert!(serde_json::from_str::<Value>("9007199254740993").is_err());

    let dated = Value::EcmaArray(Object::new().with(
        "d",
        Value::Date {
            millis: 1.0,
            time_zone: 0,
        },
    ));
    assert_eq!(amf0::to_value(&dated), Ok(dated));
    let latin1 = Value::String(AmfString::from(&b"\xe9"[..]));
    assert_eq!(amf0::from_value(&latin1), Ok(latin1.clone()));
    assert!(serde_json::to_string(&Value::Reference(0)).is_err());
}

#[test]
fn text_is_borrowed_from_the_value() {
    #[derive(Deserialize)]
    struct Play<'a> {
        name: &'a str,
    }
    let value = Value::from(Object::new().with("name", "cam"));
    let play: Play<'_> = amf0::from_value(&value).unwrap();
    let held = value.as_object().unwrap().get("name").unwrap().as_str().unwrap();
    assert_eq!(play.name.as_ptr(), held.as_ptr());
}
