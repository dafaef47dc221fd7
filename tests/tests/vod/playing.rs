//! From the beginning to the end.

use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, PlayRequest, PlayStart, StatusCode};
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::{Observers, PlayObserver, StreamInfo};
use rtmp_tests::media::{audio, audio_header, keyframe};
use rtmp_tests::{Peer, Recorder, session};
use tokio::time::Instant;

use crate::support::{Media, ask, connected, film, hold, media_in, seek, status, times, to_completion, told};

const ALL_AT_ONCE: Duration = Duration::from_secs(36_000);

/// What stands before the first frame of every recording.
const OPENING: [&str; 6] = [
    "Stream Is Recorded",
    "Stream Begin",
    "NetStream.Play.Reset",
    "NetStream.Play.Start",
    "onStatus NetStream.Data.Start",
    "onMetaData",
];
const END: [&str; 3] = [
    "onPlayStatus NetStream.Play.Complete",
    "NetStream.Play.Stop",
    "Stream EOF",
];

#[tokio::test(start_paused = true)]
async fn a_recording_is_played_whole_and_in_order_between_the_statuses_of_the_specification() {
    let media = Media::with_film(5);
    let mut peer = media.peer().await;
    let stream = peer.create_stream().await;
    ask(&mut peer, stream, PlayRequest::new("film")).await;
    hold(&mut peer, stream, ALL_AT_ONCE).await;
    let events = to_completion(&mut peer).await;
    assert_eq!(media_in(&events), film(5)[1..]);
    assert_eq!(told(&events), [&OPENING[..], &["media"], &END].concat());
}

#[tokio::test(start_paused = true)]
async fn the_buffer_is_filled_at_once_and_kept_full_in_real_time() {
    let media = Media::with_film(10);
    let mut peer = media.peer().await;
    let stream = peer.create_stream().await;
    ask(&mut peer, stream, PlayRequest::new("film")).await;
    hold(&mut peer, stream, Duration::from_secs(2)).await;
    let begun = Instant::now();
    let first = peer.rest().await;
    let ahead = times(&media_in(&first), MediaKind::Video);
    assert_eq!(ahead.last(), Some(&2000), "{ahead:?}");
    assert_eq!(told(&first).last().map(String::as_str), Some("Buffer Empty"));
    let rest = to_completion(&mut peer).await;
    let told = told(&rest);
    assert_eq!(told[..3], ["Buffer Ready", "media", "Buffer Empty"]);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(7) && took <= Duration::from_secs(10),
        "{took:?}"
    );
    let all = [media_in(&first), media_in(&rest)].concat();
    assert_eq!(all, film(10)[1..]);
}

/// Writes down how much players want to hold.
struct Lengths(Recorder);

