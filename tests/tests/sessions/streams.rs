//! What is answered to `publish` and `play`, and where media go.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rtmp_amf::amf0::{Object, Value};
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::flv::{Metadata, with_set_data_frame};
use rtmp_core::message::{Command, StatusCode};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::{
    Observers, PlayGrant, PublishGrant, PublishObserver, Relay, Request, StreamInfo, Verdict, request_channel,
};
use rtmp_tests::media::{audio, frame, keyframe, metadata, padded, video_header};
use rtmp_tests::{Peer, Recorder, session};

use crate::support::{Judge, Patient, Store, code_of};

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
