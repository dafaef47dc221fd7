//! What the command-line tools share.

/// The code blocks of the README are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

pub mod bench;
pub mod descriptors;
pub mod download;
pub mod flv_input;
pub mod flv_inspect;
pub mod flv_output;
pub mod flv_repair;
pub mod flv_scan;
pub mod progress;
pub mod reconnecting;
pub mod tls;

use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// Logs to standard error: what `RUST_LOG` asks for, otherwise one line for each publisher and player.
pub fn init_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
}

/// Says in one line on standard error what failed and why, and gives the exit code 1.
pub fn failure(tool: &str, error: &dyn Error) -> ExitCode {
    eprintln!("{tool}: {}", with_causes(error));
    ExitCode::FAILURE
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

/// Ready when the user presses Ctrl-C, or the system asks the process to end.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Fails only where there are no signals; then the process can only be ended from outside.
    let _ = tokio::signal::ctrl_c().await;
}

/// Reads a time in seconds from the command line, with fractions.
///
/// # Errors
///
/// A text for the user if it is no number, or none that can be a time.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a possible number of seconds".to_owned())
}
