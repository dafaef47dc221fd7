//! Recordings in several files.

use std::time::Duration;

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::flv::Metadata;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::record::{RecordConfig, RecordMode};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, padded, video_header};

use crate::support::{Studio, payloads, read, send, times};

fn group(start: u32, number: u32) -> [MediaMessage; 3] {
    [
        keyframe(start, number),
        frame(start + 400, number),
        audio(start + 500, number),
    ]
}

async fn record(studio: &Studio, mode: RecordMode, messages: &[MediaMessage]) {
    let mut recording = studio.recorder.record("live", "cam", mode).unwrap();
    send(&mut recording, messages);
    recording.finish().await.unwrap();
}

#[tokio::test]
async fn segments_are_cut_at_keyframes_and_begin_at_0_with_the_headers_in_force() {
    let mut studio = Studio::new(RecordConfig::default().segment_duration(Duration::from_secs(2)));
    let metadata = Metadata::new(Object::new().with("width", 640)).encode().unwrap();
    let metadata = MediaMessage::data(Timestamp::ZERO, metadata);
    let headers = [metadata, video_header(0, 2), audio_header(0, 3)];
    let new_header = [video_header(3000, 4)];
    let groups: Vec<_> = (0..5).map(|n| group(n * 1000, n)).collect();
    let messages = [
        &headers[..],
        &groups[..3].concat(),
        &new_header,
        &groups[3..].concat(),
    ]
    .concat();
    record(&studio, RecordMode::Replace, &messages).await;

    let mut found = Vec::new();
    for number in 1..=3 {
        let file = studio.completed().await;
        assert_eq!(file.name.segment_number(), number);
        let (metadata, messages) = read(&file.path);
        assert_eq!(metadata.duration(), Some(file.duration));
        assert_eq!(metadata.properties().get("width"), Some(&Value::Number(640.0)));
        found.push(messages);
    }
    assert_eq!(
        studio.files(),
        ["live/cam.flv", "live/cam@000002.flv", "live/cam@000003.flv"]
    );
    let [video, sound] = [&headers[1..2], &headers[2..3]];
    let expected = [
        [video, sound, &groups[0], &groups[1]].concat(),
        [video, sound, &groups[2], &new_header, &groups[3]].concat(),
        [&new_header, sound, &groups[4]].concat(),
    ];
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(payloads(found), payloads(expected));
    }
    assert_eq!(times(&found[1]), [0, 0, 0, 400, 500, 1000, 1000, 1400, 1500]);
}

#[tokio::test]
async fn segments_may_be_cut_by_length() {
    let mut studio = Studio::new(RecordConfig::default().segment_len(100_000));
    let large = |n: u32| [padded(keyframe(n * 1000, n), 60_000), frame(n * 1000 + 40, n)];
    let messages: Vec<_> = (0..5).flat_map(large).collect();
    record(&studio, RecordMode::Replace, &messages).await;
    let mut lengths = Vec::new();
    for _ in 0..3 {
        lengths.push(studio.completed().await.len);
    }
    assert!(
        lengths[0] > 100_000 && lengths[1] > 100_000 && lengths[2] < 100_000,
        "{lengths:?}"
    );
}

#[tokio::test]
async fn append_goes_on_with_the_last_segment_and_replace_removes_them_all() {
    let studio = Studio::new(RecordConfig::default().segment_duration(Duration::from_secs(2)));
    let groups: Vec<_> = (0..3).flat_map(|n| group(n * 1000, n)).collect();
    record(&studio, RecordMode::Append, &groups).await;
    assert_eq!(studio.files(), ["live/cam.flv", "live/cam@000002.flv"]);
    record(&studio, RecordMode::Append, &groups).await;
    assert_eq!(
        studio.files(),
        ["live/cam.flv", "live/cam@000002.flv", "live/cam@000003.flv"]
    );
    assert_eq!(read(&studio.path("live/cam@000002.flv")).1.len(), 6);
    record(&studio, RecordMode::Replace, &groups[..3]).await;
    assert_eq!(studio.files(), ["live/cam.flv"]);
}

#[tokio::test]
async fn a_stream_without_video_is_cut_at_any_frame() {
    let studio = Studio::new(RecordConfig::default().segment_duration(Duration::from_secs(1)));
    let mut messages = vec![audio_header(0, 0)];
    messages.extend((0..30).map(|n| audio(n * 100, n)));
    record(&studio, RecordMode::Replace, &messages).await;
    assert_eq!(studio.files().len(), 3);
    let (_, last) = read(&studio.path("live/cam@000003.flv"));
    assert_eq!(last[0].payload, messages[0].payload);
    assert_eq!(times(&last), [0, 0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
}
