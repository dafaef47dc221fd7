//! Why a URL or a name is refused.

use std::fmt;

use super::{MAX_NAME_LEN, MAX_URL_LEN};

/// A part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlPart {
    /// All of it.
    Url,
    /// The app, with its instance.
    App,
    /// The stream name.
    StreamName,
}

impl fmt::Display for UrlPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "URL",
            Self::App => "app",
            Self::StreamName => "stream name",
        })
    }
}

/// Why a URL or a name is refused. Nothing of the text is in the error, as it can hold secrets, except a scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text does not start with a scheme and `://`.
    #[error("the URL does not start with rtmp:// or rtmps://")]
    MissingScheme,
    /// The URL is of another scheme than `rtmp` and `rtmps`.
    #[error("URLs of scheme {scheme} are not supported, only rtmp and rtmps")]
    UnsupportedScheme {
        /// The scheme in lower case.
        scheme: String,
    },
    /// The URL has a user name or a password before its host.
    #[error("user name and password in front of the host are not supported")]
    UserInfo,
    /// The host is missing or is no host name or address.
    #[cfg(feature = "url")]
    #[error("invalid host in the URL")]
    InvalidHost(#[source] url::ParseError),
    /// The host is an IPv6 address without its brackets, as in `[::1]`.
    #[error("an IPv6 address in a URL needs brackets")]
    MissingBrackets,
    /// The port is not a number from 1 to 65535.
    #[error("the port in the URL is not a number from 1 to 65535")]
    InvalidPort,
    /// There is a control character, or a percent-encoded zero byte.
    #[error("control character at byte {position} of the {part}")]
    ControlCharacter {
        /// Where it was found.
        part: UrlPart,
        /// Its place, in bytes from the start of that part.
        position: usize,
    },
    /// The text, with its query, is longer than [`MAX_URL_LEN`].
    #[error("{part} of {length} bytes, the limit is {MAX_URL_LEN}")]
    TooLong {
        /// What is too long.
        part: UrlPart,
        /// Its length in bytes.
        length: usize,
    },
    /// An app or stream name, without its query, is longer than [`MAX_NAME_LEN`].
    #[error("{part} of {length} bytes without its query, the limit is {MAX_NAME_LEN}")]
    NameTooLong {
        /// What is too long.
        part: UrlPart,
        /// Its length in bytes.
        length: usize,
    },
}

/// Refuses what is longer than a URL may be, and what could be taken for the end of a line or text by whoever
/// handles it next.
pub(super) fn check_text(text: &str, part: UrlPart) -> Result<(), UrlError> {
    if text.len() > MAX_URL_LEN {
        return Err(UrlError::TooLong {
            part,
            length: text.len(),
        });
    }
    match text.find(char::is_control).or_else(|| text.find("%00")) {
        Some(position) => Err(UrlError::ControlCharacter { part, position }),
        None => Ok(()),
    }
}

/// Checks an app or stream name with its query.
pub(super) fn check_name(raw: &str, part: UrlPart) -> Result<(), UrlError> {
    check_text(raw, part)?;
    let length = raw.find('?').unwrap_or(raw.len());
    match length > MAX_NAME_LEN {
        true => Err(UrlError::NameTooLong { part, length }),
        false => Ok(()),
    }
}
