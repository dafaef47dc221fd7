//! Publishes what the program makes itself: a tone, in a codec simple enough to write here.
//!
//! ```text
//! cargo run --release --bin relay
//! cargo run --example publish_from_app -- rtmp://localhost/live/tone
//! ffplay rtmp://localhost/live/tone
//! ```

use std::time::Duration;

use rtmp_client::amf0::Object;
use rtmp_client::{ClientConn, ConnectRequest, PublishKind, RtmpUrl, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

/// 20 ms at 8000 samples a second.
const SAMPLES_PER_MESSAGE: u32 = 160;
const MILLIS_PER_MESSAGE: u32 = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url: RtmpUrl = std::env::args()
        .nth(1)
        .unwrap_or("rtmp://localhost/live/tone".into())
        .parse()?;
    let name = url
        .stream_name_with_query()
        .ok_or("the URL names no stream")?
        .to_owned();

    let conn = ClientConn::dial(url).await?;
    conn.connect(ConnectRequest::default()).await?;
    let stream = conn.create_stream().await?;
    let mut publisher = stream.publish(name, PublishKind::Live).await?;
    publisher
        .send_metadata(
            Object::new()
                .with("audiocodecid", 8.0)
                .with("audiosamplerate", 8000.0),
        )
        .await?;

    let mut clock = interval(Duration::from_millis(MILLIS_PER_MESSAGE.into()));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..500 {
        clock.tick().await;
        // The body of an FLV audio tag: G.711 mu-law, 8 kHz, 16 bit, mono; then the samples.
        let mut body = vec![0x82];
        body.extend((0..SAMPLES_PER_MESSAGE).map(|at| mu_law(sine(number * SAMPLES_PER_MESSAGE + at))));
        publisher
            .send_audio(Timestamp::from_millis(number * MILLIS_PER_MESSAGE), body)
            .await?;
    }

    publisher.finish().await?;
    conn.close().await?;
    Ok(())
}

/// A sample of 440 Hz.
fn sine(sample: u32) -> i16 {
    let turns = f64::from(sample) * 440.0 / 8000.0;
    (8000.0 * (turns * std::f64::consts::TAU).sin()) as i16
}

/// A sample as ITU-T G.711 encodes it: sign, exponent, mantissa, all inverted.
fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let exponent = 8 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}
