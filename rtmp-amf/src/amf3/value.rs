//! A value and what can be read out of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::class::Externalizable;
use super::container::{Array, Dictionary, ObjectVector, Vector};
use super::object::Object;
use crate::{AmfString, number};

/// Names and values: the associative part of an array, the dynamic part of an object.
pub type Properties = crate::Object<Value>;

/// One AMF3 value, in the order of the specification's sections 3.2 to 3.16.
///
/// Containers are behind an [`Arc`]: a value that the peer sent once and referred to twice is there twice and held
/// once. [`is_same`](Self::is_same) tells whether two are one, [`Arc::make_mut`] changes one without the other. Since
/// there is no way to put a container into itself, walking through a value always ends.
///
/// Equality is that of the parts, so a NaN is not equal to itself. Printed, long strings, byte arrays and vectors of
/// numbers are cut.
#[derive(Clone, PartialEq, Default)]
pub enum Value {
    /// Undefined (section 3.2).
    Undefined,
    /// Null (section 3.3).
    #[default]
    Null,
    /// False or true (sections 3.4 and 3.5).
    Boolean(bool),
    /// An integer (section 3.6) from [`MIN_INTEGER`](Self::MIN_INTEGER) to [`MAX_INTEGER`](Self::MAX_INTEGER); others
    /// are encoded as doubles.
    Integer(i32),
    /// A double (section 3.7).
    Double(f64),
    /// A string (section 3.8).
    String(AmfString),
    /// The text of an XML document of the older kind, `flash.xml.XMLDocument` (section 3.9).
    XmlDocument(AmfString),
    /// A date (section 3.10), in milliseconds since 1970-01-01 00:00 UTC.
    Date(f64),
    /// An array (section 3.11).
    Array(Arc<Array>),
    /// An object (section 3.12).
    Object(Arc<Object>),
    /// An object that wrote itself in its own way (section 3.12).
    Externalizable(Arc<Externalizable>),
    /// The text of an XML document (section 3.13).
    Xml(AmfString),
    /// A byte array (section 3.14).
    ByteArray(Bytes),
    /// A vector of signed integers (section 3.15).
    VectorInt(Arc<Vector<i32>>),
    /// A vector of unsigned integers (section 3.15).
    VectorUint(Arc<Vector<u32>>),
    /// A vector of doubles (section 3.15).
    VectorDouble(Arc<Vector<f64>>),
    /// A vector of values (section 3.15).
    VectorObject(Arc<ObjectVector>),
    /// A dictionary (section 3.16).
    Dictionary(Arc<Dictionary>),
    /// A reference to a container that this value is inside of, by its index in the object table (section 2.2). It is
    /// not followed, and refused by the encoder.
    Cycle(u32),
}

impl Value {
    /// The least integer: −2^28.
    pub const MIN_INTEGER: i32 = -(1 << 28);
    /// The greatest integer: 2^28 − 1.
    pub const MAX_INTEGER: i32 = (1 << 28) - 1;

