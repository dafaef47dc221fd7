//! Commands that are broken, absurd, out of turn or too many, to a server.

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::Limits;
use rtmp_core::conn::{OUTPUT_HIGH_WATER, ServerConfig};
use rtmp_core::message::{Command, ConnectReply, Status, StatusCode};

use crate::scripted::{
    AMF3_COMMAND, AUDIO, COMMAND, Server, VIDEO, command, connect_to, odd_transaction, raw, stream,
};

/// Values that stand where another kind is meant.
fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Undefined,
        Value::Boolean(true),
        Value::Number(f64::NAN),
        Value::Number(f64::INFINITY),
        Value::Number(f64::NEG_INFINITY),
        Value::Number(-1.0),
        Value::Number(1e308),
        Value::Object(Object::new()),
        Value::StrictArray(vec![Value::Null]),
    ]
}

#[test]
fn a_command_without_a_name_is_ignored() {
    let no_names: [&[u8]; 6] = [
        b"",
        b"\x05",
        b"\0\x3f\xf0\0\0\0\0\0\0",
        b"\x03\0\0\x09",
        b"\x02\0\xff",
        b"\x02",
    ];
    for body in no_names {
        for message_type in [COMMAND, AMF3_COMMAND] {
            let mut server = Server::connected();
            server.send_raw(&raw(3, message_type, 0, body));
            assert_eq!(server.events(), ["ignored undecodable command"], "{body:?}");
            server.assert_goes_on();
        }
    }
}

#[test]
fn a_command_that_is_only_a_name_does_not_end_the_connection() {
    let mut server = Server::connected();
    server.send_raw(&raw(3, COMMAND, 0, &b"\x02\0\x0bonFCPublish"[..]));
    assert_eq!(server.events(), ["call onFCPublish 0"]);
    server.assert_goes_on();
}

#[test]
fn a_name_of_64_kib_is_told_cut() {
    let mut server = Server::new(ServerConfig::default());
    server.send(0, command(&"x".repeat(65_536), 1));
    let events = server.events();
    assert_eq!(events, [format!("ignored {}", "x".repeat(64))]);
    assert_eq!(server.replies(), ["3/0 _error 1 NetConnection.Call.Failed"]);
}

#[test]
fn a_transaction_id_that_is_no_number_asks_for_no_answer() {
    for id in [
        Value::Number(f64::NAN),
        Value::Number(f64::INFINITY),
        Value::from("2"),
        Value::Null,
        Value::Number(-0.0),
    ] {
        let mut server = Server::connected();
        server.send_raw(&odd_transaction(command("releaseStream", 0), id.clone()));
        assert_eq!(server.exchange(), [""; 0], "{id:?}");
        server.assert_goes_on();
    }
}

#[test]
fn a_negative_transaction_id_is_one_like_any_other() {
    let mut server = Server::connected();
    server.send_raw(&odd_transaction(command("releaseStream", 0), -1.0));
    assert_eq!(server.exchange(), ["3/0 _result -1 Undefined"]);
}

#[test]
fn a_command_nested_too_deep_or_with_too_many_values_is_ignored() {
    let mut deep = b"\x02\0\x01x\0\x3f\xf0\0\0\0\0\0\0".to_vec();
    for _ in 0..200_000 {
        deep.extend_from_slice(b"\x03\0\x01a");
    }
    let mut many = b"\x02\0\x01x\0\x3f\xf0\0\0\0\0\0\0".to_vec();
    many.resize(100_000, 5);
    let mut endless_array = b"\x02\0\x01x\0\x3f\xf0\0\0\0\0\0\0".to_vec();
    endless_array.extend_from_slice(b"\x0a\xff\xff\xff\xff");
    for body in [deep, many, endless_array] {
        let mut server = Server::connected();
        server.send_raw(&raw(3, COMMAND, 0, body));
        assert_eq!(server.events(), ["ignored undecodable command"]);
        server.assert_goes_on();
    }
}

#[test]
fn a_connect_without_a_usable_app_is_refused_and_the_connection_closed() {
    let mut connects: Vec<Command> = odd_values().into_iter().map(connect_to).collect();
    connects.extend(["", "/", "?token", "//?x"].map(connect_to));
    connects.push(command("connect", 1));
    connects.push(command("connect", 1).with_object(Object::new().with("tcUrl", "rtmp://h/live")));
    let too_long = "over a limit: a name of 60000 bytes, max_name_len is 1024";
    let cases = connects.into_iter().map(|connect| (connect, None));
    for (connect, told) in cases.chain([(connect_to("x".repeat(60_000)), Some(too_long))]) {
        let mut server = Server::new(ServerConfig::default());
        server.send(0, connect);
        server.send(0, command("createStream", 2));
        assert_eq!(server.events(), Vec::from_iter(told), "the caller is not asked");
        assert_eq!(
            server.replies(),
            ["3/0 _error 1 NetConnection.Connect.Rejected", "3/0 close 0"]
        );
        assert!(server.machine.is_closed());
    }
}

