//! `play2`: going over to another stream without a break (RTMP 1.0 section 7.2.2.2). Its argument is the object
//! `NetStreamPlayOptions` of ActionScript 3.0, whose times are in seconds.

use std::fmt;
use std::time::Duration;

use rtmp_amf::AmfString;
use rtmp_amf::amf0::{Object, Value};

use super::net_stream::split_query;
use super::{Command, PlayRequest, PlayStart, Shortened};

/// How a player goes over to another stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transition {
    /// Plays the other stream behind what is in the playlist, as `play` does without reset.
    Append,
    /// The same, but does not begin to play a playlist that was empty.
    AppendAndWait,
    /// Empties the playlist and plays the other stream, as `play` does with reset.
    Reset,
    /// Takes up a stream over a new connection, at the [offset](PlayOptions::offset) where the one before left off.
    Resume,
    /// Stops and empties the playlist, as `play(false)` does; no stream need be named.
    Stop,
    /// Puts another stream in the place of the [one that is left](PlayOptions::leaving), and keeps the rest of the
    /// playlist. What is played now is left at once.
    Swap,
    /// Goes over to a stream of the same content, mostly at another bit rate, at a keyframe: as soon as there is one, or
    /// at the [offset](PlayOptions::offset).
    #[default]
    Switch,
    /// Some other word.
    Other(String),
}

impl Transition {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Append => "append",
            Self::AppendAndWait => "appendAndWait",
            Self::Reset => "reset",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Swap => "swap",
            Self::Switch => "switch",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for Transition {
    fn from(word: &str) -> Self {
        match word {
            "append" => Self::Append,
            "appendAndWait" => Self::AppendAndWait,
            "reset" => Self::Reset,
            "resume" => Self::Resume,
            "stop" => Self::Stop,
            "swap" => Self::Swap,
            "switch" => Self::Switch,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The argument of `play2`: which stream to play instead, and how to go over to it.
#[derive(Clone, PartialEq)]
pub struct PlayOptions {
    name: String,
    old_name: Option<String>,
    transition: Transition,
    start: PlayStart,
    duration: Option<Duration>,
    offset: Option<Duration>,
    /// Everything else that was sent, in order.
    properties: Object,
}

impl PlayOptions {
    /// Goes over to the stream of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, transition: Transition) -> Self {
        Self {
            name: name.into(),
            old_name: None,
            transition,
            start: PlayStart::default(),
            duration: None,
            offset: None,
            properties: Object::new(),
        }
    }

    /// Stops and empties the playlist.
    #[must_use]
    pub fn stop() -> Self {
        Self::new("", Transition::Stop)
    }

    /// Names the stream that is left, as [`Transition::Swap`] needs it.
    #[must_use]
    pub fn leaving(mut self, old_name: impl Into<String>) -> Self {
        self.old_name = Some(old_name.into());
        self
    }

    /// Sets where the other stream begins (`start`). [`Transition::Switch`] and [`Transition::Swap`] of what is played
    /// have another rule.
    #[must_use]
    pub fn start(mut self, start: PlayStart) -> Self {
        self.start = start;
        self
    }

    /// Ends playback of the other stream after this time (`len`); zero asks for a single frame.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Sets the time of the stream at which the server goes over (`offset`); otherwise it does so as soon as it can. For
    /// [`Transition::Resume`] it is where the stream is taken up.
    #[must_use]
    pub fn offset(mut self, time: Duration) -> Self {
        self.offset = Some(time);
        self
    }

    /// Sets a further property.
    #[must_use]
    pub fn property(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.properties.insert(key, value.into());
        self
    }

    /// The name of the stream to play. It is often a secret and `Debug` shortens it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the stream that is left.
    #[must_use]
    pub fn old_name(&self) -> Option<&str> {
        self.old_name.as_deref()
    }

    /// How to go over to it.
    #[must_use]
    pub fn transition(&self) -> &Transition {
        &self.transition
    }

    /// Where the other stream begins.
    #[must_use]
    pub fn play_start(&self) -> PlayStart {
        self.start
    }

    /// After which time playback of the other stream ends, if not with it.
    #[must_use]
    pub fn play_duration(&self) -> Option<Duration> {
        self.duration
    }

    /// The time of the stream at which the server is to go over.
    #[must_use]
    pub fn play_offset(&self) -> Option<Duration> {
        self.offset
    }

    /// The name of the stream to play up to its first question mark.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        split_query(&self.name).0
    }

    /// The `play` that asks for the other stream. [`Transition::Append`] and [`Transition::AppendAndWait`] keep the
    /// playlist; one that resumes begins at the offset.
    #[must_use]
    pub fn to_play_request(&self) -> PlayRequest {
        let start = match (&self.transition, self.offset) {
            (Transition::Resume, Some(offset)) => PlayStart::Recorded(offset),
            _ => self.start,
        };
        let is_appended = matches!(self.transition, Transition::Append | Transition::AppendAndWait);
        let request = PlayRequest::new(self.name.as_str())
            .start(start)
            .reset(!is_appended);
        match self.duration {
            Some(duration) => request.duration(duration),
            None => request,
        }
    }

    /// A further property.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties.get(key)
    }

    /// Reads the argument; `None` if it is no object, or names no stream though it does not stop. Odd numbers count as
    /// absent.
    #[must_use]
    pub fn from_command(command: &Command) -> Option<Self> {
        let mut properties = command.argument(0)?.as_object()?.clone();
        let mut number = |key| properties.remove(key).and_then(|value| value.as_number());
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let start = match number("start") {
            Some(at) if at >= 0.0 => PlayStart::Recorded(seconds(at)),
            Some(-1.0) => PlayStart::Live,
            _ => PlayStart::LiveOrRecorded,
        };
        let duration = number("len").filter(|&len| len >= 0.0).map(seconds);
        let offset = number("offset").filter(|&at| at >= 0.0).map(seconds);
        let mut take = |key| {
            properties
                .remove(key)
                .and_then(|value| value.as_str().map(str::to_owned))
        };
        let name = take("streamName").unwrap_or_default();
        let old_name = take("oldStreamName").filter(|name| !name.is_empty());
        let transition =
            take("transition").map_or(Transition::Switch, |word| Transition::from(word.as_str()));
        if name.is_empty() && transition != Transition::Stop {
            return None;
        }
        Some(Self {
            start,
            duration,
            offset,
            name,
            old_name,
            transition,
            properties,
        })
    }

    /// The command.
    #[must_use]
    pub fn to_command(&self) -> Command {
        let mut object = Object::new().with("streamName", self.name.as_str());
        if let Some(old_name) = &self.old_name {
            object.push("oldStreamName", old_name.as_str());
        }
        object.push("transition", self.transition.as_str());
        match self.start {
            PlayStart::LiveOrRecorded => {}
            PlayStart::Live => object.push("start", -1.0),
            PlayStart::Recorded(at) => object.push("start", at.as_secs_f64()),
        }
        for (key, time) in [("len", self.duration), ("offset", self.offset)] {
            if let Some(time) = time {
                object.push(key, time.as_secs_f64());
            }
        }
        for (key, value) in &self.properties {
            object.push(key.clone(), value.clone());
        }
        Command::new(AmfString::from_static("play2")).with_argument(object)
    }
}

impl fmt::Debug for PlayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayOptions")
            .field("name", &Shortened(&self.name))
            .field("transition", &self.transition)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_way_there_and_back() {
        let options = PlayOptions::new("cam_low", Transition::Swap)
            .leaving("cam_high")
            .start(PlayStart::Recorded(Duration::from_millis(1500)))
            .duration(Duration::from_secs(9))
            .offset(Duration::from_millis(3500))
            .property("more", 3.5);
        assert_eq!(PlayOptions::from_command(&options.to_command()), Some(options));
        let stop = PlayOptions::stop();
        assert_eq!(PlayOptions::from_command(&stop.to_command()), Some(stop));
    }

