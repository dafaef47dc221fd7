//! What an observer answers to a request.

use std::fmt;

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::message::{ConnectReply, Status, StatusCode};

use crate::relay::PlayerConfig;
use crate::{MediaSink, MediaSource};

/// An observer's answer: yes with what it grants, or no with the status that the client is told.
///
/// ```
/// use rtmp_server::rtmp_core::message::{ConnectReply, StatusCode};
/// use rtmp_server::{PublishGrant, Verdict};
///
/// let yes: Verdict<ConnectReply> = Verdict::accept();
/// let no: Verdict<PublishGrant> = Verdict::reject(StatusCode::PublishBadName, "wrong token");
/// ```
#[derive(Debug)]
pub enum Verdict<T> {
    /// Yes. Observers behind this one are asked, too.
    Accept(T),
    /// No. The client is told this and nobody else is asked.
    Reject(Status),
}

impl<T: Default> Verdict<T> {
    /// Yes, without anything special.
    #[must_use]
    pub fn accept() -> Self {
        Self::Accept(T::default())
    }
}

impl<T> Verdict<T> {
    /// No, with a code and a description for people.
    #[must_use]
    pub fn reject(code: StatusCode, description: impl Into<String>) -> Self {
        Self::Reject(Status::new(code, description))
    }
}

impl Verdict<ConnectReply> {
    /// No, but there: tells the client to connect to `url` instead. Not specified; the form that Flash Media Server
    /// and Wowza give it.
    #[must_use]
    pub fn redirect(url: impl Into<String>) -> Self {
        let target = Object::new()
            .with("code", 302.0)
            .with("redirect", Value::from(url.into()));
        Self::Reject(Status::new(StatusCode::ConnectRejected, "Moved.").with("ex", target))
    }
}

/// What a publisher is granted.
#[derive(Default)]
pub struct PublishGrant {
    pub(crate) rename: Option<String>,
    pub(crate) sink: Option<Box<dyn MediaSink>>,
}

impl PublishGrant {
    /// Publishes under another name: observers behind this one and the relay see only that.
    #[must_use]
    pub fn rename(mut self, name: impl Into<String>) -> Self {
        self.rename = Some(name.into());
        self
    }

    /// Sends the publisher's media there. Each observer may grant a sink; all of them get every message.
    #[must_use]
    pub fn sink(mut self, sink: impl MediaSink + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }
}

impl fmt::Debug for PublishGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishGrant")
            .field("has_sink", &self.sink.is_some())
            .finish_non_exhaustive()
    }
}

/// What a player is granted.
#[derive(Default)]
pub struct PlayGrant {
    pub(crate) rename: Option<String>,
    pub(crate) player: Option<PlayerConfig>,
    pub(crate) source: Option<Box<dyn MediaSource>>,
}

impl PlayGrant {
    /// Plays another name: observers behind this one and the relay see only that.
    #[must_use]
    pub fn rename(mut self, name: impl Into<String>) -> Self {
        self.rename = Some(name.into());
        self
    }

    /// How the player is treated, if not as the [relay](crate::Relay) treats all. Of several observers the first that
    /// grants this is heard.
    #[must_use]
    pub fn player(mut self, config: PlayerConfig) -> Self {
        self.player = Some(config);
        self
    }

    /// Takes the media from there. Observers behind this one are asked for their consent, and their source is not
    /// used.
    #[must_use]
    pub fn source(mut self, source: impl MediaSource + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Debug for PlayGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayGrant")
            .field("has_source", &self.source.is_some())
            .finish_non_exhaustive()
    }
}
