//! Opens connections, leaves them at a stage, and says nothing more: what strangers can make a server hold.

use std::fmt;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::url::RtmpUrl;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::BenchError;
use super::client::{Client, ClientError, Target};
use super::process::{ProcessError, ProcessMeter};
use super::report::{ErrorCounts, Report, ServerUsage, Table};
use crate::descriptors::reserve_descriptors;
use crate::seconds;
use crate::tls::ClientTls;

/// How long the server may take to note what the last of them have sent.
const SETTLE: Duration = Duration::from_secs(1);
/// Messages that a connection leaves unfinished; the relay allows 64.
const UNFINISHED: u32 = 60;

/// How many connections to open, and where to leave them.
#[derive(Clone, Debug, clap::Args)]
pub struct IdleOptions {
    /// Where to connect, with a stream name for the later stages
    pub url: RtmpUrl,

    /// How many connections
    #[arg(short = 'n', long = "count", value_name = "COUNT")]
    pub count: usize,

    /// How far they go before they fall silent
    #[arg(long, value_name = "STAGE", value_enum, default_value_t = Stage::Tcp)]
    pub stage: Stage,

    /// Then leave so many bytes of unfinished messages with the server
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub unfinished: u32,

    /// How long they stay, once all are there
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub seconds: Duration,

    /// New connections a second
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 500)]
    pub ramp: u32,

    /// Measure CPU and memory of the server's process (Linux)
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Whom to trust.
    #[command(flatten)]
    pub tls: ClientTls,
}

/// How far a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stage {
    /// The line alone, with its TLS if the URL asks for it
    Tcp,
    /// The handshake is done
    Handshake,
    /// Connected to the application, with a stream
    Connect,
    /// Publishing, each under a name of its own
    Publish,
    /// Playing, and not reading what comes
    Play,
}

/// What the connections cost the server.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct IdleReport {
    /// Where they were left.
    pub stage: Stage,
    /// Connections that came so far.
    pub connections: usize,
    /// Connections that did not.
    pub failed: usize,
    /// What the server's process used meanwhile, and holds at the end.
    pub server: Option<ServerUsage>,
    /// Why connections failed.
    pub errors: ErrorCounts,
}

/// Opens the connections, waits, and closes them.
///
/// # Errors
///
/// [`BenchError`] if it can not begin, or the process of the server ends. What connections meet is in the report.
pub async fn run(options: &IdleOptions, stop: impl Future<Output = ()>) -> Result<IdleReport, BenchError> {
    reserve_descriptors(options.count)?;
    let target = Target::resolve(&options.url, &options.tls).await?;
    if matches!(options.stage, Stage::Publish | Stage::Play) {
        target.check_stream_name()?;
    }
    let mut meter = options.pid.map(ProcessMeter::of).transpose()?;
    let mut held = Vec::with_capacity(options.count);
    let mut errors = ErrorCounts::default();
    let opened = async {
        let begin = Instant::now();
        let mut opening = JoinSet::new();
        for number in 0..options.count {
            sleep_until(begin + Duration::from_secs_f64(number as f64 / f64::from(options.ramp))).await;
            let target = match options.stage {
                Stage::Publish => target.numbered(number)?,
                _ => target.clone(),
            };
            opening.spawn(open(target, options.stage, options.unfinished));
        }
        while let Some(opened) = opening.join_next().await {
            match opened {
                Ok(Ok(client)) => held.push(client),
                Ok(Err(error)) => errors.add(&error),
                Err(error) => errors.add(&error),
            }
        }
        sleep(SETTLE).await;
        if let Some(meter) = &mut meter {
            meter.restart()?;
        }
        sleep(options.seconds).await;
        Ok::<(), BenchError>(())
    };
    tokio::select! {
        result = opened => result?,
        () = stop => {}
    }
    Ok(report(options, held.len(), meter.as_ref(), errors)?)
}

fn report(
    options: &IdleOptions,
    connections: usize,
    meter: Option<&ProcessMeter>,
    errors: ErrorCounts,
) -> Result<IdleReport, ProcessError> {
    Ok(IdleReport {
        stage: options.stage,
        connections,
        failed: options.count.saturating_sub(connections),
        server: ServerUsage::of(meter, 0, connections)?,
        errors,
    })
}

async fn open(target: Target, stage: Stage, unfinished: u32) -> Result<Client, ClientError> {
    let mut client = match stage {
        Stage::Tcp => Client::dial(&target).await?,
        Stage::Handshake => Client::shake_hands(&target).await?,
        Stage::Connect | Stage::Publish | Stage::Play => {
            let (mut client, stream) = Client::open(&target).await?;
            match stage {
                Stage::Publish => client.publish(stream, &target).await?,
                Stage::Play => client.play(stream, &target, |_| {}).await?,
                _ => {}
            }
            client
        }
    };
    if unfinished > 0 {
        client
            .machine()
            .output()
            .extend_from_slice(&unfinished_messages(unfinished));
        client.flush().await?;
    }
    Ok(client)
}

/// Messages of which the last byte is missing, so many bytes together, each in one chunk of its own chunk stream (RTMP
/// 1.0 section 5.3.1).
fn unfinished_messages(len: u32) -> BytesMut {
    let each = (len / UNFINISHED).clamp(1, 0xFF_FFFF);
    let mut wire = BytesMut::new();
    // Set Chunk Size, on chunk stream 2.
    wire.put_slice(&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]);
    wire.put_u32(each);
    for number in 0..UNFINISHED {
        // A type 0 header in its form of two bytes: video, on message stream 1.
        wire.put_slice(&[0, number as u8]);
        wire.put_uint(0, 3);
        wire.put_uint(u64::from(each) + 1, 3);
        wire.put_u8(9);
        wire.put_u32_le(MessageStreamId::new(1).get());
        wire.put_bytes(0, each as usize);
    }
    wire
}

impl Report for IdleReport {
    fn failures(&self) -> Vec<String> {
        let Self { failed, .. } = self;
        let failed = (*failed > 0).then(|| format!("{failed} connections did not come so far"));
        failed.into_iter().chain(self.errors.lines()).collect()
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::default();
        let Self {
            stage,
            connections,
            failed,
            ..
        } = self;
        table.row(
            "connections",
            format_args!("{connections} left at {stage:?}, {failed} failed"),
        );
        if let Some(server) = &self.server {
            server.add_rows(&mut table);
        }
        table.fmt(f)
    }
}
