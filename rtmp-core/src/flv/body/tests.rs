//! What is refused, and that the parser reads what is written.

use proptest::prelude::*;

use super::golden_tests::send_zero;
use super::*;
use crate::flv::{
    AudioCodec, AudioHeader, AudioPacketType, AudioTrack, ChannelOrder, ColorInfo, FrameType,
    MultichannelConfig, MultitrackType, VideoCodec, VideoCommand, VideoHeader, VideoPacketType, VideoTrack,
};

/// As OBS sends it: with the frame type of a command, readers would not get as far as the packet type.
#[test]
fn metadata_of_a_track_other_than_0_is_not_taken_for_a_command() {
    let content = ColorInfo::default().encode();
    let body = VideoBody::metadata(VideoTrack::new(VideoCodec::Hevc, &content).with_id(2))
        .to_bytes()
        .unwrap();
    assert_eq!(body[..], *b"\x86\x04hvc1\x02\x02\0\x09colorInfo\x06");
}

#[test]
fn an_av1_descriptor_of_mpeg2_ts_is_a_sequence_header() {
    // By hand from Enhanced RTMP v2; the content is the start of a video descriptor (tag 0x80, length 4).
    let track = VideoTrack::new(VideoCodec::Av1, &[0x80, 4, 0x81, 0, 0, 0]);
    let body = VideoBody::mpeg2_ts_sequence_start(track).to_bytes().unwrap();
    assert_eq!(body[..], *b"\x95av01\x80\x04\x81\0\0\0");
    assert!(VideoHeader::parse(&body).unwrap().is_sequence_header());
}

#[test]
fn only_codecs_with_a_four_cc_are_written() {
    for codec in [VideoCodec::Vp6, VideoCodec::Other(9)] {
        let refused = Err(MediaBodyError::VideoCodec { codec });
        let track = VideoTrack::new(codec, &[]);
        assert_eq!(VideoBody::sequence_start(track).to_bytes(), refused);
        assert_eq!(
            VideoBody::many_tracks(FrameType::Key, &[track, track.with_id(1)]).to_bytes(),
            refused
        );
    }
    let codec = AudioCodec::Speex;
    assert_eq!(
        AudioBody::coded_frames(AudioTrack::new(codec, &[])).to_bytes(),
        Err(MediaBodyError::AudioCodec { codec })
    );
}

#[test]
fn only_pictures_are_coded_frames_and_only_known_commands_are_written() {
    for frame_type in [FrameType::Command, FrameType::Other(0), FrameType::Other(255)] {
        assert_eq!(
            VideoBody::coded_frames(frame_type, VideoTrack::new(VideoCodec::Av1, &[])).to_bytes(),
            Err(MediaBodyError::FrameType { frame_type })
        );
    }
    assert_eq!(
        VideoBody::command(VideoCommand::StartSeek).to_bytes().unwrap()[..],
        [0xD0, 0]
    );
    assert_eq!(
        VideoBody::command(VideoCommand::Other(0)).to_bytes(),
        Err(MediaBodyError::Command { value: 0 })
    );
}

#[test]
fn composition_times_are_refused_where_they_would_be_lost_or_cut() {
    let frame = |codec, composition_time| {
        let track = VideoTrack::new(codec, &[1]).with_composition_time(composition_time);
        VideoBody::coded_frames(FrameType::Key, track).to_bytes()
    };
    for composition_time in [0x80_0000, -0x80_0001] {
        assert_eq!(
            frame(VideoCodec::Hevc, composition_time),
            Err(MediaBodyError::CompositionTime {
                composition_time,
                min: -0x80_0000,
                max: 0x7F_FFFF
            })
        );
    }
    let refused = Err(MediaBodyError::NoCompositionTime {
        track: 0,
        composition_time: 1,
    });
    assert_eq!(frame(VideoCodec::Vp9, 1), refused);
    let start = VideoTrack::new(VideoCodec::Hevc, &[1]).with_composition_time(1);
    assert_eq!(VideoBody::sequence_start(start).to_bytes(), refused);
}

