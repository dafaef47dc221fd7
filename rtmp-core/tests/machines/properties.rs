//! Whatever a peer sends, a machine neither panics nor answers out of proportion.

use proptest::prelude::*;
use rtmp_amf::amf0::{Object, Value};
use rtmp_core::conn::{ClientEvent, ServerConfig, ServerEvent};
use rtmp_core::message::{
    BandwidthLimit, Command, ConnectReply, Control, Message, PlayRequest, PublishRequest, TransactionId,
    UserControl,
};

use crate::described;
use crate::scripted::{Client, Server, raw, stream};

/// The most that a byte from the peer may make a machine send: a bare `FCPublish` of 13 bytes is answered with a
/// notice of some 150.
const MAX_FACTOR: usize = 20;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        Just(Value::Undefined),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0, -0.0, 0.0, 1.0, 2.0, 1e308])
            .prop_map(Value::from),
        prop::sample::select(vec!["", "cam", "live", "record", "a?b", "\0", "é"]).prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..2000)
            .prop_map(|bytes| Value::String(rtmp_amf::AmfString::from(bytes.as_slice()))),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        let keys = prop::sample::select(vec!["app", "code", "level", "tcUrl", "", "x"]);
        prop_oneof![
            prop::collection::vec((keys, inner.clone()), 0..4).prop_map(|properties| {
                let object = properties
                    .into_iter()
                    .fold(Object::new(), |object, (key, value)| object.with(key, value));
                Value::Object(object)
            }),
            prop::collection::vec(inner, 0..4).prop_map(Value::StrictArray),
        ]
    })
}

fn command() -> impl Strategy<Value = Command> {
    let names = vec![
        "connect",
        "createStream",
        "deleteStream",
        "closeStream",
        "publish",
        "play",
        "pause",
        "seek",
        "receiveAudio",
        "receiveVideo",
        "releaseStream",
        "FCPublish",
        "FCUnpublish",
        "FCSubscribe",
        "getStreamLength",
        "_result",
        "_error",
        "onStatus",
        "close",
        "what",
        "",
    ];
    (
        prop::sample::select(names),
        0..6u32,
        value(),
        prop::collection::vec(value(), 0..4),
    )
        .prop_map(|(name, transaction, object, arguments)| {
            let mut command = Command::new(name)
                .with_transaction(TransactionId::new(transaction))
                .with_object(object);
            command.arguments = arguments;
            command
        })
}

fn message() -> impl Strategy<Value = Message> {
    let id = prop_oneof![4 => 0..4u32, 1 => any::<u32>()];
    let limit = any::<u8>().prop_map(BandwidthLimit::from);
    prop_oneof![
        6 => (id.clone(), command())
            .prop_map(|(id, command)| Message::Command { stream: stream(id), command }),
        2 => (id, any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)).prop_filter_map(
            // Those would bind the test's own encoder.
            "control",
            |(id, message_type, payload)| {
                (!(1..=2).contains(&message_type)).then(|| Message::Other(raw(6, message_type, id, payload)))
            }
        ),
        1 => (1..200_000u32).prop_map(|size| Message::Control(Control::SetChunkSize(size))),
        1 => any::<u32>().prop_map(|window| Message::Control(Control::WindowAckSize(window))),
        1 => (any::<u32>(), limit)
            .prop_map(|(window, limit)| Message::Control(Control::SetPeerBandwidth { window, limit })),
        1 => any::<u32>().prop_map(|value| Message::UserControl(UserControl::PingRequest(value))),
    ]
}

