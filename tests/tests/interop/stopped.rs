//! Processes that are stopped in the middle of a stream, for longer than a group of pictures, and go on (SIGSTOP,
//! SIGCONT): nothing is missing.

use std::time::Duration;

use crate::frames::{assert_all, packets};
use crate::process::{Process, file_grown};
use crate::programs::{Player, PlayerKind, PublisherKind, Relay, clip, scratch};

/// Some two seconds of the clip.
const BEFORE: u64 = 100_000;

/// Two groups of pictures of the clip, and more.
const STOP: Duration = Duration::from_millis(2500);

async fn stop_and_continue(process: &Process) {
    process.signal("STOP").await;
    tokio::time::sleep(STOP).await;
    process.signal("CONT").await;
}

/// Which of the processes is stopped.
#[derive(PartialEq)]
enum Stopped {
    Relay,
    Publisher,
    Player,
}

async fn nothing_is_missing(publisher: PublisherKind, players: &[PlayerKind], stopped: Stopped) {
    let directory = scratch();
    let sent = packets(&clip()).await;
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let play = |kind: &PlayerKind| kind.play(&url, directory.path(), &format!("{kind:?}"));
    let players: Vec<Player> = players.iter().map(play).collect();
    relay.has_players(players.len()).await;
    let publishing = publisher.publish(&url);
    file_grown(&players[0].file, BEFORE).await;
    stop_and_continue(match stopped {
        Stopped::Relay => &relay.process,
        Stopped::Publisher => &publishing,
        Stopped::Player => &players[0].process,
    })
    .await;
    publishing.succeeded().await;
    for player in players {
        let (name, may_lose) = (format!("{:?}", player.kind), player.kind.may_lose_at_end());
        assert_all(&name, &sent, &player.recorded().await, may_lose);
    }
}

#[tokio::test]
async fn a_relay_that_was_stopped_goes_on_with_all_its_publishers_and_players() {
    let players = [PlayerKind::Pull, PlayerKind::Ffmpeg, PlayerKind::Rtmpdump];
    nothing_is_missing(PublisherKind::Ffmpeg, &players, Stopped::Relay).await;
}

#[tokio::test]
async fn push_that_was_stopped_goes_on() {
    let players = [PlayerKind::Pull, PlayerKind::Ffmpeg];
    nothing_is_missing(PublisherKind::Push, &players, Stopped::Publisher).await;
}

#[tokio::test]
async fn pull_that_was_stopped_goes_on_and_other_players_do_not_notice() {
    let players = [PlayerKind::Pull, PlayerKind::Rtmpdump];
    nothing_is_missing(PublisherKind::Push, &players, Stopped::Player).await;
}
