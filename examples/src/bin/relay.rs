//! Serves live streams: whoever publishes `rtmp://HOST/APP/NAME` is seen by all who play it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rtmp_examples::descriptors::reserve_descriptors;
use rtmp_examples::tls::{ServerTls, TlsOptionsError};
use rtmp_examples::{failure, init_logging, seconds, stop_signal};
use rtmp_server::files::{FileError, MediaRoot};
use rtmp_server::proxy::Network;
use rtmp_server::record::{RecordConfig, RecordStreams, Recorder};
use rtmp_server::relay::{Handover, RelayConfig, SlowPlayers, TakeOver};
use rtmp_server::tls::TlsAcceptor;
use rtmp_server::vod::Vod;
use rtmp_server::{Listener, Observers, Relay, Server, ServerConfig, ServerError};
use tracing::warn;

/// Serves live streams: whoever publishes rtmp://HOST/APP/NAME is seen by all who play it.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:1935")]
    listen: String,

    /// Keep the newest group of pictures, so that players begin with a picture at once
    #[arg(long, value_name = "ON|OFF", value_enum, default_value_t = Switch::On)]
    gop_cache: Switch,

    /// Let players begin at the newest keyframe only if it is no older; otherwise with the next
    #[arg(long, value_name = "MILLISECONDS")]
    join_within: Option<u64>,

    /// What happens to players that can not keep up: skip (to the newest keyframe), drop-video (and keep the sound),
    /// disconnect=SECONDS (once they are so far behind), keep (and let them fall behind, up to 32 MiB), hold (and let
    /// the publisher wait for the slowest)
    #[arg(long, value_name = "POLICY", value_parser = Slow::parse, default_value = "skip")]
    slow: Slow,

    /// How long players wait for a first publisher
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    wait: Duration,

    /// How long players stay when their publisher has gone
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    grace: Duration,

    /// Do not tell players that their publisher has gone: media go on when it is back, and so do their times
    #[arg(long)]
    seamless: bool,

    /// Who gets a name that is being published already: the first (refuse), the second (always), or the second if the
    /// first has sent nothing for so long (SECONDS)
    #[arg(long, value_name = "POLICY", value_parser = parse_take_over, default_value = "refuse")]
    take_over: TakeOver,

    /// Record all streams below this directory, as APP/NAME.flv; who publishes again goes on with the same file
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// Begin another file, NAME@000002.flv and so on, at the first keyframe after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "record")]
    record_segment: Option<Duration>,

    /// Write what is recorded so often, to lose no more if the process is killed; with 0 as soon as it comes
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.01", requires = "record")]
    record_interval: Duration,

    /// Gather messages for so long before they are sent to players, which costs less
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    latency: u64,

    /// Play recordings below this directory, APP/NAME.flv; a live stream of the same name comes first
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,

    /// Connections that may be open at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    max_connections: usize,

    /// Connections that one address may have open at a time; in IPv6, one network of 64 bits
    #[arg(long, value_name = "COUNT")]
    max_connections_per_address: Option<usize>,

    /// Balancers to believe whose connections they pass on, by the PROXY protocol; it is demanded of them then
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    proxy_protocol: Vec<Network>,

    #[command(flatten)]
    tls: ServerTls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// What happens to slow players, and when.
#[derive(Clone, Copy, Debug)]
struct Slow {
    policy: SlowPlayers,
    after: Option<Duration>,
}

impl Slow {
    fn parse(text: &str) -> Result<Self, String> {
        let (policy, after) = match text {
            "skip" => (SlowPlayers::SkipToKeyframe, None),
            "drop-video" => (SlowPlayers::DropVideo, None),
            "keep" => (SlowPlayers::Keep, None),
            "hold" => (SlowPlayers::HoldPublisher, None),
            _ => {
                let after = text
                    .strip_prefix("disconnect=")
                    .ok_or("skip, drop-video, disconnect=SECONDS, keep or hold")?;
                (SlowPlayers::Disconnect, Some(seconds(after)?))
            }
        };
        Ok(Self { policy, after })
    }

