//! What publishers and servers send, and what the other end makes of it.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_amf::amf0::Value;
use rtmp_client::{ClientConn, ConnectRequest, Event, PlayRequest, PublishKind};
use rtmp_core::chunk::{ChunkDecoder, MessageStreamId};
use rtmp_core::conn::ServerEvent;
use rtmp_core::flv::{AudioCodec, FlvDecoder, FlvEncoder, Tag, VideoCodec};
use rtmp_core::message::{Message, UserControl};
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::{Relay, SessionConfig};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, video_header};
use rtmp_tests::session;
use tokio::io::duplex;
use tokio_util::codec::{Decoder, Encoder};

use crate::support::{Desk, Host, URL, at, client, peer, player};

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn tags(file: &[u8]) -> Vec<Tag> {
    let mut file = BytesMut::from(file);
    let mut decoder = FlvDecoder::new();
    let mut tags = Vec::new();
    while let Some(tag) = decoder.decode(&mut file).unwrap() {
        tags.push(tag);
    }
    tags
}

#[tokio::test(start_paused = true)]
async fn short_and_odd_configurations_are_kept_for_late_players() {
    // AAC: object type and rate in 2 bytes, with the extension of SBR in 5 and 7, with zeros behind as of FFmpeg.
    let aac: [&[u8]; 4] = [
        b"\x12\x10",
        b"\x11\x90\x56\xE5\0",
        b"\x2B\x11\x88",
        b"\x11\x90\x56\xE5\xA5\x48\x80",
    ];
    // AVC: a high profile whose record ends without the fields of high profiles.
    let avc = b"\x17\0\0\0\0\x01\x64\0\x1E\xFF\xE1\0\x02\x67\x64\x01\0\x02\x68\xEE";
    for configuration in aac {
        let relay = Relay::default();
        let mut publisher = peer(&relay).await;
        let stream = publisher.publish("cam").await.unwrap();
        let sound = MediaMessage::audio(at(0), [b"\xAF\0", configuration].concat());
        let picture = MediaMessage::video(at(0), &avc[..]);
        publisher
            .send(stream, &[sound.clone(), picture.clone(), keyframe(0, 1)])
            .await;
        publisher.rest().await;
        let mut late = player(&relay).await;
        let mut given = late.rest_of_media().await;
        assert_eq!(given.pop(), Some(keyframe(0, 1)));
        assert!(
            given.contains(&sound) && given.contains(&picture),
            "{configuration:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn codecs_of_enhanced_rtmp_are_told_apart_in_recordings_of_ffmpeg() {
    for (name, video, audio) in [
        ("hevc-opus", "hvc1", "Opus"),
        ("av1-flac", "av01", "fLaC"),
        ("vp9-ac3", "vp09", "ac-3"),
        ("vvc-eac3-51", "vvc1", "ec-3"),
    ] {
        let mut wire = BytesMut::from(&vector(&format!("captures/ffmpeg9-publish-{name}.c2s.bin"))[3073..]);
        let mut decoder = ChunkDecoder::default();
        let mut messages = Vec::new();
        while let Some(raw) = decoder.decode(&mut wire).unwrap() {
            if let Message::Media { message, .. } = Message::decode(raw).unwrap() {
                messages.push(message);
            }
        }
        let of = |kind| messages.iter().filter(move |message| message.kind == kind);
        let four_cc = |message: &MediaMessage| match message.kind {
            MediaKind::Video => message.video_codec().and_then(VideoCodec::four_cc),
            _ => message.audio_codec().and_then(AudioCodec::four_cc),
        };
        for (kind, codec) in [(MediaKind::Video, video), (MediaKind::Audio, audio)] {
            for message in of(kind) {
                assert_eq!(four_cc(message).unwrap().to_string(), codec, "{name}");
            }
        }
        let first = of(MediaKind::Video).find(|message| message.is_coded_frames());
        assert!(first.unwrap().is_keyframe(), "{name}");
        assert!(
            of(MediaKind::Video).any(|message| message.is_sequence_header()),
            "{name}"
        );
        let times: Vec<_> = of(MediaKind::Audio).map(|message| message.timestamp).collect();
        assert!(times.windows(2).all(|pair| !pair[0].is_after(pair[1])), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn files_keep_payloads_and_times_on_the_way_through_a_server_and_back() {
    for name in ["h264-aac", "hevc-opus-enhanced", "multitrack-enhanced", "mp3"] {
        let sent = tags(&vector(&format!("flv/{name}.flv")));
        let mut on_the_way = sent.clone();
        for _ in 0..2 {
            let relay = Relay::default();
            let mut watcher = player(&relay).await;
            let (conn, _) = client(&relay, SessionConfig::default()).await;
            let stream = conn.create_stream().await.unwrap();
            let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
            let mut file = BytesMut::new();
            let mut encoder = FlvEncoder::default();
            for tag in on_the_way {
                publisher.send(tag.into()).await.unwrap();
                let received = watcher.next_media().await;
                encoder.encode(Tag::from(received), &mut file).unwrap();
            }
            on_the_way = tags(&file);
        }
        assert!(on_the_way == sent, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn configuration_goes_out_with_a_header_of_its_own_in_the_middle_of_a_stream() {
    let mut publisher = peer(&Relay::default()).await;
    let stream = publisher.publish("cam").await.unwrap();
    // The first of its kind, then frames, then another configuration.
    let sent = [
        (video_header(0, 1), true),
        (keyframe(0, 2), false),
        (frame(40, 3), false),
        (video_header(80, 4), true),
        (frame(80, 5), false),
        (audio_header(80, 6), true),
        (audio(80, 7), false),
        (audio_header(103, 8), true),
    ];
    for (message, is_full) in sent {
        let machine = publisher.machine();
        machine.send_media(stream, &message).unwrap();
        let chunk_type = machine.output()[0] >> 6;
        assert_eq!(chunk_type == 0, is_full, "{message:?}");
        publisher.flush().await;
    }
}

/// A client of the library whose server does what the test says.
async fn hosted() -> (ClientConn, Host) {
    let (ours, theirs) = duplex(1 << 16);
    let mut host = Host::new(theirs);
    let client = async {
        let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
        conn.connect(ConnectRequest::default()).await.unwrap();
        conn
    };
    let connected = host.until(|event| matches!(event, ServerEvent::Connect(_)).then_some(()));
    let (conn, ()) = tokio::join!(client, connected);
    (conn, host)
}

#[tokio::test(start_paused = true)]
async fn events_about_a_stream_reach_the_application_whether_known_or_not() {
    let (conn, mut host) = hosted().await;
    let mut events = conn.events();
    let stream = MessageStreamId::new(1);
    let sent = [
        UserControl::StreamBegin(stream),
        UserControl::StreamDry(stream),
        UserControl::StreamIsRecorded(stream),
        UserControl::BufferEmpty(stream),
        UserControl::BufferReady(stream),
        UserControl::StreamEof(stream),
        UserControl::Other {
            event: 99,
            data: vec![1].into(),
        },
    ];
    for event in &sent {
        host.machine.send_user_control(event.clone()).unwrap();
    }
    host.flush().await;
    for event in sent {
        let told = match events.recv().await.unwrap() {
            Event::StreamBegin(stream) => UserControl::StreamBegin(stream),
            Event::StreamEof(stream) => UserControl::StreamEof(stream),
            Event::StreamDry(stream) => UserControl::StreamDry(stream),
            Event::StreamIsRecorded(stream) => UserControl::StreamIsRecorded(stream),
            Event::UserControl(event) => event,
            other => panic!("{other:?}"),
        };
        assert_eq!(told, event);
    }
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_publishing_and_while_playing() {
    for playing in [false, true] {
        let (conn, mut host) = hosted().await;
        let client = async {
            let stream = conn.create_stream().await.unwrap();
            if playing {
                let playback = stream.play(PlayRequest::new("cam")).await.unwrap();
                (None, Some(playback))
            } else {
                (
                    Some(stream.publish("cam", PublishKind::Live).await.unwrap()),
                    None,
                )
            }
        };
        let server = async {
            host.until(|event| {
                matches!(event, ServerEvent::Publish { .. } | ServerEvent::Play { .. }).then_some(())
            })
            .await;
            host.machine.ping(Duration::from_secs(1)).unwrap();
            host.flush().await;
            while host.machine.round_trip().is_none() {
                let wait = Duration::from_millis(1);
                // Nothing is to be told of a pong, so there is no event to wait for.
                let _ = tokio::time::timeout(wait, host.next()).await;
            }
        };
        let (_streams, ()) = tokio::join!(client, server);
    }
}

#[tokio::test(start_paused = true)]
async fn the_codec_masks_are_in_connect() {
    // Flash Media Server drops what is not in them: AAC (1024) and MP3 (4), AVC (128).
    let desk = Desk::default();
    let (io, _session) = session(&desk.observers());
    let conn = ClientConn::builder().from_io(io, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let mask = |key| desk.connects()[0].get(key).and_then(Value::to_u32).unwrap();
    assert_eq!(mask("audioCodecs") & (1024 | 4), 1024 | 4);
    assert_eq!(mask("videoCodecs") & 128, 128);
}
