//! What can be wrong with AMF bytes, or with a value that is to become AMF bytes.

use thiserror::Error;

/// Why AMF0 could not be decoded or encoded. Offsets are bytes from the start of the decoder's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Amf0Error {
    /// The input ends inside a value: at `offset` at least `needed` bytes had to follow and `available` did.
    #[error("input ends early: {needed} bytes needed at offset {offset}, {available} available")]
    UnexpectedEnd {
        /// Where the missing bytes should begin.
        offset: usize,
        /// How many bytes the value declares or must have there.
        needed: usize,
        /// How many bytes there are.
        available: usize,
    },
    /// A marker that no value has (movie clip 04, object end 09, record set 0E and 12..=FF), or AMF3 (11) inside a
    /// container, where its end cannot be told.
    #[error("unknown marker {marker:#04x} at offset {offset}")]
    UnknownMarker {
        /// The marker.
        marker: u8,
        /// Where it stands.
        offset: usize,
    },
    /// More containers inside one another than [`Limits::depth`](crate::Limits::depth); decoding and encoding.
    #[error("more than {limit} nested containers")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More values than [`Limits::values`](crate::Limits::values).
    #[error("more than {limit} values")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// A reference (AMF0 section 2.9) to an object that has not been met yet.
    #[error("reference to object {index} at offset {offset}, only {len} were met")]
    BadReference {
        /// The index the reference carries.
        index: u16,
        /// How many objects and arrays came before it.
        len: usize,
        /// Where the reference's marker stands.
        offset: usize,
    },
    /// Encoding: a key or class name of more than 65,535 bytes; AMF0 has no long form for them.
    #[error("name of {len} bytes, at most 65535 can be encoded")]
    NameTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Encoding: a string or XML document of more than 4,294,967,295 bytes.
    #[error("string of {len} bytes, at most 4294967295 can be encoded")]
    StringTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Encoding: an array of more than 4,294,967,295 elements.
    #[error("array of {len} elements, at most 4294967295 can be encoded")]
    ArrayTooLong {
        /// Its number of elements.
        len: usize,
    },
}
