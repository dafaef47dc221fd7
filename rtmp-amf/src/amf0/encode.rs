//! Values to bytes.

use bytes::BytesMut;

use super::marker;
use super::tree::TreeWriter;
use super::value::Value;
use crate::{Amf0Error, Limits, amf3};

/// Encodes one value, within the default [`Limits`].
///
/// ```
/// use bytes::BytesMut;
/// use rtmp_amf::amf0::{self, Object};
///
/// let mut out = BytesMut::new();
/// amf0::encode(&Object::new().with("app", "live").into(), &mut out)?;
/// assert_eq!(out, &b"\x03\0\x03app\x02\0\x04live\0\0\x09"[..]);
/// # Ok::<(), rtmp_amf::Amf0Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Encoder::value`]. `out` is then as it was.
pub fn encode(value: &Value, out: &mut BytesMut) -> Result<(), Amf0Error> {
    encode_all(std::slice::from_ref(value), out)
}

/// Encodes a value list, for example the body of a command, within the default [`Limits`].
///
/// # Errors
///
/// Those of [`Encoder::value`]. `out` is then as it was.
pub fn encode_all(values: &[Value], out: &mut BytesMut) -> Result<(), Amf0Error> {
    let len = out.len();
    let result = Encoder::new(out).values(values).map(drop);
    if result.is_err() {
        out.truncate(len);
    }
    result
}

/// Writes values one after the other, without building them first.
///
/// The caller provides what a tree of [`Value`]s would by its shape: in objects and ECMA arrays, a value after each
/// [`key`](Self::key) and [`end_object`](Self::end_object) after the last; in strict arrays as many values as
/// announced. Both ways of writing mix freely.
///
/// ```
/// use bytes::BytesMut;
/// use rtmp_amf::amf0::{Encoder, Value};
///
/// let mut out = BytesMut::new();
/// let mut body = Encoder::new(&mut out);
/// body.string("connect")?.number(1.0).begin_object();
/// body.key("app")?.string("live")?;
/// body.key("fpad")?.boolean(false);
/// body.key("videoFunction")?.value(&Value::from(1))?;
/// body.end_object();
/// # Ok::<(), rtmp_amf::Amf0Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut BytesMut,
    limits: Limits,
    written: Option<Box<amf3::Written>>,
}

impl<'a> Encoder<'a> {
    /// Appends to `out`, with the default limits.
    #[must_use]
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self {
            out,
            limits: Limits::default(),
            written: None,
        }
    }

    /// Sets the limits, of which the depth applies to [`value`](Self::value).
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Writes references in AMF3 values to what this encoder wrote in AMF3 before, see
    /// [`amf3::Encoder::with_references`].
    #[must_use]
    pub fn with_references(mut self) -> Self {
        self.written = Some(Box::default());
        self
    }

    /// Writes a whole value. AMF0 references are written as they are, without looking what they refer to.
    ///
    /// # Errors
    ///
    /// [`TooDeep`](Amf0Error::TooDeep), and for what the format has no room for
    /// [`NameTooLong`](Amf0Error::NameTooLong), [`StringTooLong`](Amf0Error::StringTooLong),
    /// [`ArrayTooLong`](Amf0Error::ArrayTooLong) and, for AMF3 values, [`Amf3`](Amf0Error::Amf3). Part of the value may
    /// then have been written.
    pub fn value(&mut self, value: &Value) -> Result<&mut Self, Amf0Error> {
        self.values(std::slice::from_ref(value))
    }

    fn values(&mut self, values: &[Value]) -> Result<&mut Self, Amf0Error> {
        let mut writer = TreeWriter::new(self.out, self.limits, self.written.as_deref_mut());
        let depth = self.limits.max_depth;
        let result = values.iter().try_for_each(|value| writer.value(value, depth));
        writer.finish();
        result.map(|()| self)
    }

    /// Writes a number.
    #[inline]
    pub fn number(&mut self, number: f64) -> &mut Self {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        self.put(&[marker::NUMBER, a, b, c, d, e, f, g, h])
    }

    /// Writes a boolean.
    #[inline]
    pub fn boolean(&mut self, boolean: bool) -> &mut Self {
        self.put(&[marker::BOOLEAN, boolean.into()])
    }

    /// Writes a string, as long string if it has more than 65,535 bytes.
    ///
    /// # Errors
    ///
    /// [`StringTooLong`](Amf0Error::StringTooLong) for more than 4,294,967,295 bytes.
    #[inline]
    pub fn string(&mut self, string: impl AsRef<[u8]>) -> Result<&mut Self, Amf0Error> {
        let string = string.as_ref();
        let Ok(len) = u16::try_from(string.len()) else {
            return self.long_string(string);
        };
        let [a, b] = len.to_be_bytes();
        Ok(self.put(&[marker::STRING, a, b]).put(string))
    }

    /// Writes null.
    pub fn null(&mut self) -> &mut Self {
        self.put(&[marker::NULL])
    }

    /// Writes undefined.
    pub fn undefined(&mut self) -> &mut Self {
        self.put(&[marker::UNDEFINED])
    }

    /// Opens an anonymous object.
    pub fn begin_object(&mut self) -> &mut Self {
        self.put(&[marker::OBJECT])
    }

    /// Opens an ECMA array that will have `count` properties. It ends like an object; the count is only a hint for
    /// the reader.
    pub fn begin_ecma_array(&mut self, count: u32) -> &mut Self {
        self.put(&[marker::ECMA_ARRAY]).put(&count.to_be_bytes())
    }

    /// Opens a strict array, which ends after `count` values.
    pub fn begin_strict_array(&mut self, count: u32) -> &mut Self {
        self.put(&[marker::STRICT_ARRAY]).put(&count.to_be_bytes())
    }

    /// Writes the key of the property whose value comes next.
    ///
    /// # Errors
    ///
    /// [`NameTooLong`](Amf0Error::NameTooLong) for more than 65,535 bytes.
    #[inline]
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> Result<&mut Self, Amf0Error> {
        let key = key.as_ref();
        let len = u16::try_from(key.len()).map_err(|_| Amf0Error::NameTooLong { len: key.len() })?;
        Ok(self.put(&len.to_be_bytes()).put(key))
    }

    /// Ends an object or ECMA array.
    pub fn end_object(&mut self) -> &mut Self {
        self.put(&[0, 0, marker::OBJECT_END])
    }

    fn long_string(&mut self, string: &[u8]) -> Result<&mut Self, Amf0Error> {
        let len = u32::try_from(string.len()).map_err(|_| Amf0Error::StringTooLong { len: string.len() })?;
        let [a, b, c, d] = len.to_be_bytes();
        Ok(self.put(&[marker::LONG_STRING, a, b, c, d]).put(string))
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }
}
