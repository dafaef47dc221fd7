//! `play2`: going over to another stream without a break (RTMP 1.0 section 7.2.2.2).

use std::fmt;

use rtmp_amf::AmfString;
use rtmp_amf::amf0::{Object, Value};

use super::{Command, Shortened};

/// How a player goes over to another stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transition {
    /// Plays the other stream behind what is in the playlist.
    Append,
    /// The same, and waits before it begins.
    AppendAndWait,
    /// Empties the playlist and plays the other stream.
    Reset,
    /// Takes up the other stream where a lost connection left off.
    Resume,
    /// Stops.
    Stop,
    /// Puts another stream in the place of one in the playlist.
    Swap,
    /// Goes over to a stream of the same content, mostly at another bit rate, at a keyframe.
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
    /// Everything that was sent, in order.
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
            properties: Object::new(),
        }
    }

    /// Names the stream that is left, as [`Transition::Swap`] needs it.
    #[must_use]
    pub fn leaving(mut self, old_name: impl Into<String>) -> Self {
        self.old_name = Some(old_name.into());
        self
    }

    /// Sets a further property, such as `start`, `len` or `offset`.
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

    /// A further property.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties.get(key)
    }

    /// Reads the argument; `None` if it is no object or names no stream.
    #[must_use]
    pub fn from_command(command: &Command) -> Option<Self> {
        let mut properties = command.argument(0)?.as_object()?.clone();
        let mut take = |key| {
            properties
                .remove(key)
                .and_then(|value| value.as_str().map(str::to_owned))
        };
        let name = take("streamName").filter(|name| !name.is_empty())?;
        let old_name = take("oldStreamName").filter(|name| !name.is_empty());
        let transition =
            take("transition").map_or(Transition::Switch, |word| Transition::from(word.as_str()));
        Some(Self {
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
            .property("offset", 3.5);
        assert_eq!(PlayOptions::from_command(&options.to_command()), Some(options));
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
