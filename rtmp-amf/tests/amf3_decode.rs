//! What the AMF3 decoder makes of good, odd and hostile input. Bytes by hand from the AMF3 specification.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf3::{
    self, Array, Classes, Decoder, Dictionary, Externalizable, Object, ObjectVector, Piece, Properties,
    ReferenceKind, Traits, Value, Vector,
};
use rtmp_amf::{Amf3Error, Limits};

fn list(input: &[u8]) -> Result<Vec<Value>, Amf3Error> {
    amf3::decode_all(Bytes::copy_from_slice(input))
}

fn one(input: &[u8]) -> Result<Value, Amf3Error> {
    let mut values = list(input)?;
    assert_eq!(values.len(), 1, "{input:02x?}");
    Ok(values.remove(0))
}

fn within(limits: Limits, input: &[u8]) -> Result<Value, Amf3Error> {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(input)).with_limits(limits);
    decoder.next_value().map(Option::unwrap)
}

fn end(offset: usize, needed: usize, available: usize) -> Amf3Error {
    Amf3Error::UnexpectedEnd {
        offset,
        needed,
        available,
    }
}

fn bad(kind: ReferenceKind, index: u32, len: usize, offset: usize) -> Amf3Error {
    Amf3Error::BadReference {
        kind,
        index,
        len,
        offset,
    }
}

/// A U29 in four bytes, whatever its value.
fn u29(value: u32) -> [u8; 4] {
    let seven = |shift: u32| (value >> shift & 0x7f) as u8 | 0x80;
    [seven(22), seven(15), seven(8), value as u8]
}

/// One value of every kind and its bytes.
fn kinds() -> Vec<(&'static [u8], Value)> {
    vec![
        (b"\x00", Value::Undefined),
        (b"\x01", Value::Null),
        (b"\x02", Value::Boolean(false)),
        (b"\x03", Value::Boolean(true)),
        (b"\x04\xbf\xff\xff\xff", Value::Integer(268_435_455)),
        (b"\x05\xbf\xf8\0\0\0\0\0\0", Value::Double(-1.5)),
        (b"\x06\x09live", Value::String("live".into())),
        (b"\x07\x09<a/>", Value::XmlDocument("<a/>".into())),
        (
            b"\x08\x01\x42\x78\xcc\x25\x1f\x40\0\0",
            Value::Date(1_704_067_200_000.0),
        ),
        (
            b"\x09\x03\x03k\x03\x01\x04\x01",
            Array {
                properties: Properties::new().with("k", true),
                elements: vec![1.into()],
            }
            .into(),
        ),
        (
            b"\x0a\x0b\x01\x03a\x01\x01",
            Object::new().with("a", Value::Null).into(),
        ),
        (
            b"\x0a\x23\x03C\x03x\x03y\x04\x01\x04\x02",
            Object::of(Traits::sealed("C", ["x", "y"]), [1.into(), 2.into()]).into(),
        ),
        (
            b"\x0a\x1b\x03C\x03p\x04\x07\x03d\x01\x01",
            Object::of(
                Traits {
                    dynamic: true,
                    ..Traits::sealed("C", ["p"])
                },
                [7.into()],
            )
            .with("d", Value::Null)
            .into(),
        ),
        (
            b"\x0a\x07\x37flex.messaging.io.ArrayList\x09\x03\x01\x01",
            Externalizable::of_value("flex.messaging.io.ArrayList", vec![Value::Null]).into(),
        ),
        (b"\x0b\x09<a/>", Value::Xml("<a/>".into())),
        (b"\x0c\x05\x00\xff", Bytes::from_static(b"\x00\xff").into()),
        (
            b"\x0d\x05\x00\0\0\0\x01\xff\xff\xff\xff",
            Vector::from(vec![1, -1]).into(),
        ),
        (
            b"\x0e\x03\x01\xff\xff\xff\xff",
            Vector {
                fixed: true,
                elements: vec![u32::MAX],
            }
            .into(),
        ),
        (
            b"\x0f\x03\x00\x3f\xe0\0\0\0\0\0\0",
            Vector::from(vec![0.5]).into(),
        ),
        (
            b"\x10\x03\x00\x03*\x06\x03a",
            ObjectVector {
                fixed: false,
                type_name: "*".into(),
                elements: vec!["a".into()],
            }
            .into(),
        ),
        (
            b"\x11\x03\x01\x06\x03k\x04\x01",
            Dictionary {
                weak_keys: true,
                entries: vec![("k".into(), 1.into())],
            }
            .into(),
        ),
    ]
}

