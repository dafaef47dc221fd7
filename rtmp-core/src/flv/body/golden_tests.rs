//! Bodies of `tests/vectors/enhanced` and of files, written from what they mean.

use serde_json::Value as Json;

use super::*;
use crate::flv::vector_tests::{fixture, read_file};
use crate::flv::{
    AudioCodec, AudioHeader, AudioPacketType, AudioTrack, ColorConfig, ColorInfo, FrameType,
    MultichannelConfig, VideoCodec, VideoCommand, VideoHeader, VideoPacketType, VideoTrack,
};
use crate::{MediaKind, MediaMessage, Timestamp};

/// Cases that are read but never written.
const NOT_WRITTEN: [(&str, &str); 9] = [
    ("metadata, frame type 0 (OBS)", "written with frame type 5"),
    ("metadata, frame type 1", "written with frame type 5"),
    (
        "command frame: start seek, no FourCC",
        "packet type 1; commands are written with 0",
    ),
    (
        "many tracks, second size too large: first track usable, rest dropped",
        "broken",
    ),
    ("nested multitrack is invalid", "broken"),
    (
        "ModEx unknown type 5 with 300 bytes (u16 size), then nano offset, then CodedFrames",
        "not specified",
    ),
    ("ModEx size 255 (one byte FE)", "not specified"),
    ("ModEx size 256 (FF 00FF)", "not specified"),
    ("reserved packet type 9: skip", "not specified"),
];

#[test]
fn every_case_that_is_valid_is_written_from_what_it_means() {
    let cases: Vec<Json> = serde_json::from_slice(&fixture("tests/vectors/enhanced/cases.json")).unwrap();
    let mut written = 0;
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        if NOT_WRITTEN.iter().any(|(not_written, _)| *not_written == name) {
            continue;
        }
        let body = match case["media"].as_str().unwrap() {
            _ if case["silence"] == true => Bytes::new(),
            "video" => write_video(case),
            _ => write_audio(case),
        };
        assert_eq!(hex::encode(body), case["hex"].as_str().unwrap(), "{name}");
        written += 1;
    }
    assert_eq!((written, cases.len()), (29, 38));
}

fn write_video(case: &Json) -> Bytes {
    if case["name"] == "unknown FourCC: skip" {
        let track = VideoTrack::new(FourCc::new(*b"xxxx").into(), &[0]);
        return VideoBody::coded_frames(FrameType::Key, track).to_bytes().unwrap();
    }
    if case["command"] == "EndSeek" {
        return VideoBody::command(VideoCommand::EndSeek).to_bytes().unwrap();
    }
    let frame_type = match case["frame_type"].as_u64() {
        Some(2) => FrameType::Inter,
        _ => FrameType::Key,
    };
    let contents: Vec<_> = case["tracks"].as_array().unwrap().iter().map(content).collect();
    let tracks: Vec<_> = contents
        .iter()
        .map(|(id, four_cc, composition_time, content)| {
            let track = VideoTrack::new((*four_cc).into(), content).with_id(*id);
            track.with_composition_time(*composition_time)
        })
        .collect();
    let packet = case["packet"].as_str().unwrap();
    let body = match packet {
        "SequenceStart" => VideoBody::sequence_start(tracks[0]),
        "SequenceEnd" => VideoBody::sequence_end(tracks[0].id, tracks[0].codec),
        "Metadata" => VideoBody::metadata(tracks[0]),
        _ if tracks.len() > 1 => VideoBody::many_tracks(frame_type, &tracks),
        _ => VideoBody::coded_frames(frame_type, tracks[0]),
    };
    let body = if packet == "CodedFrames" {
        body.with_composition_time_if_zero()
    } else {
        body
    };
    body.with_presentation_offset_nanos(nanos(case))
        .to_bytes()
        .unwrap()
}

fn write_audio(case: &Json) -> Bytes {
    let expected = case["tracks"].as_array().unwrap();
    let contents: Vec<_> = expected.iter().map(content).collect();
    let tracks: Vec<_> = contents
        .iter()
        .map(|(id, four_cc, _, content)| AudioTrack::new((*four_cc).into(), content).with_id(*id))
        .collect();
    let speakers: Vec<u8> = match expected[0]["map"].as_array() {
        Some(map) => map
            .iter()
            .map(|speaker| speaker.as_u64().unwrap() as u8)
            .collect(),
        None => Vec::new(),
    };
    let body = match case["packet"].as_str().unwrap() {
        "SequenceStart" => AudioBody::sequence_start(tracks[0]),
        "SequenceEnd" => AudioBody::sequence_end(tracks[0].id, tracks[0].codec),
        "MultichannelConfig" => {
            let config = match expected[0]["order"].as_str().unwrap() {
                "native" => MultichannelConfig::native(expected[0]["mask"].as_u64().unwrap() as u32),
                "custom" => MultichannelConfig::custom(&speakers),
                _ => MultichannelConfig::unspecified(expected[0]["channels"].as_u64().unwrap() as u8),
            };
            AudioBody::multichannel_config(tracks[0].id, tracks[0].codec, config)
        }
        _ if tracks.len() > 1 => AudioBody::many_tracks(&tracks),
        _ => AudioBody::coded_frames(tracks[0]),
    };
    body.with_presentation_offset_nanos(nanos(case))
        .to_bytes()
        .unwrap()
}