    /// The number, if it is an integer or a double.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some((*integer).into()),
            Self::Double(double) => Some(*double),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// The text of a string, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_string().and_then(AmfString::to_str)
    }

    /// The string, whatever its bytes are.
    #[must_use]
    pub const fn as_string(&self) -> Option<&AmfString> {
        match self {
            Self::String(string) => Some(string),
            _ => None,
        }
    }

    /// The object, if it is one that is not externalizable.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The elements of an array or a vector of values. The Flex collections are taken for the array in them.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(array) => Some(&array.elements),
            Self::VectorObject(vector) => Some(&vector.elements),
            Self::Externalizable(object) => match object.inner()? {
                Self::Array(array) => Some(&array.elements),
                _ => None,
            },
            _ => None,
        }
    }

    /// The bytes of a byte array.
    #[must_use]
    pub const fn as_byte_array(&self) -> Option<&Bytes> {
        match self {
            Self::ByteArray(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A property of an object or of an array's associative part.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(object) => object.get(key),
            Self::Array(array) => array.properties.get(key),
            _ => None,
        }
    }

    /// Whether there is no value here: senders use null and undefined alike.
    #[must_use]
    pub const fn is_null_or_undefined(&self) -> bool {
        matches!(self, Self::Null | Self::Undefined)
    }

    /// Whether both are one container, or byte array, in memory: what was decoded from a reference is the same as
    /// what it referred to.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity()
            .is_some_and(|identity| other.identity() == Some(identity))
    }

    /// Where it lies and how long it is; only of use while the value lives.
    pub(super) fn identity(&self) -> Option<(usize, usize)> {
        fn address<T>(arc: &Arc<T>) -> Option<(usize, usize)> {
            Some((Arc::as_ptr(arc).addr(), 0))
        }
        match self {
            Self::Array(array) => address(array),
            Self::Object(object) => address(object),
            Self::Externalizable(object) => address(object),
            Self::VectorInt(vector) => address(vector),
            Self::VectorUint(vector) => address(vector),
            Self::VectorDouble(vector) => address(vector),
            Self::VectorObject(vector) => address(vector),
            Self::Dictionary(dictionary) => address(dictionary),
            Self::ByteArray(bytes) if !bytes.is_empty() => Some((bytes.as_ptr().addr(), bytes.len())),
            _ => None,
        }
    }

    /// A number, also from a boolean (0 or 1) or a string that is a decimal number. May be infinite or NaN if the
    /// peer sent that as a number.
    #[must_use]
    pub fn to_number(&self) -> Option<f64> {
        match self {
            Self::Boolean(boolean) => Some(f64::from(u8::from(*boolean))),
            Self::String(string) => number::decimal(string),
            _ => self.as_number(),
        }
    }

    /// What [`to_number`](Self::to_number) gives, if it is whole and in the range of `u32`.
    #[must_use]
    pub fn to_u32(&self) -> Option<u32> {
        self.to_number().and_then(number::to_u32)
    }

    /// A boolean, also from a number: 0 and NaN are false, others true.
    #[must_use]
    pub fn to_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            _ => self.as_number().map(|number| number != 0.0 && !number.is_nan()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, field): (_, &dyn fmt::Debug) = match self {
            Self::Undefined => return f.write_str("Undefined"),
            Self::Null => return f.write_str("Null"),
            Self::Boolean(boolean) => ("Boolean", boolean),
            Self::Integer(integer) => ("Integer", integer),
            Self::Double(double) => ("Double", double),
            Self::String(string) => ("String", string),
            Self::XmlDocument(text) => ("XmlDocument", text),
            Self::Date(millis) => ("Date", millis),
            Self::Array(array) => ("Array", array),
            Self::Object(object) => ("Object", object),
            Self::Externalizable(object) => ("Externalizable", object),
            Self::Xml(text) => ("Xml", text),
            Self::ByteArray(bytes) => ("ByteArray", &AmfString::from(bytes.clone())),
            Self::VectorInt(vector) => ("VectorInt", vector),
            Self::VectorUint(vector) => ("VectorUint", vector),
            Self::VectorDouble(vector) => ("VectorDouble", vector),
            Self::VectorObject(vector) => ("VectorObject", vector),
            Self::Dictionary(dictionary) => ("Dictionary", dictionary),
            Self::Cycle(index) => ("Cycle", index),
        };
        f.debug_tuple(name).field(field).finish()
    }
}

macro_rules! from_small_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(integer: $integer) -> Self {
                Self::Integer(integer.into())
            }
        }
    )*};
}
from_small_integers!(i8, i16, u8, u16);

impl From<i32> for Value {
    fn from(integer: i32) -> Self {
        match integer {
            Self::MIN_INTEGER..=Self::MAX_INTEGER => Self::Integer(integer),
            _ => Self::Double(integer.into()),
        }
    }
}

impl From<u32> for Value {
    fn from(integer: u32) -> Self {
        i32::try_from(integer).map_or_else(|_| Self::Double(integer.into()), Self::from)
    }
}

impl From<f64> for Value {
    fn from(double: f64) -> Self {
        Self::Double(double)
    }
}

