//! Disks that are slow, gone or not ours.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use futures::FutureExt;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{PublishKind, StatusCode};
use rtmp_server::files::{FileError, MediaRoot};
use rtmp_server::record::{RecordConfig, RecordError, RecordEvent, RecordMode, RecordStreams, Recorder};
use rtmp_tests::media::{audio, frame, keyframe, video_header};

use crate::support::{Studio, payloads, read, send};

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

/// As long as they are stuck each holds a thread, and no other recording.
#[tokio::test]
async fn recordings_whose_disks_are_stuck_hold_up_no_other() {
    let (release, held) = sync_channel(3);
    let held = Mutex::new(held);
    let config = RecordConfig::default();
    let mut studio = Studio::with_handler(config, move |event| {
        if let RecordEvent::Started { name, .. } = event
            && name.stream_name().starts_with("stuck")
        {
            held.lock().unwrap().recv().unwrap();
        }
    });
    let record = |name: &str| studio.recorder.record("live", name, RecordMode::Replace).unwrap();
    let stuck = ["stuck1", "stuck2", "stuck3"].map(record);
    let mut other = record("other");
    for _ in 0..4 {
        studio.started().await;
    }
    let sent = [keyframe(0, 1), frame(40, 2)];
    send(&mut other, &sent);
    assert_eq!(other.finish().await.unwrap().messages, 2);
    assert_eq!(payloads(&read(&studio.path("live/other.flv")).1), payloads(&sent));
    for recording in stuck {
        release.send(()).unwrap();
        recording.finish().await.unwrap();
    }
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

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_goes_while_it_is_recorded_to_ends_the_recording_and_not_the_stream() {
    let mut studio = Studio::new(RecordConfig::default());
    let directory = studio.path("live");
    let remove = std::thread::spawn({
        let file = directory.join("cam.flv");
        move || {
            while fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
                std::thread::yield_now();
            }
            fs::remove_dir_all(directory).unwrap();
        }
    });
    stays_live(&studio, StatusCode::RecordFailed).await;
    remove.join().unwrap();
    let failed = |event| match event {
        RecordEvent::Failed { error, .. } => Some(error),
        _ => None,
    };
    assert!(matches!(studio.until(failed).await, RecordError::Removed));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_removed_is_not_told_of_as_complete() {
    let mut studio = Studio::new(RecordConfig::default());
    let mut recording = studio
        .recorder
        .record("live", "cam", RecordMode::Replace)
        .unwrap();
    studio.started().await;
    send(&mut recording, &[keyframe(0, 1)]);
    while recording.handle().statistics().messages == 0 {
        tokio::task::yield_now().await;
    }
    fs::remove_file(studio.path("live/cam.flv")).unwrap();
    assert!(matches!(recording.finish().await, Err(RecordError::Removed)));
    assert!(studio.files().is_empty());
}

/// Not even root may make a directory there, whether it is mounted for reading only or not.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_nothing_may_be_written_the_stream_goes_on_and_its_publisher_is_told() {
    let mut studio = Studio::new(RecordConfig::default());
    let root = MediaRoot::new("/sys").unwrap();
    studio.recorder = Recorder::new(root, RecordConfig::default());
    stays_live(&studio, StatusCode::RecordNoAccess).await;
    let recording = studio.recorder.record("live", "cam", RecordMode::Append);
    let error = recording.unwrap().finish().await.unwrap_err();
    assert!(
        matches!(error, RecordError::Open(FileError::Open { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_file_in_place_of_the_directory_leaves_the_stream_live_and_its_publisher_told() {
    let mut studio = Studio::new(RecordConfig::default());
    fs::write(studio.path("live"), "").unwrap();
    stays_live(&studio, StatusCode::RecordNoAccess).await;
    let RecordEvent::Failed { error, .. } = studio.next_event().await else {
        panic!("the recording goes on");
    };
    assert!(
        matches!(error, RecordError::Open(FileError::NotDirectory { .. })),
        "{error:?}"
    );
}
