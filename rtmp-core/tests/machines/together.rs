//! A client machine and a server machine on one connection.

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine, ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::handshake::{ClientHandshakeConfig, HandshakeKind, Layout};
use rtmp_core::message::{
    ConnectReply, ConnectRequest, PlayRequest, PublishKind, PublishRequest, Status, StatusCode,
};
use rtmp_core::{Limits, MediaMessage, Timestamp};

use crate::described;
use crate::scripted::{random, stream};

/// Both machines, with a server that accepts everything. What arrives is cut as `cuts` says, over and over.
struct Pair {
    client: ClientMachine,
    server: ServerMachine,
    to_client: BytesMut,
    to_server: BytesMut,
    on_the_way: [BytesMut; 2],
    cuts: Vec<usize>,
    next_cut: usize,
    now: Duration,
    client_events: Vec<String>,
    server_events: Vec<String>,
}

impl Pair {
    fn new(client: ClientConfig, server: ServerConfig, cuts: &[usize]) -> Self {
        Self {
            client: ClientMachine::new(client, Duration::ZERO, random),
            server: ServerMachine::new(server, Duration::ZERO, random),
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            on_the_way: Default::default(),
            cuts: cuts.to_vec(),
            next_cut: 0,
            now: Duration::ZERO,
            client_events: Vec::new(),
            server_events: Vec::new(),
        }
    }

    /// Behind `connect`.
    fn connected(server: ServerConfig, cuts: &[usize]) -> Self {
        let mut pair = Self::new(ClientConfig::default(), server, cuts);
        pair.run();
        pair.client
            .connect(&ConnectRequest::default(), "live", "rtmp://h/live")
            .unwrap();
        pair.run();
        assert!(pair.client.is_connected() && pair.server.is_connected());
        pair.client_events.clear();
        pair.server_events.clear();
        pair
    }

    fn create_stream(&mut self) {
        self.client.create_stream().unwrap();
        self.run();
    }

    fn publish(&mut self, id: u32, name: &str) {
        let request = PublishRequest::new(name, PublishKind::Live);
        self.client.publish(stream(id), &request).unwrap();
        self.run();
    }

    fn play(&mut self, id: u32, name: &str) {
        self.client.play(stream(id), &PlayRequest::new(name)).unwrap();
        self.run();
    }

    /// Delivers everything until both ends are silent.
    fn run(&mut self) {
        loop {
            self.on_the_way[0].unsplit(self.client.output().split());
            self.on_the_way[1].unsplit(self.server.output().split());
            if self.on_the_way.iter().all(BytesMut::is_empty) {
                return;
            }
            let cut = self.cut();
            let [to_server, to_client] = &mut self.on_the_way;
            let len = to_server.len().min(cut);
            self.to_server.unsplit(to_server.split_to(len));
            let len = to_client.len().min(cut);
            self.to_client.unsplit(to_client.split_to(len));
            while let Some(event) = self.server.poll_event(&mut self.to_server, self.now).unwrap() {
                self.decide(&event);
                if !matches!(event, ServerEvent::Acknowledgement(_)) {
                    self.server_events.push(described::server_event(&event));
                }
            }
            while let Some(event) = self.client.poll_event(&mut self.to_client, self.now).unwrap() {
                // How many acknowledgements there are depends on the cuts.
                if !matches!(event, ClientEvent::Acknowledgement(_)) {
                    self.client_events.push(described::client_event(&event));
                }
            }
        }
    }

    fn cut(&mut self) -> usize {
        let cut = self.cuts.get(self.next_cut).copied().unwrap_or(usize::MAX);
        self.next_cut = (self.next_cut + 1) % self.cuts.len().max(1);
        cut
    }

    fn decide(&mut self, event: &ServerEvent) {
        let server = &mut self.server;
        match event {
            ServerEvent::Connect(_) => server.accept_connect(&ConnectReply::default()),
            ServerEvent::Publish { stream, .. } => server.accept_publish(*stream),
            ServerEvent::Play { stream, .. } => server.accept_play(*stream),
            ServerEvent::Pause { stream, paused, .. } => server.confirm_pause(*stream, *paused),
            ServerEvent::Seek { stream, position } => server.accept_seek(*stream, *position),
            ServerEvent::Receive {
                stream, wanted: true, ..
            } => server.confirm_receive(*stream),
            _ => Ok(()),
        }
        .unwrap();
    }

