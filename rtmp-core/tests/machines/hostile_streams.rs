//! What a client may ask of streams that is absurd, out of turn or too much, to a server.

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::Limits;
use rtmp_core::conn::ServerConfig;
use rtmp_core::message::{ConnectReply, Status, StatusCode};

use crate::scripted::{AUDIO, Server, VIDEO, command, connect_to, odd_values, raw, stream};

#[test]
fn streams_beyond_the_limit_are_refused_and_their_numbers_used_again() {
    let limits = Limits::default().max_streams(3);
    let mut server = Server::connected_with(ServerConfig::default().limits(limits));
    for _ in 0..10_000 {
        server.send(0, command("createStream", 5));
    }
    let replies = server.exchange();
    assert_eq!(
        replies[..3],
        [
            "3/0 _result 5 Number(1.0)",
            "3/0 _result 5 Number(2.0)",
            "3/0 _result 5 Number(3.0)"
        ]
    );
    assert_eq!(replies.len(), 10_000);
    assert!(
        replies[3..]
            .iter()
            .all(|reply| reply == "3/0 _error 5 NetConnection.Call.Failed")
    );
    server.send(0, command("deleteStream", 0).with_argument(2.0));
    server.send(0, command("createStream", 6));
    server.send(0, command("createStream", 7));
    assert_eq!(
        server.exchange(),
        [
            "3/0 _result 6 Number(2.0)",
            "3/0 _error 7 NetConnection.Call.Failed"
        ]
    );
}

#[test]
fn the_default_limit_of_streams_is_32() {
    let mut server = Server::connected();
    for _ in 0..40 {
        server.send(0, command("createStream", 5));
    }
    let replies = server.exchange();
    assert_eq!(
        replies.iter().filter(|reply| reply.contains("_result")).count(),
        32
    );
}

#[test]
fn publish_and_play_without_a_stream_are_refused() {
    let mut server = Server::connected();
    for id in [0, 1, u32::MAX] {
        server.send(id, command("publish", 0).with_argument("cam"));
        server.send(id, command("play", 0).with_argument("cam"));
        assert_eq!(server.events(), ["ignored publish", "ignored play"]);
        let chunk_stream = if id == 0 { 3 } else { 5 };
        assert_eq!(
            server.replies(),
            [
                format!("{chunk_stream}/{id} onStatus 0 NetStream.Publish.BadName"),
                format!("{chunk_stream}/{id} onStatus 0 NetStream.Play.Failed"),
            ]
        );
    }
}

/// Old encoders send 0, or whatever they like.
#[test]
fn publish_on_another_stream_means_the_only_one_there_is() {
    for id in [0, 7, 0x0100_0000] {
        let mut server = Server::with_stream();
        server.send(id, command("publish", 0).with_argument("cam"));
        assert_eq!(server.events(), ["publish 1 cam live"]);
    }
    let mut server = Server::with_stream();
    server.send(0, command("createStream", 3));
    server.send(0, command("publish", 0).with_argument("cam"));
    assert_eq!(
        server.events(),
        ["ignored publish"],
        "of two it could mean either"
    );
}

#[test]
fn a_stream_that_is_in_use_is_not_given_another_use() {
    let mut server = Server::publishing();
    server.send(1, command("publish", 0).with_argument("other"));
    server.send(1, command("play", 0).with_argument("other"));
    assert_eq!(server.events(), ["ignored publish", "ignored play"]);
    assert_eq!(
        server.replies(),
        [
            "5/1 onStatus 0 NetStream.Publish.BadName",
            "5/1 onStatus 0 NetStream.Play.Failed"
        ]
    );
    server.send_raw(&raw(4, AUDIO, 1, vec![1]));
    assert_eq!(
        server.events(),
        ["media 1 audio at 0 of 1"],
        "the first use goes on"
    );

    let mut server = Server::playing();
    server.send(1, command("publish", 0).with_argument("other"));
    assert_eq!(server.exchange(), ["5/1 onStatus 0 NetStream.Publish.BadName"]);
    let media = rtmp_core::MediaMessage::audio(Default::default(), vec![1]);
    server.machine.send_media(stream(1), &media).unwrap();
}

