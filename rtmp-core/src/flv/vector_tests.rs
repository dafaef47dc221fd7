//! The golden files of `tests/vectors/flv` and the cases of `tests/vectors/enhanced`.

use std::collections::BTreeMap;
use std::fs;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rtmp_amf::amf0::{self, Value};
use serde_json::Value as Json;
use tokio_util::codec::{Decoder, Encoder};

use super::*;
use crate::{MediaKind, MediaMessage, Timestamp};

pub(super) fn fixture(name: &str) -> BytesMut {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    BytesMut::from(&fs::read(path).unwrap()[..])
}

/// Everything a decoder says about a file, fed in one piece.
pub(super) fn read_file(mut file: BytesMut) -> (Vec<Tag>, FlvDecoder, Option<FlvError>) {
    let mut decoder = FlvDecoder::new();
    let mut tags = Vec::new();
    loop {
        match decoder.decode_eof(&mut file) {
            Ok(Some(tag)) => tags.push(tag),
            Ok(None) => return (tags, decoder, None),
            Err(error) => return (tags, decoder, Some(error)),
        }
    }
}

/// Counts of audio, video and script tags, and the last time: FFmpeg's packets and the configuration tags, and
/// where it cannot read the codec, a scan of the tag headers by other means.
#[test]
fn every_fixture_has_the_tags_it_should_have() {
    for (name, audio, video, script, last_millis) in [
        ("h264-aac.flv", 89, 32, 1, 1933),
        ("h264-aac-keyframe-index.flv", 89, 32, 1, 1933),
        ("hevc-opus-enhanced.flv", 63, 20, 1, 1327),
        ("mp3.flv", 40, 0, 1, 1019),
        ("multitrack-enhanced.flv", 98, 38, 1, 1089),
        ("synthetic-manycodecs-sequence-start.flv", 0, 1, 0, 0),
        ("synthetic-manytracks-manycodecs.flv", 0, 20, 0, 1139),
        ("synthetic-manytracks.flv", 90, 34, 1, 1933),
        ("synthetic-modex.flv", 0, 20, 0, 1133),
    ] {
        let (tags, decoder, error) = read_file(fixture(&format!("tests/vectors/flv/{name}")));
        let count = |kind| tags.iter().filter(|tag| tag.kind == kind).count();
        assert!(error.is_none(), "{name}");
        assert_eq!(decoder.irregularities(), Irregularities::default(), "{name}");
        assert_eq!(
            (
                count(MediaKind::Audio),
                count(MediaKind::Video),
                count(MediaKind::Data)
            ),
            (audio, video, script),
            "{name}"
        );
        assert_eq!(tags.last().unwrap().timestamp.as_millis(), last_millis, "{name}");
    }
}

/// ffprobe reads 44 audio and 17 video packets, the last complete one at byte 19638, and begins another at 19856.
/// Metadata and sequence header tags come on top; one audio packet is the cut one.
#[test]
fn a_file_that_was_cut_gives_its_complete_tags_and_where_they_end() {
    let (tags, decoder, error) = read_file(fixture("tests/vectors/flv/h264-aac-truncated.flv"));
    assert_eq!(tags.len(), 63);
    assert_eq!(decoder.tag_offset(), 19_638);
    assert!(matches!(error, Some(FlvError::TruncatedTag { offset: 19_856 })));
}

