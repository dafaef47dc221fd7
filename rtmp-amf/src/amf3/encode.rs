//! Values to bytes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use bytes::BytesMut;

use super::class::{Externalizable, Piece};
use super::container::{Array, Dictionary, ObjectVector, Vector};
use super::object::{Object, Traits};
use super::tables::Class;
use super::value::{Properties, Value};
use super::{marker, u29};
use crate::{Amf3Error, AmfString, Limits};

/// Encodes one bare AMF3 value without references, within the default [`Limits`].
///
/// ```
/// use bytes::BytesMut;
/// use rtmp_amf::amf3::{self, Object};
///
/// let mut out = BytesMut::new();
/// amf3::encode(&Object::new().with("a", "x").into(), &mut out)?;
/// assert_eq!(out, &b"\x0a\x0b\x01\x03a\x06\x03x\x01"[..]);
/// # Ok::<(), rtmp_amf::Amf3Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Encoder::value`]. `out` is then as it was.
pub fn encode(value: &Value, out: &mut BytesMut) -> Result<(), Amf3Error> {
    encode_all(std::slice::from_ref(value), out)
}

/// Encodes a list of bare AMF3 values without references, within the default [`Limits`].
///
/// # Errors
///
/// Those of [`Encoder::value`]. `out` is then as it was.
pub fn encode_all(values: &[Value], out: &mut BytesMut) -> Result<(), Amf3Error> {
    let len = out.len();
    let mut encoder = Encoder::new(out);
    let result = values.iter().try_for_each(|value| encoder.value(value).map(drop));
    if result.is_err() {
        out.truncate(len);
    }
    result
}

/// Writes bare AMF3 values one after the other.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut BytesMut,
    limits: Limits,
    written: Option<Box<Written>>,
}

impl<'a> Encoder<'a> {
    /// Appends to `out`, with the default limits and without references.
    #[must_use]
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self {
            out,
            limits: Limits::default(),
            written: None,
        }
    }

    /// Sets the limits, of which the depth applies.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Writes references to what this encoder wrote before: shorter, and [the same bytes](super#what-comes-back-unchanged)
    /// for what was decoded. For a peer that keeps the tables from value to value, or for a single value.
    #[must_use]
    pub fn with_references(mut self) -> Self {
        self.written = Some(Box::default());
        self
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// [`TooDeep`](Amf3Error::TooDeep), and for what the format has no room for
    /// [`LenTooLong`](Amf3Error::LenTooLong), [`EmptyName`](Amf3Error::EmptyName) and [`Cycle`](Amf3Error::Cycle).
    /// Part of the value may then have been written.
    pub fn value(&mut self, value: &Value) -> Result<&mut Self, Amf3Error> {
        let mut writer = Writer {
            out: self.out,
            limits: self.limits,
            written: self.written.as_deref_mut(),
        };
        writer.value(value, self.limits.max_depth)?;
        Ok(self)
    }
}

/// What an encoder wrote that it can refer to. The tables own what is in them, so that no address is used twice.
#[derive(Debug, Default)]
pub(crate) struct Written {
    strings: HashMap<AmfString, u32>,
    traits: HashMap<Class, u32>,
    objects: HashMap<Identity, u32>,
    /// As long as the reader's object table.
    object_count: u32,
    kept: Vec<Value>,
}

/// What makes two complex values one.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Identity {
    Date(u64),
    XmlDocument(AmfString),
    Xml(AmfString),
    InMemory(usize, usize),
}

impl Identity {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Date(millis) => Some(Self::Date(millis.to_bits())),
            Value::XmlDocument(text) => Some(Self::XmlDocument(text.clone())),
            Value::Xml(text) => Some(Self::Xml(text.clone())),
            _ => value
                .identity()
                .map(|(address, len)| Self::InMemory(address, len)),
        }
    }
}

/// The index of `key` in a table, or `None` if it is new there and has been entered.
fn index_of<K: Hash + Eq>(table: &mut HashMap<K, u32>, key: K) -> Option<u32> {
    let next = u32::try_from(table.len()).unwrap_or(u32::MAX);
    let index = *table.entry(key).or_insert(next);
    (index < next).then_some(index)
}

/// Writes a value with all that is in it.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) limits: Limits,
    pub(crate) written: Option<&'a mut Written>,
}

