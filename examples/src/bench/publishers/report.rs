//! What publishers met, in figures.

use std::fmt;

use serde::Serialize;

use super::super::process::{ProcessError, ProcessMeter};
use super::super::report::{ErrorCounts, Report, ServerUsage, Table};
use super::super::samples::{Percentiles, Samples};
use super::Window;
use super::publisher::{Record, Stage};

/// What publishers met. Throughput is of the time since all were started.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PublishersReport {
    /// Publishers that were wanted.
    pub publishers: usize,
    /// Of these, publishers that the server let publish.
    pub started: usize,
    /// Publishers that it did not.
    pub failed: usize,
    /// Publishers that were cut off later.
    pub lost: usize,
    /// Messages sent since the beginning.
    pub messages: u64,
    /// The time measured.
    pub seconds: f64,
    /// Bytes of media sent in that time, without headers.
    pub sent_bytes: u64,
    /// The same in a second.
    pub megabits_per_second: f64,
    /// From the time at which a message was due to the time at which the system had taken it; none when sending as
    /// fast as the server takes it.
    pub lateness: Option<Percentiles>,
    /// Why publishers failed or were lost.
    pub errors: ErrorCounts,
    /// What the server's process used.
    pub server: Option<ServerUsage>,
    /// What this process used, in percent of a core.
    pub own_core_percent: Option<f64>,
}

impl PublishersReport {
    pub(super) fn new(
        records: &[std::sync::Arc<Record>],
        window: &Window,
        meter: Option<&ProcessMeter>,
        own_meter: Option<&ProcessMeter>,
    ) -> Result<Self, ProcessError> {
        let seconds = window.begin.elapsed().as_secs_f64();
        let (mut started, mut failed, mut lost, mut messages, mut sent_bytes) = (0, 0, 0, 0, 0);
        let mut errors = ErrorCounts::default();
        let mut lateness = Samples::default();
        for (number, record) in records.iter().enumerate() {
            let state = record.lock();
            match &state.stage {
                Stage::Starting => {
                    failed += 1;
                    errors.add_text("still being opened at the end".to_owned());
                }
                Stage::Publishing | Stage::Done => started += 1,
                Stage::Failed(error) => {
                    failed += 1;
                    errors.add(error);
                }
                Stage::Lost(error) => {
                    started += 1;
                    lost += 1;
                    errors.add(error);
                }
            }
            lateness.extend(&state.lateness);
            messages += record.messages();
            let before = window.bytes.get(number).copied().unwrap_or(0);
            sent_bytes += record.bytes().saturating_sub(before);
        }
        Ok(Self {
            publishers: records.len(),
            started,
            failed,
            lost,
            messages,
            seconds,
            sent_bytes,
            megabits_per_second: sent_bytes as f64 * 8.0 / 1e6 / seconds.max(1e-6),
            lateness: lateness.percentiles(),
            errors,
            server: ServerUsage::of(meter, sent_bytes, started)?,
            own_core_percent: own_meter.and_then(ProcessMeter::core_percent),
        })
    }
}

impl Report for PublishersReport {
    fn failures(&self) -> Vec<String> {
        let Self {
            publishers,
            failed,
            lost,
            ..
        } = self;
        let mut failures = Vec::new();
        if *failed > 0 {
            failures.push(format!("{failed} of {publishers} publishers could not start"));
        }
        if *lost > 0 {
            failures.push(format!("{lost} of {publishers} publishers were cut off"));
        }
        failures.extend(self.errors.lines());
        failures
    }
}

impl fmt::Display for PublishersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::default();
        let Self {
            publishers,
            started,
            failed,
            lost,
            messages,
            seconds,
            ..
        } = self;
        table.row(
            "publishers",
            format_args!("{publishers}: {started} started, {failed} failed, {lost} lost"),
        );
        table.row(
            "sent",
            format_args!(
                "{:.3} GB in {seconds:.1} s: {:.1} Mb/s, {:.3} Mb/s each; {messages} messages in all",
                self.sent_bytes as f64 / 1e9,
                self.megabits_per_second,
                self.megabits_per_second / (*started).max(1) as f64
            ),
        );
        table.optional_row("lateness", self.lateness);
        if let Some(server) = &self.server {
            server.add_rows(&mut table);
        }
        table.own_cpu(self.own_core_percent);
        table.fmt(f)
    }
}
