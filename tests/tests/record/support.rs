//! What the suites of recording share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvDecoder, Metadata};
use rtmp_server::files::MediaRoot;
use rtmp_server::record::{RecordConfig, RecordEvent, RecordedFile, Recorder};
use rtmp_server::{MediaSink, Observers, Relay};
use rtmp_tests::{Peer, session};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::codec::Decoder;

const DEADLINE: Duration = Duration::from_secs(20);

/// A recorder with a directory of its own, and what it tells.
pub(crate) struct Studio {
    pub(crate) directory: TempDir,
    pub(crate) recorder: Recorder,
    pub(crate) relay: Relay,
    events: mpsc::Receiver<RecordEvent>,
}

impl Studio {
    pub(crate) fn new(config: RecordConfig) -> Self {
        Self::with_handler(config, |_| {})
    }

    /// Calls `handler` on the recording's thread, behind noting the event.
    pub(crate) fn with_handler(
        config: RecordConfig,
        handler: impl Fn(&RecordEvent) + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (sender, events) = mpsc::channel(1000);
        let config = config.on_event(move |event| {
            sender.try_send(event.clone()).unwrap();
            handler(event);
        });
        Self {
            recorder: Recorder::new(MediaRoot::new(directory.path()).unwrap(), config),
            directory,
            relay: Relay::default(),
            events,
        }
    }

    /// Another recorder for the same directory.
    pub(crate) fn other_recorder(&self) -> Recorder {
        let root = MediaRoot::new(self.directory.path()).unwrap();
        Recorder::new(root, RecordConfig::default())
    }

    pub(crate) fn observers(&self) -> Observers {
        Observers::new()
            .relay(self.relay.clone())
            .publish(self.recorder.clone())
    }

    /// A client connected to `live`.
    pub(crate) async fn peer(&self) -> Peer<DuplexStream> {
        let (io, _session) = session(&self.observers());
        Peer::connected(io, "live").await
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub(crate) async fn next_event(&mut self) -> RecordEvent {
        let event = timeout(DEADLINE, self.events.recv()).await;
        event.expect("an event in time").expect("a recorder that lives")
    }

    /// Waits for an event that `wanted` takes.
    pub(crate) async fn until<R>(&mut self, wanted: impl Fn(RecordEvent) -> Option<R>) -> R {
        loop {
            if let Some(found) = wanted(self.next_event().await) {
                return found;
            }
        }
    }

    /// Waits until a file is complete.
    pub(crate) async fn completed(&mut self) -> RecordedFile {
        self.until(|event| match event {
            RecordEvent::Completed(file) => Some(file),
            _ => None,
        })
        .await
    }

    pub(crate) async fn started(&mut self) {
        self.until(|event| matches!(event, RecordEvent::Started { .. }).then_some(()))
            .await;
    }

    /// All files below the directory, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for directory in fs::read_dir(self.directory.path()).unwrap() {
            let directory = directory.unwrap().path();
            for file in fs::read_dir(&directory).unwrap() {
                let path = file.unwrap().path();
                files.push(
                    path.strip_prefix(self.directory.path())
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
        files.sort();
        files
    }
}

pub(crate) fn send(sink: &mut impl MediaSink, messages: &[MediaMessage]) {
    messages.iter().for_each(|message| sink.send(message));
    sink.flush();
}

/// The metadata in front of a file, and the messages behind them.
pub(crate) fn read(path: &Path) -> (Metadata, Vec<MediaMessage>) {
    let mut file = BytesMut::from(&fs::read(path).unwrap()[..]);
    let mut decoder = FlvDecoder::new();
    let mut messages = Vec::new();
    while let Some(tag) = decoder.decode_eof(&mut file).unwrap() {
        messages.push(MediaMessage::from(tag));
    }
    assert_eq!(decoder.irregularities(), Default::default());
    let metadata = Metadata::parse(&messages.remove(0).payload).unwrap();
    if let Some(index) = metadata.keyframes() {
        let content = fs::read(path).unwrap();
        for entry in index {
            // A tag of video begins there.
            assert_eq!(content[entry.offset as usize], 9);
        }
    }
    (metadata, messages)
}

pub(crate) fn times(messages: &[MediaMessage]) -> Vec<u32> {
    messages
        .iter()
        .map(|message| message.timestamp.as_millis())
        .collect()
}

pub(crate) fn payloads(messages: &[MediaMessage]) -> Vec<&[u8]> {
    messages.iter().map(|message| &message.payload[..]).collect()
}
