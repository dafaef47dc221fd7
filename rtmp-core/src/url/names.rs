//! App and stream names as they are on the wire, with their queries.

use std::fmt;

use super::error::check_name;
use super::{UrlError, UrlPart};
use crate::message::Shortened;

/// The app as `connect` names it: a name, perhaps an instance, perhaps a query.
///
/// The name is what precedes the first `?`, without slashes at its start and end. Everything else is kept as it
/// came: doubled slashes inside, the default instance `_definst_`, percent-encoding.
///
/// ```
/// use rtmp_core::url::AppName;
///
/// let app = AppName::parse("live/backup/?x=1")?;
/// assert_eq!((app.name(), app.instance(), app.query()), ("live/backup", Some("backup"), Some("x=1")));
/// assert_eq!(app.raw(), "live/backup/?x=1");
/// # Ok::<(), rtmp_core::url::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AppName {
    raw: String,
}

impl AppName {
    /// Reads the app of a `connect` command; it may be empty.
    ///
    /// # Errors
    ///
    /// If it is longer than [`MAX_NAME_LEN`](super::MAX_NAME_LEN) without its query or
    /// [`MAX_URL_LEN`](super::MAX_URL_LEN) with it, or has a control character or `%00` in it.
    pub fn parse(raw: impl Into<String>) -> Result<Self, UrlError> {
        let raw = raw.into();
        check_name(&raw, UrlPart::App)?;
        Ok(Self { raw })
    }

    /// The app as it came.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The app without its query and without slashes at its ends, with its instance.
    #[must_use]
    pub fn name(&self) -> &str {
        split_query(&self.raw).0.trim_matches('/')
    }

    /// What follows the first `/` of the name.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        split_instance(self.name())
    }

    /// What follows the first `?`, whatever it contains.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        split_query(&self.raw).1
    }
}

/// A stream name as `publish` and `play` carry it: a name, perhaps a query.
///
/// The name is what precedes the first `?`, without slashes at its start and end; slashes inside are part of it.
/// Everything else is kept as it came.
///
/// ```
/// use rtmp_core::url::StreamName;
///
/// let stream = StreamName::parse("/cam/1?token=a/b?c")?;
/// assert_eq!((stream.name(), stream.query()), ("cam/1", Some("token=a/b?c")));
/// assert_eq!(stream.raw(), "/cam/1?token=a/b?c");
/// # Ok::<(), rtmp_core::url::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamName {
    raw: String,
}

impl StreamName {
    /// Reads the stream name of a command; it may be empty.
    ///
    /// # Errors
    ///
    /// If it is longer than [`MAX_NAME_LEN`](super::MAX_NAME_LEN) without its query or
    /// [`MAX_URL_LEN`](super::MAX_URL_LEN) with it, or has a control character or `%00` in it.
    pub fn parse(raw: impl Into<String>) -> Result<Self, UrlError> {
        let raw = raw.into();
        check_name(&raw, UrlPart::StreamName)?;
        Ok(Self { raw })
    }

    /// The name as it came.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The name without its query and without slashes at its ends.
    #[must_use]
    pub fn name(&self) -> &str {
        split_query(&self.raw).0.trim_matches('/')
    }

    /// What follows the first `?`, whatever it contains.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        split_query(&self.raw).1
    }
}

/// Hides the query.
impl fmt::Debug for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppName(\"{}\")", HiddenQuery(&self.raw))
    }
}

/// Shortens the name and hides the query.
impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamName").field(&Shortened(&self.raw)).finish()
    }
}

/// Shows that there is a query, but not what it is.
pub(super) struct HiddenQuery<'a>(pub(super) &'a str);

impl fmt::Display for HiddenQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, query) = split_query(self.0);
        write!(f, "{}", name.escape_debug())?;
        query.map_or(Ok(()), |_| f.write_str("?…"))
    }
}

pub(super) fn split_query(raw: &str) -> (&str, Option<&str>) {
    raw.split_once('?')
        .map_or((raw, None), |(name, query)| (name, Some(query)))
}

pub(super) fn split_instance(app: &str) -> Option<&str> {
    Some(app.split_once('/')?.1.trim_start_matches('/')).filter(|instance| !instance.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::{MAX_NAME_LEN, MAX_URL_LEN};

    fn app(raw: &str) -> AppName {
        AppName::parse(raw).unwrap()
    }

    fn stream(raw: &str) -> StreamName {
        StreamName::parse(raw).unwrap()
    }

    #[test]
    fn an_app_and_a_stream_may_both_have_a_query() {
        let (app, stream) = (app("app?x=1"), stream("stream?y=2"));
        assert_eq!((app.name(), app.query()), ("app", Some("x=1")));
        assert_eq!((stream.name(), stream.query()), ("stream", Some("y=2")));
    }

    #[test]
    fn slashes_at_the_ends_are_not_part_of_a_name() {
        for raw in ["live", "live/", "/live", "//live//", "live/?", "live?/"] {
            assert_eq!(
                (app(raw).name(), app(raw).instance(), app(raw).raw()),
                ("live", None, raw)
            );
            assert_eq!((stream(raw).name(), stream(raw).raw()), ("live", raw));
        }
        for empty in ["", "/", "//", "?a"] {
            assert_eq!((app(empty).name(), stream(empty).name()), ("", ""));
        }
    }

    #[test]
    fn an_app_may_have_an_instance_of_several_parts() {
        assert_eq!(app("live/_definst_").instance(), Some("_definst_"));
        assert_eq!(app("live//a/b/?q").instance(), Some("a/b"));
        assert_eq!(app("live//a/b/?q").name(), "live//a/b");
    }

    #[test]
    fn a_query_starts_at_the_first_question_mark_and_keeps_every_byte() {
        assert_eq!(stream("key?a=b?c=/%2F+&=#é").query(), Some("a=b?c=/%2F+&=#é"));
        assert_eq!(stream("key?").query(), Some(""));
        assert_eq!(stream("a/b/c").name(), "a/b/c");
    }

    #[test]
    fn names_have_limits() {
        let (longest, query) = ("a".repeat(MAX_NAME_LEN), "?".repeat(MAX_URL_LEN - MAX_NAME_LEN));
        assert!(StreamName::parse(format!("{longest}{query}")).is_ok());
        assert_eq!(
            StreamName::parse(format!("{longest}a?")),
            Err(UrlError::NameTooLong {
                part: UrlPart::StreamName,
                length: MAX_NAME_LEN + 1
            })
        );
        assert_eq!(
            AppName::parse(format!("{longest}{query}?")),
            Err(UrlError::TooLong {
                part: UrlPart::App,
                length: MAX_URL_LEN + 1
            })
        );
    }

    #[test]
    fn control_characters_and_encoded_zero_bytes_are_refused() {
        for raw in [
            "ab\r",
            "ab\n",
            "ab\0",
            "ab\u{1b}[2J",
            "ab\u{85}",
            "ab\u{7f}",
            "ab%00",
        ] {
            let part = UrlPart::StreamName;
            assert_eq!(
                StreamName::parse(raw),
                Err(UrlError::ControlCharacter { part, position: 2 })
            );
        }
    }

    #[test]
    fn debug_hides_what_may_be_secret() {
        assert_eq!(format!("{:?}", app("live?token=t0k3n")), "AppName(\"live?…\")");
        let debug = format!("{:?}", stream("live_0123456789abcdef?token=t0k3n"));
        assert!(
            debug.contains("live") && !debug.contains("abcdef") && !debug.contains("t0k3n"),
            "{debug}"
        );
    }
}
