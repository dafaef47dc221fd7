//! What holds for any AMF3 value and any bytes.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use rtmp_amf::amf3::{
    self, Array, Decoder, Dictionary, Encoder, Externalizable, Object, ObjectVector, Properties, Traits,
    Value, Vector,
};
use rtmp_amf::{Amf3Error, AmfString, Limits, amf0};

fn string() -> impl Strategy<Value = AmfString> + Clone {
    prop_oneof![
        "[a-c]{0,2}".prop_map(AmfString::from),
        "[a-zA-Z.]{0,200}".prop_map(AmfString::from),
        vec(any::<u8>(), 0..40).prop_map(|bytes| bytes[..].into())
    ]
}

fn name() -> impl Strategy<Value = AmfString> + Clone {
    string().prop_map(|name| if name.is_empty() { "x".into() } else { name })
}

fn double() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn bytes() -> impl Strategy<Value = Bytes> + Clone {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn vector<T: std::fmt::Debug + 'static>(
    number: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vector<T>> {
    (any::<bool>(), vec(number, 0..5)).prop_map(|(fixed, elements)| Vector { fixed, elements })
}

fn flat() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        (Value::MIN_INTEGER..=Value::MAX_INTEGER).prop_map(Value::Integer),
        (0..0x4100).prop_map(Value::Integer),
        double().prop_map(Value::Double),
        string().prop_map(Value::String),
        string().prop_map(Value::XmlDocument),
        double().prop_map(Value::Date),
        string().prop_map(Value::Xml),
        bytes().prop_map(Value::ByteArray),
        vector(any::<i32>()).prop_map(Value::from),
        vector(any::<u32>()).prop_map(Value::from),
        vector(double()).prop_map(Value::from),
    ]
}

fn container(inner: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Value> {
    let properties = vec((name(), inner.clone()), 0..4).prop_map(Properties::from_iter);
    let object = (
        string(),
        vec((string(), inner.clone()), 0..4),
        any::<bool>(),
        properties.clone(),
    );
    prop_oneof![
        (properties, vec(inner.clone(), 0..4)).prop_map(|(properties, elements)| Array {
            properties,
            elements
        }
        .into()),
        object.prop_map(|(class, sealed, is_dynamic, dynamic)| {
            let (names, values): (Vec<_>, Vec<_>) = sealed.into_iter().unzip();
            let traits = Traits {
                dynamic: is_dynamic,
                ..Traits::sealed(class, names)
            };
            let mut object = Object::of(traits, values);
            if is_dynamic {
                for (key, value) in dynamic {
                    object.insert(key, value);
                }
            }
            object.into()
        }),
        (any::<bool>(), string(), vec(inner.clone(), 0..4)).prop_map(|(fixed, type_name, elements)| {
            ObjectVector {
                fixed,
                type_name,
                elements,
            }
            .into()
        }),
        (any::<bool>(), vec((inner.clone(), inner.clone()), 0..3))
            .prop_map(|(weak_keys, entries)| { Dictionary { weak_keys, entries }.into() }),
        inner
            .clone()
            .prop_map(|value| Externalizable::of_value("flex.messaging.io.ObjectProxy", value).into()),
        // One value twice.
        inner.prop_map(|value| vec![value.clone(), value].into()),
    ]
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    vec(flat().prop_recursive(4, 24, 4, container), 0..4)
}

fn encode(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    amf3::encode_all(values, &mut out).unwrap();
    out.freeze()
}

fn encode_with_references(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(&mut out).with_references();
    for value in values {
        encoder.value(value).unwrap();
    }
    out.freeze()
}

/// The values before the end or the first error, and that error.
fn decode(mut decoder: Decoder) -> (Vec<Value>, Option<Amf3Error>) {
    let mut values = Vec::new();
    loop {
        match decoder.next_value() {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, None),
            Err(error) => return (values, Some(error)),
        }
    }
}

/// What is directly in a value.
fn inside(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(array) => {
            let properties = array.properties.iter().map(|(_, value)| value);
            properties.chain(&array.elements).collect()
        }
        Value::Object(object) => object.iter().map(|(_, value)| value).collect(),
        Value::VectorObject(vector) => vector.elements.iter().collect(),
        Value::Dictionary(dictionary) => dictionary.entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        Value::Externalizable(object) => object.inner().into_iter().collect(),
        _ => Vec::new(),
    }
}

