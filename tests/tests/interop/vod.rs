//! Recordings that `relay` serves to real players: each gets every packet, at its time, and is told when it is over.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use rtmp_client::{ClientConn, ConnectRequest, Event, MediaKind, MediaMessage, PlayRequest, StatusCode};
use rtmp_core::flv::{FlvEncoder, Tag};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::codec::Encoder;

use crate::frames::{assert_all, packets};
use crate::process::{DEADLINE, Ended, Process, file_grown};
use crate::programs::{Nginx, Player, PlayerKind, Relay, clip, copy_clip, scratch};
use crate::tags::{assert_run, coded_frames, millis, tags};

/// Times in an MP4 file are no whole milliseconds.
const ROUNDING: u64 = 1;

/// A relay that plays what is in `live` of its directory.
struct Library {
    relay: Relay,
    directory: TempDir,
}

impl Library {
    async fn open() -> Self {
        let directory = scratch();
        std::fs::create_dir(directory.path().join("live")).expect("a directory can be made");
        let media = directory.path().to_str().expect("a path that is text");
        let relay = Relay::with_options(&["--listen", "127.0.0.1:0", "--media", media]).await;
        Self { relay, directory }
    }

    /// The path of a recording.
    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("live").join(name)
    }

    fn play(&self, player: PlayerKind, options: &[&str], name: &str) -> Player {
        let url = self.relay.url(&format!("live/{name}"));
        player.play_with(options, &url, self.directory.path(), "played")
    }

    async fn played(&self, player: PlayerKind, options: &[&str], name: &str) -> PathBuf {
        let Player { process, file, .. } = self.play(player, options, name);
        process.succeeded().await;
        file
    }
}

/// Runs FFmpeg over the clip.
async fn encode(options: &[&str], file: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(clip())
        .args(options)
        .arg(file);
    Process::start("FFmpeg", &mut command).succeeded().await;
}

#[tokio::test]
async fn every_player_gets_an_flv_file_packet_by_packet() {
    let library = Library::open().await;
    std::fs::copy(clip(), library.file("clip.flv")).expect("the clip can be copied");
    let sent = packets(&clip()).await;
    for (player, options) in [
        (PlayerKind::Ffmpeg, &[][..]),
        (PlayerKind::Rtmpdump, &["--quiet"]),
        (PlayerKind::Rtmp2src, &[]),
        (PlayerKind::Pull, &[]),
    ] {
        // rtmpdump takes a recording for incomplete whose last frame lasts some time, and ends with another exit code.
        let Player { process, file, .. } = library.play(player, options, "clip");
        process.ended().await;
        let offset = assert_all(&format!("{player:?}"), &sent, &packets(&file).await, 0);
        assert_eq!(offset, 0, "{player:?}");
    }
}

/// What the edit lists move, both tracks or one, comes back to where it was.
#[tokio::test]
async fn mp4_files_of_all_layouts_are_played_packet_by_packet() {
    let library = Library::open().await;
    for (name, flags) in [
        ("behind.mp4", "+bitexact"),
        ("front.mp4", "faststart"),
        ("fragments.mp4", "frag_keyframe+delay_moov+default_base_moof"),
        ("short.mp4", "frag_keyframe+delay_moov"),
    ] {
        let option = if flags == "+bitexact" {
            "-fflags"
        } else {
            "-movflags"
        };
        encode(&["-c", "copy", option, flags], &library.file(name)).await;
        let received = tags(
            &library
                .played(PlayerKind::Pull, &[], &format!("mp4:{name}"))
                .await,
        );
        for kind in [MediaKind::Video, MediaKind::Audio] {
            let sent = coded_frames(&tags(&clip()), kind);
            let run = assert_run(&sent, &coded_frames(&received, kind), 0, ROUNDING);
            assert_eq!(run, 0..sent.len(), "{name} {kind:?}");
        }
    }
}

const AVC: [&str; 2] = ["-c:v", "copy"];
const HEVC: [&str; 4] = ["-c:v", "libx265", "-x265-params", "log-level=none"];
const AV1: [&str; 4] = ["-c:v", "libsvtav1", "-preset", "12"];
const VP9: [&str; 6] = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"];
const AAC: [&str; 2] = ["-c:a", "copy"];
const MP3: [&str; 2] = ["-c:a", "libmp3lame"];
const OPUS: [&str; 2] = ["-c:a", "libopus"];

