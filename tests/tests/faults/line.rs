//! Byte streams that record, and that break.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side closes it.
    Fin,
    /// The other side resets it.
    Reset,
    /// Nothing comes any more.
    Silence,
}

pub(crate) const ENDS: [End; 3] = [End::Fin, End::Reset, End::Silence];

/// A line on which these bytes come, and then it ends. It takes whatever is written.
#[derive(Debug)]
pub(crate) struct Cut {
    bytes: Vec<u8>,
    read: usize,
    end: End,
}

impl Cut {
    pub(crate) fn new(bytes: &[u8], end: End) -> Self {
        Self {
            bytes: bytes.to_vec(),
            read: 0,
            end,
        }
    }
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.bytes[self.read..];
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        self.read += len;
        match (len, self.end) {
            (1.., _) | (_, End::Fin) => Poll::Ready(Ok(())),
            (_, End::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            (_, End::Silence) => Poll::Pending,
        }
    }
}

impl AsyncWrite for Cut {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A line that writes down what is read from it.
#[derive(Debug)]
pub(crate) struct Recorded<T> {
    io: T,
    read: Arc<Mutex<Vec<u8>>>,
}

impl<T> Recorded<T> {
    pub(crate) fn new(io: T) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let read = Arc::<Mutex<Vec<u8>>>::default();
        (
            Self {
                io,
                read: Arc::clone(&read),
            },
            read,
        )
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Recorded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.read
            .lock()
            .unwrap()
            .extend_from_slice(&buf.filled()[before..]);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Recorded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
