//! Opens and closes connections.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rtmp_core::url::RtmpUrl;
use serde::Serialize;

use super::BenchError;
use super::client::{Client, ClientError, Target};
use super::process::{ProcessError, ProcessMeter};
use super::report::{ErrorCounts, Report, ServerUsage, Table};
use super::samples::{Percentiles, Samples};
use crate::descriptors::reserve_descriptors;
use crate::tls::ClientTls;

/// How many connections to open, and how many at a time.
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectOptions {
    /// Where to connect, for example rtmp://localhost/live
    pub url: RtmpUrl,

    /// How many connections in all
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    pub count: usize,

    /// How many may be opening at a time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 16)]
    pub concurrency: u32,

    /// Measure CPU and memory of the server's process (Linux)
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Whom to trust.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// How the openings went.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConnectReport {
    /// Connections that were begun.
    pub connections: usize,
    /// Of these, connections that were not opened.
    pub failed: usize,
    /// How long all took.
    pub seconds: f64,
    /// Opened connections a second.
    pub connections_per_second: f64,
    /// From the start of the TCP connection to the answer to `createStream`.
    pub opening: Option<Percentiles>,
    /// Why connections failed.
    pub errors: ErrorCounts,
    /// CPU time of the server for each opened connection, in microseconds.
    pub server_cpu_micros_per_connection: Option<f64>,
    /// What the server's process used.
    pub server: Option<ServerUsage>,
    /// What this process used, in percent of a core.
    pub own_core_percent: Option<f64>,
}

/// Opens connections one after the other: TCP, handshake, `connect`, `createStream`, and closes each.
///
/// # Errors
///
/// [`BenchError`] if it can not begin, or the process of the server ends. What connections meet is in the report.
pub async fn run(
    options: &ConnectOptions,
    stop: impl Future<Output = ()>,
) -> Result<ConnectReport, BenchError> {
    let concurrency = usize::try_from(options.concurrency)
        .unwrap_or(usize::MAX)
        .min(options.count);
    reserve_descriptors(concurrency)?;
    let target = Target::resolve(&options.url, &options.tls).await?;
    let meter = options.pid.map(ProcessMeter::of).transpose()?;
    let own_meter = ProcessMeter::of_ourselves();
    let tally = Rc::new(RefCell::new(Tally::default()));
    let begin = Instant::now();
    let mut workers: FuturesUnordered<_> = (0..concurrency)
        .map(|_| open_many(&target, options.count, &tally))
        .collect();
    tokio::select! {
        () = async { while workers.next().await.is_some() {} } => {}
        () = stop => {}
    }
    drop(workers);
    Ok(tally
        .take()
        .into_report(begin.elapsed().as_secs_f64(), meter.as_ref(), own_meter.as_ref())?)
}

/// Opens one connection after the other until enough were begun.
async fn open_many(target: &Target, count: usize, tally: &RefCell<Tally>) {
    loop {
        {
            let mut tally = tally.borrow_mut();
            if tally.begun >= count {
                return;
            }
            tally.begun += 1;
        }
        let begin = Instant::now();
        let result = Client::open(target).await;
        let opened_after = begin.elapsed();
        let closed = match result {
            Ok((client, _)) => client.close().await,
            Err(error) => Err(error),
        };
        let mut tally = tally.borrow_mut();
        match closed {
            Ok(()) => tally.opening.add(opened_after),
            Err(error) => tally.note(&error),
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    begun: usize,
    failed: usize,
    opening: Samples,
    errors: ErrorCounts,
}

impl Tally {
    fn note(&mut self, error: &ClientError) {
        self.failed += 1;
        self.errors.add(error);
    }

    fn into_report(
        self,
        seconds: f64,
        meter: Option<&ProcessMeter>,
        own_meter: Option<&ProcessMeter>,
    ) -> Result<ConnectReport, ProcessError> {
        let opening = self.opening.percentiles();
        let opened = opening.map_or(0, |opening| opening.count);
        let server = ServerUsage::of(meter, 0, 0)?;
        Ok(ConnectReport {
            connections: self.begun,
            failed: self.failed,
            seconds,
            connections_per_second: opened as f64 / seconds.max(1e-6),
            opening,
            errors: self.errors,
            server_cpu_micros_per_connection: server
                .filter(|_| opened > 0)
                .map(|server| server.usage.cpu_seconds * 1e6 / opened as f64),
            server,
            own_core_percent: own_meter.and_then(ProcessMeter::core_percent),
        })
    }
}

impl Report for ConnectReport {
    fn failures(&self) -> Vec<String> {
        let Self {
            connections, failed, ..
        } = self;
        let mut failures = Vec::new();
        if *failed > 0 {
            failures.push(format!(
                "{failed} of {connections} connections could not be opened"
            ));
        }
        failures.extend(self.errors.lines());
        failures
    }
}

impl fmt::Display for ConnectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::default();
        let Self {
            connections,
            failed,
            seconds,
            connections_per_second,
            ..
        } = self;
        table.row(
            "connections",
            format_args!("{connections} in {seconds:.2} s, {failed} failed"),
        );
        table.row("rate", format_args!("{connections_per_second:.0} a second"));
        table.optional_row("opening", self.opening);
        if let Some(server) = &self.server {
            server.add_rows(&mut table);
        }
        let cost = self.server_cpu_micros_per_connection;
        table.optional_row(
            "server CPU cost",
            cost.map(|micros| format!("{micros:.1} us for each connection")),
        );
        table.own_cpu(self.own_core_percent);
        table.fmt(f)
    }
}