/// What a track of a codec begins with, as a message.
fn beginning(codec: &str) -> &'static [u8] {
    match codec {
        "copy v" => b"\x17\0\0\0\0\x01",
        "libx265" => b"\x90hvc1\x01",
        "libsvtav1" => b"\x90av01\x81",
        "libvpx-vp9" => b"\x90vp09\x01",
        "copy a" => b"\xAF\0",
        // It has no header, so this is a frame.
        "libmp3lame" => b"\x2F\xFF",
        "libopus" => b"\x90OpusOpusHead\x01",
        other => panic!("{other} has no messages"),
    }
}

/// Every codec of video with every codec of audio, as RTMP carries them.
#[tokio::test]
async fn every_codec_of_mp4_files_is_played_frame_by_frame() {
    let library = Library::open().await;
    for (video, audio) in [
        (&AVC[..], &MP3[..]),
        (&AVC, &OPUS),
        (&HEVC, &AAC),
        (&HEVC, &OPUS),
        (&AV1, &AAC),
        (&AV1, &MP3),
        (&AV1, &OPUS),
        (&VP9, &AAC),
        (&VP9, &MP3),
        (&VP9, &OPUS),
    ] {
        let what = format!("{} with {}", video[1], audio[1]);
        let name = format!("{}-{}.mp4", video[1], audio[1]);
        // Without an edit list both tracks begin at 0: `pull` leaves out audio in front of the first keyframe.
        let layout = ["-t", "2", "-video_track_timescale", "1000", "-use_editlist", "0"];
        encode(&[video, audio, &layout].concat(), &library.file(&name)).await;
        let sent = packets(&library.file(&name)).await;
        let file = library
            .played(PlayerKind::Pull, &[], &format!("mp4:{name}"))
            .await;
        let received = tags(&file);
        for (kind, options, track) in [(MediaKind::Video, video, "v"), (MediaKind::Audio, audio, "a")] {
            let codec = if options[1] == "copy" {
                format!("copy {track}")
            } else {
                options[1].to_owned()
            };
            let first = received.iter().find(|message| message.kind == kind);
            let first = first.expect("media");
            assert!(first.payload.starts_with(beginning(&codec)), "{what}: {first:?}");
            let frames = coded_frames(&received, kind);
            let is_video = kind == MediaKind::Video;
            let sent: Vec<_> = sent
                .iter()
                .filter(|packet| packet.is_video() == is_video)
                .cloned()
                .collect();
            assert_eq!(frames.len(), sent.len(), "{what}: frames of {codec}");
            let alone = match codec.as_str() {
                "libsvtav1" => ivf(b"AV01", &frames),
                "libvpx-vp9" => ivf(b"VP90", &frames),
                // FFmpeg of this age can not read these in the enhanced form, nor is there a file that is made easily.
                "libx265" | "libopus" => {
                    let lens = frames.iter().map(|frame| frame.payload.len() - head_len(frame));
                    let expected = sent.iter().map(|packet| packet.len() as usize);
                    assert!(lens.eq(expected), "{what}: frames of {codec}");
                    continue;
                }
                _ => flv(&received, kind),
            };
            let file = library.file("alone");
            std::fs::write(&file, alone).expect("the frames can be written");
            let got = packets(&file).await;
            if is_video {
                assert_all(&what, &sent, &got, 0);
            } else {
                // Its times are in samples there.
                assert_eq!(got.len(), sent.len(), "{what}: frames of {codec}");
                let is_same = got.iter().zip(&sent).all(|(got, sent)| got.is_frame(sent));
                assert!(is_same, "{what}: frames of {codec}");
            }
        }
    }
}

/// How much of an enhanced message stands in front of what is coded: FourCC and packet type, and with HEVC a time.
fn head_len(frame: &MediaMessage) -> usize {
    let has_time = frame.payload.starts_with(b"\x91hvc1") || frame.payload.starts_with(b"\xA1hvc1");
    if has_time { 8 } else { 5 }
}

/// The messages of a kind in a file.
fn flv(messages: &[MediaMessage], kind: MediaKind) -> Vec<u8> {
    let (mut encoder, mut file) = (FlvEncoder::default(), BytesMut::new());
    for message in messages.iter().filter(|message| message.kind == kind) {
        encoder
            .encode(Tag::from(message.clone()), &mut file)
            .expect("a message that fits");
    }
    file.to_vec()
}

