//! Rust types to values.

use std::marker::PhantomData;

use serde::Serialize;
use serde::ser::{self, Impossible};

use super::format::Format;
use super::wrapper::{DATE, ECMA_ARRAY};
use super::{MAX_EXACT, SerdeError, SerdeErrorKind};
use crate::{AmfString, Object};

pub(crate) fn to_value<V: Format>(value: &(impl Serialize + ?Sized)) -> Result<V, SerdeError> {
    value.serialize(Serializer(PhantomData))
}

/// The values of a tuple or sequence.
pub(crate) fn to_list<V: Format>(list: &(impl Serialize + ?Sized)) -> Result<Vec<V>, SerdeError> {
    let list: V = to_value(list)?;
    list.into_elements()
        .ok_or_else(|| SerdeErrorKind::NotAList.into())
}

struct Serializer<V>(PhantomData<V>);

/// An enum's variant that is not a mere name is an object with one property.
fn in_variant<V: Format>(variant: Option<&'static str>, value: V) -> V {
    match variant {
        Some(variant) => V::object(Object::new().with(AmfString::from_static(variant), value)),
        None => value,
    }
}

fn integer<V: Format>(integer: impl Into<i128>) -> Result<V, SerdeError> {
    let integer = integer.into();
    match i64::try_from(integer) {
        Ok(exact) if exact.unsigned_abs() <= MAX_EXACT => Ok(V::integer(exact)),
        _ => Err(SerdeErrorKind::Inexact(integer).into()),
    }
}

macro_rules! serialize_integers {
    ($($method:ident($integer:ty)),*) => {$(
        fn $method(self, value: $integer) -> Result<V, SerdeError> {
            integer(value)
        }
    )*};
}

impl<V: Format> ser::Serializer for Serializer<V> {
    type Ok = V;
    type Error = SerdeError;
    type SerializeSeq = Elements<V>;
    type SerializeTuple = Elements<V>;
    type SerializeTupleStruct = Elements<V>;
    type SerializeTupleVariant = Elements<V>;
    type SerializeMap = Properties<V>;
    type SerializeStruct = Properties<V>;
    type SerializeStructVariant = Properties<V>;

