//! Commands that are broken, absurd, out of turn or too many, to a server.

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::conn::{OUTPUT_HIGH_WATER, ServerConfig};
use rtmp_core::message::Command;

use crate::scripted::{
    AMF3_COMMAND, AUDIO, COMMAND, Server, VIDEO, command, connect_to, odd_transaction, odd_values, raw,
};

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
fn a_connect_that_would_be_much_to_keep_is_ignored() {
    let with_values = |count| connect_to("live").with_argument(Value::StrictArray(vec![Value::Null; count]));
    let mut server = Server::new(ServerConfig::default());
    for count in [2000, 60_000] {
        server.send(0, with_values(count));
        assert_eq!(server.events(), ["ignored undecodable command"]);
    }
    server.send(0, with_values(1000));
    assert_eq!(server.events(), ["connect live"]);
    // What is not kept may have more.
    let mut server = Server::connected();
    let call = command("x", 0).with_argument(Value::StrictArray(vec![Value::Null; 60_000]));
    server.send(0, call);
    assert_eq!(server.events(), ["call x 0"]);
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