/// FFmpeg 9 reads these packets of each track; for the last file, a scan by other means counted them.
#[test]
fn multitrack_files_have_the_frames_of_every_track() {
    let frames = |name: &str| {
        let (tags, ..) = read_file(fixture(&format!("tests/vectors/flv/{name}")));
        let mut frames = BTreeMap::new();
        for tag in tags {
            let ids: Vec<_> = match tag.kind {
                MediaKind::Video => {
                    let header = VideoHeader::parse(&tag.payload).unwrap();
                    let tracks = header.tracks().map(|track| ("video", track.unwrap().id));
                    tracks.filter(|_| header.packet_type.is_coded_frames()).collect()
                }
                MediaKind::Audio => {
                    let header = AudioHeader::parse(&tag.payload).unwrap();
                    let tracks = header.tracks().map(|track| ("audio", track.unwrap().id));
                    tracks
                        .filter(|_| header.packet_type == AudioPacketType::CodedFrames)
                        .collect()
                }
                _ => Vec::new(),
            };
            for id in ids {
                *frames.entry(id).or_insert(0) += 1;
            }
        }
        frames.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        frames("synthetic-manytracks.flv"),
        [
            (("audio", 0), 88),
            (("audio", 1), 88),
            (("video", 0), 30),
            (("video", 1), 30)
        ]
    );
    assert_eq!(
        frames("synthetic-manytracks-manycodecs.flv"),
        [(("video", 0), 18), (("video", 1), 18)]
    );
    assert_eq!(
        frames("multitrack-enhanced.flv"),
        [
            (("audio", 0), 44),
            (("audio", 1), 51),
            (("video", 0), 17),
            (("video", 1), 17)
        ]
    );
}

/// The presentation offsets were added to the frames of the other file, and nothing else was changed.
#[test]
fn mod_ex_changes_nothing_but_the_presentation_time() {
    let frames = |name: &str| {
        let (tags, ..) = read_file(fixture(&format!("tests/vectors/flv/{name}")));
        let mut frames = Vec::new();
        let mut offsets = 0;
        for tag in tags.iter().filter(|tag| tag.kind == MediaKind::Video) {
            let header = VideoHeader::parse(&tag.payload).unwrap();
            offsets += usize::from(header.presentation_offset_nanos > 0);
            for track in header.tracks() {
                let track = track.unwrap();
                frames.push((
                    header.frame_type,
                    track.composition_time,
                    Bytes::copy_from_slice(track.body),
                ));
            }
        }
        (frames, offsets)
    };
    let (plain, no_offsets) = frames("hevc-opus-enhanced.flv");
    let (extended, offsets) = frames("synthetic-modex.flv");
    assert_eq!(no_offsets, 0);
    assert!(offsets > 0);
    assert_eq!(plain, extended);
}

#[test]
fn what_late_joiners_need_is_found_in_real_files() {
    use Configuration::*;
    let configurations = |name: &str| {
        let (tags, ..) = read_file(fixture(&format!("tests/vectors/flv/{name}")));
        let mut found: Vec<_> = tags
            .into_iter()
            .flat_map(|tag| MediaMessage::from(tag).configurations().collect::<Vec<_>>())
            .collect();
        found.sort();
        found.dedup();
        found
    };
    assert_eq!(
        configurations("h264-aac.flv"),
        [
            Metadata,
            VideoSequenceHeader { track: 0 },
            AudioSequenceHeader { track: 0 }
        ]
    );
    assert_eq!(
        configurations("hevc-opus-enhanced.flv"),
        [
            Metadata,
            VideoSequenceHeader { track: 0 },
            VideoMetadata { track: 0 },
            AudioSequenceHeader { track: 0 },
            MultichannelConfig { track: 0 }
        ]
    );
    assert_eq!(
        configurations("synthetic-manycodecs-sequence-start.flv"),
        [VideoSequenceHeader { track: 0 }, VideoSequenceHeader { track: 1 }]
    );
}

