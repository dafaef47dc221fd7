//! Section 10: media and data.

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::StatusCode;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::{Observers, SessionConfig};
use rtmp_tests::Target;
use rtmp_tests::media::{audio, frame, keyframe, metadata, padded, video_header};
use tokio::time::timeout;

use crate::support::{AGGREGATE, AUDIO, DATA, Pair, SOON, VIDEO, goes_on, message, text};

fn video(payload: &[u8]) -> MediaMessage {
    MediaMessage::video(Timestamp::ZERO, payload.to_vec())
}

fn sound(payload: &[u8]) -> MediaMessage {
    MediaMessage::audio(Timestamp::ZERO, payload.to_vec())
}

/// Sends these messages, each of which the player gets unchanged or not at all, and then one that it gets.
async fn are_harmless(messages: impl IntoIterator<Item = MediaMessage>) {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    pair.relays(&[keyframe(0, 0)]).await;
    for (number, sent) in (1..).zip(messages) {
        pair.publisher
            .send(pair.stream, std::slice::from_ref(&sent))
            .await;
        let last = keyframe(0, number);
        pair.publisher
            .send(pair.stream, std::slice::from_ref(&last))
            .await;
        let received = timeout(SOON, pair.player.next_media()).await.expect("media");
        if received != last {
            assert_eq!(received, sent);
            assert_eq!(
                timeout(SOON, pair.player.next_media()).await.expect("media"),
                last
            );
        }
        // A late player begins with it or without it, and then gets what follows.
        if number % 50 == 0 {
            let mut late = target.connected().await;
            late.play("attack").await.expect("a stream to play");
            while timeout(SOON, late.next_media()).await.expect("media") != last {}
        }
    }
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h10_1_empty_messages_are_relayed_or_skipped() {
    are_harmless([
        video(&[]),
        sound(&[]),
        MediaMessage::data(Timestamp::ZERO, Vec::new()),
    ])
    .await;
}

#[tokio::test]
async fn h10_2_messages_of_one_byte_are_relayed_whatever_it_is() {
    are_harmless((0..=255).flat_map(|byte| [video(&[byte]), sound(&[byte])])).await;
}

#[tokio::test]
async fn h10_3_packets_shorter_than_their_headers_or_with_unknown_types_are_no_configuration() {
    let short = (1..5).map(|len| video(&[0x17, 0, 0, 0, 0][..len]));
    let unknown = (2..=255).map(|kind| video(&[0x17, kind, 0, 0, 0, 1]));
    let too_long = video(&[0x27, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
    are_harmless(short.chain(unknown).chain([too_long])).await;
}

#[tokio::test]
async fn h10_4_odd_sequence_headers_are_borne_and_long_ones_not_kept() {
    let head = [0x17, 0, 0, 0, 0];
    let many_sets = [&head[..], &[1, 100, 0, 31, 0xFF, 0xFF], &[0, 1, 0x67].repeat(31)].concat();
    let long_set = [
        &head[..],
        &[1, 100, 0, 31, 0xFF, 0xE1, 0xFF, 0xFF],
        &[0x67; 65_535],
    ]
    .concat();
    are_harmless([
        video(&head),
        video(&many_sets),
        video(&many_sets[..20]),
        video(&long_set),
    ])
    .await;

    // A header of more than 64 KiB is relayed, and not there for who comes later.
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let long = padded(video_header(0, 1), 70_000);
    pair.relays(&[long.clone(), keyframe(0, 2)]).await;
    let mut late = target.connected().await;
    late.play("attack").await.expect("a stream to play");
    assert_eq!(late.next_media().await, keyframe(0, 2));
    drop((pair, late));
    target.unharmed().await;
}

#[tokio::test]
async fn h10_5_empty_audio_configurations_are_borne() {
    are_harmless([sound(&[0xAF]), sound(&[0xAF, 0]), sound(&[0xAF, 0, 0x12])]).await;
}

#[tokio::test]
async fn h10_6_broken_enhanced_headers_are_relayed_as_they_are() {
    let cut = (1..5).map(|len| video(&b"\x90hvc1"[..len]));
    let types = (0..16).flat_map(|kind| {
        [
            video(&[0x90 | kind, b'z', b'z', b'z', b'z']),
            sound(&[0x90 | kind, 1]),
        ]
    });
    let endless = video(&[&[0x97][..], &[0, 0, 7].repeat(20_000)].concat());
    let tracks = [
        video(b"\x96\x16avc1\0\xff\xff\xff"),
        video(b"\x96\x26avc1\0\0\0\x05\x66"),
        video(b"\x96\x06\x96\x06\x96\x06"),
    ];
    are_harmless(cut.chain(types).chain([endless]).chain(tracks)).await;
}

/// One part of an aggregate, with its back pointer.
fn part(kind: u8, declared: u32, payload: &[u8], back: u32) -> Vec<u8> {
    let mut bytes = declared.to_be_bytes().to_vec();
    bytes[0] = kind;
    bytes.extend([0; 7]);
    bytes.extend(payload);
    bytes.extend(back.to_be_bytes());
    bytes
}

#[tokio::test]
async fn h10_7_an_aggregate_is_delivered_up_to_its_fault() {
    let first = keyframe(0, 1);
    let len = first.payload.len() as u32;
    let good = part(VIDEO, len, &first.payload, 11 + len);
    let wrong_back = part(VIDEO, len, &first.payload, 77);
    let longer_than_the_rest = part(VIDEO, 0xFF_FFFF, &[1, 2, 3], 0);
    let nested = part(AGGREGATE, len + 15, &good, 0);
    let control = part(1, 4, &[0, 0, 0, 1], 15);
    for (body, count) in [
        (Vec::new(), 0),
        (good.clone(), 1),
        (wrong_back, 1),
        ([&good[..], &longer_than_the_rest].concat(), 1),
        ([&good[..], &good[..9]].concat(), 1),
        ([&good[..], &nested, &control, &good].concat(), 2),
        (part(AUDIO, 0, &[], 11).repeat(5000), 0),
    ] {
        let target = Target::start().await;
        let mut pair = Pair::join(&target).await;
        pair.publisher.send_bytes(&message(6, AGGREGATE, 1, &body)).await;
        let last = keyframe(40, 9);
        pair.publisher
            .send(pair.stream, std::slice::from_ref(&last))
            .await;
        let mut received = 0;
        loop {
            let next = timeout(SOON, pair.player.next_media()).await.expect("media");
            if next == last {
                break;
            }
            received += usize::from(next == first);
        }
        assert_eq!(received, count);
        drop(pair);
        target.unharmed().await;
    }
}

#[tokio::test]
async fn h10_9_broken_or_huge_metadata_are_never_kept() {
    let name = b"\x02\0\x0aonMetaData";
    let data = |rest: &[u8]| MediaMessage::data(Timestamp::ZERO, [name, rest].concat());
    are_harmless([
        data(b"\xff\xff"),
        data(&b"\x03\0\x01a".repeat(10_000)),
        data(b"\x08\xff\xff\xff\xff"),
        data(&[b"\x0c\0\x04\x93\xe0", &[b'x'; 300_000][..]].concat()),
    ])
    .await;

    // Of a thousand the last is kept.
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let all: Vec<_> = (0..1000).map(|number| metadata(0, number)).collect();
    pair.relays(&all).await;
    pair.relays(&[keyframe(0, 1)]).await;
    let mut late = target.connected().await;
    late.play("attack").await.expect("a stream to play");
    assert_eq!(late.media(2).await, [metadata(0, 999), keyframe(0, 1)]);
    drop((pair, late));
    target.unharmed().await;
}

#[tokio::test]
async fn h10_10_set_and_clear_data_frame_without_a_name_are_harmless() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for body in [
        &b"\x02\0\x0d@setDataFrame"[..],
        b"\x02\0\x0f@clearDataFrame",
        b"\x02\0\x0d@setDataFrame\x05",
    ] {
        pair.publisher.send_bytes(&message(4, DATA, 1, body)).await;
    }
    pair.publisher.send(pair.stream, &[keyframe(0, 1)]).await;
    while timeout(SOON, pair.player.next_media()).await.expect("media") != keyframe(0, 1) {}
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h10_11_media_of_who_does_not_publish_reach_nobody() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    pair.player
        .force(MessageStreamId::new(1), &[keyframe(0, 66)])
        .await;
    let mut idle = target.connected().await;
    let stream = idle.create_stream().await;
    idle.force(stream, &[keyframe(0, 67)]).await;
    goes_on(&mut idle).await;
    goes_on(&mut pair.player).await;
    pair.relays(&[keyframe(0, 1)]).await;
    drop((pair, idle));
    target.unharmed().await;
}

#[tokio::test]
async fn h10_12_streams_without_keyframes_and_with_nothing_else_stay_bounded() {
    let target = Target::start().await;
    let mut endless = target.connected().await;
    let stream = endless.publish("attack").await.expect("a free name");
    endless.send(stream, &[keyframe(0, 0)]).await;
    for number in 1..80 {
        // A group of pictures without end.
        endless
            .send(stream, &[padded(frame(number, number), 1_000_000)])
            .await;
    }
    goes_on(&mut endless).await;
    let held = target.relay().statistics().bytes;
    assert!(held <= 34 << 20, "{held} bytes");
    for number in 80..2000 {
        endless.send(stream, &[keyframe(number, number)]).await;
    }
    goes_on(&mut endless).await;
    let held = target.relay().statistics().bytes;
    assert!(held < 1 << 20, "{held} bytes");
    drop(endless);
    target.unharmed().await;
}

#[tokio::test]
async fn h10_13_a_publisher_is_never_held_up_by_its_players() {
    let mut target = Target::with(SessionConfig::default(), Observers::new()).await;
    let mut pair = Pair::join(&target).await;
    for number in 0..60 {
        pair.publisher
            .send(pair.stream, &[padded(keyframe(number, number), 2_000_000)])
            .await;
    }
    goes_on(&mut pair.publisher).await;
    drop(pair);
    assert_eq!(text(&target.reason().await), "the client closed the connection");
    target.unharmed().await;
}

#[tokio::test]
async fn h10_14_players_that_never_read_cost_the_others_nothing() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut player = target.connected().await;
        player.play("attack").await.expect("a stream to play");
        stalled.push(player);
    }
    for number in 0..100 {
        pair.relays(&[padded(keyframe(number, number), 200_000)]).await;
    }
    let held = target.relay().statistics().bytes;
    assert!(held <= 34 << 20, "{held} bytes");
    drop((pair, stalled));
    target.unharmed().await;
}

