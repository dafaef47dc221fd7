//! The client against other servers, and other programs through nginx-rtmp to us.

use crate::frames::{assert_all, packets};
use crate::process::until;
use crate::programs::{Nginx, PlayerKind, PublisherKind, clip, ffmpeg_server, free_port, scratch};

async fn passes_through_nginx(publisher: PublisherKind, options: &[&str], player: PlayerKind) {
    let directory = scratch();
    let sent = publisher.sent_packets(directory.path()).await;
    let mut nginx = Nginx::start().await;
    let url = nginx.url("live/cam");
    let player = player.play(&url, directory.path(), "player");
    nginx.has_players(1).await;
    publisher.publish_with(options, &url).succeeded().await;
    let (name, may_lose) = (format!("{:?}", player.kind), player.kind.may_lose_at_end());
    assert_all(&name, &sent, &player.recorded().await, may_lose);
}

#[tokio::test]
async fn pull_plays_what_push_publishes_to_nginx() {
    passes_through_nginx(PublisherKind::Push, &[], PlayerKind::Pull).await;
}

#[tokio::test]
async fn ffmpeg_plays_what_push_publishes_to_nginx() {
    passes_through_nginx(PublisherKind::Push, &[], PlayerKind::Ffmpeg).await;
}

#[tokio::test]
async fn pull_plays_what_ffmpeg_publishes_to_nginx() {
    passes_through_nginx(PublisherKind::Ffmpeg, &[], PlayerKind::Pull).await;
}

/// Times reach 0xFFFFFF, and the extended timestamp, 2.2 seconds into the clip.
#[tokio::test]
async fn pull_plays_long_timestamps_from_nginx() {
    passes_through_nginx(
        PublisherKind::Ffmpeg,
        &["-output_ts_offset", "16775"],
        PlayerKind::Pull,
    )
    .await;
}

/// FFmpeg serves one connection, with chunks of 128 bytes.
#[tokio::test]
async fn ffmpeg_records_what_push_publishes_to_it() {
    let directory = scratch();
    let file = directory.path().join("server.flv");
    let url = format!("rtmp://127.0.0.1:{}/live/cam", free_port());
    let recording = file.display().to_string();
    let server = ffmpeg_server(&["-listen", "1", "-i", &url, "-c", "copy", "-f", "flv", &recording]);
    // The port can not be tried without using up the one connection.
    until("FFmpeg took the stream", async || {
        let pushed = PublisherKind::Push.publish(&url).ended().await;
        let refused = pushed.stderr.contains("refused");
        assert!(
            refused || pushed.exit_code == Some(0),
            "push printed:\n{}",
            pushed.stderr
        );
        !refused
    })
    .await;
    // FFmpeg takes the end of the line for an error of input and output.
    server.ended().await;
    assert_all("FFmpeg", &packets(&clip()).await, &packets(&file).await, 0);
}

/// FFmpeg closes the line at the end of the stream, and says nothing before.
#[tokio::test]
async fn pull_plays_what_ffmpeg_serves() {
    let directory = scratch();
    let url = format!("rtmp://127.0.0.1:{}/live/cam", free_port());
    let input = clip().display().to_string();
    let _server = ffmpeg_server(&[
        "-re", "-i", &input, "-c", "copy", "-f", "flv", "-listen", "1", &url,
    ]);
    let mut received = Vec::new();
    until("FFmpeg served the stream", async || {
        let player = PlayerKind::Pull.play(&url, directory.path(), "player");
        let ended = player.process.ended().await;
        let refused = ended.stderr.contains("refused");
        if !refused {
            assert!(player.file.exists(), "pull printed:\n{}", ended.stderr);
            received = packets(&player.file).await;
        }
        !refused
    })
    .await;
    assert_all("Pull", &packets(&clip()).await, &received, 0);
}
