//! Servers that crash in the middle of a stream and come back: `push` and `pull` go on, and only what was published in
//! between is missing.

use std::path::Path;

use rtmp_core::{MediaKind, MediaMessage};

use crate::frames::packets;
use crate::process::{Process, file_grown};
use crate::programs::{Nginx, PlayerKind, Relay, copy_clip, scratch, tool_command};
use crate::tags::{assert_run, coded_frames, millis, tags};

/// About two seconds of the clip.
const BEFORE: u64 = 100_000;

/// Longer than any distance of two frames of the clip.
const GAP: i64 = 200;

fn push(options: &[&str], file: &Path, url: &str) -> Process {
    let mut command = tool_command("push");
    command.args(options).arg(file).arg(url);
    Process::start("push", &mut command)
}

/// Asserts that of one kind everything was recorded up to a gap and everything behind it, at its times. Gives the first
/// frame behind the gap.
fn assert_one_gap(sent: &[MediaMessage], received: &[MediaMessage], kind: MediaKind) -> MediaMessage {
    let (sent, received) = (coded_frames(sent, kind), coded_frames(received, kind));
    let gaps: Vec<_> = (1..received.len())
        .filter(|&place| millis(&received[place]) - millis(&received[place - 1]) > GAP)
        .collect();
    let &[gap] = gaps.as_slice() else {
        panic!("{kind:?} has gaps before {gaps:?} of {}", received.len());
    };
    let (before, behind) = received.split_at(gap);
    let offset = millis(&before[0]) - millis(&sent[0]);
    assert_eq!(assert_run(&sent, before, offset, 0), 0..gap);
    assert_eq!(assert_run(&sent, behind, offset, 0).end, sent.len());
    behind[0].clone()
}

#[tokio::test]
async fn only_the_outage_is_missing_when_the_relay_crashes() {
    let directory = scratch();
    let clip = directory.path().join("clip.flv");
    copy_clip(3, &clip).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let player = PlayerKind::Pull.play_with(&["--reconnect"], &url, directory.path(), "player");
    relay.has_players(1).await;
    let mut publishing = push(&["--reconnect"], &clip, &url);
    file_grown(&player.file, BEFORE).await;

    let address = relay.address().to_string();
    relay.process.kill().await;
    let _relay = Relay::listen(&address).await;
    publishing.logs("going on, ", 1).await;
    publishing.succeeded().await;
    let (file, mut process) = (player.file, player.process);
    process.logs("again after", 1).await;
    process.succeeded().await;

    let (sent, received) = (tags(&clip), tags(&file));
    assert!(assert_one_gap(&sent, &received, MediaKind::Video).is_keyframe());
    assert_one_gap(&sent, &received, MediaKind::Audio);
    // The file as a whole is sound.
    assert!(!packets(&file).await.is_empty());
}

#[tokio::test]
async fn only_the_outage_is_missing_when_nginx_crashes() {
    let directory = scratch();
    let clip = directory.path().join("clip.flv");
    copy_clip(3, &clip).await;
    let mut nginx = Nginx::start().await;
    let url = nginx.url("live/cam");
    let player = PlayerKind::Pull.play_with(&["--reconnect"], &url, directory.path(), "player");
    nginx.has_players(1).await;
    let publishing = push(&["--reconnect"], &clip, &url);
    file_grown(&player.file, BEFORE).await;

    let _nginx = nginx.restart().await;
    publishing.succeeded().await;
    let (file, process) = (player.file, player.process);
    process.succeeded().await;

    // Who joins nginx late does not begin with a keyframe.
    let (sent, received) = (tags(&clip), tags(&file));
    assert_one_gap(&sent, &received, MediaKind::Video);
    assert_one_gap(&sent, &received, MediaKind::Audio);
    assert!(!packets(&file).await.is_empty());
}

#[tokio::test]
async fn retries_are_counted_and_then_the_tools_fail() {
    let directory = scratch();
    let clip = directory.path().join("clip.flv");
    copy_clip(1, &clip).await;
    let url = format!("rtmp://127.0.0.1:{}/live/cam", crate::programs::free_port());
    let pushed = push(&["--reconnect=1"], &clip, &url).ended().await;
    assert_eq!(pushed.exit_code, Some(1));
    for said in [
        "failed: can not reach 127.0.0.1",
        "retry 1",
        "push: gave up at retry 1: ",
    ] {
        assert!(pushed.stderr.contains(said), "push said: {}", pushed.stderr);
    }
    let player = PlayerKind::Pull.play_with(&["--quiet", "--reconnect=1"], &url, directory.path(), "player");
    let pulled = player.process.ended().await;
    assert_eq!(pulled.exit_code, Some(1));
    assert!(
        pulled.stderr.starts_with("pull: gave up at retry 1: "),
        "{}",
        pulled.stderr
    );
    assert_eq!(pulled.stderr.lines().count(), 1);
}

#[tokio::test]
async fn a_refused_name_is_not_tried_again() {
    let directory = scratch();
    let clip = directory.path().join("clip.flv");
    copy_clip(2, &clip).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let _first = push(&[], &clip, &url);
    relay.has_publishers(1).await;
    let refused = push(&["--reconnect", "--quiet"], &clip, &url).ended().await;
    assert_eq!(refused.exit_code, Some(1));
    assert!(
        refused.stderr.contains("NetStream.Publish.BadName"),
        "{}",
        refused.stderr
    );
}
