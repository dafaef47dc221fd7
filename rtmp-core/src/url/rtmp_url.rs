//! URLs as a client is given them.

use std::fmt;
use std::str::FromStr;

use super::authority::{Scheme, parse_authority, parse_scheme};
use super::error::{check_name, check_text};
use super::names::{HiddenQuery, split_instance, split_query};
use super::split::{Target, split_target};
use super::{UrlError, UrlPart};
use crate::message::Shortened;

/// The URL of a stream, or of a server.
///
/// # App and stream name
///
/// No specification says where the app ends and the stream name begins. These rules are FFmpeg's, as far as they
/// go; librtmp and the programs built on it differ where a path has more than two segments.
///
/// | what follows the host | app | stream name |
/// |---|---|---|
/// | `/a` or `/a/` | `a` | none |
/// | `/a/b` | `a` | `b` |
/// | `/a/b/c` | `a/b` | `c` |
/// | `/a/b/c/d` | `a/b` | `c/d` |
/// | `/a/b/` | `a/b` | none |
/// | `/a/mp4:b/c`, a `:` in the second segment | `a` | `mp4:b/c` |
/// | `/ondemand/b/c`, this word | `ondemand` | `b/c` |
/// | `/a/b?query` | `a` | `b?query` |
/// | `/a?query` or `/a/?query` | `a?query` | none |
/// | `/a?query/b`, the last `/` before another `?` | `a?query` | `b` |
/// | `/a/b/c#d`, a `#` before any query | `a/b/c` | `d` |
/// | `/a?query#b` | `a?query` | `b` |
///
/// A query behind a stream name belongs to it and is never looked into: it may hold `/`, `?`, `:` and `#`. Slashes
/// at the start of the path and at the end of the app do not count, and several in a row where the split is count
/// as one. Nothing is decoded.
///
/// For another split take [`from_server`](Self::from_server), which does not split at all,
/// [`with_app`](Self::with_app) and [`with_stream`](Self::with_stream).
///
/// # Secrets
///
/// `Debug` and `Display` shorten the stream name and hide the queries. [`full_text`](Self::full_text) and the getters
/// show them.
///
/// ```
/// use rtmp_core::url::RtmpUrl;
///
/// let url: RtmpUrl = "rtmp://example.org/live/camera-of-the-lobby?token=t0k3n".parse()?;
/// assert_eq!((url.host(), url.port()), ("example.org", 1935));
/// assert_eq!((url.app(), url.tc_url().as_str()), ("live", "rtmp://example.org/live"));
/// assert_eq!(url.stream_name(), Some("camera-of-the-lobby"));
/// assert_eq!(url.stream_name_with_query(), Some("camera-of-the-lobby?token=t0k3n"));
/// assert!(!url.to_string().contains("lobby") && !url.to_string().contains("t0k3n"));
///
/// // The two fields that streaming services give: a server and a stream key.
/// let url = RtmpUrl::from_server("rtmps://example.org:443/live/main/")?.with_stream("k3y?backup=1")?;
/// assert_eq!((url.app(), url.stream_name()), ("live/main", Some("k3y")));
/// # Ok::<(), rtmp_core::url::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RtmpUrl {
    text: String,
    scheme: Scheme,
    host: String,
    explicit_port: Option<u16>,
    app: String,
    stream: String,
}

