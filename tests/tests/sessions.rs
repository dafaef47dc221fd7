//! The life of a session: who is asked, what the client is told, and who hears of the end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_amf::amf0::{Object, Value};
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::flv::{Metadata, with_set_data_frame};
use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, PlayRequest, PublishRequest, Status, StatusCode, TransactionId,
};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::{
    CloseReason, ConnectObserver, MediaSink, Observers, PlayGrant, PlayObserver, PublishGrant,
    PublishObserver, Relay, Request, SessionConfig, SessionInfo, StreamInfo, Verdict, request_channel,
};
use rtmp_tests::media::{audio, frame, keyframe, metadata, padded, video_header};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, Recorder, session, session_over};
use tokio::sync::Notify;

/// Decides as its functions say, and accepts where it has none.
#[derive(Clone, Default)]
struct Judge {
    connect: Option<fn(&ConnectRequest) -> Verdict<ConnectReply>>,
    publish: Option<fn(&PublishRequest) -> Verdict<PublishGrant>>,
    play: Option<fn(&PlayRequest) -> Verdict<PlayGrant>>,
}

#[async_trait]
impl ConnectObserver for Judge {
    async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        self.connect
            .map_or_else(Verdict::accept, |decide| decide(request))
    }
}

#[async_trait]
impl PublishObserver for Judge {
    async fn on_publish(&self, _: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        self.publish
            .map_or_else(Verdict::accept, |decide| decide(request))
    }
}

#[async_trait]
impl PlayObserver for Judge {
    async fn on_play(&self, _: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        self.play.map_or_else(Verdict::accept, |decide| decide(request))
    }
}

/// Says yes only when it is let.
#[derive(Clone, Default)]
struct Patient {
    go_on: Arc<Notify>,
}

#[async_trait]
impl ConnectObserver for Patient {
    async fn on_connect(&self, _: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        self.go_on.notified().await;
        Verdict::accept()
    }
}

#[async_trait]
impl PublishObserver for Patient {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        self.go_on.notified().await;
        Verdict::accept()
    }
}

#[async_trait]
impl PlayObserver for Patient {
    async fn on_play(&self, _: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        self.go_on.notified().await;
        Verdict::accept()
    }
}

/// Keeps what a publisher sends.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<MediaMessage>>>);

impl MediaSink for Store {
    fn send(&mut self, message: &MediaMessage) {
        self.0.lock().unwrap().push(message.clone());
    }
}

#[async_trait]
impl PublishObserver for Store {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        Verdict::Accept(PublishGrant::default().sink(self.clone()))
    }
}

impl Store {
    fn messages(&self) -> Vec<MediaMessage> {
        self.0.lock().unwrap().clone()
    }
}

fn code_of(status: &Status) -> &str {
    status.code.as_str()
}

