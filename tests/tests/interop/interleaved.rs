//! Keyframes that take long on their way, with audio between their chunks: other servers put them together.

use std::path::Path;

use bytes::{Buf, BufMut, BytesMut};
use rtmp_client::{ClientConn, ConnectRequest, PublishKind};
use rtmp_core::chunk::{ChunkDecoder, MessageType, RawMessage};
use rtmp_core::flv::FlvEncoder;
use rtmp_core::handshake::PACKET_LEN;
use rtmp_core::{MediaKind, MediaMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::TcpStream;
use tokio_util::codec::{Decoder, Encoder};

use crate::frames::{assert_all, packets};
use crate::process::until;
use crate::programs::{Nginx, PlayerKind, clip, ffmpeg_server, free_port, scratch};
use crate::tags::tags;

/// By this a keyframe is longer, which makes it more than eight chunks.
const FILLER_LEN: u16 = 60_000;
const FILLERS: usize = 8;

/// C0, C1 and C2.
const HANDSHAKE_LEN: usize = 1 + 2 * PACKET_LEN;

/// The clip with long keyframes: NAL units of filler data (H.264 section 7.3.2.7) behind their pictures.
fn stretched_clip() -> Vec<MediaMessage> {
    let mut messages = tags(&clip());
    for message in &mut messages {
        if message.is_keyframe() && message.is_coded_frames() {
            let mut payload = BytesMut::from(&message.payload[..]);
            for _ in 0..FILLERS {
                payload.put_u32(FILLER_LEN.into());
                payload.put_u8(12);
                payload.put_bytes(0xFF, usize::from(FILLER_LEN) - 2);
                payload.put_u8(0x80);
            }
            message.payload = payload.freeze();
        }
    }
    messages
}

fn write_flv(messages: &[MediaMessage], file: &Path) {
    let mut bytes = BytesMut::new();
    let mut encoder = FlvEncoder::default();
    for message in messages {
        encoder
            .encode(message, &mut bytes)
            .expect("a tag of the clip fits");
    }
    std::fs::write(file, bytes).expect("the directory is ours");
}

/// Publishes over a line that takes a few kilobytes at a time. Gives what went over it.
async fn publish(messages: &[MediaMessage], url: &str, server: TcpStream) -> Vec<RawMessage> {
    let (ours, theirs) = duplex(4096);
    let line = tokio::spawn(pass_on(theirs, server));
    let publish = async {
        let conn = ClientConn::builder().from_io(ours, url).await?;
        conn.connect(ConnectRequest::default()).await?;
        let stream = conn.create_stream().await?;
        let mut publisher = stream.publish("cam", PublishKind::Live).await?;
        for message in messages {
            publisher.send(message.clone()).await?;
        }
        publisher.finish().await?;
        conn.close().await
    };
    publish.await.expect("the server takes the stream");
    decode(&line.await.expect("the line is passed on"))
}

async fn pass_on(client: DuplexStream, server: TcpStream) -> Vec<u8> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let answers = tokio::spawn(async move {
        // It ends as the server likes.
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
    let mut sent = Vec::new();
    let mut read = [0; 4096];
    while let Ok(len @ 1..) = from_client.read(&mut read).await {
        sent.extend_from_slice(&read[..len]);
        if to_server.write_all(&read[..len]).await.is_err() {
            break;
        }
    }
    let _ = to_server.shutdown().await;
    answers.await.expect("nothing panics there");
    sent
}

fn decode(sent: &[u8]) -> Vec<RawMessage> {
    let mut bytes = BytesMut::from(sent);
    bytes.advance(HANDSHAKE_LEN);
    let mut decoder = ChunkDecoder::default();
    std::iter::from_fn(|| decoder.decode(&mut bytes).expect("the client sends chunks")).collect()
}

/// Audio went in front of video that had come before it.
fn assert_overtaken(clip: &[MediaMessage], sent: &[RawMessage]) {
    let order = |is_video: &mut dyn Iterator<Item = bool>| is_video.collect::<Vec<bool>>();
    let given = clip.iter().filter(|message| !message.kind.is_data());
    let given = order(&mut given.map(|message| message.kind == MediaKind::Video));
    let on_the_line = order(&mut sent.iter().filter_map(|message| match message.message_type {
        MessageType::Video => Some(true),
        MessageType::Audio => Some(false),
        _ => None,
    }));
    assert_eq!(given.len(), on_the_line.len());
    assert_ne!(given, on_the_line, "nothing was overtaken");
}

#[tokio::test]
async fn ffmpeg_puts_keyframes_together_that_audio_overtakes() {
    let directory = scratch();
    let (sent_file, file) = (
        directory.path().join("sent.flv"),
        directory.path().join("server.flv"),
    );
    let messages = stretched_clip();
    write_flv(&messages, &sent_file);
    let port = free_port();
    let url = format!("rtmp://127.0.0.1:{port}/live/cam");
    let recording = file.display().to_string();
    let server = ffmpeg_server(&["-listen", "1", "-i", &url, "-c", "copy", "-f", "flv", &recording]);
    let mut line = None;
    until("FFmpeg listened", async || {
        line = TcpStream::connect(("127.0.0.1", port)).await.ok();
        line.is_some()
    })
    .await;
    let sent = publish(&messages, &url, line.expect("it was connected")).await;
    server.ended().await;
    assert_overtaken(&messages, &sent);
    assert_all("FFmpeg", &packets(&sent_file).await, &packets(&file).await, 0);
}

#[tokio::test]
async fn nginx_passes_on_keyframes_that_audio_overtakes() {
    let directory = scratch();
    let sent_file = directory.path().join("sent.flv");
    let messages = stretched_clip();
    write_flv(&messages, &sent_file);
    let mut nginx = Nginx::start().await;
    let url = nginx.url("live/cam");
    let player = PlayerKind::Ffmpeg.play(&url, directory.path(), "player");
    nginx.has_players(1).await;
    let line = TcpStream::connect(nginx.address()).await.expect("nginx listens");
    let sent = publish(&messages, &url, line).await;
    assert_overtaken(&messages, &sent);
    let may_lose = player.kind.may_lose_at_end();
    assert_all(
        "FFmpeg behind nginx",
        &packets(&sent_file).await,
        &player.recorded().await,
        may_lose,
    );
}
