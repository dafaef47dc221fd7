//! Strings as the peer sent them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use bytes::Bytes;

/// An AMF string: bytes that are meant to be UTF-8 and usually are.
///
/// Encoders do send Latin-1 titles and NUL padding, so the bytes are kept as they came and encoded again unchanged;
/// text is a view of them ([`to_str`](Self::to_str), [`to_string_lossy`](Self::to_string_lossy)). Cloning is cheap.
///
/// Up to 23 bytes are held in the string itself: keys and most values cost no allocation and no reference count. A
/// longer one that was decoded shares the memory of the message it came in and keeps all of it alive; to keep such a
/// string for long, copy it: `AmfString::from(url.as_bytes())`.
///
/// [`Debug`](fmt::Debug) quotes, escapes, and cuts after [`DEBUG_LEN`](Self::DEBUG_LEN) bytes. [`Display`](fmt::Display)
/// is the whole text with U+FFFD for what is not UTF-8 and control characters escaped, so that it cannot steer a
/// terminal or forge log lines.
///
/// ```
/// use rtmp_amf::AmfString;
///
/// const APP: AmfString = AmfString::from_static("app");
/// assert_eq!(APP, "app");
/// assert_eq!(AmfString::from(&b"caf\xe9"[..]).to_string_lossy(), "caf\u{fffd}");
/// ```
#[derive(Clone)]
pub struct AmfString(Repr);

/// As large as [`Bytes`] alone: the compiler keeps the choice where `Bytes` has a pointer that is never null.
#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_LEN] },
    Shared(Bytes),
}

const INLINE_MAX: u8 = 23;
const INLINE_LEN: usize = INLINE_MAX as usize;

impl AmfString {
    /// How many bytes [`Debug`](fmt::Debug) shows before it cuts: 256.
    pub const DEBUG_LEN: usize = 256;

    /// A string that lives as long as the program; costs no allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Shared(Bytes::from_static(text.as_bytes())))
    }

    /// The bytes as they came or will be sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The bytes; copied if there are up to 23, else still shared.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline { .. } => Bytes::copy_from_slice(self.as_bytes()),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The text, or `None` if it is not UTF-8.
    #[must_use]
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Repr::Inline { len, .. } => *len as usize,
            Repr::Shared(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string and what is free behind it, and its length, if it is short enough to be held here.
    #[inline]
    pub(crate) const fn as_inline(&self) -> Option<(&[u8; INLINE_LEN], usize)> {
        match &self.0 {
            Repr::Inline { len, bytes } => Some((bytes, *len as usize)),
            Repr::Shared(_) => None,
        }
    }

    /// The string in the bytes of `message` from `start` on, `len` of them; `None` if it has not that many.
    pub(crate) fn slice_of(message: &Bytes, start: usize, len: usize) -> Option<Self> {
        let rest = message.get(start..)?;
        // Copying all 23 bytes, of which `len` count, needs no loop; only near the message's end they are not there.
        if let (Ok(len @ 0..=INLINE_MAX), Some(bytes)) = (u8::try_from(len), rest.first_chunk()) {
            return Some(Self(Repr::Inline { len, bytes: *bytes }));
        }
        let bytes = rest.get(..len)?;
        Some(Self::inline(bytes).unwrap_or_else(|| Self(Repr::Shared(message.slice_ref(bytes)))))
    }

    /// The string without memory of its own, if it is short enough.
    fn inline(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_LEN];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self(Repr::Inline {
            len: u8::try_from(text.len()).ok()?,
            bytes,
        }))
    }
}

