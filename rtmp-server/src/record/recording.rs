//! A recording that runs.

use std::fmt;
use std::sync::Arc;

use rtmp_core::MediaMessage;
use rtmp_core::message::{Status, StatusCode};

use super::recorder::Threads;
use super::shared::Shared;
use super::{RecordError, RecordStatistics};
use crate::MediaSink;
use crate::files::MediaName;

/// Takes the messages of a stream that is recorded, and never waits. From [`Recorder::record`](super::Recorder::record).
///
/// Dropping it ends the recording; the file is completed by its thread then. [`finish`](Self::finish), or a
/// [handle](Self::handle), tells when that is done.
pub struct Recording {
    handle: RecordingHandle,
}

/// Looks at a [`Recording`] from elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct RecordingHandle {
    pub(super) name: MediaName,
    pub(super) shared: Arc<Shared>,
    pub(super) threads: Arc<Threads>,
}

impl Recording {
    pub(super) const fn new(handle: RecordingHandle) -> Self {
        Self { handle }
    }

    /// A handle to wait for the end, or for figures.
    #[must_use]
    pub fn handle(&self) -> RecordingHandle {
        self.handle.clone()
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
        self.handle.shared.queue.push(message);
    }

    fn flush(&mut self) {
        self.handle.shared.queue.flush();
    }

    fn take_status(&mut self) -> Option<Status> {
        self.handle.shared.queue.take_status()
    }

    fn end(&mut self) -> Option<Status> {
        self.handle.shared.queue.close();
        let is_in_order = self.handle.shared.is_in_order();
        is_in_order.then(|| Status::new(StatusCode::RecordStop, "Stopped recording."))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.handle.shared.queue.close();
    }
}

impl RecordingHandle {
    /// Which file, or which file the segments are named after.
    #[must_use]
    pub fn name(&self) -> &MediaName {
        &self.name
    }

    /// What has been written so far.
    #[must_use]
    pub fn statistics(&self) -> RecordStatistics {
        self.shared.statistics()
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
        let result = self.shared.result().await;
        self.threads.join(&self.name, &self.shared);
        result
    }

    pub(super) fn is_of(&self, app: &str, stream_name: &str) -> bool {
        MediaName::new(app, stream_name).is_ok_and(|name| name == self.name)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.queue.is_closed()
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("name", &self.handle.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingHandle")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
