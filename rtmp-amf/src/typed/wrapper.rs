//! Types for the forms that Rust types do not have.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A date: milliseconds since 1970-01-01 00:00 UTC, for fields that are to be sent as a date.
///
/// Read, it is also what a plain number says. In formats other than AMF it is a number.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Date(pub f64);

/// Properties that are to be sent as an ECMA array instead of an object, as `onMetaData` has them.
///
/// Goes around a struct or a map; read, an object will do as well. In formats other than AMF it does nothing.
///
/// ```
/// use rtmp_amf::{EcmaArray, amf0};
///
/// #[derive(serde::Serialize)]
/// struct Metadata {
///     width: u32,
/// }
/// let value = amf0::to_value(&EcmaArray(Metadata { width: 1920 }))?;
/// assert_eq!(value, amf0::Value::EcmaArray(amf0::Object::new().with("width", 1920)));
/// # Ok::<(), rtmp_amf::SerdeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EcmaArray<T>(pub T);

/// The serializer knows the wrappers by names that no other type has.
pub(super) const DATE: &str = "$rtmp_amf::Date";
pub(super) const ECMA_ARRAY: &str = "$rtmp_amf::EcmaArray";

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(DATE, &self.0)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

impl<T: Serialize> Serialize for EcmaArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(ECMA_ARRAY, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for EcmaArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}
