//! Rust types as AMF0 and back.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

use super::value::Value;
use super::{decode_all, encode_all};
use crate::SerdeError;
use crate::typed::{self, Node};

/// A value from whatever can be serialized; see the [table](crate#rust-types). Feature `serde`.
///
/// # Errors
///
/// [`SerdeError`] for what AMF0 cannot express: integers beyond ±2^53, keys that are not text.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, SerdeError> {
    typed::to_value(value)
}

/// Whatever can be deserialized from a value; see the [table](crate#rust-types). Text can be borrowed from it. Feature
/// `serde`.
///
/// # Errors
///
/// [`SerdeError`] for a value that does not suit the type.
pub fn from_value<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, SerdeError> {
    T::deserialize(Node::Amf0(value))
}

/// A value list from a tuple, array or other sequence, none from `()`. Feature `serde`.
///
/// # Errors
///
/// [`SerdeError`]; of the kind [`NotAList`](crate::SerdeErrorKind::NotAList) for anything else.
pub fn to_values<T: Serialize + ?Sized>(list: &T) -> Result<Vec<Value>, SerdeError> {
    typed::to_list(list)
}

/// A tuple, array or other sequence from a value list. For a tuple, values that are missing at the end are null and
/// those behind the last one are ignored, as with the arguments of a command. Feature `serde`.
///
/// # Errors
///
/// [`SerdeError`] for values that do not suit the type.
pub fn from_values<'de, T: Deserialize<'de>>(values: &'de [Value]) -> Result<T, SerdeError> {
    T::deserialize(Node::Amf0List(values))
}

/// [`to_values`] and [`encode_all`]: the body of a command or data message. Feature `serde`.
///
/// ```
/// use rtmp_amf::{EcmaArray, SerdeError, amf0};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// #[serde(rename_all = "camelCase")]
/// struct Metadata {
///     width: u32,
///     height: u32,
///     frame_rate: Option<f64>,
/// }
///
/// let metadata = Metadata { width: 1920, height: 1080, frame_rate: Some(29.97) };
/// let body = amf0::to_bytes(&("onMetaData", EcmaArray(&metadata)))?;
/// let (name, read): (String, Metadata) = amf0::from_bytes(body)?;
/// assert_eq!((name.as_str(), read), ("onMetaData", metadata));
/// # Ok::<(), SerdeError>(())
/// ```
///
/// # Errors
///
/// Those of both.
pub fn to_bytes<T: Serialize + ?Sized>(list: &T) -> Result<Bytes, SerdeError> {
    let mut out = BytesMut::new();
    encode_all(&to_values(list)?, &mut out)?;
    Ok(out.freeze())
}

/// [`decode_all`] and [`from_values`]. Feature `serde`.
///
/// # Errors
///
/// Those of both.
pub fn from_bytes<T: DeserializeOwned>(input: Bytes) -> Result<T, SerdeError> {
    from_values(&decode_all(input)?)
}
