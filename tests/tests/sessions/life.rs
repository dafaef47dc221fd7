//! Who is asked, and who hears of the end.

use async_trait::async_trait;
use rtmp_core::MediaMessage;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{Command, ConnectReply, ConnectRequest, PublishRequest, StatusCode};
use rtmp_server::{
    CloseReason, ConnectObserver, Observers, PublishGrant, PublishObserver, Relay, SessionInfo, StreamInfo,
    Verdict,
};
use rtmp_tests::media::audio;
use rtmp_tests::{Peer, Recorder, session};

use crate::support::{Judge, Patient};

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
