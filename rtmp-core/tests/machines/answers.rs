//! What a server answers, in which order, under which id, on which chunk stream.

use std::sync::{Arc, Mutex};

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::chunk::{MessageType, RawMessage};
use rtmp_core::conn::{Direction, ProtocolError, ServerConfig, ServerEvent};
use rtmp_core::message::{
    Command, ConnectReply, Message, PlayOptions, Status, StatusCode, TransactionId, Transition,
};

use crate::described;
use crate::scripted::{Client, Server, command, connect_to, odd_transaction, on_status, stream};

fn decoded(raw: &RawMessage) -> Command {
    match Message::decode(raw.clone()) {
        Ok(Message::Command { command, .. }) => command,
        other => panic!("{other:?} is no command"),
    }
}

#[test]
fn connect_is_answered_with_window_bandwidth_chunk_size_and_result_in_this_order() {
    let config = ServerConfig::default()
        .window_ack_size(1_000_000)
        .peer_bandwidth(2_000_000)
        .chunk_size(4096);
    let mut server = Server::new(config);
    server.send(0, connect_to("live"));
    assert_eq!(server.events(), ["connect live"]);
    server.machine.accept_connect(&ConnectReply::default()).unwrap();
    assert_eq!(
        server.replies(),
        [
            "2/0 WindowAckSize(1000000)",
            "2/0 SetPeerBandwidth(2000000, dynamic)",
            "2/0 StreamBegin(0)",
            "2/0 SetChunkSize(4096)",
            "3/0 _result 1 NetConnection.Connect.Success",
        ]
    );
    assert_eq!(server.machine.outgoing_chunk_size(), 4096);
}

/// GStreamer and others do without, some clients can not.
#[test]
fn the_object_encoding_is_in_the_result_even_if_the_server_gives_none() {
    let mut server = Server::new(ServerConfig::default());
    server.send(0, connect_to("live"));
    server.events();
    let status = Status::new(StatusCode::ConnectSuccess, "");
    let reply = ConnectReply {
        status,
        ..ConnectReply::default()
    };
    server.machine.accept_connect(&reply).unwrap();
    let answer = decoded(server.raw_replies().last().unwrap());
    let info = answer.arguments[0].as_object().unwrap();
    assert_eq!(info.get("objectEncoding"), Some(&Value::Number(0.0)));
}

#[test]
fn a_refused_connect_is_answered_with_error_and_close_and_nothing_more_is_read() {
    let mut server = Server::new(ServerConfig::default());
    server.send(0, connect_to("secret"));
    server.send(0, command("createStream", 2));
    assert_eq!(server.events(), ["connect secret"]);
    let status = Status::new(StatusCode::ConnectInvalidApp, "there is no such application");
    server.machine.reject_connect(&status).unwrap();
    assert_eq!(
        server.replies(),
        ["3/0 _error 1 NetConnection.Connect.InvalidApp", "3/0 close 0"]
    );
    assert!(server.machine.is_closed());
    assert_eq!(server.events(), [""; 0]);
    assert_eq!(server.replies(), [""; 0]);
}

#[test]
fn connect_is_answered_even_without_a_transaction_id() {
    let mut server = Server::new(ServerConfig::default());
    let mut connect = connect_to("live");
    connect.transaction = TransactionId::NONE;
    server.send(0, connect);
    server.events();
    server.machine.accept_connect(&ConnectReply::default()).unwrap();
    assert_eq!(
        server.replies().last().unwrap(),
        "3/0 _result 0 NetConnection.Connect.Success"
    );
}

#[test]
fn what_a_client_adds_to_connect_reaches_the_server() {
    let mut server = Server::new(ServerConfig::default());
    let command = connect_to("live?token=1")
        .with_argument("user")
        .with_argument(7.0)
        .with_argument(Value::Null);
    server.send(0, command);
    let event = server.poll().unwrap();
    let Some(ServerEvent::Connect(request)) = event else {
        panic!("{event:?}");
    };
    assert_eq!((request.app(), request.app_query()), ("live", Some("token=1")));
    assert_eq!(request.arguments(), ["user".into(), 7.0.into(), Value::Null]);
}