#[test]
fn every_kind_of_value_is_decoded() {
    for (bytes, value) in kinds() {
        assert_eq!(one(bytes), Ok(value), "{bytes:02x?}");
    }
}

#[test]
fn every_kind_of_value_cut_anywhere_is_an_error() {
    for (bytes, _) in kinds() {
        for cut in 1..bytes.len() {
            let error = one(&bytes[..cut]).expect_err("part of a value was taken as whole");
            let Amf3Error::UnexpectedEnd {
                offset,
                needed,
                available,
            } = error
            else {
                panic!("{error}")
            };
            assert!(
                needed > available && offset + available == cut,
                "{bytes:02x?} cut to {cut}: {error}"
            );
        }
    }
}

#[test]
fn unknown_markers_are_refused() {
    for marker in 0x12..=0xff {
        assert_eq!(
            list(&[1, marker, 0, 0]),
            Err(Amf3Error::UnknownMarker { marker, offset: 1 })
        );
    }
}

#[test]
fn a_u29_with_four_continuation_bytes_has_29_bits() {
    assert_eq!(one(b"\x04\xff\xff\xff\xff"), Ok(Value::Integer(-1)));
    assert_eq!(one(b"\x04\xc0\x80\x80\x00"), Ok(Value::Integer(-268_435_456)));
    assert_eq!(
        one(b"\x04\xc0\x80\x80\x80"),
        Ok(Value::Integer(-268_435_456 + 128))
    );
}

#[test]
fn a_u29_that_is_not_in_its_shortest_form_is_read() {
    assert_eq!(one(b"\x04\x80\x80\x80\x05"), Ok(Value::Integer(5)));
    assert_eq!(one(b"\x06\x80\x07foo"), Ok("foo".into()));
}

#[test]
fn a_u29_that_is_cut_is_an_error() {
    assert_eq!(one(b"\x04"), Err(end(1, 1, 0)));
    assert_eq!(one(b"\x04\xff\xff\xff"), Err(end(4, 1, 0)));
}

#[test]
fn bits_without_meaning_are_ignored() {
    assert_eq!(one(b"\x08\x7f\0\0\0\0\0\0\0\0"), Ok(Value::Date(0.0)));
    assert_eq!(
        one(b"\x0a\x7f\x37flex.messaging.io.ArrayList\x01"),
        Ok(Externalizable::of_value("flex.messaging.io.ArrayList", Value::Null).into())
    );
    assert_eq!(
        one(b"\x0d\x01\x02"),
        Ok(Vector {
            fixed: true,
            elements: Vec::<i32>::new()
        }
        .into())
    );
}

/// AMF3 section 2.2: values, names of properties and classes, names of vector types; not XML, not the empty string.
#[test]
fn the_string_table_has_all_strings_but_the_empty_one_and_xml() {
    let input = [
        &b"\x06\x01\x0b\x05<>\x0a\x1b\x03C\x03s\x01\x03d\x01\x01"[..],
        b"\x10\x01\x00\x03T\x09\x01\x03k\x01\x01",
        b"\x06\x00\x06\x02\x06\x04\x06\x06\x06\x08",
    ]
    .concat();
    let values = list(&input).unwrap();
    assert_eq!(values[5..], ["C", "s", "d", "T", "k"].map(Value::from));
    assert_eq!(
        list(&[&input[..], b"\x06\x0a"].concat()),
        Err(bad(ReferenceKind::String, 5, 5, input.len() + 2))
    );
}

#[test]
fn the_object_table_has_all_complex_values_parents_before_members() {
    let members: [&[u8]; 10] = [
        b"\x07\x03a",
        b"\x08\x01\0\0\0\0\0\0\0\0",
        b"\x0a\x0b\x01\x01",
        b"\x0b\x03b",
        b"\x0c\x03c",
        b"\x0d\x01\x00",
        b"\x0e\x01\x00",
        b"\x0f\x01\x00",
        b"\x10\x01\x00\x01",
        b"\x11\x01\x00",
    ];
    let array = [&b"\x09\x15\x01"[..], &members.concat()].concat();
    let references: Vec<_> = (1..=10).flat_map(|index| [0x09, index << 1]).collect();
    let values = list(&[array, references].concat()).unwrap();
    assert_eq!(values[0].as_array().unwrap(), &values[1..]);
}

