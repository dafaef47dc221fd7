//! What is in a file.

use std::fs;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_amf::amf0::{Object, Value};
use rtmp_core::flv::{FlvDecoder, FlvRecorder, Metadata, with_set_data_frame};
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::record::{RecordConfig, RecordError, RecordEvent, RecordMode};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, video_header};
use tokio_util::codec::Decoder;

use crate::support::{Studio, payloads, read, send, times};

async fn record(studio: &mut Studio, mode: RecordMode, messages: &[MediaMessage]) {
    let mut recording = studio.recorder.record("live", "cam", mode).unwrap();
    send(&mut recording, messages);
    recording.finish().await.unwrap();
}

#[tokio::test]
async fn a_file_has_everything_from_time_0_with_duration_length_and_index() {
    let mut studio = Studio::new(RecordConfig::default());
    let metadata = Metadata::new(
        Object::new()
            .with("width", 640)
            .with("duration", 0.0)
            .with("encoder", "camera")
            .with("nested", Object::new().with("a", true)),
    );
    let sent = [
        MediaMessage::data(Timestamp::ZERO, with_set_data_frame(&metadata.encode().unwrap())),
        video_header(5000, 1),
        audio_header(5000, 2),
        keyframe(5000, 3),
        audio(5010, 4),
        frame(5040, 5),
        keyframe(6000, 6),
        MediaMessage::data(Timestamp::from_millis(6010), &b"\x02\0\x0aonTextData\x05"[..]),
    ];
    record(&mut studio, RecordMode::Replace, &sent).await;
    let file = studio.completed().await;
    let (metadata, messages) = read(&file.path);
    assert_eq!(payloads(&messages), payloads(&sent[1..]));
    assert_eq!(times(&messages), [0, 0, 0, 10, 40, 1000, 1010]);

    assert_eq!(file.len, fs::metadata(&file.path).unwrap().len());
    assert_eq!(file.duration.as_millis(), 1960);
    assert_eq!(metadata.duration(), Some(file.duration));
    let get = |key| metadata.properties().get(key).cloned();
    assert_eq!(get("filesize"), Some(Value::Number(file.len as f64)));
    let kept: Vec<_> = metadata
        .properties()
        .iter()
        .map(|(key, _)| key.to_string())
        .collect();
    let kept: Vec<_> = kept
        .iter()
        .filter(|key| ["width", "encoder", "nested"].contains(&key.as_str()))
        .collect();
    assert_eq!(kept, ["width", "encoder", "nested"]);
    assert_eq!(get("nested"), Some(Value::from(Object::new().with("a", true))));
    let index: Vec<_> = metadata
        .keyframes()
        .unwrap()
        .iter()
        .map(|entry| entry.time.as_millis())
        .collect();
    assert_eq!(index, [0, 1000]);
}

