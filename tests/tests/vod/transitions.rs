//! `play2`: other streams in the place of the one that is played, and playlists.

use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{PlayOptions, PlayRequest, PlayStart, StatusCode, Transition};
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::Observers;
use rtmp_tests::media::{audio, frame, keyframe, video_header};
use rtmp_tests::{Peer, Recorder};
use tokio::io::DuplexStream;

use crate::support::{Media, ask, connected, film, media_in, status, times, to_completion, told};

/// What tells the other film from the first.
const OTHER: u32 = 100_000;

/// The same content in other bytes.
fn other_film(seconds: u32) -> Vec<MediaMessage> {
    let mark = |message: MediaMessage| {
        let len = message.payload.len() - 4;
        let number = u32::from_be_bytes(message.payload[len..].try_into().unwrap()) + OTHER;
        MediaMessage {
            payload: [&message.payload[..len], &number.to_be_bytes()].concat().into(),
            ..message
        }
    };
    film(seconds).into_iter().map(mark).collect()
}

fn is_other(message: &MediaMessage) -> bool {
    let number = &message.payload[message.payload.len() - 4..];
    u32::from_be_bytes(number.try_into().unwrap()) >= OTHER
}

async fn go_over(peer: &mut Peer<DuplexStream>, stream: MessageStreamId, options: &PlayOptions) {
    peer.machine().transition(stream, options).unwrap();
    peer.flush().await;
}

/// What comes in so many seconds.
async fn within(peer: &mut Peer<DuplexStream>, seconds: u32) -> Vec<ClientEvent> {
    let mut events = peer.rest().await;
    for _ in 0..seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        events.extend(peer.rest().await);
    }
    events
}

/// Asserts that frames come every 100 ms from `begin` on, and where those of the other film begin.
fn assert_seamless(received: &[MediaMessage], begin: u32, other_from: u32) {
    for (kind, first) in [(MediaKind::Video, begin), (MediaKind::Audio, begin + 50)] {
        let times = times(received, kind);
        let expected: Vec<_> = (0..times.len() as u32).map(|n| first + n * 100).collect();
        assert_eq!(times, expected, "{kind:?}");
        for message in received
            .iter()
            .filter(|message| message.kind == kind && message.is_coded_frames())
        {
            let is_behind = message.timestamp.as_millis() >= other_from;
            assert_eq!(is_other(message), is_behind, "{kind:?} at {}", message.timestamp);
        }
        assert!(times.last().is_some_and(|last| *last > other_from + 1000));
    }
}

#[tokio::test(start_paused = true)]
async fn another_rendition_takes_over_at_the_next_keyframe_without_a_seam() {
    let media = Media::with_film(60);
    media.write("low.flv", &other_film(60));
    let mut peer = media.peer().await;
    let stream = peer.play("film").await.unwrap();
    let mut received = media_in(&within(&mut peer, 5).await);
    let last = *times(&received, MediaKind::Video).last().unwrap();
    go_over(&mut peer, stream, &PlayOptions::new("low", Transition::Switch)).await;
    status(&mut peer, StatusCode::PlayTransition).await;
    let events = within(&mut peer, 5).await;
    let told = told(&events);
    let complete = "onPlayStatus NetStream.Play.TransitionComplete";
    assert!(told.iter().any(|what| what == complete), "{told:?}");
    received.extend(media_in(&events));
    assert_seamless(&received, 0, (last + 1).next_multiple_of(1000));
    let first = received.iter().position(is_other).unwrap();
    assert!(received[first].is_sequence_header(), "headers come first");
}