#[test]
fn any_transaction_id_is_echoed_bit_for_bit() {
    let mut server = Server::connected();
    for id in [1.5, -3.0, 1e300, f64::MIN_POSITIVE, 2.0, 2.0, 4_294_967_296.0] {
        server.send_raw(&odd_transaction(
            command("getStreamLength", 0).with_argument("cam"),
            id,
        ));
        server.events();
        let answer = decoded(&server.raw_replies()[0]);
        assert_eq!(answer.name, "_result");
        assert_eq!(answer.transaction.get().to_bits(), id.to_bits());
    }
}

/// GStreamer publishes like this and does not expect answers.
#[test]
fn a_command_without_transaction_id_gets_no_result() {
    let mut server = Server::connected();
    for name in ["releaseStream", "createStream", "getStreamLength", "whatever"] {
        server.send(0, command(name, 0).with_argument("cam"));
        assert_eq!(server.exchange(), [""; 0], "{name}");
    }
    for (name, notice) in [
        ("FCPublish", "3/0 onFCPublish 0 NetStream.Publish.Start"),
        ("FCUnpublish", "3/0 onFCUnpublish 0 NetStream.Unpublish.Success"),
        ("FCSubscribe", "3/0 onFCSubscribe 0 NetStream.Play.Start"),
    ] {
        server.send(0, command(name, 0).with_argument("cam"));
        assert_eq!(server.exchange(), [notice]);
    }
}

#[test]
fn the_courtesies_of_encoders_are_answered_in_the_order_that_they_wait_for() {
    let mut server = Server::connected();
    server.send(0, command("releaseStream", 2).with_argument("cam"));
    server.send(0, command("FCPublish", 3).with_argument("cam"));
    server.send(0, command("createStream", 4));
    server.send(0, command("FCSubscribe", 5).with_argument("cam"));
    server.send(0, command("getStreamLength", 6).with_argument("cam"));
    server.send(0, command("FCUnpublish", 7).with_argument("cam"));
    assert_eq!(
        server.exchange(),
        [
            "3/0 _result 2 Undefined",
            "3/0 _result 3 Null",
            "3/0 onFCPublish 0 NetStream.Publish.Start",
            "3/0 _result 4 Number(1.0)",
            "3/0 _result 5 Null",
            "3/0 onFCSubscribe 0 NetStream.Play.Start",
            "3/0 _result 6 Number(0.0)",
            "3/0 _result 7 Null",
            "3/0 onFCUnpublish 0 NetStream.Unpublish.Success",
        ]
    );
}

#[test]
fn an_unknown_call_is_answered_by_the_caller_under_its_id() {
    let mut server = Server::connected();
    let transaction = TransactionId::new(9);
    server.send(0, command("_checkbw", 9));
    assert_eq!(server.events(), ["call _checkbw 9"]);
    server.machine.answer_call(transaction, Ok(Value::Null)).unwrap();
    let failure = Status::new(StatusCode::CallFailed, "unknown");
    server.machine.answer_call(transaction, Err(failure)).unwrap();
    server
        .machine
        .answer_call(TransactionId::NONE, Ok(Value::Null))
        .unwrap();
    assert_eq!(
        server.replies(),
        ["3/0 _result 9 Null", "3/0 _error 9 NetConnection.Call.Failed"]
    );
}

