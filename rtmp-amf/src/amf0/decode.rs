//! Bytes to values.

use bytes::Bytes;

use super::marker;
use super::value::{Object, TypedObject, Value};
use crate::{Amf0Error, AmfString, Limits, amf3};

/// Decodes a whole value list, for example the body of a command or data message, within the default [`Limits`].
///
/// Strings share the memory of `input`. An object or ECMA array that is the last value may lack its end marker, see
/// [`Decoder`]. To stop after the values one knows what to do with, and so ignore what a sender appended to them, use
/// a [`Decoder`].
///
/// ```
/// use bytes::Bytes;
/// use rtmp_amf::amf0::{self, Value};
///
/// let body = Bytes::from_static(b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0\x05");
/// assert_eq!(amf0::decode_all(body)?, ["connect".into(), 1.0.into(), Value::Null]);
/// # Ok::<(), rtmp_amf::Amf0Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Decoder::next_value`].
pub fn decode_all(input: Bytes) -> Result<Vec<Value>, Amf0Error> {
    let mut decoder = Decoder::new(input);
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value()? {
        values.push(value);
    }
    Ok(values)
}

/// Takes one value after the other from a value list.
///
/// What a list may hold altogether is bounded by [`Limits`]. Memory is taken for values that have been read: counts
/// and lengths that the input declares are compared with the bytes left and reserve nothing.
///
/// Some encoders end their metadata with the last property, without the object end marker. The end of the input
/// therefore closes an object, ECMA array or typed object if it follows a complete property and the container is not
/// inside another one; a [`strict`](Self::strict) decoder takes that for an error too.
///
/// ```
/// use bytes::Bytes;
/// use rtmp_amf::amf0::{Decoder, Value};
///
/// let mut decoder = Decoder::new(Bytes::from_static(b"\x02\x00\x04live\x05garbage"));
/// assert_eq!(decoder.next_value()?, Some("live".into()));
/// assert_eq!(decoder.next_value()?, Some(Value::Null));
/// assert_eq!(decoder.remaining(), "garbage");
/// # Ok::<(), rtmp_amf::Amf0Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    input: Bytes,
    limits: Limits,
    strict: bool,
    classes: amf3::Classes,
    progress: Progress,
    /// The tables of AMF3, which most lists do without.
    amf3: Option<Box<amf3::Sets>>,
    /// Properties and elements of the containers that are still open, innermost last. Each container takes its own
    /// off the end when it is complete, so that it gets a vector of exactly its length in one allocation.
    properties: Vec<(AmfString, Value)>,
    elements: Vec<Value>,
}

/// What a failed value must not move.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    position: usize,
    values: usize,
    /// Containers met: what a reference may point to.
    containers: usize,
    /// Bytes that AMF3 references stood for.
    expanded: usize,
}

/// A connect object or the metadata of a stream fits without growing; reserved once a list, not once an object.
const USUAL_PROPERTIES: usize = 16;

impl Decoder {
    /// Starts at the beginning of a list, with the default limits, accepting a missing end marker at the very end.
    #[must_use]
    pub fn new(input: Bytes) -> Self {
        Self {
            input,
            limits: Limits::default(),
            strict: false,
            classes: amf3::Classes::default(),
            progress: Progress::default(),
            amf3: None,
            properties: Vec::new(),
            elements: Vec::new(),
        }
    }

    /// Sets the limits; for a whole list, so before the first value.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Refuses containers that the end of the input closes.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Sets the externalizable classes of AMF3 that can be read.
    #[must_use]
    pub fn with_classes(mut self, classes: amf3::Classes) -> Self {
        self.classes = classes;
        self
    }

