//! Recordings that nginx-rtmp serves to the client.
//!
//! nginx goes forward to a keyframe, not back. In FLV files that is the next one behind the time that is asked for, by
//! the index in the metadata; sequence headers are not sent then, and without an index it begins with the file. In MP4
//! files it is the one at the time or the next, by the sample tables; the edit list is ignored.

use std::time::Duration;

use rtmp_client::{
    ClientConn, ConnectRequest, Error, Event, Events, MediaKind, MediaMessage, PlayRequest, Playback,
    StatusCode,
};
use tokio::time::timeout;

use crate::frames::{assert_all, packets};
use crate::process::DEADLINE;
use crate::programs::{Nginx, PlayerKind, clip, copy_clip, scratch};
use crate::tags::{assert_run, coded_frames, millis, tags};

/// Audio behind the last video frame of an MP4 file, which nginx sends to no player.
const LOST_BY_NGINX: usize = 3;

/// How much earlier audio comes from an MP4 file than from the clip, in milliseconds: that is in the edit list.
const EDIT: i64 = 57;

/// Times in an MP4 file are no whole milliseconds.
const ROUNDING: u64 = 1;

/// How long an audio frame lasts at most, in milliseconds.
const AUDIO_FRAME: u64 = 24;

/// Media come every 20 ms or so, while they come at all.
const SILENCE: Duration = Duration::from_millis(500);

/// `pull` records `name` with `options`.
async fn pulled(nginx: &Nginx, name: &str, options: &[&str]) -> Vec<MediaMessage> {
    let directory = scratch();
    let url = nginx.url(&format!("vod/{name}"));
    let player = PlayerKind::Pull.play_with(options, &url, directory.path(), "pulled");
    player.process.succeeded().await;
    tags(&player.file)
}

/// Lets nginx serve a recording of `pull`.
async fn recorded_by_pull() -> Nginx {
    let nginx = Nginx::start().await;
    std::fs::copy(clip(), nginx.recording("clip.flv")).expect("the clip can be copied");
    let url = nginx.url("vod/clip.flv");
    let file = nginx.recording("recorded");
    let directory = file.parent().expect("a file is in a directory");
    let player = PlayerKind::Pull.play(&url, directory, "recorded");
    player.process.succeeded().await;
    nginx
}

#[tokio::test]
async fn pull_records_an_flv_file_as_it_is() {
    let directory = scratch();
    let nginx = Nginx::start().await;
    std::fs::copy(clip(), nginx.recording("clip.flv")).expect("the clip can be copied");
    let player = PlayerKind::Pull.play(&nginx.url("vod/clip.flv"), directory.path(), "pulled");
    let offset = assert_all("pull", &packets(&clip()).await, &player.recorded().await, 0);
    assert_eq!(offset, 0);
}

#[tokio::test]
async fn pull_records_an_mp4_file_frame_by_frame() {
    let nginx = Nginx::start().await;
    copy_clip(1, &nginx.recording("clip.mp4")).await;
    let received = pulled(&nginx, "mp4:clip.mp4", &[]).await;
    for (kind, offset, lost) in [(MediaKind::Video, 0, 0), (MediaKind::Audio, -EDIT, LOST_BY_NGINX)] {
        let sent = coded_frames(&tags(&clip()), kind);
        let run = assert_run(&sent, &coded_frames(&received, kind), offset, ROUNDING);
        assert_eq!(run, 0..sent.len() - lost, "{kind:?}");
    }
}

/// Plays from `start`, and comes to the keyframe at 3 s.
async fn starts_at_3_seconds(nginx: &Nginx, name: &str, start: &str, edit: i64) {
    let received = pulled(nginx, name, &["--start", start]).await;
    let sent = tags(&clip());
    let sent_video = coded_frames(&sent, MediaKind::Video);
    let video = coded_frames(&received, MediaKind::Video);
    assert!(
        video.first().is_some_and(MediaMessage::is_keyframe),
        "{name} from {start}"
    );

    // Recordings begin with 0.
    let first = sent_video
        .iter()
        .position(|frame| millis(frame) == 3000)
        .expect("a keyframe at 3 s");
    let offset = millis(&video[0]) - 3000;
    let run = assert_run(&sent_video, &video, offset, 0);
    assert_eq!(run, first..sent_video.len(), "{name} from {start}");

    let sent_audio = coded_frames(&sent, MediaKind::Audio);
    let audio = coded_frames(&received, MediaKind::Audio);
    let run = assert_run(&sent_audio, &audio, offset - edit, ROUNDING);
    assert!(
        millis(&sent_audio[run.start]).abs_diff(3000 + edit) < 30,
        "{name} from {start}"
    );
}

/// The index is what `pull` has put into its recording.
#[tokio::test]
async fn pull_starts_at_a_keyframe_of_its_own_recording() {
    let nginx = recorded_by_pull().await;
    starts_at_3_seconds(&nginx, "recorded.flv", "2.5", 0).await;
    starts_at_3_seconds(&nginx, "recorded.flv", "2", 0).await;
}

