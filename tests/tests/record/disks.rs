//! Disks that are slow, gone or not ours.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use futures::FutureExt;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{PublishKind, StatusCode};
use rtmp_server::files::FileError;
use rtmp_server::record::{RecordConfig, RecordError, RecordEvent, RecordStreams};
use rtmp_tests::media::{audio, frame, keyframe, video_header};

use crate::support::{Studio, payloads, read};

/// A disk that takes nothing until `release` says so: the thread that writes is held up in its event handler.
fn stuck(config: RecordConfig) -> (Studio, std::sync::mpsc::SyncSender<()>) {
    let (release, held) = sync_channel(1);
    let held = Mutex::new(held);
    let studio = Studio::with_handler(config, move |event| {
        if matches!(event, RecordEvent::Started { .. }) {
            held.lock().unwrap().recv().unwrap();
        }
    });
    (studio, release)
}

#[tokio::test]
async fn while_the_disk_is_stuck_players_miss_nothing_and_the_file_misses_whole_groups() {
    let config = RecordConfig::default()
        .streams(RecordStreams::All)
        .max_queue_messages(20);
    let (mut studio, release) = stuck(config);
    let mut publisher = studio.peer().await;
    let stream = publisher.publish("cam").await.unwrap();
    let mut player = studio.relay.play("live", "cam");
    let group = |n: u32| {
        [
            keyframe(n * 100, n),
            frame(n * 100 + 40, n),
            audio(n * 100 + 50, n),
            frame(n * 100 + 80, n),
        ]
    };
    let groups: Vec<_> = (0..40).map(group).collect();
    let header = [video_header(0, 0)];
    publisher.send(stream, &header).await;
    for message in groups.concat() {
        publisher.send(stream, &[message]).await;
    }
    let mut played = Vec::new();
    while played.len() < 1 + 40 * 4 {
        played.push(player.recv().await.unwrap());
    }
    assert_eq!(
        payloads(&played),
        payloads(&[&header[..], &groups.concat()].concat())
    );

    release.send(()).unwrap();
    let handle = studio.next_event().await;
    assert!(matches!(handle, RecordEvent::Started { .. }));
    drop(publisher);
    let lost = studio
        .until(|event| match event {
            RecordEvent::Lost { messages, .. } => Some(messages),
            _ => None,
        })
        .await;
    let (_, messages) = read(&studio.completed().await.path);
    let (kept_header, kept) = messages.split_first().unwrap();
    assert_eq!(kept_header.payload, header[0].payload);
    assert_eq!(kept.len() as u64 + lost, 40 * 4);
    assert!(lost > 0 && !kept.is_empty());
    for group in kept.chunks(4) {
        assert!(group[0].is_keyframe() && group.len() == 4);
        let number = group[0].payload.last().copied().unwrap();
        assert_eq!(payloads(group), payloads(&groups[usize::from(number)]));
    }
}

#[tokio::test]
async fn a_server_that_ends_does_not_wait_for_a_stuck_disk_beyond_its_time() {
    let (studio, release) = stuck(RecordConfig::default().streams(RecordStreams::All));
    let config = rtmp_server::ServerConfig::default().drain(std::time::Duration::from_millis(100));
    let server = rtmp_tests::RunningServer::with_config(studio.observers(), config).await;
    let mut publisher = server.peer("live").await;
    publisher.publish("cam").await.unwrap();
    server.shutdown().await;
    release.send(()).unwrap();
    studio.recorder.shutdown().await;
}

async fn stays_live(studio: &Studio, code: StatusCode) {
    let mut publisher = studio.peer().await;
    let stream = publisher.publish_as("cam", PublishKind::Record).await.unwrap();
    let mut player = studio.relay.play("live", "cam");
    // The publisher is told when it sends: until then the file may not have been tried.
    let mut sent = 0;
    loop {
        publisher.send(stream, &[keyframe(sent, sent)]).await;
        assert_eq!(player.recv().await.unwrap().payload, keyframe(sent, sent).payload);
        sent += 1;
        let event = publisher.next_event().now_or_never().flatten();
        if matches!(event, Some(ClientEvent::Status { status, .. }) if status.code == code) {
            break;
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_gone_ends_the_recording_and_not_the_stream() {
    let mut studio = Studio::new(RecordConfig::default());
    fs::remove_dir(studio.directory.path()).unwrap();
    stays_live(&studio, StatusCode::RecordFailed).await;
    let RecordEvent::Failed { error, .. } = studio.next_event().await else {
        panic!("the recording goes on");
    };
    assert!(
        matches!(&error, RecordError::Open(FileError::NotFound { path }) if path == studio.directory.path())
    );
    assert!(studio.recorder.recover().is_err());
}
