//! Looks into FLV files, and repairs them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rtmp_examples::failure;
use rtmp_examples::flv_inspect::inspect;
use rtmp_examples::flv_repair::repair;
use rtmp_examples::flv_scan::FlvFileError;

/// Looks into FLV files, and repairs them.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is in a file: tracks, codecs, times, groups of pictures, metadata, faults
    Inspect {
        /// The file
        file: PathBuf,

        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Make a sound file of one that is cut off, damaged, or has no duration or index
    ///
    /// Whole tags are taken over as they are, with duration and keyframe index in front. The new file takes the place
    /// of the old one when it is complete; if anything fails the old one stays as it is.
    Repair {
        /// The file
        file: PathBuf,

        /// Write the sound file there, and leave the input alone
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("flv", &error),
    }
}

fn run(command: Command) -> Result<(), FlvFileError> {
    match command {
        Command::Inspect { file, json: false } => print!("{}", inspect(&file)?),
        Command::Inspect { file, json: true } => {
            let inspection = inspect(&file)?;
            match serde_json::to_string_pretty(&inspection) {
                Ok(text) => println!("{text}"),
                // Only a path that is no text can not be JSON.
                Err(error) => {
                    return Err(FlvFileError::Write {
                        path: file,
                        source: error.into(),
                    });
                }
            }
        }
        Command::Repair { file, output } => {
            let repaired = repair(&file, output.as_deref())?;
            println!(
                "{}: {} tags, {}.{:03} s",
                repaired.path.display(),
                repaired.tags,
                repaired.duration.as_secs(),
                repaired.duration.subsec_millis()
            );
            if let Some(offset) = repaired.end.cut_off_at {
                println!(
                    "left out {} bytes of a tag that was cut off",
                    repaired.end.len.saturating_sub(offset)
                );
            }
            let damaged = repaired.end.irregularities.damaged_bytes;
            if damaged > 0 {
                println!("left out {damaged} bytes that belong to no tag");
            }
        }
    }
    Ok(())
}
