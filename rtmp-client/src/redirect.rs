//! Where servers send their clients: what they say, and what address it makes.
//!
//! Not specified. Flash Media Server and Wowza put `redirect` into an object `ex` of the status, with a stream name or
//! without; SRS puts the `tcUrl` there, or into the status itself, and with a stream name into `redirect2` beside it.

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::message::Status;
use rtmp_core::url::{RtmpUrl, Scheme, UrlError};

use crate::Error;

/// The address in a status that redirects.
pub(crate) fn target(status: &Status) -> Option<&str> {
    property(status, "redirect")
}

fn property<'a>(status: &'a Status, key: &str) -> Option<&'a str> {
    let text = |object: &'a Object| {
        let text = object.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let inner = status.details.get("ex").and_then(Value::as_object);
    inner.and_then(text).or_else(|| text(&status.details))
}

/// The addresses of one try, from the caller's on.
#[derive(Clone, Debug)]
pub(crate) struct Hops {
    visited: Vec<RtmpUrl>,
    limit: usize,
}

impl Hops {
    pub(crate) fn new(url: RtmpUrl, limit: usize) -> Self {
        Self {
            visited: vec![url],
            limit,
        }
    }

    /// Where to go after `error`, if it redirects and redirects are followed.
    pub(crate) fn follow(&mut self, from: &RtmpUrl, error: &Error) -> Result<Option<RtmpUrl>, Error> {
        let status = error.status().filter(|status| target(status).is_some());
        let Some(status) = status.filter(|_| self.limit > 0) else {
            return Ok(None);
        };
        let to = checked(from, of_status(from, status))?;
        let is_loop = self.visited.contains(&to);
        self.visited.push(to.clone());
        let hops = || self.visited.clone();
        if is_loop {
            Err(Error::RedirectLoop { hops: hops() })
        } else if self.visited.len() - 1 > self.limit {
            Err(Error::TooManyRedirects {
                hops: hops(),
                limit: self.limit,
            })
        } else {
            Ok(Some(to))
        }
    }
}

/// The address that a server gives in a request to reconnect; without one it is the same again.
pub(crate) fn of_reconnect_request(from: &RtmpUrl, status: &Status) -> Result<RtmpUrl, Error> {
    let tc_url = status.details.get_ignore_case("tcUrl").and_then(Value::as_str);
    match tc_url.filter(|url| !url.is_empty()) {
        Some(tc_url) => checked(from, of_tc_url(from, tc_url)),
        None => Ok(from.clone()),
    }
}

/// Encryption is not given up because a server says so.
fn checked(from: &RtmpUrl, to: Result<RtmpUrl, UrlError>) -> Result<RtmpUrl, Error> {
    let from = Box::new(from.clone());
    match to {
        Ok(to) if from.scheme() != Scheme::Rtmp && to.scheme() == Scheme::Rtmp => {
            Err(Error::InsecureRedirect {
                from,
                to: Box::new(to),
            })
        }
        Ok(to) => Ok(to),
        Err(source) => Err(Error::RedirectUrl { from, source }),
    }
}

fn of_status(from: &RtmpUrl, status: &Status) -> Result<RtmpUrl, UrlError> {
    let redirect = target(status).unwrap_or_default();
    let with_stream = property(status, "redirect2");
    let stream = with_stream.and_then(|url| url.strip_prefix(redirect)?.strip_prefix('/'));
    if let Some(stream) = stream.filter(|stream| !stream.is_empty()) {
        return RtmpUrl::from_server(&absolute(from, redirect))?.with_stream(stream);
    }
    let text = absolute(from, with_stream.unwrap_or(redirect));
    // The app may be of several parts, of which the last would be taken for a stream.
    let server = RtmpUrl::from_server(&text)?;
    if server.app() == from.app() {
        return server.with_stream(stream_of(from));
    }
    let url = RtmpUrl::parse(&text)?;
    match url.stream_name_with_query() {
        Some(_) => Ok(url),
        None => url.with_stream(stream_of(from)),
    }
}

/// A `tcUrl` names no stream, which stays the same.
fn of_tc_url(from: &RtmpUrl, tc_url: &str) -> Result<RtmpUrl, UrlError> {
    RtmpUrl::from_server(&absolute(from, tc_url))?.with_stream(stream_of(from))
}

fn stream_of(url: &RtmpUrl) -> &str {
    url.stream_name_with_query().unwrap_or_default()
}

/// Resolves a reference against the address it comes from (RFC 3986 section 4.2), as Enhanced RTMP v2 allows it.
fn absolute(from: &RtmpUrl, reference: &str) -> String {
    let tc_url = from.tc_url();
    let server = tc_url.strip_suffix(from.app_with_query()).unwrap_or(&tc_url);
    if reference.starts_with("//") {
        format!("{}:{reference}", from.scheme())
    } else if let Some(path) = reference.strip_prefix('/') {
        format!("{server}{path}")
    } else if reference.contains("://") {
        reference.to_owned()
    } else {
        // Beside the last part of the app.
        let directory = from.app().rfind('/').map_or("", |end| &from.app()[..=end]);
        format!("{server}{directory}{reference}")
    }
}

