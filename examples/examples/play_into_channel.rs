//! Plays a stream and hands its messages to the rest of the program through a channel.
//!
//! ```text
//! cargo run --release --bin relay
//! cargo run --release --bin push -- examples/media/clip.flv rtmp://localhost/live/cam
//! cargo run --example play_into_channel -- rtmp://localhost/live/cam
//! ```

use rtmp_client::{Error, MediaKind, MediaMessage, Playback};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or("rtmp://localhost/live/cam".into());
    let playback = rtmp_client::pull(url.as_str()).await?;

    // The bound decides who waits: while the channel is full the server is held up, and drops for us what is late.
    let (sender, mut receiver) = mpsc::channel(256);
    let reader = tokio::spawn(forward(playback, sender));

    while let Some(message) = receiver.recv().await {
        let what = match message.kind {
            MediaKind::Video if message.is_keyframe() => "keyframe",
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
            _ => "data",
        };
        println!(
            "{:>9}  {what:8} {:6} bytes",
            message.timestamp,
            message.payload.len()
        );
    }
    reader.await??;
    Ok(())
}

/// Runs until the stream ends, or nobody wants it any more.
async fn forward(mut playback: Playback, messages: mpsc::Sender<MediaMessage>) -> Result<(), Error> {
    while let Some(message) = playback.recv().await? {
        if messages.send(message).await.is_err() {
            break;
        }
    }
    playback.close().await
}