#[test]
fn publish_and_play_without_a_usable_name_are_refused() {
    let mut names = odd_values();
    names.push(Value::from("x".repeat(1025)));
    names.push(Value::String(rtmp_amf::AmfString::from(&b"caf\xe9"[..])));
    for name in names {
        let mut server = Server::with_stream();
        server.send(1, command("publish", 0).with_argument(name.clone()));
        server.send(1, command("play", 0).with_argument(name.clone()));
        assert_eq!(
            server.exchange(),
            [
                "5/1 onStatus 0 NetStream.Publish.BadName",
                "5/1 onStatus 0 NetStream.Play.Failed"
            ],
            "{name:?}"
        );
    }
    let mut server = Server::with_stream();
    server.send(1, command("publish", 0));
    server.send(1, command("play", 0));
    server.send(1, command("play", 0).with_argument(""));
    assert_eq!(
        server.exchange(),
        [
            "5/1 onStatus 0 NetStream.Publish.BadName",
            "5/1 onStatus 0 NetStream.Play.Failed",
            "5/1 onStatus 0 NetStream.Play.Failed",
        ]
    );
    // GoPro has everything in the app.
    server.send(1, command("publish", 0).with_argument(""));
    assert_eq!(server.events(), ["publish 1  live"]);
}

#[test]
fn odd_numbers_of_play_count_as_absent() {
    for odd in odd_values() {
        let mut server = Server::with_stream();
        let mut play = command("play", 0).with_argument("cam");
        for _ in 0..3 {
            play = play.with_argument(odd.clone());
        }
        server.send(1, play);
        assert_eq!(server.events(), ["play 1 cam"], "{odd:?}");
        server.machine.accept_play(stream(1)).unwrap();
    }
}

#[test]
fn each_play_takes_the_place_of_the_one_before() {
    let mut server = Server::playing();
    for _ in 0..3000 {
        server.send(1, command("play", 0).with_argument("other"));
        assert_eq!(server.events(), ["stop play 1", "play 1 other"]);
        server.machine.accept_play(stream(1)).unwrap();
    }
    server.send(0, command("deleteStream", 0).with_argument(1.0));
    assert_eq!(server.events(), ["stop play 1"]);
}

#[test]
fn a_replaced_play_that_is_refused_leaves_the_stream_idle() {
    let mut server = Server::playing();
    server.send(1, command("play", 0).with_argument("other"));
    server.events();
    let status = Status::new(StatusCode::PlayStreamNotFound, "");
    server.machine.reject_play(stream(1), &status).unwrap();
    assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Play.StreamNotFound"]);
    server.send(1, command("publish", 0).with_argument("cam"));
    assert_eq!(server.events(), ["publish 1 cam live"]);
}

#[test]
fn a_seek_to_nowhere_is_refused_and_a_far_one_told() {
    for odd in odd_values() {
        let mut server = Server::playing();
        server.send(1, command("seek", 0).with_argument(odd.clone()));
        let events = server.events();
        match odd {
            Value::Boolean(true) => assert_eq!(events, ["seek 1 1"]),
            Value::Number(1e308) => assert_eq!(events.len(), 1, "it saturates"),
            _ => {
                assert_eq!(events, ["ignored seek"], "{odd:?}");
                assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Seek.InvalidTime"]);
            }
        }
    }
    let mut server = Server::playing();
    server.send(1, command("seek", 0));
    assert_eq!(server.exchange(), ["5/1 onStatus 0 NetStream.Seek.InvalidTime"]);
    server.send(1, command("seek", 0).with_argument(1e308));
    server.events();
    server
        .machine
        .accept_seek(stream(1), std::time::Duration::MAX)
        .unwrap();
    assert_eq!(
        server.replies(),
        [
            "5/1 onStatus 0 NetStream.Seek.Notify",
            "2/0 StreamBegin(1)",
            "5/1 onStatus 0 NetStream.Play.Start"
        ]
    );
}

#[test]
fn odd_pauses_pause_at_the_start() {
    for odd in odd_values() {
        for name in ["pause", "pauseRaw"] {
            let mut server = Server::playing();
            let pause = command(name, 0)
                .with_argument(odd.clone())
                .with_argument(odd.clone());
            server.send(1, pause);
            let expected = match odd {
                Value::Boolean(true) => "pause 1 true 1",
                // Not a number is not true.
                Value::Number(number) if number.is_nan() => "pause 1 false 0",
                Value::Number(1e308) => "pause 1 true ",
                _ => "pause 1 true 0",
            };
            let events = server.events();
            assert!(
                events.len() == 1 && events[0].starts_with(expected),
                "{odd:?}: {events:?}"
            );
        }
    }
}

