//! What `relay --record` writes, as ffprobe sees it.

use std::path::{Path, PathBuf};

use rtmp_core::MediaMessage;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::frames::{assert_all, assert_cut_off, packets};
use crate::process::{Process, file_grown};
use crate::programs::{PlayerKind, PublisherKind, Relay, clip, scratch, tool};
use crate::tags::{millis, tags};

/// About half of the clip.
const HALF: u64 = 150_000;

async fn relay(directory: &Path, options: &[&str]) -> Relay {
    let directory = directory.to_str().expect("a path that is text");
    Relay::with_options(&[&["--listen", "127.0.0.1:0", "--record", directory], options].concat()).await
}

/// Ends the relay in order, so that all files are complete.
async fn end(relay: Relay) {
    relay.process.terminate().await;
    relay.process.succeeded().await;
}

async fn publish(relay: &Relay, publisher: PublisherKind) {
    publisher.publish(&relay.url("live/cam")).succeeded().await;
}

/// What ffprobe says of the whole file, without repair and without an error.
async fn format(file: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_format", "-of", "json"])
        .arg(file)
        .output()
        .await
        .expect("ffprobe starts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", file.display());
    let all: Value = serde_json::from_slice(&output.stdout).expect("ffprobe prints JSON");
    all["format"].clone()
}

async fn duration(file: &Path) -> f64 {
    let format = format(file).await;
    let text = format["duration"].as_str().expect("ffprobe tells a duration");
    text.parse().expect("a number")
}

/// To the millisecond.
async fn assert_lasts(file: &Path, seconds: f64) {
    let found = duration(file).await;
    assert!((found - seconds).abs() < 0.000_5, "{found} instead of {seconds}");
}

fn scratch_with_file() -> (TempDir, PathBuf) {
    let directory = scratch();
    let file = directory.path().join("live/cam.flv");
    (directory, file)
}

/// The recording begins at 0 with the first frame of the clip, which is at `first` when it is published.
async fn is_recorded(publisher: PublisherKind, first: f64) {
    let (directory, file) = scratch_with_file();
    let sent = publisher.sent_packets(directory.path()).await;
    let relay = relay(directory.path(), &[]).await;
    publish(&relay, publisher).await;
    end(relay).await;
    assert_all("the recording", &sent, &packets(&file).await, 0);
    assert_lasts(&file, 5.095 - first).await;
}

#[tokio::test]
async fn what_ffmpeg_publishes_is_in_the_file() {
    is_recorded(PublisherKind::Ffmpeg, 0.0).await;
}

/// GStreamer publishes the first frame of the clip at 80 ms.
const GSTREAMER_BEGINS_AT: f64 = 0.080;

#[tokio::test]
async fn what_rtmp2sink_publishes_is_in_the_file() {
    is_recorded(PublisherKind::Rtmp2sink, GSTREAMER_BEGINS_AT).await;
}

#[tokio::test]
async fn what_librtmp_publishes_is_in_the_file() {
    is_recorded(PublisherKind::Rtmpsink, GSTREAMER_BEGINS_AT).await;
}

/// Players get the same whether the stream is recorded or not.
#[tokio::test]
async fn a_stream_that_is_recorded_reaches_rtmpdump_and_ffmpeg() {
    let directory = scratch();
    let mut relay = relay(directory.path(), &[]).await;
    let url = relay.url("live/cam");
    let players = [PlayerKind::Rtmpdump, PlayerKind::Ffmpeg]
        .map(|kind| kind.play(&url, directory.path(), &format!("{kind:?}")));
    relay.has_players(players.len()).await;
    publish(&relay, PublisherKind::Push).await;
    for player in players {
        let (name, may_lose) = (format!("{:?}", player.kind), player.kind.may_lose_at_end());
        assert_all(&name, &packets(&clip()).await, &player.recorded().await, may_lose);
    }
}

/// Some encoders ask for a recording, some for the same again, some for nothing.
#[tokio::test]
async fn publishing_three_times_makes_one_file_of_three_times_the_length() {
    let (directory, file) = scratch_with_file();
    let relay = relay(directory.path(), &[]).await;
    for _ in 0..3 {
        publish(&relay, PublisherKind::Push).await;
    }
    end(relay).await;
    let once = packets(&clip()).await.len();
    assert_eq!(packets(&file).await.len(), 3 * once);
    assert_lasts(&file, 3.0 * 5.095).await;
    let frames = tags(&file).into_iter().filter(MediaMessage::is_coded_frames);
    let times: Vec<_> = frames.map(|frame| millis(&frame)).collect();
    // Audio and video alternate, a few milliseconds out of order at most.
    let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let jumps: Vec<i64> = steps.filter(|step| step.abs() > 80).collect();
    assert!(jumps.is_empty(), "{jumps:?}");
}

