//! Live progress: a line that is rewritten on a terminal, plain lines elsewhere.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rtmp_core::{MediaKind, MediaMessage};
use tokio::time::Instant;

const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far a transfer is, on standard error.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    begun: Instant,
    last_shown: Option<Instant>,
    media_time: Duration,
    /// How long all of it is, if that is known, and how much of that was there before.
    total: Option<Duration>,
    done: Duration,
    bytes: u64,
    video_frames: u64,
    audio_frames: u64,
}

/// Where progress is shown.
#[derive(Clone, Debug)]
enum Output {
    Quiet,
    Terminal(ProgressBar),
    Plain,
}

impl Progress {
    /// Progress with its first message, for example `connecting`; none if `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let output = if quiet {
            Output::Quiet
        } else if stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            // The template is a constant without placeholders that could be wrong.
            bar.set_style(ProgressStyle::default_spinner());
            bar.enable_steady_tick(TERMINAL_INTERVAL);
            Output::Terminal(bar)
        } else {
            Output::Plain
        };
        Self {
            output,
            begun: Instant::now(),
            last_shown: None,
            media_time: Duration::ZERO,
            total: None,
            done: Duration::ZERO,
            bytes: 0,
            video_frames: 0,
            audio_frames: 0,
        }
    }

    /// Says what is being done.
    pub fn say(&self, what: impl fmt::Display) {
        match &self.output {
            Output::Quiet => {}
            Output::Terminal(bar) => bar.set_message(what.to_string()),
            Output::Plain => eprintln!("{what}"),
        }
    }

    /// Says something in a line that stays.
    pub fn note(&self, what: impl fmt::Display) {
        self.voice().note(what);
    }

    /// Says things from elsewhere, while the progress goes on.
    #[must_use]
    pub fn voice(&self) -> Voice {
        Voice(self.output.clone())
    }

    /// The transfer is of media that last so long, of which `done` is there already.
    pub fn begin(&mut self, duration: Duration, done: Duration) {
        if self.total.replace(duration).is_none()
            && let Output::Terminal(bar) = &self.output
        {
            bar.set_length(millis(duration));
            // The template is a constant without placeholders that could be wrong.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}") {
                bar.set_style(style);
            }
        }
        self.done = done;
    }

    /// Counts a message that is at `media_time` since the transfer's first.
    pub fn count(&mut self, message: &MediaMessage, media_time: Duration) {
        self.media_time = self.media_time.max(media_time);
        self.bytes += message.payload.len() as u64;
        match message.kind {
            MediaKind::Video if message.is_coded_frames() => self.video_frames += 1,
            MediaKind::Audio if message.is_coded_frames() => self.audio_frames += 1,
            _ => {}
        }
    }

    /// Shows the figures if it is time to; `extra` is what only the caller knows.
    pub fn show(&mut self, extra: impl fmt::Display) {
        let interval = match &self.output {
            Output::Quiet => return,
            Output::Terminal(_) => TERMINAL_INTERVAL,
            Output::Plain => PLAIN_INTERVAL,
        };
        let now = Instant::now();
        if self.last_shown.is_none_or(|last| now - last >= interval) {
            self.last_shown = Some(now);
            if let (Output::Terminal(bar), Some(_)) = (&self.output, self.total) {
                bar.set_position(millis(self.done + self.media_time));
            }
            self.say(format_args!("{self}{extra}"));
        }
    }

    /// Shows the final figures, which stay.
    pub fn finish(&self, what: &str) {
        let line = format!("{what}: {self}");
        match &self.output {
            Output::Quiet => {}
            Output::Terminal(bar) => {
                bar.finish_and_clear();
                eprintln!("{line}");
            }
            Output::Plain => eprintln!("{line}"),
        }
    }

    /// Whether any audio, video or data were counted.
    #[must_use]
    pub fn has_media(&self) -> bool {
        self.bytes > 0
    }
}

/// What can be said beside the figures, from [`Progress::voice`].
#[derive(Clone, Debug)]
pub struct Voice(Output);

impl Voice {
    /// Says what happens, in a line that stays.
    pub fn note(&self, what: impl fmt::Display) {
        match &self.0 {
            Output::Quiet => {}
            Output::Terminal(bar) => bar.println(what.to_string()),
            Output::Plain => eprintln!("{what}"),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.begun.elapsed().as_secs_f64().max(0.001);
        let megabits = self.bytes as f64 * 8.0 / elapsed / 1e6;
        write!(f, "{}", Clock(self.done + self.media_time))?;
        if let Some(total) = self.total {
            write!(f, " of {}", Clock(total))?;
        }
        write!(
            f,
            "  {megabits:.2} Mb/s  {} video, {} audio frames",
            self.video_frames, self.audio_frames,
        )
    }
}

/// Hours, minutes and seconds.
struct Clock(Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let (hours, minutes) = ((seconds / 3600.0) as u64, (seconds / 60.0) as u64 % 60);
        write!(f, "{hours:02}:{minutes:02}:{:04.1}", seconds % 60.0)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
