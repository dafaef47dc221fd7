//! Publishes a file under many names.

mod publisher;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::url::RtmpUrl;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use self::publisher::{Publisher, Record, Records};
pub use self::report::PublishersReport;
use super::BenchError;
use super::client::Target;
use super::clip::Clip;
use super::process::ProcessMeter;
use crate::descriptors::reserve_descriptors;
use crate::seconds;
use crate::tls::ClientTls;

/// What to publish, how often and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct PublishersOptions {
    /// Where to publish; with several publishers -0, -1 ... are put behind the stream name
    pub url: RtmpUrl,

    /// The FLV file to publish again and again; - for standard input
    pub file: PathBuf,

    /// How many publishers
    #[arg(short = 'n', long = "count", value_name = "COUNT", default_value_t = 1)]
    pub count: usize,

    /// Send as fast as the server takes it, not in real time
    #[arg(long)]
    pub fast: bool,

    /// Put the time of sending into each frame, for players to measure latency (H.264)
    #[arg(long)]
    pub stamp: bool,

    /// Stop so long after all have started
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub seconds: Option<Duration>,

    /// Publish the file this many times, one behind the other, instead of endlessly
    #[arg(long = "loop", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,

    /// New publishers a second
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 100)]
    pub ramp: u32,

    /// Measure CPU and memory of the server's process (Linux)
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Whom to trust.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// Publishes until the time is over, all files are sent, all publishers are gone or `stop` is ready.
///
/// # Errors
///
/// [`BenchError`] if it can not begin, or the process of the server ends. What publishers meet is in the report.
pub async fn run(
    options: &PublishersOptions,
    stop: impl Future<Output = ()>,
) -> Result<PublishersReport, BenchError> {
    reserve_descriptors(options.count)?;
    let target = Target::resolve(&options.url, &options.tls).await?;
    target.check_stream_name()?;
    let clip = Clip::load(options.file.clone()).await?;
    let stamper = if options.stamp {
        Some(clip.stamper()?)
    } else {
        None
    };
    let mut meter = options.pid.map(ProcessMeter::of).transpose()?;
    let mut own_meter = ProcessMeter::of_ourselves();

    let end = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let mut records: Records = Vec::with_capacity(options.count);
    let begin = Instant::now();
    let mut publishers = Vec::with_capacity(options.count);
    for number in 0..options.count {
        let target = if options.count == 1 {
            target.clone()
        } else {
            target.numbered(number)?
        };
        let record = Arc::new(Record::default());
        records.push(Arc::clone(&record));
        publishers.push(Publisher {
            target,
            clip: Arc::clone(&clip),
            rounds: options.rounds,
            fast: options.fast,
            stamper: stamper.clone(),
            record,
            end: end.clone(),
        });
    }
    let mut window = Window {
        begin,
        bytes: Vec::new(),
    };
    let measured = async {
        for (number, publisher) in publishers.into_iter().enumerate() {
            sleep_until(begin + Duration::from_secs_f64(number as f64 / f64::from(options.ramp))).await;
            tasks.spawn(publisher.run());
        }
        for meter in meter.iter_mut().chain(&mut own_meter) {
            meter.restart()?;
        }
        window = Window {
            begin: Instant::now(),
            bytes: records.iter().map(|record| record.bytes()).collect(),
        };
        let all_gone = async { while tasks.join_next().await.is_some() {} };
        match options.seconds {
            Some(seconds) => tokio::select! {
                () = all_gone => {}
                () = sleep(seconds) => {}
            },
            None => all_gone.await,
        }
        Ok::<(), BenchError>(())
    };
    tokio::select! {
        result = measured => result?,
        () = stop => {}
    }
    let report = PublishersReport::new(&records, &window, meter.as_ref(), own_meter.as_ref())?;
    end.cancel();
    while tasks.join_next().await.is_some() {}
    Ok(report)
}

/// The time in which throughput is measured: since all have been started.
struct Window {
    begin: Instant,
    /// What each publisher had sent when it began.
    bytes: Vec<u64>,
}