fn nanos(case: &Json) -> u32 {
    case["nano_offset"].as_u64().unwrap_or(0) as u32
}

/// Id, codec, composition time and body.
fn content(track: &Json) -> (u8, FourCc, i32, Bytes) {
    let body = match track.get("color_info") {
        Some(color_info) => {
            let bit_depth = color_info["colorConfig"]["bitDepth"].as_u64();
            let color_config = ColorConfig {
                bit_depth: bit_depth.map(|bits| bits as u8),
                ..ColorConfig::default()
            };
            ColorInfo {
                color_config,
                ..ColorInfo::default()
            }
            .encode()
        }
        None => hex::decode(track["body"].as_str().unwrap_or_default())
            .unwrap()
            .into(),
    };
    (
        track["id"].as_u64().unwrap() as u8,
        FourCc::new(track["fourcc"].as_str().unwrap().as_bytes().try_into().unwrap()),
        track["composition_time"].as_i64().unwrap_or(0) as i32,
        body,
    )
}

/// FFmpeg wrote the files that are not synthetic, and read those that are.
#[test]
fn bodies_in_files_are_written_again_from_what_was_read() {
    for name in [
        "h264-aac.flv",
        "hevc-opus-enhanced.flv",
        "mp3.flv",
        "multitrack-enhanced.flv",
        "synthetic-manytracks.flv",
        "synthetic-manytracks-manycodecs.flv",
    ] {
        let (tags, _, error) = read_file(fixture(&format!("tests/vectors/flv/{name}")));
        assert!(error.is_none(), "{name}");
        for tag in tags {
            // Track 0 with its id, alone in a body, is written without.
            if matches!(tag.payload[..], [0x95 | 0x96, 0x00..=0x02, _, _, _, _, 0, ..]) {
                continue;
            }
            let written = match tag.kind {
                MediaKind::Video => write_video_again(&tag.payload),
                MediaKind::Audio => write_audio_again(&tag.payload),
                _ => continue,
            };
            // The bodies are too long to print.
            assert!(written == tag.payload, "{name} at {:?}", tag.timestamp);
        }
    }
}

fn write_video_again(body: &[u8]) -> Bytes {
    let header = VideoHeader::parse(body).unwrap();
    let tracks: Vec<_> = header.tracks().map(Result::unwrap).collect();
    let VideoTrack {
        id,
        codec,
        composition_time,
        body,
    } = tracks[0];
    if !header.is_enhanced {
        assert_eq!(codec, VideoCodec::Avc);
        let message = match header.packet_type {
            VideoPacketType::SequenceStart => MediaMessage::avc_sequence_header(Timestamp::ZERO, body),
            VideoPacketType::CodedFrames => {
                MediaMessage::avc_frame(Timestamp::ZERO, header.frame_type, composition_time, body).unwrap()
            }
            _ => MediaMessage::avc_sequence_end(Timestamp::ZERO),
        };
        return message.payload;
    }
    let body = match header.packet_type {
        VideoPacketType::SequenceStart => VideoBody::sequence_start(tracks[0]),
        VideoPacketType::SequenceEnd => VideoBody::sequence_end(id, codec),
        VideoPacketType::Metadata => VideoBody::metadata(tracks[0]),
        _ if tracks.len() > 1 => VideoBody::many_tracks(header.frame_type, &tracks),
        _ => VideoBody::coded_frames(header.frame_type, tracks[0]),
    };
    let is_zero_sent = header.packet_type == VideoPacketType::CodedFrames;
    let body = send_zero(body, is_zero_sent).with_presentation_offset_nanos(header.presentation_offset_nanos);
    body.to_bytes().unwrap()
}

fn write_audio_again(body: &[u8]) -> Bytes {
    let header = AudioHeader::parse(body).unwrap();
    let tracks: Vec<_> = header.tracks().map(Result::unwrap).collect();
    let AudioTrack { id, codec, body } = tracks[0];
    if let Some(format) = header.sound_format {
        let message = match (codec, header.packet_type) {
            (AudioCodec::Aac, AudioPacketType::SequenceStart) => {
                MediaMessage::aac_sequence_header(Timestamp::ZERO, body)
            }
            (AudioCodec::Aac, _) => MediaMessage::aac_frame(Timestamp::ZERO, body),
            _ => MediaMessage::legacy_audio(Timestamp::ZERO, codec, format, body).unwrap(),
        };
        return message.payload;
    }
    let body = match header.packet_type {
        AudioPacketType::SequenceStart => AudioBody::sequence_start(tracks[0]),
        AudioPacketType::SequenceEnd => AudioBody::sequence_end(id, codec),
        AudioPacketType::MultichannelConfig => {
            AudioBody::multichannel_config(id, codec, MultichannelConfig::parse(body).unwrap())
        }
        _ if tracks.len() > 1 => AudioBody::many_tracks(&tracks),
        _ => AudioBody::coded_frames(tracks[0]),
    };
    body.with_presentation_offset_nanos(header.presentation_offset_nanos)
        .to_bytes()
        .unwrap()
}

pub(super) fn send_zero(body: VideoBody<'_>, is_zero_sent: bool) -> VideoBody<'_> {
    if is_zero_sent {
        body.with_composition_time_if_zero()
    } else {
        body
    }
}
