//! What a relay tells of its streams.

use rtmp_core::flv::{AudioCodec, VideoCodec};
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::relay::Track;
use rtmp_server::{Relay, SessionInfo};
use rtmp_tests::media::{keyframe, video_header};

use crate::support::{peer, player};

#[tokio::test(start_paused = true)]
async fn a_relay_tells_who_publishes_what_in_which_codecs_and_to_how_many() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam?token=hush").await.unwrap();
    let second_video = MediaMessage::video(Timestamp::ZERO, &b"\x96\x00hvc1\x01\x01"[..]);
    let mp3 = MediaMessage::audio(Timestamp::ZERO, &b"\x2f\xff\xfb"[..]);
    publisher
        .send(stream, &[video_header(0, 1), second_video, keyframe(0, 2), mp3])
        .await;
    let _player = player(&relay).await;
    let streams = relay.streams();
    let [stream] = streams.as_slice() else {
        panic!("{streams:?}")
    };
    assert_eq!(
        (stream.app.as_str(), stream.name.as_str(), stream.players),
        ("live", "cam", 1)
    );
    assert_eq!(stream.publisher.as_ref().map(SessionInfo::app), Some("live"));
    assert_eq!(
        stream.tracks,
        [
            Track::Video {
                id: 0,
                codec: VideoCodec::Avc
            },
            Track::Video {
                id: 1,
                codec: VideoCodec::Hevc
            },
            Track::Audio {
                id: 0,
                codec: AudioCodec::Mp3
            },
        ]
    );
}
