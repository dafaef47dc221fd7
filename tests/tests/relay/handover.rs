//! Players between two publishers: what they notice, what they keep, and how long they stay.

use std::time::Duration;

use futures::FutureExt;
use rtmp_core::MediaMessage;
use rtmp_core::message::StatusCode;
use rtmp_server::Relay;
use rtmp_server::relay::{BackwardTime, Handover, RelayConfig, RelayPlayer, TakeOver};
use rtmp_tests::media::{at_time, audio, audio_header, frame, keyframe, metadata, video_header};
use tokio::time::Instant;

use crate::support::{media_in, player, told};

fn seamless() -> RelayConfig {
    RelayConfig::default().handover(Handover::Seamless)
}

fn drain(player: &mut RelayPlayer) -> Vec<MediaMessage> {
    std::iter::from_fn(|| player.recv().now_or_never().flatten()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_seamless_handover_is_nothing_but_new_headers_and_times_that_go_on() {
    let relay = Relay::new(seamless().backward_time(BackwardTime::Hold));
    let mut early = player(&relay).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let first = [video_header(0, 1), keyframe(100, 2), audio(110, 3), frame(140, 4)];
    first.iter().for_each(|message| publisher.send(message.clone()));
    let events = early.rest().await;
    assert_eq!(told(&events), ["media"; 4]);
    drop(publisher);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert!(early.rest().await.is_empty());

    // It comes back an hour later by its own clock, with frames that nobody can decode yet.
    let begin = 3_600_000;
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [
        metadata(0, 5),
        video_header(0, 6),
        audio_header(0, 7),
        frame(begin, 8),
        audio(begin + 5, 9),
        keyframe(begin + 40, 10),
        frame(begin + 80, 11),
    ] {
        publisher.send(message);
    }
    let events = early.rest().await;
    assert_eq!(told(&events), ["media"; 6]);
    let expected = [
        metadata(140, 5),
        video_header(140, 6),
        audio_header(140, 7),
        audio(145, 9),
        keyframe(180, 10),
        frame(220, 11),
    ];
    assert_eq!(media_in(events), expected);
    let mut late = player(&relay).await;
    let headers = expected[..3].iter().map(|header| at_time(header, 180));
    let joined: Vec<_> = headers.chain(expected[4..].iter().cloned()).collect();
    assert_eq!(late.rest_of_media().await, joined);
}

#[tokio::test(start_paused = true)]
async fn players_stay_for_the_grace_time_and_no_longer_however_they_are_treated() {
    for handover in [Handover::Announced, Handover::Seamless] {
        let config = RelayConfig::default()
            .handover(handover)
            .wait_for_publisher(Duration::from_secs(3))
            .grace(Duration::from_secs(20));
        let relay = Relay::new(config);
        let mut watcher = player(&relay).await;
        drop(relay.publish("live", "cam"));
        let begun = Instant::now();
        watcher.status(StatusCode::PlayStop).await;
        assert_eq!(begun.elapsed().as_secs(), 20, "{handover:?}");
        assert_eq!(relay.stream_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_player_within_the_process_notices_no_seamless_handover() {
    let relay = Relay::new(seamless().grace(Duration::from_secs(5)));
    let mut tap = relay.play("live", "cam");
    for round in 0..3 {
        let mut publisher = relay.publish("live", "cam").unwrap();
        publisher.send(audio(100 * round, round));
        assert_eq!(tap.recv().await, Some(audio(0, round)));
        drop(publisher);
        assert!(tap.recv().now_or_never().is_none());
    }
    let begun = Instant::now();
    assert_eq!(tap.recv().await, None);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_player_has_not_got_of_one_publisher_it_gets_before_the_next() {
    for handover in [Handover::Announced, Handover::Seamless] {
        let config = RelayConfig::default()
            .handover(handover)
            .take_over(TakeOver::Always);
        let relay = Relay::new(config);
        let mut watcher = player(&relay).await;
        watcher.rest().await;
        let mut sent = Vec::new();
        for round in 0..3 {
            // The last one goes, or is thrown out, before anybody has read anything.
            let mut publisher = relay.publish("live", "cam").unwrap();
            for message in [
                video_header(100 * round, round),
                keyframe(100 * round, 10 + round),
                frame(100 * round + 40, 20 + round),
            ] {
                publisher.send(message.clone());
                sent.push(message);
            }
        }
        let events = watcher.rest().await;
        let notices = told(&events).iter().filter(|what| *what != "media").count();
        assert_eq!(notices, if handover == Handover::Announced { 12 } else { 0 });
        let received = media_in(events);
        assert_eq!(
            received
                .iter()
                .map(|message| &message.payload)
                .collect::<Vec<_>>(),
            sent.iter().map(|message| &message.payload).collect::<Vec<_>>()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_player_loses_of_publishers_that_have_gone_is_counted() {
    let relay = Relay::new(seamless().max_lag_len(2000));
    let mut tap = relay.play("live", "cam");
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(keyframe(0, 0));
    assert_eq!(tap.recv().await, Some(keyframe(0, 0)));
    for number in 1..100 {
        publisher.send(frame(number, number));
    }
    drop(publisher);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let sent = [video_header(0, 200), keyframe(0, 201), frame(40, 202)];
    sent.iter().for_each(|message| publisher.send(message.clone()));
    let received = drain(&mut tap);
    let dropped = tap.take_dropped();
    assert_eq!(received.len() as u64 + dropped, 99 + 3 + 1, "the header twice");
    let payloads: Vec<_> = received.iter().map(|message| &message.payload).collect();
    assert_eq!(
        payloads,
        sent.iter().map(|message| &message.payload).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_flaps_a_thousand_times_leaves_nothing_behind() {
    for handover in [Handover::Announced, Handover::Seamless] {
        let relay = Relay::new(RelayConfig::default().handover(handover));
        let (mut reads, mut stalls) = (player(&relay).await, player(&relay).await);
        let mut tap = relay.play("live", "cam");
        for round in 0..1000 {
            let mut publisher = relay.publish("live", "cam").unwrap();
            assert!(relay.publish("live", "cam").is_err());
            if round % 3 > 0 {
                publisher.send(video_header(0, round));
                publisher.send(keyframe(0, round));
            }
            drop(publisher);
            if round % 7 == 0 {
                reads.rest().await;
            }
            assert_eq!(relay.statistics().publishers, 0);
        }
        let mut publisher = relay.publish("live", "cam").unwrap();
        publisher.send(keyframe(0, 5000));
        for peer in [&mut reads, &mut stalls] {
            let media = peer.rest_of_media().await;
            assert_eq!(
                media.last().map(|last| &last.payload),
                Some(&keyframe(0, 5000).payload)
            );
            assert!(
                media
                    .windows(2)
                    .all(|pair| !pair[0].timestamp.is_after(pair[1].timestamp))
            );
        }
        let mut last = None;
        while last
            .as_ref()
            .is_none_or(|last: &MediaMessage| last.payload != keyframe(0, 5000).payload)
        {
            last = tap.recv().await.or(last);
        }
        assert_eq!(tap.take_dropped(), 0);
        drop((publisher, reads, stalls, tap));
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(relay.statistics(), Default::default());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_let_in_again_while_its_old_connection_is_still_open() {
    let relay = Relay::new(seamless().take_over(TakeOver::Always));
    let mut watcher = player(&relay).await;
    let mut first = relay.publish("live", "cam").unwrap();
    first.send(video_header(0, 1));
    first.send(keyframe(5000, 2));
    let mut second = relay.publish("live", "cam").unwrap();
    first.send(frame(5040, 3));
    second.send(video_header(0, 4));
    second.send(keyframe(0, 5));
    drop(first);
    second.send(frame(40, 6));
    let expected = [
        video_header(0, 1),
        keyframe(5000, 2),
        video_header(5000, 4),
        keyframe(5000, 5),
        frame(5040, 6),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}
