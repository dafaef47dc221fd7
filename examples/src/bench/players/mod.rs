//! Plays one stream many times.
//!
//! Every player is checked up to its first keyframe: what came in which order, and how long it took. From there on
//! only a sample of them, evenly spread, is checked message by message; the others count bytes without parsing them
//! and without copying them out of the system, so that one core can drive thousands. They acknowledge what they
//! receive as real players do, and answer no pings.

mod drain;
mod player;
mod report;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::url::RtmpUrl;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::player::{Crowd, Player, Record};
pub use self::report::PlayersReport;
use super::BenchError;
use super::check::Checker;
use super::client::Target;
use super::clip::Clip;
use super::compare::{Comparison, Reference};
use super::process::ProcessMeter;
use crate::descriptors::reserve_descriptors;
use crate::seconds;
use crate::tls::ClientTls;

/// How long the last players may take to get their first keyframe before the measurement goes on without them.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// From the last keyframe to the measurement, so that what came with joining is over.
const SETTLE: Duration = Duration::from_secs(1);

/// What to play, how often and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct PlayersOptions {
    /// What to play, for example rtmp://localhost/live/cam
    pub url: RtmpUrl,

    /// How many players
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    pub count: usize,

    /// How long to measure, once all have joined
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub seconds: Duration,

    /// New players a second
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 500)]
    pub ramp: u32,

    /// How many players check all that they receive, or `all`; the others only count bytes after their first keyframe
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub check: Check,

    /// Compare what the checked players receive with the file that is published
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,

    /// Measure CPU and memory of the server's process (Linux)
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Whom to trust.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// How many players check all that they receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every player.
    All,
    /// So many, evenly spread.
    Some(usize),
}

impl FromStr for Check {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ => text
                .parse()
                .map(Self::Some)
                .map_err(|_| "neither a number nor `all`"),
        }
    }
}

impl Check {
    /// Whether the player of this number is one of those, of `count` players.
    fn includes(self, number: usize, count: usize) -> bool {
        match self {
            Self::All => true,
            // The sample grows by one at evenly spread numbers.
            Self::Some(sample) => {
                let upto = |number: u128| number * sample.min(count) as u128 / count.max(1) as u128;
                upto(number as u128 + 1) > upto(number as u128)
            }
        }
    }
}

/// Plays and measures until the time is over, the stream ends or `stop` is ready.
///
/// # Errors
///
/// [`BenchError`] if it can not begin, or the process of the server ends. What players meet is in the report.
pub async fn run(
    options: &PlayersOptions,
    stop: impl Future<Output = ()>,
) -> Result<PlayersReport, BenchError> {
    reserve_descriptors(options.count)?;
    let target = Arc::new(Target::resolve(&options.url, &options.tls).await?);
    target.check_stream_name()?;
    let reference = match &options.compare {
        Some(path) => Some(Reference::new(&*Clip::load(path.clone()).await?)),
        None => None,
    };
    let meter = options.pid.map(ProcessMeter::of).transpose()?;
    let mut players = Players {
        crowd: Arc::default(),
        records: Vec::with_capacity(options.count),
        tasks: JoinSet::new(),
        window: Window {
            begin: Instant::now(),
            bytes: Vec::new(),
            is_open: false,
        },
        meter,
        own_meter: ProcessMeter::of_ourselves(),
    };
    tokio::select! {
        result = players.measure(options, target, reference) => result?,
        () = stop => {}
    }
    // Before the connections end, which costs the server CPU time as well.
    Ok(PlayersReport::new(options, &players)?)
}

/// All players and the state of the measurement.
struct Players {
    crowd: Arc<Crowd>,
    records: Vec<Arc<Record>>,
    /// Dropping it ends the players.
    tasks: JoinSet<()>,
    window: Window,
    meter: Option<ProcessMeter>,
    own_meter: Option<ProcessMeter>,
}

/// The time in which throughput and latency are measured.
struct Window {
    begin: Instant,
    /// What each player had received when it began; nothing before that.
    bytes: Vec<u64>,
    /// Whether it has begun, so that what came with joining is left out.
    is_open: bool,
}

impl Players {
    async fn measure(
        &mut self,
        options: &PlayersOptions,
        target: Arc<Target>,
        reference: Option<Arc<Reference>>,
    ) -> Result<(), BenchError> {
        let begin = Instant::now();
        for number in 0..options.count {
            sleep_until(begin + Duration::from_secs_f64(number as f64 / f64::from(options.ramp))).await;
            let checker = Checker::comparing(reference.clone().map(Comparison::new));
            let record = Record::new(checker);
            self.records.push(Arc::clone(&record));
            let player = Player {
                target: Arc::clone(&target),
                crowd: Arc::clone(&self.crowd),
                record,
                check_all: options.check.includes(number, options.count),
            };
            self.tasks.spawn(player.run());
        }
        // Whoever has not joined by then is in the report.
        let _ = timeout(JOIN_TIMEOUT, self.all_settled()).await;
        tokio::select! {
            () = self.all_gone(options) => return Ok(()),
            () = sleep(SETTLE) => {}
        }
        self.begin_window()?;
        tokio::select! {
            () = self.all_gone(options) => {}
            () = sleep(options.seconds) => {}
        }
        Ok(())
    }

    fn begin_window(&mut self) -> Result<(), BenchError> {
        for meter in self.meter.iter_mut().chain(&mut self.own_meter) {
            meter.restart()?;
        }
        let bytes = self.records.iter().map(|record| record.bytes()).collect();
        self.window = Window {
            begin: Instant::now(),
            bytes,
            is_open: true,
        };
        self.crowd.begin_to_measure();
        Ok(())
    }

    async fn all_settled(&self) {
        while self.crowd.settled() < self.records.len() {
            self.crowd.changed.notified().await;
        }
    }

    /// Ready when no player is left that would notice the end of the stream.
    async fn all_gone(&self, options: &PlayersOptions) {
        let checkers = (0..options.count)
            .filter(|&number| options.check.includes(number, options.count))
            .count();
        let is_over = || {
            let no_checkers = checkers > 0 && self.crowd.checkers_gone() >= checkers;
            no_checkers || self.crowd.gone() >= options.count
        };
        while !is_over() {
            self.crowd.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn included(check: Check, count: usize) -> Vec<usize> {
        (0..count)
            .filter(|&number| check.includes(number, count))
            .collect()
    }

    #[test]
    fn the_sample_is_evenly_spread_and_has_the_wanted_size() {
        assert_eq!(included(Check::Some(2), 10), [4, 9]);
        assert_eq!(included(Check::Some(7), 1000).len(), 7);
        assert_eq!(included(Check::Some(50), 3), [0, 1, 2]);
        assert_eq!(included(Check::Some(0), 3), [0; 0]);
        assert_eq!(included(Check::All, 3), [0, 1, 2]);
    }

    #[test]
    fn samples_are_numbers_or_all() {
        assert_eq!("all".parse(), Ok(Check::All));
        assert_eq!("12".parse(), Ok(Check::Some(12)));
        assert!("some".parse::<Check>().is_err());
    }
}
