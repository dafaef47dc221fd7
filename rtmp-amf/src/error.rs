//! What can be wrong with AMF bytes, or with a value that is to become AMF bytes.

use std::fmt;

use thiserror::Error;

use crate::AmfString;

/// Why AMF0 could not be decoded or encoded. Offsets are bytes from the start of the decoder's input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// A marker that no value has: movie clip 04, object end 09, record set 0E and 12..=FF.
    #[error("unknown marker {marker:#04x} at offset {offset}")]
    UnknownMarker {
        /// The marker.
        marker: u8,
        /// Where it stands.
        offset: usize,
    },
    /// More containers inside one another than [`Limits::max_depth`](crate::Limits::max_depth); decoding and encoding.
    #[error("{depth} containers inside one another, max_depth is {limit}")]
    TooDeep {
        /// The depth of the container that was refused; or, if a reference stands for it, of what is in it.
        depth: usize,
        /// The limit.
        limit: usize,
    },
    /// More values than [`Limits::max_values`](crate::Limits::max_values).
    #[error("{count} values, max_values is {limit}")]
    TooManyValues {
        /// How many there are at least.
        count: usize,
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
    /// An AMF3 value inside AMF0. Faults that AMF0 has a name for bear that name instead.
    #[error(transparent)]
    Amf3(Amf3Error),
}

impl From<Amf3Error> for Amf0Error {
    fn from(error: Amf3Error) -> Self {
        match error {
            Amf3Error::UnexpectedEnd {
                offset,
                needed,
                available,
            } => Self::UnexpectedEnd {
                offset,
                needed,
                available,
            },
            Amf3Error::TooDeep { depth, limit } => Self::TooDeep { depth, limit },
            Amf3Error::TooManyValues { count, limit } => Self::TooManyValues { count, limit },
            error => Self::Amf3(error),
        }
    }
}

/// Why AMF3 could not be decoded or encoded. Offsets are bytes from the start of the decoder's input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Amf3Error {
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
    /// A marker that no value has: 12..=FF.
    #[error("unknown AMF3 marker {marker:#04x} at offset {offset}")]
    UnknownMarker {
        /// The marker.
        marker: u8,
        /// Where it stands.
        offset: usize,
    },
    /// More containers inside one another than [`Limits::max_depth`](crate::Limits::max_depth); decoding and encoding.
    #[error("{depth} containers inside one another, max_depth is {limit}")]
    TooDeep {
        /// The depth of the container that was refused; or, if a reference stands for it, of what is in it.
        depth: usize,
        /// The limit.
        limit: usize,
    },
    /// More values than [`Limits::max_values`](crate::Limits::max_values), those that references stand for included.
    #[error("{count} values, max_values is {limit}")]
    TooManyValues {
        /// How many there are at least.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// References stand for more bytes than [`Limits::max_expanded_len`](crate::Limits::max_expanded_len).
    #[error("references stand for {len} bytes, max_expanded_len is {limit}")]
    TooLong {
        /// How many there are at least.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A reference (AMF3 section 2.2) to something that has not been met yet.
    #[error("reference to {kind} {index} before offset {offset}, only {len} were met")]
    BadReference {
        /// What it refers to.
        kind: ReferenceKind,
        /// The index the reference carries.
        index: u32,
        /// How many of that kind were met.
        len: usize,
        /// Where the reference ends.
        offset: usize,
    },
    /// An object of an externalizable class that is not among the [`Classes`](crate::amf3::Classes): where it ends is
    /// not known.
    #[error("unknown externalizable class {class_name:?}, body at offset {offset}")]
    UnknownClass {
        /// The name of the class.
        class_name: Box<AmfString>,
        /// Where the object's body begins.
        offset: usize,
    },
    /// An object of an externalizable class whose body [makes no sense](crate::amf3::ClassReader::invalid) to it.
    #[error("body of an externalizable object is invalid before offset {offset}")]
    InvalidBody {
        /// How far the body had been read.
        offset: usize,
    },
    /// Encoding: a string, byte array or number of elements of more than 268,435,455, or more than 33,554,431 sealed
    /// properties.
    #[error("length or count of {len}, at most 268435455 (sealed properties: 33554431) can be encoded")]
    LenTooLong {
        /// The length or count.
        len: usize,
    },
    /// Encoding: an empty name of a dynamic property or in the associative part of an array. It would end them.
    #[error("property with an empty name")]
    EmptyName,
    /// Encoding: a container inside itself, see [`Value::Cycle`](crate::amf3::Value::Cycle).
    #[error("container {index} is inside itself")]
    Cycle {
        /// Its index when it was decoded.
        index: u32,
    },
}

/// What an AMF3 reference refers to; each kind is counted by itself (section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReferenceKind {
    /// A string that is not empty: a value or a name.
    String,
    /// A complex value: date, XML, byte array, vector, and everything that holds other values.
    Object,
    /// The traits of a class.
    Traits,
}

impl fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Object => "object",
            Self::Traits => "traits",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_limit_says_which_what_was_met_and_how_much_is_allowed() {
        let (depth, count, len) = (33, 65_537, 20 << 20);
        let deep = "33 containers inside one another, max_depth is 32";
        assert_eq!(Amf0Error::TooDeep { depth, limit: 32 }.to_string(), deep);
        assert_eq!(Amf3Error::TooDeep { depth, limit: 32 }.to_string(), deep);
        let many = "65537 values, max_values is 65536";
        assert_eq!(
            Amf0Error::TooManyValues { count, limit: 65_536 }.to_string(),
            many
        );
        assert_eq!(
            Amf3Error::TooManyValues { count, limit: 65_536 }.to_string(),
            many
        );
        assert_eq!(
            Amf3Error::TooLong { len, limit: 16 << 20 }.to_string(),
            "references stand for 20971520 bytes, max_expanded_len is 16777216"
        );
    }
}
