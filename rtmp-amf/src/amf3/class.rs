//! Classes that write their objects in their own way (AMF3 section 3.12, externalizable).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::reader::Reader;
use super::value::Value;
use crate::{Amf3Error, AmfString};

/// An object of an externalizable class: what its class wrote, piece by piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Externalizable {
    /// The name under which the class is registered.
    pub class_name: AmfString,
    /// The pieces in order.
    pub body: Vec<Piece>,
}

/// A piece of what an externalizable class wrote.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Bytes that only the class understands.
    Bytes(Bytes),
    /// An AMF3 value.
    Value(Value),
}

impl Externalizable {
    /// An object that writes one AMF3 value, as the Flex collections do.
    #[must_use]
    pub fn of_value(class_name: impl Into<AmfString>, value: impl Into<Value>) -> Self {
        Self {
            class_name: class_name.into(),
            body: vec![Piece::Value(value.into())],
        }
    }

    /// The value in it, if the body is one value and nothing else.
    #[must_use]
    pub const fn inner(&self) -> Option<&Value> {
        match self.body.as_slice() {
            [Piece::Value(value)] => Some(value),
            _ => None,
        }
    }
}

/// Says which pieces the body of a class consists of.
type ReadBody = dyn Fn(&mut ClassReader<'_, '_>) -> Result<(), Amf3Error> + Send + Sync;

/// The externalizable classes that a decoder can read. Cheap to clone.
///
/// The length of such an object is not on the wire: a decoder that does not know the class cannot skip it, and the
/// value fails with [`UnknownClass`](Amf3Error::UnknownClass). Known from the start are those of Flex whose body is
/// one AMF3 value: `flex.messaging.io.ArrayCollection`, `flex.messaging.io.ArrayList` and
/// `flex.messaging.io.ObjectProxy`. Others are added as a function that walks over the body:
///
/// ```
/// use bytes::Bytes;
/// use rtmp_amf::amf3::{Classes, Decoder, Value};
///
/// // A class that writes a byte, and a value if the byte is not 0.
/// let classes = Classes::new().with("com.example.Maybe", |body| {
///     if body.byte()? != 0 {
///         body.value()?;
///     }
///     Ok(())
/// });
/// let input = Bytes::from_static(b"\x0a\x07\x23com.example.Maybe\x01\x04\x2a");
/// let value = Decoder::new(input).with_classes(classes).next_value()?.unwrap_or_default();
/// let Value::Externalizable(maybe) = value else { panic!("another kind of value") };
/// assert_eq!(maybe.body.len(), 2);
/// # Ok::<(), rtmp_amf::Amf3Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Classes {
    added: Option<Arc<HashMap<AmfString, Arc<ReadBody>>>>,
}

const OF_ONE_VALUE: [&str; 3] = [
    "flex.messaging.io.ArrayCollection",
    "flex.messaging.io.ArrayList",
    "flex.messaging.io.ObjectProxy",
];

impl Classes {
    /// The classes that are known from the start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a class, or replaces what is known about it. `read` is called for each object of the class; what it takes
    /// from the [`ClassReader`] becomes the [`body`](Externalizable::body).
    #[must_use]
    pub fn with<F>(mut self, class_name: impl Into<AmfString>, read: F) -> Self
    where
        F: Fn(&mut ClassReader<'_, '_>) -> Result<(), Amf3Error> + Send + Sync + 'static,
    {
        let added = self.added.get_or_insert_default();
        Arc::make_mut(added).insert(class_name.into(), Arc::new(read));
        self
    }

    /// Reads a body; `None` if the class is not known.
    pub(super) fn read(
        &self,
        class_name: &AmfString,
        body: &mut ClassReader<'_, '_>,
    ) -> Option<Result<(), Amf3Error>> {
        if let Some(read) = self.added.as_ref().and_then(|added| added.get(class_name)) {
            return Some(read(body));
        }
        OF_ONE_VALUE
            .iter()
            .any(|known| *class_name == **known)
            .then(|| body.value().map(drop))
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = self.added.iter().flat_map(|added| added.keys());
        f.debug_set().entries(OF_ONE_VALUE).entries(added).finish()
    }
}

/// Walks over the body of an externalizable object; see [`Classes`].
///
/// Everything taken from it counts against the [`max_values`](crate::Limits::max_values) of the list.
#[derive(Debug)]
pub struct ClassReader<'r, 'a> {
    reader: &'r mut Reader<'a>,
    depth: usize,
    body: Vec<Piece>,
    /// Nothing can be read behind an error, so it is the result even if the class ignores it.
    error: Option<Amf3Error>,
}

impl<'r, 'a> ClassReader<'r, 'a> {
    pub(super) const fn new(reader: &'r mut Reader<'a>, depth: usize) -> Self {
        Self {
            reader,
            depth,
            body: Vec::new(),
            error: None,
        }
    }

    /// What was taken, if that and the class say it is well.
    pub(super) fn into_body(self, read: Result<(), Amf3Error>) -> Result<Vec<Piece>, Amf3Error> {
        match self.error {
            Some(error) => Err(error),
            None => read.map(|()| self.body),
        }
    }

    /// Takes an AMF3 value.
    ///
    /// # Errors
    ///
    /// What [`Decoder::next_value`](super::Decoder::next_value) would say. Hand it on: the object is lost.
    pub fn value(&mut self) -> Result<Value, Amf3Error> {
        let depth = self.depth;
        let value = self.take(|reader| reader.value(depth))?;
        self.body.push(Piece::Value(value.clone()));
        Ok(value)
    }

    /// Takes `len` bytes.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEnd`](Amf3Error::UnexpectedEnd) if there are not that many, and
    /// [`TooManyValues`](Amf3Error::TooManyValues). Hand it on: the object is lost.
    pub fn bytes(&mut self, len: usize) -> Result<Bytes, Amf3Error> {
        let bytes = self.take(|reader| {
            reader.count()?;
            reader.bytes(len)
        })?;
        self.body.push(Piece::Bytes(bytes.clone()));
        Ok(bytes)
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// Those of [`bytes`](Self::bytes).
    pub fn byte(&mut self) -> Result<u8, Amf3Error> {
        self.bytes(1)
            .map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    fn take<T>(
        &mut self,
        take: impl FnOnce(&mut Reader<'a>) -> Result<T, Amf3Error>,
    ) -> Result<T, Amf3Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        take(self.reader).inspect_err(|error| self.error = Some(error.clone()))
    }

    /// The error for a body that makes no sense to the class; return it.
    #[must_use]
    pub const fn invalid(&self) -> Amf3Error {
        Amf3Error::InvalidBody {
            offset: self.reader.position(),
        }
    }
}
