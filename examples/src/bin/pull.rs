//! Plays a stream from an RTMP server, and records it to an FLV file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rtmp_client::reconnect::ReconnectingPlayback;
use rtmp_client::{CloseReason, Error, MediaMessage, PlayRequest, PlayStart, RtmpUrl, WhenUnpublished};
use rtmp_core::flv::FlvRecorder;
use rtmp_examples::download::{Download, ResumeError};
use rtmp_examples::flv_output::{FlvOutput, OutputError};
use rtmp_examples::progress::Progress;
use rtmp_examples::tls::{ClientTls, TlsOptionsError};
use rtmp_examples::{failure, init_logging, reconnecting, seconds, stop_signal};

/// Plays a stream from an RTMP server, and records it to an FLV file.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The file to write, with an index for seeking; - for standard output; without it nothing is written
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Stop after so many seconds of media
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Play the recorded stream of the name, from this second on
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "reconnect")]
    start: Option<Duration>,

    /// Give up when no media come for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    timeout: Duration,

    /// Stay when the publisher leaves, and go on with the next one
    #[arg(long)]
    wait: bool,

    /// Connect again when the connection is lost, at most so many times in a row, and go on with the same file
    #[arg(long, value_name = "TIMES", num_args = 0..=1, require_equals = true)]
    reconnect: Option<Option<u32>>,

    /// Go on with the file of a recording's download that was broken off
    #[arg(long, requires = "output", conflicts_with_all = ["start", "duration", "wait", "reconnect"])]
    resume: bool,

    /// Show no progress
    #[arg(long)]
    quiet: bool,

    /// What to play, for example rtmp://localhost/live/cam
    url: RtmpUrl,

    #[command(flatten)]
    tls: ClientTls,
}

#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error("no TLS")]
    Tls(#[from] TlsOptionsError),
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Resume(#[from] ResumeError),
    #[error("only a file can be gone on with")]
    ResumeStdout,
    #[error("{url} is live, so nothing can go on with it")]
    ResumeLive { url: RtmpUrl },
    #[error("no media from {url} for {seconds} s")]
    Silent { url: RtmpUrl, seconds: f64 },
    #[error("{url} ended before any media came")]
    Empty { url: RtmpUrl },
}

// One connection has no use for more threads, and each message would go from one to the other.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    init_logging();
    match pull(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("pull", &error),
    }
}

async fn pull(options: Options) -> Result<(), PullError> {
    let mut progress = Progress::new(options.quiet);
    let resumed = match &options.output {
        Some(path) if options.resume && path == Path::new("-") => return Err(PullError::ResumeStdout),
        Some(path) if options.resume => Download::open(path).await?,
        _ => None,
    };
    let start = match &resumed {
        Some(download) => Some(download.start()),
        None if options.resume => Some(Duration::ZERO),
        None => options.start,
    };
    let mut playback = playback(&options, start, &progress)?;
    tokio::select! {
        connected = playback.connect() => connected?,
        () = stop_signal() => return Err(PullError::Empty { url: options.url }),
    }
    // Only now: a stream that is refused leaves no empty file, and does not truncate one that was there.
    let mut output = match (&options.output, resumed) {
        (_, Some(_)) if options.resume && !playback.is_recorded() => {
            return Err(PullError::ResumeLive { url: options.url });
        }
        (_, Some(download)) => Output::Resumed(Box::new(download)),
        (Some(path), None) => {
            // Who goes on with a recording later counts on its own times.
            let is_whole = playback.is_recorded() && options.start.is_none();
            let recorder = FlvRecorder::new().rebase(!is_whole);
            Output::New(Box::new(FlvOutput::create(path.clone(), recorder).await?))
        }
        (None, None) => Output::None,
    };
    let received = receive(&options, &mut playback, &mut output, &mut progress).await;
    // Whatever happened, what was received is kept.
    let written = match output {
        Output::New(output) => output.finish().await.map_err(PullError::from),
        Output::Resumed(download) => {
            let has_ended = matches!(received, Ok(End::OfStream));
            let written = download.finish(has_ended).await;
            if has_ended && matches!(written, Ok(false)) {
                progress.note("the file was complete already");
            }
            written.map(drop).map_err(PullError::from)
        }
        Output::None => Ok(()),
    };
    progress.finish("received");
    received?;
    written?;
    if !progress.has_media() {
        return Err(PullError::Empty { url: options.url });
    }
    playback.close().await?;
    Ok(())
}