fn is_container(value: &Value) -> bool {
    matches!(
        value,
        Value::Array(_)
            | Value::Object(_)
            | Value::VectorObject(_)
            | Value::Dictionary(_)
            | Value::Externalizable(_)
    )
}

/// Number of values and depth of a list, every value counted wherever it stands.
fn extent(values: Vec<&Value>) -> (usize, usize) {
    values.into_iter().fold((0, 0), |(count, depth), value| {
        let (inner_count, inner_depth) = extent(inside(value));
        let levels = inner_depth + usize::from(is_container(value));
        (count + 1 + inner_count, depth.max(levels))
    })
}

/// Bytes in which values are likely.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![0u8..=0x12, Just(0x0a), Just(0x0b), Just(0x13), any::<u8>()],
        0..200,
    )
}

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_the_same_values(values in values()) {
        for bytes in [encode(&values), encode_with_references(&values)] {
            let (decoded, error) = decode(Decoder::new(bytes));
            prop_assert_eq!(error, None);
            // NaN is not equal to itself, its text is.
            prop_assert_eq!(format!("{decoded:?}"), format!("{values:?}"));
            prop_assert_eq!(encode(&decoded), encode(&values));
        }
    }

    #[test]
    fn references_come_back_as_references(values in values()) {
        // What was one value in memory, and what an encoder cannot tell from it, is one from here on.
        let bytes = encode_with_references(&decode(Decoder::new(encode_with_references(&values))).0);
        let (decoded, _) = decode(Decoder::new(bytes.clone()));
        prop_assert_eq!(encode_with_references(&decoded), bytes);
    }

    #[test]
    fn inside_amf0_all_stays_the_same(values in values()) {
        let mut list: Vec<_> = values.into_iter().map(amf0::Value::from).collect();
        list.push(list.clone().into());
        list.push(amf0::Object::from_iter(list.iter().map(|value| ("k", value.clone()))).into());
        let mut out = BytesMut::new();
        amf0::encode_all(&list, &mut out).unwrap();
        let mut decoder = amf0::Decoder::new(out.clone().freeze()).strict();
        let decoded: Vec<_> = std::iter::from_fn(|| decoder.next_value().unwrap()).collect();
        prop_assert_eq!(format!("{decoded:?}"), format!("{list:?}"));
        let mut again = BytesMut::new();
        amf0::encode_all(&decoded, &mut again).unwrap();
        prop_assert_eq!(again, out);
    }

    #[test]
    fn a_cut_list_is_its_first_whole_values_and_an_error(values in values()) {
        let whole = encode(&values);
        let ends: Vec<usize> = (0..=values.len()).map(|count| encode(&values[..count]).len()).collect();
        for cut in 0..whole.len() {
            let (decoded, error) = decode(Decoder::new(whole.slice(..cut)));
            let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(encode(&decoded), encode(&values[..complete]));
            prop_assert_eq!(error.is_none(), cut == ends[complete]);
        }
    }

    #[test]
    fn any_bytes_give_values_within_the_limits(
        bytes in likely_bytes(),
        depth in 0usize..6,
        values in 0usize..20,
        expanded_len in 0usize..40,
    ) {
        let limits = Limits::default().max_depth(depth).max_values(values).max_expanded_len(expanded_len);
        let (decoded, error) = decode(Decoder::new(bytes.clone().into()).with_limits(limits));
        let (count, levels) = extent(decoded.iter().collect());
        prop_assert!(count <= values && levels <= depth);
        if let Some(Amf3Error::UnexpectedEnd { offset, needed, available }) = error {
            prop_assert!(needed > available && offset + available == bytes.len());
        }
        let mut out = BytesMut::new();
        if amf3::encode_all(&decoded, &mut out).is_ok() {
            // A header may need three bytes more than a reference: one of each value and key, at most.
            prop_assert!(out.len() <= bytes.len() + expanded_len + 8 * (values + 1) + 8);
        }
    }

    #[test]
    fn what_was_decoded_from_any_bytes_survives_another_round(bytes in likely_bytes()) {
        let (decoded, _) = decode(Decoder::new(bytes.into()));
        let mut out = BytesMut::new();
        match amf3::encode_all(&decoded, &mut out) {
            Ok(()) => {
                let (again, error) = decode(Decoder::new(out.clone().freeze()));
                prop_assert_eq!(error, None);
                prop_assert_eq!(encode(&again), out.freeze());
            }
            Err(error) => prop_assert!(matches!(error, Amf3Error::Cycle { .. }), "{}", error),
        }
    }
}