    fn take_events(&mut self) -> (Vec<String>, Vec<String>) {
        (
            std::mem::take(&mut self.client_events),
            std::mem::take(&mut self.server_events),
        )
    }
}

fn video(millis: u32, len: usize) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(millis), vec![0x27; len])
}

fn audio(millis: u32, len: usize) -> MediaMessage {
    MediaMessage::audio(Timestamp::from_millis(millis), vec![0xAF; len])
}

#[test]
fn every_form_of_handshake_leads_to_a_connection() {
    for kind in [
        HandshakeKind::Simple,
        HandshakeKind::Digest(Layout::DigestFirst),
        HandshakeKind::Digest(Layout::KeyFirst),
    ] {
        let offer = ClientHandshakeConfig::default().offer(kind);
        let config = ClientConfig::default().handshake(offer);
        let mut pair = Pair::new(config, ServerConfig::default(), &[]);
        pair.run();
        pair.client
            .connect(&ConnectRequest::default(), "live", "rtmp://h/live")
            .unwrap();
        pair.run();
        assert_eq!(
            pair.client_events,
            [
                &format!("handshake {kind:?}"),
                "StreamBegin(0)",
                "connected NetConnection.Connect.Success",
            ]
        );
        assert_eq!(
            pair.server_events,
            [&format!("handshake {kind:?}"), "connect live"]
        );
    }
}

#[test]
fn a_publisher_publishes_stops_and_publishes_again_on_one_stream() {
    let mut pair = Pair::connected(ServerConfig::default(), &[]);
    pair.create_stream();
    pair.publish(1, "cam?key=1");
    pair.client.send_media(stream(1), &audio(0, 7)).unwrap();
    pair.client.send_media(stream(1), &video(40, 100_000)).unwrap();
    pair.run();
    pair.client.close_stream(stream(1)).unwrap();
    pair.run();
    pair.publish(1, "cam2");
    pair.client.send_media(stream(1), &video(0, 1)).unwrap();
    pair.client.delete_stream(stream(1)).unwrap();
    pair.run();
    let (client, server) = pair.take_events();
    assert_eq!(
        client,
        [
            "created 2 1",
            "call onFCPublish 0",
            "StreamBegin(1)",
            "publishing 1 NetStream.Publish.Start",
            "call onFCUnpublish 0",
            "status 1 NetStream.Unpublish.Success",
            "call onFCPublish 0",
            "StreamBegin(1)",
            "publishing 1 NetStream.Publish.Start",
            "call onFCUnpublish 0",
            "status 1 NetStream.Unpublish.Success",
        ]
    );
    assert_eq!(
        server,
        [
            "publish 1 cam?key=1 live",
            "media 1 audio at 0 of 7",
            "media 1 video at 40 of 100000",
            "unpublish 1",
            "publish 1 cam2 live",
            "media 1 video at 0 of 1",
            "unpublish 1",
        ]
    );
    pair.create_stream();
    assert_eq!(pair.client_events, ["created 11 1"], "the number is free again");
}

#[test]
fn a_player_pauses_seeks_and_stops() {
    let mut pair = Pair::connected(ServerConfig::default(), &[]);
    pair.create_stream();
    pair.play(1, "film");
    pair.server.send_media(stream(1), &video(0, 5000)).unwrap();
    pair.client
        .pause(stream(1), true, Duration::from_millis(40))
        .unwrap();
    pair.run();
    pair.client
        .pause(stream(1), false, Duration::from_millis(40))
        .unwrap();
    pair.client.seek(stream(1), Duration::from_secs(60)).unwrap();
    pair.run();
    pair.client.receive_audio(stream(1), false).unwrap();
    pair.client.receive_video(stream(1), true).unwrap();
    pair.run();
    pair.server.end_play(stream(1)).unwrap();
    pair.run();
    pair.play(1, "film2");
    pair.client.close_stream(stream(1)).unwrap();
    pair.run();
    let (client, server) = pair.take_events();
    assert_eq!(
        client,
        [
            "created 2 1",
            "StreamBegin(1)",
            "status 1 NetStream.Play.Reset",
            "playing 1 NetStream.Play.Start",
            "media 1 video at 0 of 5000",
            "StreamEof(1)",
            "status 1 NetStream.Pause.Notify",
            "StreamBegin(1)",
            "status 1 NetStream.Unpause.Notify",
            "status 1 NetStream.Seek.Notify",
            "StreamBegin(1)",
            "status 1 NetStream.Play.Start",
            "status 1 NetStream.Seek.Notify",
            "status 1 NetStream.Play.Start",
            "status 1 NetStream.Play.Stop",
            "StreamEof(1)",
            "StreamBegin(1)",
            "status 1 NetStream.Play.Reset",
            "playing 1 NetStream.Play.Start",
        ]
    );
    assert_eq!(
        server,
        [
            "play 1 film",
            "SetBufferLength(1, 3000)",
            "pause 1 true 40",
            "pause 1 false 40",
            "seek 1 60000",
            "receive 1 Audio false",
            "receive 1 Video true",
            "play 1 film2",
            "SetBufferLength(1, 3000)",
            "stop play 1",
        ]
    );
}