#[test]
fn what_only_a_player_may_ask_is_refused_or_ignored_for_others() {
    for mut server in [Server::with_stream(), Server::publishing(), Server::connected()] {
        server.send(1, command("seek", 0).with_argument(1.0));
        for name in ["pause", "pauseRaw", "receiveAudio", "receiveVideo"] {
            server.send(1, command(name, 0).with_argument(true));
        }
        assert_eq!(
            server.events(),
            [
                "ignored seek",
                "ignored pause",
                "ignored pauseRaw",
                "ignored receiveAudio",
                "ignored receiveVideo",
            ]
        );
        assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Seek.Failed"]);
    }
}

#[test]
fn receive_without_a_boolean_means_true() {
    for odd in [Value::Null, Value::from("no"), Value::Object(Object::new())] {
        let mut server = Server::playing();
        server.send(1, command("receiveAudio", 0).with_argument(odd));
        server.send(1, command("receiveVideo", 0));
        assert_eq!(server.events(), ["receive 1 Audio true", "receive 1 Video true"]);
    }
}

#[test]
fn deleting_what_is_not_there_is_ignored() {
    for id in [
        0.0,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        1.5,
        2.0,
        1e10,
        4_294_967_297.0,
    ] {
        let mut server = Server::publishing();
        server.send(1, command("deleteStream", 9).with_argument(id));
        assert_eq!(server.events(), ["ignored deleteStream"], "{id}");
        server.send_raw(&raw(4, AUDIO, 1, vec![1]));
        assert_eq!(server.events(), ["media 1 audio at 0 of 1"]);
    }
    let mut server = Server::connected();
    server.send(0, command("closeStream", 0));
    server.send(1, command("closeStream", 0));
    server.send(0, command("deleteStream", 0));
    assert_eq!(server.exchange(), [""; 0]);
}

#[test]
fn courtesies_with_another_name_or_none_end_nothing() {
    let mut names = odd_values();
    names.extend([
        Value::from("other"),
        Value::from(""),
        Value::from("x".repeat(61_440)),
    ]);
    for name in names {
        let mut server = Server::publishing();
        for (id, courtesy) in (2..).zip(["releaseStream", "FCPublish", "FCUnpublish"]) {
            server.send(0, command(courtesy, id).with_argument(name.clone()));
        }
        assert_eq!(server.events(), [""; 0], "{name:?}");
        let sent = server.raw_replies();
        assert_eq!(sent.len(), 5);
        assert!(
            sent.iter().all(|message| message.payload.len() < 2000),
            "no long name comes back"
        );
        server.send_raw(&raw(4, AUDIO, 1, vec![1]));
        assert_eq!(server.events(), ["media 1 audio at 0 of 1"]);
    }
}

#[test]
fn fc_unpublish_ends_the_stream_of_its_name_among_several() {
    let mut server = Server::publishing();
    server.send(0, command("createStream", 3));
    server.send(2, command("publish", 0).with_argument("cam2?key=1"));
    assert_eq!(server.events(), ["publish 2 cam2?key=1 live"]);
    server.machine.accept_publish(stream(2)).unwrap();
    server.send(0, command("FCUnpublish", 4).with_argument("cam2"));
    server.send(0, command("FCUnpublish", 5).with_argument("cam"));
    assert_eq!(server.events(), ["unpublish 2", "unpublish 1"]);
}

#[test]
fn media_reach_only_the_stream_that_publishes() {
    let mut server = Server::publishing();
    server.send(0, command("createStream", 3));
    server.send(2, command("play", 0).with_argument("cam"));
    server.events();
    server.machine.accept_play(stream(2)).unwrap();
    for id in [2, 3, 0x0100_0000, u32::MAX, 0] {
        server.send_raw(&raw(6, VIDEO, id, vec![1]));
        assert_eq!(server.events(), [format!("ignored media on {id}")]);
    }
    for message_type in [8, 9, 15, 18] {
        server.send_raw(&raw(6, message_type, 1, Vec::new()));
    }
    assert_eq!(
        server.events(),
        [
            "media 1 audio at 0 of 0",
            "media 1 video at 0 of 0",
            "media 1 amf3 data at 0 of 0",
            "media 1 data at 0 of 0",
        ]
    );
}

#[test]
fn a_request_holds_up_what_comes_behind_it_and_only_that() {
    let mut server = Server::new(ServerConfig::default());
    server.send(0, connect_to("live"));
    for _ in 0..100 {
        server.send(0, command("createStream", 2));
    }
    assert_eq!(server.events(), ["connect live"]);
    let waiting = server.peer.sent.len();
    assert_eq!(server.events(), [""; 0]);
    assert_eq!(server.peer.sent.len(), waiting);
    server.machine.accept_connect(&ConnectReply::default()).unwrap();
    server.events();
    assert!(server.peer.sent.is_empty());
}