#[test]
fn tags_written_again_are_the_same_file() {
    for name in ["tests/vectors/flv/h264-aac.flv", "examples/media/clip.flv"] {
        let file = fixture(name);
        let (tags, decoder, _) = read_file(file.clone());
        let mut encoder = FlvEncoder::new(decoder.header().unwrap());
        let mut written = BytesMut::new();
        for tag in &tags {
            encoder
                .encode(MediaMessage::from(tag.clone()), &mut written)
                .unwrap();
        }
        assert!(written == file, "{name}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again_wherever_the_input_is_cut(
        tags in prop::collection::vec(tag(), 0..12),
        cuts in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let mut encoder = FlvEncoder::default();
        let mut file = BytesMut::new();
        encoder.encode_header(&mut file);
        for tag in &tags {
            encoder.encode(tag, &mut file).unwrap();
        }
        let (decoded, end) = read_in_pieces(&file, &cuts);
        prop_assert_eq!(decoded, tags);
        prop_assert_eq!(end, None);
    }

    #[test]
    fn damaged_files_read_alike_wherever_they_are_cut(
        tags in prop::collection::vec(tag(), 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        len in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let mut encoder = FlvEncoder::default();
        let mut file = BytesMut::new();
        for tag in &tags {
            encoder.encode(tag, &mut file).unwrap();
        }
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(len.index(file.len()) + 1);
        let whole = read_in_pieces(&file, &[file.len()]);
        prop_assert_eq!(read_in_pieces(&file, &cuts), whole);
    }

    #[test]
    fn arbitrary_bytes_end(body in prop::collection::vec(any::<u8>(), 0..300), with_header in any::<bool>()) {
        let header: &[u8] = if with_header { b"FLV\x01\x05\0\0\0\x09\0\0\0\0" } else { b"" };
        let file = [header, &body].concat();
        let (tags, _) = read_in_pieces(&file, &[7]);
        prop_assert!(tags.len() <= file.len() / 11);
    }
}

fn tag() -> impl Strategy<Value = Tag> {
    let kind = prop::sample::select(vec![
        MediaKind::Audio,
        MediaKind::Video,
        MediaKind::Data,
        MediaKind::Amf3Data,
    ]);
    (kind, any::<u32>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(kind, millis, payload)| Tag {
        kind,
        timestamp: Timestamp::from_millis(millis),
        payload: payload.into(),
    })
}

/// The tags, and how the input ended.
fn read_in_pieces(file: &[u8], cuts: &[usize]) -> (Vec<Tag>, Option<String>) {
    let mut decoder = FlvDecoder::new();
    let (mut tags, mut src, mut rest) = (Vec::new(), BytesMut::new(), file);
    for &cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        src.extend_from_slice(piece);
        rest = after;
        let at_end = rest.is_empty();
        loop {
            let tag = if at_end {
                decoder.decode_eof(&mut src)
            } else {
                decoder.decode(&mut src)
            };
            match tag {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) if at_end => return (tags, None),
                Ok(None) => break,
                Err(error) => return (tags, Some(error.to_string())),
            }
        }
    }
    unreachable!("cycle() does not end");
}

/// `cases.json` says what each body means; see the README beside it.
#[test]
fn every_enhanced_case_reads_as_stated() {
    let cases: Vec<Json> = serde_json::from_slice(&fixture("tests/vectors/enhanced/cases.json")).unwrap();
    assert_eq!(cases.len(), 38);
    for case in &cases {
        let body = hex::decode(case["hex"].as_str().unwrap()).unwrap();
        match case["media"].as_str().unwrap() {
            "video" => check_video(case, &body),
            media => {
                assert_eq!(media, "audio");
                check_audio(case, &body);
            }
        }
    }
}

