use super::tests::{apply, clip, keyframe, number, read, record_all};
use super::*;
use crate::flv::vector_tests::fixture;

/// Reads a file in pieces, and mends its end.
fn resume(file: &mut BytesMut) -> Result<Option<FlvRecorder>, FlvError> {
    let mut resume = FlvResume::new();
    let mut unread = BytesMut::new();
    for piece in file.chunks(1000) {
        unread.extend_from_slice(piece);
        resume.read(&mut unread)?;
    }
    let Some((recorder, end)) = resume.finish(&mut unread)? else {
        return Ok(None);
    };
    file.resize(end.offset as usize + end.bytes.len(), 0);
    apply(&end, file);
    Ok(Some(recorder))
}

fn finish(recorder: FlvRecorder, file: &mut BytesMut) {
    for patch in recorder.finish(file).unwrap() {
        apply(&patch, file);
    }
}

fn unfinished(messages: &[MediaMessage]) -> BytesMut {
    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    for message in messages {
        recorder.record(message, &mut file).unwrap();
    }
    file
}

#[test]
fn a_recording_that_was_broken_off_is_finished_as_if_it_had_ended_in_order() {
    let clip = clip();
    let mut file = unfinished(&clip);
    let recorder = resume(&mut file).unwrap().unwrap();
    assert_eq!(recorder.file_len(), file.len() as u64);
    finish(recorder, &mut file);
    assert_eq!(file, record_all(FlvRecorder::new(), &clip));
}

#[test]
fn wherever_a_recording_breaks_off_only_the_tag_that_was_cut_is_lost() {
    let frames: Vec<_> = (0..4).map(|n| keyframe(n * 40)).collect();
    let whole = unfinished(&frames);
    let start = unfinished(&frames[..1]).len();
    let tag_len = (whole.len() - start) / 3;
    for len in start..=whole.len() {
        let mut file = BytesMut::from(&whole[..len]);
        let recorder = resume(&mut file).unwrap().unwrap();
        finish(recorder, &mut file);
        // A tag is whole without the four bytes of its size.
        let count = (len + 4 - start) / tag_len + 1;
        assert_eq!(
            file,
            record_all(FlvRecorder::new(), &frames[..count]),
            "cut at {len}"
        );
    }
}

#[test]
fn what_is_appended_follows_on_the_last_frame_with_its_own_headers() {
    let header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x64"[..]);
    let mut file = record_all(
        FlvRecorder::new(),
        &[header.clone(), keyframe(700), keyframe(740)],
    );
    let before = file.clone();
    let mut recorder = resume(&mut file).unwrap().unwrap();
    assert_eq!(file, before);
    for message in [header.clone(), keyframe(90_000), keyframe(90_040)] {
        recorder.record(&message, &mut file).unwrap();
    }
    assert_eq!(recorder.file_len(), file.len() as u64);
    finish(recorder, &mut file);

    let (metadata, messages, _) = read(&file);
    let times: Vec<_> = messages
        .iter()
        .map(|message| message.timestamp.as_millis())
        .collect();
    assert_eq!(times, [0, 0, 40, 80, 80, 120]);
    assert_eq!(messages[3].payload, header.payload);
    assert_eq!(metadata.duration().unwrap().as_millis(), 160);
    assert_eq!(number(&metadata, FILESIZE), file.len() as f64);
    let index: Vec<_> = metadata
        .keyframes()
        .unwrap()
        .iter()
        .map(|entry| entry.time.as_millis())
        .collect();
    assert_eq!(index, [0, 40, 80, 120]);
}

/// Who knows the times of what follows gets the file that was broken off, as if it had never been.
#[test]
fn what_goes_on_with_the_times_of_the_file_leaves_no_seam() {
    let frames: Vec<_> = [0, 40, 80, 130, 170].map(keyframe).into();
    let record = |recorder: &mut FlvRecorder, frames: &[MediaMessage], file: &mut BytesMut| {
        for message in frames {
            recorder.record(message, file).unwrap();
        }
    };
    let mut file = unfinished(&frames[..3]);
    let mut recorder = resume(&mut file).unwrap().unwrap().rebase(false);
    record(&mut recorder, &frames[3..], &mut file);
    finish(recorder, &mut file);
    assert_eq!(file, record_all(FlvRecorder::new(), &frames));
}

#[test]
fn appending_often_is_like_recording_at_once() {
    let frames: Vec<_> = (0..60).map(|n| keyframe(n * 1000)).collect();
    let mut file = record_all(FlvRecorder::new().index_capacity(8), &frames[..20]);
    for part in [&frames[20..40], &frames[40..]] {
        let mut recorder = resume(&mut file).unwrap().unwrap();
        for message in part {
            recorder.record(message, &mut file).unwrap();
        }
        finish(recorder, &mut file);
    }
    assert_eq!(file, record_all(FlvRecorder::new().index_capacity(8), &frames));
}

