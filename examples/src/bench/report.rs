//! What a measurement tells, as a table or as JSON.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde::Serialize;

use super::process::{ProcessError, ProcessMeter, Usage};

/// How many different errors are listed.
const MAX_ERRORS: usize = 8;

/// The figures of a measurement; `Display` is a table for people.
pub trait Report: Serialize + fmt::Display {
    /// What went wrong, one line each; nothing if all checks were passed.
    fn failures(&self) -> Vec<String>;
}

/// What the server's process has used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerUsage {
    /// CPU and memory.
    #[serde(flatten)]
    pub usage: Usage,
    /// CPU seconds for each delivered gigabyte (10^9 bytes); none if nothing was delivered.
    pub cpu_seconds_per_gb: Option<f64>,
    /// Memory that has come with the connections, divided by them; none if there are none.
    pub resident_bytes_per_connection: Option<f64>,
}

impl ServerUsage {
    /// What the process has used for so many bytes and connections; none without a process to watch.
    pub(super) fn of(
        meter: Option<&ProcessMeter>,
        bytes: u64,
        connections: usize,
    ) -> Result<Option<Self>, ProcessError> {
        let Some(meter) = meter else { return Ok(None) };
        let usage = meter.usage()?;
        Ok(Some(Self {
            usage,
            cpu_seconds_per_gb: (bytes > 0).then(|| usage.cpu_seconds * 1e9 / bytes as f64),
            resident_bytes_per_connection: (connections > 0)
                .then(|| usage.resident_growth_bytes as f64 / connections as f64),
        }))
    }

    pub(super) fn add_rows(&self, table: &mut Table) {
        table.row("server CPU", self.usage);
        if let Some(cost) = self.cpu_seconds_per_gb {
            table.row("server CPU cost", format_args!("{cost:.3} s per GB"));
        }
        let mib = self.usage.resident_bytes as f64 / f64::from(1 << 20);
        let each = self.resident_bytes_per_connection.map_or(String::new(), |bytes| {
            format!(", {:.1} KiB more for each connection", bytes / 1024.0)
        });
        table.row("server memory", format_args!("{mib:.1} MiB{each}"));
    }
}

/// Rows of a label and a value.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<(&'static str, String)>);

impl Table {
    pub(super) fn row(&mut self, label: &'static str, value: impl fmt::Display) {
        self.0.push((label, value.to_string()));
    }

    pub(super) fn optional_row(&mut self, label: &'static str, value: Option<impl fmt::Display>) {
        if let Some(value) = value {
            self.row(label, value);
        }
    }

    /// What bench itself used of a core, if that is known.
    pub(super) fn own_cpu(&mut self, percent: Option<f64>) {
        let text = percent.map(|percent| format!("{percent:.1} % of a core"));
        self.optional_row("bench CPU", text);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut rows = self.0.iter();
        if let Some((label, value)) = rows.next() {
            write!(f, "{label:width$}  {value}")?;
        }
        rows.try_for_each(|(label, value)| write!(f, "\n{label:width$}  {value}"))
    }
}

/// Different errors, and how often each came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ErrorCounts(BTreeMap<String, u64>);

impl ErrorCounts {
    /// Counts an error, by its text with all causes.
    pub(super) fn add(&mut self, error: &dyn Error) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.add_text(text);
    }

    pub(super) fn add_text(&mut self, text: String) {
        *self.0.entry(text).or_default() += 1;
    }

    /// The most frequent ones, one line each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let mut errors: Vec<_> = self.0.iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        errors
            .into_iter()
            .take(MAX_ERRORS)
            .map(|(text, count)| format!("{count} x {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_table_stand_below_each_other() {
        let mut table = Table::default();
        table.row("a", 1);
        table.optional_row("nothing", None::<u8>);
        table.row("long", "two");
        assert_eq!(table.to_string(), "a     1\nlong  two");
    }

    #[test]
    fn frequent_errors_come_first() {
        let mut errors = ErrorCounts::default();
        errors.add_text("rare".to_owned());
        errors.add(&std::io::Error::other("frequent"));
        errors.add(&std::io::Error::other("frequent"));
        assert_eq!(errors.lines().collect::<Vec<_>>(), ["2 x frequent", "1 x rare"]);
    }
}
