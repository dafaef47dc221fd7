//! A recording that runs.

use std::fmt;
use std::sync::Arc;

use rtmp_core::MediaMessage;
use rtmp_core::message::{Status, StatusCode};

use super::job::Job;
use super::queue::Need;
use super::{RecordError, RecordStatistics};
use crate::MediaSink;
use crate::files::MediaName;

/// Takes the messages of a stream that is recorded, and never waits. From [`Recorder::record`](super::Recorder::record).
///
/// Dropping it ends the recording; its file is completed by a thread then. [`finish`](Self::finish), or a
/// [handle](Self::handle), tells when that is done.
pub struct Recording {
    job: Arc<Job>,
    /// What the messages since the last flush need.
    need: Need,
}

/// Looks at a [`Recording`] from elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct RecordingHandle {
    job: Arc<Job>,
}

impl Recording {
    pub(super) fn new(job: Arc<Job>) -> Self {
        let need = Need::default();
        Self { job, need }
    }

    /// A handle to wait for the end, or for figures.
    #[must_use]
    pub fn handle(&self) -> RecordingHandle {
        let job = Arc::clone(&self.job);
        RecordingHandle { job }
    }

    /// Ends the recording and waits until its file is complete.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it has ended too early.
    ///
    /// # Cancel safety
    ///
    /// The recording has ended as soon as this is called; the file is completed even if the future is dropped.
    pub async fn finish(self) -> Result<RecordStatistics, RecordError> {
        let handle = self.handle();
        drop(self);
        handle.finished().await
    }
}

impl MediaSink for Recording {
    fn send(&mut self, message: &MediaMessage) {
        let need = self.job.queue.push(message);
        self.need.turn |= need.turn;
        self.need.hurry |= need.hurry;
    }

    fn flush(&mut self) {
        self.job.wake(std::mem::take(&mut self.need));
    }

    fn take_status(&mut self) -> Option<Status> {
        self.job.queue.take_status()
    }

    fn end(&mut self) -> Option<Status> {
        self.flush();
        self.job.close();
        let is_in_order = self.job.is_in_order();
        is_in_order.then(|| Status::new(StatusCode::RecordStop, "Stopped recording."))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.flush();
        self.job.close();
    }
}

impl RecordingHandle {
    /// Which file, or which file the segments are named after.
    #[must_use]
    pub fn name(&self) -> &MediaName {
        &self.job.name
    }

    /// What has been written so far.
    #[must_use]
    pub fn statistics(&self) -> RecordStatistics {
        self.job.figures.statistics()
    }

    /// Waits until the recording has ended and its file is complete.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it has ended too early.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it may be asked again, and often.
    pub async fn finished(&self) -> Result<RecordStatistics, RecordError> {
        self.job.result().await
    }

    pub(super) fn is_of(&self, app: &str, stream_name: &str) -> bool {
        MediaName::new(app, stream_name).is_ok_and(|name| name == self.job.name)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.job.queue.is_closed()
    }

    pub(super) fn close(&self) {
        self.job.close();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("name", &self.job.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingHandle")
            .field("name", &self.job.name)
            .finish_non_exhaustive()
    }
}
