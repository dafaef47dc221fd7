//! Whole values to bytes.
//!
//! Most of a tree is keys and values of a few bytes each, so what it costs is not the bytes but the steps. They are
//! written into a stretch of zeroed bytes at the buffer's end, which is cut to length afterwards: room is looked for
//! once a stretch, and a short string is a copy of constant length, of which the next write covers the rest. That
//! gains only where all of it is in one loop, so the compiler is told to inline.

use bytes::BytesMut;

use super::marker;
use super::value::{Object, Value};
use crate::{Amf0Error, AmfString, Limits, amf3};

/// How many bytes the stretch grows at a time: all of a usual `connect` or `onMetaData`.
const STRETCH: usize = 512;

/// Room for the longest write of constant length: marker, length and an inline string.
const SLOT: usize = 32;

/// Appends values to a buffer. Until it is [finished](Self::finish) there are bytes behind them that do not count.
#[derive(Debug)]
pub(super) struct TreeWriter<'a> {
    out: &'a mut BytesMut,
    /// How much of `out` is written.
    len: usize,
    limits: Limits,
    written: Option<&'a mut amf3::Written>,
}

impl<'a> TreeWriter<'a> {
    pub(super) fn new(out: &'a mut BytesMut, limits: Limits, written: Option<&'a mut amf3::Written>) -> Self {
        let len = out.len();
        Self {
            out,
            len,
            limits,
            written,
        }
    }

    pub(super) fn finish(self) {
        self.out.truncate(self.len);
    }

    /// Writes a value that may have `depth` containers inside one another.
    #[inline(always)]
    pub(super) fn value(&mut self, value: &Value, depth: usize) -> Result<(), Amf0Error> {
        match value {
            Value::Number(number) => self.number(*number),
            Value::Boolean(boolean) => self.put([marker::BOOLEAN, (*boolean).into()]),
            Value::String(string) => match u16::try_from(string.len()) {
                Ok(len) => {
                    let [a, b] = len.to_be_bytes();
                    self.put_string([marker::STRING, a, b], string);
                }
                Err(_) => self.long_string(marker::LONG_STRING, string)?,
            },
            Value::Object(properties) => {
                self.put([marker::OBJECT]);
                self.properties(properties, depth)?;
            }
            Value::Null => self.put([marker::NULL]),
            Value::Undefined => self.put([marker::UNDEFINED]),
            Value::Reference(index) => {
                let [a, b] = index.to_be_bytes();
                self.put([marker::REFERENCE, a, b]);
            }
            Value::EcmaArray(properties) => {
                self.counted(marker::ECMA_ARRAY, properties.len())?;
                self.properties(properties, depth)?;
            }
            Value::StrictArray(elements) => self.elements(elements, depth)?,
            Value::Date { millis, time_zone } => {
                self.put([marker::DATE]);
                self.put(millis.to_be_bytes());
                self.put(time_zone.to_be_bytes());
            }
            Value::LongString(string) => self.long_string(marker::LONG_STRING, string)?,
            Value::Unsupported => self.put([marker::UNSUPPORTED]),
            Value::XmlDocument(text) => self.long_string(marker::XML_DOCUMENT, text)?,
            Value::TypedObject(object) => {
                self.put([marker::TYPED_OBJECT]);
                self.key(&object.class_name)?;
                self.properties(&object.properties, depth)?;
            }
            Value::Amf3(value) => self.amf3(value, depth)?,
        }
        Ok(())
    }

    fn elements(&mut self, elements: &[Value], depth: usize) -> Result<(), Amf0Error> {
        let depth = self.enter(depth)?;
        self.counted(marker::STRICT_ARRAY, elements.len())?;
        elements.iter().try_for_each(|element| self.value(element, depth))
    }

    #[inline(never)]
    fn properties(&mut self, properties: &Object, depth: usize) -> Result<(), Amf0Error> {
        let depth = self.enter(depth)?;
        for (key, value) in properties {
            self.key(key)?;
            self.value(value, depth)?;
        }
        self.put([0, 0, marker::OBJECT_END]);
        Ok(())
    }

    #[inline(always)]
    fn number(&mut self, number: f64) {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        self.put([marker::NUMBER, a, b, c, d, e, f, g, h]);
    }

    #[inline(always)]
    fn key(&mut self, key: &AmfString) -> Result<(), Amf0Error> {
        let len = u16::try_from(key.len()).map_err(|_| Amf0Error::NameTooLong { len: key.len() })?;
        self.put_string(len.to_be_bytes(), key);
        Ok(())
    }

    #[cold]
    fn long_string(&mut self, marker: u8, string: &AmfString) -> Result<(), Amf0Error> {
        let len = string.len();
        let field = u32::try_from(len).map_err(|_| Amf0Error::StringTooLong { len })?;
        let [a, b, c, d] = field.to_be_bytes();
        self.put_string([marker, a, b, c, d], string);
        Ok(())
    }

    fn counted(&mut self, marker: u8, len: usize) -> Result<(), Amf0Error> {
        let count = u32::try_from(len).map_err(|_| Amf0Error::ArrayTooLong { len })?;
        let [a, b, c, d] = count.to_be_bytes();
        self.put([marker, a, b, c, d]);
        Ok(())
    }

    #[cold]
    fn amf3(&mut self, value: &amf3::Value, depth: usize) -> Result<(), Amf0Error> {
        self.put([marker::AVMPLUS]);
        self.out.truncate(self.len);
        let mut writer = amf3::Writer {
            out: self.out,
            limits: self.limits,
            written: self.written.as_deref_mut(),
        };
        let result = writer.value(value, depth);
        self.len = self.out.len();
        Ok(result?)
    }

    /// Takes one level off the depth that is left.
    fn enter(&self, depth: usize) -> Result<usize, Amf0Error> {
        let limit = self.limits.max_depth;
        depth.checked_sub(1).ok_or(Amf0Error::TooDeep {
            depth: limit.saturating_add(1),
            limit,
        })
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(slot) = self.room(N).first_chunk_mut() {
            *slot = bytes;
            self.grow(N);
        }
    }

    /// Writes what stands in front of a string, and the string.
    #[inline(always)]
    fn put_string<const N: usize>(&mut self, head: [u8; N], string: &AmfString) {
        if let Some((bytes, len)) = string.as_inline() {
            if let Some((first, rest)) = self.room(SLOT).split_first_chunk_mut()
                && let Some(rest) = rest.first_chunk_mut()
            {
                *first = head;
                *rest = *bytes;
                self.grow(len.saturating_add(N));
            }
            return;
        }
        let bytes = string.as_bytes();
        let len = bytes.len().saturating_add(N);
        if let Some((first, rest)) = self.room(len).split_first_chunk_mut()
            && let Some(rest) = rest.get_mut(..bytes.len())
        {
            *first = head;
            rest.copy_from_slice(bytes);
            self.grow(len);
        }
    }

    /// Counts `len` bytes as written that were put into the [room](Self::room).
    #[inline(always)]
    fn grow(&mut self, len: usize) {
        self.len = self.len.saturating_add(len);
    }

    /// What is free behind the written bytes: `len` bytes at least.
    #[inline(always)]
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.out.len().saturating_sub(self.len) < len {
            self.stretch(len);
        }
        self.out.get_mut(self.len..).unwrap_or_default()
    }

    #[cold]
    fn stretch(&mut self, len: usize) {
        self.out.resize(self.len.saturating_add(len.max(STRETCH)), 0);
    }
}
