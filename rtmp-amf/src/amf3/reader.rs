//! One value: its parts, what it refers to, and what it takes off the limits.

use std::sync::Arc;

use bytes::Bytes;

use super::class::{ClassReader, Externalizable};
use super::container::{Array, Dictionary, ObjectVector, Vector};
use super::decode::{Progress, Source};
use super::object::{Object, Traits};
use super::tables::{Class, Complete, Slot, Tables, TraitsSlot};
use super::value::{Properties, Value};
use super::{marker, u29};
use crate::error::ReferenceKind;
use crate::{Amf3Error, AmfString};

/// Reads one value with all that is in it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    source: Source<'a>,
    tables: &'a mut Tables,
    progress: &'a mut Progress,
    /// The greatest depth met since the innermost open container began.
    deepest: usize,
    /// Properties and elements of the containers that are still open, innermost last. Each container takes its own
    /// off the end when it is complete, so that it gets a vector of exactly its length in one allocation.
    properties: Vec<(AmfString, Value)>,
    elements: Vec<Value>,
}

/// The first U29 of a complex value.
enum Header {
    Reference(Value),
    /// It follows; this is what the other bits say.
    Inline(u32),
}

/// A complex value that has begun.
struct Begun {
    slot: usize,
    progress: Progress,
    /// [`Reader::deepest`] of what is around it.
    deepest: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a value inside `depth` containers.
    pub(super) const fn new(
        source: Source<'a>,
        tables: &'a mut Tables,
        progress: &'a mut Progress,
        depth: usize,
    ) -> Self {
        Self {
            source,
            tables,
            progress,
            deepest: depth,
            properties: Vec::new(),
            elements: Vec::new(),
        }
    }

    /// Decodes a value that stands inside `depth` containers.
    ///
    /// What calls itself by way of others is kept apart from what does not: each level of nesting takes the stack of
    /// the former.
    pub(super) fn value(&mut self, depth: usize) -> Result<Value, Amf3Error> {
        let offset = self.position();
        let [marker] = self.array()?;
        self.count()?;
        match marker {
            marker::UNDEFINED..=marker::STRING => self.scalar(marker),
            marker::XML_DOCUMENT..=marker::DICTIONARY => match self.header(depth)? {
                Header::Reference(value) => Ok(value),
                Header::Inline(rest) => self.complex(marker, rest, depth),
            },
            _ => Err(Amf3Error::UnknownMarker { marker, offset }),
        }
    }

    fn scalar(&mut self, marker: u8) -> Result<Value, Amf3Error> {
        Ok(match marker {
            marker::UNDEFINED => Value::Undefined,
            marker::NULL => Value::Null,
            marker::FALSE => Value::Boolean(false),
            marker::TRUE => Value::Boolean(true),
            marker::INTEGER => Value::Integer(u29::sign_extend(self.u29()?)),
            marker::DOUBLE => Value::Double(f64::from_be_bytes(self.array()?)),
            _ => Value::String(self.string()?),
        })
    }

    fn complex(&mut self, marker: u8, rest: u32, depth: usize) -> Result<Value, Amf3Error> {
        let len = usize::try_from(rest).unwrap_or(usize::MAX);
        let is_container = matches!(
            marker,
            marker::ARRAY | marker::OBJECT | marker::VECTOR_OBJECT | marker::DICTIONARY
        );
        let inside = depth.saturating_add(is_container.into());
        let begun = self.begin(inside)?;
        let value = match marker {
            marker::ARRAY => self.dense_and_associative(len, inside),
            marker::OBJECT => self.object(rest, inside),
            marker::VECTOR_OBJECT => self.object_vector(len, inside),
            marker::DICTIONARY => self.dictionary(len, inside),
            _ => self.flat(marker, len),
        };
        Ok(self.complete(begun, value?, depth))
    }

