//! A header of the PROXY protocol is read to its last byte, no further, and the same for every way to cut it.

use std::io;
use std::net::{IpAddr, SocketAddr};
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
    if result.is_err() {
        return;
    }
    assert_eq!(taken, cut_taken);
    let header = &bytes[..taken];
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