    fn apply(self, config: RelayConfig) -> RelayConfig {
        let config = config.slow_players(self.policy);
        match self.after {
            // As many bytes as come in that time at 25 Mb/s, so that it is the time that counts.
            Some(time) => {
                let millis = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
                config.max_lag(time).max_lag_len(millis.saturating_mul(3125))
            }
            None => config,
        }
    }
}

fn parse_take_over(text: &str) -> Result<TakeOver, String> {
    match text {
        "refuse" => Ok(TakeOver::Refuse),
        "always" => Ok(TakeOver::Always),
        _ => Ok(TakeOver::IfSilent(seconds(text)?)),
    }
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

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("no RTMPS")]
    Tls(#[from] TlsOptionsError),
    #[error("can not record")]
    Record(#[from] FileError),
    #[error("can not play recordings")]
    Media(#[source] FileError),
}

async fn serve(options: Options) -> Result<(), Error> {
    let handover = if options.seamless {
        Handover::Seamless
    } else {
        Handover::Announced
    };
    let mut relay = RelayConfig::default()
        .gop_cache(options.gop_cache == Switch::On)
        .wait_for_publisher(options.wait)
        .grace(options.grace)
        .handover(handover)
        .latency(Duration::from_millis(options.latency))
        .take_over(options.take_over);
    if let Some(millis) = options.join_within {
        relay = relay.join_within(Duration::from_millis(millis));
    }
    let relay = options.slow.apply(relay);
    let mut relay = Relay::new(relay);
    if let Some(directory) = options.media {
        let root = MediaRoot::new(directory).map_err(Error::Media)?;
        relay = relay.recordings(Vod::new(root));
    }
    let mut observers = Observers::new().relay(relay);
    let recorder = match &options.record {
        Some(directory) => Some(recorder(
            directory,
            options.record_interval,
            options.record_segment,
        )?),
        None => None,
    };
    if let Some(recorder) = &recorder {
        observers = observers.publish(recorder.clone());
    }
    if let Err(error) = reserve_descriptors(options.max_connections) {
        warn!("{error}");
    }
    let mut config = ServerConfig::default().max_connections(options.max_connections);
    if let Some(count) = options.max_connections_per_address {
        config = config.max_connections_per_address(count);
    }
    let acceptor = match &options.tls.tls_listen {
        Some(_) => Some(options.tls.acceptor()?),
        None => None,
    };
    let listener = Listener::bind(options.listen).await?;
    println!("listening on rtmp://{}", listener.local_addr()?);
    let listener = listener.proxy_protocol(options.proxy_protocol.iter().copied());
    let mut server = Server::from_listener(listener)
        .observers(observers)
        .config(config);
    if let (Some(address), Some(acceptor)) = (&options.tls.tls_listen, &acceptor) {
        let listener = Listener::bind(address).await?;
        println!("listening on rtmps://{}", listener.local_addr()?);
        let listener = listener.proxy_protocol(options.proxy_protocol.iter().copied());
        server = server.also_listen(listener.tls(acceptor.clone()));
    }
    tokio::select! {
        () = server.serve_until(stop_signal()) => {}
        () = reload_certificates(&options.tls, acceptor.as_ref()) => {}
    }
    if let Some(recorder) = recorder {
        recorder.shutdown().await;
    }
    Ok(())
}

/// Never ready.
async fn reload_certificates(tls: &ServerTls, acceptor: Option<&TlsAcceptor>) {
    match acceptor {
        Some(acceptor) => tls.reload_on_hangup(acceptor).await,
        None => std::future::pending().await,
    }
}

/// Completes what a crash has left behind, before anybody publishes.
fn recorder(directory: &Path, interval: Duration, segment: Option<Duration>) -> Result<Recorder, FileError> {
    let mut config = RecordConfig::default()
        .streams(RecordStreams::All)
        .write_interval(interval);
    if let Some(duration) = segment {
        config = config.segment_duration(duration);
    }
    let recorder = Recorder::new(MediaRoot::new(directory)?, config);
    let count = recorder.recover()?;
    if count > 0 {
        println!("completed {count} recordings that were broken off");
    }
    Ok(recorder)
}
