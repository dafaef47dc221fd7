//! A film in a file, a server that plays it, and what a player is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::flv::{FlvEncoder, FlvRecorder, Tag};
use rtmp_core::message::{Command, PlayRequest, Status, StatusCode, UserControl};
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::files::MediaRoot;
use rtmp_server::vod::Vod;
use rtmp_server::{Observers, Relay};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, metadata, video_header};
use rtmp_tests::{Peer, session};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio_util::codec::Encoder;

/// Frames come every 100 ms, the first of each second is a keyframe; audio stands 50 ms behind each. All are numbered.
pub(crate) fn film(seconds: u32) -> Vec<MediaMessage> {
    let mut messages = vec![metadata(0, 0), video_header(0, 1), audio_header(0, 2)];
    for n in 0..seconds * 10 {
        let at = n * 100;
        messages.push(if n % 10 == 0 {
            keyframe(at, n)
        } else {
            frame(at, n)
        });
        messages.push(audio(at + 50, n));
    }
    messages
}

/// A directory with recordings of the application `live`.
pub(crate) struct Media {
    directory: TempDir,
}

impl Media {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("live")).expect("a directory for the application");
        Self { directory }
    }

    /// One with a film of so many seconds, called `film`, without index.
    pub(crate) fn with_film(seconds: u32) -> Self {
        let media = Self::new();
        media.write("film.flv", &film(seconds));
        media
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join("live").join(file)
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Writes messages as they are.
    pub(crate) fn write(&self, file: &str, messages: &[MediaMessage]) {
        let (mut encoder, mut bytes) = (FlvEncoder::default(), BytesMut::new());
        for message in messages {
            encoder
                .encode(Tag::from(message.clone()), &mut bytes)
                .expect("a message that fits");
        }
        std::fs::write(self.path(file), bytes).expect("a file that can be written");
    }

    /// Records messages, with an index.
    pub(crate) fn record(&self, file: &str, messages: &[MediaMessage]) {
        let (mut recorder, mut bytes) = (FlvRecorder::new(), BytesMut::new());
        for message in messages {
            recorder.record(message, &mut bytes).expect("a message that fits");
        }
        for patch in recorder
            .finish(&mut bytes)
            .expect("a recording that can be finished")
        {
            let start = usize::try_from(patch.offset).expect("a small file");
            bytes[start..start + patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        std::fs::write(self.path(file), bytes).expect("a file that can be written");
    }

    pub(crate) fn vod(&self) -> Vod {
        Vod::new(MediaRoot::new(self.root()).expect("a directory"))
    }

    pub(crate) fn relay(&self) -> Relay {
        Relay::default().recordings(self.vod())
    }

    /// A client of a server that plays these files, connected to `live`.
    pub(crate) async fn peer(&self) -> Peer<DuplexStream> {
        connected(&Observers::new().play(self.vod())).await
    }
}

pub(crate) async fn connected(observers: &Observers) -> Peer<DuplexStream> {
    let (io, _running) = session(observers);
    Peer::connected(io, "live").await
}

/// Plays with a request of its own, and waits for nothing.
pub(crate) async fn ask(peer: &mut Peer<DuplexStream>, stream: MessageStreamId, request: PlayRequest) {
    match peer.machine().play(stream, &request) {
        Ok(()) => peer.flush().await,
        // Something is played there already.
        Err(_) => peer.say(stream, request.to_command()).await,
    }
}

/// Says how much the player wants to hold.
pub(crate) async fn hold(peer: &mut Peer<DuplexStream>, stream: MessageStreamId, length: Duration) {
    let event = UserControl::SetBufferLength { stream, length };
    let raw = rtmp_core::message::Message::UserControl(event)
        .encode()
        .expect("a message");
    let framed = rtmp_core::chunk::FramedMessage::new(&raw, 128).expect("a message that fits");
    peer.send_bytes(framed.wire()).await;
}

pub(crate) async fn seek(peer: &mut Peer<DuplexStream>, stream: MessageStreamId, millis: f64) {
    // What is said past the machine, the machine's next command must not refer to.
    match Duration::try_from_secs_f64(millis / 1000.0) {
        Ok(position) => {
            peer.machine().seek(stream, position).expect("seek");
            peer.flush().await;
        }
        Err(_) => peer.say(stream, Command::new("seek").with_argument(millis)).await,
    }
}

/// What a player was told: codes, events, and media as `V`, `A` and `D`, one letter for a run of a kind.
pub(crate) fn told(events: &[ClientEvent]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for event in events {
        let text = match event {
            ClientEvent::PlayStarted { status, .. }
            | ClientEvent::PlayRefused { status, .. }
            | ClientEvent::Status { status, .. } => status.code.to_string(),
            ClientEvent::UserControl(event) => match event {
                UserControl::StreamBegin(_) => "Stream Begin".to_owned(),
                UserControl::StreamEof(_) => "Stream EOF".to_owned(),
                UserControl::StreamIsRecorded(_) => "Stream Is Recorded".to_owned(),
                UserControl::BufferEmpty(_) => "Buffer Empty".to_owned(),
                UserControl::BufferReady(_) => "Buffer Ready".to_owned(),
                _ => continue,
            },
            ClientEvent::Media { message, .. } => match message.kind {
                MediaKind::Data | MediaKind::Amf3Data => data_code(message),
                _ => "media".to_owned(),
            },
            _ => continue,
        };
        if text != "media" || told.last().is_none_or(|last| last != "media") {
            told.push(text);
        }
    }
    told
}

/// The code in a status that is a data message, or the name of another.
fn data_code(message: &MediaMessage) -> String {
    let values = rtmp_amf::amf0::decode_all(message.payload.clone()).expect("data that can be read");
    let name = values[0].as_str().expect("a name").to_owned();
    let code = values
        .get(1)
        .and_then(|value| value.as_object()?.get("code")?.as_str().map(str::to_owned));
    code.map_or(name.clone(), |code| format!("{name} {code}"))
}

/// The media among events: headers, frames and marks.
pub(crate) fn media_in(events: &[ClientEvent]) -> Vec<MediaMessage> {
    let media = |event: &ClientEvent| match event {
        ClientEvent::Media { message, .. } if !message.kind.is_data() => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(media).collect()
}

/// Times of the coded frames of a kind.
pub(crate) fn times(messages: &[MediaMessage], kind: MediaKind) -> Vec<u32> {
    let frames = messages
        .iter()
        .filter(|message| message.kind == kind && message.is_coded_frames());
    frames.map(|message| message.timestamp.as_millis()).collect()
}

/// Events until the recording was sent to its end.
pub(crate) async fn to_completion(peer: &mut Peer<DuplexStream>) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    loop {
        // Longer than any film here; without it a test that fails would never end.
        let next = tokio::time::timeout(Duration::from_secs(120), peer.next_event()).await;
        let Ok(next) = next else {
            panic!("it does not end after {:?}", told(&events));
        };
        let event = next.expect("the connection stays");
        let is_end = matches!(event, ClientEvent::UserControl(UserControl::StreamEof(_)));
        events.push(event);
        if is_end {
            return events;
        }
    }
}

/// Waits for a status; without an end to that a test that fails would never end.
pub(crate) async fn status(peer: &mut Peer<DuplexStream>, code: StatusCode) -> Status {
    let what = format!("{code} does not come");
    let status = tokio::time::timeout(Duration::from_secs(120), peer.status(code)).await;
    status.unwrap_or_else(|_| panic!("{what}"))
}