// What is asked, and when

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_success_before_every_observer_has_agreed() {
    let patient = Patient::default();
    let observers = Observers::new()
        .connect(patient.clone())
        .publish(patient.clone())
        .play(patient.clone())
        .relay(Relay::default());
    let (io, _session) = session(&observers);
    let mut peer = Peer::new(io);
    peer.shake_hands().await;

    peer.machine()
        .connect(&ConnectRequest::default(), "live", "rtmp://localhost/live")
        .unwrap();
    peer.flush().await;
    assert!(peer.rest().await.is_empty());
    patient.go_on.notify_one();
    peer.until("connected", |event| {
        matches!(event, ClientEvent::Connected(_)).then_some(())
    })
    .await;

    for command in ["publish", "play"] {
        let stream = peer.create_stream().await;
        peer.say(stream, Command::new(command).with_argument("cam")).await;
        assert!(peer.rest().await.is_empty(), "{command}");
        patient.go_on.notify_one();
        let events = peer.rest().await;
        let starts = |event: &ClientEvent| matches!(event, ClientEvent::Status { status, .. } if status.code.as_str().ends_with(".Start"));
        assert_eq!(
            events.iter().filter(|event| starts(event)).count(),
            1,
            "{command}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_accepted_call_has_one_closing_call_when_the_client_ends_what_it_began() {
    let recorder = Recorder::default();
    let (io, session) = session(&recorder.observers().relay(Relay::default()));
    let mut peer = Peer::connected(io, "live").await;
    let publishing = peer.publish("cam").await.unwrap();
    let playing = peer.play("cam").await.unwrap();
    peer.machine().delete_stream(publishing).unwrap();
    peer.machine().close_stream(playing).unwrap();
    peer.say(MessageStreamId::CONNECTION, Command::new("close")).await;
    peer.to_the_end().await;
    assert!(matches!(session.ended().await, CloseReason::Requested));
    assert_eq!(
        recorder.calls(),
        [
            "on_connect live",
            "on_publish cam",
            "on_play cam",
            "on_unpublish cam: ended by the client",
            "on_stop cam: ended by the client",
            "on_disconnect live: ended by the client",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_ends_its_streams_and_then_its_session() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let (io, session) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    peer.publish("cam").await.unwrap();
    peer.play("other").await.unwrap();
    drop(peer);
    assert!(matches!(session.ended().await, CloseReason::PeerClosed));
    assert_eq!(
        recorder.calls()[3..],
        [
            "on_unpublish cam: the client closed the connection",
            "on_stop other: the client closed the connection",
            "on_disconnect live: the client closed the connection",
        ]
    );
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_ended_by_the_application_tells_client_and_observers_why() {
    let recorder = Recorder::default();
    let (io, session) = session(&recorder.observers());
    let mut peer = Peer::connected(io, "live").await;
    peer.publish("cam").await.unwrap();
    session.info.dispose("the licence has run out");
    session.info.dispose("another reason, too late");
    let status = peer.status(StatusCode::UnpublishSuccess).await;
    assert_eq!(status.description, "ended by the server: the licence has run out");
    let events = peer.to_the_end().await;
    assert!(matches!(events.last(), Some(ClientEvent::CloseRequested)));
    assert!(
        matches!(session.ended().await, CloseReason::Disposed(reason) if reason == "the licence has run out")
    );
    assert_eq!(
        recorder.calls()[2..],
        [
            "on_unpublish cam: ended by the server: the licence has run out",
            "on_disconnect live: ended by the server: the licence has run out",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_breaks_the_protocol_ends_its_session_only() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let observers = recorder.observers().relay(relay.clone());
    let (io, broken) = session(&observers);
    let (other_io, healthy) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let mut other = Peer::connected(other_io, "live").await;
    peer.publish("cam").await.unwrap();
    other.publish("other").await.unwrap();
    // A set chunk size of 0.
    peer.send_bytes(&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        .await;
    peer.to_the_end().await;
    assert!(matches!(broken.ended().await, CloseReason::Protocol(_)));
    assert_eq!(
        recorder.calls()[4..],
        [
            "on_unpublish cam: the client broke the protocol",
            "on_disconnect live: the client broke the protocol",
        ]
    );
    // The name is free, and the other session goes on.
    assert!(other.publish("cam").await.is_ok());
    assert_eq!(relay.stream_count(), 2);
    drop(other);
    healthy.ended().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_handshake_end_the_session_at_once_and_no_observer_hears_of_it() {
    let recorder = Recorder::default();
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"rtmp"] {
        let (io, session) = session(&recorder.observers());
        let mut peer = Peer::new(io);
        peer.machine().output().clear();
        peer.send_bytes(first).await;
        assert!(
            matches!(session.ended().await, CloseReason::Protocol(_)),
            "{first:?}"
        );
    }
    assert!(recorder.calls().is_empty());
}

/// Panics in one of its calls.
struct Faulty(&'static str);

#[async_trait]
impl ConnectObserver for Faulty {
    async fn on_connect(&self, _: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        assert_ne!(self.0, "on_connect");
        Verdict::accept()
    }

    async fn on_disconnect(&self, _: &SessionInfo, _: &CloseReason) {
        assert_ne!(self.0, "on_disconnect");
    }
}

#[async_trait]
impl PublishObserver for Faulty {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        assert_ne!(self.0, "on_publish");
        Verdict::accept()
    }

    fn on_message(&self, _: &StreamInfo, _: &MediaMessage) {
        assert_ne!(self.0, "on_message");
    }

    async fn on_unpublish(&self, _: &StreamInfo, _: &CloseReason) {
        assert_ne!(self.0, "on_unpublish");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_observer_ends_only_its_session_and_the_others_are_told() {
    for call in [
        "on_connect",
        "on_publish",
        "on_message",
        "on_unpublish",
        "on_disconnect",
    ] {
        let recorder = Recorder::default();
        let relay = Relay::default();
        let observers = Observers::new()
            .connect(recorder.clone())
            .publish(recorder.clone());
        let observers = observers
            .relay(relay.clone())
            .connect(Faulty(call))
            .publish(Faulty(call));
        let (io, running) = session(&observers);
        let mut peer = Peer::new(io);
        // It fails itself where the session ends.
        let script = tokio::spawn(async move {
            peer.connect("live").await.unwrap();
            let stream = peer.publish("cam").await.unwrap();
            peer.send(stream, &[audio(0, 0)]).await;
            peer.machine().delete_stream(stream).unwrap();
            peer.say(MessageStreamId::CONNECTION, Command::new("close")).await;
            peer.to_the_end().await;
        });
        let reason = running.ended().await;
        let _ = script.await;
        // At the last call there is nothing left to end.
        assert!(
            matches!(reason, CloseReason::ObserverPanicked) || call == "on_disconnect",
            "{call}: {reason}"
        );
        assert_eq!(relay.stream_count(), 0, "{call}");
        let opened = recorder.calls_with("on_publish").len();
        assert_eq!(
            recorder.calls_with("on_unpublish").len(),
            opened,
            "{call}: {:?}",
            recorder.calls()
        );
        assert_eq!(
            recorder.calls_with("on_disconnect").len(),
            1,
            "{call}: {:?}",
            recorder.calls()
        );

        let (io, _healthy) = session(&Observers::new().relay(relay.clone()));
        assert!(
            Peer::connected(io, "live").await.publish("cam").await.is_ok(),
            "{call}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_agreed_before_another_refused_is_told_of_the_refusal() {
    let recorder = Recorder::default();
    let no = Judge {
        publish: Some(|_| Verdict::reject(StatusCode::PublishBadName, "taken")),
        play: Some(|_| Verdict::reject(StatusCode::PlayFailed, "not yet")),
        ..Judge::default()
    };
    let observers = recorder.observers().publish(no.clone()).play(no);
    let (io, _session) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    peer.publish("cam").await.unwrap_err();
    peer.play("cam").await.unwrap_err();
    assert_eq!(
        recorder.calls()[1..],
        [
            "on_publish cam",
            "on_unpublish cam: refused",
            "on_play cam",
            "on_stop cam: refused",
        ]
    );

    let recorder = Recorder::default();
    let no = Judge {
        connect: Some(|_| Verdict::reject(StatusCode::ConnectRejected, "no")),
        ..Judge::default()
    };
    let (io, running) = session(&recorder.observers().connect(no));
    Peer::new(io).connect("live").await.unwrap_err();
    running.ended().await;
    assert_eq!(
        recorder.calls(),
        ["on_connect live", "on_disconnect live: refused"]
    );
}

// Connect

#[tokio::test(start_paused = true)]
async fn a_refused_connect_is_answered_with_an_error_then_close_then_the_end() {
    let no = Judge {
        connect: Some(|request| match request.app() {
            "live" => Verdict::accept(),
            app => Verdict::reject(StatusCode::ConnectInvalidApp, format!("no {app} here")),
        }),
        ..Judge::default()
    };
    let (io, running) = session(&Observers::new().connect(no));
    let mut peer = Peer::new(io);
    let status = peer.connect("vod").await.unwrap_err();
    assert_eq!(
        (code_of(&status), status.description.as_str()),
        ("NetConnection.Connect.InvalidApp", "no vod here")
    );
    assert!(status.is_error());
    peer.to_the_end().await;
    assert!(matches!(running.ended().await, CloseReason::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_connect_without_application_is_refused_and_closed() {
    let recorder = Recorder::default();
    let (io, running) = session(&recorder.observers());
    let mut peer = Peer::new(io);
    let status = peer.connect("").await.unwrap_err();
    assert_eq!(code_of(&status), "NetConnection.Connect.Rejected");
    peer.to_the_end().await;
    assert!(matches!(running.ended().await, CloseReason::Refused));
    assert!(recorder.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_redirect_names_the_other_address() {
    let elsewhere = Judge {
        connect: Some(|_| Verdict::redirect("rtmp://b.example/live")),
        ..Judge::default()
    };
    let (io, _running) = session(&Observers::new().connect(elsewhere));
    let status = Peer::new(io).connect("live").await.unwrap_err();
    let target = status
        .details
        .get("ex")
        .and_then(Value::as_object)
        .expect("an object");
    assert_eq!(target.get("code").and_then(Value::as_number), Some(302.0));
    assert_eq!(
        target.get("redirect").and_then(Value::as_str),
        Some("rtmp://b.example/live")
    );
}

#[tokio::test(start_paused = true)]
async fn the_reply_to_connect_is_what_an_observer_makes_of_it_whoever_agrees_after_it() {
    let extend = Judge {
        connect: Some(|request| {
            let mut reply = ConnectReply::default();
            reply.properties.insert("region", Value::from("eu"));
            let token = request.arguments().first().cloned().unwrap_or(Value::Null);
            reply.status = reply.status.with("token", token);
            Verdict::Accept(reply)
        }),
        ..Judge::default()
    };
    let (io, _running) = session(&Observers::new().connect(extend).connect(Recorder::default()));
    let mut peer = Peer::new(io);
    let reply = peer
        .connect_with(&ConnectRequest::default().argument("t0k3n"), "live")
        .await
        .unwrap();
    assert_eq!(reply.properties.get("region").and_then(Value::as_str), Some("eu"));
    assert_eq!(
        reply.status.details.get("token").and_then(Value::as_str),
        Some("t0k3n")
    );
    assert_eq!(
        reply
            .status
            .details
            .get("objectEncoding")
            .and_then(Value::as_number),
        Some(0.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_connect_is_refused_and_changes_nothing() {
    let recorder = Recorder::default();
    let (io, _running) = session(&recorder.observers());
    let mut peer = Peer::connected(io, "live").await;
    let again = Command::new("connect").with_transaction(TransactionId::new(77));
    peer.say(MessageStreamId::CONNECTION, again).await;
    assert!(peer.publish("cam").await.is_ok());
    assert_eq!(recorder.calls(), ["on_connect live", "on_publish cam"]);
}

// Publish and play

#[tokio::test(start_paused = true)]
async fn a_refused_publisher_and_player_are_told_why_and_may_try_again() {
    let no = Judge {
        publish: Some(|request| match request.query() {
            Some("token=1") => Verdict::accept(),
            _ => Verdict::reject(StatusCode::PublishDenied, "no token"),
        }),
        play: Some(|request| match request.stream_name() {
            "cam" => Verdict::accept(),
            _ => Verdict::reject(StatusCode::PlayFailed, "private"),
        }),
        ..Judge::default()
    };
    let relay = Relay::default();
    let (io, _running) = session(&Observers::new().publish(no.clone()).play(no).relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    let status = peer.publish_on(stream, "cam").await.unwrap_err();
    assert_eq!(
        (code_of(&status), status.description.as_str()),
        ("NetStream.Publish.Denied", "no token")
    );
    assert_eq!(relay.stream_count(), 0);
    assert!(peer.publish_on(stream, "cam?token=1").await.is_ok());

    let stream = peer.create_stream().await;
    let status = peer.play_on(stream, "secret").await.unwrap_err();
    assert_eq!(
        (code_of(&status), status.description.as_str()),
        ("NetStream.Play.Failed", "private")
    );
    assert!(peer.play_on(stream, "cam").await.is_ok());
    assert_eq!(relay.stream_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_any_source_a_stream_is_not_found() {
    let (io, _running) = session(&Observers::new());
    let status = Peer::connected(io, "live").await.play("cam").await.unwrap_err();
    assert_eq!(code_of(&status), "NetStream.Play.StreamNotFound");
}

#[tokio::test(start_paused = true)]
async fn observers_behind_a_rename_and_the_relay_see_only_the_new_name() {
    let rename = Judge {
        publish: Some(|_| Verdict::Accept(PublishGrant::default().rename("studio"))),
        play: Some(|_| Verdict::Accept(PlayGrant::default().rename("studio"))),
        ..Judge::default()
    };
    let recorder = Recorder::default();
    let relay = Relay::default();
    let observers = Observers::new().publish(rename.clone()).play(rename);
    let observers = observers
        .publish(recorder.clone())
        .play(recorder.clone())
        .relay(relay.clone());
    let (io, running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("k3y?token=1").await.unwrap();
    let mut tap = relay.play("live", "studio");
    peer.send(stream, &[audio(0, 7)]).await;
    assert_eq!(tap.recv().await, Some(audio(0, 7)));
    peer.play("watch").await.unwrap();
    drop((peer, tap));
    running.ended().await;
    let calls = recorder.calls();
    assert!(calls.iter().all(|call| call.contains("studio")), "{calls:?}");
    assert_eq!(relay.stream_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn media_sent_before_the_answer_to_publish_arrive_complete_and_in_order() {
    let patient = Patient::default();
    let store = Store::default();
    let observers = Observers::new().publish(patient.clone()).publish(store.clone());
    let (io, _running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    let mut early = vec![
        metadata(0, 1),
        video_header(0, 2),
        padded(keyframe(0, 3), 150_000),
    ];
    early.extend((4..10).map(|number| frame(number * 40, number)));
    peer.say(stream, Command::new("publish").with_argument("cam"))
        .await;
    peer.force(stream, &early).await;
    assert!(peer.rest().await.is_empty());
    assert_eq!(store.messages(), []);
    patient.go_on.notify_one();
    peer.rest().await;
    assert!(store.messages() == early);
}

/// Keeps the sizes in the metadata that it is told.
#[derive(Clone, Default)]
struct Sizes(Arc<Mutex<Vec<f64>>>);

#[async_trait]
impl PublishObserver for Sizes {
    fn on_metadata(&self, _: &StreamInfo, metadata: &Metadata) {
        let width = metadata.properties().get("width").and_then(Value::as_number);
        self.0.lock().unwrap().extend(width);
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_can_be_read_are_told_with_and_without_set_data_frame() {
    let sizes = Sizes::default();
    let (io, running) = session(&Observers::new().publish(sizes.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    let with_width = |width: f64| {
        Metadata::new(Object::new().with("width", width))
            .encode()
            .unwrap()
    };
    let messages = [
        MediaMessage::data(Timestamp::ZERO, with_set_data_frame(&with_width(640.0))),
        MediaMessage::data(Timestamp::ZERO, with_width(320.0)),
        MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x0aonMetaData\x05"[..]),
        MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x0aonTextData\x05"[..]),
        audio(0, 1),
    ];
    peer.send(stream, &messages).await;
    drop(peer);
    running.ended().await;
    assert_eq!(*sizes.0.lock().unwrap(), [640.0, 320.0]);
}

#[tokio::test(start_paused = true)]
async fn media_on_a_stream_that_is_not_published_go_nowhere() {
    let store = Store::default();
    let recorder = Recorder::default();
    let (io, running) = session(&recorder.observers().publish(store.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let (idle, publishing) = (peer.create_stream().await, peer.create_stream().await);
    peer.force(idle, &[audio(0, 1)]).await;
    peer.force(publishing, &[audio(0, 2)]).await;
    peer.publish_on(publishing, "cam").await.unwrap();
    peer.force(idle, &[audio(0, 3)]).await;
    peer.force(MessageStreamId::new(99), &[audio(0, 4)]).await;
    peer.send(publishing, &[audio(0, 5)]).await;
    peer.machine().close_stream(publishing).unwrap();
    peer.force(publishing, &[audio(0, 6)]).await;
    drop(peer);
    let info = running.info.clone();
    running.ended().await;
    assert_eq!(store.messages(), [audio(0, 5)]);
    assert_eq!(info.statistics().messages_received, 1);
    assert_eq!(recorder.calls_with("on_message").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn streams_of_one_connection_keep_their_media_apart() {
    let relay = Relay::default();
    let (io, _running) = session(&Observers::new().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let one = peer.publish("one").await.unwrap();
    let two = peer.publish("two").await.unwrap();
    assert_ne!(one, two);
    let (mut tap_one, mut tap_two) = (relay.play("live", "one"), relay.play("live", "two"));
    for number in 0..20 {
        peer.send(one, &[audio(number, number)]).await;
        peer.send(two, &[audio(number, 1000 + number)]).await;
    }
    for number in 0..20 {
        assert_eq!(tap_one.recv().await, Some(audio(number, number)));
        assert_eq!(tap_two.recv().await, Some(audio(number, 1000 + number)));
    }
    peer.machine().delete_stream(one).unwrap();
    peer.send(two, &[audio(99, 99)]).await;
    assert_eq!(tap_two.recv().await, Some(audio(99, 99)));
    assert_eq!(tap_one.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_encoder_may_publish_again_after_fc_unpublish() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let (io, _running) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    for round in 0..3 {
        let publish = Command::new("publish").with_argument("cam");
        peer.say(stream, publish).await;
        peer.status(StatusCode::PublishStart).await;
        let mut tap = relay.play("live", "cam");
        peer.force(stream, &[audio(round, round)]).await;
        assert_eq!(tap.recv().await, Some(audio(round, round)));
        peer.say(
            MessageStreamId::CONNECTION,
            Command::new("FCUnpublish").with_argument("cam"),
        )
        .await;
        peer.status(StatusCode::UnpublishSuccess).await;
    }
    assert_eq!(recorder.calls_with("on_publish").len(), 3);
    assert_eq!(recorder.calls_with("on_unpublish").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn another_play_on_the_same_stream_takes_the_place_of_the_first() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "two").unwrap();
    let (io, _running) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.play("one").await.unwrap();
    peer.play_on(stream, "two").await.unwrap();
    publisher.send(audio(0, 1));
    assert_eq!(peer.next_media().await, audio(0, 1));
    assert_eq!(
        recorder.calls()[1..],
        ["on_play one", "on_stop one: ended by the client", "on_play two"]
    );
    assert_eq!(relay.stream_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_player_goes_over_to_other_streams_with_their_headers_and_observers_follow() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let (io, _running) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.play("low").await.unwrap();
    let names = ["low", "high", "low", "high"];
    let mut publishers: Vec<_> = ["low", "high"]
        .map(|name| relay.publish("live", name).unwrap())
        .into();
    for (number, publisher) in (0..).zip(&mut publishers) {
        for message in [metadata(0, number), video_header(0, number), keyframe(0, number)] {
            publisher.send(message);
        }
    }
    let mut current = 0;
    assert_eq!(
        peer.media(3).await,
        [metadata(0, 0), video_header(0, 0), keyframe(0, 0)]
    );
    for name in &names[1..] {
        let options = Object::new()
            .with("streamName", *name)
            .with("transition", "switch");
        peer.say(stream, Command::new("play2").with_argument(options))
            .await;
        peer.status(StatusCode::PlayTransition).await;
        current = 1 - current;
        let status = peer.next_media().await;
        assert_eq!(status.kind, MediaKind::Data);
        let expected = [
            metadata(0, current),
            video_header(0, current),
            keyframe(0, current),
        ];
        assert_eq!(peer.media(3).await, expected);
    }
    assert_eq!(recorder.calls_with("on_play").len(), 4);
    assert_eq!(recorder.calls_with("on_stop").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn questions_as_values_are_answered_with_values() {
    let (observer, mut requests) = request_channel(1);
    let recorder = Recorder::default();
    let observers = Observers::new()
        .requests(observer)
        .publish(recorder.clone())
        .relay(Relay::default());
    let seen = Arc::new(Mutex::new(String::new()));
    let texts = Arc::clone(&seen);
    let decider = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(request) = requests.recv().await {
            texts
                .lock()
                .unwrap()
                .push_str(&format!("{request:?} {:?}", request.session()));
            match request {
                Request::Publish(publish) => match publish.request().stream_name() {
                    "no-s3cret" => publish.reject("not you"),
                    "drop-s3cret" => drop(publish),
                    "keep-s3cret" => kept.push(publish),
                    _ => publish.grant(PublishGrant::default().rename("other")),
                },
                request => request.accept(),
            }
        }
    });
    let (io, _running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    let begun = tokio::time::Instant::now();
    for (name, description, seconds) in [
        ("no-s3cret?s3cret", "not you", 0),
        ("drop-s3cret", "nobody decides", 0),
        ("keep-s3cret", "no decision in time", 10),
    ] {
        let status = peer.publish_on(stream, name).await.unwrap_err();
        assert_eq!(
            (status.description.as_str(), begun.elapsed().as_secs()),
            (description, seconds)
        );
    }
    assert!(peer.publish_on(stream, "yes-s3cret").await.is_ok());
    assert_eq!(recorder.calls(), ["on_publish other"]);
    decider.abort();
    let _ = decider.await;
    let status = peer.publish("yes").await.unwrap_err();
    assert_eq!(status.description, "nobody decides");
    let seen = seen.lock().unwrap();
    assert!(seen.contains("Publish") && !seen.contains("s3cret"), "{seen}");
}

// Calls

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_much_before_it_reads_gets_every_answer() {
    const ROUNDS: usize = 2;
    let (client, server) = tokio::io::duplex(PIPE_LEN);
    let _running = session_over(server, &Observers::new(), SessionConfig::default());
    let mut peer = Peer::connected(client, "live").await;
    // More answers than the session holds back at a time, in fewer writes than it reads.
    for _ in 0..ROUNDS {
        for _ in 0..4000 {
            peer.machine()
                .call(MessageStreamId::CONNECTION, "c", vec![])
                .unwrap();
        }
        peer.flush().await;
        for _ in 0..4000 {
            peer.until("an answer", |event| {
                matches!(event, ClientEvent::CallReturned { .. }).then_some(())
            })
            .await;
        }
    }
}

// No answer in time

#[tokio::test(start_paused = true)]
async fn no_verdict_in_time_means_no() {
    let patient = Patient::default();
    let observers = Observers::new().publish(patient.clone()).play(patient.clone());
    let (io, _running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let begun = tokio::time::Instant::now();
    let status = peer.publish("cam").await.unwrap_err();
    assert_eq!(
        (code_of(&status), begun.elapsed().as_secs()),
        ("NetStream.Publish.Failed", 10)
    );
    let status = peer.play("cam").await.unwrap_err();
    assert_eq!(
        (code_of(&status), begun.elapsed().as_secs()),
        ("NetStream.Play.Failed", 20)
    );

    let (io, running) = session(&Observers::new().connect(patient));
    let status = Peer::new(io).connect("live").await.unwrap_err();
    assert_eq!(code_of(&status), "NetConnection.Connect.Rejected");
    assert!(matches!(running.ended().await, CloseReason::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_ended_while_an_observer_decides() {
    let recorder = Recorder::default();
    let patient = Patient::default();
    let observers = recorder.observers().publish(patient);
    let (io, running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    peer.say(stream, Command::new("publish").with_argument("cam"))
        .await;
    recorder.called("on_publish").await;
    let begun = tokio::time::Instant::now();
    running.info.dispose("enough");
    recorder.called("on_disconnect").await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(peer);
    assert!(matches!(running.ended().await, CloseReason::Disposed(_)));
    assert_eq!(
        recorder.calls()[1..],
        [
            "on_publish cam",
            "on_unpublish cam: ended by the server: enough",
            "on_disconnect live: ended by the server: enough",
        ]
    );
}

// What a player does

#[tokio::test(start_paused = true)]
async fn observers_hear_what_a_player_does() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let _publisher = relay.publish("live", "cam").unwrap();
    let (io, _running) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.play("cam").await.unwrap();
    peer.machine().pause(stream, true, Duration::ZERO).unwrap();
    peer.status(StatusCode::PauseNotify).await;
    peer.machine().pause(stream, false, Duration::ZERO).unwrap();
    peer.status(StatusCode::UnpauseNotify).await;
    peer.machine().receive_video(stream, false).unwrap();
    peer.machine().receive_audio(stream, true).unwrap();
    peer.status(StatusCode::SeekNotify).await;
    peer.machine().seek(stream, Duration::from_secs(9)).unwrap();
    let status = peer.status(StatusCode::SeekFailed).await;
    assert!(status.is_error());
    let kinds = [MediaKind::Video, MediaKind::Audio];
    assert_eq!(
        recorder.calls()[2..],
        [
            "on_pause cam true".to_owned(),
            "on_pause cam false".to_owned(),
            format!("on_receive cam {:?} false", kinds[0]),
            format!("on_receive cam {:?} true", kinds[1]),
        ]
    );
}

// Figures and logs

#[tokio::test(start_paused = true)]
async fn statistics_count_every_byte_and_the_media_messages() {
    let relay = Relay::default();
    let (io, running) = session(&Observers::new().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    peer.send(
        stream,
        &[metadata(0, 0), video_header(0, 1), keyframe(0, 2), audio(0, 3)],
    )
    .await;
    peer.play("cam").await.unwrap();
    peer.media(3).await;
    peer.say(MessageStreamId::CONNECTION, Command::new("close")).await;
    peer.to_the_end().await;
    let info = running.info.clone();
    running.ended().await;
    let figures = info.statistics();
    assert_eq!((figures.bytes_received, figures.bytes_sent), peer.traffic());
    assert_eq!((figures.messages_received, figures.messages_dropped), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn debug_shows_neither_whole_stream_names_nor_queries() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    struct Spy(Arc<Mutex<Vec<String>>>);
    impl Spy {
        fn note(&self, text: String) {
            self.0.lock().unwrap().push(text);
        }
    }
    #[async_trait]
    impl ConnectObserver for Spy {
        async fn on_connect(&self, session: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
            self.note(format!("{session:?} {request:?}"));
            Verdict::accept()
        }

        async fn on_disconnect(&self, session: &SessionInfo, reason: &CloseReason) {
            self.note(format!("{session:?} {reason:?}"));
        }
    }
    #[async_trait]
    impl PublishObserver for Spy {
        async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
            self.note(format!("{session:?} {request:?}"));
            Verdict::Accept(PublishGrant::default().rename("renamed-stream-s3cret"))
        }

        async fn on_unpublish(&self, stream: &StreamInfo, _: &CloseReason) {
            self.note(format!("{stream:?} {:?}", stream.session()));
        }
    }
    #[async_trait]
    impl PlayObserver for Spy {
        async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
            self.note(format!("{session:?} {request:?}"));
            Verdict::accept()
        }

        async fn on_stop(&self, stream: &StreamInfo, _: &CloseReason) {
            self.note(format!("{stream:?}"));
        }
    }
    let spy = || Spy(Arc::clone(&seen));
    let observers = Observers::new()
        .connect(spy())
        .publish(spy())
        .play(spy())
        .relay(Relay::default());
    let (io, running) = session(&observers);
    let mut peer = Peer::new(io);
    peer.connect("live?token=s3cret").await.unwrap();
    peer.publish("publish-stream-s3cret?token=s3cret").await.unwrap();
    peer.play("played-stream-s3cret?token=s3cret").await.unwrap();
    drop(peer);
    running.ended().await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 6);
    for text in seen.iter() {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