impl PlayObserver for Lengths {
    fn on_buffer_length(&self, stream: &StreamInfo, length: Duration) {
        self.0.note(format!("{} wants to hold {length:?}", stream.name()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_player_that_wants_more_gets_it_at_once_and_observers_hear_of_it() {
    let media = Media::with_film(60);
    let recorder = Recorder::default();
    let observers = Observers::new().play(Lengths(recorder.clone())).play(media.vod());
    let mut peer = connected(&observers).await;
    let stream = peer.play("film").await.unwrap();
    peer.rest().await;
    hold(&mut peer, stream, Duration::from_secs(30)).await;
    let more = times(&media_in(&peer.rest().await), MediaKind::Video);
    assert_eq!(more.last(), Some(&30_000));
    assert_eq!(
        recorder.calls(),
        ["film wants to hold 3s", "film wants to hold 30s"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_duration_ends_playback_and_zero_gives_a_single_frame() {
    let media = Media::with_film(5);
    for (duration, video, audio) in [
        (Duration::from_millis(1000), 10, 10),
        (Duration::from_millis(150), 2, 1),
        (Duration::ZERO, 1, 0),
        (Duration::from_secs(3600), 50, 50),
    ] {
        let mut peer = media.peer().await;
        let stream = peer.create_stream().await;
        ask(&mut peer, stream, PlayRequest::new("film").duration(duration)).await;
        let received = media_in(&to_completion(&mut peer).await);
        assert_eq!(times(&received, MediaKind::Video).len(), video, "{duration:?}");
        assert_eq!(times(&received, MediaKind::Audio).len(), audio, "{duration:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_begins_with_its_headers_and_at_time_0() {
    let media = Media::with_film(8);
    let mut peer = media.peer().await;
    let stream = peer.create_stream().await;
    let part = PlayRequest::new("film")
        .start(PlayStart::Recorded(Duration::from_millis(3000)))
        .duration(Duration::from_secs(2));
    ask(&mut peer, stream, part).await;
    let events = to_completion(&mut peer).await;
    assert_eq!(told(&events), [&OPENING[..], &["media"], &END].concat());
    let received = media_in(&events);
    let moved = |message: &MediaMessage| MediaMessage {
        timestamp: message.timestamp.wrapping_add(3000),
        ..message.clone()
    };
    let film = film(8);
    assert_eq!(
        received
            .iter()
            .map(|message| message.payload.clone())
            .take(2)
            .collect::<Vec<_>>(),
        [film[1].payload.clone(), film[2].payload.clone()]
    );
    let frames: Vec<_> = received[2..].iter().map(moved).collect();
    assert_eq!(frames, film[3 + 60..3 + 60 + 40]);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_play_follows_the_rest_of_the_playlist() {
    let media = Media::with_film(2);
    media.write("second.flv", &[audio_header(0, 7), audio(0, 8), audio(20, 9)]);
    let recorder = Recorder::default();
    let mut peer = connected(&recorder.observers().play(media.vod())).await;
    let stream = peer.create_stream().await;
    ask(&mut peer, stream, PlayRequest::new("film")).await;
    ask(&mut peer, stream, PlayRequest::new("second").reset(false)).await;
    ask(&mut peer, stream, PlayRequest::new("missing").reset(false)).await;
    let events = to_completion(&mut peer).await;
    let told = told(&events);
    assert!(told.contains(&"NetStream.Play.StreamNotFound".to_owned()));
    let switch = told
        .iter()
        .position(|what| what.contains("Switch"))
        .expect("a switch");
    assert_eq!(
        told[switch..],
        [
            "onPlayStatus NetStream.Play.Switch",
            "Stream Is Recorded",
            "Stream Begin",
            "NetStream.Play.Start",
            "onStatus NetStream.Data.Start",
            "onMetaData",
            "media",
            END[0],
            END[1],
            END[2],
        ]
    );
    let received = media_in(&events);
    assert_eq!(times(&received, MediaKind::Video).len(), 20);
    assert_eq!(received[received.len() - 2..], [audio(0, 8), audio(20, 9)]);
    drop(peer);
    recorder.called_times("on_stop", 2).await;
    assert_eq!(recorder.calls_with("on_play").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_entry_can_follow_what_was_sent_to_its_end_and_a_reset_stops_everything() {
    let media = Media::with_film(2);
    media.write("long.flv", &film(60));
    let recorder = Recorder::default();
    let mut peer = connected(&recorder.observers().play(media.vod())).await;
    let stream = peer.play("film").await.unwrap();
    to_completion(&mut peer).await;
    ask(&mut peer, stream, PlayRequest::new("long").reset(false)).await;
    let switched = told(&peer.rest().await);
    assert_eq!(switched[0], "onPlayStatus NetStream.Play.Switch", "{switched:?}");
    ask(&mut peer, stream, PlayRequest::new("long").reset(false)).await;
    ask(&mut peer, stream, PlayRequest::new("film")).await;
    let reset = to_completion(&mut peer).await;
    assert_eq!(times(&media_in(&reset), MediaKind::Audio).last(), Some(&1950));
    assert!(!told(&reset).contains(&"onPlayStatus NetStream.Play.Switch".to_owned()));
    assert_eq!(recorder.calls_with("on_stop long: ended by the client").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_playlist_has_an_end() {
    let media = Media::with_film(60);
    let mut peer = media.peer().await;
    let stream = peer.play("film").await.unwrap();
    for _ in 0..65 {
        ask(&mut peer, stream, PlayRequest::new("film").reset(false)).await;
    }
    let told = told(&peer.rest().await);
    assert!(told.contains(&StatusCode::PlayFailed.to_string()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_start_decides_between_the_live_stream_and_the_recording() {
    let media = Media::with_film(2);
    let relay = media.relay();
    let observers = Observers::new().relay(relay.clone());
    let begins = async |name: &str, start| {
        let mut peer = connected(&observers).await;
        let stream = peer.create_stream().await;
        ask(&mut peer, stream, PlayRequest::new(name).start(start)).await;
        told(&peer.rest().await).swap_remove(0)
    };
    let recorded = PlayStart::Recorded(Duration::ZERO);
    assert_eq!(
        begins("film", PlayStart::LiveOrRecorded).await,
        "Stream Is Recorded"
    );
    assert_eq!(begins("film", PlayStart::Live).await, "Stream Begin");
    assert_eq!(begins("other", PlayStart::LiveOrRecorded).await, "Stream Begin");
    assert_eq!(begins("other", recorded).await, "NetStream.Play.StreamNotFound");
    let _publisher = relay.publish("live", "film").unwrap();
    assert_eq!(begins("film", PlayStart::LiveOrRecorded).await, "Stream Begin");
    assert_eq!(begins("film", recorded).await, "Stream Is Recorded");
}

#[tokio::test(start_paused = true)]
async fn without_live_streams_nothing_but_recordings_is_found() {
    let media = Media::with_film(2);
    let mut peer = media.peer().await;
    let stream = peer.create_stream().await;
    ask(&mut peer, stream, PlayRequest::new("film").start(PlayStart::Live)).await;
    assert_eq!(told(&peer.rest().await), ["NetStream.Play.StreamNotFound"]);
}

#[tokio::test(start_paused = true)]
async fn the_length_of_a_recording_is_told_in_seconds() {
    let media = Media::with_film(5);
    media.record("indexed.flv", &film(5));
    let relay = media.relay();
    let _publisher = relay.publish("live", "onair").unwrap();
    let mut peer = connected(&Observers::new().relay(relay)).await;
    let mut length = async |name: &str| {
        peer.machine()
            .call(MessageStreamId::CONNECTION, "getStreamLength", vec![name.into()])
            .unwrap();
        peer.flush().await;
        let answer = peer
            .until("the answer", |event| match event {
                rtmp_core::conn::ClientEvent::CallReturned { answer, .. } => Some(answer),
                _ => None,
            })
            .await;
        answer.number_argument(0)
    };
    // The last tag is at 4.95 s; who has recorded it knows how long that lasts, too.
    assert_eq!(length("film").await, Some(4.95));
    assert_eq!(length("indexed").await, Some(5.05));
    assert_eq!(length("onair").await, Some(0.0));
    assert_eq!(length("nothing").await, Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn kinds_that_a_player_does_not_want_are_left_out_and_video_comes_back_with_a_keyframe() {
    let media = Media::with_film(20);
    let mut peer = media.peer().await;
    let stream = peer.play("film").await.unwrap();
    peer.say(stream, Command::new("receiveAudio").with_argument(false))
        .await;
    peer.say(stream, Command::new("receiveVideo").with_argument(false))
        .await;
    peer.rest().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let silent = media_in(&peer.rest().await);
    assert_eq!(silent, []);
    peer.say(stream, Command::new("receiveVideo").with_argument(true))
        .await;
    let video = loop {
        let message = peer.next_media().await;
        assert_eq!(message.kind, MediaKind::Video);
        if message.is_coded_frames() {
            break message;
        }
    };
    assert!(video.is_keyframe());
}

#[tokio::test(start_paused = true)]
async fn many_players_of_a_file_each_have_their_own_place() {
    let media = Media::with_film(30);
    let observers = Observers::new().play(media.vod());
    let mut players: Vec<Peer<_>> = Vec::new();
    for n in 0..8_u32 {
        let mut peer = connected(&observers).await;
        let stream = peer.play("film").await.unwrap();
        peer.rest().await;
        seek(&mut peer, stream, f64::from(n * 3000)).await;
        status(&mut peer, StatusCode::SeekNotify).await;
        players.push(peer);
    }
    for (n, peer) in (0..).zip(&mut players) {
        let frames = media_in(&peer.rest().await);
        assert_eq!(times(&frames, MediaKind::Video).first(), Some(&(n * 3000)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_longer_than_a_block_is_played() {
    let media = Media::new();
    let long = rtmp_tests::media::padded(keyframe(0, 1), 1 << 20);
    media.write("film.flv", &[long.clone(), keyframe(40, 2)]);
    let (io, _running) = session(&Observers::new().play(media.vod()));
    let mut peer = Peer::connected(io, "live").await;
    peer.play("film").await.unwrap();
    let received = media_in(&to_completion(&mut peer).await);
    assert_eq!(received, [long, keyframe(40, 2)]);
}
