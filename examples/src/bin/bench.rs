//! Loads an RTMP server with players, publishers or connections, and checks what comes back.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rtmp_examples::bench::{Report, connect, flaps, floor, idle, players, publishers, throughput};
use rtmp_examples::{failure, init_logging, stop_signal};

/// Loads an RTMP server with players, publishers or connections, and checks what comes back.
///
/// It runs on one thread. Give load and server a core each, for example with taskset.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    load: Load,

    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Play one stream many times
    Players(players::PlayersOptions),
    /// Publish a file under many names
    Publishers(publishers::PublishersOptions),
    /// Open and close connections
    Connect(connect::ConnectOptions),
    /// Open connections, say nothing more, and see what they cost
    Idle(idle::IdleOptions),
    /// Break a publication off and publish again
    Flaps(flaps::FlapsOptions),
    /// Publish or play one stream with rtmp-client, as fast as it goes
    Throughput(throughput::ThroughputOptions),
    /// Serve players with nothing but writes, to compare servers with
    Floor(floor::FloorOptions),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    init_logging();
    match run(&options).await {
        Ok(exit_code) => exit_code,
        Err(error) => failure("bench", error.as_ref()),
    }
}

async fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    match &options.load {
        Load::Players(load) => show(&players::run(load, stop_signal()).await?, options.json),
        Load::Publishers(load) => show(&publishers::run(load, stop_signal()).await?, options.json),
        Load::Connect(load) => show(&connect::run(load, stop_signal()).await?, options.json),
        Load::Idle(load) => show(&idle::run(load, stop_signal()).await?, options.json),
        Load::Flaps(load) => show(&flaps::run(load, stop_signal()).await?, options.json),
        Load::Throughput(load) => show(&throughput::run(load, stop_signal()).await?, options.json),
        Load::Floor(load) => {
            let on_listening = |address| {
                let url = format!("rtmp://{address}");
                if options.json {
                    println!("{}", serde_json::json!({ "listening": url }));
                } else {
                    println!("listening on {url}");
                }
            };
            floor::run(load, on_listening, stop_signal()).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints the figures, and on standard error which checks failed.
fn show(report: &impl Report, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    let failures = report.failures();
    for line in &failures {
        eprintln!("bench: {line}");
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
