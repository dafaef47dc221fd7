//! The recordings of a server.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rtmp_core::MediaMessage;
use rtmp_core::message::{PublishKind, PublishRequest, Status};

use super::output;
use super::recording::{Recording, RecordingHandle};
use super::running::Running;
use super::writer::Writer;
use super::{
    RecordConfig, RecordError, RecordEvent, RecordMode, RecordStatistics, RecordStreams, RecordedFile,
};
use crate::files::{Claim, FileError, MediaName, MediaRoot};
use crate::relay::RelayPlayer;
use crate::{
    CloseReason, MediaSink, PublishGrant, PublishObserver, SessionId, SessionInfo, StreamInfo, Verdict,
};

/// Records streams to files below a [`MediaRoot`]. Cheap to clone; all clones are the same recorder.
#[derive(Clone)]
pub struct Recorder {
    root: MediaRoot,
    config: RecordConfig,
    running: Arc<Running>,
    /// What was granted to sessions, until they are told that it has ended.
    granted: Arc<Mutex<HashMap<SessionId, Granted>>>,
}

struct Granted {
    session: SessionInfo,
    recordings: Vec<RecordingHandle>,
}

impl Recorder {
    /// A recorder that writes below `root`.
    #[must_use]
    pub fn new(root: MediaRoot, config: RecordConfig) -> Self {
        Self {
            running: Arc::new(Running::new(&config)),
            root,
            config,
            granted: Arc::default(),
        }
    }

    /// Begins to record a stream. The file is opened by a thread of the recorder; if that fails, the
    /// [handle](Recording::handle) and the [event handler](RecordConfig::on_event) are told. If the recording before has
    /// ended and is not complete yet, it is waited for there.
    ///
    /// # Errors
    ///
    /// [`RecordError::Name`], [`RecordError::Busy`] if this recorder records the stream already,
    /// [`RecordError::ShutDown`], [`RecordError::Thread`].
    pub fn record(&self, app: &str, stream_name: &str, mode: RecordMode) -> Result<Recording, RecordError> {
        let name = MediaName::new(app, stream_name)?;
        let writer = Writer::new(self.root.clone(), self.config.clone(), name.clone(), mode);
        self.running.begin(name, &self.config, writer).map(Recording::new)
    }

    /// Records what a player of a relay gets, until its publisher leaves.
    ///
    /// ```no_run
    /// # use rtmp_server::Relay;
    /// # use rtmp_server::record::{RecordError, RecordMode, Recorder};
    /// # async fn example(relay: Relay, recorder: Recorder) -> Result<(), RecordError> {
    /// let player = relay.play("live", "cam");
    /// let figures = recorder.record_player(player, "live", "cam", RecordMode::Append).await?;
    /// println!("{} bytes", figures.bytes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`record`](Self::record), and what ends the recording too early.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the recording; its file is completed by a thread then.
    pub async fn record_player(
        &self,
        mut player: RelayPlayer,
        app: &str,
        stream_name: &str,
        mode: RecordMode,
    ) -> Result<RecordStatistics, RecordError> {
        let mut recording = self.record(app, stream_name, mode)?;
        let handle = recording.handle();
        loop {
            tokio::select! {
                message = player.recv() => match message {
                    Some(message) => recording.send(&message),
                    None => return recording.finish().await,
                },
                ended = handle.finished() => return ended,
            }
            recording.flush();
        }
    }

    /// Completes the recordings below the root that were broken off, by a crash or a loss of power: cuts off a broken
    /// last tag, writes duration and index, and tells the [event handler](RecordConfig::on_event) of each. Files that
    /// are being written, and those of other programs, stay as they are. Returns how many were completed.
    ///
    /// It reads the start of every file, and the whole of those that were broken off, and blocks meanwhile: call it
    /// before the server begins, or from `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`FileError`] if the root can not be read. Single files that can not be completed are told to the event handler.
    pub fn recover(&self) -> Result<usize, FileError> {
        let mut count = 0;
        for name in self.root.names()? {
            match self.recover_file(&name) {
                Ok(None) | Err(RecordError::Busy) => {}
                Ok(Some(file)) => {
                    count += 1;
                    self.config.tell(&RecordEvent::Completed(file));
                }
                Err(error) => self.config.tell(&RecordEvent::Failed { name, error }),
            }
        }
        Ok(count)
    }