    /// The next value, or `None` at the end of the input.
    ///
    /// After an error the decoder stands where it stood before, at the value that cannot be decoded.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEnd`](Amf0Error::UnexpectedEnd), [`UnknownMarker`](Amf0Error::UnknownMarker),
    /// [`BadReference`](Amf0Error::BadReference), and for a list beyond the limits
    /// [`TooDeep`](Amf0Error::TooDeep) and [`TooManyValues`](Amf0Error::TooManyValues).
    /// [`Amf3`](Amf0Error::Amf3) for whatever else is wrong with an AMF3 value.
    pub fn next_value(&mut self) -> Result<Option<Value>, Amf0Error> {
        if self.progress.position == self.input.len() {
            return Ok(None);
        }
        let before = self.progress;
        let amf3_before = self.amf3.as_ref().map(|sets| sets.mark()).unwrap_or_default();
        let value = self.value(0);
        if value.is_err() {
            self.progress = before;
            if let Some(sets) = &mut self.amf3 {
                sets.restore(amf3_before);
            }
            self.properties.clear();
            self.elements.clear();
        }
        value.map(Some)
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

    /// Decodes a value that stands inside `depth` containers.
    ///
    /// Inlined into the loops that fill containers, the value is built where it belongs; returned from a call it
    /// would be copied several times on its way, which takes longer than decoding it (metadata: 560 and 370 ns).
    #[inline(always)]
    fn value(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        let offset = self.progress.position;
        let [marker] = self.array()?;
        self.count_value()?;
        Ok(match marker {
            marker::NUMBER => Value::Number(f64::from_be_bytes(self.array()?)),
            marker::BOOLEAN => Value::Boolean(self.array()? != [0]),
            marker::STRING => Value::String(self.short_string()?),
            marker::OBJECT => Value::Object(self.object(depth)?),
            marker::NULL => Value::Null,
            marker::UNDEFINED => Value::Undefined,
            marker::REFERENCE => self.reference(offset)?,
            marker::ECMA_ARRAY => self.ecma_array(depth)?,
            marker::STRICT_ARRAY => self.strict_array(depth)?,
            marker::DATE => Value::Date {
                millis: f64::from_be_bytes(self.array()?),
                time_zone: i16::from_be_bytes(self.array()?),
            },
            marker::LONG_STRING => Value::LongString(self.long_string()?),
            marker::UNSUPPORTED => Value::Unsupported,
            marker::XML_DOCUMENT => Value::XmlDocument(self.long_string()?),
            marker::TYPED_OBJECT => self.typed_object(depth)?,
            marker::AVMPLUS => self.amf3(depth)?,
            _ => return Err(Amf0Error::UnknownMarker { marker, offset }),
        })
    }

    fn object(&mut self, depth: usize) -> Result<Object, Amf0Error> {
        let depth = self.enter(depth)?;
        self.properties(depth)
    }

    /// The count is a hint (section 2.10) that real encoders get wrong in both directions; the end marker decides.
    fn ecma_array(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        let depth = self.enter(depth)?;
        let [_, _, _, _] = self.array()?;
        self.properties(depth).map(Value::EcmaArray)
    }

    fn typed_object(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        let depth = self.enter(depth)?;
        let class_name = self.short_string()?;
        let properties = self.properties(depth)?;
        Ok(TypedObject {
            class_name,
            properties,
        }
        .into())
    }

    fn strict_array(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        let depth = self.enter(depth)?;
        let count = u32::from_be_bytes(self.array()?);
        let needed = usize::try_from(count).unwrap_or(usize::MAX);
        let available = self.remaining_len();
        if needed > available {
            // A value has at least its marker.
            return Err(Amf0Error::UnexpectedEnd {
                offset: self.progress.position,
                needed,
                available,
            });
        }
        let first = self.elements.len();
        for _ in 0..count {
            let element = self.value(depth)?;
            self.elements.push(element);
        }
        Ok(Value::StrictArray(self.elements.drain(first..).collect()))
    }

    /// Pairs of key and value up to the object end: an empty key followed by the marker 09. An empty key followed by
    /// anything else is a key like others.
    fn properties(&mut self, depth: usize) -> Result<Object, Amf0Error> {
        let first = self.properties.len();
        loop {
            let ended_by_input = self.remaining_len() == 0 && depth == 1 && !self.strict;
            if ended_by_input && self.properties.len() > first {
                break;
            }
            let key = self.short_string()?;
            if key.is_empty() && self.input.get(self.progress.position) == Some(&marker::OBJECT_END) {
                self.advance(1);
                break;
            }
            let value = self.value(depth)?;
            if self.properties.capacity() == 0 {
                self.properties.reserve(USUAL_PROPERTIES);
            }
            self.properties.push((key, value));
        }
        Ok(Object::from_properties(self.properties.drain(first..).collect()))
    }

    #[inline(always)]
    fn count_value(&mut self) -> Result<(), Amf0Error> {
        let (count, limit) = (self.progress.values.saturating_add(1), self.limits.max_values);
        if count > limit {
            return Err(Amf0Error::TooManyValues { count, limit });
        }
        self.progress.values = count;
        Ok(())
    }

    /// Counts a container, which stands inside `depth` others, and gives the depth of what is in it.
    fn enter(&mut self, depth: usize) -> Result<usize, Amf0Error> {
        let (depth, limit) = (depth.saturating_add(1), self.limits.max_depth);
        if depth > limit {
            return Err(Amf0Error::TooDeep { depth, limit });
        }
        self.progress.containers = self.progress.containers.saturating_add(1);
        Ok(depth)
    }

    fn reference(&mut self, offset: usize) -> Result<Value, Amf0Error> {
        let index = u16::from_be_bytes(self.array()?);
        let len = self.progress.containers;
        if usize::from(index) >= len {
            return Err(Amf0Error::BadReference { index, len, offset });
        }
        Ok(Value::Reference(index))
    }

    /// One AMF3 value, which counts as one together with its marker here.
    #[cold]
    fn amf3(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        let source = amf3::Source {
            input: &self.input,
            limits: self.limits,
            classes: &self.classes,
        };
        let mut progress = amf3::Progress {
            position: self.progress.position,
            values: self.progress.values.saturating_sub(1),
            expanded: self.progress.expanded,
        };
        let sets = self.amf3.get_or_insert_default();
        let value = source.value(sets, &mut progress, depth)?;
        self.progress.position = progress.position;
        self.progress.values = progress.values;
        self.progress.expanded = progress.expanded;
        Ok(value.into())
    }

    fn short_string(&mut self) -> Result<AmfString, Amf0Error> {
        let len = u16::from_be_bytes(self.array()?);
        self.string(len.into())
    }

    fn long_string(&mut self) -> Result<AmfString, Amf0Error> {
        let len = u32::from_be_bytes(self.array()?);
        self.string(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn string(&mut self, len: usize) -> Result<AmfString, Amf0Error> {
        let offset = self.progress.position;
        let Some(string) = AmfString::slice_of(&self.input, offset, len) else {
            return Err(Amf0Error::UnexpectedEnd {
                offset,
                needed: len,
                available: self.remaining_len(),
            });
        };
        self.advance(len);
        Ok(string)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let offset = self.progress.position;
        let rest = self.input.get(offset..).unwrap_or_default();
        match rest.first_chunk() {
            Some(&bytes) => {
                self.advance(N);
                Ok(bytes)
            }
            None => Err(Amf0Error::UnexpectedEnd {
                offset,
                needed: N,
                available: rest.len(),
            }),
        }
    }

    const fn remaining_len(&self) -> usize {
        self.input.len().saturating_sub(self.progress.position)
    }

    /// Goes on behind `len` bytes that are there.
    #[inline(always)]
    const fn advance(&mut self, len: usize) {
        self.progress.position = self.progress.position.saturating_add(len);
    }
}