#[test]
fn a_playing_client_may_play_something_else_instead() {
    let mut pair = Pair::connected(ServerConfig::default(), &[]);
    pair.create_stream();
    pair.play(1, "one");
    pair.play(1, "two");
    assert_eq!(
        pair.server_events,
        [
            "play 1 one",
            "SetBufferLength(1, 3000)",
            "stop play 1",
            "play 1 two",
            "SetBufferLength(1, 3000)"
        ]
    );
    assert_eq!(
        pair.client_events.last().unwrap(),
        "playing 1 NetStream.Play.Start"
    );
}

#[test]
fn a_player_hears_of_a_publisher_that_goes_and_comes() {
    let mut pair = Pair::connected(ServerConfig::default(), &[]);
    pair.create_stream();
    pair.play(1, "cam");
    pair.client_events.clear();
    pair.server.notify_unpublished(stream(1)).unwrap();
    pair.server.notify_published(stream(1)).unwrap();
    pair.server.send_media(stream(1), &video(0, 9)).unwrap();
    pair.run();
    assert_eq!(
        pair.client_events,
        [
            "StreamEof(1)",
            "status 1 NetStream.Play.UnpublishNotify",
            "StreamBegin(1)",
            "status 1 NetStream.Play.PublishNotify",
            "media 1 video at 0 of 9",
        ]
    );
}

#[test]
fn a_refused_publisher_may_try_again() {
    let mut server = crate::scripted::Server::with_stream();
    for _ in 0..2 {
        server.send(1, crate::scripted::command("publish", 0).with_argument("cam"));
        assert_eq!(server.events(), ["publish 1 cam live"]);
        let status = Status::new(StatusCode::PublishBadName, "cam is taken");
        server.machine.reject_publish(stream(1), &status).unwrap();
        assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Publish.BadName"]);
    }
}

/// Two publishers and two players on one connection, in and out of turn; what each end is told.
fn everything_at_once(server: ServerConfig, cuts: &[usize]) -> (Vec<String>, Vec<String>) {
    let mut pair = Pair::connected(server, cuts);
    for _ in 0..4 {
        pair.client.create_stream().unwrap();
    }
    pair.run();
    let publish = |name| PublishRequest::new(name, PublishKind::Record);
    pair.client.publish(stream(1), &publish("a")).unwrap();
    pair.client
        .play(stream(2), &PlayRequest::new("b").reset(false))
        .unwrap();
    pair.client.publish(stream(3), &publish("c")).unwrap();
    pair.client.play(stream(4), &PlayRequest::new("d")).unwrap();
    pair.run();
    for (at, len) in [0, 1, 127, 128, 129, 4096, 70_000, 300_000]
        .into_iter()
        .enumerate()
    {
        let millis = at as u32 * 0x30_0000;
        pair.client.send_media(stream(1), &audio(millis, len)).unwrap();
        pair.server.send_media(stream(2), &video(millis, len)).unwrap();
        pair.client
            .send_media(stream(3), &video(millis / 2, len / 2))
            .unwrap();
        pair.server.send_media(stream(4), &audio(millis, 1)).unwrap();
    }
    pair.client.ping(pair.now).unwrap();
    pair.run();
    pair.client.delete_stream(stream(1)).unwrap();
    pair.client.close_stream(stream(2)).unwrap();
    pair.run();
    pair.client.send_media(stream(3), &audio(9, 9)).unwrap();
    pair.server.send_media(stream(4), &audio(0xFFFF_FFFF, 9)).unwrap();
    pair.run();
    assert_eq!(pair.client.round_trip(), Some(Duration::ZERO));
    pair.client.close().unwrap();
    pair.run();
    pair.take_events()
}