#[test]
fn metadata_behind_the_first_do_not_contradict_them() {
    let mut file = record_all(FlvRecorder::new(), &[keyframe(0)]);
    let mut recorder = resume(&mut file).unwrap().unwrap();
    let metadata = Metadata::new(Object::new().with("duration", 0.0).with("width", 320));
    let metadata = MediaMessage::data(Timestamp::ZERO, metadata.encode().unwrap());
    recorder.record(&metadata, &mut file).unwrap();
    recorder.record(&keyframe(0), &mut file).unwrap();
    let (_, messages, _) = read(&file);
    let later = Metadata::parse(&messages[1].payload).unwrap();
    assert_eq!(later.properties(), &Object::new().with("width", 320));
}

/// Ffprobe reads a last audio packet at 2.130 s that lasts 23 ms. FFmpeg's metadata have a duration and a file size, and no room.
#[test]
fn a_file_of_another_program_keeps_its_metadata_and_gets_the_numbers_that_it_has() {
    let mut file = fixture("tests/vectors/flv/h264-aac.flv");
    let before = read(&file);
    let mut recorder = resume(&mut file).unwrap().unwrap();
    assert_eq!(recorder.duration().as_millis(), 2153);
    recorder.record(&keyframe(0), &mut file).unwrap();
    recorder.record(&keyframe(100), &mut file).unwrap();
    finish(recorder, &mut file);
    let (metadata, messages, decoder) = read(&file);
    assert_eq!(decoder.header(), Some(FlvHeader::new(true, true)));
    assert_eq!(messages.len(), before.1.len() + 2);
    assert_eq!(metadata.duration().unwrap().as_millis(), 2153 + 200);
    assert_eq!(number(&metadata, FILESIZE), file.len() as f64);
    let keys = |metadata: &Metadata| -> Vec<_> {
        metadata.properties().iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(keys(&metadata), keys(&before.0));
}

#[test]
fn a_file_without_metadata_is_continued_without() {
    let mut file =
        BytesMut::from(&b"FLV\x01\x04\0\0\0\x09\0\0\0\0\x08\0\0\x02\0\0\x17\0\0\0\0\xAF\x01\0\0\0\x0D"[..]);
    let mut recorder = resume(&mut file).unwrap().unwrap();
    recorder.record(&keyframe(0), &mut file).unwrap();
    finish(recorder, &mut file);
    let (tags, decoder, _) = crate::flv::vector_tests::read_file(file);
    assert_eq!(
        tags.iter()
            .map(|tag| tag.timestamp.as_millis())
            .collect::<Vec<_>>(),
        [23, 23]
    );
    assert_eq!(decoder.header(), Some(FlvHeader::new(true, true)));
}

#[test]
fn a_file_without_a_whole_tag_is_begun_anew() {
    let whole = unfinished(&[keyframe(0)]);
    for len in [0, 1, 9, 12, 13, 14, 24, 500] {
        assert!(
            resume(&mut BytesMut::from(&whole[..len])).unwrap().is_none(),
            "{len}"
        );
    }
}

#[test]
fn what_is_no_flv_file_or_several_is_refused() {
    let mut text = BytesMut::from(&b"not a video at all"[..]);
    assert!(matches!(resume(&mut text), Err(FlvError::NotFlv { .. })));
    let one = unfinished(&[keyframe(0)]);
    let mut two = BytesMut::from(&[&one[..], &one[..]].concat()[..]);
    assert!(matches!(resume(&mut two), Err(FlvError::SeveralFiles)));
}

/// Padding that is not what this recorder writes must not make room where there is none.
#[test]
fn metadata_that_only_look_like_ours_are_another_programs() {
    let properties = Object::new()
        .with("duration", 9.0)
        .with(
            "keyframes",
            Object::new().with("times", vec![]).with("filepositions", vec![]),
        )
        .with("padding", vec![Value::Number(0.0); 7]);
    let payload = Metadata::new(properties).encode().unwrap();
    let mut file = BytesMut::new();
    let mut encoder = crate::flv::FlvEncoder::default();
    for message in [
        MediaMessage::data(Timestamp::ZERO, payload),
        keyframe(0),
        keyframe(40),
    ] {
        tokio_util::codec::Encoder::encode(&mut encoder, message, &mut file).unwrap();
    }
    let len = file.len();
    let recorder = resume(&mut file).unwrap().unwrap();
    finish(recorder, &mut file);
    assert_eq!(file.len(), len);
    assert_eq!(number(&read(&file).0, "duration"), 0.08);
}
