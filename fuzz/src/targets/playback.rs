//! A player asks for a recording, and the file holds anything: it gets what there is, and then an end.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::flv::{FlvDecoder, FlvError};
use rtmp_core::message::{ConnectRequest, PlayRequest, PlayStart, StatusCode, UserControl};
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::vod::{Recording, VodError};
use rtmp_server::{
    CloseReason, Observers, PlayGrant, PlayObserver, SessionConfig, SessionInfo, StreamInfo, Verdict,
};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use crate::mp4_model;
use crate::paused;
use crate::peer::Peer;

/// What is looked at of a recording that does not end soon.
const MAX_MESSAGES: usize = 1000;
/// What a frame is waited for at most. Who does not want it gets nothing meanwhile.
const MAX_STEP: Duration = Duration::from_secs(10);
/// The longest header of a frame: type, four characters and a composition time.
const MAX_HEADER_LEN: usize = 8;
/// What stands before the file: start, duration, a flag, and what the player does meanwhile.
const SETTINGS_LEN: usize = 8;

/// Grants one recording, and notes what went wrong with it.
#[derive(Clone)]
struct Film {
    recording: Arc<Mutex<Option<Recording>>>,
    fault: Arc<Mutex<Option<String>>>,
}

#[async_trait]
impl PlayObserver for Film {
    async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        let recording = self.recording.lock().expect("nobody panics").take();
        let source = recording.expect("one player").play(session, request);
        Verdict::Accept(PlayGrant::default().source(source))
    }

    async fn on_stop(&self, _: &StreamInfo, reason: &CloseReason) {
        let is_fault = match reason {
            // Reading has panicked.
            CloseReason::SourceFailed(error) => matches!(error.downcast_ref(), Some(VodError::Stopped)),
            CloseReason::ObserverPanicked => true,
            _ => false,
        };
        if is_fault {
            *self.fault.lock().expect("nobody panics") = Some(format!("{reason:?}"));
        }
    }
}

/// What a player does while it plays.
struct Player<'a> {
    peer: Peer,
    stream: MessageStreamId,
    actions: std::slice::ChunksExact<'a, u8>,
    frames: Vec<(MediaKind, Bytes)>,
}

impl Player<'_> {
    /// Plays to the end, or as far as is looked at; whether it came to an end, and that was not a failure.
    async fn play(&mut self, file_len: usize) -> bool {
        // Samples may share bytes, so there may be two frames for each.
        let frames = u32::try_from(2 * file_len).expect("a small file");
        let silence = MAX_STEP * (frames + 2);
        for number in 0..MAX_MESSAGES {
            let event = timeout(silence, self.peer.next_event()).await;
            match event.expect("a recording goes on or ends") {
                Some(ClientEvent::Media { message, .. }) => {
                    // Metadata may be written anew, and a status stands before them.
                    let max_len = if message.kind.is_data() {
                        2 * file_len + 200
                    } else {
                        file_len + 100
                    };
                    assert!(
                        message.payload.len() <= max_len,
                        "{message:?} is more than the file holds"
                    );
                    if is_frame(&message) {
                        self.frames.push((message.kind, message.payload));
                    }
                }
                // Only a seek makes it go on.
                Some(ClientEvent::UserControl(UserControl::StreamEof(_))) => loop {
                    match self.act().await {
                        None => return true,
                        Some(true) => break,
                        Some(false) => {}
                    }
                },
                Some(ClientEvent::Status { status, .. }) if status.code == StatusCode::PlayFailed => {
                    return false;
                }
                Some(ClientEvent::PlayRefused { status, .. }) => {
                    panic!("it was granted, and refused: {status:?}")
                }
                Some(_) => {}
                None => return false,
            }
            if number % 4 == 3 {
                self.act().await;
            }
        }
        false
    }

    /// Does the next thing, if there is one; whether that was a seek.
    async fn act(&mut self) -> Option<bool> {
        let &[what, value] = self.actions.next()?.first_chunk()?;
        let (stream, machine) = (self.stream, self.peer.machine());
        let position = Duration::from_millis(u64::from(value) * 40);
        let _ = match what % 8 {
            0 => return Some(false),
            1 => machine.receive_audio(stream, value & 1 == 1),
            2 => machine.receive_video(stream, value & 1 == 1),
            3 => {
                let _ = machine.pause(stream, true, position);
                let _ = machine.seek(stream, position);
                let pause = async { while self.peer.next_event().await.is_some() {} };
                let _ = timeout(Duration::from_secs(1), pause).await;
                self.peer.machine().pause(stream, false, position)
            }
            4 => machine.seek(stream, Duration::MAX),
            _ => machine.seek(stream, position),
        };
        Some(what % 8 > 2)
    }
}