    /// A complex value that holds no others.
    fn flat(&mut self, marker: u8, len: usize) -> Result<Value, Amf3Error> {
        Ok(match marker {
            marker::XML_DOCUMENT => Value::XmlDocument(self.text(len)?),
            marker::DATE => Value::Date(f64::from_be_bytes(self.array()?)),
            marker::XML => Value::Xml(self.text(len)?),
            marker::VECTOR_INT => self.vector(len, i32::from_be_bytes)?.into(),
            marker::VECTOR_UINT => self.vector(len, u32::from_be_bytes)?.into(),
            marker::VECTOR_DOUBLE => self.vector(len, f64::from_be_bytes)?.into(),
            _ => Value::ByteArray(self.bytes(len)?),
        })
    }

    fn dense_and_associative(&mut self, count: usize, depth: usize) -> Result<Value, Amf3Error> {
        self.expect(count, 1)?;
        let properties = self.pairs(depth)?;
        let elements = self.values(count, depth)?;
        Ok(Array { properties, elements }.into())
    }

    /// The bits of the header, without the one that says it is no reference: is it new traits, are they
    /// externalizable, are they dynamic, count of sealed properties (section 3.12).
    fn object(&mut self, rest: u32, depth: usize) -> Result<Value, Amf3Error> {
        let class = if rest & 1 == 0 {
            self.referenced_traits(rest >> 1)?
        } else {
            self.traits(rest >> 1)?
        };
        match class {
            Class::Traits(traits) => {
                let sealed = self.values(traits.sealed.len(), depth)?;
                let dynamic = if traits.dynamic {
                    self.pairs(depth)?
                } else {
                    Properties::new()
                };
                Ok(Object::from_parts(traits, sealed, dynamic).into())
            }
            Class::Externalizable(class_name) => self.externalizable(class_name, depth),
        }
    }

    fn referenced_traits(&mut self, index: u32) -> Result<Class, Amf3Error> {
        let Some(slot) = get(&self.tables.traits, index) else {
            return Err(self.bad_reference(ReferenceKind::Traits, index, self.tables.traits.len()));
        };
        let (class, len) = (slot.class.clone(), slot.len);
        if let Class::Traits(traits) = &class {
            self.expect(traits.sealed.len(), 1)?;
        }
        self.expand(len)?;
        Ok(class)
    }

    fn traits(&mut self, rest: u32) -> Result<Class, Amf3Error> {
        let before = *self.progress;
        let class = if rest & 1 == 1 {
            Class::Externalizable(self.string()?)
        } else {
            let count = usize::try_from(rest >> 2).unwrap_or(usize::MAX);
            // As many values follow the names, all of which count.
            self.expect(count, 2)?;
            self.check_values(self.progress.values.saturating_add(count))?;
            let class_name = self.string()?;
            let mut sealed = Vec::new();
            for _ in 0..count {
                sealed.push(self.string()?);
            }
            Class::Traits(Arc::new(Traits {
                class_name,
                dynamic: rest & 2 != 0,
                sealed,
            }))
        };
        let len = self.progress.len_since(&before);
        let slot = TraitsSlot { class, len };
        let class = slot.class.clone();
        self.tables.traits.push(slot);
        Ok(class)
    }

    fn externalizable(&mut self, class_name: AmfString, depth: usize) -> Result<Value, Amf3Error> {
        let offset = self.position();
        let classes = self.source.classes;
        let mut body = ClassReader::new(self, depth);
        match classes.read(&class_name, &mut body) {
            Some(read) => {
                let body = body.into_body(read)?;
                Ok(Externalizable { class_name, body }.into())
            }
            None => Err(Amf3Error::UnknownClass {
                class_name: class_name.into(),
                offset,
            }),
        }
    }

    fn object_vector(&mut self, count: usize, depth: usize) -> Result<Value, Amf3Error> {
        let fixed = self.flag()?;
        let type_name = self.string()?;
        self.expect(count, 1)?;
        let elements = self.values(count, depth)?;
        Ok(ObjectVector {
            fixed,
            type_name,
            elements,
        }
        .into())
    }

