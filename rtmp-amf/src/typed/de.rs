//! Values to Rust types.

use std::collections::HashSet;
use std::slice;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::{MAX_EXACT, SerdeError, SerdeErrorKind};
use crate::{AmfString, amf0, amf3};

/// Something that a Rust type can be made from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'de> {
    Amf0(&'de amf0::Value),
    Amf3(&'de amf3::Value),
    /// The values of a message: what is missing at the end is null, what is too much is ignored.
    Amf0List(&'de [amf0::Value]),
    Amf3List(&'de [amf3::Value]),
    /// An element of a vector.
    Number(f64),
    /// A key.
    Text(&'de AmfString),
}

/// What the forms of both formats come to.
enum Content<'de> {
    Null,
    Boolean(bool),
    Number(f64),
    Text(&'de AmfString),
    Bytes(&'de [u8]),
    Sequence(Elements<'de>),
    Map(Entries<'de>),
}

impl<'de> Node<'de> {
    fn content(self) -> Result<Content<'de>, SerdeError> {
        use {amf0::Value as V0, amf3::Value as V3};
        Ok(match self {
            Self::Amf0(value) => match value {
                V0::Number(number) => Content::Number(*number),
                V0::Boolean(boolean) => Content::Boolean(*boolean),
                V0::String(text) | V0::LongString(text) | V0::XmlDocument(text) => Content::Text(text),
                V0::Null | V0::Undefined | V0::Unsupported => Content::Null,
                V0::Object(properties) | V0::EcmaArray(properties) => {
                    Content::Map(Entries::of_amf0(properties))
                }
                V0::TypedObject(object) => Content::Map(Entries::of_amf0(&object.properties)),
                V0::StrictArray(elements) => Content::Sequence(Elements::Amf0(elements.iter())),
                V0::Date { millis, .. } => Content::Number(*millis),
                V0::Amf3(value) => return Self::Amf3(value).content(),
                V0::Reference(_) => return Err(SerdeErrorKind::NoCounterpart("a reference").into()),
            },
            Self::Amf3(value) => match value {
                V3::Undefined | V3::Null => Content::Null,
                V3::Boolean(boolean) => Content::Boolean(*boolean),
                V3::Integer(integer) => Content::Number((*integer).into()),
                V3::Double(number) | V3::Date(number) => Content::Number(*number),
                V3::String(text) | V3::XmlDocument(text) | V3::Xml(text) => Content::Text(text),
                V3::Array(array) if array.properties.is_empty() => {
                    Content::Sequence(Elements::Amf3(array.elements.iter()))
                }
                V3::Array(array) => Content::Map(Entries::of_array(array)),
                V3::Object(object) => Content::Map(Entries::of_amf3(object.iter())),
                V3::Externalizable(object) => match object.inner() {
                    Some(inner) => return Self::Amf3(inner).content(),
                    None => {
                        return Err(SerdeErrorKind::NoCounterpart("an externalizable object").into());
                    }
                },
                V3::ByteArray(bytes) => Content::Bytes(bytes),
                V3::VectorInt(vector) => Content::Sequence(Elements::Int(vector.elements.iter())),
                V3::VectorUint(vector) => Content::Sequence(Elements::Uint(vector.elements.iter())),
                V3::VectorDouble(vector) => Content::Sequence(Elements::Double(vector.elements.iter())),
                V3::VectorObject(vector) => Content::Sequence(Elements::Amf3(vector.elements.iter())),
                V3::Dictionary(dictionary) => Content::Map(Entries::of_dictionary(dictionary)),
                V3::Cycle(_) => return Err(SerdeErrorKind::NoCounterpart("a cycle").into()),
            },
            Self::Amf0List(values) => Content::Sequence(Elements::Amf0(values.iter())),
            Self::Amf3List(values) => Content::Sequence(Elements::Amf3(values.iter())),
            Self::Number(number) => Content::Number(number),
            Self::Text(text) => Content::Text(text),
        })
    }

    /// A number, also from what is sent instead.
    fn number(self) -> Option<f64> {
        match self {
            Self::Amf0(value) => value.to_number(),
            Self::Amf3(value) => value.to_number(),
            Self::Number(number) => Some(number),
            Self::Text(text) => crate::number::decimal(text),
            Self::Amf0List(_) | Self::Amf3List(_) => None,
        }
    }

    fn boolean(self) -> Option<bool> {
        match self {
            Self::Amf0(value) => value.to_boolean(),
            Self::Amf3(value) => value.to_boolean(),
            _ => None,
        }
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.number() {
            Some(number) => match whole(number) {
                Some(integer) => visit_integer(integer, visitor),
                None => Err(SerdeErrorKind::NotAnInteger(number).into()),
            },
            None => self.deserialize_any(visitor),
        }
    }

    const fn is_list(self) -> bool {
        matches!(self, Self::Amf0List(_) | Self::Amf3List(_))
    }

    fn tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, SerdeError> {
        match self.content()? {
            Content::Sequence(elements) if self.is_list() => visitor.visit_seq(Sequence {
                missing: len.saturating_sub(elements.len()),
                elements,
                index: 0,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self {
            // An array without names may be an object without properties.
            Self::Amf3(amf3::Value::Array(array)) => visitor.visit_map(Entries::of_array(array)),
            _ => self.deserialize_any(visitor),
        }
    }
}

/// A number as an integer, if that changes nothing.
fn whole(number: f64) -> Option<i64> {
    let is_exact = number.fract() == 0.0 && number.abs() <= MAX_EXACT as f64;
    is_exact.then_some(number as i64)
}

/// Types choose their range by the sign.
fn visit_integer<'de, V: Visitor<'de>>(integer: i64, visitor: V) -> Result<V::Value, SerdeError> {
    match u64::try_from(integer) {
        Ok(natural) => visitor.visit_u64(natural),
        Err(_) => visitor.visit_i64(integer),
    }
}

macro_rules! deserialize_integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            self.integer(visitor)
        }
    )*};
}

macro_rules! deserialize_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            match self.number() {
                Some(number) => visitor.visit_f64(number),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! deserialize_texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            match self.content()? {
                Content::Text(text) => match text.to_str() {
                    Some(text) => visitor.visit_borrowed_str(text),
                    None => visitor.visit_string(text.to_string_lossy().into_owned()),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! deserialize_bytes {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            match self.content()? {
                Content::Text(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.content()? {
            Content::Null => visitor.visit_unit(),
            Content::Boolean(boolean) => visitor.visit_bool(boolean),
            // Whoever buffers values has only this to tell integers by; the sign of zero is one.
            Content::Number(number) => match whole(number) {
                Some(integer) if integer != 0 || number.is_sign_positive() => visit_integer(integer, visitor),
                _ => visitor.visit_f64(number),
            },
            Content::Text(text) => match text.to_str() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => visitor.visit_borrowed_bytes(text.as_bytes()),
            },
            Content::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Content::Sequence(elements) => {
                let len = elements.len();
                let mut sequence = Sequence {
                    elements,
                    missing: 0,
                    index: 0,
                };
                let value = visitor.visit_seq(&mut sequence)?;
                if sequence.elements.len() > 0 && !self.is_list() {
                    return Err(de::Error::invalid_length(len, &"fewer elements"));
                }
                Ok(value)
            }
            Content::Map(entries) => visitor.visit_map(entries),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.boolean() {
            Some(boolean) => visitor.visit_bool(boolean),
            None => self.deserialize_any(visitor),
        }
    }

    deserialize_integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    deserialize_numbers! { deserialize_f32 deserialize_f64 }

    deserialize_texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    deserialize_bytes! { deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.content()? {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, SerdeError> {
        self.tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.content()? {
            Content::Text(text) => visitor.visit_enum(text.to_string_lossy().into_deserializer()),
            Content::Map(mut entries) => match (entries.entries.next(), entries.entries.next()) {
                (Some((name, value)), None) => visitor.visit_enum(Variant { name, value }),
                _ => Err(de::Error::custom(
                    "an enum is text or an object with one property",
                )),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit unit_struct seq }
}

/// Elements of any kind of array.
#[derive(Debug, Clone)]
enum Elements<'de> {
    Amf0(slice::Iter<'de, amf0::Value>),
    Amf3(slice::Iter<'de, amf3::Value>),
    Int(slice::Iter<'de, i32>),
    Uint(slice::Iter<'de, u32>),
    Double(slice::Iter<'de, f64>),
}

impl<'de> Elements<'de> {
    fn len(&self) -> usize {
        match self {
            Self::Amf0(elements) => elements.len(),
            Self::Amf3(elements) => elements.len(),
            Self::Int(elements) => elements.len(),
            Self::Uint(elements) => elements.len(),
            Self::Double(elements) => elements.len(),
        }
    }

    fn next(&mut self) -> Option<Node<'de>> {
        match self {
            Self::Amf0(elements) => elements.next().map(Node::Amf0),
            Self::Amf3(elements) => elements.next().map(Node::Amf3),
            Self::Int(elements) => elements.next().map(|number| Node::Number((*number).into())),
            Self::Uint(elements) => elements.next().map(|number| Node::Number((*number).into())),
            Self::Double(elements) => elements.next().map(|number| Node::Number(*number)),
        }
    }
}

struct Sequence<'de> {
    elements: Elements<'de>,
    /// How many nulls follow.
    missing: usize,
    index: usize,
}

impl<'de> SeqAccess<'de> for Sequence<'de> {
    type Error = SerdeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, SerdeError> {
        let node = match self.elements.next() {
            Some(node) => node,
            None => match self.missing.checked_sub(1) {
                Some(left) => {
                    self.missing = left;
                    Node::Amf0(&amf0::Value::Null)
                }
                None => return Ok(None),
            },
        };
        let index = self.index;
        self.index = index.saturating_add(1);
        seed.deserialize(node)
            .map(Some)
            .map_err(|error| error.in_element(index))
    }

    fn size_hint(&self) -> Option<usize> {
        self.elements.len().checked_add(self.missing)
    }
}

/// The name of an entry.
#[derive(Debug, Clone)]
enum Key<'de> {
    Node(Node<'de>),
    /// Of an element of an array that has names too.
    Index(usize),
}

impl<'de> Key<'de> {
    fn deserialize<T: DeserializeSeed<'de>>(&self, seed: T) -> Result<T::Value, SerdeError> {
        match self {
            Self::Node(node) => seed.deserialize(*node),
            Self::Index(index) => seed.deserialize(index.to_string().into_deserializer()),
        }
    }

    fn locate(&self, error: SerdeError) -> SerdeError {
        match self {
            Self::Node(Node::Text(key)) => error.in_key(*key),
            Self::Node(_) => error.in_key("(key)"),
            Self::Index(index) => error.in_element(*index),
        }
    }
}

/// Entries of anything with names; of equal names only the last is there.
struct Entries<'de> {
    entries: std::vec::IntoIter<(Key<'de>, Node<'de>)>,
    value: Option<(Key<'de>, Node<'de>)>,
}

impl<'de> Entries<'de> {
    fn new(entries: Vec<(Key<'de>, Node<'de>)>) -> Self {
        Self {
            entries: entries.into_iter(),
            value: None,
        }
    }

    fn of_amf0(properties: &'de amf0::Object) -> Self {
        Self::new(last_of_each(
            properties.iter().map(|(key, value)| (key, Node::Amf0(value))),
        ))
    }

    fn of_amf3(properties: impl DoubleEndedIterator<Item = (&'de AmfString, &'de amf3::Value)>) -> Self {
        Self::new(last_of_each(
            properties.map(|(key, value)| (key, Node::Amf3(value))),
        ))
    }

    fn of_array(array: &'de amf3::Array) -> Self {
        let named = array
            .properties
            .iter()
            .map(|(key, value)| (key, Node::Amf3(value)));
        let mut entries = last_of_each(named);
        let counted = array.elements.iter().enumerate();
        entries.extend(counted.map(|(index, value)| (Key::Index(index), Node::Amf3(value))));
        Self::new(entries)
    }

    fn of_dictionary(dictionary: &'de amf3::Dictionary) -> Self {
        let key = |key: &'de amf3::Value| match key {
            amf3::Value::String(text) => Key::Node(Node::Text(text)),
            key => Key::Node(Node::Amf3(key)),
        };
        let entries = dictionary.entries.iter();
        Self::new(entries.map(|(k, value)| (key(k), Node::Amf3(value))).collect())
    }
}

fn last_of_each<'de>(
    entries: impl DoubleEndedIterator<Item = (&'de AmfString, Node<'de>)>,
) -> Vec<(Key<'de>, Node<'de>)> {
    let mut seen = HashSet::new();
    let mut entries: Vec<_> = entries
        .rev()
        .filter(|(key, _)| seen.insert(*key))
        .map(|(key, value)| (Key::Node(Node::Text(key)), value))
        .collect();
    entries.reverse();
    entries
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = SerdeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, SerdeError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some((key.clone(), value));
        let read = key.deserialize(seed).map_err(|error| key.locate(error))?;
        Ok(Some(read))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, SerdeError> {
        let (key, value) = self
            .value
            .take()
            .ok_or_else(|| -> SerdeError { de::Error::custom("value asked for before its key") })?;
        seed.deserialize(value).map_err(|error| key.locate(error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// An enum's variant that is not a mere name.
struct Variant<'de> {
    name: Key<'de>,
    value: Node<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = SerdeError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), SerdeError> {
        Ok((self.name.deserialize(seed)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<(), SerdeError> {
        de::Deserialize::deserialize(self.value).map_err(|error| self.name.locate(error))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, SerdeError> {
        seed.deserialize(self.value)
            .map_err(|error| self.name.locate(error))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, SerdeError> {
        self.value
            .tuple(len, visitor)
            .map_err(|error| self.name.locate(error))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.value.map(visitor).map_err(|error| self.name.locate(error))
    }
}
