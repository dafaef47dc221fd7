//! Servers that are odd, broken or hostile, seen by a client.

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::conn::{ClientConfig, ClientMachine, ProtocolError};
use rtmp_core::handshake::{HandshakeError, HandshakePacket};
use rtmp_core::message::{Command, Control, PlayRequest, PublishRequest, StatusCode, TransactionId};

use bytes::BytesMut;
use std::time::Duration;

use crate::scripted::{
    AUDIO, COMMAND, Client, command, connect_accepted, control, on_status, random, raw, stream,
};

fn publish(client: &mut Client) {
    let request = PublishRequest::new("cam", Default::default());
    client.machine.publish(stream(1), &request).unwrap();
    client.replies();
}

fn play(client: &mut Client) {
    client.machine.play(stream(1), &PlayRequest::new("cam")).unwrap();
    client.replies();
}

#[test]
fn an_answer_that_is_no_handshake_names_what_is_wrong() {
    for (first_byte, expected) in [
        (b'H', HandshakeError::NotRtmp { first_byte: b'H' }),
        (2, HandshakeError::UnsupportedVersion { version: 2 }),
        (6, HandshakeError::EncryptedNotSupported { version: 6 }),
    ] {
        let mut client = ClientMachine::new(ClientConfig::default(), Duration::ZERO, random);
        assert_eq!(client.awaited_handshake_packet(), Some(HandshakePacket::S0));
        let mut input = BytesMut::from(&[first_byte][..]);
        let fault = client.poll_event(&mut input, Duration::ZERO).unwrap_err();
        assert!(
            matches!(fault, ProtocolError::Handshake(seen) if seen == expected),
            "{fault:?}"
        );
    }
    let mut client = ClientMachine::new(ClientConfig::default(), Duration::ZERO, random);
    let mut input = BytesMut::from(&[3; 1000][..]);
    assert!(client.poll_event(&mut input, Duration::ZERO).unwrap().is_none());
    assert_eq!(client.awaited_handshake_packet(), Some(HandshakePacket::S1));
}

#[test]
fn a_refused_connect_ends_the_connection_and_tells_why() {
    let mut client = Client::connecting();
    let info = Object::new()
        .with("level", "error")
        .with("code", "NetConnection.Connect.Rejected")
        .with("description", "[ AccessManager.Reject ] : [ code=403 ]");
    client.send(0, command("_error", 1).with_argument(Value::Object(info)));
    client.send(0, Command::new("close"));
    assert_eq!(
        client.events(),
        ["connect refused NetConnection.Connect.Rejected"]
    );
    assert!(client.machine.is_closed());
    assert!(client.peer.sent.is_empty());
}

#[test]
fn a_refusal_without_an_information_object_is_one_all_the_same() {
    for refusal in [
        command("_error", 1),
        command("_error", 1).with_object("no"),
        command("_error", 1).with_argument(Value::Null),
        command("_error", 1).with_argument(Value::from(7.0)),
    ] {
        let mut client = Client::connecting();
        client.send(0, refusal);
        assert_eq!(client.events(), ["connect refused "]);
    }
}

#[test]
fn control_messages_behind_the_result_or_never_are_fine() {
    let mut client = Client::connecting();
    client.send(0, connect_accepted());
    client.say(&control(Control::WindowAckSize(5_000_000)));
    client.say(&control(Control::SetChunkSize(4096)));
    assert_eq!(client.events(), ["connected NetConnection.Connect.Success"]);
    let mut client = Client::connecting();
    client.send(0, command("_result", 1));
    assert_eq!(client.events(), ["connected "]);
}

#[test]
fn answers_under_unknown_numbers_are_ignored() {
    let mut client = Client::with_stream();
    for name in ["_result", "_error"] {
        for id in [0, 1, 2, 3, u32::MAX] {
            client.send(0, command(name, id).with_argument(1.0));
            assert_eq!(client.events(), [format!("ignored {name}")]);
        }
    }
    assert_eq!(client.replies(), [""; 0]);
}

