//! Publishes or plays one stream with `rtmp-client`, as fast as it goes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rtmp_client::ClientBuilder;
use rtmp_core::url::RtmpUrl;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::BenchError;
use super::clip::{Clip, Rounds, for_server};
use super::process::{ProcessError, ProcessMeter, Usage};
use super::report::{ErrorCounts, Report, ServerUsage, Table};
use crate::seconds;
use crate::tls::ClientTls;

/// What to publish or to play, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct ThroughputOptions {
    /// What to play, or where to publish
    pub url: RtmpUrl,

    /// Publish this FLV file again and again; - for standard input
    #[arg(long, value_name = "FILE")]
    pub publish: Option<PathBuf>,

    /// How long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub seconds: Duration,

    /// Measure CPU and memory of the server's process (Linux)
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Whom to trust.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// How fast it was.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ThroughputReport {
    /// Messages sent or received.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The time from the server's permission on.
    pub seconds: f64,
    /// Payload in a second.
    pub gigabits_per_second: f64,
    /// What this process used; none where it is not known.
    pub own: Option<Usage>,
    /// CPU seconds of this process for each gigabyte (10^9 bytes) of payload.
    pub own_cpu_seconds_per_gb: Option<f64>,
    /// What the server's process used.
    pub server: Option<ServerUsage>,
    /// Why it ended early.
    pub errors: ErrorCounts,
}

/// Publishes or plays until the time is over, the connection ends or `stop` is ready.
///
/// # Errors
///
/// [`BenchError`] if it can not begin, or the process of the server ends. What the connection meets is in the report.
pub async fn run(
    options: &ThroughputOptions,
    stop: impl Future<Output = ()>,
) -> Result<ThroughputReport, BenchError> {
    let clip = match &options.publish {
        Some(file) => Some(Clip::load(file.clone()).await?),
        None => None,
    };
    let mut run = Run {
        url: options.url.clone(),
        client: options.tls.builder()?,
        meter: options.pid.map(ProcessMeter::of).transpose()?,
        own_meter: ProcessMeter::of_ourselves(),
        begin: Instant::now(),
        messages: 0,
        bytes: 0,
    };
    let over = async {
        tokio::select! {
            () = sleep(options.seconds) => {}
            () = stop => {}
        }
    };
    let ended = match clip {
        Some(clip) => run.publish(Rounds::new(clip, None), over).await,
        None => run.play(over).await,
    };
    Ok(run.into_report(ended)?)
}

struct Run {
    url: RtmpUrl,
    client: ClientBuilder,
    meter: Option<ProcessMeter>,
    own_meter: Option<ProcessMeter>,
    begin: Instant,
    messages: u64,
    bytes: u64,
}

impl Run {
    async fn publish(
        &mut self,
        messages: Rounds,
        over: impl Future<Output = ()>,
    ) -> Result<(), rtmp_client::Error> {
        let mut publisher = self.client.clone().push(self.url.clone()).await?;
        self.restart();
        let send_all = async {
            for message in messages {
                publisher.send(for_server(message)).await?;
            }
            Ok(())
        };
        let ended = tokio::select! {
            ended = send_all => ended,
            () = over => Ok(()),
        };
        let progress = publisher.progress();
        (self.messages, self.bytes) = (progress.messages_sent, progress.bytes_sent);
        ended
    }

    async fn play(&mut self, over: impl Future<Output = ()>) -> Result<(), rtmp_client::Error> {
        let mut playback = self.client.clone().pull(self.url.clone()).await?;
        self.restart();
        let receive_all = async {
            while let Some(message) = playback.recv().await? {
                self.messages += 1;
                self.bytes += message.payload.len() as u64;
            }
            Ok(())
        };
        tokio::select! {
            ended = receive_all => ended,
            () = over => Ok(()),
        }
    }

    fn restart(&mut self) {
        for meter in self.meter.iter_mut().chain(&mut self.own_meter) {
            // A server that is gone is found out at the end.
            let _ = meter.restart();
        }
        self.begin = Instant::now();
    }

    fn into_report(self, ended: Result<(), rtmp_client::Error>) -> Result<ThroughputReport, ProcessError> {
        let seconds = self.begin.elapsed().as_secs_f64();
        let own = self.own_meter.and_then(|meter| meter.usage().ok());
        let gigabytes = self.bytes as f64 / 1e9;
        let mut errors = ErrorCounts::default();
        match ended {
            Err(error) => errors.add(&error),
            Ok(()) if self.bytes == 0 => errors.add_text("nothing was sent or received".to_owned()),
            Ok(()) => {}
        }
        Ok(ThroughputReport {
            messages: self.messages,
            bytes: self.bytes,
            seconds,
            gigabits_per_second: gigabytes * 8.0 / seconds.max(1e-6),
            own_cpu_seconds_per_gb: own
                .filter(|_| self.bytes > 0)
                .map(|usage| usage.cpu_seconds / gigabytes),
            own,
            server: ServerUsage::of(self.meter.as_ref(), self.bytes, 1)?,
            errors,
        })
    }
}

impl Report for ThroughputReport {
    fn failures(&self) -> Vec<String> {
        self.errors.lines().collect()
    }
}

impl fmt::Display for ThroughputReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::default();
        table.row(
            "throughput",
            format_args!(
                "{:.2} Gb/s: {:.3} GB and {} messages in {:.1} s",
                self.gigabits_per_second,
                self.bytes as f64 / 1e9,
                self.messages,
                self.seconds
            ),
        );
        table.optional_row("bench CPU", self.own);
        table.optional_row(
            "bench CPU cost",
            self.own_cpu_seconds_per_gb
                .map(|cost| format!("{cost:.3} s per GB")),
        );
        if let Some(server) = &self.server {
            server.add_rows(&mut table);
        }
        table.fmt(f)
    }
}
