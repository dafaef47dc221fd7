//! The crate's own values as parts of Rust types, and in other formats.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use super::format::Format;
use super::wrapper::{Date, EcmaArray};
use crate::{AmfString, Object, amf0, amf3};

/// Text if it is UTF-8, else bytes.
impl Serialize for AmfString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_bytes(self.as_bytes()),
        }
    }
}

/// From text or bytes.
impl<'de> Deserialize<'de> for AmfString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = AmfString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or bytes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<AmfString, E> {
                Ok(text.into())
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<AmfString, E> {
                Ok(bytes.into())
            }
        }

        deserializer.deserialize_bytes(Text)
    }
}

/// A map in order, repeated keys included.
impl<V: Serialize> Serialize for Object<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

/// From a map.
impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Properties<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Properties<V> {
            type Value = Object<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object<V>, A::Error> {
                let mut properties = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    properties.push(entry);
                }
                Ok(Object::from_properties(properties))
            }
        }

        deserializer.deserialize_map(Properties(PhantomData))
    }
}

/// In the simplest form that the other format has. Names of classes and the difference between null and undefined are
/// lost; references are refused.
impl Serialize for amf0::Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Boolean(boolean) => serializer.serialize_bool(*boolean),
            Self::String(text) | Self::LongString(text) | Self::XmlDocument(text) => {
                text.serialize(serializer)
            }
            Self::Object(properties) => properties.serialize(serializer),
            Self::TypedObject(object) => object.properties.serialize(serializer),
            Self::EcmaArray(properties) => EcmaArray(properties).serialize(serializer),
            Self::Null | Self::Undefined | Self::Unsupported => serializer.serialize_unit(),
            Self::StrictArray(elements) => elements.serialize(serializer),
            Self::Date { millis, .. } => Date(*millis).serialize(serializer),
            Self::Amf3(value) => value.serialize(serializer),
            Self::Reference(_) => Err(S::Error::custom("a reference has no counterpart")),
        }
    }
}

/// In the simplest form that the other format has. Names of classes, kinds of arrays and the difference between null
/// and undefined are lost; cycles and bodies that only their class understands are refused.
impl Serialize for amf3::Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Undefined | Self::Null => serializer.serialize_unit(),
            Self::Boolean(boolean) => serializer.serialize_bool(*boolean),
            Self::Integer(integer) => serializer.serialize_i32(*integer),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::String(text) | Self::XmlDocument(text) | Self::Xml(text) => text.serialize(serializer),
            Self::Date(millis) => Date(*millis).serialize(serializer),
            Self::Array(array) if array.properties.is_empty() => array.elements.serialize(serializer),
            Self::Array(array) => EcmaArray(Mixed(array)).serialize(serializer),
            Self::Object(object) => serializer.collect_map(object.iter()),
            Self::Externalizable(object) => match object.inner() {
                Some(inner) => inner.serialize(serializer),
                None => Err(S::Error::custom("an externalizable object has no counterpart")),
            },
            Self::ByteArray(bytes) => serializer.serialize_bytes(bytes),
            Self::VectorInt(vector) => vector.elements.serialize(serializer),
            Self::VectorUint(vector) => vector.elements.serialize(serializer),
            Self::VectorDouble(vector) => vector.elements.serialize(serializer),
            Self::VectorObject(vector) => vector.elements.serialize(serializer),
            Self::Dictionary(dictionary) => {
                serializer.collect_map(dictionary.entries.iter().map(|(key, value)| (key, value)))
            }
            Self::Cycle(_) => Err(S::Error::custom("a cycle has no counterpart")),
        }
    }
}

/// An array that has names too: elements have their index for a name.
struct Mixed<'a>(&'a amf3::Array);

impl Serialize for Mixed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.0.properties {
            map.serialize_entry(key, value)?;
        }
        for (index, value) in self.0.elements.iter().enumerate() {
            map.serialize_entry(&index, value)?;
        }
        map.end()
    }
}

/// From anything that says what it is.
impl<'de> Deserialize<'de> for amf0::Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

/// From anything that says what it is.
impl<'de> Deserialize<'de> for amf3::Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

struct ValueVisitor<V>(PhantomData<V>);

impl<'de, V: Format + Deserialize<'de>> Visitor<'de> for ValueVisitor<V> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<V, E> {
        Ok(V::boolean(boolean))
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<V, E> {
        if integer.unsigned_abs() > super::MAX_EXACT {
            return Err(E::invalid_value(
                de::Unexpected::Signed(integer),
                &"an integer within 2^53",
            ));
        }
        Ok(V::integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<V, E> {
        match i64::try_from(integer) {
            Ok(integer) => self.visit_i64(integer),
            Err(_) => Err(E::invalid_value(
                de::Unexpected::Unsigned(integer),
                &"an integer within 2^53",
            )),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<V, E> {
        Ok(V::number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<V, E> {
        Ok(V::string(text.into()))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<V, E> {
        Ok(V::bytes(bytes))
    }

    fn visit_unit<E: de::Error>(self) -> Result<V, E> {
        Ok(V::null())
    }

    fn visit_none<E: de::Error>(self) -> Result<V, E> {
        Ok(V::null())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V, D::Error> {
        V::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V, D::Error> {
        V::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<V, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            elements.push(element);
        }
        Ok(V::array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<V, A::Error> {
        let mut properties = Vec::new();
        while let Some(entry) = entries.next_entry::<AmfString, V>()? {
            properties.push(entry);
        }
        Ok(V::object(Object::from_properties(properties)))
    }
}