#[test]
fn a_create_stream_answered_with_anything_but_a_new_number_has_failed() {
    for odd in [
        Value::Null,
        Value::Number(0.0),
        Value::Number(-1.0),
        Value::Number(1.5),
        Value::Number(f64::NAN),
        Value::Number(1e10),
        Value::Number(1.0),
        Value::Object(Object::new()),
    ] {
        let mut client = Client::with_stream();
        client.machine.create_stream().unwrap();
        client.send(0, command("_result", 3).with_argument(odd.clone()));
        assert_eq!(
            client.events(),
            ["create refused 3 NetConnection.Call.Failed"],
            "{odd:?}"
        );
    }
    let mut client = Client::connected();
    client.machine.create_stream().unwrap();
    client.send(0, command("_result", 2));
    assert_eq!(client.events(), ["create refused 2 NetConnection.Call.Failed"]);
    client.machine.create_stream().unwrap();
    client.send(0, command("_error", 3));
    assert_eq!(client.events(), ["create refused 3 "]);
    client.machine.create_stream().unwrap();
    client.send(0, command("_result", 4).with_argument(4_294_967_295.0));
    assert_eq!(client.events(), ["created 4 4294967295"]);
}

#[test]
fn courtesies_that_are_refused_or_answered_late_or_never_change_nothing() {
    let mut client = Client::with_stream();
    publish(&mut client);
    client.send(0, command("_error", 4).with_argument("method not found"));
    client.send(1, on_status("NetStream.Publish.Start"));
    client.send(0, command("_result", 3));
    client.send(0, command("onFCPublish", 0));
    assert_eq!(
        client.events(),
        ["publishing 1 NetStream.Publish.Start", "call onFCPublish 0"]
    );
    for _ in 0..1000 {
        client.machine.close_stream(stream(1)).unwrap();
        publish(&mut client);
    }
    client.send(1, on_status("NetStream.Publish.Start"));
    assert_eq!(client.events(), ["publishing 1 NetStream.Publish.Start"]);
}

#[test]
fn a_status_without_code_level_or_object_is_told_as_it_is() {
    for odd in [
        Command::new("onStatus"),
        Command::new("onStatus").with_argument(Value::Null),
        Command::new("onStatus").with_argument(Value::Object(Object::new())),
        Command::new("onStatus").with_argument(7.0),
    ] {
        let mut client = Client::with_stream();
        publish(&mut client);
        client.send(1, odd);
        assert_eq!(client.events(), ["status 1 "]);
        client.send(1, on_status("NetStream.Publish.Start"));
        assert_eq!(client.events(), ["publishing 1 NetStream.Publish.Start"]);
    }
}

#[test]
fn a_status_in_place_of_the_command_object_is_read() {
    let mut client = Client::with_stream();
    publish(&mut client);
    let info = Object::new().with("code", "NetStream.Publish.Start");
    client.send(1, Command::new("onStatus").with_object(info));
    assert_eq!(client.events(), ["publishing 1 NetStream.Publish.Start"]);
}

#[test]
fn a_status_of_a_stream_on_stream_0_is_that_of_the_only_one() {
    for id in [0, 9] {
        let mut client = Client::with_stream();
        publish(&mut client);
        client.send(id, on_status("NetStream.Publish.Start"));
        client.send(id, on_status("NetConnection.Connect.ReconnectRequest"));
        assert_eq!(
            client.events(),
            [
                "publishing 1 NetStream.Publish.Start",
                &format!("status {id} NetConnection.Connect.ReconnectRequest"),
            ]
        );
    }
}

