//! Plays a stream from an RTMP server, and records it to an FLV file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rtmp_client::reconnect::ReconnectingPlayback;
use rtmp_client::{CloseReason, Error, MediaMessage, PlayRequest, PlayStart, RtmpUrl, WhenUnpublished};
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
    #[error("no media from {url} for {seconds} s")]
    Silent { url: RtmpUrl, seconds: f64 },
    #[error("{url} ended before any media came")]
    Empty { url: RtmpUrl },
}

#[tokio::main]
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
    let mut playback = playback(&options, &progress)?;
    tokio::select! {
        connected = playback.connect() => connected?,
        () = stop_signal() => return Err(PullError::Empty { url: options.url }),
    }
    // Only now: a stream that is refused leaves no empty file, and does not truncate one that was there.
    let mut output = match &options.output {
        Some(path) => Some(FlvOutput::create(path.clone()).await?),
        None => None,
    };
    let received = receive(&options, &mut playback, output.as_mut(), &mut progress).await;
    // Whatever happened, what was received is kept.
    let written = match output {
        Some(output) => output.finish().await,
        None => Ok(()),
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

fn playback(options: &Options, progress: &Progress) -> Result<ReconnectingPlayback, PullError> {
    let mut request = PlayRequest::new("");
    if let Some(start) = options.start {
        request = request.start(PlayStart::Recorded(start));
    }
    let then = if options.wait {
        WhenUnpublished::Wait
    } else {
        WhenUnpublished::End
    };
    let policy = reconnecting::policy(options.reconnect, progress);
    let playback = ReconnectingPlayback::new(options.tls.builder()?, options.url.clone(), policy)?;
    Ok(playback.request(request).when_unpublished(then))
}

/// Receives until the stream ends, the user stops it, or enough has come.
async fn receive(
    options: &Options,
    playback: &mut ReconnectingPlayback,
    mut output: Option<&mut FlvOutput>,
    progress: &mut Progress,
) -> Result<(), PullError> {
    let stop = stop_signal();
    tokio::pin!(stop);
    let mut first = None;
    loop {
        let connection = playback.connection();
        let next = tokio::select! {
            () = &mut stop => return Ok(()),
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
            Ok(None) => return Ok(()),
            // Many servers end a stream like this, without a word.
            Err(Error::Closed {
                reason: CloseReason::PeerClosed,
                ..
            }) if progress.has_media() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let media_time = media_time(playback, &message, &mut first);
        if options.duration.is_some_and(|limit| media_time >= limit) {
            return Ok(());
        }
        if let Some(output) = output.as_deref_mut() {
            output.write(&message).await?;
        }
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