impl RtmpUrl {
    /// Parses the URL of a stream; app and stream name may be missing.
    ///
    /// # Errors
    ///
    /// [`UrlError`], which names the part that is wrong and does not show it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::parse_with(text, split_target)
    }

    /// Parses the URL of a server: all that follows the host is the app and its query, but for slashes at its start
    /// and at the end of its path. There is no stream name.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_server(text: &str) -> Result<Self, UrlError> {
        Self::parse_with(text, |target| {
            let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
            Target {
                app: [path.trim_matches('/'), query].concat(),
                stream: String::new(),
            }
        })
    }

    fn parse_with(text: &str, split: impl FnOnce(&str) -> Target) -> Result<Self, UrlError> {
        check_text(text, UrlPart::Url)?;
        let (scheme, rest) = parse_scheme(text)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, explicit_port) = parse_authority(authority)?;
        let Target { app, stream } = split(target);
        check_name(&app, UrlPart::App)?;
        check_name(&stream, UrlPart::StreamName)?;
        Ok(Self {
            text: text.into(),
            scheme,
            host,
            explicit_port,
            app,
            stream,
        })
    }

    /// This URL with another app, which may have an instance and a query, and is sent as it is given.
    ///
    /// # Errors
    ///
    /// If it is longer than [`MAX_NAME_LEN`](super::MAX_NAME_LEN) without its query or
    /// [`MAX_URL_LEN`](super::MAX_URL_LEN) with it, or has a control character or `%00` in it.
    pub fn with_app(mut self, app: impl Into<String>) -> Result<Self, UrlError> {
        self.app = app.into();
        check_name(&self.app, UrlPart::App)?;
        Ok(self.with_new_text())
    }

    /// This URL with another stream name, which may have a query, and is sent as it is given; none if it is empty.
    ///
    /// # Errors
    ///
    /// As [`with_app`](Self::with_app).
    pub fn with_stream(mut self, stream: impl Into<String>) -> Result<Self, UrlError> {
        self.stream = stream.into();
        check_name(&self.stream, UrlPart::StreamName)?;
        Ok(self.with_new_text())
    }

    fn with_new_text(mut self) -> Self {
        self.text = self.tc_url();
        if !self.stream.is_empty() {
            self.text.push('/');
            self.text.push_str(&self.stream);
        }
        self
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name in ASCII and lower case, or an address; an IPv6 address without its brackets, as resolvers
    /// and TLS want it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, or the scheme's default if the URL has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or(self.scheme.default_port())
    }

    /// The port if the URL has one.
    #[must_use]
    pub fn explicit_port(&self) -> Option<u16> {
        self.explicit_port
    }

    /// The app with its instance, without its query. Empty if the URL has none.
    #[must_use]
    pub fn app(&self) -> &str {
        split_query(&self.app).0
    }

    /// The app as `connect` sends it, with its instance and query.
    #[must_use]
    pub fn app_with_query(&self) -> &str {
        &self.app
    }

    /// What follows the first `/` of the app.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        split_instance(self.app())
    }

    /// The query of the app, without its `?`.
    #[must_use]
    pub fn app_query(&self) -> Option<&str> {
        split_query(&self.app).1
    }

    /// The stream name without its query.
    #[must_use]
    pub fn stream_name(&self) -> Option<&str> {
        Some(split_query(&self.stream).0).filter(|name| !name.is_empty())
    }

    /// The stream name as `publish` and `play` send it, with its query.
    #[must_use]
    pub fn stream_name_with_query(&self) -> Option<&str> {
        Some(self.stream.as_str()).filter(|stream| !stream.is_empty())
    }

    /// The query of the stream name, without its `?`.
    #[must_use]
    pub fn stream_query(&self) -> Option<&str> {
        split_query(&self.stream).1
    }

    /// The `tcUrl` of `connect`: scheme, host, the port if the URL has one, and the app with its query. The stream
    /// name is not in it.
    #[must_use]
    pub fn tc_url(&self) -> String {
        format!("{}/{}", Server(self), self.app)
    }

    /// The whole text with its secrets: as it was parsed or, after [`with_app`](Self::with_app) or
    /// [`with_stream`](Self::with_stream), `tcUrl`, a slash and the stream name. What those set may be such that
    /// the text does not parse to the same parts.
    #[must_use]
    pub fn full_text(&self) -> &str {
        &self.text
    }
}

impl FromStr for RtmpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for RtmpUrl {
    type Error = UrlError;

    fn try_from(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<&String> for RtmpUrl {
    type Error = UrlError;

    fn try_from(text: &String) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RtmpUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

/// Shortens the stream name and hides the queries.
impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Server(self), HiddenQuery(&self.app))?;
        match self.stream_name_with_query() {
            Some(stream) => write!(f, "/{}", Shortened(stream)),
            None => Ok(()),
        }
    }
}

/// Shortens the stream name and hides the queries.
impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtmpUrl(\"{self}\")")
    }
}

/// Scheme, host and explicit port as text.
struct Server<'a>(&'a RtmpUrl);

