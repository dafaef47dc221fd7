//! Plays a stream from an RTMP server, and records it to an FLV file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rtmp_client::{
    ClientConn, CloseReason, ConnectRequest, Error, MediaMessage, PlayRequest, PlayStart, Playback, RtmpUrl,
    WhenUnpublished,
};
use rtmp_examples::flv_output::{FlvOutput, OutputError};
use rtmp_examples::progress::Progress;
use rtmp_examples::{failure, init_logging, seconds, stop_signal};

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
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    start: Option<Duration>,

    /// Give up when no media come for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    timeout: Duration,

    /// Stay when the publisher leaves, and go on with the next one
    #[arg(long)]
    wait: bool,

    /// Show no progress
    #[arg(long)]
    quiet: bool,

    /// What to play, for example rtmp://localhost/live/cam
    url: RtmpUrl,
}

#[derive(Debug, thiserror::Error)]
enum PullError {
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
    let (conn, mut playback) = play(&options, &progress).await?;
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
    drop(playback);
    conn.close().await?;
    Ok(())
}

async fn play(options: &Options, progress: &Progress) -> Result<(ClientConn, Playback), Error> {
    let name = options
        .url
        .stream_name_with_query()
        .ok_or(Error::MissingStreamName)?;
    let mut request = PlayRequest::new(name);
    if let Some(start) = options.start {
        request = request.start(PlayStart::Recorded(start));
    }
    progress.say(format_args!("dialling {}", options.url));
    let conn = ClientConn::dial(options.url.clone()).await?;
    progress.say("connecting");
    conn.connect(ConnectRequest::default()).await?;
    let stream = conn.create_stream().await?;
    progress.say("asking to play");
    let playback = stream.play(request).await?;
    progress.say("waiting for media");
    let then = if options.wait {
        WhenUnpublished::Wait
    } else {
        WhenUnpublished::End
    };
    Ok((conn, playback.when_unpublished(then)))
}

/// Receives until the stream ends, the user stops it, or enough has come.
async fn receive(
    options: &Options,
    playback: &mut Playback,
    mut output: Option<&mut FlvOutput>,
    progress: &mut Progress,
) -> Result<(), PullError> {
    let stop = stop_signal();
    tokio::pin!(stop);
    let mut first = None;
    loop {
        let next = tokio::select! {
            () = &mut stop => return Ok(()),
            next = tokio::time::timeout(options.timeout, playback.recv()) => next,
        };
        let Ok(next) = next else {
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
fn media_time(playback: &Playback, message: &MediaMessage, first: &mut Option<Duration>) -> Duration {
    if first.is_none() && message.is_coded_frames() {
        *first = Some(playback.time());
    }
    first.map_or(Duration::ZERO, |first| playback.time().saturating_sub(first))
}