    fn recover_file(&self, name: &MediaName) -> Result<Option<RecordedFile>, RecordError> {
        if !output::is_unfinished(&mut self.root.open(name)?)? {
            return Ok(None);
        }
        let mut claim = Claim::new(&self.root, name)?;
        let Some(duration) = output::finish(claim.file())? else {
            return Ok(None);
        };
        if self.config.sync {
            claim.sync()?;
        }
        Ok(Some(RecordedFile {
            name: name.clone(),
            path: claim.path().clone(),
            duration,
            len: claim.file().metadata()?.len(),
        }))
    }

    /// Ends all recordings, waits until their files are complete, and begins no other.
    ///
    /// # Cancel safety
    ///
    /// The recordings have ended as soon as this is called; files are completed even if the future is dropped.
    pub async fn shutdown(&self) {
        for job in self.running.close() {
            // Who waits for it, and the event handler, are told.
            let _ = job.result().await;
        }
        self.running.pool.join();
    }

    fn mode(&self, request: &PublishRequest) -> Option<RecordMode> {
        match (request.kind(), self.config.streams) {
            (PublishKind::Record, _) => Some(RecordMode::Replace),
            (PublishKind::Append, _) | (_, RecordStreams::All) => Some(RecordMode::Append),
            (_, RecordStreams::Requested) => None,
        }
    }

    fn granted(&self) -> MutexGuard<'_, HashMap<SessionId, Granted>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_granted(&self, session: &SessionInfo, recording: RecordingHandle) {
        let mut granted = self.granted();
        // Sessions that were cut off made no closing call.
        granted.retain(|_, granted| !granted.recordings.iter().all(RecordingHandle::has_ended));
        let new = || Granted {
            session: session.clone(),
            recordings: Vec::new(),
        };
        let granted = granted.entry(session.id()).or_insert_with(new);
        granted.recordings.push(recording);
    }

    /// Ends the recording of a publisher that is being thrown out, so that the next need not wait until it is gone.
    fn end_disposed(&self, app: &str, stream_name: &str) {
        for granted in self
            .granted()
            .values()
            .filter(|granted| granted.session.is_disposed())
        {
            for recording in &granted.recordings {
                if recording.is_of(app, stream_name) {
                    recording.close();
                }
            }
        }
    }

    /// Takes those of a session that have ended.
    fn take_ended(&self, session: SessionId) -> Vec<RecordingHandle> {
        let mut sessions = self.granted();
        let Some(granted) = sessions.get_mut(&session) else {
            return Vec::new();
        };
        let (ended, running) = granted.recordings.drain(..).partition(RecordingHandle::has_ended);
        granted.recordings = running;
        if granted.recordings.is_empty() {
            sessions.remove(&session);
        }
        ended
    }
}

#[async_trait]
impl PublishObserver for Recorder {
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        let Some(mode) = self.mode(request) else {
            return Verdict::accept();
        };
        let (app, name) = (session.app(), request.stream_name());
        self.end_disposed(app, name);
        match self.record(app, name, mode) {
            Ok(recording) => {
                self.note_granted(session, recording.handle());
                Verdict::Accept(PublishGrant::default().sink(recording))
            }
            // The stream is live all the same; its publisher is told that it is not recorded.
            Err(error) => {
                if let Ok(name) = MediaName::new(app, name) {
                    let error = error.clone();
                    self.config.tell(&RecordEvent::Failed { name, error });
                }
                Verdict::Accept(PublishGrant::default().sink(Refusal(Some(error.status()))))
            }
        }
    }

    async fn on_unpublish(&self, stream: &StreamInfo, _: &CloseReason) {
        for handle in self.take_ended(stream.session().id()) {
            // The event handler is told of errors.
            let _ = handle.finished().await;
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("root", &self.root)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Tells a publisher that it is not recorded.
struct Refusal(Option<Status>);

impl MediaSink for Refusal {
    fn send(&mut self, _: &MediaMessage) {}

    fn take_status(&mut self) -> Option<Status> {
        self.0.take()
    }
}