#[cfg(test)]
mod tests {
    use rtmp_core::message::StatusCode;

    use super::*;

    const FROM: &str = "rtmp://a.example.org:1940/live/main/cam?token=1";

    fn from() -> RtmpUrl {
        RtmpUrl::from_server("rtmp://a.example.org:1940/live/main")
            .unwrap()
            .with_stream("cam?token=1")
            .unwrap()
    }

    fn full(url: Result<RtmpUrl, UrlError>) -> String {
        url.unwrap().full_text().to_owned()
    }

    fn moved(pairs: &[(&str, &str)]) -> Status {
        let ex = pairs
            .iter()
            .fold(Object::new(), |ex, (key, url)| ex.with(*key, *url));
        Status::new(StatusCode::ConnectRejected, "").with("ex", ex)
    }

    #[test]
    fn a_redirect_without_a_stream_keeps_ours_with_its_query() {
        for (redirect, expected) in [
            ("rtmp://b/live/main", "rtmp://b/live/main/cam?token=1"),
            ("rtmp://b/live/main/", "rtmp://b/live/main/cam?token=1"),
            ("rtmp://b/edge", "rtmp://b/edge/cam?token=1"),
            ("/edge", "rtmp://a.example.org:1940/edge/cam?token=1"),
        ] {
            assert_eq!(
                full(of_status(&from(), &moved(&[("redirect", redirect)]))),
                expected
            );
        }
    }

    #[test]
    fn a_redirect_with_a_stream_is_taken_as_it_is() {
        let target = "rtmp://b:1936/edge/other?ticket=2";
        assert_eq!(full(of_status(&from(), &moved(&[("redirect", target)]))), target);
    }

    #[test]
    fn the_second_address_of_srs_names_the_stream() {
        let status = moved(&[
            ("redirect", "rtmp://b/x/y/z"),
            ("redirect2", "rtmp://b/x/y/z/cam2?t=3"),
        ]);
        let url = of_status(&from(), &status).unwrap();
        assert_eq!(
            (url.app(), url.stream_name_with_query()),
            ("x/y/z", Some("cam2?t=3"))
        );
    }

    #[test]
    fn a_reconnect_request_is_resolved_against_the_address_it_comes_from() {
        assert_eq!(from().full_text(), FROM);
        for (tc_url, expected) in [
            ("rtmp://b/other/app", "rtmp://b/other/app/cam?token=1"),
            ("//b/live", "rtmp://b/live/cam?token=1"),
            ("/x/y", "rtmp://a.example.org:1940/x/y/cam?token=1"),
            ("backup", "rtmp://a.example.org:1940/live/backup/cam?token=1"),
        ] {
            let status = Status::new(StatusCode::ConnectReconnectRequest, "").with("tcUrl", tc_url);
            let url = of_reconnect_request(&from(), &status).unwrap();
            assert_eq!(url.full_text(), expected);
        }
        let status = Status::new(StatusCode::ConnectReconnectRequest, "");
        assert_eq!(of_reconnect_request(&from(), &status).unwrap(), from());
    }

    #[test]
    fn an_ipv6_address_keeps_its_brackets() {
        let from = RtmpUrl::parse("rtmp://[::1]:1936/live/cam").unwrap();
        let status = Status::new(StatusCode::ConnectReconnectRequest, "").with("tcUrl", "/edge");
        let url = of_reconnect_request(&from, &status).unwrap();
        assert_eq!(url.full_text(), "rtmp://[::1]:1936/edge/cam");
    }

    #[test]
    fn encryption_is_not_given_up() {
        let from = RtmpUrl::parse("rtmps://a/live/cam").unwrap();
        let status = Status::new(StatusCode::ConnectReconnectRequest, "").with("tcUrl", "rtmp://a/live");
        let error = of_reconnect_request(&from, &status).unwrap_err();
        assert!(matches!(error, Error::InsecureRedirect { .. }));
        assert_eq!(
            error.to_string(),
            "rtmps://a/live/cam redirects to rtmp://a/live/cam, which is not encrypted"
        );
        let status = Status::new(StatusCode::ConnectReconnectRequest, "").with("tcUrl", "//b/live");
        assert_eq!(
            of_reconnect_request(&from, &status).unwrap().scheme(),
            Scheme::Rtmps
        );
    }

    #[test]
    fn an_address_that_can_not_be_read_is_an_error() {
        let status = Status::new(StatusCode::ConnectReconnectRequest, "").with("tcUrl", "http://b/live");
        let error = of_reconnect_request(&from(), &status).unwrap_err();
        assert!(matches!(error, Error::RedirectUrl { .. }), "{error:?}");
        assert!(!error.is_retryable());
    }
}
