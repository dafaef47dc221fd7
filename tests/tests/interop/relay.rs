//! Publishers and players of every kind through `relay`.

use rtmp_core::MediaKind;

use crate::frames::{assert_all, assert_all_from_a_keyframe, assert_cut_off, packets};
use crate::process::file_grown;
use crate::programs::{PlayerKind, PublisherKind, Relay, clip, scratch};
use crate::tags::{assert_run, coded_frames, millis, tags};

/// About two seconds of the clip.
const LATE: u64 = 100_000;

/// Players of every kind come before the publisher, and two in the middle of the stream.
async fn reaches_every_player(publisher: PublisherKind) {
    let directory = scratch();
    let sent = publisher.sent_packets(directory.path()).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");

    let players = PlayerKind::ALL.map(|kind| kind.play(&url, directory.path(), &format!("{kind:?}")));
    relay.has_players(players.len()).await;
    let publishing = publisher.publish(&url);
    file_grown(&players[0].file, LATE).await;
    let late = [PlayerKind::Ffmpeg, PlayerKind::Pull]
        .map(|kind| kind.play(&url, directory.path(), &format!("late-{kind:?}")));

    publishing.succeeded().await;
    for player in players {
        let (name, may_lose) = (format!("{:?}", player.kind), player.kind.may_lose_at_end());
        assert_all(&name, &sent, &player.recorded().await, may_lose);
    }
    for player in late {
        let name = format!("late {:?}", player.kind);
        assert_all_from_a_keyframe(&name, &sent, &player.recorded().await);
    }
}

#[tokio::test]
async fn what_ffmpeg_publishes_reaches_every_player() {
    reaches_every_player(PublisherKind::Ffmpeg).await;
}

#[tokio::test]
async fn what_rtmp2sink_publishes_reaches_every_player() {
    reaches_every_player(PublisherKind::Rtmp2sink).await;
}

#[tokio::test]
async fn what_librtmp_publishes_reaches_every_player() {
    reaches_every_player(PublisherKind::Rtmpsink).await;
}

#[tokio::test]
async fn what_push_publishes_reaches_every_player() {
    reaches_every_player(PublisherKind::Push).await;
}

/// Nothing is dropped for players that keep up, however fast the publisher is.
#[tokio::test]
async fn what_push_publishes_at_once_reaches_every_player() {
    let directory = scratch();
    let sent = packets(&clip()).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let players = PlayerKind::ALL.map(|kind| kind.play(&url, directory.path(), &format!("{kind:?}")));
    relay.has_players(players.len()).await;
    PublisherKind::Push
        .publish_with(&["--fast"], &url)
        .succeeded()
        .await;
    for player in players {
        let (name, may_lose) = (format!("{:?}", player.kind), player.kind.may_lose_at_end());
        assert_all(&name, &sent, &player.recorded().await, may_lose);
    }
}

/// The name is taken: FFmpeg ends with an error at NetStream.Publish.BadName.
#[tokio::test]
async fn a_second_publisher_of_a_name_is_refused_and_the_first_goes_on() {
    let directory = scratch();
    let sent = packets(&clip()).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let player = PlayerKind::Pull.play(&url, directory.path(), "player");
    relay.has_players(1).await;
    let first = PublisherKind::Ffmpeg.publish(&url);
    relay.has_publishers(1).await;

    for kind in [
        PublisherKind::Ffmpeg,
        PublisherKind::Rtmp2sink,
        PublisherKind::Push,
    ] {
        let refused = kind.publish(&url).ended().await;
        assert_eq!(refused.exit_code, Some(1), "{kind:?} printed {}", refused.stderr);
    }
    first.succeeded().await;
    assert_all("player", &sent, &player.recorded().await, 0);
}

/// A service manager's SIGTERM: players get what was sent so far and end, the relay exits with 0.
#[tokio::test]
async fn a_relay_that_is_terminated_ends_its_players_and_succeeds() {
    let directory = scratch();
    let sent = packets(&clip()).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let players = PlayerKind::ALL.map(|kind| kind.play(&url, directory.path(), &format!("{kind:?}")));
    relay.has_players(players.len()).await;
    let publisher = PublisherKind::Ffmpeg.publish(&url);
    file_grown(&players[0].file, LATE).await;

    relay.process.terminate().await;
    relay.process.succeeded().await;
    for player in players {
        let name = format!("{:?}", player.kind);
        assert_cut_off(&name, &sent, &player.recorded().await);
    }
    publisher.ended().await;
}

/// Between two publishers FFmpeg ends with the first. `pull --wait` stays, and records the second, too, whose
/// clock may start anywhere.
#[tokio::test]
async fn a_player_that_waits_goes_on_with_the_next_publisher() {
    let directory = scratch();
    let sent = packets(&clip()).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let mut waiting = PlayerKind::Pull.play_with(&["--wait"], &url, directory.path(), "waiting");
    let ffmpeg = PlayerKind::Ffmpeg.play(&url, directory.path(), "first");
    relay.has_players(2).await;
    PublisherKind::Ffmpeg.publish(&url).succeeded().await;
    assert_all("first FFmpeg", &sent, &ffmpeg.recorded().await, 0);
    assert!(!waiting.process.has_ended());

    let ffmpeg = PlayerKind::Ffmpeg.play(&url, directory.path(), "second");
    relay.has_players(3).await;
    PublisherKind::Push.publish(&url).succeeded().await;
    assert_all("second FFmpeg", &sent, &ffmpeg.recorded().await, 0);
    assert!(!waiting.process.has_ended());

    relay.process.terminate().await;
    relay.process.succeeded().await;
    waiting.process.succeeded().await;
    let received = tags(&waiting.file);
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let sent = coded_frames(&tags(&clip()), kind);
        let received = coded_frames(&received, kind);
        let (first, second) = received.split_at(sent.len());
        assert_eq!(assert_run(&sent, first, 0, 0), 0..sent.len(), "first {kind:?}");
        let offset = millis(&second[0]) - millis(&sent[0]);
        assert_eq!(
            assert_run(&sent, second, offset, 0),
            0..sent.len(),
            "second {kind:?}"
        );
    }
}
