//! A header of the PROXY protocol is read to its last byte, no further, and the same for every way to cut it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use rtmp_server::proxy::{Network, read_header};
use tokio::io::{AsyncRead, ReadBuf};

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Gives what it has in reads that `pieces` cuts.
struct Cut<'a, I> {
    pieces: I,
    piece: &'a [u8],
    taken: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]> + Unpin> AsyncRead for Cut<'a, I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            self.piece = self.pieces.next().unwrap_or_default();
        }
        let (now, later) = self.piece.split_at(self.piece.len().min(buf.remaining()));
        buf.put_slice(now);
        self.piece = later;
        self.taken += now.len();
        Poll::Ready(Ok(()))
    }
}

/// The result, and how many bytes were taken.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]> + Unpin) -> (Result<Option<SocketAddr>, String>, usize) {
    let mut io = Cut {
        pieces,
        piece: &[],
        taken: 0,
    };
    let result = match pin!(read_header(&mut io)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map_err(|error| format!("{error:?} {error}")),
        Poll::Pending => panic!("nothing to wait for"),
    };
    (result, io.taken)
}

/// The client that a header names which was accepted.
fn client(header: &[u8]) -> Option<SocketAddr> {
    if header.starts_with(V2_SIGNATURE) {
        // The addresses stand from byte 16 on, each behind the other, and then the ports.
        let (ip, port): (IpAddr, usize) = match (header[12], header[13]) {
            (0x21, 0x11) => (Ipv4Addr::from(*header[16..].first_chunk()?).into(), 24),
            (0x21, 0x21) => (Ipv6Addr::from(*header[16..].first_chunk()?).into(), 48),
            _ => return None,
        };
        let port = u16::from_be_bytes(*header[port..].first_chunk()?);
        return Some(SocketAddr::new(ip, port));
    }
    let line = str::from_utf8(header).ok()?;
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    (family.trim_end() != "UNKNOWN").then(|| {
        let (source, port) = (words.next(), words.nth(1));
        let ip = source.and_then(|text| text.parse().ok()).expect("an address");
        let port = port.and_then(|text| text.parse().ok()).expect("a port");
        SocketAddr::new(ip, port)
    })
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((seed, bytes)) = crate::split_seed(data) else {
        return;
    };
    let (result, taken) = read(std::iter::once(bytes));
    let (cut_result, cut_taken) = read(crate::reads(seed, bytes));
    assert_eq!(result, cut_result);
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(network) = text.parse::<Network>()
    {
        let again: Network = network.to_string().parse().expect("it is written as it is read");
        assert_eq!(again, network);
        let address: IpAddr = text
            .split('/')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("an address");
        assert!(network.contains(address) || address != address.to_canonical());
    }
    let Ok(named) = result else {
        return;
    };
    assert_eq!(taken, cut_taken);
    let header = &bytes[..taken];
    assert_eq!(named, client(header));
    if let Some(rest) = header.strip_prefix(V2_SIGNATURE) {
        assert_eq!(taken, 16 + usize::from(u16::from_be_bytes([rest[2], rest[3]])));
    } else {
        let line = header.strip_suffix(b"\r\n").expect("a line");
        assert!(line.starts_with(b"PROXY ") && taken <= 107);
        assert!(
            !line.windows(2).any(|pair| pair == b"\r\n"),
            "only the first line is taken"
        );
    }
}