#[test]
fn an_array_sent_twice_by_reference_is_there_twice_and_held_once() {
    let values = list(b"\x09\x05\x01\x06\x07foo\x06\x00\x09\x00").unwrap();
    let array = Value::from(vec!["foo".into(), "foo".into()]);
    assert_eq!(values, [array.clone(), array]);
    assert!(values[0].is_same(&values[1]));

    let mut changed = values[1].clone();
    if let Value::Array(array) = &mut changed {
        Arc::make_mut(array).elements.clear();
    }
    assert_eq!(
        (
            values[1].as_array().unwrap().len(),
            changed.as_array().unwrap().len()
        ),
        (2, 0)
    );
}

#[test]
fn the_marker_of_a_reference_does_not_matter() {
    let values = list(b"\x0a\x0b\x01\x01\x09\x00").unwrap();
    assert_eq!(values[1], Object::new().into());
}

#[test]
fn objects_of_one_class_share_their_traits() {
    let values = list(b"\x0a\x23\x0fcom.Foo\x03x\x03y\x04\x01\x04\x02\x0a\x01\x04\x03\x04\x04").unwrap();
    let [Value::Object(first), Value::Object(second)] = values.as_slice() else {
        panic!("{values:?}")
    };
    assert!(Arc::ptr_eq(first.traits(), second.traits()));
    assert_eq!(
        (first.get("y"), second.get("y")),
        (Some(&2.into()), Some(&4.into()))
    );
    assert_eq!(second.class_name(), &"com.Foo");
}

#[test]
fn a_string_reference_out_of_range_is_an_error() {
    assert_eq!(one(b"\x06\x00"), Err(bad(ReferenceKind::String, 0, 0, 2)));
    assert_eq!(
        one(b"\x06\xff\xff\xff\xfe"),
        Err(bad(ReferenceKind::String, 0x0fff_ffff, 0, 5))
    );
    assert_eq!(one(b"\x0a\x0b\x01\x00"), Err(bad(ReferenceKind::String, 0, 0, 4)));
    assert_eq!(
        list(b"\x06\x01\x06\x00"),
        Err(bad(ReferenceKind::String, 0, 0, 4))
    );
}

#[test]
fn an_object_reference_out_of_range_is_an_error() {
    for marker in 0x07..=0x11 {
        assert_eq!(one(&[marker, 0]), Err(bad(ReferenceKind::Object, 0, 0, 2)));
    }
    assert_eq!(
        one(b"\x09\x03\x01\x09\x02"),
        Err(bad(ReferenceKind::Object, 1, 1, 5))
    );
}

#[test]
fn a_traits_reference_out_of_range_is_an_error() {
    let error = one(b"\x0a\x01").unwrap_err();
    assert_eq!(error, bad(ReferenceKind::Traits, 0, 0, 2));
    assert_eq!(
        error.to_string(),
        "reference to traits 0 before offset 2, only 0 were met"
    );
    assert_eq!(
        list(b"\x0a\x0b\x01\x01\x0a\x05\x01"),
        Err(bad(ReferenceKind::Traits, 1, 1, 6))
    );
}

#[test]
fn a_reference_from_within_is_a_cycle_that_cannot_be_built() {
    assert_eq!(
        one(b"\x0a\x0b\x01\x09self\x0a\x00\x01"),
        Ok(Object::new().with("self", Value::Cycle(0)).into())
    );
    let inner = Value::from(vec![Value::Cycle(1), Value::Cycle(0)]);
    assert_eq!(
        one(b"\x09\x03\x01\x09\x05\x01\x09\x02\x09\x00"),
        Ok(vec![inner].into())
    );
}

/// The largest count there is, in front of nothing.
#[test]
fn a_count_of_2_to_the_28_is_an_error_before_allocation() {
    let max = u29(0x1fff_ffff);
    let count = 0x0fff_ffff;
    for (marker, behind, needed) in [
        (0x06, &b""[..], count),
        (0x07, b"", count),
        (0x09, b"", count),
        (0x0b, b"", count),
        (0x0c, b"", count),
        (0x0d, b"\x00", count * 4),
        (0x0e, b"\x00", count * 4),
        (0x0f, b"\x00", count * 8),
        (0x10, b"\x00\x01", count),
        (0x11, b"\x00", count * 2),
    ] {
        let input = [&[marker], &max[..], behind, b"\x01\x01\x01"].concat();
        let offset = 5 + behind.len();
        assert_eq!(one(&input), Err(end(offset, needed, 3)), "{marker:#04x}");
    }
    let sealed = [&b"\x0a"[..], &u29(0x1fff_fff3), b"\x01\x01\x01"].concat();
    assert_eq!(one(&sealed), Err(end(5, 0x01ff_ffff * 2, 3)));
}