/// Quirks: no tcUrl, an ECMA array for the object, keys in another case, an app with slashes and query.
#[test]
fn a_connect_as_odd_encoders_send_it_is_accepted() {
    let array = Value::EcmaArray(Object::new().with("APP", "live"));
    for connect in [
        connect_to("live"),
        connect_to("/live/"),
        connect_to("live?token=1"),
        command("connect", 1).with_object(array),
    ] {
        let mut server = Server::new(ServerConfig::default());
        server.send(0, connect);
        assert_eq!(server.events(), ["connect live"]);
    }
}

#[test]
fn a_connect_of_an_amf3_command_works_with_and_without_its_first_byte() {
    for first in [&b"\0"[..], b""] {
        let body = [
            first,
            b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0\x03\0\x03app\x02\0\x01a\0\0\x09",
        ]
        .concat();
        let mut server = Server::new(ServerConfig::default());
        server.send_raw(&raw(3, AMF3_COMMAND, 0, body));
        assert_eq!(server.events(), ["connect a"]);
    }
}

#[test]
fn a_second_connect_is_refused_and_changes_nothing() {
    let mut server = Server::publishing();
    for _ in 0..1000 {
        server.send(0, connect_to("other"));
    }
    assert_eq!(server.events(), ["ignored connect"; 1000]);
    assert_eq!(server.replies(), ["3/0 _error 1 NetConnection.Call.Failed"; 1000]);
    server.send_raw(&raw(4, AUDIO, 1, vec![1]));
    assert_eq!(server.events(), ["media 1 audio at 0 of 1"]);
}

#[test]
fn commands_and_media_before_connect_register_nothing() {
    let mut server = Server::new(ServerConfig::default());
    for name in [
        "createStream",
        "publish",
        "play",
        "FCPublish",
        "deleteStream",
        "whatever",
    ] {
        server.send(1, command(name, 2).with_argument("cam"));
        assert_eq!(server.events(), [format!("ignored {name}")]);
        assert_eq!(server.replies(), ["3/0 _error 2 NetConnection.Call.Failed"]);
    }
    server.send(1, command("publish", 0).with_argument("cam"));
    server.send_raw(&raw(4, AUDIO, 1, vec![1]));
    server.send_raw(&raw(6, VIDEO, 0, vec![1]));
    assert_eq!(
        server.events(),
        ["ignored publish", "ignored media on 1", "ignored media on 0"]
    );
    assert_eq!(server.replies(), [""; 0]);
    server.send(0, connect_to("live"));
    assert_eq!(server.events(), ["connect live"]);
}

#[test]
fn a_client_that_asks_and_does_not_read_is_held_up_and_loses_nothing() {
    let mut server = Server::connected();
    for _ in 0..100_000 {
        server.send(0, command("releaseStream", 4).with_argument("cam"));
    }
    let asked = server.peer.sent.len();
    let machine = &mut server.machine;
    assert!(
        machine
            .poll_event(&mut server.peer.sent, server.now)
            .unwrap()
            .is_none()
    );
    assert!(
        machine.output().len() < OUTPUT_HIGH_WATER + 1024,
        "{} bytes wait",
        machine.output().len()
    );
    assert!(server.peer.sent.len() > asked / 2, "the rest is not taken");
    let replies = server.exchange();
    assert_eq!(
        replies
            .iter()
            .filter(|reply| reply.starts_with("3/0 _result 4"))
            .count(),
        100_000
    );
}

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
fn unknown_commands_are_handed_over_one_by_one() {
    let mut server = Server::connected();
    for id in 0..50_000 {
        server.send(0, command("whatever", id));
    }
    assert_eq!(server.events().len(), 50_000);
    assert!(server.replies().is_empty(), "the caller answers");
}

#[test]
fn answers_to_calls_that_nobody_made_are_ignored() {
    let mut server = Server::connected();
    for name in ["_result", "_error", "onStatus"] {
        server.send(0, command(name, 1));
    }
    assert_eq!(
        server.events(),
        ["ignored _result", "ignored _error", "ignored onStatus"]
    );
    assert_eq!(server.replies(), [""; 0]);
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
