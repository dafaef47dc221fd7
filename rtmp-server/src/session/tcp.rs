//! A TCP connection that is written to from two places.

use std::hint::black_box;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[cfg(target_os = "linux")]
use rustix::net::{SendAncillaryBuffer, SendFlags};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
        send(self.socket(), bytes)
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        send_vectored(self.socket(), slices)
    }

    /// Looks at what a write needs.
    pub(super) fn touch(&self) {
        black_box(SockRef::from(self.socket()));
    }

    fn socket(&self) -> &TcpStream {
        self.0.as_ref()
    }

    /// Closes the connection once the other end is gone too.
    pub(super) fn close(self) {
        // Dropping it would say the end of the stream first, which costs a system call.
        self.0.forget();
    }

    /// Ends the connection even if this end stays.
    pub(super) fn cut_off(&self) {
        // It fails if the client has ended it before.
        let _ = SockRef::from(self.socket()).shutdown(Shutdown::Both);
    }
}

/// Past tokio's note of whether the socket is ready, which is one more piece of memory to wait for, and past the C library's
/// care for threads that are cancelled. If the socket takes nothing, the task finds that out and waits.
#[cfg(target_os = "linux")]
fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

#[cfg(target_os = "linux")]
fn send_vectored(socket: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut control = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(
        socket,
        slices,
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}

#[cfg(not(target_os = "linux"))]
fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    socket.try_write(bytes)
}

#[cfg(not(target_os = "linux"))]
fn send_vectored(socket: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    socket.try_write_vectored(slices)
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
