//! Action Message Format, second version: "Action Message Format -- AMF 3", Adobe, 2013.
//!
//! RTMP knows AMF3 only inside AMF0: the marker 11 says that one AMF3 value follows, see
//! [`amf0::Value::Amf3`](crate::amf0::Value::Amf3). [`decode_all`] and [`encode_all`] convert lists of bare AMF3
//! values, [`Decoder`] and [`Encoder`] go value by value.
//!
//! # References
//!
//! AMF3 sends a string, an object or the traits of a class once and refers to it by a number afterwards. The decoder
//! puts what was meant in the place of each reference, without copying: strings and containers are shared, see
//! [`Value`]. So readers need not know about references at all. A short message could still mean a very long one, so
//! what references stand for is charged against the [`Limits`](crate::Limits) as if it had been written out: number
//! of values, depth, and length in bytes ([`max_expanded_len`](crate::Limits::max_expanded_len)). Whatever was decoded
//! can be walked through, printed and written without references at a cost that the limits bound.
//!
//! A reference to a container from within has no such form; it becomes [`Value::Cycle`].
//!
//! The encoder writes no references, because readers disagree about where the tables begin: with the message, as the
//! specification says, or with each value. Without references that makes no difference.
//! [`Encoder::with_references`] is for those who know their peer.
//!
//! # What comes back unchanged
//!
//! Decoding and encoding with references gives the same bytes if they came from an encoder that refers to whatever it
//! can and writes no number longer than needed, as all known ones do. In detail: a string or an XML text is a
//! reference if it was written before, traits likewise, a date if one of the same time was, and another complex value
//! if it [is the same](Value::is_same). Flags are written as 0 or 1.
//!
//! Encoding and decoding again gives an equal value, except that a [`Value::Integer`] out of range comes back as
//! [`Value::Double`].
//!
//! # Messages of type 15, 16 and 17
//!
//! RTMP has a second set of message types for peers that speak AMF3 (`objectEncoding` 3). Their bodies are AMF0 all
//! the same, in which AMF3 values may stand, with a byte in front: [`FORMAT_AMF0`]. [`strip_format`] takes it away.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use rtmp_amf::{amf0, amf3};
//!
//! let mut body = BytesMut::from(&[amf3::FORMAT_AMF0][..]);
//! let profile = amf3::Object::new().with("bitrate", 2500);
//! amf0::encode_all(&["setProfile".into(), 0.into(), amf0::Value::Null, profile.into()], &mut body)?;
//!
//! let values = amf0::decode_all(amf3::strip_format(body.freeze()))?;
//! let bitrate = values[3].as_amf3().and_then(|profile| profile.get("bitrate"));
//! assert_eq!(bitrate.and_then(amf3::Value::to_u32), Some(2500));
//! # Ok::<(), rtmp_amf::Amf0Error>(())
//! ```

mod class;
mod container;
mod decode;
mod encode;
mod marker;
mod object;
mod reader;
mod tables;
#[cfg(feature = "serde")]
mod typed;
mod u29;
mod value;

use bytes::Bytes;

pub use crate::error::{Amf3Error, ReferenceKind};
pub use class::{ClassReader, Classes, Externalizable, Piece};
pub use container::{Array, Dictionary, ObjectVector, Vector};
pub use decode::{Decoder, decode_all};
pub(crate) use decode::{Progress, Source};
pub use encode::{Encoder, encode, encode_all};
pub(crate) use encode::{Writer, Written};
pub use object::{Object, Traits};
pub(crate) use tables::Sets;
#[cfg(feature = "serde")]
pub use typed::{from_bytes, from_value, from_values, to_bytes, to_value, to_values};
pub use value::{Properties, Value};

/// The byte that begins messages of type 15, 16 and 17: what follows is AMF0. No other format was ever defined.
pub const FORMAT_AMF0: u8 = 0;

/// The body of a message of type 15, 16 or 17 without the byte that says its format.
///
/// Some senders leave that byte out. A body that does not begin with it is returned as it is: what such a list begins
/// with, the name of a command or handler, has another marker.
#[must_use]
pub fn strip_format(body: Bytes) -> Bytes {
    match body.first() {
        Some(&FORMAT_AMF0) => body.slice(1..),
        _ => body,
    }
}
