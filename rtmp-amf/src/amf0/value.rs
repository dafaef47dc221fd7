//! A value and what can be read out of it.

use crate::{AmfString, amf3, number};

/// The properties of an AMF0 object or ECMA array.
pub type Object = crate::Object<Value>;

/// One AMF0 value, in the order of the specification's sections 2.2 to 2.18.
///
/// Each variant is one wire form, and nothing is folded together: what was decoded encodes to the same bytes (the
/// exceptions are listed in the [module docs](super)). Readers that do not care which form a peer chose use the
/// accessors: `as_*` look at what is there, `to_*` also convert what peers are known to send instead.
///
/// Equality is that of the parts, so a NaN is not equal to itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// A double (section 2.2): the only kind of number there is, so also ids and counters.
    Number(f64),
    /// A boolean (section 2.3).
    Boolean(bool),
    /// A string (section 2.4). One of more than 65,535 bytes is encoded as a long string.
    String(AmfString),
    /// An anonymous object (section 2.5).
    Object(Object),
    /// Null (section 2.7), the usual command object of commands that have none.
    #[default]
    Null,
    /// Undefined (section 2.8); may stand where null is expected.
    Undefined,
    /// The object or array met as number `index` of this value list, counted from 0, parents before their children
    /// (section 2.9). It is not followed: it may point to a container that encloses it.
    Reference(u16),
    /// An associative array (section 2.10). `onMetaData` carries one.
    EcmaArray(Object),
    /// A dense array (section 2.12).
    StrictArray(Vec<Self>),
    /// A date (section 2.13).
    Date {
        /// Milliseconds since 1970-01-01 00:00 UTC.
        millis: f64,
        /// Reserved by the specification: write 0, ignore what is read.
        time_zone: i16,
    },
    /// A string in its long form (section 2.14), which is legal for short text too. Read it like a
    /// [`String`](Self::String), write a `String`.
    LongString(AmfString),
    /// A value the sender could not express (section 2.15).
    Unsupported,
    /// The text of an XML document (section 2.17).
    XmlDocument(AmfString),
    /// An object of a registered class (section 2.18).
    TypedObject(Box<TypedObject>),
    /// The switch to AMF3 (section 3.1), for one value with all that is in it.
    ///
    /// The accessors for numbers, booleans, strings and nothing look into it; for the rest see
    /// [`as_amf3`](Self::as_amf3). It is written without references unless the encoder is told
    /// [otherwise](super::Encoder::with_references).
    Amf3(Box<amf3::Value>),
}

/// An object with the name of its class (AMF0 section 2.18).
#[derive(Debug, Clone, PartialEq)]
pub struct TypedObject {
    /// The name, up to 65,535 bytes.
    pub class_name: AmfString,
    /// The properties.
    pub properties: Object,
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Amf3(value) => value.as_number(),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Amf3(value) => value.as_bool(),
            _ => None,
        }
    }

    /// The text of a string in either form, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_string().and_then(AmfString::to_str)
    }

    /// The string in either form, whatever its bytes are.
    #[must_use]
    pub fn as_string(&self) -> Option<&AmfString> {
        match self {
            Self::String(string) | Self::LongString(string) => Some(string),
            Self::Amf3(value) => value.as_string(),
            _ => None,
        }
    }

    /// The properties of an object, ECMA array or typed object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(properties) | Self::EcmaArray(properties) => Some(properties),
            Self::TypedObject(object) => Some(&object.properties),
            _ => None,
        }
    }

    /// Like [`as_object`](Self::as_object), by value.
    #[must_use]
    pub fn into_object(self) -> Option<Object> {
        match self {
            Self::Object(properties) | Self::EcmaArray(properties) => Some(properties),
            Self::TypedObject(object) => Some(object.properties),
            _ => None,
        }
    }

    /// The AMF3 value, if there is a switch to AMF3 here.
    #[must_use]
    pub fn as_amf3(&self) -> Option<&amf3::Value> {
        match self {
            Self::Amf3(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of a strict array.
    #[must_use]
    pub const fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::StrictArray(elements) => Some(elements.as_slice()),
            _ => None,
        }
    }

    /// Whether there is no value here: senders use null and undefined alike.
    #[must_use]
    pub fn is_null_or_undefined(&self) -> bool {
        match self {
            Self::Amf3(value) => value.is_null_or_undefined(),
            _ => matches!(self, Self::Null | Self::Undefined),
        }
    }

    /// A number, also from a boolean (0 or 1) or a string that is a decimal number. May be infinite or NaN if the
    /// peer sent that as a number.
    #[must_use]
    pub fn to_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Boolean(boolean) => Some(f64::from(u8::from(*boolean))),
            Self::String(string) | Self::LongString(string) => number::decimal(string),
            Self::Amf3(value) => value.to_number(),
            _ => None,
        }
    }

    /// What [`to_number`](Self::to_number) gives, if it is whole and in the range of `u32`: for ids, counts, codec
    /// ids and sizes. `None` for NaN, infinities, fractions and numbers out of range.
    #[must_use]
    pub fn to_u32(&self) -> Option<u32> {
        self.to_number().and_then(number::to_u32)
    }

    /// A boolean, also from a number: 0 and NaN are false, others true.
    #[must_use]
    pub fn to_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Number(number) => Some(*number != 0.0 && !number.is_nan()),
            Self::Amf3(value) => value.to_boolean(),
            _ => None,
        }
    }
}

