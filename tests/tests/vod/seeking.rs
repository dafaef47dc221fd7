//! Other positions, and pauses.

use std::time::Duration;

use rtmp_core::conn::ClientEvent;
use rtmp_core::flv::VideoCommand;
use rtmp_core::message::{Command, ConnectRequest, PlayRequest, StatusCode};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::Observers;
use rtmp_tests::media::{at_time, audio, audio_header, frame, keyframe, video_header};
use rtmp_tests::{Peer, session};
use tokio::io::DuplexStream;

use crate::support::{Media, ask, film, media_in, seek, status, times, to_completion, told};

/// Seeks, and gives what comes behind the answer.
async fn sought(peer: &mut Peer<DuplexStream>, millis: f64) -> Vec<ClientEvent> {
    let stream = rtmp_core::chunk::MessageStreamId::new(1);
    seek(peer, stream, millis).await;
    status(peer, StatusCode::SeekNotify).await;
    peer.rest().await
}

/// A client that does not say that it seeks by itself.
async fn simple_player(media: &Media) -> Peer<DuplexStream> {
    let (io, _running) = session(&Observers::new().play(media.vod()));
    let mut peer = Peer::new(io);
    peer.connect_with(&ConnectRequest::empty(), "live").await.unwrap();
    peer.play("film").await.unwrap();
    peer.rest().await;
    peer
}

