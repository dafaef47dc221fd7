//! Action Message Format, first version: "Action Message Format -- AMF 0", Adobe, 2007.
//!
//! A value is a marker byte and a body; a value list, such as the body of an RTMP command, is values one behind the
//! other. [`decode_all`] and [`encode_all`] convert whole lists, [`Decoder`] and [`Encoder`] go value by value.
//!
//! # What comes back unchanged
//!
//! Decoding and encoding again gives the same bytes, except that
//!
//! - a boolean whose byte is neither 0 nor 1 is encoded as 1,
//! - an ECMA array is encoded with its true count, whatever count it came with,
//! - an object or ECMA array that the end of the input closed is encoded with its end marker,
//! - an AMF3 value is encoded without references, unless the encoder was told [otherwise](Encoder::with_references),
//!   and within [limits of its own](crate::amf3#what-comes-back-unchanged) then.
//!
//! A relay that must hand on the very bytes has them: [`Decoder::position`] before and after a value says which.
//!
//! Encoding and decoding again gives an equal value, except that a [`Value::String`] of more than 65,535 bytes comes
//! back as [`Value::LongString`].

mod decode;
mod encode;
mod marker;
mod tree;
#[cfg(feature = "serde")]
mod typed;
mod value;

pub use crate::Amf0Error;
pub use decode::{Decoder, decode_all};
pub use encode::{Encoder, encode, encode_all};
#[cfg(feature = "serde")]
pub use typed::{from_bytes, from_value, from_values, to_bytes, to_value, to_values};
pub use value::{Object, TypedObject, Value};