#[test]
fn statuses_carry_the_stream_they_are_about_on_chunk_stream_5_and_control_goes_on_2() {
    let mut server = Server::connected();
    for id in 2..5 {
        server.send(0, command("createStream", id));
    }
    server.exchange();
    server.send(2, command("publish", 0).with_argument("cam"));
    assert_eq!(server.events(), ["publish 2 cam live"]);
    server.machine.accept_publish(stream(2)).unwrap();
    server.send(3, command("play", 0).with_argument("cam"));
    assert_eq!(server.events(), ["play 3 cam"]);
    server.machine.accept_play(stream(3)).unwrap();
    assert_eq!(
        server.replies(),
        [
            "2/0 StreamBegin(2)",
            "5/2 onStatus 0 NetStream.Publish.Start",
            "2/0 StreamBegin(3)",
            "5/3 onStatus 0 NetStream.Play.Reset",
            "5/3 onStatus 0 NetStream.Play.Start",
        ]
    );
    let status = Status::new(StatusCode::ConnectReconnectRequest, "");
    server.machine.send_connection_status(&status).unwrap();
    assert_eq!(
        server.replies(),
        ["3/0 onStatus 0 NetConnection.Connect.ReconnectRequest"]
    );
}

#[test]
fn a_play_that_keeps_the_playlist_is_answered_without_reset() {
    let mut server = Server::with_stream();
    let play = command("play", 0)
        .with_argument("cam")
        .with_argument(-2.0)
        .with_argument(-1.0);
    server.send(1, play.with_argument(false));
    server.events();
    server.machine.accept_play(stream(1)).unwrap();
    assert_eq!(
        server.replies(),
        ["2/0 StreamBegin(1)", "5/1 onStatus 0 NetStream.Play.Start"]
    );
}

#[test]
fn media_sent_behind_publish_waits_for_the_answer() {
    let mut server = Server::with_stream();
    server.send(1, command("publish", 0).with_argument("cam"));
    server.send_raw(&crate::scripted::raw(6, crate::scripted::VIDEO, 1, vec![7; 500]));
    server.send_raw(&crate::scripted::raw(4, crate::scripted::AUDIO, 0, vec![7; 5]));
    assert_eq!(server.events(), ["publish 1 cam live"]);
    assert_eq!(server.events(), [""; 0]);
    server.machine.accept_publish(stream(1)).unwrap();
    assert_eq!(
        server.events(),
        ["media 1 video at 0 of 500", "media 1 audio at 0 of 5"]
    );
}

#[test]
fn a_stream_has_no_use_before_its_request_is_accepted() {
    let mut server = Server::with_stream();
    let media = rtmp_core::MediaMessage::audio(Default::default(), vec![1]);
    server.send(1, command("play", 0).with_argument("cam"));
    server.events();
    assert!(matches!(
        server.machine.send_media(stream(1), &media),
        Err(ProtocolError::WrongStream { .. })
    ));
    assert!(server.machine.end_play(stream(1)).is_err());
    assert!(server.machine.accept_publish(stream(1)).is_err());
    assert!(server.machine.accept_play(stream(2)).is_err());
    server.machine.accept_play(stream(1)).unwrap();
    server.machine.send_media(stream(1), &media).unwrap();
    assert!(server.machine.accept_play(stream(1)).is_err(), "it is answered");
}

#[test]
fn a_stream_is_unpublished_once_whatever_way_it_ends() {
    let name = || Value::from("cam");
    let ends: [&[(u32, Command)]; 7] = [
        &[(0, command("deleteStream", 0).with_argument(1.0))],
        &[(0, command("deleteStream", 0).with_argument(name()))],
        &[(1, command("deleteStream", 0))],
        &[(1, command("closeStream", 0))],
        &[(1, command("publish", 0).with_argument(false))],
        &[(0, command("FCUnpublish", 6).with_argument(name()))],
        &[
            (0, command("FCUnpublish", 6).with_argument("cam?key=1")),
            (1, command("closeStream", 0)),
            (0, command("deleteStream", 7).with_argument(1.0)),
            (0, command("deleteStream", 8).with_argument(1.0)),
        ],
    ];
    for end in ends {
        let mut server = Server::publishing();
        for (stream, command) in end {
            server.send(*stream, command.clone());
        }
        let events = server.events();
        let unpublished = events.iter().filter(|event| *event == "unpublish 1").count();
        assert_eq!(unpublished, 1, "{end:?}: {events:?}");
    }
}

