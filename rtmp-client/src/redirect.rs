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

    /// Where to go after `error`: the next address if it redirects and redirects are followed, otherwise the error
    /// that it comes to.
    pub(crate) fn follow(&mut self, from: &RtmpUrl, error: Error) -> Result<RtmpUrl, Error> {
        let Some(status) = error.status().filter(|status| target(status).is_some()) else {
            return Err(error);
        };
        if self.limit == 0 {
            return Err(error);
        }
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
            Ok(to)
        }
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

fn stream_of(url: &RtmpUrl) -> &str {
    url.stream_name_with_query().unwrap_or_default()
}

/// Resolves a reference against the address it comes from (RFC 3986 section 4.2).
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
}
