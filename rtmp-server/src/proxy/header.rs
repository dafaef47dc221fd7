//! Both forms of the header. Whoever reads for this never takes a byte that stands behind it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::ProxyError;

/// The longest line of version 1, with its end (section 2.1).
pub(super) const MAX_V1_LEN: usize = 107;
/// More of a header is never looked at.
pub(super) const MAX_LEN: usize = MAX_V1_LEN;

const V1_START: &[u8] = b"PROXY ";
/// `PROXY UNKNOWN` and its end.
const MIN_V1_LEN: usize = 15;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length (section 2.2).
const V2_FIXED_LEN: usize = 16;

/// How far a header is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes more can be read, as they belong to it for sure.
    Need(usize),
    /// It is understood. So many bytes of it still follow: values behind the addresses, or what names nobody.
    Complete { client: Option<SocketAddr>, owed: usize },
}

/// Looks at a header as far as it was read.
pub(super) fn parse(header: &[u8]) -> Result<Step, ProxyError> {
    if is_start(header, V1_START) && !header.is_empty() {
        parse_v1(header)
    } else if is_start(header, V2_SIGNATURE) && !header.is_empty() {
        parse_v2(header)
    } else if header.is_empty() {
        Ok(Step::Need(MIN_V1_LEN.min(V2_FIXED_LEN)))
    } else {
        let same = |start: &[u8]| header.iter().zip(start).take_while(|(a, b)| a == b).count();
        let shown = same(V1_START).max(same(V2_SIGNATURE)).saturating_add(1);
        Err(ProxyError::Missing {
            start: header.get(..shown).unwrap_or(header).to_vec(),
        })
    }
}

/// Whether one of the two begins with the other.
fn is_start(header: &[u8], start: &[u8]) -> bool {
    header.iter().zip(start).all(|(a, b)| a == b)
}

fn parse_v1(header: &[u8]) -> Result<Step, ProxyError> {
    if let Some(more @ 1..) = MIN_V1_LEN.checked_sub(header.len()) {
        return Ok(Step::Need(more));
    }
    if let Some(line) = header.strip_suffix(b"\r\n") {
        return Ok(Step::Complete {
            client: parse_line(line)?,
            owed: 0,
        });
    }
    let missing = if header.ends_with(b"\r") { 1 } else { 2 };
    if header.len().saturating_add(missing) > MAX_V1_LEN {
        return Err(ProxyError::LineTooLong);
    }
    Ok(Step::Need(missing))
}

fn parse_line(line: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let malformed = || ProxyError::Malformed { line: line.to_vec() };
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let words: Vec<_> = text.split(' ').collect();
    let address: Option<(IpAddr, &str)> = match words.as_slice() {
        // Whatever follows is to be ignored.
        ["PROXY", "UNKNOWN", ..] => return Ok(None),
        ["PROXY", "TCP4", source, destination, port, to] => {
            let both = source.parse().ok().zip(destination.parse().ok());
            both.filter(|_| parse_port(to).is_some())
                .map(|(source, _): (Ipv4Addr, Ipv4Addr)| (source.into(), *port))
        }
        ["PROXY", "TCP6", source, destination, port, to] => {
            let both = source.parse().ok().zip(destination.parse().ok());
            both.filter(|_| parse_port(to).is_some())
                .map(|(source, _): (Ipv6Addr, Ipv6Addr)| (source.into(), *port))
        }
        _ => None,
    };
    let client = address.and_then(|(address, port)| Some(SocketAddr::new(address, parse_port(port)?)));
    client.map(Some).ok_or_else(malformed)
}

/// A number without sign; leading zeros are not allowed, and do no harm.
fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn parse_v2(header: &[u8]) -> Result<Step, ProxyError> {
    let Some((fixed, addresses)) = header.split_first_chunk::<V2_FIXED_LEN>() else {
        return Ok(Step::Need(V2_FIXED_LEN.saturating_sub(header.len())));
    };
    let [.., version_and_command, family, len_high, len_low] = *fixed;
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    match (version_and_command >> 4, version_and_command & 0xF) {
        (2, 0) => {
            return Ok(Step::Complete {
                client: None,
                owed: len,
            });
        }
        (2, 1) => {}
        (2, command) => return Err(ProxyError::Command { command }),
        (version, _) => return Err(ProxyError::Version { version }),
    }
    let needed = match family {
        0x11 => 12,
        0x21 => 36,
        // UNSPEC, datagrams, Unix sockets.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => {
            return Ok(Step::Complete {
                client: None,
                owed: len,
            });
        }
        family => return Err(ProxyError::Family { family }),
    };
    let Some(owed) = len.checked_sub(needed) else {
        return Err(ProxyError::TooShort { len, needed });
    };
    let client = match needed {
        12 => addresses.first_chunk::<12>().map(|block| {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *block;
            SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
        }),
        _ => addresses.first_chunk::<36>().and_then(|block| {
            let source: [u8; 16] = *block.first_chunk()?;
            let [.., high, low, _, _] = *block;
            Some(SocketAddr::from((source, u16::from_be_bytes([high, low]))))
        }),
    };
    match client {
        Some(client) => Ok(Step::Complete {
            client: Some(client),
            owed,
        }),
        None => Ok(Step::Need(needed.saturating_sub(addresses.len()))),
    }
}
