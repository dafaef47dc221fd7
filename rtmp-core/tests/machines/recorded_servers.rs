//! A client machine, and servers recorded while they talked to other programs
//! (`vectors/captures/README.md` says which and how).

use std::time::Duration;

use rtmp_core::MediaKind;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{PlayRequest, PublishKind, PublishRequest};

use crate::described;
use crate::scripted::{Client, recording};

/// S0 S1 S2: they answer another client's handshake.
const HANDSHAKE_LEN: usize = 3073;

enum Wish {
    /// With as many calls before `createStream` as the recorded program made, so that the numbers agree.
    Publish {
        calls: usize,
    },
    Play {
        calls: usize,
    },
}

/// What a recorded server says to a client that wants what the recorded client wanted: the events in order, and audio,
/// video and data messages.
fn replay(capture: &str, wish: &Wish) -> (Vec<String>, [usize; 3]) {
    let mut client = Client::new();
    client.connect();
    client
        .peer
        .sent
        .extend_from_slice(&recording(capture)[HANDSHAKE_LEN..]);
    let mut events = Vec::new();
    let mut media = [0; 3];
    while let Some(event) = client
        .machine
        .poll_event(&mut client.peer.sent, Duration::ZERO)
        .unwrap()
    {
        let machine = &mut client.machine;
        match &event {
            ClientEvent::Connected(_) => {
                let (Wish::Publish { calls } | Wish::Play { calls }) = wish;
                for _ in 0..*calls {
                    machine.call(Default::default(), "courtesy", Vec::new()).unwrap();
                }
                machine.create_stream().unwrap();
            }
            ClientEvent::StreamCreated { stream, .. } => match wish {
                Wish::Publish { .. } => machine
                    .publish(*stream, &PublishRequest::new("cam", PublishKind::Live))
                    .unwrap(),
                Wish::Play { .. } => machine.play(*stream, &PlayRequest::new("cam")).unwrap(),
            },
            ClientEvent::Media { message, .. } => {
                media[match message.kind {
                    MediaKind::Audio => 0,
                    MediaKind::Video => 1,
                    MediaKind::Data | MediaKind::Amf3Data => 2,
                }] += 1;
                continue;
            }
            _ => {}
        }
        events.push(described::client_event(&event));
    }
    assert!(client.peer.sent.is_empty(), "{capture}: bytes left");
    (events, media)
}

#[test]
fn a_publisher_gets_its_start_from_nginx() {
    for (capture, calls) in [
        ("ffmpeg5-publish.s2c", 2),
        ("ffmpeg5-publish-exttimestamp-chunk512.s2c", 2),
        ("gst-rtmp2sink-publish.s2c", 0),
    ] {
        let (events, media) = replay(capture, &Wish::Publish { calls });
        let created = format!("created {} 1", calls + 2);
        assert_eq!(
            events,
            [
                "connected NetConnection.Connect.Success",
                &created,
                "publishing 1 NetStream.Publish.Start",
                "status 1 NetStream.Unpublish.Success",
            ],
            "{capture}"
        );
        assert_eq!(media, [0; 3]);
    }
}

#[test]
fn a_relay_gets_its_start_from_nginx() {
    let (events, _) = replay("nginx-push-relay.s2c", &Wish::Publish { calls: 0 });
    assert_eq!(
        events,
        [
            "connected NetConnection.Connect.Success",
            "created 2 1",
            "publishing 1 NetStream.Publish.Start",
        ]
    );
}

/// It sends window, bandwidth, StreamBegin and chunk size first, an `onFCPublish` of nothing but its name, and a
/// `deleteStream` at the end; its answer to `FCPublish` never comes.
#[test]
fn a_publisher_gets_its_start_from_ffmpeg_as_a_server() {
    let wish = Wish::Publish { calls: 2 };
    let (events, _) = replay("ffmpeg5-publish-to-ffmpeg5-listen.s2c", &wish);
    assert_eq!(
        events,
        [
            "StreamBegin(0)",
            "connected NetConnection.Connect.Success",
            "call onBWDone 0",
            "returned 2",
            "call onFCPublish 0",
            "created 4 1",
            "StreamBegin(1)",
            "publishing 1 NetStream.Publish.Start",
            "call deleteStream 1",
        ]
    );
}

#[test]
fn a_player_gets_every_message_of_a_live_stream() {
    for (capture, media, ends) in [
        ("ffmpeg5-play-live.s2c", [152, 42, 2], true),
        ("ffmpeg5-play-exttimestamp-chunk512.s2c", [140, 42, 2], true),
        ("rtmpdump-play-live.s2c", [262, 82, 2], true),
        ("gst-rtmp2src-play-live.s2c", [46, 12, 2], false),
        ("nginx-pull-relay.s2c", [122, 42, 2], false),
    ] {
        let (events, seen) = replay(capture, &Wish::Play { calls: 0 });
        let mut expected = vec![
            "connected NetConnection.Connect.Success",
            "created 2 1",
            "StreamBegin(1)",
            "playing 1 NetStream.Play.Start",
        ];
        if ends {
            expected.push("StreamEof(1)");
        }
        assert_eq!(events, expected, "{capture}");
        assert_eq!(seen, media, "{capture}");
    }
}

#[test]
fn a_player_gets_every_message_of_a_recording_and_its_end() {
    for (capture, media) in [
        ("ffmpeg5-play-vod-mp4.s2c", [85, 31, 3]),
        ("rtmpdump-play-vod-flv.s2c", [89, 32, 3]),
    ] {
        let (events, seen) = replay(capture, &Wish::Play { calls: 0 });
        assert_eq!(
            events,
            [
                "connected NetConnection.Connect.Success",
                "created 2 1",
                "StreamBegin(1)",
                "playing 1 NetStream.Play.Start",
                "StreamIsRecorded(1)",
                "StreamEof(1)",
                "status 1 NetStream.Play.Stop",
                "StreamEof(1)",
                "status 1 NetStream.Play.Stop",
            ],
            "{capture}"
        );
        assert_eq!(seen, media, "{capture}");
    }
}