#[tokio::test]
async fn segments_can_be_played_one_by_one_and_have_everything_together() {
    let (directory, file) = scratch_with_file();
    let relay = relay(directory.path(), &["--record-segment", "2"]).await;
    publish(&relay, PublisherKind::Ffmpeg).await;
    end(relay).await;
    let mut count = 0;
    for (name, seconds) in [("cam.flv", 2.0), ("cam@000002.flv", 2.0), ("cam@000003.flv", 1.1)] {
        let segment = file.with_file_name(name);
        assert!((duration(&segment).await - seconds).abs() < 0.1, "{name}");
        let packets = packets(&segment).await;
        assert_all(name, &packets, &packets, 0);
        count += packets.len();
    }
    assert_eq!(count, packets(&clip()).await.len());
    assert!(!file.with_file_name("cam@000004.flv").exists());
}

#[tokio::test]
async fn after_a_kill_the_file_plays_and_is_completed_and_continued() {
    let (directory, file) = scratch_with_file();
    let relay1 = relay(directory.path(), &[]).await;
    let publisher = PublisherKind::Push.publish(&relay1.url("live/cam"));
    file_grown(&file, HALF).await;
    relay1.process.kill().await;
    drop(publisher);

    let sent = packets(&clip()).await;
    let kept = packets(&file).await;
    assert_cut_off("the killed recording", &sent, &kept);
    format(&file).await;
    let before = tags(&file).len();

    let mut relay2 = relay(directory.path(), &[]).await;
    relay2.process.prints("completed 1 ").await;
    let length = duration(&file).await;
    assert!(length > 1.0 && length < 5.0, "{length}");
    assert_eq!(tags(&file).len(), before);
    assert_cut_off("the completed recording", &sent, &packets(&file).await);

    publish(&relay2, PublisherKind::Push).await;
    end(relay2).await;
    assert_eq!(packets(&file).await.len(), kept.len() + sent.len());
    assert_lasts(&file, length + 5.095).await;
}

/// The file may not grow beyond 100 KiB, as on a full disk. `sh` lets the relay ignore the signal for that.
#[cfg(unix)]
#[tokio::test]
async fn on_a_full_disk_the_stream_goes_on_and_the_file_is_complete_as_far_as_it_goes() {
    let (directory, file) = scratch_with_file();
    let mut command = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$@\"";
    command
        .args(["-c", script, "sh"])
        .arg(tool("relay"))
        .env("NO_COLOR", "1")
        .env("RUST_LOG", "debug")
        .args(["--listen", "127.0.0.1:0", "--record"])
        .arg(directory.path());
    let mut relay = Relay::from_process(Process::start("relay on a full disk", &mut command)).await;
    let player = PlayerKind::Pull.play(&relay.url("live/cam"), directory.path(), "played");
    relay.has_players(1).await;
    publish(&relay, PublisherKind::Push).await;
    relay.process.logs("recording failed", 1).await;
    let sent = packets(&clip()).await;
    assert_all("pull", &sent, &player.recorded().await, 0);
    end(relay).await;
    assert_cut_off("the recording", &sent, &packets(&file).await);
    let length = duration(&file).await;
    assert!(length > 0.5 && length < 4.0, "{length}");
}

#[tokio::test]
async fn repair_makes_a_file_of_ffmpeg_seekable_and_keeps_every_packet() {
    let directory = scratch();
    let [cut, repaired] = ["cut.flv", "repaired.flv"].map(|name| directory.path().join(name));
    let clip_bytes = std::fs::read(clip()).expect("the clip can be read");
    std::fs::write(&cut, &clip_bytes[..200_000]).expect("a file can be written");
    let mut command = Command::new(tool("flv"));
    command.arg("repair").arg(&cut).arg("-o").arg(&repaired);
    Process::start("flv repair", &mut command).succeeded().await;
    let kept = packets(&repaired).await;
    assert_cut_off("the repaired file", &packets(&clip()).await, &kept);
    // Ffprobe counts the last packet of the input, half as it is.
    assert_eq!(kept.len() + 1, packets(&cut).await.len());
    assert!((duration(&repaired).await - kept.len() as f64 * 5.095 / 342.0).abs() < 0.2);
    assert_eq!(
        std::fs::read(&cut).expect("the input is there"),
        clip_bytes[..200_000]
    );
}