#[test]
fn a_status_of_an_unknown_stream_among_several_is_only_told() {
    let mut client = Client::with_stream();
    client.machine.create_stream().unwrap();
    client.send(0, command("_result", 3).with_argument(2.0));
    client.events();
    publish(&mut client);
    client.send(9, on_status("NetStream.Publish.Start"));
    client.send(2, on_status("NetStream.Publish.Start"));
    assert_eq!(
        client.events(),
        [
            "status 9 NetStream.Publish.Start",
            "status 2 NetStream.Publish.Start"
        ]
    );
    client.send(1, on_status("NetStream.Publish.Start"));
    assert_eq!(client.events(), ["publishing 1 NetStream.Publish.Start"]);
}

#[test]
fn a_refused_stream_may_be_tried_again() {
    let mut client = Client::with_stream();
    for code in [
        "NetStream.Publish.BadName",
        "NetStream.Publish.Denied",
        "NetStream.Publish.SomethingFailed",
    ] {
        publish(&mut client);
        client.send(1, on_status(code));
        assert_eq!(client.events(), [format!("publish refused 1 {code}")]);
    }
    play(&mut client);
    client.send(1, on_status("NetStream.Play.StreamNotFound"));
    assert_eq!(client.events(), ["play refused 1 NetStream.Play.StreamNotFound"]);
    play(&mut client);
    client.send(0, command("_error", 13));
    assert_eq!(client.events(), ["play refused 1 "]);
    assert!(client.machine.seek(stream(1), Duration::ZERO).is_err());
}

#[test]
fn a_start_that_nobody_asked_for_starts_nothing() {
    let mut client = Client::with_stream();
    client.send(1, on_status("NetStream.Publish.Start"));
    client.send(1, on_status("NetStream.Play.Start"));
    client.send_raw(&raw(4, AUDIO, 1, vec![1]));
    assert_eq!(
        client.events(),
        [
            "status 1 NetStream.Publish.Start",
            "status 1 NetStream.Play.Start",
            "ignored media on 1",
        ]
    );
    let media = rtmp_core::MediaMessage::audio(Default::default(), vec![1]);
    assert!(client.machine.send_media(stream(1), &media).is_err());
}

/// The late answer to the first `publish` is not that to the second.
#[test]
fn an_answer_to_a_stream_that_was_deleted_is_not_taken_for_its_successor() {
    let mut client = Client::with_stream();
    publish(&mut client);
    client.machine.delete_stream(stream(1)).unwrap();
    client.machine.create_stream().unwrap();
    client.send(0, command("_result", 7).with_argument(1.0));
    assert_eq!(client.events(), ["created 7 1"]);
    publish(&mut client);
    client.send(0, command("_result", 5));
    assert_eq!(client.events(), ["ignored _result"]);
    client.send(0, command("_result", 10));
    assert_eq!(client.events(), ["publishing 1 "]);
}

#[test]
fn media_without_or_before_the_start_belong_to_the_stream_that_asked() {
    let mut client = Client::with_stream();
    play(&mut client);
    client.send_raw(&raw(4, AUDIO, 1, vec![1]));
    client.send_raw(&raw(4, AUDIO, 77, vec![1]));
    client.send(1, on_status("NetStream.Play.PublishNotify"));
    client.send_raw(&raw(4, AUDIO, 0, Vec::new()));
    assert_eq!(
        client.events(),
        [
            "media 1 audio at 0 of 1",
            "media 1 audio at 0 of 1",
            "playing 1 NetStream.Play.PublishNotify",
            "media 1 audio at 0 of 0",
        ]
    );
}

#[test]
fn a_server_that_calls_and_closes_can_be_answered_and_is_believed() {
    let mut client = Client::with_stream();
    client.send(0, command("anything", 8).with_argument(Value::Null));
    client.send(0, command("deleteStream", 0).with_argument(1.0));
    client.send(0, command("connect", 9));
    client.send(0, Command::new("close"));
    assert_eq!(
        client.events(),
        [
            "call anything 8",
            "call deleteStream 0",
            "call connect 9",
            "close requested",
        ]
    );
    for id in [8, 9] {
        client
            .machine
            .answer_call(TransactionId::new(id), Ok(Value::Null))
            .unwrap();
    }
    assert_eq!(client.replies(), ["3/0 _result 8 Null", "3/0 _result 9 Null"]);
    publish(&mut client);
}

