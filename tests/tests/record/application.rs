//! Recordings that the application decides on.

use async_trait::async_trait;
use rtmp_core::message::{PublishRequest, StatusCode};
use rtmp_server::record::{RecordConfig, RecordError, RecordEvent, RecordMode, Recorder};
use rtmp_server::{Observers, PublishGrant, PublishObserver, Relay, SessionInfo, Verdict};
use rtmp_tests::media::{audio_header, frame, keyframe, video_header};
use rtmp_tests::{Peer, session};

use crate::support::{Studio, payloads, read, send, times};

struct Chooses(Recorder);

#[async_trait]
impl PublishObserver for Chooses {
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        if request.stream_name() != "cam" {
            return Verdict::accept();
        }
        match self.0.record(session.app(), "archive", RecordMode::Append) {
            Ok(recording) => Verdict::Accept(PublishGrant::default().sink(recording)),
            Err(error) => Verdict::Reject(error.status()),
        }
    }
}

#[tokio::test]
async fn an_observer_grants_a_recording_under_a_name_of_its_choice() {
    let mut studio = Studio::new(RecordConfig::default());
    let observers = Observers::new()
        .publish(Chooses(studio.recorder.clone()))
        .relay(Relay::default());
    for name in ["other", "cam"] {
        let (io, _session) = session(&observers);
        let mut publisher = Peer::connected(io, "live").await;
        let stream = publisher.publish(name).await.unwrap();
        publisher.send(stream, &[keyframe(0, 1)]).await;
        drop(publisher);
    }
    assert_eq!(studio.completed().await.name.stream_name(), "archive");
    assert_eq!(studio.files(), ["live/archive.flv"]);
}

#[tokio::test]
async fn a_stream_of_a_relay_is_recorded_from_its_last_keyframe_on() {
    let studio = Studio::new(RecordConfig::default());
    let mut publisher = studio.relay.publish("live", "cam").unwrap();
    let headers = [video_header(0, 1), audio_header(0, 2)];
    let sent = [keyframe(0, 3), frame(40, 4), keyframe(1000, 5), frame(1040, 6)];
    for message in headers.iter().chain(&sent) {
        publisher.send(message.clone());
    }
    let player = studio.relay.play("live", "cam");
    let recording = studio
        .recorder
        .record_player(player, "live", "late", RecordMode::Replace);
    let (figures, ()) = tokio::join!(recording, async {
        publisher.send(frame(1080, 7));
        drop(publisher);
    });
    assert_eq!(figures.unwrap().messages, 5);
    let (metadata, messages) = read(&studio.path("live/late.flv"));
    let expected = [&headers[..], &sent[2..], &[frame(1080, 7)]].concat();
    assert_eq!(payloads(&messages), payloads(&expected));
    assert_eq!(times(&messages), [0, 0, 0, 40, 80]);
    assert_eq!(metadata.duration().unwrap().as_millis(), 120);
}

#[tokio::test]
async fn a_stream_is_recorded_once_at_a_time() {
    let mut studio = Studio::new(RecordConfig::default());
    let first = studio.recorder.record("live", "cam", RecordMode::Append).unwrap();
    studio.started().await;
    let again = studio.recorder.record("live", "cam", RecordMode::Append);
    assert!(matches!(again, Err(RecordError::Busy)));

    // Another recorder is like another process.
    let other = studio.other_recorder();
    for mode in [RecordMode::Append, RecordMode::Replace] {
        let second = other.record("live", "cam", mode).unwrap();
        assert!(matches!(second.finish().await, Err(RecordError::Busy)));
    }
    first.finish().await.unwrap();
    other
        .record("live", "cam", RecordMode::Append)
        .unwrap()
        .finish()
        .await
        .unwrap();
}

/// The first segment is complete and its file closed, and still belongs to the one that writes the second.
#[tokio::test]
async fn all_segments_belong_to_one_recording() {
    let config = RecordConfig::default().segment_len(1);
    let mut studio = Studio::new(config);
    let mut first = studio
        .recorder
        .record("live", "cam", RecordMode::Replace)
        .unwrap();
    send(&mut first, &[keyframe(0, 1), keyframe(1000, 2)]);
    studio.completed().await;
    let second = studio
        .other_recorder()
        .record("live", "cam", RecordMode::Append)
        .unwrap();
    assert!(matches!(second.finish().await, Err(RecordError::Busy)));
    first.finish().await.unwrap();
}

#[tokio::test]
async fn two_publishers_of_one_file_are_both_live_and_the_second_is_told() {
    let studio = Studio::new(RecordConfig::default());
    let busy = studio.recorder.record("live", "cam", RecordMode::Append).unwrap();
    let mut publisher = studio.peer().await;
    let kind = rtmp_core::message::PublishKind::Record;
    let stream = publisher.publish_as("cam", kind).await.unwrap();
    publisher.status(StatusCode::RecordNoAccess).await;
    let mut player = studio.relay.play("live", "cam");
    publisher.send(stream, &[keyframe(0, 1)]).await;
    assert!(player.recv().await.is_some());
    busy.finish().await.unwrap();
}

#[tokio::test]
async fn after_a_shutdown_everything_is_complete_and_nothing_begins() {
    let studio = Studio::new(RecordConfig::default());
    let mut recordings = Vec::new();
    for name in ["a", "b", "c"] {
        let mut recording = studio.recorder.record("live", name, RecordMode::Replace).unwrap();
        send(&mut recording, &[keyframe(0, 1), frame(40, 2)]);
        recordings.push(recording);
    }
    studio.recorder.shutdown().await;
    for name in ["a", "b", "c"] {
        let (metadata, messages) = read(&studio.path(&format!("live/{name}.flv")));
        assert_eq!(
            (messages.len(), metadata.duration().unwrap().as_millis()),
            (2, 80)
        );
    }
    send(&mut recordings[0], &[frame(80, 3)]);
    assert_eq!(read(&studio.path("live/a.flv")).1.len(), 2);
    let late = studio.recorder.record("live", "d", RecordMode::Replace);
    assert!(matches!(late, Err(RecordError::ShutDown)));
}

#[tokio::test]
async fn an_event_handler_that_panics_ends_its_recording_and_nothing_else() {
    let studio = Studio::with_handler(RecordConfig::default(), |event| {
        if let RecordEvent::Started { name, .. } = event
            && name.stream_name() == "cam"
        {
            panic!("on purpose");
        }
    });
    let recording = studio
        .recorder
        .record("live", "cam", RecordMode::Replace)
        .unwrap();
    let handle = recording.handle();
    assert!(matches!(handle.finished().await, Err(RecordError::Panicked)));
    let mut other = studio
        .recorder
        .record("live", "other", RecordMode::Replace)
        .unwrap();
    send(&mut other, &[keyframe(0, 1)]);
    assert_eq!(other.finish().await.unwrap().messages, 1);
}