#[tokio::test]
async fn every_track_of_a_real_stream_is_in_the_file_byte_for_byte() {
    for name in [
        "multitrack-enhanced.flv",
        "hevc-opus-enhanced.flv",
        "mp3.flv",
        "synthetic-manytracks.flv",
    ] {
        let path = format!("{}/vectors/flv/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut source = BytesMut::from(&fs::read(path).unwrap()[..]);
        let mut decoder = FlvDecoder::new();
        let mut sent = Vec::new();
        while let Some(tag) = decoder.decode_eof(&mut source).unwrap() {
            sent.push(MediaMessage::from(tag));
        }
        let mut studio = Studio::new(RecordConfig::default());
        record(&mut studio, RecordMode::Replace, &sent).await;
        let (_, messages) = read(&studio.completed().await.path);
        let is_metadata = |message: &&MediaMessage| !message.kind.is_data();
        let sent: Vec<_> = sent.iter().filter(is_metadata).cloned().collect();
        assert_eq!(payloads(&messages), payloads(&sent), "{name}");
    }
}

#[tokio::test]
async fn append_goes_on_behind_the_last_frame_and_replace_begins_anew() {
    let mut studio = Studio::new(RecordConfig::default());
    let path = studio.path("live/cam.flv");
    let part = |number| {
        [
            video_header(9000, number),
            keyframe(9000, number),
            frame(9040, number),
        ]
    };
    for number in [1, 2, 3] {
        record(&mut studio, RecordMode::Append, &part(number)).await;
    }
    let (metadata, messages) = read(&path);
    assert_eq!(times(&messages), [0, 0, 40, 80, 80, 120, 160, 160, 200]);
    assert_eq!(metadata.duration().unwrap().as_millis(), 240);
    assert_eq!(metadata.keyframes().unwrap().len(), 3);

    record(&mut studio, RecordMode::Replace, &part(4)).await;
    assert_eq!(payloads(&read(&path).1), payloads(&part(4)));
}

#[tokio::test]
async fn a_broken_tail_is_cut_off_before_anything_is_appended() {
    let mut studio = Studio::new(RecordConfig::default());
    let path = studio.path("live/cam.flv");
    record(
        &mut studio,
        RecordMode::Append,
        &[keyframe(0, 1), frame(40, 2), frame(80, 3)],
    )
    .await;
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    record(&mut studio, RecordMode::Append, &[keyframe(0, 4)]).await;
    let (_, messages) = read(&path);
    assert_eq!(times(&messages), [0, 40, 80]);
    assert_eq!(messages[2].payload, keyframe(0, 4).payload);
}

#[tokio::test]
async fn what_is_no_recording_is_not_appended_to_and_not_touched() {
    let mut studio = Studio::new(RecordConfig::default());
    let path = studio.path("live/cam.flv");
    fs::create_dir(studio.path("live")).unwrap();
    fs::write(&path, "a letter").unwrap();
    let mut recording = studio.recorder.record("live", "cam", RecordMode::Append).unwrap();
    send(&mut recording, &[keyframe(0, 1)]);
    let error = recording.finish().await.unwrap_err();
    assert!(matches!(error, RecordError::Append(_)), "{error}");
    assert_eq!(error.status().code.to_string(), "NetStream.Record.NoAccess");
    assert!(matches!(studio.next_event().await, RecordEvent::Failed { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"a letter");
}

#[tokio::test]
async fn a_recording_of_nothing_leaves_no_file_and_keeps_the_one_before() {
    let mut studio = Studio::new(RecordConfig::default());
    record(&mut studio, RecordMode::Replace, &[]).await;
    assert!(studio.files().is_empty());
    record(&mut studio, RecordMode::Replace, &[keyframe(0, 1)]).await;
    let before = fs::read(studio.path("live/cam.flv")).unwrap();
    record(&mut studio, RecordMode::Replace, &[]).await;
    record(&mut studio, RecordMode::Append, &[]).await;
    assert_eq!(fs::read(studio.path("live/cam.flv")).unwrap(), before);
}

/// Who plays a recording while it is replaced has the old one to its end.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_replaced_stays_whole_for_who_reads_it() {
    use std::io::Read;

    let mut studio = Studio::new(RecordConfig::default());
    let path = studio.path("live/cam.flv");
    record(&mut studio, RecordMode::Replace, &[keyframe(0, 1), frame(40, 2)]).await;
    let before = fs::read(&path).unwrap();
    let mut open = fs::File::open(&path).unwrap();
    record(&mut studio, RecordMode::Replace, &[keyframe(0, 3)]).await;
    let mut seen = Vec::new();
    open.read_to_end(&mut seen).unwrap();
    assert!(seen == before && fs::read(&path).unwrap() != before);
}

#[tokio::test]
async fn recordings_that_were_broken_off_are_completed_on_demand_and_others_left_alone() {
    let mut studio = Studio::new(RecordConfig::default().write_interval(Duration::ZERO));
    fs::create_dir(studio.path("live")).unwrap();
    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    for message in [keyframe(0, 1), frame(40, 2), keyframe(1000, 3), frame(1040, 4)] {
        recorder.record(&message, &mut file).unwrap();
    }
    fs::write(studio.path("live/broken.flv"), &file[..file.len() - 7]).unwrap();
    fs::write(studio.path("live/empty.flv"), b"").unwrap();
    fs::write(studio.path("live/text.flv"), b"no video").unwrap();
    let foreign = format!(
        "{}/vectors/flv/h264-aac-truncated.flv",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::copy(&foreign, studio.path("live/foreign.flv")).unwrap();
    let mut running = studio
        .recorder
        .record("live", "running", RecordMode::Replace)
        .unwrap();
    send(&mut running, &[keyframe(0, 1)]);
    studio.started().await;
    // It has its media once it has taken what follows.
    while running.handle().statistics().messages == 0 {
        tokio::task::yield_now().await;
    }

    assert_eq!(studio.recorder.recover().unwrap(), 1);
    let completed = studio.completed().await;
    assert_eq!(completed.name.stream_name(), "broken");
    let (metadata, messages) = read(&completed.path);
    assert_eq!(times(&messages), [0, 40, 1000]);
    assert_eq!(metadata.duration(), Some(completed.duration));
    assert_eq!(metadata.keyframes().unwrap().len(), 2);
    assert_eq!(
        fs::read(studio.path("live/foreign.flv")).unwrap(),
        fs::read(foreign).unwrap()
    );
    assert_eq!(fs::read(studio.path("live/text.flv")).unwrap(), b"no video");

    assert_eq!(studio.recorder.recover().unwrap(), 0);
    running.finish().await.unwrap();
    assert_eq!(studio.recorder.recover().unwrap(), 0);
}

/// What has been flushed is in the hands of the system, so it outlives the process.
#[tokio::test]
async fn each_message_is_in_the_file_before_the_next_comes() {
    let mut studio = Studio::new(RecordConfig::default().write_interval(Duration::ZERO));
    let mut recording = studio
        .recorder
        .record("live", "cam", RecordMode::Replace)
        .unwrap();
    studio.started().await;
    let mut sent = Vec::new();
    for number in 0..20 {
        let message = if number % 5 == 0 {
            keyframe(number * 40, number)
        } else {
            frame(number * 40, number)
        };
        send(&mut recording, std::slice::from_ref(&message));
        sent.push(message);
        while recording.handle().statistics().messages < sent.len() as u64 {
            tokio::task::yield_now().await;
        }
        assert_eq!(payloads(&read(&studio.path("live/cam.flv")).1), payloads(&sent));
    }
    recording.finish().await.unwrap();
}
