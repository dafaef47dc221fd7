//! Metadata of publishers, byte by byte.

use bytes::Bytes;
use rtmp_client::{MediaKind, MediaMessage};
use rtmp_core::flv::Metadata;
use tokio::time::timeout;

use crate::process::{DEADLINE, file_grown};
use crate::programs::{PlayerKind, PublisherKind, Relay, scratch};
use crate::tags::tags;
use crate::wire::Wire;

/// About two seconds of the clip.
const LATE: u64 = 100_000;

/// What publishers put in front, for servers only: a string in AMF0.
const SET_DATA_FRAME: &[u8] = b"\x02\0\x0d@setDataFrame";

const ON_META_DATA: &[u8] = b"\x02\0\x0aonMetaData";

/// The data messages among others.
fn data(messages: &[MediaMessage]) -> Vec<Bytes> {
    let data = messages.iter().filter(|message| message.kind == MediaKind::Data);
    data.map(|message| message.payload.clone()).collect()
}

/// What is to become of a payload that a publisher sends.
fn for_players(payload: &Bytes) -> Bytes {
    let payload = payload.strip_prefix(SET_DATA_FRAME);
    Bytes::copy_from_slice(payload.expect("publishers send @setDataFrame"))
}

/// Asserts that a late player got metadata first, and then what was `sent` after it had come.
fn assert_latest(player: &str, sent: &[Bytes], received: &[MediaMessage]) {
    let got = data(received);
    let first = received.first().map(|message| &message.payload);
    assert_eq!(first, got.first(), "{player}: no metadata first");
    assert!(
        !got.is_empty() && sent.contains(&got[0]),
        "{player}: {got:?} was not sent"
    );
    assert!(
        sent.ends_with(&got[1..]),
        "{player}: {got:?} is not the end of {sent:?}"
    );
}

/// Plays through the client to the end.
async fn played(url: String) -> Vec<MediaMessage> {
    let all = async {
        let mut playback = rtmp_client::pull(url).await?;
        let mut messages = Vec::new();
        while let Some(message) = playback.recv().await? {
            messages.push(message);
        }
        Ok::<_, rtmp_client::Error>(messages)
    };
    timeout(DEADLINE, all)
        .await
        .expect("the stream ends")
        .expect("the stream ends well")
}

/// Players come before the publisher, and in the middle of the stream. GStreamer repeats its metadata. `pull` adds an
/// index to its recording, which so has the properties and not the bytes.
async fn reaches_every_player(kind: PublisherKind) {
    let directory = scratch();
    let mut relay = Relay::start().await;
    let wire = Wire::to(relay.address()).await;
    let url = relay.url("live/cam");

    let early = PlayerKind::Rtmpdump.play(&url, directory.path(), "early");
    let recorder = PlayerKind::Pull.play(&url, directory.path(), "recorder");
    let early_client = tokio::spawn(played(url.clone()));
    relay.has_players(3).await;
    let publisher = kind.publish(&wire.url("cam"));
    file_grown(&early.file, LATE).await;
    let late = PlayerKind::Rtmpdump.play(&url, directory.path(), "late");
    let late_client = tokio::spawn(played(url.clone()));

    publisher.succeeded().await;
    early.process.ended().await;
    let sent: Vec<_> = wire.data().iter().map(for_players).collect();
    assert!(sent.iter().all(|payload| payload.starts_with(ON_META_DATA)));
    assert_eq!(data(&tags(&early.file)), sent, "early rtmpdump");
    let messages = early_client.await.expect("the client does not panic");
    assert_eq!(data(&messages), sent, "early client");

    late.process.ended().await;
    assert_latest("late rtmpdump", &sent, &tags(&late.file));
    let messages = late_client.await.expect("the client does not panic");
    assert_latest("late client", &sent, &messages);

    recorder.process.succeeded().await;
    let recorded = data(&tags(&recorder.file));
    let recorded = Metadata::parse(&recorded[0]).expect("metadata come first");
    let sent = Metadata::parse(&sent[0]).expect("metadata");
    for (key, value) in sent.properties() {
        let key = key.to_str().expect("keys are text");
        if !["duration", "filesize"].contains(&key) {
            assert_eq!(
                recorded.properties().get(key),
                Some(value),
                "{key} in the recording of pull"
            );
        }
    }
}

#[tokio::test]
async fn metadata_of_ffmpeg_reach_every_player_as_they_are() {
    reaches_every_player(PublisherKind::Ffmpeg).await;
}

#[tokio::test]
async fn metadata_of_gstreamer_reach_every_player_as_they_are() {
    reaches_every_player(PublisherKind::Rtmp2sink).await;
}

#[tokio::test]
async fn metadata_of_librtmp_reach_every_player_as_they_are() {
    reaches_every_player(PublisherKind::Rtmpsink).await;
}

#[tokio::test]
async fn metadata_of_push_reach_every_player_as_they_are() {
    reaches_every_player(PublisherKind::Push).await;
}
