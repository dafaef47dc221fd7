//! What players of a relay get, whenever they join and whatever their publisher does.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientEvent, ServerConfig};
use rtmp_core::flv::{AudioCodec, VideoCodec, with_set_data_frame};
use rtmp_core::message::{ConnectReply, ConnectRequest, StatusCode, UserControl};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::relay::{BackwardTime, NameTaken, RelayConfig, TakeOver, Track};
use rtmp_server::{ConnectObserver, Observers, Relay, SessionConfig, SessionInfo, Verdict};
use rtmp_tests::media::{at_time, audio, audio_header, frame, keyframe, metadata, padded, video_header};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, session, session_over};
use tokio::io::DuplexStream;
use tokio::time::Instant;

/// A client of the relay, connected to `live`.
async fn peer(relay: &Relay) -> Peer<DuplexStream> {
    let (io, _session) = session(&Observers::new().relay(relay.clone()));
    Peer::connected(io, "live").await
}

/// A client that plays `cam`.
async fn player(relay: &Relay) -> Peer<DuplexStream> {
    let mut player = peer(relay).await;
    player.play("cam").await.unwrap();
    player
}

/// What a status or an event says, for comparison.
fn told(events: &[ClientEvent]) -> Vec<String> {
    let text = |event: &ClientEvent| match event {
        ClientEvent::Status { status, .. } => Some(status.code.to_string()),
        ClientEvent::UserControl(UserControl::StreamBegin(_)) => Some("Stream Begin".to_owned()),
        ClientEvent::UserControl(UserControl::StreamEof(_)) => Some("Stream EOF".to_owned()),
        ClientEvent::Media { .. } => Some("media".to_owned()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

/// The media among events.
fn media_in(events: Vec<ClientEvent>) -> Vec<MediaMessage> {
    let media = |event| match event {
        ClientEvent::Media { message, .. } => Some(message),
        _ => None,
    };
    events.into_iter().filter_map(media).collect()
}

// Joining

#[tokio::test(start_paused = true)]
async fn a_joiner_gets_metadata_headers_and_everything_from_the_last_keyframe_at_times_that_only_grow() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let before = [
        metadata(0, 1),
        video_header(0, 2),
        audio_header(0, 3),
        keyframe(0, 4),
        frame(40, 5),
        audio(50, 6),
    ];
    let group = [keyframe(2000, 7), audio(2010, 8), frame(2040, 9)];
    publisher.send(stream, &before).await;
    publisher.send(stream, &group).await;
    publisher.rest().await;
    let mut late = player(&relay).await;
    publisher.send(stream, &[frame(2080, 10)]).await;
    let expected = [
        metadata(2000, 1),
        video_header(2000, 2),
        audio_header(2000, 3),
        keyframe(2000, 7),
        audio(2010, 8),
        frame(2040, 9),
        frame(2080, 10),
    ];
    assert_eq!(late.media(7).await, expected);
    assert!(late.rest_of_media().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_player_may_come_before_the_publisher_and_misses_nothing() {
    let relay = Relay::default();
    let mut early = player(&relay).await;
    early.rest().await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let sent = [
        metadata(0, 1),
        audio_header(0, 2),
        audio(0, 3),
        video_header(20, 4),
        keyframe(20, 5),
        frame(60, 6),
    ];
    publisher.send(stream, &sent).await;
    let events = early.rest().await;
    assert_eq!(
        told(&events)[..2],
        ["Stream Begin", "NetStream.Play.PublishNotify"]
    );
    assert!(told(&events)[2..].iter().all(|what| what == "media"));
    assert_eq!(media_in(events), sent);
}

#[tokio::test(start_paused = true)]
async fn players_are_told_when_their_publisher_leaves_and_when_it_returns_with_new_headers() {
    let relay = Relay::default();
    let mut first = peer(&relay).await;
    let stream = first.publish("cam").await.unwrap();
    first.send(stream, &[video_header(0, 1), keyframe(0, 2)]).await;
    let mut watcher = player(&relay).await;
    assert_eq!(watcher.media(2).await, [video_header(0, 1), keyframe(0, 2)]);
    // Without a word, as when the encoder is switched off.
    drop(first);
    assert_eq!(
        told(&watcher.rest().await),
        ["Stream EOF", "NetStream.Play.UnpublishNotify"]
    );

    let mut second = peer(&relay).await;
    let stream = second.publish("cam").await.unwrap();
    second
        .send(stream, &[frame(0, 3), video_header(0, 4), keyframe(40, 5)])
        .await;
    let events = watcher.rest().await;
    assert_eq!(
        told(&events),
        ["Stream Begin", "NetStream.Play.PublishNotify", "media", "media"]
    );
    assert_eq!(media_in(events), [video_header(0, 4), keyframe(40, 5)]);
}

#[tokio::test(start_paused = true)]
async fn who_joins_between_two_publishers_gets_nothing_of_the_first() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    let mut stays = player(&relay).await;
    stays.media(2).await;
    drop(publisher);
    let mut late = player(&relay).await;
    assert!(late.rest_of_media().await.is_empty());
    relay.publish("live", "cam").unwrap().send(audio(0, 3));
    assert_eq!(late.next_media().await, audio(0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_second_publisher_of_a_name_is_refused_and_the_first_goes_on() {
    let relay = Relay::default();
    let mut first = peer(&relay).await;
    let stream = first.publish("cam").await.unwrap();
    let mut second = peer(&relay).await;
    let status = second.publish("cam").await.unwrap_err();
    assert_eq!(
        (status.code.clone(), status.is_error()),
        (StatusCode::PublishBadName, true)
    );
    assert_eq!(relay.publish("live", "cam").unwrap_err(), NameTaken);
    let mut watcher = player(&relay).await;
    first.send(stream, &[audio(0, 1)]).await;
    assert_eq!(watcher.next_media().await, audio(0, 1));
    // Another application has names of its own.
    assert!(relay.publish("other", "cam").is_ok());
    assert!(second.publish("cam2").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_publisher_whose_name_is_empty_is_refused() {
    let relay = Relay::default();
    let status = peer(&relay).await.publish("?token=1").await.unwrap_err();
    assert_eq!(status.code, StatusCode::PublishBadName);
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn names_are_given_back_however_their_sessions_end() {
    let relay = Relay::default();
    let observers = Observers::new().relay(relay.clone());
    let mut sessions = Vec::new();
    let mut peers = Vec::new();
    for number in 0..6 {
        let (io, running) = session(&observers);
        let mut peer = Peer::connected(io, "live").await;
        peer.publish(&format!("cam{number}")).await.unwrap();
        peer.play(&format!("cam{}", (number + 1) % 6)).await.unwrap();
        sessions.push(running);
        peers.push(peer);
    }
    assert_eq!(relay.stream_count(), 6);
    let mut peers = peers.into_iter();
    drop(peers.next());
    peers.next().unwrap().send_bytes(&[0xC3; 20]).await;
    peers.next().unwrap().machine().close().unwrap();
    for running in &sessions[3..] {
        running.info.dispose("enough");
    }
    for mut peer in peers {
        peer.to_the_end().await;
    }
    for running in sessions {
        running.ended().await;
    }
    assert_eq!(relay.stream_count(), 0);
    assert_eq!(relay.statistics(), Default::default());
}

// What there may be in a stream

#[tokio::test(start_paused = true)]
async fn audio_alone_starts_at_once_with_its_header() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    publisher.send(audio_header(0, 1));
    publisher.send(audio(0, 2));
    let mut watcher = player(&relay).await;
    publisher.send(audio(20, 3));
    publisher.send(audio(40, 4));
    assert_eq!(
        watcher.media(3).await,
        [audio_header(20, 1), audio(20, 3), audio(40, 4)]
    );
}

#[tokio::test(start_paused = true)]
async fn video_alone_and_video_without_header_start_at_a_keyframe() {
    for header in [Some(video_header(0, 1)), None] {
        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        for message in header
            .iter()
            .cloned()
            .chain([frame(0, 2), keyframe(40, 3), frame(80, 4)])
        {
            publisher.send(message);
        }
        let mut watcher = player(&relay).await;
        let mut expected: Vec<_> = header.iter().map(|header| at_time(header, 40)).collect();
        expected.extend([keyframe(40, 3), frame(80, 4)]);
        assert_eq!(watcher.rest_of_media().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_joiner_without_a_cached_group_gets_audio_at_once_and_video_from_the_next_keyframe() {
    let relay = Relay::new(RelayConfig::default().gop_cache(false));
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [
        video_header(0, 1),
        audio_header(0, 2),
        keyframe(0, 3),
        frame(40, 4),
    ] {
        publisher.send(message);
    }
    let mut watcher = player(&relay).await;
    let live = [audio(50, 5), frame(80, 6), keyframe(120, 7), frame(160, 8)];
    live.iter().for_each(|message| publisher.send(message.clone()));
    let expected = [
        video_header(50, 1),
        audio_header(50, 2),
        audio(50, 5),
        keyframe(120, 7),
        frame(160, 8),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_never_gets_a_new_header_with_old_frames_nor_an_old_one_with_new() {
    for (old, new) in [
        (video_header(0, 1), video_header(80, 4)),
        (audio_header(0, 1), audio_header(80, 4)),
        // Too long to be kept, and in force all the same.
        (video_header(0, 1), padded(video_header(80, 4), 100_000)),
    ] {
        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        let mut stays = relay.play("live", "cam");
        let sent = [old, keyframe(0, 2), frame(40, 3), new.clone()];
        sent.iter().for_each(|message| publisher.send(message.clone()));
        let mut watcher = player(&relay).await;
        publisher.send(frame(120, 5));
        publisher.send(keyframe(160, 6));
        let first_is_header = new.payload.len() < 100_000;
        let media = watcher.rest_of_media().await;
        assert_eq!(
            first_is_header,
            media.first().is_some_and(|first| first.payload == new.payload)
        );
        assert_eq!(media[usize::from(first_is_header)..], [keyframe(160, 6)]);
        // Who was there gets all of it.
        for message in sent {
            assert_eq!(stays.recv().await, Some(message));
        }
        assert_eq!(stays.recv().await, Some(frame(120, 5)));
    }
}

#[tokio::test]
async fn a_header_that_changes_between_joining_and_reading_does_not_come_with_old_frames() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [video_header(0, 1), keyframe(0, 2), frame(40, 3)] {
        publisher.send(message);
    }
    let mut watcher = relay.play("live", "cam");
    for message in [video_header(80, 4), keyframe(80, 5), frame(120, 6)] {
        publisher.send(message);
    }
    for expected in [video_header(80, 4), keyframe(80, 5), frame(120, 6)] {
        assert_eq!(watcher.recv().await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_repeated_is_no_change() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [
        video_header(0, 1),
        keyframe(0, 2),
        video_header(40, 1),
        frame(40, 3),
    ] {
        publisher.send(message);
    }
    let mut watcher = player(&relay).await;
    let expected = [
        video_header(0, 1),
        keyframe(0, 2),
        video_header(40, 1),
        frame(40, 3),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_grows_too_long_in_bytes_or_time_is_not_given_to_joiners() {
    let by_len = RelayConfig::default().max_gop_len(20_000);
    let by_time = RelayConfig::default().max_gop(Duration::from_secs(2));
    for config in [by_len, by_time] {
        let relay = Relay::new(config);
        let mut publisher = relay.publish("live", "cam").unwrap();
        publisher.send(video_header(0, 1));
        publisher.send(keyframe(0, 2));
        for number in 3..60 {
            publisher.send(padded(frame(40 * number, number), 1000));
        }
        // Nobody plays, so nothing of it stays.
        assert_eq!(relay.statistics().messages, 0);
        let mut watcher = player(&relay).await;
        publisher.send(frame(4000, 60));
        assert!(
            watcher
                .rest_of_media()
                .await
                .iter()
                .all(|message| message.is_sequence_header())
        );
        publisher.send(keyframe(4040, 61));
        assert_eq!(watcher.next_media().await, keyframe(4040, 61));
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_lose_set_data_frame_and_are_forgotten_when_they_are_cleared() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut early = player(&relay).await;
    let plain = metadata(0, 1);
    let wrapped = MediaMessage {
        payload: with_set_data_frame(&plain.payload),
        ..plain.clone()
    };
    publisher.send(stream, &[wrapped, audio(0, 2)]).await;
    assert_eq!(early.media(2).await, [plain, audio(0, 2)]);

    let mut late = player(&relay).await;
    publisher.send(stream, &[audio(20, 3)]).await;
    assert_eq!(late.media(2).await, [metadata(20, 1), audio(20, 3)]);

    let clear = &b"\x02\0\x0f@clearDataFrame\x02\0\x0aonMetaData"[..];
    publisher
        .send(stream, &[MediaMessage::data(Timestamp::ZERO, clear)])
        .await;
    publisher.rest().await;
    let mut latest = player(&relay).await;
    publisher.send(stream, &[audio(40, 4)]).await;
    assert_eq!(latest.next_media().await, audio(40, 4));
    assert_eq!(early.media(2).await, [audio(20, 3), audio(40, 4)]);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_change_all_the_time_are_given_to_joiners_first_and_newest() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [metadata(0, 1), keyframe(0, 2), metadata(40, 3), frame(40, 4)] {
        publisher.send(message);
    }
    let mut watcher = player(&relay).await;
    let expected = [metadata(0, 3), keyframe(0, 2), metadata(40, 3), frame(40, 4)];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_understands_passes_byte_for_byte() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut watcher = player(&relay).await;
    let at = Timestamp::from_millis(0xFFFF_FFF0);
    let mut odd = vec![
        MediaMessage::data(at, &b"\x02\0\x09onCueData\x0D\xFF"[..]),
        MediaMessage::data(at, &b""[..]),
        MediaMessage::data(at, &b"\x02\xFF\xFF@setDataFrame"[..]),
        MediaMessage::audio(at, &b""[..]),
        MediaMessage::video(at, &b""[..]),
        MediaMessage::video(at, &b"\x57\x00"[..]),
    ];
    odd.extend((0..=255).map(|first| MediaMessage::audio(at, vec![first])));
    publisher
        .send(stream, &[video_header(0, 1), keyframe(0, 2)])
        .await;
    publisher.send(stream, &odd).await;
    assert_eq!(watcher.rest_of_media().await[2..], odd);
}

struct Amf3Speaker;

#[async_trait]
impl ConnectObserver for Amf3Speaker {
    async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        if request.asks_for_amf3() {
            Verdict::Accept(ConnectReply::default().with_amf3())
        } else {
            Verdict::accept()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn amf3_data_reach_as_they_came_only_players_that_agreed_to_amf3() {
    let relay = Relay::default();
    let observers = Observers::new().connect(Amf3Speaker).relay(relay.clone());
    let mut players = Vec::new();
    for encoding in [0.0, 3.0] {
        let (io, _session) = session(&observers);
        let request = ConnectRequest::default().property("objectEncoding", encoding);
        let mut player = Peer::new(io);
        let reply = player.connect_with(&request, "live").await.unwrap();
        let agreed = reply
            .status
            .details
            .get("objectEncoding")
            .and_then(|value| value.as_number());
        assert_eq!(agreed, Some(encoding));
        player.play("cam").await.unwrap();
        players.push(player);
    }
    let mut tap = relay.play("live", "cam");
    let mut publisher = relay.publish("live", "cam").unwrap();
    let values = b"\x02\0\x01x\x11\x01";
    let sent = MediaMessage {
        kind: MediaKind::Amf3Data,
        timestamp: Timestamp::ZERO,
        payload: [&b"\0"[..], values].concat().into(),
    };
    publisher.send(sent.clone());
    assert_eq!(
        players[0].rest_of_media().await,
        [MediaMessage::data(Timestamp::ZERO, &values[..])]
    );
    assert_eq!(players[1].rest_of_media().await, std::slice::from_ref(&sent));
    assert_eq!(tap.recv().await, Some(sent));
}

#[tokio::test(start_paused = true)]
async fn a_joiner_gets_the_headers_of_every_track() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let video = |body: &'static [u8]| MediaMessage::video(Timestamp::ZERO, body);
    let sound = |body: &'static [u8]| MediaMessage::audio(Timestamp::ZERO, body);
    let headers = [
        video(b"\x90avc1\x01\x64"),
        video(b"\x96\x00hvc1\x01\x01\x22"),
        video(b"\x96\x00av01\x02\x81\x09"),
        sound(b"\x90mp4a\x12\x10"),
        sound(b"\x95\x00Opus\x01OpusHead"),
    ];
    headers.iter().for_each(|header| publisher.send(header.clone()));
    publisher.send(video(b"\x91avc1\0\0\0\x65"));
    publisher.send(video(b"\x96\x01hvc1\x01\0\0\0\x26"));
    let mut watcher = player(&relay).await;
    let media = watcher.rest_of_media().await;
    assert_eq!(media[..5], headers);
    assert_eq!(media.len(), 7);
    assert!(media[5].is_keyframe_of(0) && media[6].is_keyframe_of(1));
}

#[tokio::test(start_paused = true)]
async fn one_message_that_holds_the_headers_of_several_tracks_is_given_once() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let tracks = &b"\x96\x10avc1\x00\0\0\x02\x01\x64\x01\0\0\x02\x01\x42"[..];
    let headers = MediaMessage::video(Timestamp::ZERO, tracks);
    assert_eq!(headers.configurations().count(), 2);
    publisher.send(headers.clone());
    let mut watcher = player(&relay).await;
    publisher.send(audio(0, 1));
    assert_eq!(watcher.media(2).await, [headers, audio(0, 1)]);
}

// Players of all kinds

#[tokio::test(start_paused = true)]
async fn players_get_the_same_media_on_whatever_stream_with_whatever_chunk_size() {
    let relay = Relay::default();
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut players = Vec::new();
    for (chunk_size, stream_count) in [(60_000, 1), (60_000, 3), (128, 1), (1 << 20, 2)] {
        let (client, server) = tokio::io::duplex(PIPE_LEN);
        let config = SessionConfig::default().protocol(ServerConfig::default().chunk_size(chunk_size));
        let _session = session_over(server, &Observers::new().relay(relay.clone()), config);
        let mut peer = Peer::connected(client, "live").await;
        for _ in 1..stream_count {
            peer.create_stream().await;
        }
        assert_eq!(
            peer.play("cam").await.unwrap(),
            MessageStreamId::new(stream_count)
        );
        players.push(peer);
    }
    let sent = [
        metadata(0, 1),
        video_header(0, 2),
        padded(keyframe(0x00FF_FFFF, 3), 200_000),
        padded(frame(0x0100_0000, 4), 59_991),
        padded(frame(0x0100_0028, 5), 59_992),
        frame(u32::MAX, 6),
    ];
    for message in &sent {
        publisher.send(stream, std::slice::from_ref(message)).await;
        for player in &mut players {
            assert!(player.next_media().await == *message);
        }
    }
    // The same for one who joins with the cache.
    let mut late = player(&relay).await;
    assert!(late.media(6).await[2..] == sent[2..]);
}

#[tokio::test(start_paused = true)]
async fn players_that_nobody_publishes_for_are_sent_away_after_the_time_that_the_relay_gives() {
    let relay = Relay::new(RelayConfig::default().wait_for_publisher(Duration::from_secs(7)));
    let begun = Instant::now();
    let mut watcher = player(&relay).await;
    watcher.status(StatusCode::PlayStop).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(told(&watcher.rest().await), ["Stream EOF"]);
    assert_eq!(relay.stream_count(), 0);

    // The same after a publisher has left, and a new one gives them new time.
    let mut watcher = player(&relay).await;
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(6)).await;
        relay.publish("live", "cam").unwrap().send(audio(0, 1));
        watcher.next_media().await;
        watcher.status(StatusCode::PlayUnpublishNotify).await;
    }
    let begun = Instant::now();
    watcher.status(StatusCode::PlayStop).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_lets_nobody_wait_does_not_find_streams_without_publisher() {
    let relay = Relay::new(RelayConfig::default().wait_for_publisher(Duration::ZERO));
    let mut peer = peer(&relay).await;
    assert_eq!(
        peer.play("cam").await.unwrap_err().code,
        StatusCode::PlayStreamNotFound
    );
    assert_eq!(relay.stream_count(), 0);
    let publisher = relay.publish("live", "cam").unwrap();
    peer.play("cam").await.unwrap();
    drop(publisher);
    peer.status(StatusCode::PlayStop).await;
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_player_that_goes_on_after_a_pause_does_so_at_a_keyframe() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut watcher = peer(&relay).await;
    let stream = watcher.play("cam").await.unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    watcher.media(2).await;
    watcher.machine().pause(stream, true, Duration::ZERO).unwrap();
    watcher.status(StatusCode::PauseNotify).await;
    for message in [frame(40, 3), video_header(80, 4), keyframe(80, 5), audio(90, 6)] {
        publisher.send(message);
    }
    assert!(watcher.rest_of_media().await.is_empty());
    watcher.machine().pause(stream, false, Duration::ZERO).unwrap();
    watcher.status(StatusCode::UnpauseNotify).await;
    for message in [frame(120, 7), audio(130, 8), keyframe(160, 9), frame(200, 10)] {
        publisher.send(message);
    }
    // The new header first, because it has missed it.
    let expected = [
        video_header(120, 4),
        audio(130, 8),
        keyframe(160, 9),
        frame(200, 10),
    ];
    assert_eq!(watcher.rest_of_media().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_player_without_video_gets_audio_alone_and_begins_video_again_with_header_and_keyframe() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut watcher = peer(&relay).await;
    let stream = watcher.play("cam").await.unwrap();
    publisher.send(video_header(0, 1));
    publisher.send(keyframe(0, 2));
    watcher.media(2).await;
    watcher.machine().receive_video(stream, false).unwrap();
    watcher.rest().await;
    for message in [frame(40, 3), audio(50, 4), video_header(80, 5), keyframe(80, 6)] {
        publisher.send(message);
    }
    assert_eq!(watcher.rest_of_media().await, [audio(50, 4)]);
    watcher.machine().receive_video(stream, true).unwrap();
    watcher.status(StatusCode::PlayStart).await;
    for message in [frame(120, 7), audio(130, 8), keyframe(160, 9)] {
        publisher.send(message);
    }
    assert_eq!(
        watcher.rest_of_media().await,
        [video_header(120, 5), audio(130, 8), keyframe(160, 9)]
    );

    watcher.machine().receive_audio(stream, false).unwrap();
    watcher.rest().await;
    publisher.send(audio(170, 10));
    publisher.send(frame(200, 11));
    assert_eq!(watcher.rest_of_media().await, [frame(200, 11)]);
}

// Within the process

#[tokio::test(start_paused = true)]
async fn a_player_within_the_process_waits_for_one_publisher_after_another() {
    let relay = Relay::new(RelayConfig::default().wait_for_publisher(Duration::from_secs(5)));
    let mut player = relay.play("live", "cam");
    for round in 0..3 {
        let mut publisher = relay.publish("live", "cam").unwrap();
        publisher.send(audio(0, round));
        assert_eq!(player.recv().await, Some(audio(0, round)));
        publisher.send(audio(20, round));
        drop(publisher);
        assert_eq!(player.recv().await, Some(audio(20, round)));
        assert_eq!(player.recv().await, None);
    }
    let begun = Instant::now();
    assert_eq!(player.recv().await, None);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(player.take_dropped(), 0);
    drop(player);
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_recv_that_is_dropped_loses_no_message() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    let mut received = Vec::new();
    for number in 0..200 {
        // One that waits and is dropped, and one that may have something ready.
        received.extend(
            tokio::time::timeout(Duration::from_millis(1), player.recv())
                .await
                .ok()
                .flatten(),
        );
        for part in 0..number % 3 {
            publisher.send(audio(number, number * 10 + part));
        }
        received.extend(player.recv().now_or_never().flatten());
    }
    drop(publisher);
    while let Some(message) = player.recv().await {
        received.push(message);
    }
    let sent: Vec<_> = (0..200)
        .flat_map(|number| (0..number % 3).map(move |part| audio(number, number * 10 + part)))
        .collect();
    assert_eq!(received, sent);
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test]
async fn players_that_leave_while_they_wait_are_forgotten() {
    let relay = Relay::default();
    // It keeps the stream.
    let _stays = relay.play("live", "cam");
    let task = Arc::new(Idle);
    let waker = Waker::from(Arc::clone(&task));
    let held = Arc::strong_count(&task);
    for _ in 0..100 {
        let mut player = relay.play("live", "cam");
        assert!(
            player
                .recv()
                .boxed()
                .poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert!(Arc::strong_count(&task) > held);
        drop(player);
        assert_eq!(Arc::strong_count(&task), held);
    }
}

// What a relay tells

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

// Taking over

#[tokio::test(start_paused = true)]
async fn a_publisher_takes_over_from_one_that_is_silent_and_players_stay() {
    let patience = Duration::from_secs(20);
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::IfSilent(patience)));
    let (io, first_session) = session(&Observers::new().relay(relay.clone()));
    let mut first = Peer::connected(io, "live").await;
    let stream = first.publish("cam").await.unwrap();
    let mut player = player(&relay).await;
    first.send(stream, &[video_header(0, 1), keyframe(0, 2)]).await;
    player.rest().await;

    tokio::time::advance(patience / 2).await;
    let mut second = peer(&relay).await;
    let refused = second.publish("cam").await.unwrap_err();
    assert_eq!(refused.code, StatusCode::PublishBadName);

    tokio::time::advance(patience).await;
    let mut second = peer(&relay).await;
    let stream = second.publish("cam").await.unwrap();
    let reason = first_session.ended().await;
    assert_eq!(
        reason.to_string(),
        "ended by the server: another publisher has taken over"
    );
    let messages = [video_header(0, 3), keyframe(0, 4), frame(40, 5)];
    second.send(stream, &messages).await;
    let events = player.rest().await;
    assert_eq!(
        told(&events)[..4],
        [
            "Stream EOF",
            "NetStream.Play.UnpublishNotify",
            "Stream Begin",
            "NetStream.Play.PublishNotify"
        ]
    );
    assert_eq!(media_in(events), messages);
}

#[tokio::test(start_paused = true)]
async fn what_a_replaced_publisher_sends_and_its_end_mean_nothing() {
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::Always));
    let mut first = relay.publish("live", "cam").unwrap();
    let mut second = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    first.send(audio(0, 1));
    second.send(audio(0, 2));
    drop(first);
    second.send(audio(20, 3));
    assert_eq!(player.recv().await, Some(audio(0, 2)));
    assert_eq!(player.recv().await, Some(audio(20, 3)));
    assert_eq!(relay.statistics().publishers, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_take_over_from_itself() {
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::Always));
    let mut publisher = peer(&relay).await;
    publisher.publish("cam").await.unwrap();
    let again = publisher.create_stream().await;
    let refused = publisher.publish_on(again, "cam").await.unwrap_err();
    assert_eq!(refused.code, StatusCode::PublishBadName);
    assert_eq!(relay.statistics().publishers, 1);
}

// Time

#[tokio::test(start_paused = true)]
async fn a_returning_publisher_whose_clock_starts_anew_goes_on_where_the_relay_is_told_to() {
    for (policy, expected) in [
        (BackwardTime::PassOn, [5000, 5040, 0, 40]),
        (BackwardTime::Hold, [5000, 5040, 0, 40]),
        (BackwardTime::Rebase, [5000, 5040, 5040, 5080]),
    ] {
        let relay = Relay::new(RelayConfig::default().backward_time(policy));
        let mut player = relay.play("live", "cam");
        let mut times = Vec::new();
        for round in [[5000, 5040], [0, 40]] {
            let mut publisher = relay.publish("live", "cam").unwrap();
            for millis in round {
                publisher.send(audio(millis, millis));
            }
            drop(publisher);
            while let Some(message) = player.recv().await {
                times.push(message.timestamp.as_millis());
            }
        }
        assert_eq!(times, expected, "{policy:?}");
    }
}
