//! Strings as the peer sent them.

use std::borrow::Cow;
use std::fmt::{self, Write};

use bytes::Bytes;

/// An AMF string: bytes that are meant to be UTF-8 and usually are.
///
/// Encoders do send Latin-1 titles and NUL padding, so the bytes are kept as they came and encoded again unchanged;
/// text is a view of them ([`to_str`](Self::to_str), [`to_string_lossy`](Self::to_string_lossy)). Cloning is cheap.
///
/// A decoded string shares the memory of the message it came in and keeps it alive. To keep a short string for long,
/// copy it: `AmfString::from(name.as_bytes())`.
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
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmfString(Bytes);

impl AmfString {
    /// How many bytes [`Debug`](fmt::Debug) shows before it cuts: 256.
    pub const DEBUG_LEN: usize = 256;

    /// A string that lives as long as the program; costs no allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The bytes as they came or will be sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, still shared.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text, or `None` if it is not UTF-8.
    #[must_use]
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for AmfString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..Self::DEBUG_LEN).unwrap_or(&self.0);
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
        for chunk in self.0.utf8_chunks() {
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
        &self.0
    }
}

impl From<&str> for AmfString {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for AmfString {
    fn from(text: String) -> Self {
        Self(text.into())
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
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl From<Bytes> for AmfString {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
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
