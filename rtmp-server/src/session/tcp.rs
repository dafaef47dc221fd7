//! A TCP connection that is written to from two places.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The end that waits, for the session's task.
#[derive(Debug)]
pub(super) struct WaitingEnd(OwnedReadHalf);

/// The end that never waits.
#[derive(Debug)]
pub(super) struct DirectEnd(OwnedWriteHalf);

pub(super) fn split(socket: TcpStream) -> (WaitingEnd, DirectEnd) {
    let (read, write) = socket.into_split();
    (WaitingEnd(read), DirectEnd(write))
}

impl DirectEnd {
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    /// Whether the socket is thought to take something. No system call.
    pub(super) fn is_writable(&self) -> bool {
        let socket: &TcpStream = self.0.as_ref();
        socket.try_io(Interest::WRITABLE, || Ok(())).is_ok()
    }

    /// Closes the connection once the other end is gone too.
    pub(super) fn close(self) {
        // Dropping it would say the end of the stream first, which costs a system call.
        self.0.forget();
    }

    /// Ends the connection even if this end stays.
    pub(super) fn cut_off(&self) {
        let socket: &TcpStream = self.0.as_ref();
        // It fails if the client has ended it before.
        let _ = SockRef::from(socket).shutdown(Shutdown::Both);
    }
}

impl WaitingEnd {
    /// Writes when the socket is ready, again after each time that it was not.
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let socket = self.0.as_ref();
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match write(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for WaitingEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for WaitingEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(self.0.as_ref()).shutdown(Shutdown::Write))
    }
}
