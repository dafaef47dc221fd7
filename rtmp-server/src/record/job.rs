//! A recording as its session, its handles and the threads that write share it.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::pool::{Pool, Task, Turn};
use super::queue::{Lost, Need, Queue};
use super::running::Running;
use super::writer::Writer;
use super::{RecordConfig, RecordError, RecordStatistics};
use crate::files::MediaName;

pub(super) struct Job {
    pub(super) name: MediaName,
    pub(super) queue: Queue,
    pub(super) figures: Figures,
    running: Arc<Running>,
    /// Locked by whose turn it is, for all of the turn; `None` after the last.
    writer: Mutex<Option<Writer>>,
    result: watch::Sender<Option<Result<(), RecordError>>>,
}

/// What has been written so far.
#[derive(Debug, Default)]
pub(super) struct Figures {
    files: AtomicU32,
    messages: AtomicU64,
    bytes: AtomicU64,
    messages_lost: AtomicU64,
}

impl Job {
    pub(super) fn new(name: MediaName, config: &RecordConfig, running: Arc<Running>, writer: Writer) -> Self {
        Self {
            name,
            queue: Queue::new(config),
            figures: Figures::default(),
            running,
            writer: Mutex::new(Some(writer)),
            result: watch::Sender::new(None),
        }
    }

    /// Lets a thread see to what the queue needs.
    pub(super) fn wake(self: &Arc<Self>, need: Need) {
        let pool = self.pool();
        if need.turn {
            pool.schedule(self.clone());
        }
        if need.hurry {
            pool.hurry();
        }
    }

    /// Ends the recording, which completes its file.
    pub(super) fn close(self: &Arc<Self>) {
        self.wake(self.queue.close());
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.running.pool
    }

    /// Whether a file was opened and nothing has failed.
    pub(super) fn is_in_order(&self) -> bool {
        self.figures.files.load(Ordering::Relaxed) > 0 && !matches!(*self.result.borrow(), Some(Err(_)))
    }

    /// Waits until the file is complete.
    pub(super) async fn result(&self) -> Result<RecordStatistics, RecordError> {
        let mut changes = self.result.subscribe();
        let result = changes
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|result| result.clone());
        // The sender lives as long as this, so there is a result.
        result.unwrap_or(Ok(())).map(|()| self.figures.statistics())
    }

    fn write(&self, writer: &mut Writer) -> Result<Turn, RecordError> {
        // An event handler may panic.
        let turn = std::panic::catch_unwind(AssertUnwindSafe(|| writer.turn(self)));
        turn.unwrap_or_else(|_| {
            self.queue.abandon();
            self.queue.push_status(RecordError::Panicked.status());
            Err(RecordError::Panicked)
        })
    }
}

impl Task for Job {
    fn turn(&self) -> Turn {
        let mut place = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = place.as_mut() else {
            return Turn::Last;
        };
        let result = match self.write(writer) {
            Ok(Turn::Last) => Ok(()),
            Ok(turn) => return turn,
            Err(error) => Err(error),
        };
        *place = None;
        self.running.end(self);
        self.result.send_replace(Some(result));
        Turn::Last
    }
}

impl Figures {
    /// Counts a file that was opened, and says how many there are.
    pub(super) fn count_file(&self) -> u32 {
        self.files.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn count_written(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self, lost: Lost) {
        self.messages_lost.fetch_add(lost.messages, Ordering::Relaxed);
    }

    pub(super) fn statistics(&self) -> RecordStatistics {
        RecordStatistics {
            files: self.files.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            messages_lost: self.messages_lost.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