#[tokio::test(start_paused = true)]
async fn an_offset_says_when_and_a_part_keeps_its_own_times() {
    let media = Media::with_film(60);
    media.write("low.flv", &other_film(60));
    let mut peer = media.peer().await;
    let stream = peer.create_stream().await;
    let part = PlayRequest::new("film").start(PlayStart::Recorded(Duration::from_secs(20)));
    ask(&mut peer, stream, part).await;
    let mut received = media_in(&within(&mut peer, 2).await);
    let options = PlayOptions::new("low", Transition::Switch).offset(Duration::from_millis(8500));
    go_over(&mut peer, stream, &options).await;
    received.extend(media_in(&within(&mut peer, 12).await));
    assert_seamless(&received, 0, 9000);
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_takes_over_at_its_next_keyframe_and_both_times_agree() {
    let media = Media::new();
    let relay = media.relay();
    let mut publishers = ["cam", "low"].map(|name| relay.publish("live", name).unwrap());
    let mut send = |from: u32, to: u32| {
        for n in from..to {
            for (publisher, mark) in publishers.iter_mut().zip([0, OTHER]) {
                if n == 0 {
                    publisher.send(video_header(0, mark + 1));
                }
                // The keyframes of the two are not at the same times.
                let is_key = (n + mark / OTHER * 5).is_multiple_of(10) || n == 0;
                let picture = if is_key { keyframe } else { frame };
                publisher.send(picture(n * 100, mark + n));
                publisher.send(audio(n * 100 + 50, mark + n));
            }
        }
    };
    let mut peer = connected(&Observers::new().relay(relay.clone())).await;
    let stream = peer.play("cam").await.unwrap();
    peer.rest().await;
    send(0, 12);
    let mut received = media_in(&peer.rest().await);
    go_over(&mut peer, stream, &PlayOptions::new("low", Transition::Switch)).await;
    for n in 12..40 {
        send(n, n + 1);
        received.extend(media_in(&peer.rest().await));
    }
    assert_seamless(&received, 0, 1500);
}

#[tokio::test(start_paused = true)]
async fn the_playlist_grows_and_its_entries_are_swapped() {
    let media = Media::with_film(8);
    media.write("second.flv", &other_film(2));
    media.write("third.flv", &film(1));
    let recorder = Recorder::default();
    let mut peer = connected(&recorder.observers().play(media.vod())).await;
    let stream = peer.create_stream().await;
    ask(&mut peer, stream, PlayRequest::new("film")).await;
    for (name, transition) in [
        ("second", Transition::Append),
        ("film", Transition::AppendAndWait),
    ] {
        go_over(&mut peer, stream, &PlayOptions::new(name, transition)).await;
        status(&mut peer, StatusCode::PlayTransition).await;
    }
    let swap = |old: &str| PlayOptions::new("third", Transition::Swap).leaving(old);
    go_over(&mut peer, stream, &swap("missing")).await;
    status(&mut peer, StatusCode::PlayFailed).await;
    go_over(&mut peer, stream, &swap("second")).await;
    status(&mut peer, StatusCode::PlayTransition).await;
    // Now it is film, third, film.
    go_over(&mut peer, stream, &swap("film")).await;
    status(&mut peer, StatusCode::PlayTransition).await;
    let events = to_completion(&mut peer).await;
    let switch = "onPlayStatus NetStream.Play.Switch".to_owned();
    let told = told(&events);
    assert_eq!(told[0], switch, "{told:?}");
    assert_eq!(told.iter().filter(|what| **what == switch).count(), 3);
    let frames = times(&media_in(&events), MediaKind::Video);
    assert_eq!(frames.len(), 10 + 10 + 80);
    assert_eq!(recorder.calls_with("on_stop second").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_anew_and_a_stop_ends_everything() {
    let media = Media::with_film(3);
    media.write("long.flv", &other_film(60));
    let recorder = Recorder::default();
    let mut peer = connected(&recorder.observers().play(media.vod())).await;
    let stream = peer.play("long").await.unwrap();
    go_over(&mut peer, stream, &PlayOptions::new("long", Transition::Append)).await;
    peer.rest().await;
    let options =
        PlayOptions::new("film", Transition::Reset).start(PlayStart::Recorded(Duration::from_secs(1)));
    go_over(&mut peer, stream, &options).await;
    let events = to_completion(&mut peer).await;
    assert_eq!(
        told(&events)[..5],
        [
            "NetStream.Play.Transition",
            "Stream Is Recorded",
            "Stream Begin",
            "NetStream.Play.Reset",
            "NetStream.Play.Start",
        ]
    );
    assert_eq!(times(&media_in(&events), MediaKind::Video).len(), 20);
    assert_eq!(recorder.calls_with("on_stop long").len(), 2);

    go_over(&mut peer, stream, &PlayOptions::stop()).await;
    let stopped = told(&peer.rest().await);
    assert_eq!(
        stopped,
        ["NetStream.Play.Transition", "NetStream.Play.Stop", "Stream EOF"]
    );
    recorder.called_times("on_stop", 3).await;
    // Nothing is played now, so there is nothing to go over from, and play2 is play.
    peer.say(stream, PlayOptions::new("film", Transition::Switch).to_command())
        .await;
    status(&mut peer, StatusCode::PlayFailed).await;
    let resume = PlayOptions::new("film", Transition::Resume).offset(Duration::from_secs(2));
    peer.say(stream, resume.to_command()).await;
    let resumed = to_completion(&mut peer).await;
    assert_eq!(times(&media_in(&resumed), MediaKind::Video).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_transition_that_has_no_keyframe_to_go_to_is_refused_and_playback_goes_on() {
    let media = Media::with_film(20);
    media.write("short.flv", &other_film(2));
    let recorder = Recorder::default();
    let mut peer = connected(&recorder.observers().play(media.vod())).await;
    let stream = peer.play("film").await.unwrap();
    let mut received = media_in(&within(&mut peer, 2).await);
    go_over(&mut peer, stream, &PlayOptions::new("short", Transition::Switch)).await;
    status(&mut peer, StatusCode::PlayFailed).await;
    received.extend(media_in(&to_completion(&mut peer).await));
    assert_eq!(times(&received, MediaKind::Video).len(), 200);
    assert_eq!(recorder.calls_with("on_stop short").len(), 1);
}