    /// What ActionScript sends if nothing but the names is set.
    #[test]
    fn numbers_below_zero_are_defaults_and_times_are_seconds() {
        let object = Object::new()
            .with("len", -1.0)
            .with("offset", -1.0)
            .with("oldStreamName", "")
            .with("start", -2.0)
            .with("streamName", "cam")
            .with("transition", "switch");
        let options = PlayOptions::from_command(&Command::new("play2").with_argument(object)).unwrap();
        assert_eq!(options, PlayOptions::new("cam", Transition::Switch));
        let timed =
            |transition| PlayOptions::new("cam?t=1", transition).offset(Duration::from_millis(12_195));
        let request = timed(Transition::Resume).to_play_request();
        assert_eq!(
            request.play_start(),
            PlayStart::Recorded(Duration::from_millis(12_195))
        );
        let request = timed(Transition::Append).to_play_request();
        assert_eq!(
            (request.play_start(), request.is_reset()),
            (PlayStart::LiveOrRecorded, false)
        );
    }

    #[test]
    fn options_without_a_stream_name_are_none() {
        let command = Command::new("play2").with_argument(Object::new().with("transition", "switch"));
        assert_eq!(PlayOptions::from_command(&command), None);
        assert_eq!(
            PlayOptions::from_command(&Command::new("play2").with_argument("cam")),
            None
        );
    }
}