#[test]
fn undecodable_commands_are_ignored() {
    let mut client = Client::with_stream();
    client.send_raw(&raw(3, COMMAND, 0, &b"\x02\0\xffx"[..]));
    client.send_raw(&raw(3, COMMAND, 0, Vec::new()));
    assert_eq!(client.events(), ["ignored undecodable command"; 2]);
}

#[test]
fn commands_out_of_turn_are_errors_and_send_nothing() {
    let mut fresh = ClientMachine::new(ClientConfig::default(), Duration::ZERO, random);
    let request = Default::default();
    assert!(matches!(
        fresh.connect(&request, "live", "rtmp://h/live"),
        Err(ProtocolError::WrongPhase {
            operation: "connect",
            phase: "shaking hands"
        })
    ));
    let mut client = Client::connecting();
    assert!(client.machine.connect(&request, "live", "rtmp://h/live").is_err());
    assert!(client.machine.create_stream().is_err());
    let mut client = Client::with_stream();
    assert!(client.machine.pause(stream(1), true, Duration::ZERO).is_err());
    assert!(client.machine.receive_audio(stream(1), true).is_err());
    assert!(client.machine.close_stream(stream(2)).is_err());
    assert!(client.machine.delete_stream(stream(0)).is_err());
    publish(&mut client);
    assert!(client.machine.play(stream(1), &PlayRequest::new("cam")).is_err());
    let again = PublishRequest::new("cam", Default::default());
    assert!(client.machine.publish(stream(1), &again).is_err());
    assert_eq!(client.replies(), [""; 0]);
}

#[test]
fn a_redirect_is_in_the_status_of_the_refusal() {
    let mut client = Client::connecting();
    let exception = Object::new()
        .with("code", 302.0)
        .with("redirect", "rtmp://other/live");
    let info = Object::new()
        .with("code", StatusCode::ConnectRejected.as_str())
        .with("ex", Value::Object(exception));
    client.send(0, command("_error", 1).with_argument(Value::Object(info)));
    let event = client.poll().unwrap();
    let Some(rtmp_core::conn::ClientEvent::ConnectRefused(status)) = event else {
        panic!("{event:?}");
    };
    let exception = status.details.get("ex").and_then(Value::as_object).unwrap();
    assert_eq!(
        exception.get("redirect").and_then(Value::as_str),
        Some("rtmp://other/live")
    );
}

/// Flash Media Server sends them.
#[test]
fn an_aggregate_is_taken_apart_up_to_its_fault() {
    let part = |message_type: u8, millis: u8, body: &[u8]| -> Vec<u8> {
        let header = [message_type, 0, 0, body.len() as u8, 0, 0, millis, 0, 0, 0, 0];
        [&header, body, &[0, 0, 0, 11 + body.len() as u8]].concat()
    };
    let body = [
        part(8, 20, b"aa"),
        part(9, 23, b"vvv"),
        part(20, 23, b"\x02\0\x05close"),
        vec![8, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0],
        part(8, 30, b"a"),
    ]
    .concat();
    let mut client = Client::with_stream();
    play(&mut client);
    let mut aggregate = raw(6, 22, 1, body);
    aggregate.timestamp = rtmp_core::Timestamp::from_millis(1000);
    client.send_raw(&aggregate);
    client.send_raw(&raw(6, 22, 1, Vec::new()));
    client.send_raw(&raw(4, AUDIO, 1, vec![1]));
    assert_eq!(
        client.events(),
        [
            "media 1 audio at 1000 of 2",
            "media 1 video at 1003 of 3",
            "media 1 audio at 0 of 1",
        ]
    );
}
