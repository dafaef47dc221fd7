//! What publishers ask for, and what they are told.

use rtmp_core::message::{PublishKind, StatusCode};
use rtmp_server::record::{RecordConfig, RecordEvent, RecordStreams};
use rtmp_server::relay::{RelayConfig, TakeOver};
use rtmp_server::{Observers, Relay};
use rtmp_tests::media::{audio, frame, keyframe, video_header};
use rtmp_tests::{Peer, RunningServer, session};

use crate::support::{Studio, payloads, read, times};

#[tokio::test]
async fn a_publisher_that_asks_is_recorded_and_told() {
    let mut studio = Studio::new(RecordConfig::default());
    let mut publisher = studio.peer().await;
    let stream = publisher.publish_as("cam", PublishKind::Record).await.unwrap();
    studio.started().await;
    let sent = [video_header(700, 1), keyframe(700, 2), frame(740, 3)];
    publisher.send(stream, &sent).await;
    publisher.status(StatusCode::RecordStart).await;
    publisher.machine().close_stream(stream).unwrap();
    publisher.status(StatusCode::RecordStop).await;
    let file = studio.completed().await;
    assert_eq!(file.path, studio.path("live/cam.flv"));
    assert_eq!(payloads(&read(&file.path).1), payloads(&sent));

    let stream = publisher.publish_as("cam", PublishKind::Append).await.unwrap();
    publisher.send(stream, &sent).await;
    drop(publisher);
    assert_eq!(
        times(&read(&studio.completed().await.path).1),
        [0, 0, 40, 80, 80, 120]
    );
}

#[tokio::test]
async fn who_does_not_ask_is_recorded_only_if_all_are() {
    let studio = Studio::new(RecordConfig::default());
    let mut publisher = studio.peer().await;
    let stream = publisher.publish("cam").await.unwrap();
    publisher.send(stream, &[keyframe(0, 1)]).await;
    studio.recorder.shutdown().await;
    assert!(studio.files().is_empty());

    let mut studio = Studio::new(RecordConfig::default().streams(RecordStreams::All));
    for _ in 0..2 {
        let mut publisher = studio.peer().await;
        let stream = publisher.publish("cam").await.unwrap();
        publisher.send(stream, &[keyframe(0, 1), keyframe(100, 1)]).await;
        drop(publisher);
        studio.completed().await;
    }
    assert_eq!(times(&read(&studio.path("live/cam.flv")).1), [0, 100, 200, 300]);
}

#[tokio::test]
async fn names_that_would_leave_the_directory_stay_below_it() {
    let mut studio = Studio::new(RecordConfig::default());
    for name in [
        "../../escape",
        "/etc/cam",
        "..",
        "C:\\cam",
        "a\0b",
        "%2e%2e%2fcam",
        "CON",
        "é",
    ] {
        let mut publisher = studio.peer().await;
        let stream = publisher.publish_as(name, PublishKind::Record).await.unwrap();
        publisher.send(stream, &[keyframe(0, 1)]).await;
        drop(publisher);
        let file = studio.completed().await;
        assert_eq!(
            file.path.parent(),
            Some(studio.path("live").as_path()),
            "{name:?}"
        );
        assert_eq!(file.name.stream_name(), name);
    }
    assert_eq!(studio.files().len(), 8);
}

/// Live streams do not need a file.
#[tokio::test]
async fn a_name_that_no_file_can_have_is_live_and_its_publisher_is_told() {
    let studio = Studio::new(RecordConfig::default());
    let name = "x".repeat(300);
    let mut publisher = studio.peer().await;
    let stream = publisher.publish_as(&name, PublishKind::Record).await.unwrap();
    publisher.status(StatusCode::RecordNoAccess).await;
    let mut player = studio.relay.play("live", &name);
    publisher.send(stream, &[keyframe(0, 1)]).await;
    assert_eq!(player.recv().await.unwrap().payload, keyframe(0, 1).payload);
    assert!(studio.files().is_empty());
}

#[tokio::test]
async fn a_shutdown_of_the_server_completes_the_files() {
    let mut studio = Studio::new(RecordConfig::default().streams(RecordStreams::All));
    let server = RunningServer::start(studio.observers()).await;
    let mut publisher = server.peer("live").await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut player = studio.relay.play("live", "cam");
    publisher
        .send(stream, &[keyframe(0, 1), frame(40, 2), frame(80, 3)])
        .await;
    for _ in 0..3 {
        player.recv().await.unwrap();
    }
    server.shutdown().await;
    // Nothing is waited for any more.
    let (metadata, messages) = read(&studio.path("live/cam.flv"));
    assert_eq!(messages.len(), 3);
    assert_eq!(metadata.duration().unwrap().as_millis(), 120);
    assert_eq!(studio.completed().await.duration.as_millis(), 120);
}

#[tokio::test]
async fn a_publisher_that_comes_back_while_its_file_is_completed_goes_on_with_it() {
    let (release, held) = std::sync::mpsc::sync_channel(2);
    let held = std::sync::Mutex::new(held);
    let config = RecordConfig::default().streams(RecordStreams::All);
    let mut studio = Studio::with_handler(config, move |event| {
        if matches!(event, RecordEvent::Completed(_)) {
            held.lock().unwrap().recv().unwrap();
        }
    });
    let mut first = studio.peer().await;
    let stream = first.publish("cam").await.unwrap();
    first.send(stream, &[keyframe(0, 1)]).await;
    drop(first);
    // The thread is held up here, and so is the end of the first session.
    studio.completed().await;
    let mut second = studio.peer().await;
    let stream = second.publish("cam").await.unwrap();
    let mut player = studio.relay.play("live", "cam");
    second.send(stream, &[keyframe(0, 2)]).await;
    player.recv().await.unwrap();
    release.send(()).unwrap();
    release.send(()).unwrap();
    studio.recorder.shutdown().await;
    let (_, messages) = read(&studio.path("live/cam.flv"));
    assert_eq!(payloads(&messages), payloads(&[keyframe(0, 1), keyframe(0, 2)]));
}

#[tokio::test]
async fn who_takes_over_a_name_is_recorded_behind_the_one_before() {
    let studio = Studio::new(RecordConfig::default().streams(RecordStreams::All));
    let relay = Relay::new(RelayConfig::default().take_over(TakeOver::Always));
    let observers = Observers::new().relay(relay).publish(studio.recorder.clone());
    let mut publishers = Vec::new();
    for number in 1..=3 {
        let (io, running) = session(&observers);
        let mut publisher = Peer::connected(io, "live").await;
        let stream = publisher.publish("cam").await.unwrap();
        publisher.send(stream, &[audio(0, number)]).await;
        while running.info.statistics().messages_received == 0 {
            tokio::task::yield_now().await;
        }
        publishers.push((publisher, running));
    }
    studio.recorder.shutdown().await;
    let (_, messages) = read(&studio.path("live/cam.flv"));
    assert_eq!(
        payloads(&messages),
        payloads(&[audio(0, 1), audio(0, 2), audio(0, 3)])
    );
}
