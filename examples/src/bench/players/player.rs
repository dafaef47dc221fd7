//! One player.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::FutureExt;
use rtmp_core::MediaMessage;
use rtmp_core::chunk::ChunkEncoder;
use rtmp_core::conn::{ClientEvent, DEFAULT_WINDOW};
use rtmp_core::handshake::PACKET_LEN;
use rtmp_core::message::{Control, Message, StatusCode, UserControl};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio_util::codec::Encoder;

use super::super::check::Checker;
use super::super::client::{Client, ClientError, Target};
use super::super::line::Line;
use super::super::samples::Samples;
use super::drain::drain;

/// The count of received bytes that servers are told; the same as `ClientMachine` tells them.
const ACKNOWLEDGE_EVERY: u64 = (DEFAULT_WINDOW / 2) as u64;

/// How the players stand together.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Whether it is time to collect latencies.
    measuring: AtomicBool,
    /// Players whose stream has begun, or that are gone before it has.
    settled: AtomicUsize,
    /// Players that are gone, and those of them that checked all they received.
    gone: AtomicUsize,
    checkers_gone: AtomicUsize,
    /// Whenever one of these has changed.
    pub(super) changed: Notify,
}

impl Crowd {
    pub(super) fn begin_to_measure(&self) {
        self.measuring.store(true, Ordering::Relaxed);
    }

    pub(super) fn settled(&self) -> usize {
        self.settled.load(Ordering::Relaxed)
    }

    pub(super) fn gone(&self) -> usize {
        self.gone.load(Ordering::Relaxed)
    }

    pub(super) fn checkers_gone(&self) -> usize {
        self.checkers_gone.load(Ordering::Relaxed)
    }

    fn count(&self, counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }
}

/// What is known of a player, while it plays and afterwards.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) checker: Checker,
    pub(super) latency: Samples,
    pub(super) connect_to_keyframe: Option<Duration>,
    pub(super) play_to_keyframe: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) enum Stage {
    /// No audio or video has come yet.
    #[default]
    Joining,
    Playing,
    /// The server said that the stream is over.
    Ended,
    /// It ended before it had joined.
    Failed(ClientError),
    /// It ended while it was playing.
    Lost(ClientError),
}

impl Record {
    pub(super) fn new(checker: Checker) -> Arc<Self> {
        let state = State {
            checker,
            ..State::default()
        };
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            state: Mutex::new(state),
        })
    }

    /// Bytes received so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plays until the stream ends or the connection breaks.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) target: Arc<Target>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) record: Arc<Record>,
    /// Whether all messages are checked, and not only those up to the first keyframe.
    pub(super) check_all: bool,
}

/// When a player began to connect, and to play.
#[derive(Clone, Copy, Debug)]
struct Begin {
    connect: Instant,
    play: Instant,
}

impl Player {
    pub(super) async fn run(self) {
        let result = self.play().await;
        let mut state = self.record.lock();
        state.stage = match (result, &state.stage) {
            (Ok(()), _) => Stage::Ended,
            (Err(error), Stage::Joining) => Stage::Failed(error),
            (Err(error), _) => Stage::Lost(error),
        };
        let has_begun = state.checker.has_begun();
        drop(state);
        if !has_begun {
            self.crowd.count(&self.crowd.settled);
        }
        if self.check_all {
            self.crowd.count(&self.crowd.checkers_gone);
        }
        self.crowd.count(&self.crowd.gone);
    }

    async fn play(&self) -> Result<(), ClientError> {
        let connect = Instant::now();
        let (mut client, stream) = Client::open(&self.target).await?;
        let begin = Begin {
            connect,
            play: Instant::now(),
        };
        client
            .play(stream, &self.target, |event| self.take(event, begin))
            .await?;
        loop {
            self.record.bytes.store(client.received(), Ordering::Relaxed);
            if !self.check_all && self.record.lock().checker.has_begun() {
                return self.count(client.received(), client.into_io()).await;
            }
            let event = client.next_event().await?;
            self.take(&event, begin);
            if is_end(&event) {
                return Ok(());
            }
            if matches!(event, ClientEvent::CloseRequested) {
                return Err(ClientError::Closed);
            }
        }
    }

    fn take(&self, event: &ClientEvent, begin: Begin) {
        if let ClientEvent::Media { message, .. } = event {
            self.take_message(message, begin);
        }
    }

    fn take_message(&self, message: &MediaMessage, begin: Begin) {
        let mut state = self.record.lock();
        let stamp = state.checker.check(message);
        if matches!(state.stage, Stage::Joining) && state.checker.has_media() {
            state.stage = Stage::Playing;
        }
        if let Some(stamp) = stamp
            && self.crowd.measuring.load(Ordering::Relaxed)
        {
            state.latency.add(stamp.age());
        }
        if state.connect_to_keyframe.is_none() && state.checker.has_begun() {
            state.connect_to_keyframe = Some(begin.connect.elapsed());
            state.play_to_keyframe = Some(begin.play.elapsed());
            drop(state);
            self.crowd.count(&self.crowd.settled);
        }
    }

    /// Counts bytes without looking at them. The server gets the acknowledgements that a real player would send, so
    /// that it does not take the connection for a dead one.
    async fn count(&self, mut received: u64, mut io: Line) -> Result<(), ClientError> {
        let mut acknowledged = received;
        loop {
            match drain(&mut io).await.map_err(ClientError::Io)? {
                0 => return Err(ClientError::Closed),
                count => received += count as u64,
            }
            self.record.bytes.store(received, Ordering::Relaxed);
            if received - acknowledged >= ACKNOWLEDGE_EVERY {
                acknowledged = received;
                acknowledge(&mut io, received).map_err(ClientError::Io)?;
            }
        }
    }
}

/// Whether the server says that the stream is over.
fn is_end(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::UserControl(UserControl::StreamEof(_)) => true,
        ClientEvent::Status { status, .. } => matches!(
            status.code,
            StatusCode::PlayUnpublishNotify | StatusCode::PlayStop | StatusCode::PlayComplete
        ),
        _ => false,
    }
}

/// Tells the server how much has come. A connection that takes no 16 bytes just now gets the next one.
fn acknowledge(io: &mut Line, received: u64) -> io::Result<()> {
    let behind_handshake = received.saturating_sub(2 * PACKET_LEN as u64 + 1);
    // The sequence number wraps (RTMP 1.0 section 5.4.3).
    let control = Control::Acknowledgement(behind_handshake as u32);
    let mut wire = BytesMut::new();
    if let Ok(raw) = Message::Control(control).encode()
        && ChunkEncoder::default().encode(raw, &mut wire).is_ok()
        && let Some(written) = io.write(&wire).now_or_never()
    {
        written?;
        io.flush().now_or_never().unwrap_or(Ok(()))?;
    }
    Ok(())
}