impl Writer<'_> {
    /// Writes a value that may have `depth` containers inside one another.
    pub(crate) fn value(&mut self, value: &Value, depth: usize) -> Result<(), Amf3Error> {
        match value {
            Value::Undefined => self.put(&[marker::UNDEFINED]),
            Value::Null => self.put(&[marker::NULL]),
            Value::Boolean(false) => self.put(&[marker::FALSE]),
            Value::Boolean(true) => self.put(&[marker::TRUE]),
            Value::Integer(integer @ Value::MIN_INTEGER..=Value::MAX_INTEGER) => {
                self.put(&[marker::INTEGER]);
                u29::write(integer.cast_unsigned(), self.out);
            }
            Value::Integer(integer) => self.double(marker::DOUBLE, f64::from(*integer)),
            Value::Double(double) => self.double(marker::DOUBLE, *double),
            Value::String(string) => {
                self.put(&[marker::STRING]);
                self.string(string)?;
            }
            Value::XmlDocument(text) => {
                self.complex(marker::XML_DOCUMENT, value, |writer| {
                    writer.counted(text.as_bytes())
                })?;
            }
            Value::Date(millis) => self.complex(marker::DATE, value, |writer| {
                writer.double(INLINE, *millis);
                Ok(())
            })?,
            Value::Array(array) => self.complex(marker::ARRAY, value, |writer| writer.array(array, depth))?,
            Value::Object(object) => {
                self.complex(marker::OBJECT, value, |writer| writer.object(object, depth))?;
            }
            Value::Externalizable(object) => {
                self.complex(marker::OBJECT, value, |writer| {
                    writer.externalizable(object, depth)
                })?;
            }
            Value::Xml(text) => self.complex(marker::XML, value, |writer| writer.counted(text.as_bytes()))?,
            Value::ByteArray(bytes) => {
                self.complex(marker::BYTE_ARRAY, value, |writer| writer.counted(bytes))?;
            }
            Value::VectorInt(vector) => {
                self.complex(marker::VECTOR_INT, value, |writer| {
                    writer.vector(vector, i32::to_be_bytes)
                })?;
            }
            Value::VectorUint(vector) => {
                self.complex(marker::VECTOR_UINT, value, |writer| {
                    writer.vector(vector, u32::to_be_bytes)
                })?;
            }
            Value::VectorDouble(vector) => {
                self.complex(marker::VECTOR_DOUBLE, value, |writer| {
                    writer.vector(vector, f64::to_be_bytes)
                })?;
            }
            Value::VectorObject(vector) => {
                self.complex(marker::VECTOR_OBJECT, value, |writer| {
                    writer.object_vector(vector, depth)
                })?;
            }
            Value::Dictionary(dictionary) => {
                self.complex(marker::DICTIONARY, value, |writer| {
                    writer.dictionary(dictionary, depth)
                })?;
            }
            Value::Cycle(index) => return Err(Amf3Error::Cycle { index: *index }),
        }
        Ok(())
    }

    /// Writes a value that has a place in the object table: a reference, or what `write` writes.
    fn complex(
        &mut self,
        marker: u8,
        value: &Value,
        write: impl FnOnce(&mut Self) -> Result<(), Amf3Error>,
    ) -> Result<(), Amf3Error> {
        self.put(&[marker]);
        if self.refer(value) {
            return Ok(());
        }
        write(self)
    }

    /// Writes a reference if the value was written before, else gives it a place in the table.
    fn refer(&mut self, value: &Value) -> bool {
        let Some(written) = &mut self.written else {
            return false;
        };
        let next = written.object_count;
        if let Some(identity) = Identity::of(value) {
            let index = *written.objects.entry(identity).or_insert(next);
            if index < next {
                u29::write(index << 1, self.out);
                return true;
            }
            written.kept.push(value.clone());
        }
        written.object_count = next.saturating_add(1);
        false
    }

    fn array(&mut self, array: &Array, depth: usize) -> Result<(), Amf3Error> {
        let depth = self.enter(depth)?;
        self.len(array.elements.len())?;
        self.pairs(&array.properties, depth)?;
        self.values(&array.elements, depth)
    }

    fn object(&mut self, object: &Object, depth: usize) -> Result<(), Amf3Error> {
        let depth = self.enter(depth)?;
        let traits = object.traits();
        if !self.refer_to_class(|| Class::Traits(Arc::clone(traits))) {
            self.traits(traits)?;
        }
        self.values(object.sealed(), depth)?;
        if traits.dynamic {
            self.pairs(object.dynamic(), depth)?;
        }
        Ok(())
    }

    fn traits(&mut self, traits: &Traits) -> Result<(), Amf3Error> {
        let count = traits.sealed.len();
        if count > u29::MAX_LEN >> 3 {
            return Err(Amf3Error::LenTooLong { len: count });
        }
        let count = u32::try_from(count).unwrap_or_default();
        u29::write(count << 4 | u32::from(traits.dynamic) << 3 | 0b011, self.out);
        self.string(&traits.class_name)?;
        traits.sealed.iter().try_for_each(|name| self.string(name))
    }

    fn externalizable(&mut self, object: &Externalizable, depth: usize) -> Result<(), Amf3Error> {
        let depth = self.enter(depth)?;
        if !self.refer_to_class(|| Class::Externalizable(object.class_name.clone())) {
            self.put(&[0b111]);
            self.string(&object.class_name)?;
        }
        for piece in &object.body {
            match piece {
                Piece::Bytes(bytes) => self.put(bytes),
                Piece::Value(value) => self.value(value, depth)?,
            }
        }
        Ok(())
    }

    fn refer_to_class(&mut self, class: impl FnOnce() -> Class) -> bool {
        let Some(written) = &mut self.written else {
            return false;
        };
        let index = index_of(&mut written.traits, class());
        if let Some(index) = index {
            u29::write(index << 2 | 0b01, self.out);
        }
        index.is_some()
    }

    fn values(&mut self, values: &[Value], depth: usize) -> Result<(), Amf3Error> {
        values.iter().try_for_each(|value| self.value(value, depth))
    }

    fn pairs(&mut self, properties: &Properties, depth: usize) -> Result<(), Amf3Error> {
        for (key, value) in properties {
            if key.is_empty() {
                return Err(Amf3Error::EmptyName);
            }
            self.string(key)?;
            self.value(value, depth)?;
        }
        self.put(&[EMPTY]);
        Ok(())
    }

    fn vector<T: Copy, const N: usize>(
        &mut self,
        vector: &Vector<T>,
        bytes: impl Fn(T) -> [u8; N],
    ) -> Result<(), Amf3Error> {
        self.len(vector.elements.len())?;
        self.put(&[vector.fixed.into()]);
        for number in &vector.elements {
            self.put(&bytes(*number));
        }
        Ok(())
    }

    fn object_vector(&mut self, vector: &ObjectVector, depth: usize) -> Result<(), Amf3Error> {
        let depth = self.enter(depth)?;
        self.len(vector.elements.len())?;
        self.put(&[vector.fixed.into()]);
        self.string(&vector.type_name)?;
        self.values(&vector.elements, depth)
    }

    fn dictionary(&mut self, dictionary: &Dictionary, depth: usize) -> Result<(), Amf3Error> {
        let depth = self.enter(depth)?;
        self.len(dictionary.entries.len())?;
        self.put(&[dictionary.weak_keys.into()]);
        for (key, value) in &dictionary.entries {
            self.value(key, depth)?;
            self.value(value, depth)?;
        }
        Ok(())
    }

    fn string(&mut self, string: &AmfString) -> Result<(), Amf3Error> {
        if let Some(written) = &mut self.written
            && !string.is_empty()
            && let Some(index) = index_of(&mut written.strings, string.clone())
        {
            u29::write(index << 1, self.out);
            return Ok(());
        }
        self.counted(string.as_bytes())
    }

    fn counted(&mut self, bytes: &[u8]) -> Result<(), Amf3Error> {
        self.len(bytes.len())?;
        self.put(bytes);
        Ok(())
    }

    /// The length or count of something that is no reference.
    fn len(&mut self, len: usize) -> Result<(), Amf3Error> {
        if len > u29::MAX_LEN {
            return Err(Amf3Error::LenTooLong { len });
        }
        u29::write(u32::try_from(len).unwrap_or_default() << 1 | 1, self.out);
        Ok(())
    }

    /// Takes one level off the depth that is left.
    fn enter(&self, depth: usize) -> Result<usize, Amf3Error> {
        let limit = self.limits.max_depth;
        depth.checked_sub(1).ok_or(Amf3Error::TooDeep {
            depth: limit.saturating_add(1),
            limit,
        })
    }

    fn double(&mut self, before: u8, double: f64) {
        self.put(&[before]);
        self.put(&double.to_be_bytes());
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

/// The empty string, which ends pairs.
const EMPTY: u8 = 0x01;
/// What stands in front of a date that is no reference.
const INLINE: u8 = 0x01;
