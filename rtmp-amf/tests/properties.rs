//! What holds for any AMF0 value and any bytes.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use rtmp_amf::amf0::{self, Decoder, Object, TypedObject, Value};
use rtmp_amf::{Amf0Error, AmfString, Limits};

fn string() -> impl Strategy<Value = AmfString> + Clone {
    prop_oneof![
        "[a-zA-Z.]{0,40}".prop_map(AmfString::from),
        vec(any::<u8>(), 0..40).prop_map(|bytes| bytes[..].into())
    ]
}

fn number() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        number().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        string().prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        (number(), any::<i16>()).prop_map(|(millis, time_zone)| Value::Date { millis, time_zone }),
        string().prop_map(Value::LongString),
        Just(Value::Unsupported),
        string().prop_map(Value::XmlDocument),
    ]
}

fn container(inner: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    let properties = vec((string(), inner.clone()), 0..5).prop_map(Object::from_iter);
    prop_oneof![
        properties.clone().prop_map(Value::Object),
        properties.clone().prop_map(Value::EcmaArray),
        vec(inner, 0..5).prop_map(Value::StrictArray),
        (string(), properties).prop_map(|(class_name, properties)| TypedObject {
            class_name,
            properties
        }
        .into()),
    ]
}

/// A value list: containers up to five deep, in them references to the list's first container.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let inner = prop_oneof![9 => scalar(), 1 => Just(Value::Reference(0))];
    let inner = inner.prop_recursive(4, 24, 5, container);
    vec(prop_oneof![scalar(), container(inner)], 0..5)
}

fn encode(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    amf0::encode_all(values, &mut out).unwrap();
    out.freeze()
}

/// The values before the end or the first error, and that error.
fn decode(mut decoder: Decoder) -> (Vec<Value>, Option<Amf0Error>) {
    let mut values = Vec::new();
    loop {
        match decoder.next_value() {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, None),
            Err(error) => return (values, Some(error)),
        }
    }
}

/// Number of values and depth of a list.
fn extent(values: &[&Value]) -> (usize, usize) {
    values.iter().fold((0, 0), |(count, depth), value| {
        let (inner_count, inner_depth) = match (value.as_array(), value.as_object()) {
            (Some(elements), _) => extent(&elements.iter().collect::<Vec<_>>()),
            (_, Some(object)) => extent(&object.iter().map(|(_, value)| value).collect::<Vec<_>>()),
            _ => return (count + 1, depth),
        };
        (count + 1 + inner_count, depth.max(inner_depth + 1))
    })
}

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_the_same_values(values in values()) {
        let (decoded, error) = decode(Decoder::new(encode(&values)).strict());
        prop_assert_eq!(error, None);
        prop_assert_eq!(encode(&decoded), encode(&values));
        // NaN is not equal to itself, its text is.
        prop_assert_eq!(format!("{decoded:?}"), format!("{values:?}"));
    }

    #[test]
    fn a_cut_list_is_its_first_whole_values_and_an_error(values in values()) {
        let whole = encode(&values);
        let ends: Vec<usize> = (0..=values.len()).map(|count| encode(&values[..count]).len()).collect();
        for cut in 0..whole.len() {
            let (decoded, error) = decode(Decoder::new(whole.slice(..cut)).strict());
            let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(decoded.len(), complete);
            prop_assert_eq!(encode(&decoded), encode(&values[..complete]));
            prop_assert_eq!(error.is_none(), cut == ends[complete]);
        }
    }

    #[test]
    fn a_lenient_decoder_differs_only_in_a_last_container_without_end_marker(values in values()) {
        let whole = encode(&values);
        for cut in 0..whole.len() {
            let (strict, refused) = decode(Decoder::new(whole.slice(..cut)).strict());
            let (lenient, error) = decode(Decoder::new(whole.slice(..cut)));
            prop_assert_eq!(encode(&lenient[..strict.len()]), encode(&strict));
            match &lenient[strict.len()..] {
                [] => prop_assert_eq!(error, refused),
                [closed] => {
                    prop_assert!(refused.is_some() && error.is_none());
                    prop_assert!(closed.as_object().is_some_and(|object| !object.is_empty()));
                    let with_marker = [&whole[..cut], b"\0\0\x09"].concat();
                    prop_assert!(decode(Decoder::new(with_marker.into()).strict()).1.is_none());
                }
                more => prop_assert!(false, "{} values appeared", more.len()),
            }
        }
    }

    #[test]
    fn any_bytes_give_values_within_the_limits(
        bytes in vec(prop_oneof![0u8..=0x11, any::<u8>()], 0..200),
        depth in 0usize..6,
        values in 0usize..20,
    ) {
        let limits = Limits::default().max_depth(depth).max_values(values);
        let (decoded, error) = decode(Decoder::new(bytes.clone().into()).with_limits(limits));
        let (count, levels) = extent(&decoded.iter().collect::<Vec<_>>());
        prop_assert!(count <= values && levels <= depth);
        if let Some(Amf0Error::UnexpectedEnd { offset, needed, available }) = error {
            prop_assert!(needed > available && offset + available == bytes.len());
        }
    }

    #[test]
    fn what_was_decoded_from_damaged_bytes_survives_another_round(
        values in values(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = encode(&values).to_vec();
        for (index, byte) in damage {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let (decoded, _) = decode(Decoder::new(bytes.into()));
        let encoded = encode(&decoded);
        let (again, error) = decode(Decoder::new(encoded.clone()).strict());
        prop_assert_eq!(error, None);
        prop_assert_eq!(encode(&again), encoded);
    }
}