#[test]
fn streams_of_one_connection_do_not_disturb_each_other() {
    let (client, server) = everything_at_once(ServerConfig::default(), &[]);
    let of = |events: &[String], prefix: &str| -> Vec<String> {
        let of_stream = events.iter().filter(|event| event.starts_with(prefix));
        of_stream.cloned().collect()
    };
    let lengths = [0, 1, 127, 128, 129, 4096, 70_000, 300_000];
    let times = (0..8).map(|at| at * 0x30_0000);
    let expected: Vec<String> = times
        .clone()
        .zip(lengths)
        .map(|(millis, len)| format!("media 1 audio at {millis} of {len}"))
        .collect();
    assert_eq!(of(&server, "media 1"), expected);
    let expected: Vec<String> = times
        .zip(lengths)
        .map(|(millis, len)| format!("media 2 video at {millis} of {len}"))
        .collect();
    assert_eq!(of(&client, "media 2"), expected);
    assert_eq!(of(&server, "media 3").len(), 9);
    assert_eq!(of(&client, "media 4").len(), 9);
    assert_eq!(client.last().unwrap(), "media 4 audio at 4294967295 of 9");
    assert_eq!(of(&server, "unpublish"), ["unpublish 1", "unpublish 3"]);
    assert_eq!(of(&server, "stop play"), ["stop play 2", "stop play 4"]);
    assert_eq!(of(&server, "ignored"), [""; 0]);
    assert_eq!(of(&client, "ignored"), [""; 0]);
}

/// The events of each kind of media of each stream by themselves: audio may overtake long video.
fn in_lanes((mut client, mut server): (Vec<String>, Vec<String>)) -> (Vec<String>, Vec<String>) {
    for events in [&mut client, &mut server] {
        events.sort_by_key(|event| match event.split_once(" at ") {
            Some((lane, _)) if lane.starts_with("media") => lane.to_owned(),
            _ => String::new(),
        });
    }
    (client, server)
}

#[test]
fn the_chunk_size_of_the_server_changes_nothing_for_the_client() {
    let expected = in_lanes(everything_at_once(ServerConfig::default(), &[]));
    for chunk_size in [1, 128, 4096, 60_000, 0x7FFF_FFFF] {
        let config = ServerConfig::default().chunk_size(chunk_size);
        assert!(
            in_lanes(everything_at_once(config, &[])) == expected,
            "{chunk_size}"
        );
    }
}

#[test]
fn a_message_beyond_the_limit_before_media_ends_the_connection_and_passes_behind_publish() {
    let limits = Limits::default().max_partial_bytes_before_media(10_000);
    let config = ServerConfig::default().limits(limits);
    let mut pair = Pair::connected(config.clone(), &[]);
    pair.create_stream();
    pair.publish(1, "cam");
    pair.client.send_media(stream(1), &video(0, 200_000)).unwrap();
    pair.run();
    assert_eq!(pair.server_events.last().unwrap(), "media 1 video at 0 of 200000");

    let mut stranger = crate::scripted::Server::connected_with(config);
    stranger.send_raw(&crate::scripted::raw(
        6,
        crate::scripted::VIDEO,
        1,
        vec![0; 20_000],
    ));
    assert_eq!(
        stranger.fault().to_string(),
        "incomplete messages of 10112 bytes before publish or play, max_partial_bytes_before_media is 10000",
        "20000 bytes of a message are too many for a client that does not publish"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn where_the_bytes_are_cut_does_not_change_what_the_ends_are_told(
        cuts in prop::collection::vec(prop_oneof![1..20usize, 1..5000usize, 1..200_000usize], 1..20),
        chunk_size in prop::sample::select(vec![1, 100, 128, 4096, 60_000, 0x7FFF_FFFF]),
    ) {
        // A run of tiny cuts alone would take a second.
        let mut cuts = cuts;
        cuts.push(50_000);
        let config = ServerConfig::default().chunk_size(chunk_size);
        let expected = in_lanes(everything_at_once(ServerConfig::default(), &[]));
        prop_assert!(in_lanes(everything_at_once(config, &cuts)) == expected);
    }
}
