//! Publishers and playbacks whose connections are lost, or given up because the server says so.

mod moves;
mod playbacks;
mod publishers;
mod tries;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtmp_amf::amf0::Object;
use rtmp_client::reconnect::{ReconnectEvent, ReconnectPolicy, ReconnectingPlayback, ReconnectingPublisher};
use rtmp_client::{ClientBuilder, ConnectRequest, MediaMessage, RtmpUrl, Status, StatusCode, Timestamp};
use rtmp_core::conn::ServerEvent;
use rtmp_core::flv::Metadata;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::support::{Server, URL};

type Lines = mpsc::Receiver<(RtmpUrl, DuplexStream)>;

/// What a policy was told, as lines for people.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// A policy that tells this, with delays that are always half to all of a second.
    fn policy(&self) -> ReconnectPolicy {
        let told = Arc::clone(&self.0);
        ReconnectPolicy::default()
            .delays(Duration::from_secs(1), Duration::from_secs(1))
            .on_event(move |event| told.lock().unwrap().push(line(event)))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The event without what chance has a part in.
fn line(event: &ReconnectEvent<'_>) -> String {
    match event {
        ReconnectEvent::Attempt { number, url, .. } => format!("attempt {number} at {url}"),
        ReconnectEvent::Connected { connection, .. } => format!("connected {connection}"),
        ReconnectEvent::Resumed { .. } => "resumed".to_owned(),
        other => other.to_string(),
    }
}

fn keyframe(at: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(at), &b"\x17\x01\0\0\0\x65"[..])
}

fn frame(at: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(at), &b"\x27\x01\0\0\0\x41"[..])
}

fn video_header(at: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(at), &b"\x17\0\0\0\0\x01"[..])
}

fn metadata(at: u32) -> MediaMessage {
    let payload = Metadata::new(Object::new().with("width", 640)).encode().unwrap();
    MediaMessage::data(Timestamp::from_millis(at), payload)
}

/// A frame each 40 ms, with a keyframe each second.
fn frame_at(at: u32) -> MediaMessage {
    if at.is_multiple_of(1000) {
        keyframe(at)
    } else {
        frame(at)
    }
}

fn publisher(builder: ClientBuilder, policy: ReconnectPolicy) -> ReconnectingPublisher {
    ReconnectingPublisher::new(builder, URL, policy).unwrap()
}

fn playback(builder: ClientBuilder, policy: ReconnectPolicy) -> ReconnectingPlayback {
    ReconnectingPlayback::new(builder, URL, policy).unwrap()
}

/// A server that lets the next client publish, with the address that was dialled and the client's `connect`.
async fn accept_publisher(lines: &mut Lines) -> (String, ConnectRequest, Server) {
    let (url, line) = lines.recv().await.unwrap();
    let mut server = Server::new(line);
    let connect = server.accept_connect().await;
    server.accept_publish().await;
    (url.full_text().to_owned(), connect, server)
}

async fn accept_player(lines: &mut Lines) -> (String, Server) {
    let (url, line) = lines.recv().await.unwrap();
    let mut server = Server::new(line);
    server.accept_connect().await;
    server.accept_play().await;
    (url.full_text().to_owned(), server)
}

/// A server that refuses the next client's publication.
async fn refuse_publisher(lines: &mut Lines, code: StatusCode) {
    let mut server = Server::new(lines.recv().await.unwrap().1);
    server.accept_connect().await;
    match server.next().await {
        Some(ServerEvent::Publish { stream, .. }) => {
            server
                .machine
                .reject_publish(stream, &Status::new(code, "no"))
                .unwrap();
            server.flush().await;
        }
        other => panic!("{other:?}"),
    }
    while server.next().await.is_some() {}
}

/// The media that a server gets until the client is gone or the publication is over.
async fn media_until_the_end(server: &mut Server) -> Vec<MediaMessage> {
    let mut received = Vec::new();
    while let Some(ServerEvent::Media { message, .. }) = server.next().await {
        received.push(message);
    }
    received
}

fn millis(messages: &[MediaMessage]) -> Vec<u32> {
    messages
        .iter()
        .map(|message| message.timestamp.as_millis())
        .collect()
}
