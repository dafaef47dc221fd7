//! What the applications at both ends say to each other beside media: remote calls, statuses, messages of their own; and
//! what a tap sees of it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::FutureExt;
use rtmp_amf::amf0::{Encoder, Object, Value};
use rtmp_amf::amf3;
use rtmp_client::{
    ClientConn, ConnectRequest, Event, Events, MessageType, PublishKind, RawMessage, Timestamp,
};
use rtmp_core::MediaMessage;
use rtmp_core::chunk::{ChunkStreamId, MessageStreamId};
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{Command, SharedObjectEvent, SharedObjectMessage, Status, StatusCode};
use rtmp_server::{
    CallError, CloseReason, ConnectObserver, Observers, PublishObserver, SessionConfig, SessionInfo,
    StreamInfo,
};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, Recorder, RunningSession, session, session_over};
use tokio::sync::mpsc;

/// Notes calls and other messages, and answers `echo` with its arguments and the stream that it came on.
#[derive(Clone, Default)]
struct Echo(Recorder);

#[async_trait]
impl ConnectObserver for Echo {
    async fn on_call(
        &self,
        _: &SessionInfo,
        stream: MessageStreamId,
        call: &Command,
    ) -> Option<Result<Value, Status>> {
        self.0
            .note(format!("{stream} {} {:?}", call.name, call.arguments));
        (call.name.as_bytes() == b"echo").then(|| {
            let mut answer = call.arguments.clone();
            answer.push(Value::from(stream.get()));
            Ok(Value::StrictArray(answer))
        })
    }

    fn on_other_message(&self, _: &SessionInfo, message: &RawMessage) {
        let kind = message.message_type;
        let said = match kind {
            MessageType::SharedObject => {
                format!(
                    "{:?}",
                    SharedObjectMessage::decode(message.payload.clone()).unwrap()
                )
            }
            _ => format!("{:?}", message.payload),
        };
        self.0.note(format!("{kind:?} {said}"));
    }
}

/// Both ends of a connection to `live`.
async fn connected(observers: &Observers) -> (ClientConn, RunningSession) {
    let (io, running) = session(observers);
    let conn = ClientConn::builder().from_io(io, "rtmp://h/live").await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    (conn, running)
}

