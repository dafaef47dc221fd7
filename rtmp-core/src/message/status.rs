//! What `onStatus`, `_result` and `_error` say: level, code, description (RTMP 1.0 sections 7.2.1 and 7.2.2).

use std::fmt;

use rtmp_amf::amf0::{Object, Value};

/// How bad a [`Status`] is; `error` ends the operation it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusLevel {
    /// Things go as they should.
    Status,
    /// Something is wrong, and the operation goes on.
    Warning,
    /// The operation has failed.
    Error,
}

impl StatusLevel {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for StatusLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! status_codes {
    ($($name:ident = $text:literal, $level:ident, $doc:literal;)*) => {
        /// The code of a [`Status`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum StatusCode {
            $(#[doc = concat!("`", $text, "`: ", $doc, ".")] $name,)*
            /// Any other code, as it came.
            Other(String),
        }

        impl StatusCode {
            /// The code on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(code) => code,
                }
            }

            /// The level that goes with the code. For codes it does not know, the last word decides: `Failed`,
            /// `Rejected`, `Denied`, `BadName` and `NotFound` are errors.
            #[must_use]
            pub fn level(&self) -> StatusLevel {
                match self {
                    $(Self::$name => StatusLevel::$level,)*
                    Self::Other(code) => {
                        let errors = ["Failed", "Rejected", "Denied", "BadName", "NotFound"];
                        let is_error = errors.iter().any(|word| code.ends_with(word));
                        if is_error { StatusLevel::Error } else { StatusLevel::Status }
                    }
                }
            }
        }

