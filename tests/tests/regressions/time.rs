//! Timestamps of streams that run for weeks, and of publishers whose clocks are not as they should be.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use rtmp_client::{PlayRequest, PublishKind};
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientConfig;
use rtmp_core::flv::{FlvDecoder, FlvRecorder, Metadata};
use rtmp_core::message::PublishRequest;
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::{Observers, PublishGrant, PublishObserver, Relay, SessionConfig, SessionInfo, Verdict};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, session, session_over};
use tokio::io::duplex;
use tokio_util::codec::Decoder;

use crate::support::{at, client, peer, player};

/// Times at which clocks of fewer bits fail: 4 h 39 min (2^24 ms), 24.8 days (2^31 ms), 49.7 days (2^32 ms) and twice
/// that; frames 40 ms apart around each, and a quarter of a wrap from one to the next so that none is ambiguous.
fn long_times() -> Vec<u64> {
    let quarter = 1_u64 << 30;
    let edges = [
        1 << 24,
        quarter,
        2 * quarter,
        3 * quarter,
        4 * quarter,
        5 * quarter,
    ];
    let edges = edges.into_iter().chain((6..=8).map(|number| number * quarter));
    edges
        .flat_map(|edge| (0..10).map(move |step| edge - 200 + 40 * step))
        .collect()
}

/// A keyframe that takes several chunks, and audio that takes one, for each time.
fn long_stream() -> Vec<(u64, MediaMessage)> {
    let at_both = |time: u64| {
        let wire = time as u32;
        let number = (time / 40) as u32;
        [
            (time, padded(keyframe(wire, number), 700)),
            (time, audio(wire, number)),
        ]
    };
    long_times().into_iter().flat_map(at_both).collect()
}

