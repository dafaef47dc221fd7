//! What players get that have said what they can play.

use async_trait::async_trait;
use rtmp_core::flv::{FourCc, VideoCodec};
use rtmp_core::message::{Capabilities, CodecAbilities, ConnectRequest, Extensions, PlayRequest};
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::relay::{RelayConfig, RelayPublisher, Unplayable};
use rtmp_server::{Observers, PlayGrant, PlayObserver, Relay, SessionInfo, Verdict};
use rtmp_tests::media::{audio, audio_header, keyframe, metadata, video_header};
use rtmp_tests::{Peer, session};
use tokio::io::DuplexStream;

fn video(body: &'static [u8]) -> MediaMessage {
    MediaMessage::video(Timestamp::ZERO, body)
}

/// AVC as track 0, and HEVC and AV1 as tracks 1 and 2.
fn tracks() -> [MediaMessage; 9] {
    [
        metadata(0, 1),
        video_header(0, 2),
        video(b"\x96\x00hvc1\x01\x01\x22"),
        video(b"\x96\x00av01\x02\x81\x09"),
        audio_header(0, 3),
        keyframe(0, 4),
        video(b"\x96\x03hvc1\x01\x26"),
        video(b"\x96\x01av01\x02\x0A"),
        audio(0, 5),
    ]
}

fn publish(relay: &Relay) -> RelayPublisher {
    let mut publisher = relay.publish("live", "cam").unwrap();
    tracks().into_iter().for_each(|message| publisher.send(message));
    publisher
}

/// A client that plays `cam`, and has said `request` before.
async fn player(observers: &Observers, request: ConnectRequest) -> Peer<DuplexStream> {
    let (io, _session) = session(observers);
    let mut player = Peer::new(io);
    player.connect_with(&request, "live").await.unwrap();
    player.play("cam").await.unwrap();
    player
}

fn names(codecs: &[FourCc], extensions: Extensions) -> ConnectRequest {
    let capabilities = codecs.iter().fold(Capabilities::default(), |said, &codec| {
        said.video(codec, CodecAbilities::DECODE)
    });
    ConnectRequest::default().capabilities(&capabilities.extensions(extensions))
}

#[tokio::test(start_paused = true)]
async fn every_player_gets_everything_unless_the_relay_is_told_otherwise() {
    let relay = Relay::default();
    let _publisher = publish(&relay);
    let request = names(&[FourCc::HVC1], Extensions::default());
    let mut player = player(&Observers::new().relay(relay), request).await;
    assert_eq!(player.rest_of_media().await, tracks());
}

#[tokio::test(start_paused = true)]
async fn what_a_player_has_not_named_can_be_left_out_headers_and_all() {
    let relay = Relay::new(RelayConfig::default().unplayable(Unplayable::LeaveOut));
    let mut publisher = publish(&relay);
    let observers = Observers::new().relay(relay);
    let [data, avc, hevc, av1, aac, avc_frame, hevc_frame, av1_frame, sound] = tracks();

    let request = names(&[FourCc::HVC1], Extensions::MULTITRACK);
    let mut hevc_player = player(&observers, request).await;
    let expected = [&data, &avc, &hevc, &aac, &avc_frame, &hevc_frame, &sound].map(Clone::clone);
    assert_eq!(hevc_player.rest_of_media().await, expected);

    let mut single_track = player(
        &observers,
        names(&[FourCc::HVC1, FourCc::AV01], Extensions::default()),
    )
    .await;
    let expected = [&data, &avc, &aac, &avc_frame, &sound].map(Clone::clone);
    assert_eq!(single_track.rest_of_media().await, expected);

    // No AVC and no AAC, and nothing said of the rest.
    let old = ConnectRequest::empty()
        .property("videoCodecs", 4)
        .property("audioCodecs", 4);
    let mut old_player = player(&observers, old).await;
    let expected = [&data, &hevc, &av1, &hevc_frame, &av1_frame].map(Clone::clone);
    assert_eq!(old_player.rest_of_media().await, expected);

    let mut silent = player(&observers, ConnectRequest::empty()).await;
    assert_eq!(silent.rest_of_media().await, tracks());

    // The same holds for what comes later.
    publisher.send(av1_frame.clone());
    publisher.send(hevc_frame.clone());
    assert_eq!(hevc_player.rest_of_media().await, [hevc_frame]);
    assert_eq!(single_track.rest_of_media().await, []);
}

/// Gives those who can not play HEVC another rendition.
struct Renditions;

#[async_trait]
impl PlayObserver for Renditions {
    async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        let plays_hevc = session
            .connect_request()
            .is_some_and(|request| request.playable().plays_video(VideoCodec::Hevc));
        let rendition = if plays_hevc { "hevc" } else { "avc" };
        Verdict::Accept(PlayGrant::default().rename(format!("{}-{rendition}", request.name())))
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_can_give_a_player_the_rendition_that_it_can_play() {
    let relay = Relay::default();
    let mut avc = relay.publish("live", "cam-avc").unwrap();
    let mut hevc = relay.publish("live", "cam-hevc").unwrap();
    let observers = Observers::new().play(Renditions).relay(relay);
    let mut new = player(&observers, names(&[FourCc::HVC1], Extensions::default())).await;
    let mut old = player(&observers, names(&[FourCc::AVC1], Extensions::default())).await;
    let hevc_frame = video(b"\x93hvc1\x26");
    avc.send(keyframe(0, 1));
    hevc.send(hevc_frame.clone());
    assert_eq!(old.next_media().await, keyframe(0, 1));
    assert_eq!(new.next_media().await, hevc_frame);
}