#[test]
fn sealed_names_count_as_the_values_that_must_follow() {
    let mut input = [&b"\x0a"[..], &u29(100_000 << 4 | 3)].concat();
    input.resize(input.len() + 300_000, 1);
    assert_eq!(
        one(&input),
        Err(Amf3Error::TooManyValues {
            count: 100_001,
            limit: 65_536
        })
    );
}

#[test]
fn an_externalizable_class_that_is_not_known_is_an_error() {
    let error = list(b"\x01\x0a\x07\x07DSKabc").unwrap_err();
    let class_name = Box::new("DSK".into());
    assert_eq!(
        error,
        Amf3Error::UnknownClass {
            class_name,
            offset: 7
        }
    );
    assert_eq!(
        error.to_string(),
        r#"unknown externalizable class "DSK", body at offset 7"#
    );
}

#[test]
fn the_flex_collections_are_known() {
    for name in [
        "flex.messaging.io.ArrayCollection",
        "flex.messaging.io.ArrayList",
        "flex.messaging.io.ObjectProxy",
    ] {
        let mut input = vec![0x0a, 0x07, u8::try_from(name.len()).unwrap() << 1 | 1];
        input.extend(name.as_bytes());
        input.extend(b"\x09\x03\x01\x04\x2a");
        let value = one(&input).unwrap();
        assert_eq!(value, Externalizable::of_value(name, vec![42.into()]).into());
        assert_eq!(value.as_array(), Some(&[42.into()][..]));
    }
}

fn with_class(
    input: &[u8],
    read: impl Fn(&mut amf3::ClassReader<'_, '_>) -> Result<(), Amf3Error> + Send + Sync + 'static,
) -> Result<Vec<Value>, Amf3Error> {
    let mut decoder =
        Decoder::new(Bytes::copy_from_slice(input)).with_classes(Classes::new().with("C", read));
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value()? {
        values.push(value);
    }
    Ok(values)
}

#[test]
fn a_class_that_was_added_is_read_piece_by_piece() {
    let values = with_class(
        b"\x0a\x07\x03C\x02xy\x06\x03s\x0a\x01\x00\x06\x00\x0a\x00",
        |body| {
            let len = body.byte()?;
            body.bytes(len.into())?;
            body.value().map(drop)
        },
    )
    .unwrap();
    let object = |len: &'static [u8], text: &'static [u8], value: &str| {
        let bytes = |bytes| Piece::Bytes(Bytes::from_static(bytes));
        Value::from(Externalizable {
            class_name: "C".into(),
            body: vec![bytes(len), bytes(text), Piece::Value(value.into())],
        })
    };
    assert_eq!(
        values,
        [
            object(b"\x02", b"xy", "s"),
            object(b"\x00", b"", "C"),
            object(b"\x02", b"xy", "s")
        ]
    );
}

#[test]
fn a_class_can_refuse_a_body() {
    let result = with_class(b"\x0a\x07\x03C\x09", |body| {
        body.byte()?;
        Err(body.invalid())
    });
    assert_eq!(result, Err(Amf3Error::InvalidBody { offset: 5 }));
}

#[test]
fn a_class_that_ignores_errors_does_not_hide_them() {
    let result = with_class(b"\x0a\x07\x03C\x09\x7f\x01", |body| {
        let _ = body.value();
        let _ = body.byte();
        Ok(())
    });
    assert_eq!(result, Err(end(6, 63, 1)));
}

#[test]
fn a_class_that_never_ends_meets_the_limits() {
    let endless = |body: &mut amf3::ClassReader<'_, '_>| {
        loop {
            body.bytes(0)?;
        }
    };
    assert_eq!(
        with_class(b"\x0a\x07\x03C", endless),
        Err(Amf3Error::TooManyValues {
            count: 65_537,
            limit: 65_536
        })
    );
}

