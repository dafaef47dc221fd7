use rtmp_amf::amf0::Value;

use super::*;
use crate::flv::vector_tests::{fixture, read_file};
use crate::flv::{FlvDecoder, with_set_data_frame};

pub(super) fn record_all(mut recorder: FlvRecorder, messages: &[MediaMessage]) -> BytesMut {
    let mut file = BytesMut::new();
    for message in messages {
        recorder.record(message, &mut file).unwrap();
    }
    for patch in recorder.finish(&mut file).unwrap() {
        apply(&patch, &mut file);
    }
    file
}

pub(super) fn apply(patch: &FlvPatch, file: &mut BytesMut) {
    let start = patch.offset as usize;
    file[start..start + patch.bytes.len()].copy_from_slice(&patch.bytes);
}

pub(super) fn read(file: &BytesMut) -> (Metadata, Vec<MediaMessage>, FlvDecoder) {
    let (tags, decoder, error) = read_file(file.clone());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(decoder.irregularities(), Default::default());
    let mut messages = tags.into_iter().map(MediaMessage::from);
    let metadata = Metadata::parse(&messages.next().unwrap().payload).unwrap();
    (metadata, messages.collect(), decoder)
}

pub(super) fn clip() -> Vec<MediaMessage> {
    let (tags, ..) = read_file(fixture("examples/media/clip.flv"));
    tags.into_iter().map(MediaMessage::from).collect()
}

pub(super) fn keyframe(millis: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(millis), &b"\x17\x01\0\0\0\x65"[..])
}

pub(super) fn number(metadata: &Metadata, key: &str) -> f64 {
    metadata.properties().get(key).and_then(Value::as_number).unwrap()
}

/// ffprobe reads a last audio packet at 5.072 s that lasts 23 ms, and keyframes at every whole second.
#[test]
fn a_recorded_clip_has_its_tags_its_duration_and_an_index_that_points_at_keyframes() {
    let clip = clip();
    let file = record_all(FlvRecorder::new(), &clip);
    let (metadata, messages, decoder) = read(&file);
    assert_eq!(
        messages,
        clip[1..],
        "all but the metadata, payloads and times as they were"
    );
    assert_eq!(decoder.header(), Some(FlvHeader::new(true, true)));
    assert_eq!(metadata.duration().unwrap().as_millis(), 5095);
    assert_eq!(number(&metadata, FILESIZE), file.len() as f64);
    assert_eq!(number(&metadata, LAST_TIMESTAMP), 5.072);
    assert_eq!(number(&metadata, LAST_KEYFRAME_TIMESTAMP), 4.0);
    assert_eq!(
        metadata.properties().get(HAS_KEYFRAMES),
        Some(&Value::Boolean(true))
    );

    let index = metadata.keyframes().unwrap();
    assert_eq!(
        index
            .iter()
            .map(|entry| entry.time.as_millis())
            .collect::<Vec<_>>(),
        [0, 1000, 2000, 3000, 4000]
    );
    for entry in index {
        let mut decoder = FlvDecoder::new();
        let mut part = BytesMut::from(&file[..13]);
        part.extend_from_slice(&file[entry.offset as usize..]);
        let tag = tokio_util::codec::Decoder::decode(&mut decoder, &mut part)
            .unwrap()
            .unwrap();
        assert_eq!(u128::from(tag.timestamp.as_millis()), entry.time.as_millis());
        assert!(MediaMessage::from(tag).is_keyframe());
    }
}

#[test]
fn the_publishers_metadata_is_kept_but_for_what_the_recording_knows_better() {
    let metadata = Metadata::new(
        Object::new()
            .with("duration", 99.0)
            .with("width", 640)
            .with("keyframes", Object::new())
            .with("encoder", "camera 1"),
    );
    let message = MediaMessage::data(Timestamp::ZERO, with_set_data_frame(&metadata.encode().unwrap()));
    let (recorded, messages, _) = read(&record_all(
        FlvRecorder::new(),
        &[message, keyframe(0), keyframe(40)],
    ));
    assert_eq!(messages, [keyframe(0), keyframe(40)]);
    assert_eq!(number(&recorded, "duration"), 0.08);
    assert_eq!(number(&recorded, "width"), 640.0);
    assert_eq!(
        recorded.properties().get("encoder").and_then(Value::as_str),
        Some("camera 1")
    );
    let durations = recorded
        .properties()
        .iter()
        .filter(|(key, _)| **key == *"duration")
        .count();
    assert_eq!(durations, 1);
}