#[test]
fn composition_times_of_0_are_left_out_only_if_all_tracks_are_of_codecs_that_have_them() {
    let (hevc, avc) = (
        VideoTrack::new(VideoCodec::Hevc, &[1]),
        VideoTrack::new(VideoCodec::Avc, &[2]).with_id(1),
    );
    let packet_type = |tracks: &[VideoTrack<'_>]| {
        let body = VideoBody::many_tracks(FrameType::Key, tracks).to_bytes().unwrap();
        VideoHeader::parse(&body).unwrap().packet_type
    };
    assert_eq!(packet_type(&[hevc, avc]), VideoPacketType::CodedFramesX);
    assert_eq!(
        packet_type(&[hevc, avc.with_composition_time(1)]),
        VideoPacketType::CodedFrames
    );
    let av1 = VideoTrack::new(VideoCodec::Av1, &[3]).with_id(2);
    assert_eq!(packet_type(&[hevc, avc, av1]), VideoPacketType::CodedFrames);
}

#[test]
fn a_presentation_offset_of_a_millisecond_is_refused() {
    let track = AudioTrack::new(AudioCodec::Opus, &[]);
    assert_eq!(
        AudioBody::coded_frames(track)
            .with_presentation_offset_nanos(1_000_000)
            .to_bytes(),
        Err(MediaBodyError::PresentationOffset {
            nanos: 1_000_000,
            limit: 999_999
        })
    );
}

#[test]
fn several_tracks_are_at_least_one_and_different() {
    assert_eq!(
        AudioBody::many_tracks(&[]).to_bytes(),
        Err(MediaBodyError::NoTracks)
    );
    assert_eq!(
        VideoBody::many_tracks(FrameType::Key, &[]).to_bytes(),
        Err(MediaBodyError::NoTracks)
    );
    let track = AudioTrack::new(AudioCodec::Opus, &[]).with_id(7);
    assert_eq!(
        AudioBody::many_tracks(&[track, track]).to_bytes(),
        Err(MediaBodyError::DuplicateTrack { track: 7 })
    );
}

#[test]
fn one_of_several_tracks_is_as_long_as_its_size_field_can_say() {
    let data = vec![0; 0xFF_FFFF];
    let track = VideoTrack::new(VideoCodec::Hevc, &data).with_id(3);
    assert!(
        VideoBody::many_tracks(FrameType::Key, &[track])
            .to_bytes()
            .is_ok()
    );
    assert_eq!(
        VideoBody::many_tracks(FrameType::Key, &[track.with_composition_time(1)]).to_bytes(),
        Err(MediaBodyError::TrackTooLong {
            track: 3,
            len: 0x100_0002,
            limit: 0xFF_FFFF
        }),
        "the composition time counts"
    );
}

#[test]
fn channels_and_speakers_must_agree() {
    let write = |config| AudioBody::multichannel_config(0, AudioCodec::Opus, config).to_bytes();
    let config = |channel_count, order| MultichannelConfig { channel_count, order };
    for (config, speakers) in [
        (config(3, ChannelOrder::Native { mask: 3 }), 2),
        (config(1, ChannelOrder::Custom { speakers: &[0, 1] }), 2),
        (MultichannelConfig::custom(&[0; 256]), 256),
    ] {
        let channel_count = config.channel_count;
        assert_eq!(
            write(config),
            Err(MediaBodyError::Speakers {
                channel_count,
                speakers
            })
        );
    }
    assert_eq!(
        write(config(2, ChannelOrder::Other(0))),
        Err(MediaBodyError::ChannelOrder { value: 0 })
    );
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn video_codec() -> impl Strategy<Value = VideoCodec> {
    use VideoCodec::*;
    prop_oneof![
        prop::sample::select(vec![Avc, Hevc, Av1, Vp8, Vp9, Vvc]),
        any::<[u8; 4]>().prop_map(|bytes| super::FourCc::new(bytes).into()),
    ]
}

fn audio_codec() -> impl Strategy<Value = AudioCodec> {
    use AudioCodec::*;
    prop_oneof![
        prop::sample::select(vec![Mp3, Aac, Opus, Flac, Ac3, EAc3]),
        any::<[u8; 4]>().prop_map(|bytes| super::FourCc::new(bytes).into()),
    ]
}

fn frame_type() -> impl Strategy<Value = FrameType> {
    use FrameType::*;
    prop::sample::select(vec![Key, Inter, DisposableInter, GeneratedKey])
}

fn composition_time() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(-0x80_0000), Just(0x7F_FFFF), -200_i32..200]
}