impl From<f32> for Value {
    fn from(double: f32) -> Self {
        Self::Double(double.into())
    }
}

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

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::ByteArray(bytes)
    }
}

impl From<Vec<Self>> for Value {
    fn from(elements: Vec<Self>) -> Self {
        Array::from(elements).into()
    }
}

macro_rules! from_containers {
    ($($variant:ident($container:ty)),*) => {$(
        impl From<$container> for Value {
            fn from(container: $container) -> Self {
                Self::$variant(Arc::new(container))
            }
        }
    )*};
}
from_containers!(
    Array(Array),
    Object(Object),
    Externalizable(Externalizable),
    VectorInt(Vector<i32>),
    VectorUint(Vector<u32>),
    VectorDouble(Vector<f64>),
    VectorObject(ObjectVector),
    Dictionary(Dictionary)
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value moves through vectors and results, so its size is part of the cost of decoding.
    #[test]
    fn a_value_is_small() {
        assert!(size_of::<Value>() <= 40, "{}", size_of::<Value>());
    }

    #[test]
    fn integers_beyond_29_bits_become_doubles() {
        assert_eq!(Value::from(268_435_455), Value::Integer(268_435_455));
        assert_eq!(Value::from(-268_435_456), Value::Integer(-268_435_456));
        assert_eq!(Value::from(268_435_456), Value::Double(268_435_456.0));
        assert_eq!(Value::from(-268_435_457), Value::Double(-268_435_457.0));
        assert_eq!(Value::from(u32::MAX), Value::Double(4_294_967_295.0));
    }

    #[test]
    fn both_kinds_of_number_are_numbers() {
        assert_eq!(
            (Value::from(7).as_number(), Value::from(7.5).as_number()),
            (Some(7.0), Some(7.5))
        );
        assert_eq!(
            (Value::from(7.0).to_u32(), Value::from(-7).to_u32()),
            (Some(7), None)
        );
        assert_eq!(
            (Value::from("12").to_u32(), Value::from(true).to_number()),
            (Some(12), Some(1.0))
        );
        assert_eq!(
            (Value::from(0).to_boolean(), Value::from(f64::NAN).to_boolean()),
            (Some(false), Some(false))
        );
        assert_eq!(
            (Value::Null.to_number(), Value::from("x").to_boolean()),
            (None, None)
        );
    }

    #[test]
    fn properties_are_found_in_objects_and_arrays() {
        let properties = Properties::new().with("a", 1);
        let array = Value::from(Array::from(properties.clone()));
        let object = Value::from(Object::from(properties));
        assert_eq!(
            (array.get("a"), object.get("a")),
            (Some(&1.into()), Some(&1.into()))
        );
        assert_eq!((array.get("b"), Value::Null.get("a")), (None, None));
        assert_eq!((array.as_array(), object.as_array()), (Some(&[][..]), None));
    }

    #[test]
    fn debug_cuts_what_is_long() {
        let bytes = Value::from(Bytes::from_static(b"\x00a"));
        assert_eq!(format!("{bytes:?}"), r#"ByteArray("\0a")"#);
        let long = Value::from(Bytes::from(vec![b'x'; 1 << 20]));
        assert!(format!("{long:?}").ends_with(r#"x"... (1048576 bytes))"#));

        let numbers = |len: i32| Value::from(Vector::from((0..len).collect::<Vec<_>>()));
        assert_eq!(
            format!("{:?}", numbers(2)),
            "VectorInt(Vector { fixed: false, len: 2, elements: [0, 1] })"
        );
        assert!(format!("{:?}", numbers(1 << 20)).ends_with(", 63], .. })"));
    }

    #[test]
    fn a_clone_is_the_same_and_an_equal_value_is_not() {
        let array = Value::from(vec![Value::Null]);
        assert!(array.is_same(&array.clone()) && !array.is_same(&vec![Value::Null].into()));
        let bytes = Value::from(Bytes::from_static(b"abc"));
        assert!(bytes.is_same(&bytes.clone()) && !bytes.is_same(&Bytes::copy_from_slice(b"abc").into()));
        assert!(!Value::Null.is_same(&Value::Null));
    }
}
