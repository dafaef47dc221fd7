//! What can be wrong between a Rust type and a value.

use std::fmt::{self, Display, Write};

use thiserror::Error;

use crate::{Amf0Error, Amf3Error};

/// Why a Rust type could not become AMF or be made from it, and where in it.
#[derive(Clone, PartialEq)]
pub struct SerdeError {
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq)]
struct Inner {
    path: String,
    kind: SerdeErrorKind,
}

/// What a [`SerdeError`] is about.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SerdeErrorKind {
    /// The value does not suit the type, in the words of the type's `Serialize` or `Deserialize`: a field is missing,
    /// a value is of another type or out of range.
    #[error("{0}")]
    Data(String),
    /// An integer beyond ±2^53, which a double does not tell from its neighbours.
    #[error("integer {0} cannot be sent exactly")]
    Inexact(i128),
    /// A number that has a fraction, is not finite or is beyond ±2^53, where an integer is due.
    #[error("number {0} is no integer")]
    NotAnInteger(f64),
    /// The key of a map that is neither text nor an integer.
    #[error("key that is neither text nor an integer")]
    Key,
    /// An [`EcmaArray`](crate::EcmaArray) of something that has no properties.
    #[error("something without properties cannot be an ECMA array")]
    NoProperties,
    /// Something that is no sequence where a list of values is due.
    #[error("a list of values must be a tuple or sequence")]
    NotAList,
    /// A reference, a cycle or the body of an externalizable class: a Rust type cannot be made from it.
    #[error("{0} has no counterpart")]
    NoCounterpart(&'static str),
    /// The bytes are no AMF0, or the value cannot be written as AMF0.
    #[error(transparent)]
    Amf0(Amf0Error),
    /// The bytes are no AMF3, or the value cannot be written as AMF3.
    #[error(transparent)]
    Amf3(Amf3Error),
}

impl SerdeError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &SerdeErrorKind {
        &self.inner.kind
    }

    /// Where: names of fields and keys and indices of elements, as in `[2].fourCcList[0]`. Empty for the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    pub(super) fn in_key(mut self, key: &(impl Display + ?Sized)) -> Self {
        let mut path = String::new();
        // Keys come from the network and may be long.
        let _ = write!(
            Cut {
                out: &mut path,
                left: 64
            },
            "{key}"
        );
        if !self.inner.path.is_empty() && !self.inner.path.starts_with('[') {
            path.push('.');
        }
        self.inner.path.insert_str(0, &path);
        self
    }

    pub(super) fn in_element(mut self, index: usize) -> Self {
        let dot = if self.inner.path.is_empty() || self.inner.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.inner.path.insert_str(0, &format!("[{index}]{dot}"));
        self
    }
}

/// Takes so many bytes of text and leaves the rest out.
struct Cut<'a> {
    out: &'a mut String,
    left: usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(c.len_utf8()).ok_or(fmt::Error)?;
            self.out.push(c);
        }
        Ok(())
    }
}

impl From<SerdeErrorKind> for SerdeError {
    fn from(kind: SerdeErrorKind) -> Self {
        let path = String::new();
        Self {
            inner: Box::new(Inner { path, kind }),
        }
    }
}

impl From<Amf0Error> for SerdeError {
    fn from(error: Amf0Error) -> Self {
        SerdeErrorKind::Amf0(error).into()
    }
}

impl From<Amf3Error> for SerdeError {
    fn from(error: Amf3Error) -> Self {
        SerdeErrorKind::Amf3(error).into()
    }
}

impl fmt::Debug for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { path, kind } = &*self.inner;
        f.debug_struct("SerdeError")
            .field("path", path)
            .field("kind", kind)
            .finish()
    }
}

impl Display for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { path, kind } = &*self.inner;
        if path.is_empty() {
            write!(f, "{kind}")
        } else {
            write!(f, "{path}: {kind}")
        }
    }
}

impl std::error::Error for SerdeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.kind.source()
    }
}

impl serde::ser::Error for SerdeError {
    fn custom<T: Display>(message: T) -> Self {
        SerdeErrorKind::Data(message.to_string()).into()
    }
}

impl serde::de::Error for SerdeError {
    fn custom<T: Display>(message: T) -> Self {
        SerdeErrorKind::Data(message.to_string()).into()
    }
}
