//! Commands of a stream, `publish` and `play` above all (RTMP 1.0 section 7.2.2).

use std::fmt;
use std::time::Duration;

use rtmp_amf::AmfString;
use rtmp_amf::amf0::Value;

use super::Command;

/// What a publisher wants done with its stream, the second argument of `publish` (section 7.2.2.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishKind {
    /// Pass it on and keep nothing.
    #[default]
    Live,
    /// Record it, replacing an earlier recording.
    Record,
    /// Record it behind an earlier recording.
    Append,
    /// Some other word.
    Other(String),
}

impl PublishKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Live => "live",
            Self::Record => "record",
            Self::Append => "append",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for PublishKind {
    fn from(word: &str) -> Self {
        match word {
            "live" => Self::Live,
            "record" => Self::Record,
            "append" => Self::Append,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The arguments of `publish`: which stream, and what to do with it (section 7.2.2.6).
///
/// ```
/// use rtmp_core::message::{PublishKind, PublishRequest};
///
/// let request = PublishRequest::new("cam?token=t0k3n", PublishKind::Live);
/// assert_eq!((request.stream_name(), request.query()), ("cam", Some("token=t0k3n")));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublishRequest {
    name: String,
    kind: PublishKind,
}

impl PublishRequest {
    /// Asks to publish under this name, which goes out byte for byte and may have a query.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: PublishKind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }

    /// The name as it was sent, with its query. It is often a secret and `Debug` shortens it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name up to its first question mark.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        split_query(&self.name).0
    }

    /// What stands behind the first question mark of the name.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        split_query(&self.name).1
    }

    /// What to do with the stream.
    #[must_use]
    pub fn kind(&self) -> &PublishKind {
        &self.kind
    }

    /// Reads the arguments; `None` if the name is no text. A kind that is missing or no text means live: some
    /// hardware encoders leave it out.
    #[must_use]
    pub fn from_command(command: &Command) -> Option<Self> {
        let name = command.text_argument(0)?.to_owned();
        let kind = command
            .text_argument(1)
            .map_or(PublishKind::Live, PublishKind::from);
        Some(Self { name, kind })
    }

    /// The command.
    #[must_use]
    pub fn to_command(&self) -> Command {
        Command::new(AmfString::from_static("publish"))
            .with_argument(self.name.as_str())
            .with_argument(self.kind.as_str())
    }
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Shortened(&self.name);
        f.debug_struct("PublishRequest")
            .field("name", &name)
            .field("kind", &self.kind)
            .finish()
    }
}

/// Where playback begins, the second argument of `play` (section 7.2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayStart {
    /// The live stream of the name; if there is none, the recording; if there is none, wait for the live stream.
    #[default]
    LiveOrRecorded,
    /// The live stream only.
    Live,
    /// The recording, from this position.
    Recorded(Duration),
}

/// The arguments of `play`: which stream, from where, for how long (section 7.2.2.1).
///
/// ```
/// use std::time::Duration;
/// use rtmp_core::message::{PlayRequest, PlayStart};
///
/// let request = PlayRequest::new("cam").start(PlayStart::Live).duration(Duration::from_secs(10));
/// assert_eq!(PlayRequest::from_command(&request.to_command()), Some(request));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PlayRequest {
    name: String,
    start: PlayStart,
    duration: Option<Duration>,
    reset: bool,
}

