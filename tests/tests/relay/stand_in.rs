//! Who stands in for a publisher, when, and what players see of it.

use std::time::Duration;

use futures::FutureExt;
use rtmp_core::MediaMessage;
use rtmp_server::Relay;
use rtmp_server::relay::{Handover, NameTaken, RelayConfig, RelayPlayer, RelayStandIn, TakeOver};
use rtmp_tests::media::{at_time, audio, audio_header, frame, keyframe, metadata, video_header};

use crate::support::{peer, player, told};

fn seamless() -> Relay {
    Relay::new(RelayConfig::default().handover(Handover::Seamless))
}

fn drain(player: &mut RelayPlayer) -> Vec<MediaMessage> {
    std::iter::from_fn(|| player.recv().now_or_never().flatten()).collect()
}

/// A group of pictures of a slate, whose headers came before.
fn send_slate(slate: &mut RelayStandIn, millis: u32) {
    for (offset, number) in (0..3).zip(900..) {
        let at = millis + 40 * offset;
        slate.send(if offset == 0 {
            keyframe(at, number)
        } else {
            frame(at, number)
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_stand_in_is_seen_only_while_nobody_publishes_and_changes_are_at_keyframes() {
    let relay = seamless();
    let mut slate = relay.stand_in("live", "cam").unwrap();
    slate.send(metadata(0, 1));
    slate.send(video_header(0, 1));
    assert!(!slate.is_on_air());
    send_slate(&mut slate, 0);
    let mut tap = relay.play("live", "cam");
    let expected = [
        metadata(0, 1),
        video_header(0, 1),
        keyframe(0, 900),
        frame(40, 901),
        frame(80, 902),
    ];
    assert_eq!(drain(&mut tap), expected);

    // A publisher has the name at once, and the air with its first keyframe.
    let mut publisher = relay.publish("live", "cam").unwrap();
    assert_eq!(relay.publish("live", "cam").unwrap_err(), NameTaken);
    publisher.send(video_header(0, 2));
    publisher.send(audio_header(0, 3));
    publisher.send(audio(0, 4));
    publisher.send(frame(0, 5));
    slate.send(frame(120, 903));
    assert!(slate.is_on_air() && relay.streams()[0].has_publisher);
    assert!(relay.streams()[0].is_stand_in_on_air);
    publisher.send(keyframe(40, 6));
    slate.send(frame(160, 904));
    publisher.send(audio(50, 7));
    assert!(!slate.is_on_air() && !relay.streams()[0].is_stand_in_on_air);
    let expected = [
        frame(120, 903),
        video_header(120, 2),
        audio_header(120, 3),
        keyframe(120, 6),
        audio(130, 7),
    ];
    assert_eq!(drain(&mut tap), expected);

    // When it goes, the stand-in comes back with its headers and a keyframe.
    drop(publisher);
    slate.send(frame(200, 905));
    slate.send(metadata(200, 8));
    assert!(drain(&mut tap).is_empty());
    send_slate(&mut slate, 240);
    let expected = [
        metadata(130, 8),
        video_header(130, 1),
        keyframe(130, 900),
        frame(170, 901),
        frame(210, 902),
    ];
    assert_eq!(drain(&mut tap), expected);
    assert_eq!(tap.take_dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn players_of_an_announced_stand_in_are_told_as_of_any_publisher() {
    let relay = Relay::default();
    let mut slate = relay.stand_in("live", "cam").unwrap();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut watcher = player(&relay).await;
    publisher.send(keyframe(0, 1));
    slate.send(keyframe(0, 2));
    assert_eq!(watcher.rest_of_media().await, [keyframe(0, 1)]);
    drop(publisher);
    slate.send(keyframe(40, 3));
    assert_eq!(
        told(&watcher.rest().await),
        [
            "Stream EOF",
            "NetStream.Play.UnpublishNotify",
            "Stream Begin",
            "NetStream.Play.PublishNotify",
            "media"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_video_nobody_waits_for_a_keyframe() {
    let relay = seamless();
    let mut slate = relay.stand_in("live", "cam").unwrap();
    let mut tap = relay.play("live", "cam");
    slate.send(audio_header(0, 1));
    slate.send(audio(0, 2));
    assert_eq!(drain(&mut tap), [audio_header(0, 1), audio(0, 2)]);
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(audio_header(0, 3));
    publisher.send(audio(0, 4));
    // There may be video to come.
    assert!(drain(&mut tap).is_empty() && slate.is_on_air());
    tokio::time::advance(Duration::from_secs(1)).await;
    publisher.send(audio(1000, 5));
    assert_eq!(drain(&mut tap), [audio_header(0, 3), audio(0, 5)]);
    drop(publisher);
    slate.send(audio(2000, 6));
    assert_eq!(drain(&mut tap), [audio_header(0, 1), audio(0, 6)]);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_stand_in_and_its_place_is_given_back() {
    let relay = seamless();
    let slate = relay.stand_in("live", "cam").unwrap();
    assert_eq!(relay.stand_in("live", "cam").unwrap_err(), NameTaken);
    assert_eq!(relay.stream_count(), 1);
    assert_eq!(relay.statistics().publishers, 0);
    drop(slate);
    assert_eq!(relay.stream_count(), 0);

    let mut slate = relay.stand_in("live", "cam").unwrap();
    slate.send(keyframe(0, 1));
    let mut tap = relay.play("live", "cam");
    let mut publisher = relay.publish("live", "cam").unwrap();
    drop(slate);
    // Nobody is on air any more, so there is nothing to wait for.
    publisher.send(video_header(0, 2));
    publisher.send(frame(0, 3));
    publisher.send(keyframe(40, 4));
    let expected = [video_header(0, 2), keyframe(40, 4)];
    let received = drain(&mut tap);
    assert_eq!(received[received.len() - 2..], expected);
    drop((tap, publisher));
    assert_eq!(relay.statistics(), Default::default());
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_from_a_publisher_that_waits_for_its_keyframe_waits_for_its_own() {
    let config = RelayConfig::default()
        .handover(Handover::Seamless)
        .take_over(TakeOver::Always);
    let relay = Relay::new(config);
    let mut slate = relay.stand_in("live", "cam").unwrap();
    slate.send(keyframe(0, 1));
    let mut tap = relay.play("live", "cam");
    let mut first = relay.publish("live", "cam").unwrap();
    let mut second = relay.publish("live", "cam").unwrap();
    first.send(keyframe(0, 2));
    assert_eq!(drain(&mut tap), [keyframe(0, 1)]);
    drop(first);
    second.send(frame(0, 3));
    second.send(keyframe(40, 4));
    assert_eq!(drain(&mut tap), [at_time(&keyframe(40, 4), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_flaps_beside_a_stand_in_leaves_players_with_a_stream_that_goes_on() {
    let config = RelayConfig::default()
        .handover(Handover::Seamless)
        .max_lag_len(100_000);
    let relay = Relay::new(config);
    let mut slate = relay.stand_in("live", "cam").unwrap();
    slate.send(video_header(0, 1));
    let mut watcher = player(&relay).await;
    let mut time = 0;
    for round in 0..1000 {
        let mut camera = peer(&relay).await;
        let stream = camera.publish("cam").await.unwrap();
        camera
            .send(
                stream,
                &[video_header(0, 2), keyframe(0, round), frame(40, round)],
            )
            .await;
        camera.rest().await;
        drop(camera);
        // The session ends by itself.
        while relay.statistics().publishers > 0 {
            tokio::task::yield_now().await;
        }
        send_slate(&mut slate, 1000 * round);
        let media = watcher.rest_of_media().await;
        assert_eq!(media.len(), 7, "round {round}");
        for message in media {
            let at = message.timestamp.as_millis();
            assert!(at >= time && at < time + 1000, "{time} {at}");
            time = at;
        }
    }
    assert!(relay.statistics().bytes <= 100_000);
    drop((watcher, slate));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(relay.statistics(), Default::default());
}
