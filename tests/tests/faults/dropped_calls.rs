//! What an application waits for beside sessions, dropped behind every poll: nothing is lost, doubled, or left behind.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::FutureExt;
use rtmp_amf::amf0::Value;
use rtmp_client::{ClientConn, ConnectRequest};
use rtmp_core::MediaMessage;
use rtmp_core::chunk::{ChunkStreamId, MessageStreamId, RawMessage};
use rtmp_core::flv::FlvDecoder;
use rtmp_core::message::{PublishRequest, Status, StatusCode};
use rtmp_server::files::MediaRoot;
use rtmp_server::record::{RecordConfig, RecordError, RecordMode, Recorder};
use rtmp_server::relay::{RelayConfig, SlowPlayers};
use rtmp_server::vod::{Recording, Vod};
use rtmp_server::{
    CallError, Listener, MediaSink, Observers, PublishGrant, PublishObserver, Relay, Request, Server,
    SessionInfo, StreamInfo, Verdict, request_channel,
};
use rtmp_tests::media::{frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, RunningSession, session};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};
use tokio_util::codec::Decoder;

use crate::dropping::{behind_every_poll, dropped_behind};

const SOON: Duration = Duration::from_secs(20);

/// Hands over the streams that are published.
struct Streams(mpsc::Sender<StreamInfo>);

#[async_trait]
impl PublishObserver for Streams {
    fn on_message(&self, stream: &StreamInfo, _: &MediaMessage) {
        self.0.try_send(stream.clone()).unwrap();
    }
}

/// A client that answers each call with its argument, once others had their turn, and publishes; its session, and its
/// stream.
async fn answering() -> (JoinHandle<()>, RunningSession, StreamInfo) {
    let (sender, mut streams) = mpsc::channel(1);
    let (io, running) = session(&Observers::new().publish(Streams(sender)));
    let conn = ClientConn::builder().from_io(io, "rtmp://h/live").await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let publishing = stream.publish("cam", rtmp_client::PublishKind::Live);
    let mut publisher = publishing.await.unwrap();
    publisher.send(keyframe(0, 1)).await.unwrap();
    let mut calls = conn.calls();
    let answering = tokio::spawn(async move {
        while let Some(call) = calls.recv().await {
            yield_now().await;
            let argument = call.command().arguments.first().cloned();
            call.answer(argument.unwrap_or(Value::Null));
        }
        drop((publisher, conn));
    });
    let stream = streams.recv().await.unwrap();
    (answering, running, stream)
}