impl Default for AmfString {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl PartialEq for AmfString {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for AmfString {}

impl PartialOrd for AmfString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AmfString {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for AmfString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for AmfString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.as_bytes();
        let shown = bytes.get(..Self::DEBUG_LEN).unwrap_or(bytes);
        f.write_char('"')?;
        for chunk in shown.utf8_chunks() {
            write!(
                f,
                "{}{}",
                chunk.valid().escape_debug(),
                chunk.invalid().escape_ascii()
            )?;
        }
        f.write_char('"')?;
        if shown.len() < self.len() {
            write!(f, "... ({} bytes)", self.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for AmfString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if steers_output(c) {
                    write!(f, "{}", c.escape_default())?
                } else {
                    f.write_char(c)?
                }
            }
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// Control characters, line separators and bidirectional controls (Unicode standard annex 9).
fn steers_output(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl AsRef<[u8]> for AmfString {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&str> for AmfString {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for AmfString {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&String> for AmfString {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Cow<'_, str>> for AmfString {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self::from(text),
        }
    }
}

impl From<&[u8]> for AmfString {
    fn from(bytes: &[u8]) -> Self {
        Self::inline(bytes).unwrap_or_else(|| Self(Repr::Shared(Bytes::copy_from_slice(bytes))))
    }
}

impl From<Bytes> for AmfString {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Shared(bytes))
    }
}

impl PartialEq<str> for AmfString {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for AmfString {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_kept() {
        let latin1 = AmfString::from(&b"caf\xe9\0"[..]);
        assert_eq!(latin1.as_bytes(), b"caf\xe9\0");
        assert_eq!(latin1.to_str(), None);
        assert_eq!(latin1.to_string_lossy(), "caf\u{fffd}\0");
        assert_eq!((latin1.len(), latin1.is_empty()), (5, false));
    }

    #[test]
    fn text_is_equal_to_text_however_it_was_made() {
        let made = [
            AmfString::from_static("live"),
            AmfString::from("live"),
            AmfString::from("live".to_owned()),
            AmfString::from(&"live".to_owned()),
            AmfString::from(Cow::Borrowed("live")),
            AmfString::from(Cow::Owned("live".to_owned())),
            AmfString::from(Bytes::from_static(b"live")),
        ];
        for string in made {
            assert_eq!(string, *"live");
            assert_eq!(string, "live");
            assert_ne!(string, "Live");
            assert_eq!(string.to_str(), Some("live"));
            assert_eq!(string.into_bytes(), "live");
        }
    }

    #[test]
    fn a_string_is_no_larger_than_the_bytes_it_may_share() {
        assert_eq!(size_of::<AmfString>(), size_of::<Bytes>());
    }

    #[test]
    fn short_strings_are_copied_and_long_ones_share_the_message() {
        let message = Bytes::from((0..60).collect::<Vec<u8>>());
        for start in 0..=60 {
            for len in 0..=60 - start {
                let string = AmfString::slice_of(&message, start, len).unwrap();
                assert_eq!(string.as_bytes(), &message[start..start + len]);
                let shares = message.as_ptr_range().contains(&string.as_bytes().as_ptr());
                assert_eq!(shares, len > INLINE_LEN, "{start} {len}");
                assert_eq!(AmfString::from(string.as_bytes()), string);
                assert_eq!(string.clone().into_bytes(), message[start..start + len]);
            }
            assert!(AmfString::slice_of(&message, start, 61 - start).is_none());
        }
        assert!(AmfString::slice_of(&message, 61, 0).is_none());
    }

    #[test]
    fn order_and_hash_are_those_of_the_bytes() {
        let (inline, shared) = (AmfString::from("live"), AmfString::from_static("live"));
        assert_eq!(inline.cmp(&shared), Ordering::Equal);
        assert_eq!(HashSet::from([inline, shared, AmfString::default()]).len(), 2);
        assert_eq!(
            AmfString::from("a").partial_cmp(&AmfString::from_static("b")),
            Some(Ordering::Less)
        );
    }

    #[test]
    fn display_cannot_steer_a_terminal() {
        let hostile = AmfString::from(&b"a\x1b[2J\nb\xff\xc2\x9b\xe2\x80\xae\"\\"[..]);
        assert_eq!(hostile.to_string(), "a\\u{1b}[2J\\nb\u{fffd}\\u{9b}\\u{202e}\"\\");
    }

    #[test]
    fn debug_escapes_and_cuts() {
        assert_eq!(
            format!("{:?}", AmfString::from(&b"\"\x1b\xff\xc3\xa9"[..])),
            r#""\"\u{1b}\xffé""#
        );
        let whole = AmfString::from("x".repeat(AmfString::DEBUG_LEN));
        assert_eq!(format!("{whole:?}"), format!("\"{whole}\""));
        let long = AmfString::from("x".repeat(AmfString::DEBUG_LEN + 1));
        assert_eq!(format!("{long:?}"), format!("\"{whole}\"... (257 bytes)"));
    }
}
