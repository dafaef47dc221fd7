//! What the two formats have different forms for.

use bytes::Bytes;

use crate::{AmfString, Object, amf0, amf3};

/// A value that Rust types can become.
pub(crate) trait Format: Sized {
    fn null() -> Self;
    fn boolean(boolean: bool) -> Self;
    fn number(number: f64) -> Self;
    /// An integer that a double holds exactly.
    fn integer(integer: i64) -> Self;
    fn string(string: AmfString) -> Self;
    fn bytes(bytes: &[u8]) -> Self;
    fn date(millis: f64) -> Self;
    fn array(elements: Vec<Self>) -> Self;
    fn object(properties: Object<Self>) -> Self;
    fn ecma_array(properties: Object<Self>) -> Self;
    /// The number, if it is one.
    fn as_number(&self) -> Option<f64>;
    /// The properties of an object that [`object`](Self::object) made.
    fn into_properties(self) -> Option<Object<Self>>;
    /// The elements of an array that [`array`](Self::array) made, none for null.
    fn into_elements(self) -> Option<Vec<Self>>;
}

impl Format for amf0::Value {
    fn null() -> Self {
        Self::Null
    }

    fn boolean(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }

    fn number(number: f64) -> Self {
        Self::Number(number)
    }

    fn integer(integer: i64) -> Self {
        // Exact up to 2^53, and the serializer looks that it is.
        Self::Number(integer as f64)
    }

    fn string(string: AmfString) -> Self {
        Self::String(string)
    }

    /// AMF0 has no type for bytes, but its strings hold any.
    fn bytes(bytes: &[u8]) -> Self {
        Self::String(bytes.into())
    }

    fn date(millis: f64) -> Self {
        Self::Date { millis, time_zone: 0 }
    }

    fn array(elements: Vec<Self>) -> Self {
        Self::StrictArray(elements)
    }

    fn object(properties: Object<Self>) -> Self {
        Self::Object(properties)
    }

    fn ecma_array(properties: Object<Self>) -> Self {
        Self::EcmaArray(properties)
    }

    fn as_number(&self) -> Option<f64> {
        self.as_number()
    }

    fn into_properties(self) -> Option<Object<Self>> {
        self.into_object()
    }

    fn into_elements(self) -> Option<Vec<Self>> {
        match self {
            Self::StrictArray(elements) => Some(elements),
            Self::Null => Some(Vec::new()),
            _ => None,
        }
    }
}

impl Format for amf3::Value {
    fn null() -> Self {
        Self::Null
    }

    fn boolean(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }

    fn number(number: f64) -> Self {
        Self::Double(number)
    }

    fn integer(integer: i64) -> Self {
        // Exact up to 2^53, and the serializer looks that it is.
        i32::try_from(integer).map_or(Self::Double(integer as f64), Self::from)
    }

    fn string(string: AmfString) -> Self {
        Self::String(string)
    }

    fn bytes(bytes: &[u8]) -> Self {
        Self::ByteArray(Bytes::copy_from_slice(bytes))
    }

    fn date(millis: f64) -> Self {
        Self::Date(millis)
    }

    fn array(elements: Vec<Self>) -> Self {
        elements.into()
    }

    fn object(properties: Object<Self>) -> Self {
        amf3::Object::from(properties).into()
    }

    /// AMF3 has one kind of array, with an associative part.
    fn ecma_array(properties: Object<Self>) -> Self {
        amf3::Array::from(properties).into()
    }

    fn as_number(&self) -> Option<f64> {
        self.as_number()
    }

    fn into_properties(self) -> Option<Object<Self>> {
        match &self {
            Self::Object(object) => Some(object.dynamic().clone()),
            Self::Array(array) => Some(array.properties.clone()),
            _ => None,
        }
    }

    fn into_elements(self) -> Option<Vec<Self>> {
        match &self {
            Self::Array(array) => Some(array.elements.clone()),
            Self::Null => Some(Vec::new()),
            _ => None,
        }
    }
}
