//! What is answered to `connect`.

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, ConnectReply, ConnectRequest, StatusCode, TransactionId};
use rtmp_server::{CloseReason, Observers, Verdict};
use rtmp_tests::{Peer, Recorder, session};

use crate::support::{Judge, code_of};

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
