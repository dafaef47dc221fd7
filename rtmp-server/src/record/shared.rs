//! What a recording's session, its thread and its handles have in common.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::watch;

use super::queue::{Lost, Queue};
use super::{RecordConfig, RecordError, RecordStatistics};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    files: AtomicU32,
    messages: AtomicU64,
    bytes: AtomicU64,
    messages_lost: AtomicU64,
    result: watch::Sender<Option<Result<(), RecordError>>>,
}

impl Shared {
    pub(super) fn new(config: &RecordConfig) -> Self {
        Self {
            queue: Queue::new(config),
            files: AtomicU32::new(0),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            messages_lost: AtomicU64::new(0),
            result: watch::Sender::new(None),
        }
    }

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

    /// Whether a file was opened and nothing has failed.
    pub(super) fn is_in_order(&self) -> bool {
        self.files.load(Ordering::Relaxed) > 0 && !matches!(*self.result.borrow(), Some(Err(_)))
    }

    pub(super) fn set_result(&self, result: Result<(), RecordError>) {
        self.result.send_replace(Some(result));
    }

    /// Waits until the thread has nothing more to do.
    pub(super) async fn result(&self) -> Result<RecordStatistics, RecordError> {
        let mut changes = self.result.subscribe();
        let result = changes
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|result| result.clone());
        // The sender lives as long as this, so there is a result.
        result.unwrap_or(Ok(())).map(|()| self.statistics())
    }
}
