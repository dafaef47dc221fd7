//! Bytes to values.

use bytes::Bytes;

use super::class::Classes;
use super::reader::Reader;
use super::tables::{Sets, Tables};
use super::value::Value;
use crate::{Amf3Error, Limits};

/// Decodes a list of bare AMF3 values within the default [`Limits`].
///
/// Long strings and byte arrays share the memory of `input`.
///
/// ```
/// use bytes::Bytes;
/// use rtmp_amf::amf3;
///
/// // The second string is a reference to the first one.
/// let values = amf3::decode_all(Bytes::from_static(b"\x06\x07foo\x06\x00"))?;
/// assert_eq!(values, ["foo".into(), "foo".into()]);
/// # Ok::<(), rtmp_amf::Amf3Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Decoder::next_value`].
pub fn decode_all(input: Bytes) -> Result<Vec<Value>, Amf3Error> {
    let mut decoder = Decoder::new(input);
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value()? {
        values.push(value);
    }
    Ok(values)
}

/// Takes one value after the other from a list of bare AMF3 values.
///
/// What a list may hold altogether is bounded by [`Limits`]. Memory is taken for values that have been read: counts
/// and lengths that the input declares are compared with the bytes left and reserve nothing.
///
/// References may point into earlier values of the list. A value that makes no sense that way is read once more with
/// empty tables, and if it then does, so are all that follow: some encoders begin anew with each value.
#[derive(Debug)]
pub struct Decoder {
    input: Bytes,
    limits: Limits,
    classes: Classes,
    progress: Progress,
    sets: Sets,
}

impl Decoder {
    /// Starts at the beginning of a list, with the default limits and [`Classes`].
    #[must_use]
    pub fn new(input: Bytes) -> Self {
        Self {
            input,
            limits: Limits::default(),
            classes: Classes::default(),
            progress: Progress::default(),
            sets: Sets::default(),
        }
    }

    /// Sets the limits; for a whole list, so before the first value.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the externalizable classes that can be read.
    #[must_use]
    pub fn with_classes(mut self, classes: Classes) -> Self {
        self.classes = classes;
        self
    }

    /// The next value, or `None` at the end of the input.
    ///
    /// After an error the decoder stands where it stood before, at the value that cannot be decoded.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEnd`](Amf3Error::UnexpectedEnd), [`UnknownMarker`](Amf3Error::UnknownMarker),
    /// [`BadReference`](Amf3Error::BadReference), [`UnknownClass`](Amf3Error::UnknownClass),
    /// [`InvalidBody`](Amf3Error::InvalidBody), and for a list beyond the limits [`TooDeep`](Amf3Error::TooDeep),
    /// [`TooManyValues`](Amf3Error::TooManyValues) and [`TooLong`](Amf3Error::TooLong).
    pub fn next_value(&mut self) -> Result<Option<Value>, Amf3Error> {
        if self.progress.position == self.input.len() {
            return Ok(None);
        }
        let source = Source {
            input: &self.input,
            limits: self.limits,
            classes: &self.classes,
        };
        source.value(&mut self.sets, &mut self.progress, 0).map(Some)
    }

    /// What has not been decoded yet; shares the memory of the input.
    #[must_use]
    pub fn remaining(&self) -> Bytes {
        self.input.slice(self.progress.position..)
    }

    /// How many bytes have been decoded.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.progress.position
    }
}

/// What a failed value must not move.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) position: usize,
    pub(crate) values: usize,
    /// Bytes that references stood for.
    pub(crate) expanded: usize,
}

impl Progress {
    /// How many bytes were read or stood for since `before`.
    pub(super) const fn len_since(&self, before: &Self) -> usize {
        let read = self.position.saturating_sub(before.position);
        read.saturating_add(self.expanded.saturating_sub(before.expanded))
    }
}

/// What does not change from value to value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) input: &'a Bytes,
    pub(crate) limits: Limits,
    pub(crate) classes: &'a Classes,
}

impl Source<'_> {
    /// Decodes a value that stands by itself, or in AMF0, inside `depth` containers. An error undoes everything.
    pub(crate) fn value(
        self,
        sets: &mut Sets,
        progress: &mut Progress,
        depth: usize,
    ) -> Result<Value, Amf3Error> {
        let (mark, before) = (sets.mark(), *progress);
        let error = match self.attempt(sets.next(), progress, depth) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        *progress = before;
        let is_limit = matches!(
            error,
            Amf3Error::TooDeep { .. } | Amf3Error::TooManyValues { .. } | Amf3Error::TooLong { .. }
        );
        if !is_limit
            && sets.begin_anew(mark)
            && let Ok(value) = self.attempt(sets.next(), progress, depth)
        {
            return Ok(value);
        }
        *progress = before;
        sets.restore(mark);
        Err(error)
    }

    fn attempt(self, tables: &mut Tables, progress: &mut Progress, depth: usize) -> Result<Value, Amf3Error> {
        Reader::new(self, tables, progress, depth).value(depth)
    }
}
