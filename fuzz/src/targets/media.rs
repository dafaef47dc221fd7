//! Audio, video and data bodies: the questions agree with each other, and what is read can be written and read again.

use bytes::Bytes;
use rtmp_core::flv::{
    AudioBody, AudioHeader, AudioPacketType, AudioTrack, ColorInfo, Configuration, Metadata,
    MultichannelConfig, VideoBody, VideoHeader, VideoPacketType, VideoTrack, annex_b_to_avcc,
    is_clear_data_frame, strip_set_data_frame, with_set_data_frame,
};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

fn check_video(body: &[u8]) {
    let Ok(header) = VideoHeader::parse(body) else {
        return;
    };
    assert!(header.presentation_offset_nanos < 1_000_000);
    let tracks: Vec<_> = header.tracks().collect();
    assert!(tracks.len() <= body.len());
    assert!(
        tracks.iter().rev().skip(1).all(Result::is_ok),
        "a fault is the end"
    );
    let tracks: Vec<VideoTrack<'_>> = tracks.into_iter().flatten().collect();
    assert!(tracks.iter().map(|track| track.body.len()).sum::<usize>() <= body.len());
    assert_eq!(header.codec(), tracks.first().map(|track| track.codec));
    for track in &tracks {
        let record = track.vp_configuration_record();
        assert!(record.is_none_or(|record| record.len() <= track.body.len()));
        if track.is_annex_b() {
            // A start code of three bytes becomes a length of four.
            assert!(annex_b_to_avcc(track.body).len() <= track.body.len() * 2);
        }
        if header.packet_type == VideoPacketType::Metadata
            && let Ok(Some(info)) = ColorInfo::parse(track.body)
        {
            let again = ColorInfo::parse(&info.encode()).expect("what was written can be read");
            assert_eq!(format!("{again:?}"), format!("{:?}", Some(info)));
        }
    }
    if header.packet_type == VideoPacketType::CodedFrames {
        let many = VideoBody::many_tracks(header.frame_type, &tracks);
        for body in [many, many.with_composition_time_if_zero()] {
            let body = body.with_presentation_offset_nanos(header.presentation_offset_nanos);
            let Ok(written) = body.to_bytes() else { continue };
            let again = VideoHeader::parse(&written).expect("what was written can be read");
            assert_eq!(again.frame_type, header.frame_type);
            assert_eq!(again.presentation_offset_nanos, header.presentation_offset_nanos);
            let again: Vec<_> = again.tracks().flatten().collect();
            assert_eq!(format!("{again:?}"), format!("{tracks:?}"));
        }
    }
}

fn check_audio(body: &[u8]) {
    let Ok(header) = AudioHeader::parse(body) else {
        return;
    };
    assert!(header.presentation_offset_nanos < 1_000_000);
    let tracks: Vec<_> = header.tracks().collect();
    assert!(tracks.len() <= body.len());
    assert!(
        tracks.iter().rev().skip(1).all(Result::is_ok),
        "a fault is the end"
    );
    let tracks: Vec<AudioTrack<'_>> = tracks.into_iter().flatten().collect();
    assert!(tracks.iter().map(|track| track.body.len()).sum::<usize>() <= body.len());
    for track in &tracks {
        let _ = track.flac_stream_info();
        if header.packet_type == AudioPacketType::MultichannelConfig
            && let Ok(config) = MultichannelConfig::parse(track.body)
            && let Ok(written) = AudioBody::multichannel_config(track.id, track.codec, config).to_bytes()
        {
            let again = AudioHeader::parse(&written).expect("what was written can be read");
            let again = again.tracks().flatten().next().expect("its track");
            assert_eq!((again.id, again.codec), (track.id, track.codec));
            let again = MultichannelConfig::parse(again.body);
            assert_eq!(format!("{again:?}"), format!("Ok({config:?})"));
        }
    }
    if header.packet_type == AudioPacketType::CodedFrames
        && let Ok(written) = AudioBody::many_tracks(&tracks).to_bytes()
    {
        let again = AudioHeader::parse(&written).expect("what was written can be read");
        let again: Vec<_> = again.tracks().flatten().collect();
        assert_eq!(format!("{again:?}"), format!("{tracks:?}"));
    }
}

fn check_data(payload: &Bytes) {
    let bare = strip_set_data_frame(payload);
    assert!(bare.len() <= payload.len());
    // It is put in front once, and taken off once.
    let wrapped = with_set_data_frame(&bare);
    assert_eq!(with_set_data_frame(&wrapped), wrapped);
    assert_eq!(strip_set_data_frame(&wrapped), strip_set_data_frame(&bare));
    let Ok(metadata) = Metadata::parse(payload) else {
        return;
    };
    assert!(!is_clear_data_frame(payload));
    let _ = (metadata.duration(), metadata.keyframes());
    let tracks = metadata.video_tracks().count() + metadata.audio_tracks().count();
    assert!(tracks <= payload.len());
    // Only AMF3 objects that hold themselves can not be encoded.
    let Ok(encoded) = metadata.encode() else { return };
    let again = Metadata::parse(&encoded).expect("what was written can be read");
    assert_eq!(again.encode().expect("the same again"), encoded);
    assert_eq!(again.keyframes(), metadata.keyframes());
}

fn check_questions(message: &MediaMessage) {
    let configurations: Vec<_> = message.configurations().collect();
    assert!(configurations.len() <= message.payload.len());
    let is_header = |configuration: &Configuration| {
        matches!(
            configuration,
            Configuration::VideoSequenceHeader { .. } | Configuration::AudioSequenceHeader { .. }
        )
    };
    assert_eq!(message.is_sequence_header(), configurations.iter().any(is_header));
    assert_eq!(
        message.is_keyframe(),
        (0..=u8::MAX).any(|track| message.is_keyframe_of(track))
    );
    if message.is_keyframe() {
        assert!(message.kind == MediaKind::Video && message.is_coded_frames() && configurations.is_empty());
    }
    assert!(message.video_codec().is_none() || message.kind == MediaKind::Video);
    assert!(message.audio_codec().is_none() || message.kind == MediaKind::Audio);
    if message.is_coded_frames() {
        assert!(configurations.is_empty(), "frames configure nothing");
    }
}

/// Runs the target once: a kind, and a body.
pub fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    let payload = Bytes::copy_from_slice(body);
    let kind = match kind % 4 {
        0 => MediaKind::Video,
        1 => MediaKind::Audio,
        2 => MediaKind::Data,
        _ => MediaKind::Amf3Data,
    };
    match kind {
        MediaKind::Video => check_video(&payload),
        MediaKind::Audio => check_audio(&payload),
        MediaKind::Data | MediaKind::Amf3Data => check_data(&payload),
    }
    check_questions(&MediaMessage {
        kind,
        timestamp: Timestamp::ZERO,
        payload,
    });
}