/// Containers that each hold only the next one, of every kind that can.
fn nested(depth: usize) -> Vec<u8> {
    let kinds: [(&[u8], &[u8]); 6] = [
        (b"\x09\x03\x01", b""),
        (b"\x09\x01\x03k", b"\x01"),
        (b"\x0a\x0b\x01\x03k", b"\x01"),
        (b"\x0a\x13\x03C\x03k", b""),
        (b"\x10\x03\x00\x01", b""),
        (b"\x11\x03\x00\x01", b""),
    ];
    let open = || kinds.iter().cycle().take(depth);
    let mut bytes: Vec<u8> = open().flat_map(|(open, _)| open.iter().copied()).collect();
    bytes.push(1);
    let closing: Vec<_> = open().map(|(_, close)| *close).collect();
    bytes.extend(closing.into_iter().rev().flatten());
    bytes
}

#[test]
fn containers_nest_up_to_the_limit() {
    assert!(one(&nested(32)).is_ok());
    for depth in [33, 200_000] {
        assert_eq!(
            one(&nested(depth)),
            Err(Amf3Error::TooDeep { depth: 33, limit: 32 })
        );
    }
    let scalars_only = Limits::default().max_depth(0);
    assert_eq!(within(scalars_only, b"\x0c\x01"), Ok(Bytes::new().into()));
    assert_eq!(
        within(scalars_only, &nested(1)),
        Err(Amf3Error::TooDeep { depth: 1, limit: 0 })
    );
    let collections = b"\x0a\x07\x37flex.messaging.io.ArrayList".repeat(33);
    assert_eq!(
        one(&collections),
        Err(Amf3Error::TooDeep { depth: 33, limit: 32 })
    );
}

/// As much stack as the smallest common default for threads, and the build that uses most of it.
#[test]
fn the_deepest_value_that_can_be_decoded_is_safe_to_use() {
    let work = || {
        let limits = Limits::default().max_depth(usize::MAX);
        let bytes = nested(Limits::MAX_DEPTH);
        let value = within(limits, &bytes).unwrap();
        assert_eq!(value.clone(), value);
        assert!(format!("{value:#?}").len() > Limits::MAX_DEPTH);
        let mut out = BytesMut::new();
        amf3::Encoder::new(&mut out)
            .with_limits(limits)
            .value(&value)
            .unwrap();
        assert_eq!(within(limits, &out), Ok(value));
    };
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_reference_is_as_deep_as_what_it_refers_to() {
    // Three arrays inside one another, then a reference to the outermost one, inside two arrays.
    let input = b"\x09\x05\x01\x09\x03\x01\x09\x03\x01\x09\x01\x01\x09\x03\x01\x09\x02";
    let depth = |depth| within(Limits::default().max_depth(depth), input).map(drop);
    assert_eq!(depth(5), Ok(()));
    assert_eq!(depth(4), Err(Amf3Error::TooDeep { depth: 5, limit: 4 }));
}

#[test]
fn a_reference_counts_as_many_values_as_what_it_refers_to() {
    // An array of: an array of two, and the same again. Seven values if it is written out.
    let input = b"\x09\x05\x01\x09\x05\x01\x01\x01\x09\x02";
    let values = |values| within(Limits::default().max_values(values), input).map(drop);
    assert_eq!(values(7), Ok(()));
    assert_eq!(values(6), Err(Amf3Error::TooManyValues { count: 7, limit: 6 }));
}

/// Each array holds the one before twice.
#[test]
fn references_do_not_unfold_into_more_values_than_the_limit() {
    let mut input = b"\x09\x3d\x01\x09\x01\x01".to_vec();
    for index in 1..30 {
        input.extend([0x09, 0x05, 0x01, 0x09, index << 1, 0x09, index << 1]);
    }
    assert_eq!(
        one(&input),
        Err(Amf3Error::TooManyValues {
            count: 98_288,
            limit: 65_536
        })
    );
}

#[test]
fn references_do_not_stand_for_more_bytes_than_the_limit() {
    let large = |marker: u8, len: u32| {
        let mut input = vec![marker];
        input.extend(u29(len << 1 | 1));
        input.resize(input.len() + len as usize, b'x');
        input
    };
    let is_too_long = |input: &[u8]| matches!(list(input), Err(Amf3Error::TooLong { len, limit: 0x100_0000 }) if len > 0x100_0000);
    for marker in [0x06, 0x07, 0x0b, 0x0c] {
        let mut input = large(marker, 1 << 20);
        input.extend([marker, 0x00].repeat(15));
        assert_eq!(list(&input).unwrap().len(), 16, "{marker:#04x}");
        input.extend([marker, 0x00].repeat(2));
        assert!(is_too_long(&input), "{marker:#04x}");
    }

    // Keys, class names and sealed names that are references; whole objects with a large string in them.
    let keys = [
        &large(0x06, 1 << 20)[..],
        b"\x0a\x0b\x01",
        &b"\x00\x01".repeat(20),
    ]
    .concat();
    assert!(is_too_long(&keys));
    let classes = [&large(0x06, 1 << 20)[..], &b"\x0a\x03\x00".repeat(20)].concat();
    assert!(is_too_long(&classes));
    let traits = [
        &b"\x0a\x03"[..],
        &large(0x06, 1 << 20)[1..],
        &b"\x0a\x01".repeat(20),
    ]
    .concat();
    assert!(is_too_long(&traits));
    let objects = [
        &b"\x09\x03\x01"[..],
        &large(0x06, 1 << 20),
        &b"\x09\x00".repeat(20),
    ]
    .concat();
    assert!(is_too_long(&objects));
}

#[test]
fn long_strings_and_byte_arrays_share_the_memory_of_the_input() {
    let mut input = b"\x0c\x81\x01".to_vec();
    input.extend([b'x'; 64]);
    input.extend(b"\x06\x81\x01");
    input.extend([b'y'; 64]);
    let input = Bytes::from(input);
    let values = amf3::decode_all(input.clone()).unwrap();
    assert_eq!(values[0].as_byte_array().unwrap().as_ptr(), input[3..].as_ptr());
    assert_eq!(
        values[1].as_string().unwrap().as_bytes().as_ptr(),
        input[70..].as_ptr()
    );
}

#[test]
fn strings_that_are_not_utf8_are_kept() {
    let value = one(b"\x06\x07\xff\x00\xed").unwrap();
    assert_eq!(
        (value.as_str(), value.as_string().unwrap().as_bytes()),
        (None, &b"\xff\x00\xed"[..])
    );
}

#[test]
fn order_and_repeated_keys_are_kept_and_the_last_one_wins() {
    let value = one(b"\x0a\x0b\x01\x03b\x04\x01\x03a\x04\x02\x00\x04\x03\x01").unwrap();
    let keys: Vec<_> = value
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, _)| key.to_string())
        .collect();
    assert_eq!(keys, ["b", "a", "b"]);
    assert_eq!(value.get("b"), Some(&3.into()));
}

