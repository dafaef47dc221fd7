//! Players that want no more than a part of a live stream.

use std::time::Duration;

use rtmp_core::message::{PlayRequest, PlayStart};
use rtmp_server::{Observers, Relay};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, video_header};
use rtmp_tests::{Peer, Recorder, session};

use crate::support::{media_in, peer, told};

#[tokio::test(start_paused = true)]
async fn a_live_stream_ends_for_a_player_that_has_got_the_time_it_wants_and_for_no_other() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let recorder = Recorder::default();
    let (io, _running) = session(&recorder.observers().relay(relay.clone()));
    let mut player = Peer::connected(io, "live").await;
    let stream = player.create_stream().await;
    let mut other = peer(&relay).await;
    other.play("cam").await.unwrap();
    for _ in 0..2 {
        let request = PlayRequest::new("cam")
            .start(PlayStart::Live)
            .duration(Duration::from_millis(100));
        player.machine().play(stream, &request).unwrap();
        player.flush().await;
        // The second time all of it is there already.
        let mut events = player.rest().await;
        let sent = [
            video_header(0, 1),
            audio_header(0, 2),
            keyframe(5000, 3),
            audio(4990, 4),
            frame(5050, 5),
            audio(5089, 6),
        ];
        let beyond = [frame(5100, 7), audio(5110, 8)];
        for message in sent.iter().chain(&beyond) {
            publisher.send(message.clone());
        }
        events.extend(player.rest().await);
        let told = told(&events);
        assert_eq!(told[told.len() - 2..], ["NetStream.Play.Stop", "Stream EOF"]);
        let received = media_in(events);
        let frames = |messages: &[_]| -> Vec<_> {
            let frames = messages
                .iter()
                .filter(|message: &&rtmp_core::MediaMessage| message.is_coded_frames());
            frames.cloned().collect()
        };
        assert_eq!(frames(&received), frames(&sent));
        let all = frames(&other.rest_of_media().await);
        assert_eq!(all[all.len() - 2..], beyond);
    }
    drop(player);
    recorder.called_times("on_stop", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_duration_of_nothing_is_one_picture_of_what_is_live() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [
        video_header(0, 1),
        audio_header(0, 2),
        keyframe(2000, 3),
        audio(2010, 4),
        frame(2040, 5),
    ] {
        publisher.send(message);
    }
    let (io, _running) = session(&Observers::new().relay(relay));
    let mut player = Peer::connected(io, "live").await;
    let stream = player.create_stream().await;
    let request = PlayRequest::new("cam").duration(Duration::ZERO);
    player.machine().play(stream, &request).unwrap();
    player.flush().await;
    let events = player.rest().await;
    assert_eq!(told(&events).last().map(String::as_str), Some("Stream EOF"));
    let expected = [video_header(2000, 1), audio_header(2000, 2), keyframe(2000, 3)];
    assert_eq!(media_in(events), expected);
}