#[test]
fn the_first_frame_is_at_zero_and_configuration_before_it_too() {
    let header = |millis| MediaMessage::audio(Timestamp::from_millis(millis), &b"\xAF\0\x12\x10"[..]);
    let start = u32::MAX - 19;
    let (metadata, messages, _) = read(&record_all(
        FlvRecorder::new(),
        &[header(5), keyframe(start), header(0), keyframe(20)],
    ));
    let times: Vec<_> = messages
        .iter()
        .map(|message| message.timestamp.as_millis())
        .collect();
    assert_eq!(times, [0, 0, 20, 40]);
    assert_eq!(metadata.duration().unwrap().as_millis(), 80);
}

/// A player that joins a live stream often gets audio from before its first keyframe behind it, or ahead of it.
#[test]
fn the_earliest_frame_is_at_zero_though_another_comes_first() {
    let video_header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x64"[..]);
    let audio_header = MediaMessage::audio(Timestamp::ZERO, &b"\xAF\0\x12\x10"[..]);
    let audio = |millis| MediaMessage::audio(Timestamp::from_millis(millis), &b"\xAF\x01\x21"[..]);
    let times = |frames: &[MediaMessage]| -> Vec<_> {
        let opening = [video_header.clone(), audio_header.clone()];
        let (metadata, messages, _) = read(&record_all(FlvRecorder::new(), &[&opening, frames].concat()));
        assert_eq!(
            messages[..2]
                .iter()
                .map(|header| header.timestamp.as_millis())
                .max(),
            Some(0)
        );
        assert_eq!(messages.len(), frames.len() + 2);
        let keyframe = messages.iter().find(|message| message.is_keyframe()).unwrap();
        let indexed = metadata.keyframes().unwrap()[0].time.as_millis();
        assert_eq!(indexed, u128::from(keyframe.timestamp.as_millis()));
        messages[2..]
            .iter()
            .map(|message| message.timestamp.as_millis())
            .collect()
    };
    let start = 90_000;
    let overtaken = [
        audio(start + 300),
        audio(start + 323),
        keyframe(start),
        audio(start + 346),
    ];
    assert_eq!(times(&overtaken), [300, 323, 0, 346]);
    let behind = [
        keyframe(start),
        audio(start - 20),
        audio(start + 3),
        keyframe(start + 40),
    ];
    assert_eq!(times(&behind), [20, 0, 23, 60]);
}

#[test]
fn frames_are_held_for_a_second_at_most_and_come_out_when_they_are_asked_for() {
    let video_header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x64"[..]);
    let audio_header = MediaMessage::audio(Timestamp::ZERO, &b"\xAF\0\x12\x10"[..]);
    let begin = || {
        let (mut recorder, mut file) = (FlvRecorder::new(), BytesMut::new());
        for message in [&video_header, &audio_header, &keyframe(0), &keyframe(1000)] {
            recorder.record(message, &mut file).unwrap();
        }
        assert!(file.is_empty());
        (recorder, file)
    };
    let (mut recorder, mut file) = begin();
    recorder.record(&keyframe(1040), &mut file).unwrap();
    assert_eq!(read(&file).1.len(), 5);
    let (mut recorder, mut file) = begin();
    recorder.release(&mut file).unwrap();
    assert_eq!(read(&file).1.len(), 4);
    let mut nothing = BytesMut::new();
    FlvRecorder::new().release(&mut nothing).unwrap();
    assert!(nothing.is_empty());
}

#[test]
fn without_rebasing_times_stay_and_the_duration_is_the_span() {
    let recorder = FlvRecorder::new().rebase(false);
    let (metadata, messages, _) = read(&record_all(recorder, &[keyframe(90_000), keyframe(90_040)]));
    assert_eq!(messages, [keyframe(90_000), keyframe(90_040)]);
    assert_eq!(metadata.duration().unwrap().as_millis(), 80);
    let index = metadata.keyframes().unwrap();
    assert_eq!(index.last().unwrap().time.as_millis(), 90_040);
}

