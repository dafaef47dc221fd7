//! The one task of a connection, and the only owner of its line.
//!
//! ```text
//!   handles --requests, media--> | take --> ClientMachine --> output | --> line
//!   handles <--answers, media--- | <------- events <-------- input   | <-- line
//! ```
//!
//! Everything happens in [`Driver::poll`]: a round takes what the handles want, lets the machine handle what has come,
//! reads and writes, until nothing moves. What a server does not read holds up the round before it holds memory: while
//! [`OUTPUT_HIGH_WATER`](rtmp_core::conn::OUTPUT_HIGH_WATER) bytes wait to be written, nothing is taken and nothing is
//! handled.

mod calls;
mod incoming;
mod ping;
mod request;
mod streams;
mod waiting;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rtmp_core::conn::ClientMachine;
use rtmp_core::url::RtmpUrl;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::poll_read_buf;
use tracing::debug;

pub(crate) use request::{NewStream, Outgoing, Receive, Reply, Request};

use crate::config::Config;
use crate::error::{CloseReason, Error, Operation, StreamEnd, StreamState};
use crate::expiry::Expiry;
use crate::shared::{Link, Shared};
use crate::{ConnectionStatus, Timeouts};
use calls::OwedAnswer;
use streams::{Farewell, StreamEntry};
use waiting::Waiting;

/// A read takes so many bytes at least and, when the line is full every time, at most.
const READ_LEN: std::ops::RangeInclusive<usize> = (8 << 10)..=(128 << 10);

/// An empty output that has room for more than this gives it back.
const MAX_IDLE_OUTPUT: usize = 1 << 20;

/// Requests that may wait for the driver; more wait in their callers.
const REQUEST_CAPACITY: usize = 32;

/// Rounds before other tasks get a turn. Few, so that on a runtime of one thread a reader takes messages while they are
/// in the cache, and gives their memory back before more is needed.
const ROUNDS: usize = 2;

/// A line whose handshake is done.
pub(crate) struct Opened<Io> {
    pub(crate) io: Io,
    pub(crate) machine: ClientMachine,
    /// What has come behind the handshake.
    pub(crate) input: BytesMut,
    /// When the machine's clock started.
    pub(crate) epoch: Instant,
}

pub(crate) struct Driver<Io> {
    // The line goes before the requests: who waits for the driver's end finds it closed.
    line: Line<Io>,
    machine: ClientMachine,
    input: BytesMut,
    epoch: Instant,
    config: Config,
    shared: Arc<Shared>,
    stage: Stage,
    is_connecting: bool,
    streams: Vec<StreamEntry>,
    /// Which publisher was served last.
    turn: usize,
    /// A player's queue was full when it was looked at last.
    is_held: bool,
    waiting: Vec<Waiting>,
    /// Calls of the server that wait for the application.
    owed_answers: Vec<OwedAnswer>,
    /// Ends of publications that wait until they are written.
    farewells: Vec<Farewell>,
    /// Where in what is sent the last media end, see [`mark`](Self::mark).
    media_mark: u64,
    last_heard: Instant,
    /// The time that a silent server has left to say something, once it is asked for that by a ping.
    silent: Option<Expiry>,
    sleep: Pin<Box<Sleep>>,
    requests: mpsc::Receiver<Request>,
}

/// ```text
/// open --close--> draining --publishers' queues empty--> flushing --output written--> lingering --EOF--> ended
///      all of them --fault--> ended
/// ```
#[derive(Clone, Debug)]
enum Stage {
    Open,
    /// What publishers have queued is still sent.
    Draining(CloseReason),
    /// The streams are deleted; what is prepared is still written.
    Flushing(CloseReason),
    /// Our side of the line is shut; the server closes its side.
    Lingering {
        reason: CloseReason,
        until: Instant,
    },
    Ended,
}

