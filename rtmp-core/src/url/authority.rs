//! Scheme, host and port: where to connect, and by which transport.

use std::fmt;

use ::url::Host;

use super::UrlError;

/// The scheme of a URL: the transport below RTMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `rtmp`: TCP, port 1935.
    Rtmp,
    /// `rtmps`: TLS over TCP, port 443.
    Rtmps,
}

impl Scheme {
    /// The scheme as it is written in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
        }
    }

    /// The port of URLs that have none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Rtmp => 1935,
            Self::Rtmps => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn parse_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    // What is no scheme is not shown in an error: it might be a stream key.
    const MAX_SCHEME_LEN: usize = 16;

    let (scheme, rest) = text.split_once("://").ok_or(UrlError::MissingScheme)?;
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "rtmp" => Ok((Scheme::Rtmp, rest)),
        "rtmps" => Ok((Scheme::Rtmps, rest)),
        "" => Err(UrlError::MissingScheme),
        other if other.len() > MAX_SCHEME_LEN || !other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(UrlError::MissingScheme)
        }
        _ => Err(UrlError::UnsupportedScheme { scheme }),
    }
}

/// Host and explicit port; an IPv6 address without its brackets.
pub(super) fn parse_authority(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    // The colons of an IPv6 address are inside its brackets.
    let behind_address = match authority.starts_with('[') {
        true => authority.split_once(']').map_or("", |(_, behind)| behind),
        false => authority,
    };
    let port = behind_address.split_once(':').map(|(_, port)| port);
    let host = port
        .and_then(|port| authority.strip_suffix(port)?.strip_suffix(':'))
        .unwrap_or(authority);
    if port.is_some_and(|port| port.contains(':')) {
        return Err(UrlError::MissingBrackets);
    }
    let host = match Host::parse(host).map_err(UrlError::InvalidHost)? {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok((host, port.map(parse_port).transpose()?))
}

fn parse_port(port: &str) -> Result<u16, UrlError> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number @ 1..) if is_number => Ok(number),
        _ => Err(UrlError::InvalidPort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::RtmpUrl;

    fn refused(text: &str) -> UrlError {
        RtmpUrl::parse(text).unwrap_err()
    }

    #[test]
    fn wrong_hosts_are_refused() {
        for text in [
            "rtmp://",
            "rtmp:///app/s",
            "rtmp://:1935/app",
            "rtmp://[::1",
            "rtmp://[]/a",
            "rtmp://[fe80::1%eth0]/a",
        ] {
            assert!(matches!(refused(text), UrlError::InvalidHost(_)), "{text}");
        }
        for text in [
            "rtmp://a b/c",
            "rtmp://[::1]x/a",
            "rtmp://[::1]x:1/a",
            "rtmp://%20/a",
            "rtmp://a<b/",
        ] {
            assert!(matches!(refused(text), UrlError::InvalidHost(_)), "{text}");
        }
        for text in ["rtmp://::1/app", "rtmp://2001:db8::1:1935/app", "rtmp://h::1"] {
            assert_eq!(refused(text), UrlError::MissingBrackets, "{text}");
        }
    }

    #[test]
    fn wrong_ports_are_refused() {
        for port in [
            "",
            "0",
            "65536",
            "x",
            " ",
            "+1",
            "-1",
            "1935x",
            "99999999999999999999",
        ] {
            assert_eq!(
                refused(&format!("rtmp://h:{port}/app")),
                UrlError::InvalidPort,
                "{port}"
            );
            assert_eq!(
                refused(&format!("rtmp://[::1]:{port}/app")),
                UrlError::InvalidPort,
                "{port}"
            );
        }
    }

    #[test]
    fn other_schemes_are_named_unless_they_might_be_something_else() {
        for scheme in ["rtmpt", "rtmpe", "rtmpts", "http", "srt"] {
            let error = refused(&format!("{scheme}://h/app/s"));
            assert_eq!(
                error,
                UrlError::UnsupportedScheme {
                    scheme: scheme.into()
                }
            );
            assert!(error.to_string().contains(scheme));
        }
        for text in [
            "",
            "h/app/s",
            "rtmp:/h/app",
            "://h/app",
            "live_s3cret://h",
            "s3cret0123456789a://h",
        ] {
            assert_eq!(refused(text), UrlError::MissingScheme, "{text}");
        }
    }

    #[test]
    fn user_info_is_refused_and_not_shown() {
        for text in [
            "rtmp://user:s3cret@h/app/s",
            "rtmp://s3cret@h",
            "rtmp://@h/app",
            "rtmp://s3cret:@[::1]:1/a",
        ] {
            let error = refused(text);
            assert_eq!(error, UrlError::UserInfo);
            assert!(!format!("{error:?} {error}").contains("s3cret"));
        }
    }
}