/// Where media go.
enum Output {
    None,
    New(Box<FlvOutput>),
    Resumed(Box<Download>),
}

impl Output {
    async fn write(&mut self, message: &MediaMessage) -> Result<(), PullError> {
        if is_status(message) {
            return Ok(());
        }
        match self {
            Self::None => {}
            Self::New(output) => output.write(message).await?,
            Self::Resumed(download) => download.write(message).await?,
        }
        Ok(())
    }
}

/// Whether a data message tells the player how playback goes, and is no part of the stream.
fn is_status(message: &MediaMessage) -> bool {
    const STATUSES: [&[u8]; 2] = [b"\x02\0\x08onStatus", b"\x02\0\x0ConPlayStatus"];
    message.kind.is_data() && STATUSES.iter().any(|name| message.payload.starts_with(name))
}

/// Why nothing more is received.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It has ended.
    OfStream,
    /// The user has seen enough.
    OfInterest,
}

/// A recording comes as fast as it goes, and not as it is shown.
const ALL_AT_ONCE: Duration = Duration::from_secs(36_000);

fn playback(
    options: &Options,
    start: Option<Duration>,
    progress: &Progress,
) -> Result<ReconnectingPlayback, PullError> {
    let mut request = PlayRequest::new("");
    if let Some(start) = start {
        request = request.start(PlayStart::Recorded(start));
    }
    let then = if options.wait {
        WhenUnpublished::Wait
    } else {
        WhenUnpublished::End
    };
    let policy = reconnecting::policy(options.reconnect, progress);
    let mut builder = options.tls.builder()?;
    if options.output.is_some() {
        builder = builder.buffer_length(ALL_AT_ONCE);
    }
    let playback = ReconnectingPlayback::new(builder, options.url.clone(), policy)?;
    Ok(playback.request(request).when_unpublished(then))
}

/// Receives until the stream ends, the user stops it, or enough has come.
async fn receive(
    options: &Options,
    playback: &mut ReconnectingPlayback,
    output: &mut Output,
    progress: &mut Progress,
) -> Result<End, PullError> {
    let stop = stop_signal();
    tokio::pin!(stop);
    let mut first = None;
    loop {
        let connection = playback.connection();
        let next = tokio::select! {
            () = &mut stop => return Ok(End::OfInterest),
            next = tokio::time::timeout(options.timeout, playback.recv()) => next,
        };
        let Ok(next) = next else {
            // The time without a connection does not count.
            if playback.conn().is_none() || playback.connection() != connection {
                continue;
            }
            let seconds = options.timeout.as_secs_f64();
            return Err(PullError::Silent {
                url: options.url.clone(),
                seconds,
            });
        };
        let message = match next {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(End::OfStream),
            // Many servers end a stream like this, without a word. A download may be far from its end then.
            Err(Error::Closed {
                reason: CloseReason::PeerClosed,
                ..
            }) if progress.has_media() && !options.resume => return Ok(End::OfStream),
            Err(error) => return Err(error.into()),
        };
        let media_time = media_time(playback, &message, &mut first);
        if options.duration.is_some_and(|limit| media_time >= limit) {
            return Ok(End::OfInterest);
        }
        if let Some(duration) = playback.duration() {
            let begin = options.start.unwrap_or(match output {
                Output::Resumed(download) => download.start(),
                _ => Duration::ZERO,
            });
            progress.begin(duration, begin.min(duration));
        }
        output.write(&message).await?;
        progress.count(&message, media_time);
        progress.show("");
    }
}

/// The time since the first coded frame, on a clock that does not wrap.
fn media_time(
    playback: &ReconnectingPlayback,
    message: &MediaMessage,
    first: &mut Option<Duration>,
) -> Duration {
    if first.is_none() && message.is_coded_frames() {
        *first = Some(playback.time());
    }
    first.map_or(Duration::ZERO, |first| playback.time().saturating_sub(first))
}