#[tokio::test(start_paused = true)]
async fn what_a_session_asks_of_its_client_can_be_dropped_behind_every_poll() {
    let (client, running, stream) = answering().await;
    let info = running.info.clone();
    // Answers are for who asked, whatever was dropped before.
    let number = AtomicU32::new(0);
    let assert_usable = async || {
        let number = Value::from(number.fetch_add(1, Ordering::Relaxed) + 1000);
        let answer = info.call("echo", vec![number.clone()]).await.unwrap();
        assert_eq!(answer.argument(0), Some(&number));
        let answer = stream.call("echo", vec![number.clone()]).await.unwrap();
        assert_eq!(answer.argument(0), Some(&number));
    };
    let polls = behind_every_poll(async |polls| {
        // More often than calls may wait.
        for _ in 0..100 {
            if let Some(answer) = dropped_behind(polls, info.call("echo", vec![7.into()])).await {
                assert_eq!(answer.unwrap().argument(0), Some(&Value::from(7)));
            }
            yield_now().await;
        }
        assert_usable().await;
        let done = dropped_behind(polls, stream.call("echo", vec![8.into()])).await;
        assert_usable().await;
        done.is_some()
    })
    .await;
    assert!(polls > 1);
    let told = Status::new(StatusCode::ConnectReconnectRequest, "elsewhere");
    behind_every_poll(async |polls| {
        let done = dropped_behind(polls, info.send_status(told.clone())).await;
        assert_usable().await;
        done.is_some()
    })
    .await;
    let shared_object = RawMessage {
        chunk_stream: ChunkStreamId::COMMAND,
        timestamp: rtmp_core::Timestamp::ZERO,
        message_type: rtmp_core::chunk::MessageType::SharedObject,
        stream: MessageStreamId::CONNECTION,
        payload: vec![0; 20].into(),
    };
    behind_every_poll(async |polls| {
        let done = dropped_behind(polls, info.send_raw(shared_object.clone())).await;
        assert_usable().await;
        done.is_some()
    })
    .await;
    info.dispose("enough");
    running.ended().await;
    assert!(matches!(info.call("echo", vec![]).await, Err(CallError::Closed)));
    client.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_waited_for_is_there_for_who_asks_next() {
    let (observer, mut requests) = request_channel(1);
    let observers = Observers::new().requests(observer).relay(Relay::default());
    let mut asked = Vec::new();
    let client = tokio::spawn(async move {
        let (io, _running) = session(&observers);
        let mut peer = Peer::connected(io, "live").await;
        peer.publish("cam").await.unwrap();
        peer.play("cam").await.unwrap();
    });
    while asked.len() < 3 {
        // One poll, and whoever asks meanwhile must not be lost.
        if let Some(request) = requests.recv().now_or_never() {
            let request = request.unwrap();
            asked.push(match &request {
                Request::Connect(_) => "connect",
                Request::Publish(_) => "publish",
                Request::Play(_) => "play",
                _ => "something else",
            });
            request.accept();
        }
        yield_now().await;
    }
    client.await.unwrap();
    assert_eq!(asked, ["connect", "publish", "play"]);
}

#[tokio::test(start_paused = true)]
async fn receiving_in_the_process_loses_and_doubles_nothing_when_it_is_dropped() {
    let relay = Relay::default();
    let mut player = relay.play("live", "cam");
    let publishing = tokio::spawn({
        let relay = relay.clone();
        async move {
            let mut publisher = relay.publish("live", "cam").unwrap();
            for number in 0..500 {
                publisher.send(keyframe(number, number));
                if number % 7 == 0 {
                    yield_now().await;
                }
            }
        }
    });
    let (mut next, mut dropped) = (0, 0);
    loop {
        match player.recv().now_or_never() {
            None => {
                dropped += 1;
                yield_now().await;
            }
            Some(Some(message)) => {
                assert_eq!(message, keyframe(next, next));
                next += 1;
            }
            Some(None) => break,
        }
    }
    assert_eq!(next, 500);
    assert!(dropped > 1, "{dropped}");
    publishing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_stops_waiting_for_its_players_sends_or_waits_again() {
    let policy = RelayConfig::default()
        .slow_players(SlowPlayers::HoldPublisher)
        .max_lag_len(10_000);
    let relay = Relay::new(policy);
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = relay.play("live", "cam");
    for number in 0..100 {
        publisher.send(padded(keyframe(number, number), 1000));
    }
    let receiving = tokio::spawn(async move {
        let mut count = 0;
        while player.recv().await.is_some() {
            count += 1;
            sleep(Duration::from_millis(10)).await;
        }
        count
    });
    let mut dropped = 0;
    while publisher.ready().now_or_never().is_none() {
        dropped += 1;
        sleep(Duration::from_millis(1)).await;
    }
    assert!(dropped > 100, "{dropped}");
    // Whoever was woken before has gone; the next wait is woken, too.
    for number in 100..120 {
        publisher.send(padded(keyframe(number, number), 1000));
    }
    timeout(SOON, publisher.ready()).await.unwrap();
    drop(publisher);
    assert_eq!(receiving.await.unwrap(), 120);
}

/// An address that nobody has.
async fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test]
async fn a_dropped_bind_leaves_the_address_free() {
    behind_every_poll(async |polls| {
        let addr = free_addr().await;
        let address = format!("localhost:{}", addr.port());
        let server = dropped_behind(polls, Server::bind(address.clone())).await;
        let is_done = server.is_some();
        drop(server);
        let listener = dropped_behind(polls, Listener::bind(address)).await;
        drop(listener);
        TcpListener::bind(addr).await.unwrap();
        is_done
    })
    .await;
}

/// The messages of a recording, without its metadata.
fn read(path: &std::path::Path) -> Vec<MediaMessage> {
    let mut file = BytesMut::from(&fs::read(path).unwrap()[..]);
    let mut decoder = FlvDecoder::new();
    let mut messages = Vec::new();
    while let Some(tag) = decoder.decode_eof(&mut file).unwrap() {
        messages.push(MediaMessage::from(tag));
    }
    assert_eq!(decoder.irregularities(), Default::default());
    messages.split_off(1)
}

/// Grants a recording of the recorder.
struct Records(Recorder);

#[async_trait]
impl PublishObserver for Records {
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        let recording = self
            .0
            .record(session.app(), request.stream_name(), RecordMode::Append);
        Verdict::Accept(PublishGrant::default().sink(recording.unwrap()))
    }
}

