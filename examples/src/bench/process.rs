//! CPU time and memory of another process, from `/proc`.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Watches a process, for instance the server that is measured.
#[derive(Debug)]
pub(super) struct ProcessMeter {
    directory: String,
    begin: Instant,
    at_begin: CpuTimes,
    memory_at_begin: u64,
}

/// Why a process can not be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no such process, or not any more.
    #[error("can not read {path}")]
    Read {
        /// The file in `/proc`.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system's figures have an unknown form.
    #[error("can not understand {path}")]
    Parse {
        /// The file in `/proc`.
        path: String,
    },
    /// Only Linux has the figures where we look for them.
    #[error("CPU and memory of a process are known on Linux only: --pid is not available")]
    NotAvailable,
}

/// User and system time that a process has used so far, in whole clock ticks (mostly 10 ms).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CpuTimes {
    user: Duration,
    system: Duration,
    /// The sum of both to the nanosecond, if all its threads could be asked.
    exact: Option<Duration>,
}

impl CpuTimes {
    /// What was used since `begin`, all in all.
    fn total_since(self, begin: Self) -> Duration {
        let in_ticks = (self.user + self.system).saturating_sub(begin.user + begin.system);
        match (self.exact, begin.exact) {
            // A thread that has ended meanwhile is missing in the exact sum.
            (Some(now), Some(before)) if now + TICKS_DISAGREE >= before + in_ticks => {
                now.saturating_sub(before)
            }
            _ => in_ticks,
        }
    }
}

/// By how much the sum of ticks may exceed the exact time just because ticks are whole.
const TICKS_DISAGREE: Duration = Duration::from_millis(20);

impl ProcessMeter {
    /// Begins to watch a process.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if there is no such process, or the system is not Linux.
    pub(super) fn of(pid: u32) -> Result<Self, ProcessError> {
        Self::in_directory(format!("/proc/{pid}"))
    }

    /// Begins to watch ourselves; `None` where that is not possible.
    #[must_use]
    pub(super) fn of_ourselves() -> Option<Self> {
        Self::in_directory("/proc/self".to_owned()).ok()
    }

    fn in_directory(directory: String) -> Result<Self, ProcessError> {
        if !cfg!(target_os = "linux") {
            return Err(ProcessError::NotAvailable);
        }
        let mut meter = Self {
            directory,
            begin: Instant::now(),
            at_begin: CpuTimes::default(),
            memory_at_begin: 0,
        };
        meter.memory_at_begin = meter.resident()?;
        meter.restart()?;
        Ok(meter)
    }

    /// Counts CPU time from now on. Memory is still compared to that at the very beginning.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if the process is gone.
    pub(super) fn restart(&mut self) -> Result<(), ProcessError> {
        self.at_begin = self.cpu()?;
        self.begin = Instant::now();
        Ok(())
    }

    /// What the process has used since it is watched.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if the process is gone.
    pub(super) fn usage(&self) -> Result<Usage, ProcessError> {
        let cpu = self.cpu()?;
        let resident = self.resident()?;
        Ok(Usage {
            wall_seconds: self.begin.elapsed().as_secs_f64(),
            cpu_seconds: cpu.total_since(self.at_begin).as_secs_f64(),
            user_seconds: cpu.user.saturating_sub(self.at_begin.user).as_secs_f64(),
            system_seconds: cpu.system.saturating_sub(self.at_begin.system).as_secs_f64(),
            resident_bytes: resident,
            resident_growth_bytes: resident.saturating_sub(self.memory_at_begin),
        })
    }

    /// What the process has used of one core since it is watched, in percent, if that can be told.
    pub(super) fn core_percent(&self) -> Option<f64> {
        Some(self.usage().ok()?.core_percent())
    }

    fn cpu(&self) -> Result<CpuTimes, ProcessError> {
        let times = self.read("stat", |text| parse_stat(text, ticks_per_second()))?;
        Ok(CpuTimes {
            exact: self.exact_cpu(),
            ..times
        })
    }

    /// The time that all threads were running, if the system keeps it.
    fn exact_cpu(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("{}/task", self.directory)).ok()?;
        let times = threads.map(|thread| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            parse_schedstat(&text)
        });
        times.sum()
    }

    fn resident(&self) -> Result<u64, ProcessError> {
        self.read("status", parse_resident)
    }

    fn read<T>(&self, file: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ProcessError> {
        let path = format!("{}/{file}", self.directory);
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text).ok_or(ProcessError::Parse { path }),
            Err(source) => Err(ProcessError::Read { path, source }),
        }
    }
}

