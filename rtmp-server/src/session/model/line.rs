//! A connection in memory that takes some bytes at a time.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What may be on its way to the client, less than a message.
const ROOM: usize = 24;
/// The same until the client plays: what is said before is not what is looked at.
const WIDE: usize = 1 << 16;

/// What both ends share. Each look at it is one step of the model: nothing is waited for, or woken, under its lock.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    to_server: BytesMut,
    to_client: BytesMut,
    room: usize,
    is_hung_up: bool,
    is_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    client: Option<Waker>,
}

/// The client's end.
#[derive(Debug)]
pub(super) struct Line(Arc<Shared>);

/// The server's end that waits, for the session's task.
#[derive(Debug)]
pub(super) struct WaitingEnd(Arc<Shared>);

/// The server's end that never waits.
#[derive(Debug)]
pub(in crate::session) struct DirectEnd(Arc<Shared>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.is_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let before = state.to_client.len();
        for slice in slices {
            let room = state.room.saturating_sub(state.to_client.len());
            let taken = &slice[..slice.len().min(room)];
            state.to_client.extend_from_slice(taken);
        }
        let written = state.to_client.len() - before;
        if written == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let client = state.client.take();
        drop(state);
        wake(client);
        Ok(written)
    }

    /// Ends what the server sends.
    fn end(&self) {
        let mut state = self.lock();
        state.is_ended = true;
        let client = state.client.take();
        drop(state);
        wake(client);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Line {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared(Mutex::new(State {
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            room: WIDE,
            is_hung_up: false,
            is_ended: false,
            reader: None,
            writer: None,
            client: None,
        }))))
    }

    pub(super) fn waiting_end(&self) -> WaitingEnd {
        WaitingEnd(Arc::clone(&self.0))
    }

    pub(super) fn direct_end(&self) -> DirectEnd {
        DirectEnd(Arc::clone(&self.0))
    }

    /// To see whether anything of it is left.
    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    /// From now on little fits.
    pub(super) fn narrow(&self) {
        self.0.lock().room = ROOM;
    }

    /// What the client has to say.
    pub(super) fn send(&self, bytes: BytesMut) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.0.lock();
        state.to_server.unsplit(bytes);
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// What the client has got. `None` when there will be no more.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Option<BytesMut>> {
        let mut state = self.0.lock();
        if state.to_client.is_empty() {
            if state.is_ended {
                return Poll::Ready(None);
            }
            state.client = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let received = mem::take(&mut state.to_client);
        let writer = state.writer.take();
        drop(state);
        wake(writer);
        Poll::Ready(Some(received))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_hung_up = true;
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        wake(reader);
        wake(writer);
    }
}

impl DirectEnd {
    pub(in crate::session) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    pub(in crate::session) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(slices)
    }

    pub(in crate::session) fn touch(&self) {
        // There is no memory to wait for.
    }

    pub(in crate::session) fn close(self) {
        self.0.end();
    }

    pub(in crate::session) fn cut_off(&self) {
        self.0.end();
    }
}

impl AsyncRead for WaitingEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        let len = state.to_server.len().min(buf.remaining());
        if len == 0 && !state.is_hung_up {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.put_slice(&state.to_server[..len]);
        state.to_server.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WaitingEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.0.write(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.0.lock().writer = Some(cx.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end();
        Poll::Ready(Ok(()))
    }
}