impl fmt::Display for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        match url.host.contains(':') {
            true => write!(f, "{}://[{}]", url.scheme, url.host)?,
            false => write!(f, "{}://{}", url.scheme, url.host)?,
        }
        url.explicit_port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::url::{MAX_NAME_LEN, MAX_URL_LEN};

    fn url(text: &str) -> RtmpUrl {
        RtmpUrl::parse(text).unwrap()
    }

    fn refused(text: &str) -> UrlError {
        RtmpUrl::parse(text).unwrap_err()
    }

    #[test]
    fn ports_have_defaults_and_only_explicit_ones_are_in_tc_url() {
        let cases = [
            ("rtmp://h/app/s", 1935, None, "rtmp://h/app"),
            ("rtmps://h/app/s", 443, None, "rtmps://h/app"),
            ("RTMP://h:1935/app/s", 1935, Some(1935), "rtmp://h:1935/app"),
            ("rtmps://h:00443/app/s", 443, Some(443), "rtmps://h:443/app"),
            ("rtmp://h:65535", 65535, Some(65535), "rtmp://h:65535/"),
        ];
        for (text, port, explicit, tc_url) in cases {
            let url = url(text);
            assert_eq!((url.port(), url.explicit_port()), (port, explicit));
            assert_eq!(url.tc_url(), tc_url);
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let cases = [
            ("rtmp://[::1]/a/s", "::1", "rtmp://[::1]/a"),
            (
                "rtmp://[2001:DB8::0:1]:19350/a/s",
                "2001:db8::1",
                "rtmp://[2001:db8::1]:19350/a",
            ),
            ("rtmp://127.0.0.1:1/a", "127.0.0.1", "rtmp://127.0.0.1:1/a"),
            ("rtmp://Example.ORG/a", "example.org", "rtmp://example.org/a"),
            ("rtmp://my_host-1/a", "my_host-1", "rtmp://my_host-1/a"),
            (
                "rtmp://bücher.example/a",
                "xn--bcher-kva.example",
                "rtmp://xn--bcher-kva.example/a",
            ),
        ];
        for (text, host, tc_url) in cases {
            assert_eq!((url(text).host(), url(text).tc_url().as_str()), (host, tc_url));
        }
    }

    #[test]
    fn an_at_sign_behind_the_host_is_part_of_a_name() {
        assert_eq!(url("rtmp://h/app/me@home").stream_name(), Some("me@home"));
    }

    #[test]
    fn control_characters_and_excess_length_are_refused() {
        for bad in ["\r\n", "\n", "\0", "\u{1b}", "%00"] {
            let error = UrlError::ControlCharacter {
                part: UrlPart::Url,
                position: 14,
            };
            assert_eq!(refused(&format!("rtmp://h/app/s{bad}x")), error);
        }
        let long = "a".repeat(64 << 10);
        let length = 13 + long.len();
        assert_eq!(
            refused(&format!("rtmp://h/app/{long}")),
            UrlError::TooLong {
                part: UrlPart::Url,
                length
            }
        );
        let name = &long[..MAX_NAME_LEN + 1];
        for (text, part) in [
            (format!("rtmp://h/app/{name}"), UrlPart::StreamName),
            (format!("rtmp://h/{name}/s"), UrlPart::App),
        ] {
            assert_eq!(
                refused(&text),
                UrlError::NameTooLong {
                    part,
                    length: MAX_NAME_LEN + 1
                }
            );
        }
        let token = &long[..MAX_URL_LEN - 15];
        assert_eq!(
            url(&format!("rtmp://h/app/s?{token}")).stream_query(),
            Some(token)
        );
    }

    #[test]
    fn the_parts_of_app_and_stream_are_apart() {
        let parsed = url("rtmp://h/live/backup/key?a=b&c=d%2B/?x");
        assert_eq!(
            (parsed.app(), parsed.instance(), parsed.app_query()),
            ("live/backup", Some("backup"), None)
        );
        assert_eq!(
            (parsed.stream_name(), parsed.stream_query()),
            (Some("key"), Some("a=b&c=d%2B/?x"))
        );
        assert_eq!(parsed.stream_name_with_query(), Some("key?a=b&c=d%2B/?x"));

        let parsed = url("rtmp://h/app?x=1/stream?y=2");
        assert_eq!(
            (parsed.app(), parsed.app_query(), parsed.instance()),
            ("app", Some("x=1"), None)
        );
        assert_eq!(
            (parsed.stream_name(), parsed.stream_query()),
            (Some("stream"), Some("y=2"))
        );
        assert_eq!(
            (parsed.app_with_query(), parsed.tc_url().as_str()),
            ("app?x=1", "rtmp://h/app?x=1")
        );

        for text in [
            "rtmp://h",
            "rtmp://h/",
            "rtmp://h?x",
            "rtmp://h/app",
            "rtmp://h/app/",
        ] {
            assert_eq!((url(text).stream_name(), url(text).stream_query()), (None, None));
        }
        assert_eq!(url("rtmp://h/app/inst#s").tc_url(), "rtmp://h/app/inst");
    }

    #[test]
    fn a_server_url_is_not_split_and_explicit_parts_are_taken_as_given() {
        let server = RtmpUrl::from_server("rtmp://h/a/b/c/?x=/y").unwrap();
        assert_eq!(
            (server.app_with_query(), server.stream_name()),
            ("a/b/c?x=/y", None)
        );
        let stream = server.with_stream("/k#e/y?t=/%2F").unwrap();
        assert_eq!(
            (stream.app(), stream.stream_name_with_query()),
            ("a/b/c", Some("/k#e/y?t=/%2F"))
        );
        assert_eq!(stream.tc_url(), "rtmp://h/a/b/c?x=/y");
        assert_eq!(stream.full_text(), "rtmp://h/a/b/c?x=/y//k#e/y?t=/%2F");

        let other = url("rtmp://h/a/b/c")
            .with_app("a")
            .unwrap()
            .with_stream("b/c")
            .unwrap();
        assert_eq!((other.app(), other.stream_name()), ("a", Some("b/c")));
        assert_eq!(other.with_stream("").unwrap().stream_name_with_query(), None);
        let error = UrlError::ControlCharacter {
            part: UrlPart::App,
            position: 1,
        };
        assert_eq!(url("rtmp://h").with_app("a\n"), Err(error));
    }

    #[test]
    fn debug_and_display_show_no_secrets() {
        let url = url("rtmp://h:1/app?sig=s3cret/live_0123456789_s3cret?token=s3cret");
        for text in [format!("{url}"), format!("{url:?}"), format!("{url:#?}")] {
            assert!(
                text.contains("rtmp://h:1/app?…/live_") && !text.contains("s3cret"),
                "{text}"
            );
        }
        assert!(url.full_text().contains("live_0123456789_s3cret?token=s3cret"));
    }

    proptest! {
        #[test]
        fn parts_survive_the_way_through_the_full_text(
            app in "[a-z0-9_]{1,9}(/[a-z0-9_]{1,9})?",
            app_query in prop::option::of("[a-z=&%+]{0,9}"),
            name in "[a-zA-Z0-9_.=+%~-]{1,20}",
            query in prop::option::of("[ -~]{0,30}"),
            port in prop::option::of(1_u16..),
        ) {
            prop_assume!(!name.contains("%00") && !query.as_ref().is_some_and(|query| query.contains("%00")));
            let stream = query.map_or(name.clone(), |query| format!("{name}?{query}"));
            let host = port.map_or("[::1]".into(), |port| format!("[::1]:{port}"));
            let app = match app_query {
                Some(query) if !app.contains('/') => format!("{app}?{query}"),
                _ => app,
            };
            let built = RtmpUrl::from_server(&format!("rtmps://{host}/{app}")).unwrap().with_stream(&stream).unwrap();
            let text = built.full_text();
            prop_assert_eq!(text, &format!("rtmps://{host}/{app}/{stream}"));
            prop_assert_eq!(&RtmpUrl::parse(text).unwrap(), &built);
            prop_assert_eq!(built.app_with_query(), &app);
            prop_assert_eq!(built.stream_name_with_query(), Some(stream.as_str()));
            prop_assert_eq!(built.stream_name(), Some(name.as_str()));
        }

        #[test]
        fn no_text_panics_and_what_parses_is_never_sent_or_shown_wrongly(text in "(rtmps?://)?(\\PC|[a-z/:?#@%\\[\\]]){0,60}") {
            if let Ok(url) = RtmpUrl::parse(&text) {
                prop_assert_eq!(url.full_text(), &text);
                prop_assert_eq!(RtmpUrl::try_from(url.full_text()), Ok(url.clone()));
                prop_assert!(text.ends_with(&url.stream));
                let debug = format!("{url:?}");
                prop_assert!(!debug.contains(char::is_control));
            }
            let _ = RtmpUrl::from_server(&text);
        }
    }
}