#[test]
fn a_publisher_may_publish_again_on_the_stream_that_it_closed() {
    let mut server = Server::publishing();
    server.send(0, command("FCUnpublish", 6).with_argument("cam"));
    server.send(
        1,
        command("publish", 0).with_argument("cam").with_argument("record"),
    );
    assert_eq!(server.events(), ["unpublish 1", "publish 1 cam record"]);
    server.machine.accept_publish(stream(1)).unwrap();
    assert_eq!(
        server.replies(),
        [
            "3/0 _result 6 Null",
            "3/0 onFCUnpublish 0 NetStream.Unpublish.Success",
            "5/1 onStatus 0 NetStream.Unpublish.Success",
            "2/0 StreamBegin(1)",
            "5/1 onStatus 0 NetStream.Publish.Start",
        ]
    );
}

#[test]
fn a_name_goes_through_as_it_came() {
    for (kind, shown) in [
        (Value::from("append"), "append"),
        (Value::from("appendWithGap"), "appendWithGap"),
        (Value::Null, "live"),
        (Value::Number(1.0), "live"),
    ] {
        let mut server = Server::with_stream();
        let publish = command("publish", 0)
            .with_argument("mp4:a/b%20c?k=+&=")
            .with_argument(kind);
        server.send(0, publish);
        assert_eq!(server.events(), [format!("publish 1 mp4:a/b%20c?k=+&= {shown}")]);
    }
}

#[test]
fn a_publisher_that_the_server_ends_is_told_why() {
    let mut server = Server::publishing();
    let status = Status::new(StatusCode::PublishIdle, "no media for a minute");
    server.machine.end_publish(stream(1), &status).unwrap();
    assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Publish.Idle"]);
    server.send_raw(&crate::scripted::raw(4, crate::scripted::AUDIO, 1, vec![1]));
    assert_eq!(server.events(), ["ignored media on 1"]);
}

#[test]
fn a_publisher_is_told_of_its_recording_and_goes_on() {
    let mut server = Server::publishing();
    let status = Status::new(StatusCode::RecordStart, "recording");
    server.machine.notify_publisher(stream(1), &status).unwrap();
    assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Record.Start"]);
    server.send_raw(&crate::scripted::raw(4, crate::scripted::AUDIO, 1, vec![1]));
    let events = server.events();
    assert!(
        events.iter().all(|event| event.starts_with("media 1 ")) && events.len() == 1,
        "{events:?}"
    );
    let unknown = server.machine.notify_publisher(stream(7), &status);
    assert!(matches!(unknown, Err(ProtocolError::WrongStream { stream: found, .. }) if found == stream(7)));
}

#[test]
fn a_server_that_closes_says_so() {
    let mut server = Server::publishing();
    server.machine.close().unwrap();
    assert_eq!(server.replies(), ["3/0 close 0"]);
    server.send(0, command("createStream", 9));
    assert_eq!(server.exchange(), [""; 0]);
}

#[test]
fn a_client_publishes_in_the_way_of_flash_media_live_encoder() {
    let mut client = Client::with_stream();
    let request = rtmp_core::message::PublishRequest::new("cam", Default::default());
    client.machine.publish(stream(1), &request).unwrap();
    client.machine.delete_stream(stream(1)).unwrap();
    assert_eq!(
        client.replies(),
        [
            "3/0 releaseStream 3 String(\"cam\")",
            "3/0 FCPublish 4 String(\"cam\")",
            "8/1 publish 5 String(\"live\")",
            "3/0 FCUnpublish 6 String(\"cam\")",
            "3/0 deleteStream 0 Number(1.0)",
        ]
    );
}