    fn dictionary(&mut self, count: usize, depth: usize) -> Result<Value, Amf3Error> {
        let weak_keys = self.flag()?;
        self.expect(count, 2)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push((self.value(depth)?, self.value(depth)?));
        }
        Ok(Dictionary { weak_keys, entries }.into())
    }

    fn vector<T, const N: usize>(
        &mut self,
        count: usize,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vector<T>, Amf3Error> {
        let fixed = self.flag()?;
        let bytes = self.bytes(count.saturating_mul(N))?;
        let (numbers, _) = bytes.as_chunks();
        Ok(Vector {
            fixed,
            elements: numbers.iter().map(|bytes| number(*bytes)).collect(),
        })
    }

    fn values(&mut self, count: usize, depth: usize) -> Result<Vec<Value>, Amf3Error> {
        let first = self.elements.len();
        for _ in 0..count {
            let element = self.value(depth)?;
            self.elements.push(element);
        }
        Ok(self.elements.drain(first..).collect())
    }

    /// Pairs of name and value up to an empty name.
    fn pairs(&mut self, depth: usize) -> Result<Properties, Amf3Error> {
        let first = self.properties.len();
        loop {
            let key = self.string()?;
            if key.is_empty() {
                break;
            }
            let value = self.value(depth)?;
            self.properties.push((key, value));
        }
        Ok(Properties::from_properties(
            self.properties.drain(first..).collect(),
        ))
    }

    fn flag(&mut self) -> Result<bool, Amf3Error> {
        Ok(self.array()? != [0])
    }

    /// A string or a reference to one. The empty string is never a reference and never in the table.
    fn string(&mut self) -> Result<AmfString, Amf3Error> {
        let header = self.u29()?;
        if header & 1 == 0 {
            let Some(string) = get(&self.tables.strings, header >> 1).cloned() else {
                return Err(self.bad_reference(
                    ReferenceKind::String,
                    header >> 1,
                    self.tables.strings.len(),
                ));
            };
            self.expand(string.len())?;
            return Ok(string);
        }
        let string = self.text(usize::try_from(header >> 1).unwrap_or(usize::MAX))?;
        if !string.is_empty() {
            self.tables.strings.push(string.clone());
        }
        Ok(string)
    }

    fn header(&mut self, depth: usize) -> Result<Header, Amf3Error> {
        let header = self.u29()?;
        if header & 1 == 1 {
            return Ok(Header::Inline(header >> 1));
        }
        let index = header >> 1;
        match get(&self.tables.objects, index) {
            Some(Slot::Open) => Ok(Header::Reference(Value::Cycle(index))),
            Some(Slot::Complete(referenced)) => {
                let referenced = referenced.clone();
                self.charge(&referenced, depth)?;
                Ok(Header::Reference(referenced.value))
            }
            None => Err(self.bad_reference(ReferenceKind::Object, index, self.tables.objects.len())),
        }
    }

    /// Takes what a reference stands for off the limits, as if it stood there itself.
    fn charge(&mut self, referenced: &Complete, depth: usize) -> Result<(), Amf3Error> {
        let depth = depth.saturating_add(referenced.height);
        self.check_depth(depth)?;
        self.deepest = self.deepest.max(depth);
        // The reference itself has been counted.
        let values = self.progress.values.saturating_add(referenced.values_inside);
        self.check_values(values)?;
        self.progress.values = values;
        self.expand(referenced.len)
    }

    fn expand(&mut self, len: usize) -> Result<(), Amf3Error> {
        let limit = self.source.limits.max_expanded_len;
        let len = self.progress.expanded.saturating_add(len);
        if len > limit {
            return Err(Amf3Error::TooLong { len, limit });
        }
        self.progress.expanded = len;
        Ok(())
    }

    /// Begins a complex value whose members are inside `depth` containers. It has its place in the table before them.
    fn begin(&mut self, depth: usize) -> Result<Begun, Amf3Error> {
        self.check_depth(depth)?;
        let begun = Begun {
            slot: self.tables.objects.len(),
            progress: *self.progress,
            deepest: self.deepest,
        };
        self.deepest = depth;
        self.tables.objects.push(Slot::Open);
        Ok(begun)
    }

    /// Ends a complex value that stands inside `depth` containers.
    fn complete(&mut self, begun: Begun, value: Value, depth: usize) -> Value {
        let (now, before) = (*self.progress, begun.progress);
        let complete = Complete {
            value: value.clone(),
            values_inside: now.values.saturating_sub(before.values),
            len: now.len_since(&before),
            height: self.deepest.saturating_sub(depth),
        };
        if let Some(slot) = self.tables.objects.get_mut(begun.slot) {
            *slot = Slot::Complete(complete);
        }
        self.deepest = self.deepest.max(begun.deepest);
        value
    }

    /// Counts a value.
    pub(super) fn count(&mut self) -> Result<(), Amf3Error> {
        let values = self.progress.values.saturating_add(1);
        self.check_values(values)?;
        self.progress.values = values;
        Ok(())
    }

    fn check_values(&self, count: usize) -> Result<(), Amf3Error> {
        let limit = self.source.limits.max_values;
        match count > limit {
            true => Err(Amf3Error::TooManyValues { count, limit }),
            false => Ok(()),
        }
    }

    fn check_depth(&self, depth: usize) -> Result<(), Amf3Error> {
        let limit = self.source.limits.max_depth;
        match depth > limit {
            true => Err(Amf3Error::TooDeep { depth, limit }),
            false => Ok(()),
        }
    }

    const fn bad_reference(&self, kind: ReferenceKind, index: u32, len: usize) -> Amf3Error {
        Amf3Error::BadReference {
            kind,
            index,
            len,
            offset: self.position(),
        }
    }

    /// Whether `count` things of at least `least` bytes can follow.
    fn expect(&self, count: usize, least: usize) -> Result<(), Amf3Error> {
        let needed = count.saturating_mul(least);
        if needed > self.remaining_len() {
            return Err(self.unexpected_end(needed));
        }
        Ok(())
    }

    const fn unexpected_end(&self, needed: usize) -> Amf3Error {
        Amf3Error::UnexpectedEnd {
            offset: self.position(),
            needed,
            available: self.remaining_len(),
        }
    }

    fn u29(&mut self) -> Result<u32, Amf3Error> {
        u29::read(|| self.array().map(|[byte]| byte))
    }

    fn text(&mut self, len: usize) -> Result<AmfString, Amf3Error> {
        let text = AmfString::slice_of(self.source.input, self.position(), len);
        let text = text.ok_or_else(|| self.unexpected_end(len))?;
        self.advance(len);
        Ok(text)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<Bytes, Amf3Error> {
        self.expect(len, 1)?;
        let begin = self.position();
        self.advance(len);
        Ok(self.source.input.slice(begin..self.position()))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Amf3Error> {
        let rest = self.source.input.get(self.position()..).unwrap_or_default();
        let bytes = rest.first_chunk().ok_or_else(|| self.unexpected_end(N))?;
        self.advance(N);
        Ok(*bytes)
    }

    pub(super) const fn position(&self) -> usize {
        self.progress.position
    }

    const fn remaining_len(&self) -> usize {
        self.source.input.len().saturating_sub(self.progress.position)
    }

    /// Goes on behind `len` bytes that are there.
    const fn advance(&mut self, len: usize) {
        self.progress.position = self.progress.position.saturating_add(len);
    }
}

fn get<T>(table: &[T], index: u32) -> Option<&T> {
    table.get(usize::try_from(index).ok()?)
}
