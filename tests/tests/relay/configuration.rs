//! Headers and metadata: who gets which, and when.

use rtmp_core::flv::with_set_data_frame;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::Relay;
use rtmp_tests::media::{audio, audio_header, frame, keyframe, metadata, padded, video_header};

use crate::support::{peer, player};

#[tokio::test(start_paused = true)]
async fn a_joiner_never_gets_a_new_header_with_old_frames_nor_an_old_one_with_new() {
    for (old, new) in [
        (video_header(0, 1), video_header(80, 4)),
        (audio_header(0, 1), audio_header(80, 4)),
        // Too long to be kept, and in force all the same.
        (video_header(0, 1), padded(video_header(80, 4), 100_000)),
    ] {
        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        let mut stays = relay.play("live", "cam");
        let sent = [old, keyframe(0, 2), frame(40, 3), new.clone()];
        sent.iter().for_each(|message| publisher.send(message.clone()));
        let mut watcher = player(&relay).await;
        publisher.send(frame(120, 5));
        publisher.send(keyframe(160, 6));
        let first_is_header = new.payload.len() < 100_000;
        let media = watcher.rest_of_media().await;
        assert_eq!(
            first_is_header,
            media.first().is_some_and(|first| first.payload == new.payload)
        );
        assert_eq!(media[usize::from(first_is_header)..], [keyframe(160, 6)]);
        // Who was there gets all of it.
        for message in sent {
            assert_eq!(stays.recv().await, Some(message));
        }
        assert_eq!(stays.recv().await, Some(frame(120, 5)));
    }
}

#[tokio::test]
async fn a_header_that_changes_between_joining_and_reading_does_not_come_with_old_frames() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [video_header(0, 1), keyframe(0, 2), frame(40, 3)] {
        publisher.send(message);
    }
    let mut watcher = relay.play("live", "cam");
    for message in [video_header(80, 4), keyframe(80, 5), frame(120, 6)] {
        publisher.send(message);
    }
    for expected in [video_header(80, 4), keyframe(80, 5), frame(120, 6)] {
        assert_eq!(watcher.recv().await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_repeated_is_no_change() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [
        video_header(0, 1),
        keyframe(0, 2),
        video_header(40, 1),
        frame(40, 3),
    ] {
        publisher.send(message);
    }
    let mut watcher = player(&relay).await;
    let expected = [
        video_header(0, 1),
        keyframe(0, 2),
        video_header(40, 1),
        frame(40, 3),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn metadata_lose_set_data_frame_and_are_forgotten_when_they_are_cleared() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut early = player(&relay).await;
    let plain = metadata(0, 1);
    let wrapped = MediaMessage {
        payload: with_set_data_frame(&plain.payload),
        ..plain.clone()
    };
    publisher.send(stream, &[wrapped, audio(0, 2)]).await;
    assert_eq!(early.media(2).await, [plain, audio(0, 2)]);

    let mut late = player(&relay).await;
    publisher.send(stream, &[audio(20, 3)]).await;
    assert_eq!(late.media(2).await, [metadata(20, 1), audio(20, 3)]);

    let clear = &b"\x02\0\x0f@clearDataFrame\x02\0\x0aonMetaData"[..];
    publisher
        .send(stream, &[MediaMessage::data(Timestamp::ZERO, clear)])
        .await;
    publisher.rest().await;
    let mut latest = player(&relay).await;
    publisher.send(stream, &[audio(40, 4)]).await;
    assert_eq!(latest.next_media().await, audio(40, 4));
    assert_eq!(early.media(2).await, [audio(20, 3), audio(40, 4)]);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_change_all_the_time_are_given_to_joiners_first_and_newest() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [metadata(0, 1), keyframe(0, 2), metadata(40, 3), frame(40, 4)] {
        publisher.send(message);
    }
    let mut watcher = player(&relay).await;
    let expected = [metadata(0, 3), keyframe(0, 2), metadata(40, 3), frame(40, 4)];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_gets_the_headers_of_every_track() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let video = |body: &'static [u8]| MediaMessage::video(Timestamp::ZERO, body);
    let sound = |body: &'static [u8]| MediaMessage::audio(Timestamp::ZERO, body);
    let headers = [
        video(b"\x90avc1\x01\x64"),
        video(b"\x96\x00hvc1\x01\x01\x22"),
        video(b"\x96\x00av01\x02\x81\x09"),
        sound(b"\x90mp4a\x12\x10"),
        sound(b"\x95\x00Opus\x01OpusHead"),
    ];
    headers.iter().for_each(|header| publisher.send(header.clone()));
    publisher.send(video(b"\x91avc1\0\0\0\x65"));
    publisher.send(video(b"\x96\x01hvc1\x01\0\0\0\x26"));
    let mut watcher = player(&relay).await;
    let media = watcher.rest_of_media().await;
    assert_eq!(media[..5], headers);
    assert_eq!(media.len(), 7);
    assert!(media[5].is_keyframe_of(0) && media[6].is_keyframe_of(1));
}

#[tokio::test(start_paused = true)]
async fn one_message_that_holds_the_headers_of_several_tracks_is_given_once() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let tracks = &b"\x96\x10avc1\x00\0\0\x02\x01\x64\x01\0\0\x02\x01\x42"[..];
    let headers = MediaMessage::video(Timestamp::ZERO, tracks);
    assert_eq!(headers.configurations().count(), 2);
    publisher.send(headers.clone());
    let mut watcher = player(&relay).await;
    publisher.send(audio(0, 1));
    assert_eq!(watcher.media(2).await, [headers, audio(0, 1)]);
}