#[test]
fn a_client_answers_calls_and_gets_answers_by_their_ids() {
    let mut client = Client::connected();
    client.send(0, command("_onbwcheck", 5).with_argument(1.0));
    client.send(0, command("onBWDone", 0));
    assert_eq!(client.events(), ["call _onbwcheck 5", "call onBWDone 0"]);
    client
        .machine
        .answer_call(TransactionId::new(5), Ok(1.5.into()))
        .unwrap();
    client
        .machine
        .answer_call(TransactionId::NONE, Ok(Value::Null))
        .unwrap();
    assert_eq!(client.replies(), ["3/0 _result 5 Number(1.5)"]);
    let first = client.machine.call(stream(0), "add", vec![1.0.into()]).unwrap();
    let second = client.machine.call(stream(0), "sub", Vec::new()).unwrap();
    let third = client.machine.call(stream(0), "late", Vec::new()).unwrap();
    client.machine.forget(third);
    assert_eq!([first, second, third].map(|id| id.get()), [2.0, 3.0, 4.0]);
    client.send(
        0,
        command("_error", 3).with_argument(Value::Object(Object::new())),
    );
    client.send(0, command("_result", 2).with_argument(2.0));
    client.send(0, command("_result", 4));
    assert_eq!(client.events(), ["failed 3", "returned 2", "ignored _result"]);
}

#[test]
fn a_client_takes_a_result_for_the_start_of_a_publication() {
    let mut client = Client::with_stream();
    let request = rtmp_core::message::PublishRequest::new("cam", Default::default());
    client.machine.publish(stream(1), &request).unwrap();
    client.send(0, command("_result", 5));
    assert_eq!(client.events(), ["publishing 1 "]);
    client.send(1, on_status("NetStream.Publish.Start"));
    assert_eq!(client.events(), ["status 1 NetStream.Publish.Start"]);
}

#[test]
fn a_server_calls_its_client_and_gets_answers_by_their_ids() {
    let mut server = Server::connected();
    let first = server.machine.call(stream(0), "add", vec![1.0.into()]).unwrap();
    let second = server.machine.call(stream(0), "sub", Vec::new()).unwrap();
    let third = server.machine.call(stream(0), "late", Vec::new()).unwrap();
    server.machine.forget(third);
    assert_eq!([first, second, third].map(|id| id.get()), [1.0, 2.0, 3.0]);
    assert_eq!(
        server.replies(),
        ["3/0 add 1 Number(1.0)", "3/0 sub 2", "3/0 late 3"]
    );
    server.send(
        0,
        command("_error", 2).with_argument(Value::Object(Object::new())),
    );
    server.send(0, command("_result", 1).with_argument(2.0));
    server.send(0, command("_result", 3));
    let mut answers = Vec::new();
    while let Some(event) = server.poll().unwrap() {
        answers.push(match event {
            ServerEvent::CallReturned { transaction, .. } => format!("returned {}", transaction.get()),
            ServerEvent::CallFailed { transaction, .. } => format!("failed {}", transaction.get()),
            other => described::server_event(&other),
        });
    }
    assert_eq!(answers, ["failed 2", "returned 1", "ignored _result"]);
}

#[test]
fn a_player_that_goes_over_to_another_stream_is_told_when_it_has() {
    let mut server = Server::playing();
    let options = PlayOptions::new("cam_low", Transition::Switch).leaving("cam");
    server.send(1, options.to_command());
    let event = server.poll().unwrap();
    assert!(
        matches!(&event, Some(ServerEvent::Transition { options: asked, .. }) if *asked == options),
        "{event:?}"
    );
    server.machine.accept_transition(stream(1)).unwrap();
    assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Play.Transition"]);
    server.machine.complete_transition(stream(1)).unwrap();
    let replies = server.replies();
    assert!(replies[0].starts_with("7/1 data at 0"), "{replies:?}");
    server.send(1, command("play2", 0).with_argument(Value::Null));
    assert_eq!(server.events(), ["ignored play2"]);
    assert_eq!(server.replies(), ["5/1 onStatus 0 NetStream.Play.Failed"]);
}

#[test]
fn a_tap_sees_what_goes_both_ways() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut server = Server::connected();
    let tapped = Arc::clone(&seen);
    server
        .machine
        .set_tap(move |direction, raw| tapped.lock().unwrap().push((direction, raw.message_type)));
    server.send(0, command("createStream", 2));
    server.exchange();
    let expected = [
        (Direction::Received, MessageType::Command),
        (Direction::Sent, MessageType::Command),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
