//! The one task that touches a connection's socket.
//!
//! A loop: take the events that are in what was read, then wait for bytes, for room to write, for media, for the end
//! of a deadline, or for someone to end the session.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{Played, ProtocolError, ServerMachine};
use rtmp_core::message::{Status, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{Span, debug, info_span, warn};

use super::calls::PendingCalls;
use super::deadlines::{Deadlines, Due};
use super::log_budget::LogBudget;
use super::outbound::{Direct, Filled, Outbound, OwnOutbound, Player};
use crate::config::Tap;
use crate::error::error_chain;
use crate::relay::Lag;
use crate::source::WireForm;
use crate::{
    CloseReason, Deadline, MediaSink, Observers, SessionConfig, SessionInfo, SourceEvent, SourceFailure,
    StreamInfo,
};

/// The read buffer begins at this size, which takes the handshake, and grows with what arrives at once.
const MIN_READ: usize = 2 << 10;
/// Players say little.
const PLAYER_READ: usize = 256;
const MAX_READ: usize = 256 << 10;

pub(super) struct Driver<T> {
    pub(super) io: T,
    pub(super) machine: ServerMachine,
    pub(super) info: SessionInfo,
    pub(super) observers: Arc<Observers>,
    pub(super) config: Arc<SessionConfig>,
    pub(super) span: Span,
    pub(super) publications: Vec<Publication>,
    pub(super) agreed: Agreed,
    pub(super) calls: PendingCalls,
    pub(super) outbound: OwnOutbound,
    /// What is played behind the players' sources, on the same streams.
    pub(super) playlist: Vec<Player>,
    /// How much the client wants to hold, as it said last.
    pub(super) buffer_length: Option<Duration>,
    pub(super) log_budget: LogBudget,
    input: BytesMut,
    read_size: usize,
    begun: Instant,
    deadlines: Deadlines,
    /// The machine takes no input until more of its output is written.
    held_up: bool,
    disposed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Who is woken when the session is disposed.
    disposed_wakes: Option<Waker>,
}

/// A stream that the client publishes.
pub(super) struct Publication {
    pub(super) stream: StreamInfo,
    pub(super) sinks: Vec<Box<dyn MediaSink>>,
}

/// Observers that have agreed to something on which not all have decided yet. They are told of its end like those of
/// what was accepted.
#[derive(Default)]
pub(super) struct Agreed {
    pub(super) connect: usize,
    pub(super) publish: Option<(StreamInfo, usize)>,
    pub(super) play: Option<(StreamInfo, usize)>,
}

/// How a source has ended.
pub(super) enum Ending {
    /// The client may still seek.
    Completed(Played),
    Ended,
    Failed(SourceFailure),
}

/// What ended a wait.
enum Woken {
    Received,
    /// The client has read enough for more of its input to be handled.
    Unblocked,
    Deadline,
    /// The application wants the client to hear something.
    Asked,
    /// Who takes over from a source is ready, or never will be.
    TakeOver(MessageStreamId),
    NoTakeOver(MessageStreamId),
    /// A source has ended.
    PlayEnded(MessageStreamId, Ending),
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Driver<T> {
    /// `direct` is a way to write past `io`, if there is one. The handshake's time runs since the connection was
    /// `accepted`.
    pub(super) fn new(
        io: T,
        direct: Option<Direct>,
        info: SessionInfo,
        accepted: Instant,
        observers: Arc<Observers>,
        config: Arc<SessionConfig>,
    ) -> Box<Self> {
        let now = Instant::now();
        let mut machine =
            ServerMachine::new(config.machine.clone(), Duration::ZERO, |bytes| rand::fill(bytes));
        if let Some(Tap(tap)) = config.tap.clone() {
            let (session, mut has_panicked) = (info.clone(), false);
            machine.set_tap(move |direction, message| {
                has_panicked = has_panicked
                    || catch_unwind(AssertUnwindSafe(|| tap(&session, direction, message))).is_err();
            });
        }
        let span = match info.peer_addr() {
            Some(peer) => info_span!(parent: None, "session", id = info.id().get(), %peer),
            None => info_span!(parent: None, "session", id = info.id().get()),
        };
        let disposed = Box::pin(info.disposed().clone().cancelled_owned());
        let outbound = OwnOutbound::new(Outbound::new(direct, info.clone(), span.clone()));
        Box::new(Self {
            io,
            machine,
            calls: PendingCalls::new(info.clone()),
            info,
            observers,
            span,
            publications: Vec::new(),
            agreed: Agreed::default(),
            outbound,
            playlist: Vec::new(),
            buffer_length: None,
            log_budget: LogBudget::new(now),
            input: BytesMut::new(),
            read_size: MIN_READ,
            begun: now,
            deadlines: Deadlines::begin(Arc::clone(&config), accepted),
            held_up: false,
            disposed,
            disposed_wakes: None,
            config,
        })
    }

    /// In a box, because a future that holds the driver by value has it more than once.
    pub(super) async fn run(mut self: Box<Self>) -> CloseReason {
        // A panic leaves each field in order: observers are called between the changes to them.
        let reason = match AssertUnwindSafe(self.serve()).catch_unwind().await {
            Ok(Ok(never)) => match never {},
            Ok(Err(reason)) => reason,
            Err(_) => CloseReason::ObserverPanicked,
        };
        match &reason {
            CloseReason::Protocol(error) => {
                let cause = error_chain(error.as_ref());
                warn!(parent: &self.span, "closed: {cause}");
            }
            reason => debug!(parent: &self.span, "closed: {reason}"),
        }
        self.calls.close();
        self.prepare_goodbye(&reason);
        let takes_more = !matches!(
            reason,
            CloseReason::PeerClosed
                | CloseReason::Transport(_)
                | CloseReason::TimedOut {
                    deadline: Deadline::Write,
                    ..
                }
        );
        if matches!(reason, CloseReason::PeerClosed) {
            // In TLS it hears that nothing more comes, if there is room for that.
            let _ = self.io.shutdown().now_or_never();
        }
        // A client that reads has it at once. The observers do not wait for one that does not.
        let is_said = !takes_more || self.say_goodbye().now_or_never().is_some();
        Box::pin(self.tell_observers(&reason)).await;
        if !is_said {
            let limit = self.config.timeouts.write;
            // Best effort: the session has its reason already.
            let _ = tokio::time::timeout(limit, Box::pin(self.say_goodbye())).await;
        }
        reason
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        loop {
            self.handle_events().await?;
            match poll_fn(|cx| self.poll_io(cx)).await? {
                Woken::Received => self.deadlines.hear(),
                Woken::Unblocked => {}
                Woken::Deadline => {
                    if self.deadlines.check()? == Due::Ping {
                        self.machine.ping(self.begun.elapsed()).map_err(protocol)?;
                    }
                }
                Woken::Asked => self.handle_requests(),
                Woken::TakeOver(stream) => Box::pin(self.take_over(stream)).await?,
                Woken::NoTakeOver(stream) => Box::pin(self.give_up_transition(stream)).await?,
                Woken::PlayEnded(stream, ending) => Box::pin(self.end_play(stream, ending)).await?,
            }
        }
    }

    /// Handles what has been read, until it needs more or the client has to read first.
    async fn handle_events(&mut self) -> Result<(), CloseReason> {
        drop(self.outbound.begin_work());
        let now = self.begun.elapsed();
        while let Some(event) = self.machine.poll_event(&mut self.input, now).map_err(protocol)? {
            self.handle_event(event).await?;
        }
        self.held_up = !self.machine.has_room();
        if self.machine.is_closed() {
            // It has refused a connect on its own.
            return Err(CloseReason::Refused);
        }
        for publication in &mut self.publications {
            for sink in &mut publication.sinks {
                sink.flush();
                while let Some(status) = sink.take_status() {
                    self.machine
                        .notify_publisher(publication.stream.id(), &status)
                        .map_err(protocol)?;
                }
            }
        }
        self.follow_stage();
        Ok(())
    }

    /// Keeps the deadline of the stage that the session is in.
    fn follow_stage(&mut self) {
        let stage = if !self.machine.is_handshake_done() {
            Some(Deadline::Handshake)
        } else if !self.machine.is_connected() {
            Some(Deadline::Connect)
        } else if self.publications.is_empty() && self.outbound.lock().players.is_empty() {
            Some(Deadline::Media)
        } else {
            None
        };
        self.deadlines.follow(stage);
        if stage.is_none() && self.publications.is_empty() && self.input.is_empty() {
            self.input = BytesMut::new();
            self.read_size = PLAYER_READ;
        }
    }

    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Result<Woken, CloseReason>> {
        if let Poll::Ready(woken) = self.poll_write(cx) {
            return Poll::Ready(woken);
        }
        if self.poll_disposed(cx).is_ready() {
            return Poll::Ready(Err(self.info.dispose_reason()));
        }
        let takes_media = self.poll_sinks(cx).is_ready();
        if !self.held_up {
            if self.info.requests().has_some() {
                return Poll::Ready(Ok(Woken::Asked));
            }
            if takes_media && let Poll::Ready(read) = self.poll_read(cx) {
                return Poll::Ready(read.map(|()| Woken::Received));
            }
        } else if self.machine.has_room() {
            return Poll::Ready(Ok(Woken::Unblocked));
        }
        self.deadlines.poll(cx).map(|()| Ok(Woken::Deadline))
    }

    /// Whether all sinks take more. The client's silence counts from when they do.
    fn poll_sinks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sinks = self
            .publications
            .iter_mut()
            .flat_map(|publication| &mut publication.sinks);
        for sink in sinks {
            if sink.poll_ready(cx).is_pending() {
                self.deadlines.be_deaf();
                return Poll::Pending;
            }
        }
        self.deadlines.listen();
        Poll::Ready(())
    }

    /// Whether someone ends the session. The token behind it takes a lock, and this is asked for every message that a
    /// player gets; so it is polled only until it knows whom to wake. Requests of the application wake the same.
    fn poll_disposed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self
            .disposed_wakes
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
            && !self.info.is_disposed()
        {
            return Poll::Pending;
        }
        self.disposed_wakes = Some(cx.waker().clone());
        self.info.requests().register(cx.waker());
        self.disposed.as_mut().poll(cx)
    }

    /// Reads once. Ready means that there is more input, or that there will be none.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.input.reserve(self.read_size);
        let capacity = self.input.capacity() - self.input.len();
        match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(CloseReason::PeerClosed)),
            Poll::Ready(Ok(len)) => {
                self.info.counters().count_received(len);
                if len == capacity {
                    self.read_size = (2 * self.read_size).clamp(MIN_READ, MAX_READ);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(transport(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes all there is. Ready means that something else has to be done first; pending, that there is nothing to
    /// write or no room.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<Woken, CloseReason>> {
        let outbound = self.outbound.share();
        let media_waker = outbound.waker(cx.waker());
        let mut state = outbound.begin_work();
        state.form = WireForm::of(&self.machine);
        let mut has_all = false;
        loop {
            // Notices, too, wait for a client that does not read.
            let takes_more = self.machine.has_room();
            if state.outbox.is_empty() && takes_more && !has_all {
                match outbound.fill(&mut state, &media_waker) {
                    Filled::All => has_all = true,
                    Filled::Some => {}
                    Filled::Event(stream, event) => {
                        if let Some(woken) = self.handle_source_event(stream, event) {
                            return Poll::Ready(woken);
                        }
                    }
                    Filled::TakeOver(stream) => return Poll::Ready(Ok(Woken::TakeOver(stream))),
                    Filled::NoTakeOver(stream) => return Poll::Ready(Ok(Woken::NoTakeOver(stream))),
                    Filled::Panicked => return Poll::Ready(Err(CloseReason::ObserverPanicked)),
                }
            }
            if state.outbox.is_empty() && self.machine.output().is_empty() {
                if has_all {
                    state.outbox.shrink();
                    outbound.end_work(&mut state);
                } else {
                    // A source with more to say than to send; others have their turn first.
                    cx.waker().wake_by_ref();
                }
                // After the handshake little is written at a time, and mostly nothing.
                *self.machine.output() = BytesMut::new();
                // A transport with a buffer of its own, such as TLS, may still hold some.
                return match Pin::new(&mut self.io).poll_flush(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(transport(error))),
                    Poll::Ready(Ok(())) => {
                        self.deadlines.note_all_written();
                        Poll::Pending
                    }
                    Poll::Pending => self.poll_blocked(cx),
                };
            }
            match state
                .outbox
                .poll_write(Pin::new(&mut self.io), cx, self.machine.output())
            {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(transport(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(len)) => {
                    self.info.counters().count_sent(len);
                    self.deadlines.note_progress();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(transport(error))),
                Poll::Pending => {
                    if !self.deadlines.is_blocked()
                        && let Some((stream, lag)) = state.give_up()
                        && let Some(woken) = self.handle_source_event(stream, SourceEvent::TooSlow(lag))
                    {
                        return Poll::Ready(woken);
                    }
                    return self.poll_blocked(cx);
                }
            }
        }
    }

    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<Result<Woken, CloseReason>> {
        self.deadlines.poll_blocked(cx).map(|()| Ok(Woken::Deadline))
    }

    /// Tells the client what a source has said. `Some` means that the source has ended.
    fn handle_source_event(
        &mut self,
        stream: MessageStreamId,
        event: SourceEvent,
    ) -> Option<Result<Woken, CloseReason>> {
        let notice = match event {
            SourceEvent::Media => return None,
            SourceEvent::Published => self.machine.notify_published(stream),
            SourceEvent::Unpublished => self.machine.notify_unpublished(stream),
            SourceEvent::BufferEmpty => self.machine.notify_buffer_empty(stream),
            SourceEvent::BufferReady => self.machine.notify_buffer_ready(stream),
            SourceEvent::Completed(played) => {
                return Some(Ok(Woken::PlayEnded(stream, Ending::Completed(played))));
            }
            SourceEvent::Ended => return Some(Ok(Woken::PlayEnded(stream, Ending::Ended))),
            SourceEvent::Failed(failure) => {
                return Some(Ok(Woken::PlayEnded(stream, Ending::Failed(failure))));
            }
            SourceEvent::Lagging(lag) => {
                debug!(parent: &self.span, "the player is {lag}");
                let status = insufficient_bandwidth(lag, "Media are left out");
                self.machine.notify_player(stream, &status)
            }
            SourceEvent::TooSlow(lag) => {
                let status = insufficient_bandwidth(lag, "Playback ends");
                // Fails only for a stream that has ended, which needs no word.
                let _ = self.machine.notify_player(stream, &status);
                return Some(Err(CloseReason::TooSlow(lag)));
            }
        };
        notice.err().map(|error| Err(protocol(error)))
    }

    /// Goes on in the playlist or, at its end, tells the client.
    async fn end_play(&mut self, stream: MessageStreamId, ending: Ending) -> Result<(), CloseReason> {
        let reason = match &ending {
            Ending::Completed(_) | Ending::Ended => CloseReason::StreamEnded,
            Ending::Failed(failure) => {
                if self.may_log() {
                    warn!(parent: &self.span, "can not play on: {}", error_chain(failure.error.as_ref()));
                }
                CloseReason::SourceFailed(Arc::clone(&failure.error))
            }
        };
        if self.play_next(stream, &reason).await? {
            return Ok(());
        }
        let told = match ending {
            Ending::Completed(played) => {
                if let Some(player) = self.outbound.lock().player(stream) {
                    player.is_complete = true;
                }
                return self.machine.complete_play(stream, played).map_err(protocol);
            }
            Ending::Ended => self.machine.end_play(stream),
            Ending::Failed(failure) => self.machine.fail_play(stream, &failure.status),
        };
        told.map_err(protocol)?;
        self.stop_play(stream, &reason).await?;
        self.follow_stage();
        Ok(())
    }
}

/// What a player is told that is too slow. The details are ours: no specification names any.
fn insufficient_bandwidth(lag: Lag, consequence: &str) -> Status {
    Status::new(
        StatusCode::PlayInsufficientBandwidth,
        format!("{consequence}: the player is {lag}."),
    )
    .with("lagMilliseconds", lag.time.as_millis() as f64)
    .with("lagBytes", lag.len as f64)
}

pub(super) fn protocol(error: ProtocolError) -> CloseReason {
    CloseReason::Protocol(Arc::new(error))
}

/// A reset is an ordinary end: clients that are switched off leave like this. So is one without the goodbye of TLS,
/// which many clients do not say.
fn transport(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::UnexpectedEof => CloseReason::PeerClosed,
        _ => CloseReason::Transport(Arc::new(error)),
    }
}
