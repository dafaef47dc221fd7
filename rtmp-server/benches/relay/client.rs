//! A client in memory: it asks for a stream as a real one does, then only counts what it is sent.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rtmp_core::MediaMessage;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine, DEFAULT_OUTGOING_CHUNK_SIZE};
use rtmp_core::message::{ConnectRequest, PlayRequest, PublishKind, PublishRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Publish,
    Play,
}

/// The client's end.
#[derive(Debug)]
pub(crate) struct Client(Arc<Mutex<State>>);

/// The server's end.
#[derive(Debug)]
pub(crate) struct Line(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    wish: Wish,
    app: &'static str,
    name: &'static str,
    machine: ClientMachine,
    input: BytesMut,
    to_server: BytesMut,
    /// The server waits for bytes.
    reader: Option<Waker>,
    /// Set when the server has agreed.
    stream: Option<MessageStreamId>,
    /// Bytes that all clients of a kind have got since the server agreed.
    received: Arc<AtomicU64>,
}

impl Client {
    pub(crate) fn new(wish: Wish, app: &'static str, name: &'static str, received: &Arc<AtomicU64>) -> Self {
        Self::begin(wish, app, name, DEFAULT_OUTGOING_CHUNK_SIZE, Arc::clone(received))
    }

    pub(crate) fn with_chunk_size(
        wish: Wish,
        app: &'static str,
        name: &'static str,
        chunk_size: u32,
    ) -> Self {
        Self::begin(wish, app, name, chunk_size, Arc::default())
    }

    fn begin(
        wish: Wish,
        app: &'static str,
        name: &'static str,
        chunk_size: u32,
        received: Arc<AtomicU64>,
    ) -> Self {
        let config = ClientConfig::default().chunk_size(chunk_size);
        let mut state = State {
            wish,
            app,
            name,
            machine: ClientMachine::new(config, Duration::ZERO, |bytes| bytes.fill(0x5A)),
            input: BytesMut::new(),
            to_server: BytesMut::new(),
            reader: None,
            stream: None,
            received,
        };
        state.advance();
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn line(&self) -> Line {
        Line(Arc::clone(&self.0))
    }

    pub(crate) fn is_served(&self) -> bool {
        lock(&self.0).stream.is_some()
    }

    /// A publisher's messages as the bytes that it sends.
    pub(crate) fn encode(&self, messages: &[MediaMessage]) -> BytesMut {
        let mut state = lock(&self.0);
        let stream = state.stream.expect("the server has agreed");
        let mut wire = BytesMut::new();
        for message in messages {
            let sent = state.machine.send_media(stream, message);
            sent.expect("it publishes");
            state.take_output(&mut wire);
        }
        wire
    }

    /// Lets the server read these bytes.
    pub(crate) fn give(&self, wire: BytesMut) {
        let mut state = lock(&self.0);
        state.to_server.unsplit(wire);
        state.wake_reader();
    }

    /// The server has read everything, and waits for more.
    pub(crate) fn is_read(&self) -> bool {
        let state = lock(&self.0);
        state.to_server.is_empty() && state.reader.is_some()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn receive(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let len = slices.iter().map(|slice| slice.len()).sum();
        if self.stream.is_some() {
            self.received.fetch_add(len as u64, Ordering::Relaxed);
            return len;
        }
        for slice in slices {
            self.input.extend_from_slice(slice);
        }
        self.advance();
        self.wake_reader();
        len
    }

    /// Asks for what it wants, step by step.
    fn advance(&mut self) {
        let is_valid = "the server keeps to the protocol";
        let is_due = "it is its turn";
        while let Some(event) = self
            .machine
            .poll_event(&mut self.input, Duration::ZERO)
            .expect(is_valid)
        {
            match event {
                ClientEvent::HandshakeDone(_) => {
                    let url = format!("rtmp://localhost/{}", self.app);
                    let request = ConnectRequest::default();
                    self.machine.connect(&request, self.app, &url).expect(is_due);
                }
                ClientEvent::Connected(_) => {
                    self.machine.create_stream().expect(is_due);
                }
                ClientEvent::StreamCreated { stream, .. } => match self.wish {
                    Wish::Publish => {
                        let request = PublishRequest::new(self.name, PublishKind::Live);
                        self.machine.publish(stream, &request).expect(is_due);
                    }
                    Wish::Play => {
                        let request = PlayRequest::new(self.name);
                        self.machine.play(stream, &request).expect(is_due);
                    }
                },
                ClientEvent::PublishStarted { stream, .. } | ClientEvent::PlayStarted { stream, .. } => {
                    self.stream = Some(stream);
                }
                _ => {}
            }
        }
        let mut to_server = std::mem::take(&mut self.to_server);
        self.take_output(&mut to_server);
        self.to_server = to_server;
    }

    fn take_output(&mut self, wire: &mut BytesMut) {
        while !self.machine.output().is_empty() {
            wire.unsplit(self.machine.output().split());
        }
    }

    fn wake_reader(&mut self) {
        if !self.to_server.is_empty()
            && let Some(waker) = self.reader.take()
        {
            waker.wake();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        let len = state.to_server.len().min(buf.remaining());
        if len == 0 {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let (ready, _) = state.to_server.split_at(len);
        buf.put_slice(ready);
        state.to_server.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(lock(&self.0).receive(&[IoSlice::new(buf)])))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(lock(&self.0).receive(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