/// Frames in a file of the format that VP9 and AV1 have in common, with times in milliseconds.
fn ivf(four_cc: &[u8; 4], frames: &[MediaMessage]) -> Vec<u8> {
    let mut file = b"DKIF\0\0\x20\0".to_vec();
    file.extend(four_cc);
    file.extend([640_u16, 360].map(u16::to_le_bytes).concat());
    let count = u32::try_from(frames.len()).expect("some frames");
    file.extend([1000, 1, count, 0].map(u32::to_le_bytes).concat());
    for frame in frames {
        let coded = &frame.payload[head_len(frame)..];
        file.extend(u32::try_from(coded.len()).expect("a frame").to_le_bytes());
        file.extend(u64::from(frame.timestamp.as_millis()).to_le_bytes());
        file.extend(coded);
    }
    file
}

#[tokio::test]
async fn rtmpdump_starts_stops_and_resumes_in_a_recording() {
    let library = Library::open().await;
    copy_clip(6, &library.file("long.flv")).await;
    let sent = tags(&library.file("long.flv"));
    let file = library
        .played(PlayerKind::Rtmpdump, &["--quiet", "--start", "12"], "long")
        .await;
    let video = coded_frames(&tags(&file), MediaKind::Video);
    let sent_video = coded_frames(&sent, MediaKind::Video);
    // It counts from the position it has asked for.
    let offset = millis(&video[0]) - 11_032;
    let run = assert_run(&sent_video, &video, offset, 0);
    assert_eq!(run.end, sent_video.len());

    // It can go on only behind a whole tag.
    let whole = library.played(PlayerKind::Rtmpdump, &["--quiet"], "long").await;
    let bytes = std::fs::read(&whole).expect("the recording is there");
    let mut cut = 13;
    while cut < bytes.len() / 2 {
        let len = [0, bytes[cut + 1], bytes[cut + 2], bytes[cut + 3]];
        cut += 15 + u32::from_be_bytes(len) as usize;
    }
    std::fs::write(&whole, &bytes[..cut]).expect("the recording can be cut");
    let resumed = library
        .played(PlayerKind::Rtmpdump, &["--quiet", "--resume"], "long")
        .await;
    assert_all(
        "rtmpdump",
        &packets(&library.file("long.flv")).await,
        &packets(&resumed).await,
        0,
    );
}

/// `pull --resume` of a recording, and what it said.
async fn resumed(library: &Library, name: &str) -> Ended {
    let player = library.play(PlayerKind::Pull, &["--resume"], name);
    player.process.ended().await
}