        impl From<&str> for StatusCode {
            fn from(code: &str) -> Self {
                match code {
                    $($text => Self::$name,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

status_codes! {
    ConnectSuccess = "NetConnection.Connect.Success", Status, "the connection is accepted";
    ConnectRejected = "NetConnection.Connect.Rejected", Error, "the connection is refused, or has to authenticate";
    ConnectInvalidApp = "NetConnection.Connect.InvalidApp", Error, "there is no such application";
    ConnectFailed = "NetConnection.Connect.Failed", Error, "the connection failed for another reason";
    ConnectClosed = "NetConnection.Connect.Closed", Status, "the connection was closed in order";
    ConnectAppShutdown = "NetConnection.Connect.AppShutdown", Error, "the application or the server shuts down";
    ConnectIdleTimeOut = "NetConnection.Connect.IdleTimeOut", Status, "the connection was idle for too long";
    ConnectNetworkChange = "NetConnection.Connect.NetworkChange", Status, "the network of the client changed";
    ConnectReconnectRequest = "NetConnection.Connect.ReconnectRequest", Status, "the server asks to reconnect (Enhanced RTMP v2)";
    CallFailed = "NetConnection.Call.Failed", Error, "a remote call failed";
    CallBadVersion = "NetConnection.Call.BadVersion", Error, "a remote call was in an unknown encoding";
    CallProhibited = "NetConnection.Call.Prohibited", Error, "a remote call was not allowed";
    ProxyNotResponding = "NetConnection.Proxy.NotResponding", Error, "a proxy does not answer";
    PublishStart = "NetStream.Publish.Start", Status, "the stream is being published";
    PublishBadName = "NetStream.Publish.BadName", Error, "the name is taken or not allowed";
    PublishDenied = "NetStream.Publish.Denied", Error, "publishing is not allowed";
    PublishRejected = "NetStream.Publish.Rejected", Error, "publishing is refused";
    PublishFailed = "NetStream.Publish.Failed", Error, "publishing failed";
    PublishIdle = "NetStream.Publish.Idle", Status, "the publisher sends nothing";
    UnpublishSuccess = "NetStream.Unpublish.Success", Status, "the stream is no longer published";
    RecordStart = "NetStream.Record.Start", Status, "recording has begun";
    RecordStop = "NetStream.Record.Stop", Status, "recording has ended";
    RecordAlreadyExists = "NetStream.Record.AlreadyExists", Status, "the recording exists";
    RecordFailed = "NetStream.Record.Failed", Error, "recording failed";
    RecordNoAccess = "NetStream.Record.NoAccess", Error, "recording is not allowed there";
    RecordDiskQuotaExceeded = "NetStream.Record.DiskQuotaExceeded", Error, "there is no room for the recording";
    PlayReset = "NetStream.Play.Reset", Status, "the playlist was emptied";
    PlayStart = "NetStream.Play.Start", Status, "playback begins";
    PlayStop = "NetStream.Play.Stop", Status, "playback has ended";
    PlayComplete = "NetStream.Play.Complete", Status, "the playlist has ended";
    PlaySwitch = "NetStream.Play.Switch", Status, "the next entry of the playlist begins";
    PlayTransition = "NetStream.Play.Transition", Status, "the server switches to another stream";
    PlayTransitionComplete = "NetStream.Play.TransitionComplete", Status, "the switch to another stream is done";
    PlayStreamNotFound = "NetStream.Play.StreamNotFound", Error, "there is no such stream";
    PlayFailed = "NetStream.Play.Failed", Error, "playback failed";
    PlayFileStructureInvalid = "NetStream.Play.FileStructureInvalid", Error, "the recorded file is broken";
    PlayNoSupportedTrackFound = "NetStream.Play.NoSupportedTrackFound", Error, "the recorded file has nothing to play";
    PlayInsufficientBandwidth = "NetStream.Play.InsufficientBW", Warning, "the player is too slow";
    PlayPublishNotify = "NetStream.Play.PublishNotify", Status, "a publisher has come (back)";
    PlayUnpublishNotify = "NetStream.Play.UnpublishNotify", Status, "the publisher is gone";
    PauseNotify = "NetStream.Pause.Notify", Status, "the stream is paused";
    UnpauseNotify = "NetStream.Unpause.Notify", Status, "the stream goes on";
    SeekNotify = "NetStream.Seek.Notify", Status, "the stream goes on at the position asked for";
    SeekFailed = "NetStream.Seek.Failed", Error, "the stream can not be searched";
    SeekInvalidTime = "NetStream.Seek.InvalidTime", Error, "the position does not exist";
    StepNotify = "NetStream.Step.Notify", Status, "the stream stepped by frames";
    BufferEmpty = "NetStream.Buffer.Empty", Status, "the player's buffer ran dry";
    BufferFull = "NetStream.Buffer.Full", Status, "the player's buffer is full";
    BufferFlush = "NetStream.Buffer.Flush", Status, "the player's buffer is played out";
    DataStart = "NetStream.Data.Start", Status, "data follows";
    StreamFailed = "NetStream.Failed", Error, "the stream failed";
    ClearSuccess = "NetStream.Clear.Success", Status, "the recording was deleted";
    ClearFailed = "NetStream.Clear.Failed", Error, "the recording was not deleted";
    SharedObjectBadPersistence = "SharedObject.BadPersistence", Error, "the shared object exists with another persistence";
    SharedObjectNoReadAccess = "SharedObject.NoReadAccess", Error, "the shared object may not be read";
    SharedObjectNoWriteAccess = "SharedObject.NoWriteAccess", Error, "the shared object may not be written";
    SharedObjectCreationFailed = "SharedObject.ObjectCreationFailed", Error, "the shared object was not made";
    SharedObjectUriMismatch = "SharedObject.UriMismatch", Error, "the shared object belongs to another address";
}

/// Escaped and cut as in a [`Status`]; [`as_str`](Self::as_str) is the code as it came.
impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.as_str()).fmt(f)
    }
}

/// An information object: what a server says of a connection, a stream or a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// How bad it is.
    pub level: StatusLevel,
    /// What it is.
    pub code: StatusCode,
    /// The same for people; often empty.
    pub description: String,
    /// The other properties, in order.
    pub details: Object,
}

impl Status {
    /// A status with the level that goes with its code.
    #[must_use]
    pub fn new(code: StatusCode, description: impl Into<String>) -> Self {
        Self {
            level: code.level(),
            code,
            description: description.into(),
            details: Object::new(),
        }
    }

