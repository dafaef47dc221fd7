//! Publishes, breaks off and publishes again: how long a name stays taken when its publisher is gone.

use std::fmt;
use std::time::Instant;

use rtmp_core::url::RtmpUrl;
use rtmp_core::{MediaMessage, Timestamp};
use serde::Serialize;

use super::BenchError;
use super::client::{Client, ClientError, Target};
use super::process::{ProcessError, ProcessMeter};
use super::report::{ErrorCounts, Report, ServerUsage, Table};
use super::samples::{Percentiles, Samples};
use crate::tls::ClientTls;

/// How often to break off.
#[derive(Clone, Debug, clap::Args)]
pub struct FlapsOptions {
    /// Where to publish
    pub url: RtmpUrl,

    /// How many times
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    pub count: usize,

    /// Measure CPU and memory of the server's process (Linux)
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Whom to trust.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// How the publisher came back.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FlapsReport {
    /// How often it broke off and published again.
    pub flaps: usize,
    /// How often it was refused in between, because the name was still taken.
    pub refused: u64,
    /// How long all took.
    pub seconds: f64,
    /// From the reset of one connection to the server's yes on the next.
    pub back: Option<Percentiles>,
    /// What the server's process used.
    pub server: Option<ServerUsage>,
    /// Why it ended early.
    pub errors: ErrorCounts,
}

/// Publishes a keyframe, resets the connection and publishes again at once, as often as it is refused.
///
/// # Errors
///
/// [`BenchError`] if it can not begin, or the process of the server ends. What the publisher meets is in the report.
pub async fn run(options: &FlapsOptions, stop: impl Future<Output = ()>) -> Result<FlapsReport, BenchError> {
    let target = Target::resolve(&options.url, &options.tls).await?;
    target.check_stream_name()?;
    let meter = options.pid.map(ProcessMeter::of).transpose()?;
    let mut tally = Tally::default();
    let begin = Instant::now();
    let ended = tokio::select! {
        ended = flap(&target, options.count, &mut tally) => ended,
        () = stop => Ok(()),
    };
    Ok(tally.into_report(begin, meter.as_ref(), ended)?)
}

#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    back: Samples,
}

async fn flap(target: &Target, count: usize, tally: &mut Tally) -> Result<(), ClientError> {
    let mut publisher = publish(target).await?;
    for _ in 0..count {
        publisher.reset().map_err(ClientError::Io)?;
        let begin = Instant::now();
        publisher = loop {
            match publish(target).await {
                Ok(publisher) => break publisher,
                Err(ClientError::Refused { what: "publish", .. }) => tally.refused += 1,
                Err(error) => return Err(error),
            }
        };
        tally.back.add(begin.elapsed());
    }
    publisher.close().await
}

async fn publish(target: &Target) -> Result<Client, ClientError> {
    let (mut client, stream) = Client::open(target).await?;
    client.publish(stream, target).await?;
    let keyframe = MediaMessage::video(Timestamp::ZERO, &b"\x17\x01\0\0\0\0\0\0\x01\x65"[..]);
    client.machine().send_media(stream, &keyframe)?;
    client.flush().await?;
    Ok(client)
}

impl Tally {
    fn into_report(
        self,
        begin: Instant,
        meter: Option<&ProcessMeter>,
        ended: Result<(), ClientError>,
    ) -> Result<FlapsReport, ProcessError> {
        let mut errors = ErrorCounts::default();
        if let Err(error) = &ended {
            errors.add(error);
        }
        let back = self.back.percentiles();
        Ok(FlapsReport {
            flaps: back.map_or(0, |back| back.count),
            refused: self.refused,
            seconds: begin.elapsed().as_secs_f64(),
            back,
            server: ServerUsage::of(meter, 0, 0)?,
            errors,
        })
    }
}

impl Report for FlapsReport {
    fn failures(&self) -> Vec<String> {
        self.errors.lines().collect()
    }
}

impl fmt::Display for FlapsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::default();
        let Self {
            flaps,
            refused,
            seconds,
            ..
        } = self;
        table.row(
            "flaps",
            format_args!("{flaps} in {seconds:.2} s, {refused} times refused in between"),
        );
        table.optional_row("back on air", self.back);
        if let Some(server) = &self.server {
            server.add_rows(&mut table);
        }
        table.fmt(f)
    }
}
