//! Where a player begins that joins a stream.

use std::time::Duration;

use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::Relay;
use rtmp_server::relay::{PlayerConfig, RelayConfig};
use rtmp_tests::media::{at_time, audio, audio_header, frame, keyframe, metadata, padded, video_header};

use crate::support::{media_in, peer, player, told};

#[tokio::test(start_paused = true)]
async fn a_joiner_gets_metadata_headers_and_everything_from_the_last_keyframe_at_times_that_only_grow() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let before = [
        metadata(0, 1),
        video_header(0, 2),
        audio_header(0, 3),
        keyframe(0, 4),
        frame(40, 5),
        audio(50, 6),
    ];
    let group = [keyframe(2000, 7), audio(2010, 8), frame(2040, 9)];
    publisher.send(stream, &before).await;
    publisher.send(stream, &group).await;
    publisher.rest().await;
    let mut late = player(&relay).await;
    publisher.send(stream, &[frame(2080, 10)]).await;
    let expected = [
        metadata(2000, 1),
        video_header(2000, 2),
        audio_header(2000, 3),
        keyframe(2000, 7),
        audio(2010, 8),
        frame(2040, 9),
        frame(2080, 10),
    ];
    assert_eq!(late.media(7).await, expected);
    assert!(late.rest_of_media().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_player_may_come_before_the_publisher_and_misses_nothing() {
    let relay = Relay::default();
    let mut early = player(&relay).await;
    early.rest().await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let sent = [
        metadata(0, 1),
        audio_header(0, 2),
        audio(0, 3),
        video_header(20, 4),
        keyframe(20, 5),
        frame(60, 6),
    ];
    publisher.send(stream, &sent).await;
    let events = early.rest().await;
    assert_eq!(
        told(&events)[..2],
        ["Stream Begin", "NetStream.Play.PublishNotify"]
    );
    assert!(told(&events)[2..].iter().all(|what| what == "media"));
    assert_eq!(media_in(events), sent);
}

#[tokio::test(start_paused = true)]
async fn who_joins_between_two_publishers_gets_nothing_of_the_first() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    let mut stays = player(&relay).await;
    stays.media(2).await;
    drop(publisher);
    let mut late = player(&relay).await;
    assert!(late.rest_of_media().await.is_empty());
    relay.publish("live", "cam").unwrap().send(audio(0, 3));
    assert_eq!(late.next_media().await, audio(0, 3));
}

#[tokio::test(start_paused = true)]
async fn audio_alone_starts_at_once_with_its_header() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(audio_header(0, 1));
    publisher.send(audio(0, 2));
    let mut watcher = player(&relay).await;
    publisher.send(audio(20, 3));
    publisher.send(audio(40, 4));
    assert_eq!(
        watcher.media(3).await,
        [audio_header(20, 1), audio(20, 3), audio(40, 4)]
    );
}

#[tokio::test(start_paused = true)]
async fn video_alone_and_video_without_header_start_at_a_keyframe() {
    for header in [Some(video_header(0, 1)), None] {
        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        for message in header
            .iter()
            .cloned()
            .chain([frame(0, 2), keyframe(40, 3), frame(80, 4)])
        {
            publisher.send(message);
        }
        let mut watcher = player(&relay).await;
        let mut expected: Vec<_> = header.iter().map(|header| at_time(header, 40)).collect();
        expected.extend([keyframe(40, 3), frame(80, 4)]);
        assert_eq!(watcher.rest_of_media().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_joiner_without_a_cached_group_gets_audio_at_once_and_video_from_the_next_keyframe() {
    let relay = Relay::new(RelayConfig::default().gop_cache(false));
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [
        video_header(0, 1),
        audio_header(0, 2),
        keyframe(0, 3),
        frame(40, 4),
    ] {
        publisher.send(message);
    }
    let mut watcher = player(&relay).await;
    let live = [audio(50, 5), frame(80, 6), keyframe(120, 7), frame(160, 8)];
    live.iter().for_each(|message| publisher.send(message.clone()));
    let expected = [
        video_header(50, 1),
        audio_header(50, 2),
        audio(50, 5),
        keyframe(120, 7),
        frame(160, 8),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_grows_too_long_in_bytes_time_or_messages_is_not_given_to_joiners() {
    let by_len = RelayConfig::default().max_gop_len(20_000);
    let by_time = RelayConfig::default().max_gop(Duration::from_secs(2));
    let by_count = RelayConfig::default().max_gop_messages(50);
    for config in [by_len, by_time, by_count] {
        let relay = Relay::new(config);
        let mut publisher = relay.publish("live", "cam").unwrap();
        publisher.send(video_header(0, 1));
        publisher.send(keyframe(0, 2));
        for number in 3..60 {
            // Media time has no part in this.
            publisher.send(padded(frame(0, number), 1000));
            tokio::time::advance(Duration::from_millis(40)).await;
        }
        // Nobody plays, so nothing of it stays.
        assert_eq!(relay.statistics().messages, 0);
        let mut watcher = player(&relay).await;
        publisher.send(frame(4000, 60));
        assert!(
            watcher
                .rest_of_media()
                .await
                .iter()
                .all(|message| message.is_sequence_header())
        );
        publisher.send(keyframe(4040, 61));
        assert_eq!(watcher.next_media().await, keyframe(4040, 61));
    }
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_publishers_clock_leaves_the_group_to_joiners() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let sent = [keyframe(0, 1), frame(3_600_000, 2), frame(40, 3)];
    sent.iter().for_each(|message| publisher.send(message.clone()));
    assert_eq!(player(&relay).await.rest_of_media().await, sent);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_begins_no_further_behind_than_it_is_told_to() {
    let second = Duration::from_secs(1);
    let relay = Relay::new(RelayConfig::default().join_within(second));
    let join = |within: Option<Duration>| {
        let config = within.map_or(PlayerConfig::default(), |time| {
            PlayerConfig::default().join_within(time)
        });
        relay.play_with("live", "cam", config)
    };
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    tokio::time::advance(second).await;
    let mut in_time = join(None);
    tokio::time::advance(second / 1000).await;
    let mut late = [join(None), join(Some(Duration::ZERO))];
    let mut patient = join(Some(2 * second));
    let live = [audio(1000, 3), frame(1040, 4), keyframe(2000, 5)];
    live.iter().for_each(|message| publisher.send(message.clone()));
    for expected in [&video_header(0, 1), &keyframe(0, 2)].into_iter().chain(&live) {
        assert_eq!(in_time.recv().await.as_ref(), Some(expected));
        assert_eq!(patient.recv().await.as_ref(), Some(expected));
    }
    // Audio at once, video with the next keyframe, and nothing of that is its own fault.
    for late in &mut late {
        for expected in [video_header(1000, 1), audio(1000, 3), keyframe(2000, 5)] {
            assert_eq!(late.recv().await, Some(expected));
        }
        assert_eq!(late.take_dropped(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn data_alone_start_at_once() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let cue = |number: u8| MediaMessage::data(Timestamp::ZERO, vec![2, 0, 1, b'x', 5, number]);
    publisher.send(cue(1));
    let mut watcher = player(&relay).await;
    publisher.send(cue(2));
    assert_eq!(watcher.rest_of_media().await, [cue(2)]);
    assert_eq!(relay.statistics().messages, 1);
}