    serialize_integers!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64)
    );

    fn serialize_u128(self, value: u128) -> Result<V, SerdeError> {
        integer(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_bool(self, value: bool) -> Result<V, SerdeError> {
        Ok(V::boolean(value))
    }

    fn serialize_f32(self, value: f32) -> Result<V, SerdeError> {
        Ok(V::number(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<V, SerdeError> {
        Ok(V::number(value))
    }

    fn serialize_char(self, value: char) -> Result<V, SerdeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<V, SerdeError> {
        Ok(V::string(value.into()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<V, SerdeError> {
        Ok(V::bytes(value))
    }

    fn serialize_none(self) -> Result<V, SerdeError> {
        Ok(V::null())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<V, SerdeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<V, SerdeError> {
        Ok(V::null())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<V, SerdeError> {
        Ok(V::null())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<V, SerdeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<V, SerdeError> {
        let value = value.serialize(self)?;
        match name {
            DATE => Ok(value.as_number().map_or(value, V::date)),
            ECMA_ARRAY => value
                .into_properties()
                .map(V::ecma_array)
                .ok_or_else(|| SerdeErrorKind::NoProperties.into()),
            _ => Ok(value),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<V, SerdeError> {
        let value = value.serialize(self).map_err(|error| error.in_key(variant))?;
        Ok(in_variant(Some(variant), value))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<V>, SerdeError> {
        Ok(Elements::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements<V>, SerdeError> {
        Ok(Elements::new(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements<V>, SerdeError> {
        Ok(Elements::new(None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Elements<V>, SerdeError> {
        Ok(Elements::new(Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Properties<V>, SerdeError> {
        Ok(Properties::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Properties<V>, SerdeError> {
        Ok(Properties::new(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Properties<V>, SerdeError> {
        Ok(Properties::new(Some(variant)))
    }
}

/// Becomes an array.
struct Elements<V> {
    elements: Vec<V>,
    variant: Option<&'static str>,
}

impl<V: Format> Elements<V> {
    const fn new(variant: Option<&'static str>) -> Self {
        Self {
            elements: Vec::new(),
            variant,
        }
    }

    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), SerdeError> {
        let value = to_value(value).map_err(|error| {
            let error = error.in_element(self.elements.len());
            match self.variant {
                Some(variant) => error.in_key(variant),
                None => error,
            }
        })?;
        self.elements.push(value);
        Ok(())
    }

    fn finish(self) -> V {
        in_variant(self.variant, V::array(self.elements))
    }
}

macro_rules! serialize_elements {
    ($($kind:ident::$method:ident),*) => {$(
        impl<V: Format> ser::$kind for Elements<V> {
            type Ok = V;
            type Error = SerdeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
                self.push(value)
            }

            fn end(self) -> Result<V, SerdeError> {
                Ok(self.finish())
            }
        }
    )*};
}
serialize_elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// Becomes an object.
struct Properties<V> {
    properties: Object<V>,
    key: AmfString,
    variant: Option<&'static str>,
}

impl<V: Format> Properties<V> {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            properties: Object::new(),
            key: AmfString::default(),
            variant,
        }
    }

    fn push(&mut self, key: AmfString, value: &(impl Serialize + ?Sized)) -> Result<(), SerdeError> {
        let value: V = to_value(value).map_err(|error| {
            let error = error.in_key(&key);
            match self.variant {
                Some(variant) => error.in_key(variant),
                None => error,
            }
        })?;
        self.properties.push(key, value);
        Ok(())
    }

    fn finish(self) -> V {
        in_variant(self.variant, V::object(self.properties))
    }
}

impl<V: Format> ser::SerializeMap for Properties<V> {
    type Ok = V;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        self.key = key.serialize(KeySerializer)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        let key = std::mem::take(&mut self.key);
        self.push(key, value)
    }

    fn end(self) -> Result<V, SerdeError> {
        Ok(self.finish())
    }
}

macro_rules! serialize_fields {
    ($($kind:ident),*) => {$(
        impl<V: Format> ser::$kind for Properties<V> {
            type Ok = V;
            type Error = SerdeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), SerdeError> {
                self.push(AmfString::from(key), value)
            }

            fn end(self) -> Result<V, SerdeError> {
                Ok(self.finish())
            }
        }
    )*};
}
serialize_fields!(SerializeStruct, SerializeStructVariant);

/// Keys are text; integers are written in decimals.
struct KeySerializer;

macro_rules! serialize_integer_keys {
    ($($method:ident($integer:ty)),*) => {$(
        fn $method(self, value: $integer) -> Result<AmfString, SerdeError> {
            Ok(value.to_string().into())
        }
    )*};
}

macro_rules! refuse_keys {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, SerdeError> {
            Err(SerdeErrorKind::Key.into())
        }
    )*};
}

type Never = Impossible<AmfString, SerdeError>;

impl ser::Serializer for KeySerializer {
    type Ok = AmfString;
    type Error = SerdeError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    serialize_integer_keys!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_char(char)
    );

    fn serialize_str(self, value: &str) -> Result<AmfString, SerdeError> {
        Ok(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<AmfString, SerdeError> {
        Ok(value.into())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<AmfString, SerdeError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<AmfString, SerdeError> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<AmfString, SerdeError> {
        Err(SerdeErrorKind::Key.into())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<AmfString, SerdeError> {
        Err(SerdeErrorKind::Key.into())
    }

    refuse_keys! {
        serialize_bool(bool) -> AmfString;
        serialize_f32(f32) -> AmfString;
        serialize_f64(f64) -> AmfString;
        serialize_none() -> AmfString;
        serialize_unit() -> AmfString;
        serialize_unit_struct(&'static str) -> AmfString;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }
}
