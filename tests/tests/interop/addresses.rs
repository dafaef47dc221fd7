//! Ways to name a server, an app and a stream, and to number its milliseconds.

use crate::frames::{assert_all, packets};
use crate::programs::{PlayerKind, PublisherKind, Relay, clip, scratch};

/// FFmpeg publishes with `options` to `published`, and each of `players` plays its URL and receives everything. Gives
/// the offsets of their times in milliseconds.
async fn arrives(
    mut relay: Relay,
    options: &[&str],
    published: &str,
    players: &[(PlayerKind, &[&str], &str)],
) -> Vec<i64> {
    let directory = scratch();
    let sent = packets(&clip()).await;
    let mut playing = Vec::new();
    for (index, (kind, options, path)) in players.iter().enumerate() {
        playing.push(kind.play_with(
            options,
            &relay.url(path),
            directory.path(),
            &format!("{index}-{kind:?}"),
        ));
    }
    relay.has_players(playing.len()).await;
    PublisherKind::Ffmpeg
        .publish_with(options, &relay.url(published))
        .succeeded()
        .await;
    let mut offsets = Vec::new();
    for (player, (kind, _, path)) in playing.into_iter().zip(players) {
        let name = format!("{kind:?} of {path}");
        offsets.push(assert_all(
            &name,
            &sent,
            &player.recorded().await,
            kind.may_lose_at_end(),
        ));
    }
    offsets
}

fn each_player(path: &str) -> [(PlayerKind, &[&str], &str); 4] {
    PlayerKind::ALL.map(|kind| (kind, [].as_slice(), path))
}

/// The options of FFmpeg that say what the URL says otherwise. With `-rtmp_live live` it plays with start -1000, and
/// subscribes before.
#[tokio::test]
async fn ffmpeg_may_name_app_and_stream_by_options() {
    let options = ["-rtmp_app", "live", "-rtmp_playpath", "cam"];
    let players: [(PlayerKind, &[&str], &str); 3] = [
        (PlayerKind::Ffmpeg, &["-rtmp_live", "live"], "live/cam"),
        (
            PlayerKind::Ffmpeg,
            &["-rtmp_live", "live", "-rtmp_app", "live", "-rtmp_playpath", "cam"],
            "",
        ),
        (PlayerKind::Pull, &[], "live/cam"),
    ];
    arrives(Relay::start().await, &options, "", &players).await;
}

/// A query is for whoever decides, and no part of the name.
#[tokio::test]
async fn a_stream_is_the_same_with_any_query() {
    let players: [(PlayerKind, &[&str], &str); 5] = [
        (PlayerKind::Ffmpeg, &[], "live/cam?viewer=1"),
        (PlayerKind::Rtmpdump, &[], "live/cam?viewer=2"),
        (PlayerKind::Rtmp2src, &[], "live/cam?viewer=3"),
        (PlayerKind::Pull, &[], "live/cam?viewer=4"),
        (PlayerKind::Pull, &[], "live/cam"),
    ];
    arrives(Relay::start().await, &[], "live/cam?token=1", &players).await;
}

#[tokio::test]
async fn an_app_may_have_two_parts() {
    arrives(
        Relay::start().await,
        &[],
        "live/west/cam",
        &each_player("live/west/cam"),
    )
    .await;
}

/// rtmpdump 2.4 reads no such address.
#[tokio::test]
async fn a_server_may_have_an_ipv6_address() {
    let players: [(PlayerKind, &[&str], &str); 3] = [
        (PlayerKind::Ffmpeg, &[], "live/cam"),
        (PlayerKind::Rtmp2src, &[], "live/cam"),
        (PlayerKind::Pull, &[], "live/cam"),
    ];
    arrives(Relay::listen("[::1]:0").await, &[], "live/cam", &players).await;
}

/// The first presentation time of the clip in milliseconds, which FFmpeg takes for the beginning.
const FIRST_PTS: i64 = 57;

/// FFmpeg publishes with times that begin at `seconds`. rtmpdump and rtmp2src write the times of the wire; the other
/// players begin their recordings with 0.
async fn times_arrive(seconds: i64) {
    let options = ["-output_ts_offset", &seconds.to_string()];
    let offsets = arrives(
        Relay::start().await,
        &options,
        "live/cam",
        &each_player("live/cam"),
    )
    .await;
    let wire = seconds * 1000 - FIRST_PTS;
    assert_eq!(
        offsets,
        PlayerKind::ALL.map(|kind| if kind.keeps_times() { wire } else { 0 })
    );
}

/// Times reach 0xFFFFFF, and the extended timestamp, 2.2 seconds into the clip.
#[tokio::test]
async fn times_go_on_with_the_extended_timestamp() {
    times_arrive(16_775).await;
}

/// Every message has an extended timestamp.
#[tokio::test]
async fn times_may_begin_with_the_extended_timestamp() {
    times_arrive(16_778).await;
}