#[tokio::test(start_paused = true)]
async fn a_seek_goes_to_the_keyframe_before_it_with_all_headers_and_nothing_old_behind_the_answer() {
    let media = Media::with_film(30);
    media.record("indexed.flv", &film(30));
    std::fs::rename(media.path("indexed.flv"), media.path("film2.flv")).unwrap();
    for position in [12_000, 12_700, 3_000, 29_900, 0] {
        for name in ["film", "film2"] {
            let (io, _running) = session(&Observers::new().play(media.vod()));
            let mut peer = Peer::new(io);
            peer.connect_with(&ConnectRequest::empty(), "live").await.unwrap();
            peer.play(name).await.unwrap();
            peer.rest().await;
            let events = sought(&mut peer, f64::from(position)).await;
            assert_eq!(
                told(&events)[..3],
                ["Stream Begin", "NetStream.Play.Start", "media"]
            );
            let received = media_in(&events);
            let begin = position / 1000 * 1000;
            assert_eq!(
                received[..4],
                [
                    video_header(begin, 1),
                    audio_header(begin, 2),
                    keyframe(begin, begin / 100),
                    audio(begin + 50, begin / 100),
                ],
                "{name} at {position}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_up_to_the_position_are_marked_for_players_that_seek_by_themselves() {
    let media = Media::with_film(30);
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    let received = media_in(&sought(&mut peer, 12_300.0).await);
    let video: Vec<_> = received
        .into_iter()
        .filter(|message| message.kind == MediaKind::Video)
        .collect();
    let mark = |at, command| MediaMessage::video_command(Timestamp::from_millis(at), command).unwrap();
    assert_eq!(
        video[..7],
        [
            video_header(12_000, 1),
            mark(12_000, VideoCommand::StartSeek),
            keyframe(12_000, 120),
            frame(12_100, 121),
            frame(12_200, 122),
            mark(12_300, VideoCommand::EndSeek),
            frame(12_300, 123),
        ]
    );
    let exact = media_in(&sought(&mut peer, 20_000.0).await);
    assert_eq!(exact[0], video_header(20_000, 1));
    assert_eq!(exact[2], keyframe(20_000, 200), "nothing is to be marked");
}

#[tokio::test(start_paused = true)]
async fn a_seek_beyond_the_end_shows_the_last_group_of_pictures_and_completes() {
    let media = Media::with_film(5);
    let mut peer = simple_player(&media).await;
    for position in [5_000.0, 1e9, 1e300] {
        seek(&mut peer, rtmp_core::chunk::MessageStreamId::new(1), position).await;
        status(&mut peer, StatusCode::SeekNotify).await;
        let events = to_completion(&mut peer).await;
        assert_eq!(times(&media_in(&events), MediaKind::Video).first(), Some(&4000));
    }
}

#[tokio::test(start_paused = true)]
async fn positions_that_are_none_are_refused_and_playback_goes_on() {
    let media = Media::with_film(5);
    let mut peer = simple_player(&media).await;
    let stream = rtmp_core::chunk::MessageStreamId::new(1);
    for position in [f64::NAN, -1.0, f64::INFINITY, f64::NEG_INFINITY] {
        seek(&mut peer, stream, position).await;
        assert!(status(&mut peer, StatusCode::SeekInvalidTime).await.is_error());
    }
    let rest = times(&media_in(&to_completion(&mut peer).await), MediaKind::Video);
    assert_eq!(rest.last(), Some(&4900));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_seeks_are_answered_and_the_last_one_counts() {
    let media = Media::with_film(30);
    let mut peer = simple_player(&media).await;
    let stream = rtmp_core::chunk::MessageStreamId::new(1);
    for n in 0..1000_u32 {
        seek(&mut peer, stream, f64::from(n * 17 % 30_000)).await;
    }
    for _ in 0..1000 {
        status(&mut peer, StatusCode::SeekNotify).await;
    }
    let last = 16_000; // before 999 * 17 % 30_000
    assert_eq!(
        times(&media_in(&peer.rest().await), MediaKind::Video).first(),
        Some(&last)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_stops_the_media_and_it_goes_on_with_the_next_message() {
    let media = Media::with_film(20);
    let mut peer = media.peer().await;
    let stream = peer.play("film").await.unwrap();
    let mut received = media_in(&peer.rest().await);
    for _ in 0..3 {
        peer.machine().pause(stream, true, Duration::ZERO).unwrap();
        status(&mut peer, StatusCode::PauseNotify).await;
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(media_in(&peer.rest().await), []);
        peer.machine().pause(stream, false, Duration::ZERO).unwrap();
        let events = peer.rest().await;
        assert_eq!(told(&events)[..2], ["Stream Begin", "NetStream.Unpause.Notify"]);
        received.extend(media_in(&events));
        tokio::time::advance(Duration::from_millis(1500)).await;
        received.extend(media_in(&peer.rest().await));
    }
    received.extend(media_in(&to_completion(&mut peer).await));
    assert_eq!(received, film(20)[1..]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_player_gets_one_picture_of_the_position_it_seeks() {
    let media = Media::with_film(30);
    let mut peer = simple_player(&media).await;
    let stream = rtmp_core::chunk::MessageStreamId::new(1);
    peer.machine().pause(stream, true, Duration::ZERO).unwrap();
    status(&mut peer, StatusCode::PauseNotify).await;
    let picture = media_in(&sought(&mut peer, 12_300.0).await);
    assert_eq!(
        picture,
        [
            video_header(12_000, 1),
            audio_header(12_000, 2),
            keyframe(12_000, 120)
        ]
    );
    peer.machine().pause(stream, false, Duration::ZERO).unwrap();
    status(&mut peer, StatusCode::UnpauseNotify).await;
    assert_eq!(peer.next_media().await, audio(12_050, 120));
}

#[tokio::test(start_paused = true)]
async fn a_paused_player_that_seeks_by_itself_gets_the_picture_of_the_exact_position() {
    let media = Media::with_film(30);
    let mut peer = media.peer().await;
    let stream = peer.play("film").await.unwrap();
    peer.machine().pause(stream, true, Duration::ZERO).unwrap();
    status(&mut peer, StatusCode::PauseNotify).await;
    peer.rest().await;
    let picture = media_in(&sought(&mut peer, 12_300.0).await);
    assert_eq!(
        times(&picture, MediaKind::Video),
        [12_000, 12_100, 12_200, 12_300]
    );
    assert_eq!(times(&picture, MediaKind::Audio), []);
    peer.machine().pause(stream, false, Duration::ZERO).unwrap();
    status(&mut peer, StatusCode::UnpauseNotify).await;
    assert_eq!(
        times(&media_in(&peer.rest().await), MediaKind::Video).first(),
        Some(&12_400)
    );
}

#[tokio::test(start_paused = true)]
async fn a_player_that_has_everything_can_still_seek() {
    let media = Media::with_film(5);
    let mut peer = simple_player(&media).await;
    to_completion(&mut peer).await;
    let events = sought(&mut peer, 2_000.0).await;
    assert_eq!(
        told(&events)[..3],
        ["Stream Begin", "NetStream.Play.Start", "media"]
    );
    assert_eq!(times(&media_in(&events), MediaKind::Video).first(), Some(&2000));
}

#[tokio::test(start_paused = true)]
async fn a_player_that_has_the_part_it_asked_for_can_still_seek() {
    let media = Media::with_film(10);
    let mut peer = media.peer().await;
    let stream = peer.create_stream().await;
    // More than the player holds: the file has been read to its end before the part is sent.
    let part = PlayRequest::new("film").duration(Duration::from_secs(5));
    ask(&mut peer, stream, part).await;
    to_completion(&mut peer).await;
    for (position, begin) in [(2_000.0, Some(2000)), (0.0, Some(0)), (8_000.0, None)] {
        seek(&mut peer, stream, position).await;
        status(&mut peer, StatusCode::SeekNotify).await;
        let video = times(&media_in(&to_completion(&mut peer).await), MediaKind::Video);
        assert_eq!(video.first().copied(), begin, "at {position}");
        assert_eq!(video.last().copied(), begin.and(Some(4900)), "at {position}");
    }
}

#[tokio::test(start_paused = true)]
async fn audio_alone_is_sought_to_the_second() {
    let media = Media::new();
    let sounds: Vec<_> = (0..3000).map(|n| audio(n * 20, n)).collect();
    media.write("film.flv", &[&[audio_header(0, 1)], &sounds[..]].concat());
    let mut peer = simple_player(&media).await;
    let received = media_in(&sought(&mut peer, 40_500.0).await);
    assert_eq!(received[..2], [audio_header(40_500, 1), audio(40_500, 2025)]);
}

#[tokio::test(start_paused = true)]
async fn headers_that_change_in_the_middle_are_those_of_the_position() {
    let media = Media::new();
    let mut messages = film(10);
    messages.push(video_header(10_000, 77));
    messages.extend(
        film(10)[3..]
            .iter()
            .map(|message| at_time(message, message.timestamp.as_millis() + 10_000)),
    );
    media.write("film.flv", &messages);
    let mut peer = simple_player(&media).await;
    let header = media_in(&sought(&mut peer, 15_000.0).await)[0].clone();
    assert_eq!(header, video_header(15_000, 77));
    let header = media_in(&sought(&mut peer, 5_000.0).await)[0].clone();
    assert_eq!(header, video_header(5_000, 1));
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_can_not_be_sought() {
    let media = Media::new();
    let relay = media.relay();
    let _publisher = relay.publish("live", "film").unwrap();
    let (io, _running) = session(&Observers::new().relay(relay));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.play("film").await.unwrap();
    peer.say(stream, Command::new("seek").with_argument(1000.0)).await;
    assert!(status(&mut peer, StatusCode::SeekFailed).await.is_error());
}
