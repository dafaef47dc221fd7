//! A server machine that accepts everything, and clients recorded from real programs
//! (`vectors/captures/README.md` says which and how).

use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::MediaKind;
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::ConnectReply;

use crate::described;
use crate::scripted::{random, recording};

/// What a recorded client says: its events in order, and audio, video and data messages.
fn replay(capture: &str, read_len: usize) -> (Vec<String>, [usize; 3]) {
    let now = Duration::ZERO;
    let mut server = ServerMachine::new(ServerConfig::default(), now, random);
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    let mut media = [0; 3];
    for read in recording(capture).chunks(read_len) {
        input.extend_from_slice(read);
        while let Some(event) = server.poll_event(&mut input, now).unwrap() {
            match &event {
                ServerEvent::Connect(_) => server.accept_connect(&ConnectReply::default()).unwrap(),
                ServerEvent::Publish { stream, .. } => server.accept_publish(*stream).unwrap(),
                ServerEvent::Play { stream, .. } => server.accept_play(*stream).unwrap(),
                ServerEvent::Media { message, .. } => {
                    media[match message.kind {
                        MediaKind::Audio => 0,
                        MediaKind::Video => 1,
                        MediaKind::Data | MediaKind::Amf3Data => 2,
                    }] += 1;
                    continue;
                }
                _ => {}
            }
            events.push(described::server_event(&event));
        }
    }
    assert!(input.is_empty(), "{capture}: {} bytes left", input.len());
    (events, media)
}

/// The counts are those of the independent decoder in the tests of the chunk layer.
#[track_caller]
fn assert_replay(capture: &str, media: [usize; 3], events: &[&str]) {
    for read_len in [usize::MAX, 1000, 1] {
        let (seen_events, seen_media) = replay(capture, read_len);
        assert_eq!(seen_events, events, "{capture} in reads of {read_len}");
        assert_eq!(seen_media, media, "{capture} in reads of {read_len}");
    }
}

#[test]
fn ffmpeg_publishes_and_ends_once() {
    let clients = [
        ("ffmpeg5-publish.c2s", "stream1", [89, 32, 1]),
        ("ffmpeg5-publish-exttimestamp-chunk512.c2s", "ext1", [89, 32, 1]),
        (
            "ffmpeg9-publish-av1-flac.c2s",
            "enh2_ffmpeg9_av1_flac",
            [59, 20, 1],
        ),
        (
            "ffmpeg9-publish-hevc-opus.c2s",
            "enh1_ffmpeg9_hevc_opus",
            [63, 20, 1],
        ),
        ("ffmpeg9-publish-multitrack.c2s", "mt", [116, 42, 1]),
        ("ffmpeg9-publish-vp9-ac3.c2s", "enh3_ffmpeg9_vp9_ac3", [40, 20, 1]),
        (
            "ffmpeg9-publish-vvc-eac3-51.c2s",
            "enh4_ffmpeg9_vvc_eac3_51",
            [27, 14, 1],
        ),
    ];
    for (capture, name, media) in clients {
        let publish = format!("publish 1 {name} live");
        let events = [
            "handshake Digest(DigestFirst)",
            "connect live",
            &publish,
            "unpublish 1",
        ];
        assert_replay(capture, media, &events);
    }
}

#[test]
fn ffmpeg_checks_the_bandwidth_when_the_server_said_it_is_done() {
    assert_replay(
        "ffmpeg5-publish-to-ffmpeg5-listen.c2s",
        [89, 32, 1],
        &[
            "handshake Digest(DigestFirst)",
            "connect live",
            "call _checkbw 5",
            "publish 1 s1 live",
            "unpublish 1",
        ],
    );
}

#[test]
fn librtmp_and_gstreamer_publish_and_end_once() {
    let clients = [
        ("gst-rtmp2sink-publish.c2s", "gst1", [91, 32, 14]),
        ("gst-rtmpsink-librtmp-publish.c2s", "gst2", [91, 32, 14]),
        ("librtmp-publish-exttimestamp-chunk128.c2s", "x1", [89, 32, 1]),
    ];
    for (capture, name, media) in clients {
        let publish = format!("publish 1 {name} live");
        let events = ["handshake Simple", "connect live", &publish, "unpublish 1"];
        assert_replay(capture, media, &events);
    }
}

#[test]
fn nginx_pushes_without_waiting_and_just_closes() {
    assert_replay(
        "nginx-push-relay.c2s",
        [85, 17, 1],
        &[
            "handshake Digest(DigestFirst)",
            "connect live",
            "publish 1 r1 live",
            "StreamBegin(1)",
        ],
    );
}

#[test]
fn ffmpeg_plays_and_stops() {
    let clients = [
        ("ffmpeg5-play-exttimestamp-chunk512.c2s", "live", "ext2"),
        ("ffmpeg5-play-live.c2s", "live", "live1"),
        ("ffmpeg5-play-vod-mp4.c2s", "vod", "mp4:clip.mp4"),
    ];
    for (capture, app, name) in clients {
        let events = [
            "handshake Digest(DigestFirst)",
            &format!("connect {app}"),
            &format!("stream length {name}"),
            &format!("play 1 {name}"),
            "SetBufferLength(1, 3000)",
            "stop play 1",
        ];
        assert_replay(capture, [0, 0, 0], &events);
    }
}

#[test]
fn rtmpdump_plays_and_stops() {
    let clients = [
        ("rtmpdump-play-live.c2s", "live", "live1"),
        ("rtmpdump-play-vod-flv.c2s", "vod", "clip"),
    ];
    for (capture, app, name) in clients {
        let events = [
            "handshake Simple",
            &format!("connect {app}"),
            "SetBufferLength(0, 300)",
            &format!("play 1 {name}"),
            "SetBufferLength(1, 36000000)",
            "stop play 1",
        ];
        assert_replay(capture, [0, 0, 0], &events);
    }
}

#[test]
fn gstreamer_and_nginx_play_and_just_close() {
    assert_replay(
        "gst-rtmp2src-play-live.c2s",
        [0, 0, 0],
        &[
            "handshake Simple",
            "connect live",
            "SetBufferLength(0, 300)",
            "play 1 live1",
            "SetBufferLength(1, 30000)",
        ],
    );
    assert_replay(
        "nginx-pull-relay.c2s",
        [0, 0, 0],
        &[
            "handshake Digest(DigestFirst)",
            "connect live",
            "play 1 p1",
            "SetBufferLength(1, 5000)",
        ],
    );
}