#[tokio::test]
async fn a_download_that_was_cut_anywhere_becomes_the_whole_file() {
    let library = Library::open().await;
    copy_clip(6, &library.file("long.flv")).await;
    copy_clip(6, &library.file("film.mp4")).await;
    for (name, tolerance) in [("long", 0), ("mp4:film.mp4", ROUNDING)] {
        let whole = library.played(PlayerKind::Pull, &[], name).await;
        let bytes = std::fs::read(&whole).expect("the download is there");
        let (sent, expected) = (packets(&whole).await, tags(&whole));
        let opening = bytes.len() / 50;
        for cut in [
            0,
            9,
            700,
            opening,
            bytes.len() / 3,
            bytes.len() * 2 / 3 + 1,
            bytes.len() - 3,
        ] {
            std::fs::write(&whole, &bytes[..cut]).expect("it can be cut");
            let ended = resumed(&library, name).await;
            assert_eq!(ended.exit_code, Some(0), "{name} cut at {cut}: {}", ended.stderr);
            let received = tags(&whole);
            assert_eq!(received.len(), expected.len(), "{name} cut at {cut}");
            for (received, expected) in received.iter().zip(&expected).skip(1) {
                assert_eq!(received.payload, expected.payload, "{name} cut at {cut}");
                let moved = millis(received).abs_diff(millis(expected));
                assert!(moved <= tolerance, "{name} cut at {cut}: {moved} ms");
            }
            if tolerance == 0 {
                assert_eq!(std::fs::read(&whole).expect("it is there").len(), bytes.len());
                assert_eq!(assert_all("pull", &sent, &packets(&whole).await, 0), 0);
            }
        }
        let ended = resumed(&library, name).await;
        assert_eq!(ended.exit_code, Some(0));
        assert!(
            ended.stderr.contains("the file was complete already"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_download_that_is_killed_again_and_again_gets_there() {
    let library = Library::open().await;
    copy_clip(60, &library.file("long.flv")).await;
    let len = library
        .file("long.flv")
        .metadata()
        .expect("the recording is there")
        .len();
    let file = library.directory.path().join("played.flv");
    for part in 1..8 {
        let Player { process, .. } = library.play(PlayerKind::Pull, &["--resume"], "long");
        file_grown(&file, len * part / 12).await;
        process.kill().await;
    }
    let ended = resumed(&library, "long").await;
    assert_eq!(ended.exit_code, Some(0), "{}", ended.stderr);
    let sent = packets(&library.file("long.flv")).await;
    assert_eq!(assert_all("pull", &sent, &packets(&file).await, 0), 0);
}

#[tokio::test]
async fn a_download_does_not_go_on_with_another_recording() {
    let library = Library::open().await;
    copy_clip(6, &library.file("long.flv")).await;
    let whole = library.played(PlayerKind::Pull, &[], "long").await;
    let bytes = std::fs::read(&whole).expect("the download is there");
    let cut = &bytes[..bytes.len() / 2];
    std::fs::write(&whole, cut).expect("it can be cut");
    let other = ["-vf", "negate", "-c:v", "libx264", "-g", "25", "-c:a", "copy"];
    std::fs::remove_file(library.file("long.flv")).expect("it can be replaced");
    encode(&other, &library.file("long.flv")).await;
    for what in ["another", "a shorter", "no"] {
        match what {
            "another" => {}
            "a shorter" => drop(std::fs::copy(clip(), library.file("long.flv")).expect("a file")),
            _ => std::fs::remove_file(library.file("long.flv")).expect("a file"),
        }
        let ended = resumed(&library, "long").await;
        assert_eq!(ended.exit_code, Some(1), "{what}: {}", ended.stderr);
        assert!(std::fs::read(&whole).expect("it is there") == cut, "{what}");
    }
}

#[tokio::test]
async fn pull_gets_a_part_from_a_keyframe_on() {
    let library = Library::open().await;
    copy_clip(6, &library.file("long.flv")).await;
    copy_clip(6, &library.file("film.mp4")).await;
    for (name, file) in [("long", "long.flv"), ("mp4:film.mp4", "film.mp4")] {
        let options = ["--start", "12.5", "--duration", "3"];
        let received = tags(&library.played(PlayerKind::Pull, &options, name).await);
        let video = coded_frames(&received, MediaKind::Video);
        let sent = coded_frames(&tags(&library.file("long.flv")), MediaKind::Video);
        let first = sent
            .iter()
            .position(|frame| frame.payload == video[0].payload)
            .expect("a frame of the clip");
        let keyframes = sent.iter().filter(|frame| frame.is_keyframe());
        let before = keyframes.filter(|frame| millis(frame) <= 12_500).count();
        // The clip repeats every 5 s, and so do its keyframes.
        assert_eq!(first, (before - 1) % 5 * 25, "{file}");
        assert_eq!(video.len(), 75, "{file}");
    }
}

/// The codes of all statuses about a recording that is played to its end, each once.
async fn statuses(url: &str) -> Vec<StatusCode> {
    let conn = ClientConn::dial(url).await.expect("the server listens");
    conn.connect(ConnectRequest::default()).await.expect("it accepts");
    let mut events = conn.events();
    let stream = conn.create_stream().await.expect("it has streams");
    let request = PlayRequest::new("clip.flv").duration(std::time::Duration::from_secs(60));
    let mut playback = stream.play(request).await.expect("it plays");
    let all = async { while let Ok(Some(MediaMessage { .. })) = playback.recv().await {} };
    timeout(DEADLINE, all).await.expect("the recording ends");
    let mut codes = Vec::new();
    let told = async {
        while let Some(event) = events.recv().await {
            if let Event::Status { status, .. } = event {
                if !codes.contains(&status.code) {
                    codes.push(status.code.clone());
                }
                if status.code == StatusCode::PlayStop {
                    break;
                }
            }
        }
    };
    timeout(DEADLINE, told)
        .await
        .expect("the server says that it stops");
    codes
}

#[tokio::test]
async fn the_statuses_come_in_the_order_of_nginx() {
    let (library, nginx) = (Library::open().await, Nginx::start().await);
    std::fs::copy(clip(), library.file("clip.flv")).expect("the clip can be copied");
    std::fs::copy(clip(), nginx.recording("clip.flv")).expect("the clip can be copied");
    let theirs = statuses(&nginx.url("vod")).await;
    let mut ours = statuses(&library.relay.url("live")).await;
    // It does not say this one, which belongs before the start.
    assert_eq!(ours.remove(0), StatusCode::PlayReset);
    assert_eq!(ours, theirs);
}