#[tokio::test]
async fn h10_15_a_publisher_that_vanishes_and_comes_back_keeps_its_players() {
    let target = Target::start().await;
    let mut player = target.connected().await;
    player.play("attack").await.expect("players may wait");
    for number in 0..100 {
        let mut publisher = target.connected().await;
        // The name is free as soon as the server has noticed.
        let stream = loop {
            match publisher.publish("attack").await {
                Ok(stream) => break stream,
                Err(status) => assert_eq!(status.code, StatusCode::PublishBadName),
            }
        };
        let sent = [video_header(number, number), keyframe(number, number)];
        publisher.send(stream, &sent).await;
        assert_eq!(timeout(SOON, player.media(2)).await.expect("media"), sent);
        let linger = Some(std::time::Duration::ZERO);
        socket2::SockRef::from(&*publisher.io())
            .set_linger(linger)
            .unwrap();
    }
    drop(player);
    target.unharmed().await;
}

#[tokio::test]
async fn h10_16_players_that_leave_in_the_middle_of_a_frame_leave_nothing() {
    let target = Target::start().await;
    let mut publisher = target.connected().await;
    let stream = publisher.publish("attack").await.expect("a free name");
    publisher.send(stream, &[padded(keyframe(0, 0), 3_000_000)]).await;
    for _ in 0..300 {
        let mut player = target.connected().await;
        player.play("attack").await.expect("a stream to play");
    }
    publisher.send(stream, &[audio(40, 1)]).await;
    goes_on(&mut publisher).await;
    drop(publisher);
    target.unharmed().await;
}