#[test]
fn an_index_that_outgrows_its_room_is_thinned_and_the_file_stays_sound() {
    let keyframes: Vec<_> = (0..100).map(|n| keyframe(n * 1000)).collect();
    let (metadata, messages, _) = read(&record_all(FlvRecorder::new().index_capacity(10), &keyframes));
    assert_eq!(messages, keyframes);
    let times: Vec<_> = metadata
        .keyframes()
        .unwrap()
        .iter()
        .map(|entry| entry.time.as_secs())
        .collect();
    assert_eq!(times, [0, 16, 32, 48, 64, 80, 96]);
}

#[test]
fn the_largest_and_the_smallest_index_fit_their_room() {
    for capacity in [0, 1, usize::MAX] {
        let keyframes: Vec<_> = (0..3).map(|n| keyframe(n * 1000)).collect();
        let (metadata, ..) = read(&record_all(
            FlvRecorder::new().index_capacity(capacity),
            &keyframes,
        ));
        assert_eq!(metadata.keyframes().unwrap().len(), capacity.min(3));
    }
}

#[test]
fn a_file_that_was_never_finished_is_readable() {
    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    recorder.record(&keyframe(7), &mut file).unwrap();
    let (metadata, messages, _) = read(&file);
    assert_eq!(messages, [keyframe(0)]);
    assert_eq!(metadata.duration(), None);
    assert_eq!(metadata.keyframes(), Some(vec![]));
}

#[test]
fn a_recording_of_nothing_is_a_file_without_media() {
    let silence = MediaMessage::audio(Timestamp::from_millis(3), Bytes::new());
    let (metadata, messages, decoder) = read(&record_all(FlvRecorder::new(), std::slice::from_ref(&silence)));
    assert_eq!(messages, [MediaMessage::audio(Timestamp::ZERO, Bytes::new())]);
    assert_eq!(metadata.duration(), None);
    assert_eq!(decoder.header(), Some(FlvHeader::new(true, false)));
}

#[test]
fn what_is_held_before_the_first_frame_is_bounded() {
    let text = MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x0AonTextData\x05"[..]);
    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    for _ in 0..MAX_HELD_COUNT {
        recorder.record(&text, &mut file).unwrap();
    }
    assert!(file.is_empty());
    recorder.record(&text, &mut file).unwrap();
    assert_eq!(read(&file).1.len(), MAX_HELD_COUNT + 1);

    let large = MediaMessage::data(Timestamp::ZERO, vec![5; MAX_HELD_LEN + 1]);
    let mut file = BytesMut::new();
    FlvRecorder::new().record(&large, &mut file).unwrap();
    assert!(file.len() > MAX_HELD_LEN);
}

#[test]
fn a_message_too_long_for_a_tag_is_refused_and_the_recording_goes_on() {
    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    recorder.record(&keyframe(0), &mut file).unwrap();
    let too_long = MediaMessage::video(Timestamp::ZERO, vec![0x27; Tag::MAX_PAYLOAD_LEN + 1]);
    assert!(matches!(
        recorder.record(&too_long, &mut file),
        Err(FlvError::TagTooLong { .. })
    ));
    recorder.record(&keyframe(40), &mut file).unwrap();
    assert_eq!(read(&file).1, [keyframe(0), keyframe(40)]);
}

#[test]
fn clear_data_frame_is_not_recorded_and_later_metadata_stays_in_its_place() {
    let clear = MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x0F@clearDataFrame"[..]);
    let metadata = Metadata::new(Object::new().with("width", 320)).encode().unwrap();
    let later = MediaMessage::data(Timestamp::from_millis(20), with_set_data_frame(&metadata));
    let (first, messages, _) = read(&record_all(
        FlvRecorder::new(),
        &[keyframe(0), clear, later, keyframe(40)],
    ));
    assert_eq!(first.properties().get("width"), None);
    let unwrapped = MediaMessage::data(Timestamp::from_millis(20), metadata);
    assert_eq!(messages, [keyframe(0), unwrapped, keyframe(40)]);
}