#[tokio::test]
async fn pull_starts_at_a_keyframe_of_an_mp4_file() {
    let nginx = Nginx::start().await;
    copy_clip(1, &nginx.recording("clip.mp4")).await;
    starts_at_3_seconds(&nginx, "mp4:clip.mp4", "2.5", EDIT).await;
    starts_at_3_seconds(&nginx, "mp4:clip.mp4", "3", EDIT).await;
}

/// With an index nginx begins at the next keyframe, without one with the file.
#[tokio::test]
async fn pull_goes_on_with_a_download() {
    let nginx = recorded_by_pull().await;
    std::fs::copy(clip(), nginx.recording("clip.flv")).expect("the clip can be copied");
    for name in ["recorded", "clip"] {
        let directory = scratch();
        let url = nginx.url(&format!("vod/{name}.flv"));
        let player = PlayerKind::Pull.play(&url, directory.path(), "pulled");
        player.process.succeeded().await;
        let (whole, sent) = (tags(&player.file), packets(&player.file).await);
        let bytes = std::fs::read(&player.file).expect("the download is there");
        for cut in [bytes.len() / 5, bytes.len() / 2, bytes.len() * 9 / 10] {
            std::fs::write(&player.file, &bytes[..cut]).expect("it can be cut");
            let options = ["--resume"];
            let player = PlayerKind::Pull.play_with(&options, &url, directory.path(), "pulled");
            player.process.succeeded().await;
            assert_eq!(tags(&player.file)[1..], whole[1..], "{name} cut at {cut}");
            assert_all("pull", &sent, &packets(&player.file).await, 0);
        }
    }
}

/// `pull` counts the time of media from the first frame on.
#[tokio::test]
async fn pull_ends_after_the_duration_it_is_given() {
    let nginx = recorded_by_pull().await;
    for (options, begin, end) in [
        (&["--duration", "2"][..], 0, 2000),
        (&["--start", "2.5", "--duration", "1"][..], 3000, 4000),
    ] {
        let received = pulled(&nginx, "recorded.flv", options).await;
        for kind in [MediaKind::Video, MediaKind::Audio] {
            let sent = coded_frames(&tags(&clip()), kind);
            let run = assert_run(&sent, &coded_frames(&received, kind), -begin, 0);
            let expected = sent.iter().filter(|frame| (begin..end).contains(&millis(frame)));
            assert_eq!(run.len(), expected.count(), "{options:?} {kind:?}");
            assert!(millis(&sent[run.start]) >= begin, "{options:?} {kind:?}");
        }
    }
}

/// Six times the clip, 30 seconds, and a client that plays it.
struct Session {
    _nginx: Nginx,
    conn: ClientConn,
    events: Events,
    playback: Playback,
    sent: Vec<MediaMessage>,
}

impl Session {
    async fn play(name: &str) -> Self {
        let nginx = Nginx::start().await;
        let flv = nginx.recording("long.flv");
        copy_clip(6, &flv).await;
        copy_clip(6, &nginx.recording("long.mp4")).await;
        let sent = tags(&flv);
        // nginx sends so much ahead, and the rest in real time.
        let builder = ClientConn::builder().buffer_length(Duration::from_millis(100));
        let played = async {
            let conn = builder.dial(nginx.url("vod")).await?;
            conn.connect(ConnectRequest::default()).await?;
            let events = conn.events();
            let stream = conn.create_stream().await?;
            let playback = stream.play(PlayRequest::new(name)).await?;
            Ok::<_, Error>((conn, events, playback))
        };
        let (conn, events, playback) = played.await.expect("nginx plays");
        Self {
            _nginx: nginx,
            conn,
            events,
            playback,
            sent,
        }
    }

    async fn next(&mut self) -> MediaMessage {
        let next = timeout(DEADLINE, self.playback.recv()).await;
        next.expect("media come")
            .expect("nginx goes on")
            .expect("the recording goes on")
    }

    /// Receives until there are so many video frames.
    async fn receive(&mut self, video_frames: usize) -> Vec<MediaMessage> {
        let mut received = Vec::new();
        while coded_frames(&received, MediaKind::Video).len() < video_frames {
            received.push(self.next().await);
        }
        received
    }

    /// Receives what is under way, until nothing comes any more.
    async fn receive_the_rest(&mut self) -> Vec<MediaMessage> {
        let mut received = Vec::new();
        while let Ok(next) = timeout(SILENCE, self.playback.recv()).await {
            received.push(next.expect("nginx goes on").expect("the recording goes on"));
        }
        received
    }

    /// Receives to the end of the recording.
    async fn receive_all(&mut self) -> Vec<MediaMessage> {
        let mut received = Vec::new();
        let all = async {
            while let Some(message) = self.playback.recv().await.expect("the recording ends well") {
                received.push(message);
            }
        };
        timeout(DEADLINE, all).await.expect("the recording ends");
        received
    }

    /// Waits for a status of the stream.
    async fn told(&mut self, code: &StatusCode) {
        let told = async {
            loop {
                match self.events.recv().await.expect("the connection stays") {
                    Event::Status { status, .. } if status.code == *code => return,
                    _ => {}
                }
            }
        };
        timeout(DEADLINE, told)
            .await
            .unwrap_or_else(|_| panic!("nginx did not say {code:?}"));
    }
}

