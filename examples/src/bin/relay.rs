//! Serves live streams: whoever publishes `rtmp://HOST/APP/NAME` is seen by all who play it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rtmp_examples::{failure, init_logging, seconds, stop_signal};
use rtmp_server::relay::{RelayConfig, SlowPlayers, TakeOver};
use rtmp_server::{Observers, Relay, Server, ServerConfig, ServerError};

/// Serves live streams: whoever publishes rtmp://HOST/APP/NAME is seen by all who play it.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:1935")]
    listen: String,

    /// Let players begin with the next keyframe instead of the last one
    #[arg(long)]
    no_gop_cache: bool,

    /// Seconds that players wait for a publisher
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,

    /// Disconnect players that can not keep up, instead of letting them skip to a keyframe
    #[arg(long)]
    disconnect_slow: bool,

    /// Let a publisher take over a name whose publisher has sent nothing for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    take_over_after: Option<Duration>,

    /// Connections that may be open at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    max_connections: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    init_logging();
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("relay", &error),
    }
}

async fn serve(options: Options) -> Result<(), ServerError> {
    let slow_players = if options.disconnect_slow {
        SlowPlayers::Disconnect
    } else {
        SlowPlayers::SkipToKeyframe
    };
    let relay = RelayConfig::default()
        .gop_cache(!options.no_gop_cache)
        .wait_for_publisher(Duration::from_secs(options.wait))
        .take_over(
            options
                .take_over_after
                .map_or(TakeOver::Refuse, TakeOver::IfSilent),
        )
        .slow_players(slow_players);
    let server = Server::bind(options.listen)
        .await?
        .observers(Observers::new().relay(Relay::new(relay)))
        .config(ServerConfig::default().max_connections(options.max_connections));
    println!("listening on rtmp://{}", server.local_addr()?);
    server.serve_until(stop_signal()).await;
    Ok(())
}