/// Takes all events, answering what asks for an answer, and counts what is sent for it.
fn serve(server: &mut Server, yes: bool) -> Option<usize> {
    let mut sent = 0;
    let mut live = true;
    while live {
        let event = match server.poll() {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_) => {
                live = false;
                continue;
            }
        };
        // It is also shown: to the log, for instance.
        let _shown = (described::server_event(&event), format!("{event:?}"));
        let refusal = rtmp_core::message::Status::new("No".into(), "");
        let machine = &mut server.machine;
        match &event {
            ServerEvent::Connect(_) if yes => machine.accept_connect(&ConnectReply::default()),
            ServerEvent::Publish { stream, .. } if yes => machine.accept_publish(*stream),
            ServerEvent::Play { stream, .. } if yes => machine.accept_play(*stream),
            ServerEvent::Publish { stream, .. } => machine.reject_publish(*stream, &refusal),
            ServerEvent::Play { stream, .. } => machine.reject_play(*stream, &refusal),
            ServerEvent::Connect(_) => machine.reject_connect(&refusal),
            _ => Ok(()),
        }
        .expect("what was asked can be answered");
        sent += machine.output().split().len();
    }
    sent += server.machine.output().split().len();
    live.then_some(sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_server_survives_any_bytes_behind_the_handshake(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        connected in any::<bool>(),
    ) {
        let mut server = if connected { Server::with_stream() } else { Server::new(ServerConfig::default()) };
        server.peer.sent.extend_from_slice(&bytes);
        serve(&mut server, true);
    }

    #[test]
    fn a_client_survives_any_bytes_behind_the_handshake(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut client = Client::with_stream();
        client.peer.sent.extend_from_slice(&bytes);
        while let Ok(Some(event)) = client.poll() {
            let _shown = (described::client_event(&event), format!("{event:?}"));
        }
    }

    #[test]
    fn a_server_survives_any_messages_and_answers_in_proportion(
        messages in prop::collection::vec(message(), 1..60),
        connected in any::<bool>(),
        yes in any::<bool>(),
    ) {
        let mut server = if connected { Server::connected() } else { Server::new(ServerConfig::default()) };
        let mut received = 0;
        let mut sent = 0;
        for message in &messages {
            let before = server.peer.sent.len();
            server.say(message);
            received += server.peer.sent.len() - before;
            match serve(&mut server, yes) {
                Some(answer) => sent += answer,
                None => return Ok(()),
            }
        }
        prop_assert!(sent <= 500 + MAX_FACTOR * received, "{sent} bytes for {received}");
    }

    #[test]
    fn a_client_survives_any_messages_and_answers_in_proportion(
        messages in prop::collection::vec(message(), 1..60),
        use_stream in 0..3,
    ) {
        let mut client = Client::with_stream();
        match use_stream {
            0 => client.machine.publish(stream(1), &PublishRequest::new("cam", Default::default())).unwrap(),
            1 => client.machine.play(stream(1), &PlayRequest::new("cam")).unwrap(),
            _ => {}
        }
        client.machine.output().clear();
        for message in &messages {
            client.say(message);
        }
        let received = client.peer.sent.len();
        while let Ok(Some(event)) = client.poll() {
            let _shown = (described::client_event(&event), format!("{event:?}"));
            if let ClientEvent::ConnectRefused(_) = event {
                prop_assert!(false, "it is connected already");
            }
        }
        let sent = client.machine.output().len();
        prop_assert!(sent <= 500 + MAX_FACTOR * received, "{sent} bytes for {received}");
    }

    #[test]
    fn where_the_bytes_are_cut_does_not_change_what_a_server_makes_of_them(
        messages in prop::collection::vec(message(), 1..20),
        cut in 1..50usize,
    ) {
        let mut whole = Server::with_stream();
        for message in &messages {
            whole.say(message);
        }
        let bytes = whole.peer.sent.clone();
        let mut cut_up = Server::with_stream();
        cut_up.peer.sent.clear();
        let mut seen = Vec::new();
        let mut fault = None;
        for read in bytes.chunks(cut) {
            cut_up.peer.sent.extend_from_slice(read);
            take_events(&mut cut_up, &mut seen, &mut fault);
            if fault.is_some() {
                break;
            }
        }
        let (mut expected, mut expected_fault) = (Vec::new(), None);
        take_events(&mut whole, &mut expected, &mut expected_fault);
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(fault, expected_fault);
    }
}

fn take_events(server: &mut Server, events: &mut Vec<String>, fault: &mut Option<String>) {
    loop {
        match server.poll() {
            Ok(Some(event)) => {
                match &event {
                    ServerEvent::Publish { stream, .. } => server.machine.accept_publish(*stream),
                    ServerEvent::Play { stream, .. } => server.machine.accept_play(*stream),
                    _ => Ok(()),
                }
                .expect("what was asked can be answered");
                events.push(described::server_event(&event));
            }
            Ok(None) => return,
            Err(error) => {
                *fault = Some(format!("{error:?}"));
                return;
            }
        }
    }
}