/// Ids that differ, each with a codec, a composition time and data.
fn video_tracks() -> impl Strategy<Value = Vec<(u8, VideoCodec, i32, Vec<u8>)>> {
    let track = (video_codec(), composition_time(), data());
    prop::collection::hash_map(any::<u8>(), track, 1..5).prop_map(|tracks| {
        let track = |(id, (codec, time, data)): (u8, (VideoCodec, i32, _))| {
            (
                id,
                codec,
                if codec.has_composition_time() { time } else { 0 },
                data,
            )
        };
        tracks.into_iter().map(track).collect()
    })
}

fn check_video(
    body: VideoBody<'_>,
    frame_type: FrameType,
    nanos: u32,
    multitrack: Option<MultitrackType>,
    tracks: &[VideoTrack<'_>],
) -> Result<VideoPacketType, TestCaseError> {
    let body = body.with_presentation_offset_nanos(nanos).to_bytes().unwrap();
    let header = VideoHeader::parse(&body).unwrap();
    prop_assert_eq!(
        (header.frame_type, header.presentation_offset_nanos),
        (frame_type, nanos)
    );
    prop_assert_eq!(header.multitrack, multitrack);
    let parsed: Vec<_> = header.tracks().collect::<Result<_, _>>().unwrap();
    prop_assert_eq!(&parsed[..], tracks);
    Ok(header.packet_type)
}

fn check_audio(
    body: AudioBody<'_>,
    nanos: u32,
    multitrack: Option<MultitrackType>,
    tracks: &[AudioTrack<'_>],
) -> Result<AudioPacketType, TestCaseError> {
    let body = body.with_presentation_offset_nanos(nanos).to_bytes().unwrap();
    let header = AudioHeader::parse(&body).unwrap();
    prop_assert!(header.is_enhanced());
    prop_assert_eq!(
        (header.multitrack, header.presentation_offset_nanos),
        (multitrack, nanos)
    );
    let parsed: Vec<_> = header.tracks().collect::<Result<_, _>>().unwrap();
    prop_assert_eq!(&parsed[..], tracks);
    Ok(header.packet_type)
}

proptest! {
    #[test]
    fn frames_of_video_are_parsed_as_they_were_written(
        frame_type in frame_type(),
        nanos in prop_oneof![Just(0_u32), 0_u32..1_000_000],
        tracks in video_tracks(),
        is_zero_sent in any::<bool>(),
    ) {
        let tracks: Vec<_> = tracks
            .iter()
            .map(|(id, codec, time, data)| VideoTrack::new(*codec, data).with_id(*id).with_composition_time(*time))
            .collect();
        let many = send_zero(VideoBody::many_tracks(frame_type, &tracks), is_zero_sent);
        let is_one_codec = tracks.iter().all(|track| track.codec == tracks[0].codec);
        let multitrack =
            if is_one_codec { MultitrackType::ManyTracks } else { MultitrackType::ManyTracksManyCodecs };
        check_video(many, frame_type, nanos, Some(multitrack), &tracks)?;
        for track in tracks {
            let one = send_zero(VideoBody::coded_frames(frame_type, track), is_zero_sent);
            let multitrack = (track.id != 0).then_some(MultitrackType::OneTrack);
            let packet_type = check_video(one, frame_type, nanos, multitrack, &[track])?;
            let is_omitted = !is_zero_sent && track.codec.has_composition_time() && track.composition_time == 0;
            prop_assert_eq!(packet_type == VideoPacketType::CodedFramesX, is_omitted);
        }
    }

    #[test]
    fn other_video_packets_are_parsed_as_they_were_written(
        id in any::<u8>(),
        codec in video_codec(),
        data in data(),
        nanos in 0_u32..1_000_000,
    ) {
        let track = VideoTrack::new(codec, &data).with_id(id);
        let end = VideoTrack::new(codec, &[]).with_id(id);
        let multitrack = (id != 0).then_some(MultitrackType::OneTrack);
        let metadata_frame_type = if id == 0 { FrameType::Command } else { FrameType::Other(0) };
        for (body, frame_type, packet_type, track) in [
            (VideoBody::sequence_start(track), FrameType::Key, VideoPacketType::SequenceStart, track),
            (VideoBody::sequence_end(id, codec), FrameType::Key, VideoPacketType::SequenceEnd, end),
            (VideoBody::metadata(track), metadata_frame_type, VideoPacketType::Metadata, track),
            (
                VideoBody::mpeg2_ts_sequence_start(track),
                FrameType::Key,
                VideoPacketType::Mpeg2TsSequenceStart,
                track,
            ),
        ] {
            prop_assert_eq!(check_video(body, frame_type, nanos, multitrack, &[track])?, packet_type);
        }
    }

    #[test]
    fn audio_is_parsed_as_it_was_written(
        tracks in prop::collection::hash_map(any::<u8>(), (audio_codec(), data()), 1..5),
        nanos in prop_oneof![Just(0_u32), 0_u32..1_000_000],
    ) {
        let tracks: Vec<_> =
            tracks.iter().map(|(id, (codec, data))| AudioTrack::new(*codec, data).with_id(*id)).collect();
        let is_one_codec = tracks.iter().all(|track| track.codec == tracks[0].codec);
        let multitrack =
            if is_one_codec { MultitrackType::ManyTracks } else { MultitrackType::ManyTracksManyCodecs };
        let many = AudioBody::many_tracks(&tracks);
        prop_assert_eq!(check_audio(many, nanos, Some(multitrack), &tracks)?, AudioPacketType::CodedFrames);
        for track in tracks {
            let multitrack = (track.id != 0).then_some(MultitrackType::OneTrack);
            let end = AudioTrack::new(track.codec, &[]).with_id(track.id);
            for (body, packet_type, track) in [
                (AudioBody::sequence_start(track), AudioPacketType::SequenceStart, track),
                (AudioBody::coded_frames(track), AudioPacketType::CodedFrames, track),
                (AudioBody::sequence_end(track.id, track.codec), AudioPacketType::SequenceEnd, end),
            ] {
                prop_assert_eq!(check_audio(body, nanos, multitrack, &[track])?, packet_type);
            }
        }
    }

    #[test]
    fn channels_are_parsed_as_they_were_written(
        id in any::<u8>(),
        count in any::<u8>(),
        mask in any::<u32>(),
        speakers in prop::collection::vec(any::<u8>(), 0..=255),
    ) {
        for config in [
            MultichannelConfig::unspecified(count),
            MultichannelConfig::native(mask),
            MultichannelConfig::custom(&speakers),
        ] {
            let body = AudioBody::multichannel_config(id, AudioCodec::Flac, config).to_bytes().unwrap();
            let header = AudioHeader::parse(&body).unwrap();
            prop_assert_eq!(header.packet_type, AudioPacketType::MultichannelConfig);
            let track = header.tracks().next().unwrap().unwrap();
            prop_assert_eq!((track.id, track.codec), (id, AudioCodec::Flac));
            prop_assert_eq!(MultichannelConfig::parse(track.body), Ok(config));
        }
    }
}
