//! What is recorded, and how.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::RecordEvent;

/// Settings of a [`Recorder`](super::Recorder).
#[derive(Clone)]
pub struct RecordConfig {
    pub(super) streams: RecordStreams,
    pub(super) write_interval: Duration,
    pub(super) max_queue_len: usize,
    pub(super) max_queue_messages: usize,
    pub(super) segment_duration: Option<Duration>,
    pub(super) segment_len: Option<u64>,
    pub(super) index_capacity: usize,
    pub(super) sync: bool,
    pub(super) on_event: Option<EventHandler>,
}

pub(super) type EventHandler = Arc<dyn Fn(&RecordEvent) + Send + Sync>;

/// Which streams a [`Recorder`](super::Recorder) records when it is asked as an observer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordStreams {
    /// Those whose publisher asks for it, with `publish(name, "record")` or `"append"` (RTMP 1.0 section 7.2.2.6).
    #[default]
    Requested,
    /// All. Only `"record"` replaces a recording, so a publisher that comes back goes on with its own.
    All,
}

impl RecordConfig {
    /// Which streams are recorded when the recorder is asked as an observer. Default: those whose publisher asks.
    #[must_use]
    pub fn streams(mut self, streams: RecordStreams) -> Self {
        self.streams = streams;
        self
    }

    /// How often what has gathered is given to the system, for all recordings together; at most an hour. Default: 10 ms.
    ///
    /// What has been given to the system is in the file even if the process is killed, so a killed process loses what
    /// came within the interval: with the default no more than the last message of a stream whose messages are that far
    /// apart. With zero messages are given as soon as a thread is free for them, so that a killed process loses at most
    /// the one that it is writing; that wakes a thread for nearly every message of a server with few streams. An interval
    /// of a second costs no less than the default: the messages have left the processor's caches by then.
    #[must_use]
    pub fn write_interval(mut self, interval: Duration) -> Self {
        self.write_interval = interval.min(Duration::from_secs(3600));
        self
    }

    /// How many bytes of a stream may wait for the disk. Default: 16 MiB.
    #[must_use]
    pub fn max_queue_len(mut self, bytes: usize) -> Self {
        self.max_queue_len = bytes;
        self
    }

    /// How many messages of a stream may wait for the disk. Default: 16,384.
    #[must_use]
    pub fn max_queue_messages(mut self, messages: usize) -> Self {
        self.max_queue_messages = messages;
        self
    }

    /// Begins another file at the first keyframe after this much time. Default: never.
    #[must_use]
    pub fn segment_duration(mut self, duration: Duration) -> Self {
        self.segment_duration = Some(duration);
        self
    }

    /// Begins another file at the first keyframe after this many bytes. Default: never.
    #[must_use]
    pub fn segment_len(mut self, bytes: u64) -> Self {
        self.segment_len = Some(bytes);
        self
    }

    /// How many keyframes the index of a file has room for, of 18 bytes each; see
    /// [`FlvRecorder::index_capacity`](rtmp_core::flv::FlvRecorder::index_capacity). Default: 1024.
    #[must_use]
    pub fn index_capacity(mut self, keyframes: usize) -> Self {
        self.index_capacity = keyframes;
        self
    }

    /// Whether a file is on the medium, with its directory, before it counts as complete. Default: yes.
    ///
    /// What is complete outlives a loss of power then. Otherwise, and for files that are being recorded, it is up to the
    /// system when it writes what it was given, which takes Linux about half a minute. Waiting for the medium holds up
    /// nobody but who waits for the end of the recording.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Is told what happens to files. It is called on the thread that writes the file, which it may hold up: the stream
    /// does not notice, and only this recording can lose something. Default: nobody.
    #[must_use]
    pub fn on_event(mut self, handler: impl Fn(&RecordEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(handler));
        self
    }

    pub(super) fn tell(&self, event: &RecordEvent) {
        if let Some(handler) = &self.on_event {
            handler(event);
        }
    }
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self {
            streams: RecordStreams::default(),
            write_interval: Duration::from_millis(10),
            max_queue_len: 16 << 20,
            max_queue_messages: 16 << 10,
            segment_duration: None,
            segment_len: None,
            index_capacity: 1024,
            sync: true,
            on_event: None,
        }
    }
}

impl fmt::Debug for RecordConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordConfig")
            .field("streams", &self.streams)
            .field("write_interval", &self.write_interval)
            .field("max_queue_len", &self.max_queue_len)
            .field("max_queue_messages", &self.max_queue_messages)
            .field("segment_duration", &self.segment_duration)
            .field("segment_len", &self.segment_len)
            .field("index_capacity", &self.index_capacity)
            .field("sync", &self.sync)
            .field("has_on_event", &self.on_event.is_some())
            .finish()
    }
}