/// Two objects of a class, the second one with the first entry of the traits table. Behind a value that has put other
/// traits there, it is taken for a dynamic object whose first name is a string that was not met.
const POINTS: &[u8] = b"\x09\x05\x01\x0a\x13\x03C\x03x\x04\x01\x0a\x01\x04\x02";

#[test]
fn a_reference_that_leads_nowhere_is_tried_with_fresh_tables() {
    let input = [b"\x0a\x0b\x01\x01", POINTS].concat();
    assert_eq!(list(&input).unwrap()[1], one(POINTS).unwrap());
    // If the value makes no sense that way either, the first error is the one to know.
    let cut = &input[..input.len() - 1];
    assert_eq!(list(cut), Err(bad(ReferenceKind::String, 2, 2, 18)));
}

#[test]
fn an_encoder_that_was_seen_to_begin_anew_is_taken_to_do_so_on() {
    let strings = b"\x09\x05\x01\x06\x03y\x06\x00";
    let values = list(&[b"\x0a\x0b\x01\x01", POINTS, strings, strings].concat()).unwrap();
    let twice = Value::from(vec!["y".into(), "y".into()]);
    assert_eq!(values[2..], [twice.clone(), twice]);
}

#[test]
fn a_failed_value_leaves_the_decoder_where_it_stood() {
    let input = Bytes::from_static(b"\x06\x03a\x09\x05\x01\x06\x03b\x06\x08");
    let mut decoder = Decoder::new(input.clone()).with_limits(Limits::default().max_values(4));
    assert_eq!(decoder.next_value(), Ok(Some("a".into())));
    for _ in 0..3 {
        assert_eq!(decoder.next_value(), Err(bad(ReferenceKind::String, 4, 2, 11)));
        assert_eq!((decoder.position(), decoder.remaining()), (3, input.slice(3..)));
    }
}