/// The first event of which `wanted` makes something.
async fn event<T>(events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        let event = events.recv().await.expect("the connection goes on");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

/// One value of each kind that an application is likely to send, in AMF0 and AMF3.
fn values() -> Vec<Value> {
    let inner = Object::new()
        .with("on", true)
        .with("list", vec![Value::from(1.0), Value::Null]);
    let object = amf3::Object::new();
    vec![
        Value::from("text"),
        Value::from(0.5),
        Value::Object(Object::new().with("inner", inner)),
        Value::Date {
            millis: 1e12,
            time_zone: 0,
        },
        Value::Amf3(Box::new(amf3::Value::from(300))),
        Value::Amf3(Box::new(amf3::Value::Object(Arc::new(object)))),
        Value::Amf3(Box::new(amf3::Value::ByteArray([0, 255].to_vec().into()))),
    ]
}

#[tokio::test(start_paused = true)]
async fn calls_go_both_ways_with_values_of_every_kind() {
    let (conn, running) = connected(&Observers::new().connect(Echo::default())).await;
    let answer = conn.call("echo", values()).await.unwrap();
    let mut expected = values();
    expected.push(Value::from(0));
    assert_eq!(answer.argument(0), Some(&Value::StrictArray(expected)));

    let mut calls = conn.calls();
    let (answer, ()) = tokio::join!(running.info.call("ask", values()), async {
        let call = calls.recv().await.unwrap();
        assert_eq!(call.command().name.as_bytes(), b"ask");
        assert_eq!(call.stream(), MessageStreamId::CONNECTION);
        let arguments = call.command().arguments.clone();
        call.answer(Value::StrictArray(arguments));
    });
    assert_eq!(answer.unwrap().argument(0), Some(&Value::StrictArray(values())));
}

/// Hands over the streams whose media it sees.
struct Streams(mpsc::Sender<StreamInfo>);

impl PublishObserver for Streams {
    fn on_message(&self, stream: &StreamInfo, _: &MediaMessage) {
        self.0.try_send(stream.clone()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn calls_on_a_stream_name_it_at_both_ends() {
    let (sender, mut streams) = mpsc::channel(1);
    let observers = Observers::new().connect(Echo::default()).publish(Streams(sender));
    let (conn, _running) = connected(&observers).await;
    conn.create_stream().await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let answer = stream.call("echo", Vec::new()).await.unwrap();
    let id = Value::from(stream.id().get());
    assert_eq!(answer.argument(0), Some(&Value::StrictArray(vec![id])));

    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    publisher
        .send_audio(Timestamp::ZERO, &b"\xAF\x01\x21"[..])
        .await
        .unwrap();
    let seen = streams.recv().await.unwrap();
    let mut calls = conn.calls();
    let (answer, ()) = tokio::join!(seen.call("ask", Vec::new()), async {
        let call = calls.recv().await.unwrap();
        assert_eq!(call.stream(), stream.id());
        call.answer("yes");
    });
    assert_eq!(answer.unwrap().text_argument(0), Some("yes"));
}

fn raw(message_type: MessageType, payload: impl Into<bytes::Bytes>) -> RawMessage {
    RawMessage {
        chunk_stream: ChunkStreamId::COMMAND,
        timestamp: Timestamp::ZERO,
        message_type,
        stream: MessageStreamId::CONNECTION,
        payload: payload.into(),
    }
}

/// A command of type 17, as Flash Player sends it: everything behind the first byte is AMF0 that may switch.
fn amf3_command() -> RawMessage {
    let mut body = BytesMut::from(&[0][..]);
    let mut encoder = Encoder::new(&mut body);
    let switched = Value::Amf3(Box::new(amf3::Value::from("text")));
    for value in [Value::from("ask"), Value::from(0.0), Value::Null, switched] {
        encoder.value(&value).unwrap();
    }
    raw(MessageType::Amf3Command, body)
}

#[tokio::test(start_paused = true)]
async fn commands_in_amf3_are_calls_like_any_other() {
    let echo = Echo::default();
    let (conn, running) = connected(&Observers::new().connect(echo.clone())).await;
    let mut events = conn.events();
    conn.send_raw(amf3_command()).await.unwrap();
    echo.0.called("0 ask [").await;
    assert!(echo.0.calls()[0].contains("text"), "{:?}", echo.0.calls());

    running.info.send_raw(amf3_command()).await.unwrap();
    let call = event(&mut events, |event| match event {
        Event::Call { command, .. } => Some(command),
        _ => None,
    });
    let call = call.await;
    assert_eq!(
        (call.name.as_bytes(), call.text_argument(0)),
        (&b"ask"[..], Some("text"))
    );
}

#[tokio::test(start_paused = true)]
async fn shared_objects_and_messages_of_unknown_types_reach_the_applications() {
    let echo = Echo::default();
    let (conn, running) = connected(&Observers::new().connect(echo.clone())).await;
    let mut events = conn.events();
    let object = SharedObjectMessage {
        name: "board".into(),
        version: 3,
        persistence: 0,
        events: vec![
            SharedObjectEvent::Use,
            SharedObjectEvent::RequestChange {
                key: "text".into(),
                value: Value::from("hello"),
            },
        ],
    };
    let shared = raw(MessageType::SharedObject, object.encode().unwrap());
    let unknown = raw(MessageType::Other(99), &b"anything"[..]);
    for message in [&shared, &unknown] {
        conn.send_raw(message.clone()).await.unwrap();
        running.info.send_raw(message.clone()).await.unwrap();
    }
    echo.0.called_times("", 2).await;
    assert_eq!(
        echo.0.calls(),
        [
            format!("SharedObject {object:?}"),
            "Other(99) b\"anything\"".to_owned()
        ]
    );
    for expected in [shared, unknown] {
        let other = event(&mut events, |event| match event {
            Event::Other(message) => Some(message),
            _ => None,
        });
        assert_eq!(other.await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_of_the_application_reaches_the_client() {
    let (conn, running) = connected(&Observers::new()).await;
    let mut events = conn.events();
    let status = Status::new(StatusCode::ConnectReconnectRequest, "moving").with("tcUrl", "rtmp://b/live");
    running.info.send_status(status.clone()).await.unwrap();
    let told = event(&mut events, |event| match event {
        Event::Status { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(told.await, status);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_to_nothing_says_why() {
    let (io, running) = session(&Observers::new());
    let early = running.info.call("ask", Vec::new()).await;
    assert!(matches!(early, Err(CallError::NotConnected)), "{early:?}");

    let conn = ClientConn::builder().from_io(io, "rtmp://h/live").await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let mut calls = conn.calls();
    let (refused, ()) = tokio::join!(running.info.call("ask", Vec::new()), async {
        let call = calls.recv().await.unwrap();
        call.refuse(Status::new(StatusCode::CallFailed, "not today"));
    });
    let refused = refused.unwrap_err();
    assert!(matches!(refused, CallError::Failed { .. }), "{refused:?}");
    assert!(refused.to_string().contains("not today"), "{refused}");

    let (info, disposed) = (running.info.clone(), running.info.clone());
    let (unanswered, ()) = tokio::join!(info.call("ask", Vec::new()), async {
        let _call = calls.recv().await.unwrap();
        disposed.dispose("enough");
        running.ended().await;
    });
    assert!(matches!(unanswered, Err(CallError::Closed)), "{unanswered:?}");
    let late = info.call("ask", Vec::new()).await;
    assert!(matches!(late, Err(CallError::Closed)), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_nobody_waits_for_make_room_for_others() {
    let (io, running) = session(&Observers::new());
    let mut peer = Peer::connected(io, "live").await;
    let info = &running.info;
    let mut waiting: Vec<_> = (0..64).map(|_| Box::pin(info.call("ask", Vec::new()))).collect();
    for call in &mut waiting {
        assert!(call.as_mut().now_or_never().is_none());
    }
    assert_eq!(peer.rest().await.len(), 64);
    let surplus = info.call("ask", Vec::new()).await;
    assert!(
        matches!(surplus, Err(CallError::TooMany { limit: 64 })),
        "{surplus:?}"
    );

    waiting.pop();
    let mut call = Box::pin(info.call("ask", Vec::new()));
    assert!(call.as_mut().now_or_never().is_none());
    assert_eq!(peer.rest().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tap_sees_every_message_both_ways_until_it_panics() {
    let seen = Recorder::default();
    let notes = seen.clone();
    let config = SessionConfig::default().tap(move |session, direction, message| {
        notes.note(format!(
            "{} {direction:?} {:?}",
            session.app(),
            message.message_type
        ));
        assert_ne!(
            message.message_type,
            MessageType::Other(99),
            "the tap panics here"
        );
    });
    let (client, server) = tokio::io::duplex(PIPE_LEN);
    let running = session_over(server, &Observers::new(), config);
    let conn = ClientConn::builder()
        .from_io(client, "rtmp://h/live")
        .await
        .unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let _stream = conn.create_stream().await.unwrap();
    conn.send_raw(raw(MessageType::Other(99), Vec::new()))
        .await
        .unwrap();
    seen.called("Other(99)").await;
    let _stream = conn.create_stream().await.unwrap();
    conn.close().await.unwrap();
    assert!(!matches!(running.ended().await, CloseReason::ObserverPanicked));
    assert_eq!(
        seen.calls(),
        [
            " Received SetChunkSize",
            " Received Command",
            "live Sent WindowAckSize",
            "live Sent SetPeerBandwidth",
            "live Sent UserControl",
            "live Sent SetChunkSize",
            "live Sent Command",
            "live Received WindowAckSize",
            "live Received Command",
            "live Sent Command",
            "live Received Other(99)",
        ]
    );
}

/// Knows one procedure.
struct Adder;

#[async_trait]
impl ConnectObserver for Adder {
    async fn on_call(
        &self,
        _: &SessionInfo,
        _: MessageStreamId,
        call: &Command,
    ) -> Option<Result<Value, Status>> {
        if call.name.as_bytes() != b"add" {
            return None;
        }
        let sum = call
            .number_argument(0)
            .zip(call.number_argument(1))
            .map(|(a, b)| Value::from(a + b));
        Some(sum.ok_or_else(|| Status::new(StatusCode::CallFailed, "two numbers, please")))
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_answered_by_the_observer_that_knows_them_and_otherwise_with_nothing() {
    let (io, _running) = session(&Observers::new().connect(Recorder::default()).connect(Adder));
    let mut peer = Peer::connected(io, "live").await;
    let connection = MessageStreamId::CONNECTION;
    let known = peer
        .machine()
        .call(connection, "add", vec![1.0.into(), 2.0.into()])
        .unwrap();
    let wrong = peer.machine().call(connection, "add", vec![]).unwrap();
    let unknown = peer.machine().call(connection, "_checkbw", vec![]).unwrap();
    peer.say(connection, Command::new("add")).await;
    let mut answers = Vec::new();
    while answers.len() < 3 {
        match peer.next_event().await.unwrap() {
            ClientEvent::CallReturned { transaction, answer } => {
                answers.push((transaction, Ok(answer.argument(0).cloned())));
            }
            ClientEvent::CallFailed { transaction, answer } => {
                answers.push((
                    transaction,
                    Err(Status::from_value(answer.argument(0).unwrap()).description),
                ));
            }
            _ => {}
        }
    }
    assert_eq!(
        answers,
        [
            (known, Ok(Some(Value::from(3.0)))),
            (wrong, Err("two numbers, please".to_owned())),
            (unknown, Ok(Some(Value::Null))),
        ]
    );
}