macro_rules! from_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}
from_numbers!(f64, f32, i8, i16, i32, u8, u16, u32);

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::String(text.into())
    }
}

impl From<AmfString> for Value {
    fn from(string: AmfString) -> Self {
        Self::String(string)
    }
}

impl From<Object> for Value {
    fn from(properties: Object) -> Self {
        Self::Object(properties)
    }
}

impl From<Vec<Self>> for Value {
    fn from(elements: Vec<Self>) -> Self {
        Self::StrictArray(elements)
    }
}

impl From<TypedObject> for Value {
    fn from(object: TypedObject) -> Self {
        Self::TypedObject(Box::new(object))
    }
}

impl From<amf3::Value> for Value {
    fn from(value: amf3::Value) -> Self {
        Self::Amf3(Box::new(value))
    }
}

impl From<amf3::Object> for Value {
    fn from(object: amf3::Object) -> Self {
        amf3::Value::from(object).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(text: &str) -> Value {
        Value::LongString(text.into())
    }

    fn typed() -> Value {
        let properties = Object::new().with("x", 1.0);
        TypedObject {
            class_name: "Foo".into(),
            properties,
        }
        .into()
    }

    /// Every value moves through vectors and results, so its size is part of the cost of decoding.
    #[test]
    fn a_value_is_small() {
        assert!(size_of::<Value>() <= 40, "{}", size_of::<Value>());
    }

    #[test]
    fn exact_accessors_do_not_convert() {
        assert_eq!(
            (Value::from(1.5).as_number(), Value::from(true).as_number()),
            (Some(1.5), None)
        );
        assert_eq!(
            (Value::from(true).as_bool(), Value::from(1).as_bool()),
            (Some(true), None)
        );
        assert_eq!(
            (
                Value::from("a").as_str(),
                long("a").as_str(),
                Value::Null.as_str()
            ),
            (Some("a"), Some("a"), None)
        );
        assert_eq!(Value::XmlDocument("<a/>".into()).as_str(), None);
        let array = Value::from(vec![Value::Null]);
        assert_eq!(
            (array.as_array(), array.as_object()),
            (Some(&[Value::Null][..]), None)
        );
        assert_eq!(Value::from("a").as_array(), None);
    }

    #[test]
    fn bytes_that_are_not_text_are_still_a_string() {
        let latin1 = Value::String(AmfString::from(&b"\xe9"[..]));
        assert_eq!(
            (latin1.as_str(), latin1.as_string().map(AmfString::as_bytes)),
            (None, Some(&b"\xe9"[..]))
        );
    }

    #[test]
    fn objects_ecma_arrays_and_typed_objects_all_have_properties() {
        let properties = Object::new().with("x", 1.0);
        for value in [
            Value::Object(properties.clone()),
            Value::EcmaArray(properties.clone()),
            typed(),
        ] {
            assert_eq!(value.as_object(), Some(&properties));
            assert_eq!(value.into_object(), Some(properties.clone()));
        }
        assert_eq!((Value::Null.as_object(), Value::Null.into_object()), (None, None));
    }

    #[test]
    fn null_and_undefined_are_both_nothing() {
        assert!(Value::Null.is_null_or_undefined() && Value::Undefined.is_null_or_undefined());
        assert!(!Value::from(false).is_null_or_undefined());
        assert_eq!(Value::default(), Value::Null);
    }

    #[test]
    fn numbers_are_read_from_booleans_and_decimal_strings() {
        for (value, number) in [
            (Value::from(2), 2.0),
            (Value::from(true), 1.0),
            (Value::from(false), 0.0),
            (Value::from(" -12.5e1 "), -125.0),
            (long("3"), 3.0),
        ] {
            assert_eq!(value.to_number(), Some(number), "{value:?}");
        }
        for text in ["", "1x", "inf", "-Infinity", "NaN", "0x10", "1 2"] {
            assert_eq!(Value::from(text).to_number(), None, "{text}");
        }
        assert_eq!((Value::Null.to_number(), typed().to_number()), (None, None));
    }

    #[test]
    fn booleans_are_read_from_numbers() {
        for (number, boolean) in [
            (0.0, false),
            (-0.0, false),
            (f64::NAN, false),
            (1.0, true),
            (-0.5, true),
        ] {
            assert_eq!(Value::from(number).to_boolean(), Some(boolean), "{number}");
        }
        assert_eq!(
            (Value::from(true).to_boolean(), Value::from("true").to_boolean()),
            (Some(true), None)
        );
    }

    #[test]
    fn only_whole_numbers_in_range_become_integers() {
        for (number, whole) in [(0.0, 0), (-0.0, 0), (1.0, 1), (4_294_967_295.0, u32::MAX)] {
            assert_eq!(Value::from(number).to_u32(), Some(whole), "{number}");
        }
        for number in [
            -1.0,
            0.5,
            4_294_967_296.0,
            1e308,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            assert_eq!(Value::from(number).to_u32(), None, "{number}");
        }
        assert_eq!((Value::from("7").to_u32(), Value::Null.to_u32()), (Some(7), None));
    }

    #[test]
    fn rust_values_become_their_amf_counterpart() {
        assert_eq!(Value::from(7u32), Value::Number(7.0));
        assert_eq!(Value::from("a".to_owned()), Value::String("a".into()));
        assert_eq!(
            Value::from(&"a".to_owned()),
            Value::from(AmfString::from_static("a"))
        );
        assert_eq!(Value::from(Object::new()), Value::Object(Object::new()));
    }
}