#[tokio::test]
async fn recordings_are_completed_whoever_stops_waiting_for_them() {
    let sent = [video_header(0, 1), keyframe(0, 2), frame(40, 3)];
    let directory = tempfile::tempdir().unwrap();
    let recorder = || Recorder::new(MediaRoot::new(directory.path()).unwrap(), RecordConfig::default());
    let round = async |polls: usize| {
        let file = |way: &str| directory.path().join(format!("live/{way}{polls}.flv"));
        let record = |recorder: &Recorder, way: &str| {
            let mut recording = recorder
                .record("live", &format!("{way}{polls}"), RecordMode::Replace)
                .unwrap();
            sent.iter().for_each(|message| recording.send(message));
            recording
        };
        let mut is_done = true;
        let shared = recorder();

        let recording = record(&shared, "finish");
        let handle = recording.handle();
        is_done &= dropped_behind(polls, recording.finish()).await.is_some();
        handle.finished().await.unwrap();
        assert_eq!(read(&file("finish")), sent);

        let recording = record(&shared, "finished");
        let handle = recording.handle();
        drop(recording);
        is_done &= dropped_behind(polls, handle.finished()).await.is_some();
        handle.finished().await.unwrap();
        assert_eq!(read(&file("finished")), sent);

        let relay = Relay::default();
        let mut publisher = relay.publish("live", "cam").unwrap();
        sent.iter().for_each(|message| publisher.send(message.clone()));
        let player = relay.play("live", "cam");
        drop(publisher);
        let name = format!("player{polls}");
        let recording = shared.record_player(player, "live", &name, RecordMode::Replace);
        is_done &= dropped_behind(polls, recording).await.is_some();
        assert_eq!(relay.stream_count(), 0);
        // Only one writes a file, so it is complete when it can be written anew.
        let again = async {
            loop {
                match shared.record("live", &name, RecordMode::Replace) {
                    Err(RecordError::Busy) => yield_now().await,
                    again => return again.unwrap(),
                }
            }
        };
        timeout(SOON, again).await.unwrap().finish().await.unwrap();

        let own = recorder();
        let recording = record(&own, "shutdown");
        let handle = recording.handle();
        is_done &= dropped_behind(polls, own.shutdown()).await.is_some();
        handle.finished().await.unwrap();
        assert_eq!(read(&file("shutdown")), sent);
        own.shutdown().await;
        is_done
    };
    behind_every_poll(round).await;

    // A session that is dropped leaves its file complete as well.
    let shared = recorder();
    let observers = Observers::new().publish(Records(shared.clone()));
    let (io, running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("session").await.unwrap();
    peer.send(stream, &sent).await;
    while running.info.statistics().messages_received < 3 {
        yield_now().await;
    }
    running.abort().await;
    shared.shutdown().await;
    assert_eq!(read(&directory.path().join("live/session.flv")), sent);
}

#[tokio::test]
async fn opening_a_recording_can_be_dropped_behind_every_poll() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::new(MediaRoot::new(directory.path()).unwrap(), RecordConfig::default());
    let mut film = recorder.record("live", "film", RecordMode::Replace).unwrap();
    film.send(&keyframe(0, 1));
    film.finish().await.unwrap();
    let path = directory.path().join("live/film.flv");
    let vod = Arc::new(Vod::new(MediaRoot::new(directory.path()).unwrap()));
    behind_every_poll(async |polls| {
        let mut is_done = dropped_behind(polls, vod.open("live", "film")).await.is_some();
        is_done &= dropped_behind(polls, vod.open_file(&path)).await.is_some();
        is_done &= dropped_behind(polls, Recording::open(&path)).await.is_some();
        vod.open("live", "film").await.unwrap();
        is_done
    })
    .await;
}