impl PlayRequest {
    /// Asks for the stream of this name, live or recorded, from its beginning to its end. The name goes out byte for
    /// byte and may have a query.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            start: PlayStart::default(),
            duration: None,
            reset: true,
        }
    }

    /// Asks for another stream instead.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets where playback begins.
    #[must_use]
    pub fn start(mut self, start: PlayStart) -> Self {
        self.start = start;
        self
    }

    /// Ends playback after this time; zero asks for a single frame. Whole milliseconds go on the wire.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Whether the request empties the playlist (the default) or is appended to it.
    #[must_use]
    pub fn reset(mut self, reset: bool) -> Self {
        self.reset = reset;
        self
    }

    /// The name as it was sent, with its query. It is often a secret and `Debug` shortens it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name up to its first question mark.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        split_query(&self.name).0
    }

    /// What stands behind the first question mark of the name.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        split_query(&self.name).1
    }

    /// Where playback begins.
    #[must_use]
    pub fn play_start(&self) -> PlayStart {
        self.start
    }

    /// After which time playback ends, if not with the stream.
    #[must_use]
    pub fn play_duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Whether the playlist is emptied first.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.reset
    }

    /// Reads the arguments; `None` if the name is no text. Odd numbers count as absent.
    ///
    /// The specification gives start and duration in seconds, and every implementation sends milliseconds; but for
    /// the two special values of start, which some send as -2 and -1, others as -2000 and -1000.
    #[must_use]
    pub fn from_command(command: &Command) -> Option<Self> {
        let start = match command.number_argument(1) {
            Some(millis) if millis >= 0.0 => PlayStart::Recorded(duration_from_millis(millis)),
            Some(special) if special == -1.0 || special == -1000.0 => PlayStart::Live,
            _ => PlayStart::LiveOrRecorded,
        };
        let duration = command
            .number_argument(2)
            .filter(|&millis| millis >= 0.0)
            .map(duration_from_millis);
        // As a number it is two flags: 1 empties the playlist, 2 asks for all messages at once.
        let reset = match command.argument(3) {
            Some(Value::Number(number)) => number % 2.0 != 0.0,
            other => other.and_then(Value::to_boolean).unwrap_or(true),
        };
        Some(Self {
            name: command.text_argument(0)?.to_owned(),
            start,
            duration,
            reset,
        })
    }

    /// The command. Arguments that have their default value at the end are left out.
    #[must_use]
    pub fn to_command(&self) -> Command {
        let start = match self.start {
            PlayStart::LiveOrRecorded => -2000.0,
            PlayStart::Live => -1000.0,
            PlayStart::Recorded(position) => position.as_millis() as f64,
        };
        let mut command = Command::new(AmfString::from_static("play"))
            .with_argument(self.name.as_str())
            .with_argument(start);
        if self.duration.is_some() || !self.reset {
            let millis = self
                .duration
                .map_or(-1000.0, |duration| duration.as_millis() as f64);
            command = command.with_argument(millis);
        }
        if !self.reset {
            command = command.with_argument(false);
        }
        command
    }
}

impl fmt::Debug for PlayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayRequest")
            .field("name", &Shortened(&self.name))
            .field("start", &self.start)
            .field("duration", &self.duration)
            .field("reset", &self.reset)
            .finish()
    }
}

/// A stream name and its query.
pub(crate) fn split_query(name: &str) -> (&str, Option<&str>) {
    match name.split_once('?') {
        Some((name, query)) => (name, Some(query)),
        None => (name, None),
    }
}

/// A duration from a non-negative number of milliseconds on the wire; a huge one saturates.
pub(crate) fn duration_from_millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX)
}

/// Prints no more of a stream name than is needed to tell two apart: it is often the password.
pub struct Shortened<'a>(pub &'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.split('?').next().unwrap_or_default();
        let shown = name.len().min(16).min(name.len().div_ceil(2).max(4));
        let end = name
            .char_indices()
            .map(|(at, c)| at.saturating_add(c.len_utf8()))
            .take_while(|&end| end <= shown)
            .last();
        let head = name.get(..end.unwrap_or(0)).unwrap_or_default();
        write!(f, "{}", head.escape_debug())?;
        if head.len() < self.0.len() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(arguments: &[Value]) -> PlayRequest {
        let mut command = Command::new("play");
        command.arguments = arguments.to_vec();
        PlayRequest::from_command(&command).unwrap()
    }

    #[test]
    fn both_notations_of_the_special_starts_are_read() {
        for start in [-2.0, -2000.0, f64::NAN, f64::NEG_INFINITY, -1e308] {
            assert_eq!(
                play(&["cam".into(), start.into()]).start,
                PlayStart::LiveOrRecorded
            );
        }
        for start in [-1.0, -1000.0] {
            assert_eq!(play(&["cam".into(), start.into()]).start, PlayStart::Live);
        }
        let recorded = play(&["cam".into(), 1500.0.into()]);
        assert_eq!(recorded.start, PlayStart::Recorded(Duration::from_millis(1500)));
    }

    #[test]
    fn reset_may_be_a_boolean_or_a_number() {
        let with = |reset: Value| play(&["cam".into(), (-2.0).into(), (-1.0).into(), reset]).reset;
        assert!(with(true.into()) && with(1.0.into()) && with(3.0.into()) && with(Value::Null));
        assert!(!with(false.into()) && !with(0.0.into()) && !with(2.0.into()));
    }

    #[test]
    fn a_publish_without_kind_is_live_and_one_without_name_is_none() {
        let command = Command::new("publish").with_argument("cam?t=1");
        let request = PublishRequest::from_command(&command).unwrap();
        assert_eq!(request, PublishRequest::new("cam?t=1", PublishKind::Live));
        assert_eq!(
            PublishRequest::from_command(&Command::new("publish").with_argument(Value::Null)),
            None
        );
    }

    #[test]
    fn debug_output_keeps_the_stream_name_to_itself() {
        let shown = format!("{:?}", PlayRequest::new("secret-stream-key?token=hush"));
        assert!(
            shown.contains("secret-st…") && !shown.contains("key") && !shown.contains("hush"),
            "{shown}"
        );
        assert_eq!(Shortened("cam").to_string(), "cam");
        assert_eq!(Shortened("cam?x").to_string(), "cam…");
    }
}
