//! AMF0 and AMF3, the Action Message Format of RTMP commands and FLV metadata: ordered, lossless, bounded.
//!
//! RTMP peers talk in lists of values: a `connect` command is the string `"connect"`, a number, and an object; stream
//! metadata is the string `"onMetaData"` and an associative array. This crate turns such lists into [`amf0::Value`]s
//! and back; where peers switch to AMF3 in them, into [`amf3::Value`]s. It does no I/O and knows nothing about RTMP.
//!
//! ```
//! use bytes::BytesMut;
//! use rtmp_amf::amf0::{self, Object, Value};
//!
//! let connect = [
//!     "connect".into(),
//!     1.into(),
//!     Object::new().with("app", "live").with("tcUrl", "rtmp://example.com/live").into(),
//! ];
//! let mut body = BytesMut::new();
//! amf0::encode_all(&connect, &mut body)?;
//!
//! let values = amf0::decode_all(body.freeze())?;
//! assert_eq!(values, connect);
//! let app = values[2].as_object().and_then(|object| object.get("app")).and_then(Value::as_str);
//! assert_eq!(app, Some("live"));
//! # Ok::<(), rtmp_amf::Amf0Error>(())
//! ```
//!
//! # Nothing is lost
//!
//! A relay must be able to pass on what it does not understand. So every form that the wire has is a form of its own
//! here: an [`Object`] is a list that keeps order and repeated keys, an [`AmfString`] is bytes that may fail to be
//! UTF-8, null is not undefined, a long string is not a short one. Decoding and encoding gives the same bytes, with
//! a few exceptions that are listed for [AMF0](amf0#what-comes-back-unchanged) and
//! [AMF3](amf3#what-comes-back-unchanged).
//!
//! Peers are also careless about which form they use, and readers should not have to be. The accessors of
//! [`Value`](amf0::Value) come in two kinds: `as_*` gives what is there (objects, ECMA arrays and typed objects alike
//! have properties), `to_*` converts as well, with checked ranges.
//!
//! | sent where | is also sent | read it with |
//! |---|---|---|
//! | a number is due | a boolean, `"123"`, NaN, infinity | [`to_number`](amf0::Value::to_number), [`to_u32`](amf0::Value::to_u32) |
//! | a boolean is due | a number | [`to_boolean`](amf0::Value::to_boolean) |
//! | an object is due | an ECMA array, a typed object | [`as_object`](amf0::Value::as_object) |
//! | a string is due | a long string, Latin-1 | [`as_string`](amf0::Value::as_string), [`as_str`](amf0::Value::as_str) |
//! | null is due | undefined | [`is_null_or_undefined`](amf0::Value::is_null_or_undefined) |
//! | a key is `tcUrl` | `tcurl` | [`get_ignore_case`](Object::get_ignore_case) |
//! | an array's count is due | 0, a constant | nothing to do: the end marker decides |
//! | an object's end is due | the end of the message | nothing to do; [`strict`](amf0::Decoder::strict) refuses it |
//!
//! # Nothing is trusted
//!
//! No input makes the decoder panic, recurse without bound or allocate for what is not there; work is linear in the
//! input. [`Limits`] bounds what is there:
//!
//! | limit | default | error |
//! |---|---|---|
//! | [`max_depth`](Limits::max_depth), containers inside one another | 32, at most 256 | [`TooDeep`](Amf0Error::TooDeep) |
//! | [`max_values`](Limits::max_values), in one list, nested ones included | 65,536 | [`TooManyValues`](Amf0Error::TooManyValues) |
//! | [`max_expanded_len`](Limits::max_expanded_len), bytes that AMF3 references stand for | 16 MiB | [`TooLong`](Amf3Error::TooLong) |
//!
//! No cycle can be built and no small message unfolds into a large tree: references of AMF0 stay references
//! ([`Value::Reference`](amf0::Value::Reference)), those of AMF3 share what they refer to and
//! [count](amf3#references) as if they had been written out. Strings are escaped when they are printed.
//!
//! # Rust types
//!
//! With the feature `serde`, types that implement `Serialize` and `Deserialize` become values and are made from them:
//! `to_value` and `from_value`, for whole lists `to_values` and `from_values`, for bytes `to_bytes` and `from_bytes`,
//! in [`amf0`] and in [`amf3`]. A list is a tuple or another sequence. Errors (`SerdeError`) say where in the type.
//!
//! | Rust | AMF0 | AMF3 | is also read from |
//! |---|---|---|---|
//! | `bool` | boolean | false, true | a number |
//! | integers, up to ±2^53; beyond is an error | number | integer, or double if it has more than 29 bits | a double without fraction, a boolean, a decimal string |
//! | `f32`, `f64` | number | double | an integer, a boolean, a decimal string |
//! | `char`, `str`, `String` | string | string | a long string, XML; what is not UTF-8 becomes U+FFFD |
//! | bytes | string | byte array | the other one of the two |
//! | `None`, `()`, unit struct | null | null | undefined, unsupported |
//! | `Some(T)`, newtype struct | like what is in it | like what is in it | |
//! | sequence, tuple, tuple struct | strict array | array | a vector; a Flex collection |
//! | struct, map (keys are text or integers) | object | anonymous object | ECMA array, typed object; array with names, dictionary |
//! | `EcmaArray` of a struct or map | ECMA array | array with names only | like a struct or map |
//! | `Date` | date, UTC | date | a number |
//! | enum variant without data | string, its name | string, its name | |
//! | other enum variant | object with one property, its name | object with one property, its name | |
//! | [`amf0::Value`], [`amf3::Value`], [`Object`], [`AmfString`] | what they are, in its simplest form | what they are, in its simplest form | |
//!
//! Fields that the type does not have are ignored, and of equal keys the last one wins. The values of a list that are
//! missing at its end are null, and those that a tuple does not ask for are ignored. References, cycles and the bodies
//! of other externalizable classes are errors where the type asks for them.
//!
//! # Specification
//!
//! "Action Message Format -- AMF 0", Adobe, 2007:
//!
//! | section | type | marker | here |
//! |---|---|---|---|
//! | 2.2 | number | 00 | [`Number`](amf0::Value::Number) |
//! | 2.3 | boolean | 01 | [`Boolean`](amf0::Value::Boolean) |
//! | 2.4 | string | 02 | [`String`](amf0::Value::String) |
//! | 2.5 | object | 03 | [`Object`](amf0::Value::Object) |
//! | 2.6 | movie clip | 04 | reserved: [`UnknownMarker`](Amf0Error::UnknownMarker) |
//! | 2.7 | null | 05 | [`Null`](amf0::Value::Null) |
//! | 2.8 | undefined | 06 | [`Undefined`](amf0::Value::Undefined) |
//! | 2.9 | reference | 07 | [`Reference`](amf0::Value::Reference), index checked, not followed |
//! | 2.10 | ECMA array | 08 | [`EcmaArray`](amf0::Value::EcmaArray) |
//! | 2.11 | object end | 09 | ends the properties of objects and ECMA arrays |
//! | 2.12 | strict array | 0A | [`StrictArray`](amf0::Value::StrictArray) |
//! | 2.13 | date | 0B | [`Date`](amf0::Value::Date) |
//! | 2.14 | long string | 0C | [`LongString`](amf0::Value::LongString) |
//! | 2.15 | unsupported | 0D | [`Unsupported`](amf0::Value::Unsupported) |
//! | 2.16 | record set | 0E | reserved: [`UnknownMarker`](Amf0Error::UnknownMarker) |
//! | 2.17 | XML document | 0F | [`XmlDocument`](amf0::Value::XmlDocument), text not parsed |
//! | 2.18 | typed object | 10 | [`TypedObject`](amf0::Value::TypedObject) |
//! | 3.1 | AVM+ (AMF3) | 11 | [`Amf3`](amf0::Value::Amf3), one value |
//! | 4 | remoting packets | | not used by RTMP, not here |
//!
//! "Action Message Format -- AMF 3", Adobe, 2013:
//!
//! | section | type | marker | here |
//! |---|---|---|---|
//! | 1.3.1 | U29 | | also in longer forms than needed |
//! | 2.2 | references | | [followed and shared](amf3#references), written on [request](amf3::Encoder::with_references) |
//! | 3.2 | undefined | 00 | [`Undefined`](amf3::Value::Undefined) |
//! | 3.3 | null | 01 | [`Null`](amf3::Value::Null) |
//! | 3.4, 3.5 | false, true | 02, 03 | [`Boolean`](amf3::Value::Boolean) |
//! | 3.6 | integer | 04 | [`Integer`](amf3::Value::Integer) |
//! | 3.7 | double | 05 | [`Double`](amf3::Value::Double) |
//! | 3.8 | string | 06 | [`String`](amf3::Value::String) |
//! | 3.9 | XML document | 07 | [`XmlDocument`](amf3::Value::XmlDocument), text not parsed |
//! | 3.10 | date | 08 | [`Date`](amf3::Value::Date) |
//! | 3.11 | array | 09 | [`Array`](amf3::Value::Array) |
//! | 3.12 | object | 0A | [`Object`](amf3::Value::Object); [`Externalizable`](amf3::Value::Externalizable) for known [`Classes`](amf3::Classes) |
//! | 3.13 | XML | 0B | [`Xml`](amf3::Value::Xml), text not parsed |
//! | 3.14 | byte array | 0C | [`ByteArray`](amf3::Value::ByteArray) |
//! | 3.15 | vectors | 0D to 10 | [`VectorInt`](amf3::Value::VectorInt), [`VectorUint`](amf3::Value::VectorUint), [`VectorDouble`](amf3::Value::VectorDouble), [`VectorObject`](amf3::Value::VectorObject) |
//! | 3.16 | dictionary | 11 | [`Dictionary`](amf3::Value::Dictionary) |
//! | 4 | packets, remoting | | [`strip_format`](amf3::strip_format) for RTMP; remoting is not used by it, not here |

// Nothing that comes from outside may panic, nor make a number wrap.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod amf0;
pub mod amf3;
mod error;
mod limits;
mod number;
mod object;
mod string;
#[cfg(feature = "serde")]
mod typed;

pub use error::{Amf0Error, Amf3Error};
pub use limits::Limits;
pub use object::{Iter, Object};
pub use string::AmfString;
#[cfg(feature = "serde")]
pub use typed::{Date, EcmaArray, SerdeError, SerdeErrorKind};

#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../README.md")]
struct Readme;