#[tokio::test]
async fn a_paused_mp4_file_goes_on_with_the_next_frame() {
    let mut session = Session::play("mp4:long.mp4").await;
    let mut received = session.receive(30).await;
    session.playback.stream().pause().await.expect("nginx pauses");
    received.extend(session.receive_the_rest().await);
    session.told(&StatusCode::PauseNotify).await;
    let paused_at = session.playback.time();

    session.playback.stream().resume().await.expect("nginx resumes");
    session.told(&StatusCode::UnpauseNotify).await;
    received.extend(session.receive(30).await);
    assert!(session.playback.time() > paused_at);
    for (kind, offset) in [(MediaKind::Video, 0), (MediaKind::Audio, -EDIT)] {
        let sent = coded_frames(&session.sent, kind);
        let run = assert_run(&sent, &coded_frames(&received, kind), offset, ROUNDING);
        assert_eq!(run.start, 0, "{kind:?}");
    }
    session.conn.close().await.expect("nginx listens");
}

/// Asserts that `received` begins with the next keyframe behind `position`, and misses nothing from there on.
fn assert_goes_on_behind(position: Duration, sent: &[MediaMessage], received: &[MediaMessage], edit: i64) {
    let position = i64::try_from(position.as_millis()).expect("a short time");
    let sent_video = coded_frames(sent, MediaKind::Video);
    let keyframe = sent_video
        .iter()
        .position(|frame| frame.is_keyframe() && millis(frame) > position)
        .expect("a keyframe behind the position");
    let run = assert_run(&sent_video, &coded_frames(received, MediaKind::Video), 0, 0);
    assert_eq!(run.start, keyframe);

    let sent_audio = coded_frames(sent, MediaKind::Audio);
    let audio = coded_frames(received, MediaKind::Audio);
    let run = assert_run(&sent_audio, &audio, -edit, ROUNDING);
    let distance = millis(&audio[0]).abs_diff(millis(&sent_video[keyframe]));
    assert!(
        distance < AUDIO_FRAME,
        "audio begins at {}",
        sent_audio[run.start].timestamp
    );
}

/// nginx passes over the position that the client names, and sends an FLV file again from where it last began.
#[tokio::test]
async fn a_paused_flv_file_begins_anew_and_the_time_goes_back() {
    let mut session = Session::play("long.flv").await;
    session.receive(30).await;
    session.playback.stream().pause().await.expect("nginx pauses");
    session.told(&StatusCode::PauseNotify).await;
    session.receive_the_rest().await;
    let paused_at = session.playback.time();

    session.playback.stream().resume().await.expect("nginx resumes");
    session.told(&StatusCode::UnpauseNotify).await;
    let received = session.receive(10).await;
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let sent = coded_frames(&session.sent, kind);
        let run = assert_run(&sent, &coded_frames(&received, kind), 0, 0);
        assert_eq!(run.start, 0, "{kind:?}");
    }
    let last = received.last().expect("frames have come");
    let time = session.playback.time();
    assert_eq!(time, Duration::from_millis(last.timestamp.as_millis().into()));
    assert!(time < paused_at);
    session.conn.close().await.expect("nginx listens");
}

/// Seeks forward, back, while paused, and to the last seconds, which are received to the end.
async fn seeks(name: &str, edit: i64, lost: usize) {
    let mut session = Session::play(name).await;
    let stream = session.playback.stream().clone();
    session.receive(10).await;
    for position in [Duration::from_millis(12_500), Duration::from_millis(2_500)] {
        stream.seek(position).await.expect("nginx seeks");
        session.told(&StatusCode::SeekNotify).await;
        let received = session.receive(30).await;
        assert_goes_on_behind(position, &session.sent, &received, edit);
    }

    stream.pause().await.expect("nginx pauses");
    session.receive_the_rest().await;
    let position = Duration::from_millis(27_500);
    stream.seek(position).await.expect("nginx seeks");
    session.told(&StatusCode::SeekNotify).await;
    assert_eq!(session.receive_the_rest().await, [], "media while paused");
    stream.resume().await.expect("nginx resumes");
    let received = session.receive_all().await;
    assert_goes_on_behind(position, &session.sent, &received, edit);
    for (kind, lost) in [(MediaKind::Video, 0), (MediaKind::Audio, lost)] {
        let sent = coded_frames(&session.sent, kind);
        let last = sent.iter().rev().nth(lost).map(|frame| &frame.payload);
        let received = coded_frames(&received, kind);
        assert_eq!(
            received.last().map(|frame| &frame.payload),
            last,
            "{name} {kind:?}"
        );
    }
    session.told(&StatusCode::PlayStop).await;
    session.conn.close().await.expect("nginx listens");
}

#[tokio::test]
async fn a_seek_in_an_flv_file_comes_to_a_keyframe() {
    seeks("long.flv", 0, 0).await;
}

#[tokio::test]
async fn a_seek_in_an_mp4_file_comes_to_a_keyframe() {
    seeks("mp4:long.mp4", EDIT, LOST_BY_NGINX).await;
}