    /// Adds a property behind level, code and description.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.push(key, value.into());
        self
    }

    /// Reads an information object. A missing code is the empty code, a missing level is inferred from the code, and
    /// anything but an object is a status without code: peers send all of these.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        let mut status = Self::new(StatusCode::Other(String::new()), "");
        let Some(object) = value.as_object() else {
            if let Some(text) = value.as_str() {
                text.clone_into(&mut status.description);
            }
            return status;
        };
        let mut level = None;
        for (key, value) in object.iter() {
            match (key.as_bytes(), value.as_str()) {
                (b"level", Some("status")) => level = Some(StatusLevel::Status),
                (b"level", Some("warning")) => level = Some(StatusLevel::Warning),
                (b"level", Some("error")) => level = Some(StatusLevel::Error),
                (b"code", Some(code)) => status.code = code.into(),
                (b"description", Some(text)) => text.clone_into(&mut status.description),
                _ => status.details.push(key.clone(), value.clone()),
            }
        }
        status.level = level.unwrap_or_else(|| status.code.level());
        status
    }

    /// The information object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut object = Object::new();
        object.push("level", Value::from(self.level.as_str()));
        object.push("code", Value::from(self.code.as_str().to_owned()));
        object.push("description", Value::from(self.description.clone()));
        for (key, value) in self.details.iter() {
            object.push(key.clone(), value.clone());
        }
        Value::Object(object)
    }

    /// Whether the operation has failed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.level == StatusLevel::Error
    }
}

/// Code and description, escaped and cut: they come from the other end, and go to terminals and logs.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.description.as_str()) {
            ("", "") => f.write_str("a status without code"),
            ("", text) | (text, "") => write!(f, "{}", Shown(text)),
            (code, description) => write!(f, "{} ({})", Shown(code), Shown(description)),
        }
    }
}

/// So many characters of a text are shown.
const MAX_SHOWN: usize = 1024;

struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let end = text.char_indices().nth(MAX_SHOWN).map(|(at, _)| at);
        let head = end.and_then(|end| text.get(..end)).unwrap_or(text);
        write!(f, "{}", head.escape_debug())?;
        match end {
            Some(_) => write!(f, "... ({} bytes)", text.len()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_way_there_and_back_with_its_other_properties() {
        let status = Status::new(StatusCode::PublishBadName, "cam is taken").with("details", "cam");
        assert_eq!(status.level, StatusLevel::Error);
        assert_eq!(Status::from_value(&status.to_value()), status);
    }

    #[test]
    fn a_missing_level_is_inferred_from_the_code() {
        let mut object = Object::new();
        object.push("code", Value::from("NetStream.Publish.SomethingFailed"));
        assert!(Status::from_value(&Value::Object(object)).is_error());
    }

    #[test]
    fn anything_but_an_object_is_a_status_without_code() {
        assert_eq!(Status::from_value(&Value::Null).code.as_str(), "");
        assert_eq!(Status::from_value(&Value::from("no")).to_string(), "no");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_escaped_and_what_is_long_is_cut() {
        let code = StatusCode::Other("\u{1b}[2J\u{9b}31m\r\n\u{202e}".to_owned());
        let status = Status::new(code, "x".repeat(1024));
        let escaped = r"\u{1b}[2J\u{9b}31m\r\n\u{202e}";
        assert_eq!(status.to_string(), format!("{escaped} ({})", "x".repeat(1024)));
        assert_eq!(status.code.to_string(), escaped);
        let text = "ö".repeat(500_000);
        let status = Status::new(StatusCode::Other(text.clone()), text);
        let cut = format!("{}... (1000000 bytes)", "ö".repeat(1024));
        assert_eq!(status.to_string(), format!("{cut} ({cut})"));
    }
}