fn is_frame(message: &MediaMessage) -> bool {
    !message.kind.is_data() && message.is_coded_frames()
}

/// The frames of an FLV file, up to where it can not be read any more.
fn frames_of_flv(file: &[u8]) -> Vec<(MediaKind, Bytes)> {
    let (mut decoder, mut buffer) = (FlvDecoder::new(), BytesMut::from(file));
    let mut frames = Vec::new();
    loop {
        match decoder.decode_eof(&mut buffer) {
            Ok(Some(tag)) => {
                let message = MediaMessage::from(tag);
                if is_frame(&message) {
                    frames.push((message.kind, message.payload));
                }
            }
            Err(FlvError::TagTooLong { .. }) => {}
            Ok(None) | Err(_) => return frames,
        }
    }
}

/// What is sent of a kind are the samples of one track, each behind a header. Audio from before the first picture is not
/// sent.
fn check_mp4(frames: &[(MediaKind, Bytes)], tracks: &[Vec<&[u8]>]) {
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let sent: Vec<_> = frames.iter().filter(|frame| frame.0 == kind).collect();
        let is_sent = |samples: &Vec<&[u8]>| {
            let is_one = |((_, frame), sample): (&&(_, Bytes), &&[u8])| {
                let header_len = frame.len().checked_sub(sample.len());
                header_len.is_some_and(|len| len <= MAX_HEADER_LEN) && frame.ends_with(sample)
            };
            let skipped = samples.len().checked_sub(sent.len());
            skipped.is_some_and(|skipped| sent.iter().zip(&samples[skipped..]).all(is_one))
        };
        assert!(
            sent.is_empty() || tracks.iter().any(is_sent),
            "{} frames are no track",
            sent.len()
        );
    }
}

async fn play(recording: Recording, settings: &[u8; SETTINGS_LEN], file: &[u8]) {
    let [start, limit, flags, _, actions @ ..] = settings;
    let film = Film {
        recording: Arc::new(Mutex::new(Some(recording))),
        fault: Arc::default(),
    };
    let (observers, config) = (Observers::new().play(film.clone()), SessionConfig::default());
    let mut sessions = JoinSet::new();
    let (mut peer, _) = Peer::new(64 << 10, &observers, &config, &mut sessions);
    let functions = f64::from(flags & 1);
    let stream = peer
        .prepare_with(
            &ConnectRequest::default().property("videoFunction", functions),
            "live",
        )
        .await;
    let mut request =
        PlayRequest::new("film").start(PlayStart::Recorded(Duration::from_millis(u64::from(*start) * 40)));
    if *limit > 0 {
        request = request.duration(Duration::from_millis(u64::from(*limit - 1) * 40));
    }
    peer.machine().play(stream, &request).expect("the stream is free");
    let mut player = Player {
        peer,
        stream,
        actions: actions.chunks_exact(2),
        frames: Vec::new(),
    };
    let is_whole = player.play(file.len()).await;
    if is_whole && *settings == [0; SETTINGS_LEN] {
        if file.starts_with(b"FLV") {
            assert_eq!(player.frames, frames_of_flv(file));
        } else if let Some(tracks) = mp4_model::tracks(file) {
            check_mp4(&player.frames, &tracks);
        }
    }
    drop(player);
    while let Some(ended) = sessions.join_next().await {
        ended.expect("a session does not panic");
    }
    let fault = film.fault.lock().expect("nobody panics").take();
    assert_eq!(fault, None);
}

thread_local! {
    /// Holds one file after the other.
    static FILE: NamedTempFile = NamedTempFile::new().expect("a temporary file");
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((settings, bytes)) = data.split_first_chunk::<SETTINGS_LEN>() else {
        return;
    };
    FILE.with(|file| {
        fs::write(file, bytes).expect("room for a file");
        paused::run(async {
            match Recording::open(file.path()).await {
                Ok(recording) => play(recording, settings, bytes).await,
                Err(error) => assert!(!matches!(error, VodError::Stopped), "opening panics"),
            }
        });
    });
}