/// What a process has used in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Usage {
    /// The span.
    pub wall_seconds: f64,
    /// CPU time of all threads, in the program and in the system.
    pub cpu_seconds: f64,
    /// CPU time in the program, in whole clock ticks (mostly 10 ms).
    pub user_seconds: f64,
    /// CPU time in the system on the program's behalf, in whole clock ticks.
    pub system_seconds: f64,
    /// Resident memory at the end.
    pub resident_bytes: u64,
    /// What of it has come since before the first connection.
    pub resident_growth_bytes: u64,
}

impl Usage {
    /// CPU time in percent of one core.
    #[must_use]
    pub fn core_percent(&self) -> f64 {
        self.percent(self.cpu_seconds)
    }

    fn percent(&self, seconds: f64) -> f64 {
        seconds * 100.0 / self.wall_seconds.max(1e-6)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of a core (user {:.1} %, system {:.1} %)",
            self.core_percent(),
            self.percent(self.user_seconds),
            self.percent(self.system_seconds)
        )
    }
}

#[cfg(unix)]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(not(unix))]
fn ticks_per_second() -> u64 {
    100
}

/// Fields 14 and 15 of `/proc/PID/stat`, in clock ticks (man proc_pid_stat). The name in field 2 may hold anything,
/// so fields are counted from behind its closing parenthesis.
fn parse_stat(text: &str, ticks_per_second: u64) -> Option<CpuTimes> {
    let (_, behind_name) = text.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut next = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_secs_f64(
            ticks as f64 / ticks_per_second.max(1) as f64,
        ))
    };
    Some(CpuTimes {
        user: next()?,
        system: next()?,
        exact: None,
    })
}

/// The first field of a thread's `schedstat`: nanoseconds on the CPU.
fn parse_schedstat(text: &str) -> Option<Duration> {
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// `VmRSS` of `/proc/PID/status`, which is in KiB.
fn parse_resident(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_found_behind_a_name_with_parentheses_and_spaces() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 3 0 1000 1 2";
        let expected = CpuTimes {
            user: Duration::from_millis(2500),
            system: Duration::from_millis(750),
            exact: None,
        };
        assert_eq!(parse_stat(stat, 100), Some(expected));
        assert_eq!(parse_stat("42 (a) S 1 42", 100), None);
        assert_eq!(parse_stat("", 100), None);
    }

    #[test]
    fn exact_times_count_unless_a_thread_has_ended() {
        let at = |ticks_millis, exact_micros: Option<u64>| CpuTimes {
            user: Duration::ZERO,
            system: Duration::from_millis(ticks_millis),
            exact: exact_micros.map(Duration::from_micros),
        };
        let begin = at(100, Some(104_000));
        assert_eq!(
            at(200, Some(209_500)).total_since(begin),
            Duration::from_micros(105_500)
        );
        assert_eq!(
            at(200, Some(50_000)).total_since(begin),
            Duration::from_millis(100)
        );
        assert_eq!(at(200, None).total_since(begin), Duration::from_millis(100));
        assert_eq!(parse_schedstat("1500 20 3\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(parse_schedstat(""), None);
    }

    #[test]
    fn resident_memory_is_in_kib() {
        assert_eq!(
            parse_resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"),
            Some(2 << 20)
        );
        assert_eq!(parse_resident("Name:\tkernel thread\n"), None);
    }

    #[test]
    fn shares_are_of_one_core() {
        let usage = Usage {
            wall_seconds: 4.0,
            cpu_seconds: 6.0,
            user_seconds: 1.0,
            system_seconds: 5.0,
            resident_bytes: 0,
            resident_growth_bytes: 0,
        };
        assert_eq!(
            usage.to_string(),
            "150.0 % of a core (user 25.0 %, system 125.0 %)"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn we_can_watch_ourselves_and_nobody_who_is_not_there() {
        let usage = ProcessMeter::of(std::process::id()).unwrap().usage().unwrap();
        assert!(usage.resident_bytes > 0);
        let error = ProcessMeter::of(u32::MAX).unwrap_err();
        assert_eq!(error.to_string(), "can not read /proc/4294967295/status");
    }
}