struct Line<Io> {
    io: Io,
    read_len: usize,
    /// Bytes written since the handshake.
    written: u64,
    /// The mark up to which the line keeps nothing in a buffer of its own.
    flushed: u64,
    needs_flush: bool,
    /// The time of a write that makes no progress.
    stalled: Option<Expiry>,
    /// The server has closed its side.
    is_at_end: bool,
    /// Writing failed; what the server has sent before may say why.
    write_failure: Option<CloseReason>,
}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    pub(crate) fn new(opened: Opened<Io>, url: RtmpUrl, config: Config) -> (Self, Link) {
        let Opened {
            io,
            machine,
            input,
            epoch,
        } = opened;
        let shared = Arc::new(Shared::new(url, config.events));
        let (requests, receiver) = mpsc::channel(REQUEST_CAPACITY);
        let now = Instant::now();
        let driver = Self {
            line: Line {
                io,
                read_len: *READ_LEN.start(),
                written: 0,
                flushed: 0,
                needs_flush: false,
                stalled: None,
                is_at_end: false,
                write_failure: None,
            },
            machine,
            input,
            epoch,
            shared: Arc::clone(&shared),
            stage: Stage::Open,
            is_connecting: false,
            streams: Vec::new(),
            turn: 0,
            is_held: false,
            waiting: Vec::new(),
            owed_answers: Vec::new(),
            farewells: Vec::new(),
            media_mark: 0,
            last_heard: now,
            silent: None,
            sleep: Box::pin(sleep_until(now + config.timeouts.ping.min(config.timeouts.idle))),
            requests: receiver,
            config,
        };
        (driver, Link { requests, shared })
    }

    pub(crate) async fn run(mut self) {
        let reason = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.end(&reason);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        for _ in 0..ROUNDS {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(reason) => return Poll::Ready(reason),
            }
        }
        // A line that never rests must not keep the deadlines from passing.
        if let Err(reason) = self.poll_deadlines(cx) {
            return Poll::Ready(reason);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what can be done. Says whether anything moved; if not, `cx` is woken when something can.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut moved = self.sweep_streams(cx);
        moved |= self.take_requests(cx);
        moved |= self.take_answers(cx);
        moved |= self.take_media(cx);
        moved |= self.advance_stage();
        let (handled, is_starved) = self.handle_input(cx)?;
        moved |= handled;
        if is_starved {
            moved |= self.poll_read(cx)?;
        }
        moved |= self.poll_write(cx)?;
        moved |= self.poll_shutdown(cx)?;
        if !moved {
            moved |= self.poll_deadlines(cx)?;
        }
        match self.line.write_failure.take() {
            // Everything that could be read has been.
            Some(reason) if !moved => Err(reason),
            failure => {
                self.line.write_failure = failure;
                Ok(moved)
            }
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Whether more may be prepared for the line.
    fn has_output_room(&self) -> bool {
        self.machine.has_room() && self.line.write_failure.is_none()
    }

    fn take_requests(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while matches!(self.stage, Stage::Open) && self.has_output_room() {
            match self.requests.poll_recv(cx) {
                Poll::Ready(Some(request)) => self.handle_request(request),
                // The last handle is gone.
                Poll::Ready(None) => self.close(CloseReason::Local),
                Poll::Pending => break,
            }
            moved = true;
        }
        moved
    }

    /// Starts to close in order.
    fn close(&mut self, reason: CloseReason) {
        if !matches!(self.stage, Stage::Open) {
            return;
        }
        debug!(%reason, "closing");
        for stream in &self.streams {
            stream.end(&StreamEnd::Closed(reason.clone()));
        }
        self.fail_waiting(
            |_| true,
            |operation| Error::Closed {
                operation,
                reason: reason.clone(),
            },
        );
        self.stage = Stage::Draining(reason);
    }

    fn advance_stage(&mut self) -> bool {
        match &self.stage {
            Stage::Draining(reason) if self.streams.iter().all(StreamEntry::is_drained) => {
                let reason = reason.clone();
                while let Some(id) = self.streams.first().map(|stream| stream.id) {
                    self.delete_stream(id);
                }
                // It can not fail but for commands that were written before.
                if let Err(error) = self.machine.close() {
                    debug!(%error, "closing in order");
                }
                self.stage = Stage::Flushing(reason);
                true
            }
            _ => false,
        }
    }

    /// Lets the machine handle what was read. Says whether it did anything, and whether it needs more to go on.
    fn handle_input(&mut self, cx: &mut Context<'_>) -> Result<(bool, bool), CloseReason> {
        let mut moved = false;
        let now = self.now();
        let is_held = loop {
            let is_failing = self.line.write_failure.is_some();
            if (!is_failing && !self.has_output_room()) || self.poll_hold(cx) {
                break true;
            }
            match self.machine.poll_event(&mut self.input, now) {
                Ok(Some(event)) => self.handle_event(event),
                Ok(None) => break false,
                Err(error) => return Err(CloseReason::Protocol(Arc::new(error))),
            }
            moved = true;
        };
        // Much output stops the machine as well.
        Ok((moved, !is_held && self.machine.has_room()))
    }

    /// Whether a player's full queue holds up reading.
    fn poll_hold(&mut self, cx: &Context<'_>) -> bool {
        if self.is_held {
            let (streams, waiting) = (&self.streams, &self.waiting);
            self.is_held = streams.iter().any(|stream| {
                let awaits_control = waiting.iter().any(|waiting| waiting.is_control_of(stream.id));
                stream.poll_room(cx, awaits_control).is_pending()
            });
            // What was not read meanwhile is no silence of the server.
            self.heard();
        }
        self.is_held
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.line.is_at_end {
            return Ok(false);
        }
        self.input.reserve(self.line.read_len);
        let count = match poll_read_buf(Pin::new(&mut self.line.io), cx, &mut self.input) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(count)) => count,
            // TLS misses the server's goodbye. Who has nothing to miss takes it for the end of the line that it is.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                if self.awaits_media() {
                    return Err(self.line.write_failure.take().unwrap_or(CloseReason::CutOff));
                }
                0
            }
            Poll::Ready(Err(error)) => {
                return Err(match &self.stage {
                    Stage::Lingering { reason, .. } => reason.clone(),
                    _ => self.line.write_failure.take().unwrap_or(io_failure(error)),
                });
            }
        };
        if count == 0 {
            self.line.is_at_end = true;
            return match &self.stage {
                // It may still read, and nothing of it is missed.
                Stage::Draining(_) if self.streams.iter().all(StreamEntry::is_drained) => Ok(true),
                Stage::Flushing(_) => Ok(true),
                Stage::Lingering { reason, .. } => Err(reason.clone()),
                _ => Err(self.line.write_failure.take().unwrap_or(CloseReason::PeerClosed)),
            };
        }
        if count >= self.line.read_len {
            self.line.read_len = (self.line.read_len * 2).min(*READ_LEN.end());
        }
        self.shared.count_received(count);
        self.heard();
        Ok(true)
    }

    /// Whether a stream is in use whose end is still to come.
    fn awaits_media(&self) -> bool {
        let in_use = |stream: &StreamEntry| !matches!(stream.state(), StreamState::Idle);
        match self.stage {
            Stage::Open => self.streams.iter().any(in_use),
            Stage::Draining(_) => !self.streams.iter().all(StreamEntry::is_drained),
            Stage::Flushing(_) | Stage::Lingering { .. } | Stage::Ended => false,
        }
    }

    /// The server is alive.
    fn heard(&mut self) {
        self.last_heard = Instant::now();
        self.silent = None;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut moved = false;
        let before = self.delivered();
        while self.line.write_failure.is_none() {
            let output = self.machine.output();
            if output.is_empty() {
                break;
            }
            match Pin::new(&mut self.line.io).poll_write(cx, output) {
                Poll::Ready(Ok(count @ 1..)) => {
                    output.advance(count);
                    self.line.written += count as u64;
                    self.shared.count_sent(count);
                    self.line.needs_flush = true;
                    self.line.stalled = None;
                    moved = true;
                }
                Poll::Ready(Ok(0)) => {
                    self.line.write_failure = Some(io_failure(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Err(error)) => self.line.write_failure = Some(io_failure(error)),
                Poll::Pending => {
                    self.note_stalled();
                    break;
                }
            }
        }
        let output = self.machine.output();
        if self.line.write_failure.is_some() {
            output.clear();
            return match &self.stage {
                Stage::Flushing(_) | Stage::Lingering { .. } => {
                    Err(self.line.write_failure.take().unwrap_or(CloseReason::PeerClosed))
                }
                _ => Ok(true),
            };
        }
        if output.is_empty() && output.capacity() > MAX_IDLE_OUTPUT {
            *output = BytesMut::new();
        }
        if moved {
            self.settle(before);
        }
        if self.machine.output().is_empty() && self.line.needs_flush {
            match Pin::new(&mut self.line.io).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.line.needs_flush = false;
                    self.line.flushed = self.delivered();
                    self.line.stalled = None;
                }
                Poll::Ready(Err(error)) => return Err(io_failure(error)),
                Poll::Pending => self.note_stalled(),
            }
        }
        Ok(moved)
    }

    /// The line takes nothing: from now on it has the time of a write.
    fn note_stalled(&mut self) {
        let write = self.config.timeouts.write;
        let stalled = &mut self.line.stalled;
        stalled.get_or_insert_with(|| Expiry::since(Instant::now(), write));
    }

    /// Shuts our side of the line when all is written, and ends when the server has closed its side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Stage::Flushing(reason) = &self.stage else {
            return Ok(false);
        };
        if !self.machine.output().is_empty() || self.line.needs_flush {
            return Ok(false);
        }
        let reason = reason.clone();
        match Pin::new(&mut self.line.io).poll_shutdown(cx) {
            Poll::Pending => {
                self.note_stalled();
                return Ok(false);
            }
            Poll::Ready(Ok(())) if !self.line.is_at_end => {}
            // Whether shutting succeeds does not matter any more: all was written.
            Poll::Ready(_) => return Err(reason),
        }
        self.line.stalled = None;
        let until = Instant::now() + self.config.timeouts.close;
        self.stage = Stage::Lingering { reason, until };
        Ok(true)
    }

    /// When a server that says nothing is asked whether it is still there or, behind that, given up.
    fn end_of_silence(&self) -> Instant {
        let Timeouts { ping, idle, .. } = self.config.timeouts;
        match &self.silent {
            Some(expiry) => expiry.at(),
            None => self.last_heard + ping.min(idle),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let silent = match (&self.stage, self.is_held) {
            (Stage::Lingering { until, .. }, _) => Some(*until),
            (_, true) => None,
            (_, false) => Some(self.end_of_silence()),
        };
        let stalled = self.line.stalled.map(|expiry| expiry.at());
        let answers = self.waiting.iter().map(|waiting| waiting.expiry.at());
        answers.chain(silent).chain(stalled).min()
    }

    /// One timer serves all deadlines. It is set anew only for an earlier one: a deadline that has moved on meanwhile
    /// costs a wake, and no message touches the timer.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(deadline) = self.next_deadline() else {
            return Ok(false);
        };
        loop {
            let now = Instant::now();
            if now >= deadline {
                self.expire(now)?;
                return Ok(true);
            }
            if self.sleep.is_elapsed() || self.sleep.deadline() > deadline {
                self.sleep.as_mut().reset(deadline);
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Ok(false);
            }
        }
    }

    fn expire(&mut self, now: Instant) -> Result<(), CloseReason> {
        let timeout = |operation, after| Err(CloseReason::Timeout { operation, after });
        let Timeouts { idle, write, .. } = self.config.timeouts;
        if self
            .line
            .stalled
            .as_mut()
            .is_some_and(|expiry| expiry.is_over(now))
        {
            return timeout(Operation::Write, write);
        }
        if let Stage::Lingering { reason, until } = &self.stage {
            return if *until <= now {
                Err(reason.clone())
            } else {
                Ok(())
            };
        }
        if !self.is_held && self.silent.is_none() && self.end_of_silence() <= now {
            self.silent = Some(self.ask_for_life(now));
        }
        if !self.is_held && self.silent.as_mut().is_some_and(|expiry| expiry.is_over(now)) {
            return timeout(Operation::Listen, idle);
        }
        self.expire_waiting(now)
    }

    /// Pings a silent server, if there is time for an answer, and says how long that may take.
    fn ask_for_life(&mut self, now: Instant) -> Expiry {
        let Timeouts { ping, idle, .. } = self.config.timeouts;
        if ping >= idle {
            return Expiry::since(self.last_heard, idle);
        }
        // The caller's ping that is under way will do.
        if !self.is_ping_awaited()
            && let Err(error) = self.send_ping()
        {
            debug!(%error, "no ping");
        }
        Expiry::since(now, idle - ping)
    }

    /// Tells everyone that it is over.
    fn end(&mut self, reason: &CloseReason) {
        debug!(%reason, "closed");
        self.stage = Stage::Ended;
        let is_drained = self.streams.iter().all(StreamEntry::is_drained);
        let has_lost_media = !is_drained || self.line.flushed < self.media_mark;
        // First of all, so that nobody who hears of the end finds the connection open.
        self.shared.close(reason, has_lost_media);
        for stream in self.streams.drain(..) {
            stream.end(&StreamEnd::Closed(reason.clone()));
        }
        self.fail_waiting(
            |_| true,
            |operation| Error::Closed {
                operation,
                reason: reason.clone(),
            },
        );
    }

    fn refresh_status(&self) {
        let is_creating = self.waiting.iter().any(Waiting::is_create_stream);
        self.shared
            .set_status(match (self.machine.is_connected(), self.streams.is_empty()) {
                _ if self.machine.is_closed() => ConnectionStatus::Closed,
                (false, _) if self.is_connecting => ConnectionStatus::Connecting,
                (false, _) => ConnectionStatus::HandshakeDone,
                (true, _) if is_creating => ConnectionStatus::CreatingStream,
                (true, true) => ConnectionStatus::Connected,
                (true, false) => ConnectionStatus::StreamCreated,
            });
    }
}

impl<Io> Drop for Driver<Io> {
    /// A runtime that shuts down drops its tasks where they stand.
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Ended) {
            self.shared.close(&CloseReason::RuntimeShutdown, true);
            for stream in &self.streams {
                stream.end(&StreamEnd::Closed(CloseReason::RuntimeShutdown));
            }
        }
    }
}

fn io_failure(error: io::Error) -> CloseReason {
    CloseReason::Io(Arc::new(error))
}