fn check_video(case: &Json, body: &[u8]) {
    let name = &case["name"];
    let header = match VideoHeader::parse(body) {
        Ok(header) => header,
        Err(error) => {
            assert_eq!(case["error"], true, "{name}: {error}");
            return;
        }
    };
    assert!(case["error"].is_null(), "{name}");
    assert!(header.is_enhanced, "{name}");
    if case["skip"] == true {
        let is_unknown_codec = matches!(header.codec(), Some(VideoCodec::FourCc(_)));
        assert!(
            matches!(header.packet_type, VideoPacketType::Other(_)) || is_unknown_codec,
            "{name}"
        );
        return;
    }
    if let Some(frame_type) = case["frame_type"].as_u64() {
        let expected = [
            FrameType::Key,
            FrameType::Inter,
            FrameType::DisposableInter,
            FrameType::GeneratedKey,
            FrameType::Command,
        ][frame_type as usize - 1];
        assert_eq!(header.frame_type, expected, "{name}");
    }
    let packet = case["packet"].as_str().or(case["command"].as_str()).unwrap();
    let found = match header.packet_type {
        VideoPacketType::Command(command) => format!("{command:?}"),
        packet_type => format!("{packet_type:?}"),
    };
    assert_eq!(found, packet, "{name}");
    check_shared(case, header.multitrack, header.presentation_offset_nanos);
    let (tracks, faults): (Vec<_>, Vec<_>) = header.tracks().partition(Result::is_ok);
    assert_eq!(!faults.is_empty(), case["truncated"] == true, "{name}");
    let expected = case["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), expected.len(), "{name}");
    for (track, expected) in tracks.into_iter().map(Result::unwrap).zip(expected) {
        assert_eq!(track.id, expected["id"], "{name}");
        assert_eq!(
            track.codec.four_cc().unwrap().to_string(),
            expected["fourcc"],
            "{name}"
        );
        assert_eq!(
            track.composition_time,
            expected["composition_time"].as_i64().unwrap_or(0) as i32,
            "{name}"
        );
        if let Some(color_info) = expected.get("color_info") {
            let values = amf0::decode_all(Bytes::copy_from_slice(track.body)).unwrap();
            assert_eq!(values[0].as_str(), Some("colorInfo"), "{name}");
            let bit_depth = |value: &Value| {
                let config = value.as_object()?.get("colorConfig")?.as_object()?;
                config.get("bitDepth")?.as_number()
            };
            assert_eq!(
                bit_depth(&values[1]),
                color_info["colorConfig"]["bitDepth"].as_f64(),
                "{name}"
            );
        } else {
            assert_eq!(
                hex::encode(track.body),
                expected["body"].as_str().unwrap(),
                "{name}"
            );
        }
    }
}

fn check_audio(case: &Json, body: &[u8]) {
    let name = &case["name"];
    let header = AudioHeader::parse(body).unwrap();
    let packet = case["packet"].as_str().unwrap_or("Silence");
    assert_eq!(format!("{:?}", header.packet_type), packet, "{name}");
    assert_eq!(
        header.packet_type == AudioPacketType::Silence,
        case["silence"] == true,
        "{name}"
    );
    check_shared(case, header.multitrack, header.presentation_offset_nanos);
    let tracks: Vec<_> = header.tracks().map(Result::unwrap).collect();
    let expected = case["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), expected.len(), "{name}");
    for (track, expected) in tracks.into_iter().zip(expected) {
        assert_eq!(track.id, expected["id"], "{name}");
        assert_eq!(
            track.codec.four_cc().unwrap().to_string(),
            expected["fourcc"],
            "{name}"
        );
        let Some(order) = expected["order"].as_str() else {
            assert_eq!(
                hex::encode(track.body),
                expected["body"].as_str().unwrap(),
                "{name}"
            );
            continue;
        };
        let config = MultichannelConfig::parse(track.body).unwrap();
        assert_eq!(config.channel_count, expected["channels"], "{name}");
        match config.order {
            ChannelOrder::Native { mask } => {
                assert_eq!((order, &Json::from(mask)), ("native", &expected["mask"]))
            }
            ChannelOrder::Custom { speakers } => {
                assert_eq!((order, &Json::from(speakers)), ("custom", &expected["map"]));
            }
            ChannelOrder::Unspecified => assert_eq!(order, "unspecified"),
            ChannelOrder::Other(other) => panic!("{name}: order {other}"),
        }
    }
}

fn check_shared(case: &Json, multitrack: Option<MultitrackType>, nanos: u32) {
    let found = multitrack.map(|multitrack| format!("{multitrack:?}"));
    assert_eq!(found.as_deref(), case["multitrack"].as_str(), "{}", case["name"]);
    assert_eq!(
        u64::from(nanos),
        case["nano_offset"].as_u64().unwrap_or(0),
        "{}",
        case["name"]
    );
}
