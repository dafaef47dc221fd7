//! Publishes an FLV file to an RTMP server, at the speed it would be played.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rtmp_client::reconnect::{ReconnectingPublisher, WhenDown};
use rtmp_client::{MediaKind, MediaMessage, RtmpUrl, Timestamp};
use rtmp_core::flv::{Configuration, with_set_data_frame};
use rtmp_examples::flv_input::{FlvInput, InputError, InputPath, LoopClock};
use rtmp_examples::progress::Progress;
use rtmp_examples::tls::{ClientTls, TlsOptionsError};
use rtmp_examples::{failure, init_logging, reconnecting, seconds, stop_signal};
use tokio::time::{Instant, sleep_until};

/// Publishes an FLV file to an RTMP server, at the speed it would be played.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Send as fast as the server takes it
    #[arg(long)]
    fast: bool,

    /// Publish the file this many times, one behind the other
    #[arg(long = "loop", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Begin with the first keyframe at this second of the file
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    start: Option<Duration>,

    /// Stop after so many seconds of media
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Connect again when the connection is lost, at most so many times in a row; what is to be sent meanwhile is dropped,
    /// or waits with --fast
    #[arg(long, value_name = "TIMES", num_args = 0..=1, require_equals = true)]
    reconnect: Option<Option<u32>>,

    /// Show no progress
    #[arg(long)]
    quiet: bool,

    /// The file; - for standard input
    file: PathBuf,

    /// Where to publish, for example rtmp://localhost/live/cam
    url: RtmpUrl,

    #[command(flatten)]
    tls: ClientTls,
}

#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("no TLS")]
    Tls(#[from] TlsOptionsError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Client(#[from] rtmp_client::Error),
    #[error("{0} has no audio and no video")]
    Empty(InputPath),
    #[error("standard input can be read only once")]
    LoopedStdin,
}

// One connection has no use for more threads, and each message would go from one to the other.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    init_logging();
    match push(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("push", &error),
    }
}

async fn push(options: Options) -> Result<(), PushError> {
    let path = InputPath::from(options.file.clone());
    if path.is_stdin() && options.rounds > 1 {
        return Err(PushError::LoopedStdin);
    }
    // Before anything is dialled: a wrong file is found out without a server.
    let mut reader = Reader::new(path.clone(), options.start).await?;
    let Some(first) = reader.next().await? else {
        return Err(PushError::Empty(path));
    };

    let mut progress = Progress::new(options.quiet);
    let policy = reconnecting::policy(options.reconnect, &progress);
    let when_down = if options.fast {
        WhenDown::Wait
    } else {
        WhenDown::Drop
    };
    let mut publisher =
        ReconnectingPublisher::new(options.tls.builder()?, options.url.clone(), policy)?.when_down(when_down);
    let sent = async {
        publisher.connect().await?;
        let mut sender = Sender {
            publisher: &mut publisher,
            pace: Pace::new(options.fast),
            progress: &mut progress,
        };
        let mut message = Some(first);
        for round in 1..=options.rounds {
            while let Some(next) = message.take() {
                if options
                    .duration
                    .is_some_and(|limit| sender.pace.media_time(next.timestamp) >= limit)
                {
                    return Ok(());
                }
                sender.send(next).await?;
                message = reader.next().await?;
            }
            if round < options.rounds {
                reader.rewind().await?;
                message = reader.next().await?;
            }
        }
        Ok::<(), PushError>(())
    };
    tokio::select! {
        result = sent => result?,
        () = stop_signal() => {}
    }
    publisher.finish().await?;
    progress.finish("sent");
    Ok(())
}

/// Reads the file as often as it is asked to, from the wanted position on.
struct Reader {
    path: InputPath,
    input: FlvInput,
    clock: LoopClock,
    start: Option<Duration>,
    /// No frame has been read yet in this round.
    seeking: bool,
    has_video: bool,
}

impl Reader {
    async fn new(path: InputPath, start: Option<Duration>) -> Result<Self, InputError> {
        let input = FlvInput::open(path.clone()).await?;
        Ok(Self {
            path,
            input,
            clock: LoopClock::default(),
            start,
            seeking: start.is_some(),
            has_video: false,
        })
    }

    /// The next message that is wanted, on a clock that goes on over all rounds.
    async fn next(&mut self) -> Result<Option<MediaMessage>, InputError> {
        while let Some(message) = self.input.next().await? {
            self.has_video |= message.kind == MediaKind::Video;
            if self.seeking && message.configurations().next().is_none() {
                let begins = if self.has_video {
                    message.is_keyframe()
                } else {
                    message.is_coded_frames()
                };
                let at = Duration::from_millis(message.timestamp.as_millis().into());
                if !begins || self.start.is_some_and(|start| at < start) {
                    continue;
                }
                self.seeking = false;
            }
            return Ok(Some(self.clock.place(for_server(message))));
        }
        Ok(None)
    }

    async fn rewind(&mut self) -> Result<(), InputError> {
        self.input = FlvInput::open(self.path.clone()).await?;
        self.clock.next_round();
        self.seeking = self.start.is_some();
        Ok(())
    }
}

/// Servers keep metadata for those who join later only if they are told to.
fn for_server(message: MediaMessage) -> MediaMessage {
    if message
        .configurations()
        .any(|configuration| configuration == Configuration::Metadata)
    {
        MediaMessage {
            payload: with_set_data_frame(&message.payload),
            ..message
        }
    } else {
        message
    }
}

struct Sender<'a> {
    publisher: &'a mut ReconnectingPublisher,
    pace: Pace,
    progress: &'a mut Progress,
}

impl Sender<'_> {
    async fn send(&mut self, message: MediaMessage) -> Result<(), rtmp_client::Error> {
        self.pace.wait(message.timestamp).await;
        let dropped = self.publisher.dropped();
        self.publisher.send(message.clone()).await?;
        if self.publisher.dropped() == dropped {
            self.progress
                .count(&message, self.pace.media_time(message.timestamp));
        }
        let figures = self.publisher.progress();
        let queued = figures.bytes_queued >> 10;
        match self.publisher.dropped() {
            0 => self.progress.show(format_args!("  {queued} KiB queued")),
            dropped => self
                .progress
                .show(format_args!("  {queued} KiB queued, {dropped} messages dropped")),
        }
        Ok(())
    }
}

/// Holds messages back until it is their time.
struct Pace {
    fast: bool,
    begun: Option<(Instant, Timestamp)>,
}

impl Pace {
    fn new(fast: bool) -> Self {
        Self { fast, begun: None }
    }

    /// The time since the first message; a step back before it counts as none.
    fn media_time(&self, timestamp: Timestamp) -> Duration {
        let first = self.begun.map_or(timestamp, |(_, first)| first);
        Duration::from_millis(u64::try_from(timestamp.signed_millis_since(first)).unwrap_or(0))
    }

    async fn wait(&mut self, timestamp: Timestamp) {
        let (begun, _) = *self.begun.get_or_insert_with(|| (Instant::now(), timestamp));
        if !self.fast {
            sleep_until(begun + self.media_time(timestamp)).await;
        }
    }
}
