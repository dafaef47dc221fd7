//! One publisher.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtmp_core::MediaMessage;
use rtmp_core::chunk::MessageStreamId;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::client::{Client, ClientError, Target};
use super::super::clip::{Clip, Rounds, Stamper, for_server};
use super::super::samples::Samples;

/// How much is written at once when nothing has to wait for its time.
const FAST_WRITE_LEN: usize = 64 << 10;

pub(super) type Records = Vec<Arc<Record>>;

/// What is known of a publisher, while it publishes and afterwards.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: AtomicU64,
    messages: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stage: Stage,
    /// From the time at which a message was due to the time at which it was written.
    pub(super) lateness: Samples,
}

#[derive(Debug, Default)]
pub(super) enum Stage {
    /// The server has not let it publish yet.
    #[default]
    Starting,
    Publishing,
    /// All was sent.
    Done,
    /// It ended before it had started.
    Failed(ClientError),
    /// It ended while it was publishing.
    Lost(ClientError),
}

impl Record {
    /// Bytes of media sent so far, without headers.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes a clip round after round.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) target: Target,
    pub(super) clip: Arc<Clip>,
    pub(super) rounds: Option<u32>,
    pub(super) fast: bool,
    pub(super) stamper: Option<Stamper>,
    pub(super) record: Arc<Record>,
    pub(super) end: CancellationToken,
}

impl Publisher {
    /// Publishes until all rounds are sent, it is told to end, or the connection breaks.
    pub(super) async fn run(mut self) {
        let end = self.end.clone();
        let Some(opened) = end.run_until_cancelled(self.open()).await else {
            return;
        };
        let (mut client, stream) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.record.lock().stage = Stage::Failed(error);
                return;
            }
        };
        self.record.lock().stage = Stage::Publishing;
        let sent = end.run_until_cancelled(self.send_all(&mut client, stream)).await;
        let closed = match sent {
            Some(Err(error)) => Err(error),
            Some(Ok(())) | None => client.close().await,
        };
        self.record.lock().stage = closed.map_or_else(Stage::Lost, |()| Stage::Done);
    }

    async fn open(&self) -> Result<(Client, MessageStreamId), ClientError> {
        let (mut client, stream) = Client::open(&self.target).await?;
        client.publish(stream, &self.target).await?;
        Ok((client, stream))
    }

    async fn send_all(&mut self, client: &mut Client, stream: MessageStreamId) -> Result<(), ClientError> {
        let begin = Instant::now();
        for message in Rounds::new(Arc::clone(&self.clip), self.rounds) {
            // The clip's clock starts at zero.
            let due = begin + Duration::from_millis(message.timestamp.as_millis().into());
            if !self.fast {
                sleep_until(due).await;
            }
            let len = message.payload.len() as u64;
            let message = self.prepare(message);
            client.machine().send_media(stream, &message)?;
            if !self.fast || client.machine().unsent_len() >= FAST_WRITE_LEN {
                client.take_input()?;
                client.flush().await?;
            }
            self.record.bytes.fetch_add(len, Ordering::Relaxed);
            self.record.messages.fetch_add(1, Ordering::Relaxed);
            if !self.fast {
                self.record.lock().lateness.add(due.elapsed());
            }
        }
        client.flush().await
    }

    fn prepare(&mut self, message: MediaMessage) -> MediaMessage {
        let message = for_server(message);
        match &mut self.stamper {
            Some(stamper) => stamper.stamp(message),
            None => message,
        }
    }
}