#[tokio::test(start_paused = true)]
async fn z1_time_goes_on_through_every_bit_of_the_clock_from_publisher_to_player_to_file() {
    let relay = Relay::default();
    let small = || SessionConfig::default().chunk_size(128);
    let (pushing, _) = client(&relay, small()).await;
    let (pulling, _) = client(&relay, small()).await;
    let stream = pushing.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    let stream = pulling.create_stream().await.unwrap();
    let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
    let mut tap = relay.play("live", "cam");
    let mut recorder = FlvRecorder::new().index_capacity(200);
    let mut file = BytesMut::new();

    let sent = long_stream();
    for (time, message) in &sent {
        publisher.send(message.clone()).await.unwrap();
        assert!(tap.recv().await.as_ref() == Some(message), "{time}");
        let received = playback.recv().await.unwrap().unwrap();
        assert!(received == *message, "{time}");
        assert_eq!(playback.time(), Duration::from_millis(*time));
        recorder.record(&received, &mut file).unwrap();
    }
    publisher.finish().await.unwrap();
    assert_eq!(playback.recv().await.unwrap(), None);

    let start = sent[0].0;
    let patches = recorder.finish(&mut file).unwrap();
    for patch in patches {
        let place = patch.offset as usize;
        file[place..place + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    let mut decoder = FlvDecoder::new();
    let metadata = decoder.decode(&mut file).unwrap().unwrap();
    let metadata = Metadata::parse(&metadata.payload).unwrap();
    let last = sent[sent.len() - 1].0;
    // Seconds as a floating point number, in the file.
    let millis = |time: Duration| (time.as_secs_f64() * 1000.0).round() as u64;
    assert_eq!(millis(metadata.duration().unwrap()), last - start + 40);
    let index = metadata.keyframes().unwrap();
    assert_eq!(
        index.iter().map(|entry| millis(entry.time)).collect::<Vec<_>>(),
        long_times().iter().map(|time| time - start).collect::<Vec<_>>()
    );
    for (time, message) in &sent {
        let tag = decoder.decode(&mut file).unwrap().unwrap();
        assert_eq!(tag.timestamp.as_millis(), (time - start) as u32);
        assert!(tag.payload == message.payload);
    }
    // The last tag's size is left.
    assert!(decoder.decode(&mut file).unwrap().is_none());
    assert!(file.remaining() <= 4);
}

#[tokio::test(start_paused = true)]
async fn z1_an_encoder_that_starts_late_and_one_that_uses_deltas_are_read_alike() {
    // Our own client begins with absolute times and goes on with deltas; this one sends nothing but absolute times.
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    for (time, message) in long_stream() {
        publisher.force(stream, std::slice::from_ref(&message)).await;
        assert!(watcher.next_media().await == message, "{time}");
    }
}

/// A video message of 300 bytes in chunks of 128, with a time of `time` in a type 0 header.
fn in_chunks(time: u32, stream: MessageStreamId, is_repeated: bool) -> (Vec<u8>, MediaMessage) {
    let message = padded(keyframe(time, 7), 300 - keyframe(0, 7).payload.len());
    let mut wire = vec![6, 0xFF, 0xFF, 0xFF, 0, 1, 44, 9];
    wire.extend(stream.get().to_le_bytes());
    wire.extend(time.to_be_bytes());
    for (place, chunk) in message.payload.chunks(128).enumerate() {
        if place > 0 {
            wire.push(0xC6);
            wire.extend(time.to_be_bytes().into_iter().filter(|_| is_repeated));
        }
        wire.extend(chunk);
    }
    (wire, message)
}

#[tokio::test(start_paused = true)]
async fn z2_the_extended_timestamp_may_be_repeated_in_type_3_chunks_or_left_out() {
    for is_repeated in [true, false] {
        let relay = Relay::default();
        let mut watcher = player(&relay).await;
        let (io, _session) = session(&Observers::new().relay(relay.clone()));
        let mut encoder = Peer::with_config(io, ClientConfig::default().chunk_size(128));
        encoder.connect("live").await.unwrap();
        let stream = encoder.publish("cam").await.unwrap();
        for time in [0x00FF_FFFF, 0x0100_0000, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
            let (wire, message) = in_chunks(time, stream, is_repeated);
            encoder.send_bytes(&wire).await;
            assert!(watcher.next_media().await == message, "{time:#x} {is_repeated}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn z5_behind_a_second_publish_sound_and_picture_have_one_clock() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    // The second encoder counts from its own start, and audio is ahead of video in both.
    for start in [5_000_000, 100] {
        let mut publisher = peer(&relay).await;
        let stream = publisher.publish("cam").await.unwrap();
        let sent = [
            video_header(start, 1),
            audio_header(start, 2),
            audio(start + 10, 3),
            keyframe(start + 30, 4),
            audio(start + 33, 5),
            frame(start + 70, 6),
        ];
        publisher.send(stream, &sent).await;
        for expected in &sent {
            let message = watcher.next_media().await;
            assert_eq!(message, *expected);
            recorder.record(&message, &mut file).unwrap();
        }
    }
    // In the file the second goes on where the first ended, both kinds by the same step.
    let mut decoder = FlvDecoder::new();
    let mut times = Vec::new();
    while let Some(tag) = decoder.decode(&mut file).unwrap() {
        if MediaMessage::from(tag.clone()).is_coded_frames() {
            times.push((tag.kind, tag.timestamp.as_millis()));
        }
    }
    let (sound, picture) = (MediaKind::Audio, MediaKind::Video);
    let once = [(sound, 0), (picture, 20), (sound, 23), (picture, 60)];
    let again = once.map(|(kind, time)| (kind, time + 60));
    assert_eq!(times, [once, again].concat());
}

#[tokio::test(start_paused = true)]
async fn z6_times_that_stand_still_or_go_back_end_no_session() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    // A B-frame is shown before it is decoded, if one believes its encoder.
    let early = MediaMessage::video(at(40), &b"\x27\x01\xFF\xFF\xD8b"[..]);
    let sent = [
        keyframe(1000, 1),
        frame(1000, 2),
        frame(1000, 3),
        frame(960, 4),
        audio(0, 5),
        early,
        frame(0, 7),
        audio(u32::MAX, 8),
        frame(1 << 31, 9),
        frame(0, 10),
    ];
    publisher.send(stream, &sent).await;
    assert_eq!(watcher.media(sent.len()).await, sent);
    publisher.send(stream, &[audio(20, 11)]).await;
    assert_eq!(watcher.next_media().await, audio(20, 11));
}

#[tokio::test(start_paused = true)]
async fn z7_a_relay_changes_no_time() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    // Audio seconds before video, each on a clock of its own, neither beginning at 0.
    let mut sent = vec![audio_header(700_000, 1)];
    sent.extend((0..100).map(|number| audio(700_000 + 23 * number, number)));
    sent.push(video_header(3_000_000, 2));
    sent.push(keyframe(3_000_000, 3));
    for number in 0..100 {
        sent.push(frame(3_000_040 + 40 * number, number));
        sent.push(audio(702_300 + 23 * number, number));
    }
    publisher.send(stream, &sent).await;
    assert!(watcher.media(sent.len()).await == sent);
}

/// Takes two seconds to say yes.
struct Slow;

#[async_trait]
impl PublishObserver for Slow {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Verdict::accept()
    }
}

#[tokio::test(start_paused = true)]
async fn z9_what_arrives_while_an_observer_decides_is_kept_whole() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let (ours, theirs) = duplex(1 << 20);
    let observers = Observers::new().publish(Slow).relay(relay.clone());
    let _session = session_over(theirs, &observers, SessionConfig::default());
    let mut publisher = Peer::connected(ours, "live").await;
    let stream = publisher.create_stream().await;
    let request = rtmp_core::message::Command::new("publish").with_argument("cam");
    publisher.say(stream, request).await;
    let mut sent = vec![video_header(0, 1), audio_header(0, 2)];
    for number in 0..50 {
        let (video, sound) = (keyframe(40 * number, number), audio(40 * number + 3, number));
        sent.extend([padded(video, 2000), sound]);
    }
    publisher.force(stream, &sent).await;
    assert!(watcher.media(sent.len()).await == sent);
}
