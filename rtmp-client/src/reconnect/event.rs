//! What happens between connections.

use std::fmt;
use std::time::Duration;

use rtmp_core::url::RtmpUrl;

use crate::Error;

/// What a handle that reconnects does, as it tells who asked for it with
/// [`on_event`](super::ReconnectPolicy::on_event). `Display` is a line for people.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconnectEvent<'a> {
    /// A try begins after a delay.
    Attempt {
        /// Its number since the connection was stable; 0 is the first try of all.
        number: u32,
        /// How long from now.
        delay: Duration,
        /// Where.
        url: &'a RtmpUrl,
    },
    /// A server redirects a try.
    Redirected {
        /// Where to.
        url: &'a RtmpUrl,
    },
    /// A try failed. Whether there is another one is the next event, or the error of the handle.
    Failed {
        /// Its number.
        number: u32,
        /// Why.
        error: &'a Error,
    },
    /// A connection is there. What is received behind this event comes over it.
    Connected {
        /// How many there have been, with this one.
        connection: u64,
        /// Where, behind all redirects.
        url: &'a RtmpUrl,
        /// How long there was none; zero for the first one and for one that the server asked for.
        outage: Duration,
    },
    /// A publisher goes on with a keyframe behind a gap.
    Resumed {
        /// How many messages were dropped in between.
        dropped: u64,
    },
    /// The connection is lost.
    Lost {
        /// Why.
        error: &'a Error,
    },
    /// The server asks to reconnect.
    MoveRequested {
        /// Where to.
        url: &'a RtmpUrl,
    },
    /// The server asked to reconnect and that is not possible, or too often. The connection goes on. What else the server
    /// asks for in vain is not told until requests are counted anew ([`stable_after`](super::ReconnectPolicy::stable_after)).
    MoveFailed {
        /// Why.
        error: &'a Error,
    },
}

impl fmt::Display for ReconnectEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt { number: 0, url, .. } => write!(f, "connecting to {url}"),
            Self::Attempt { number, delay, url } => {
                write!(
                    f,
                    "connecting to {url} in {:.1} s, retry {number}",
                    delay.as_secs_f64()
                )
            }
            Self::Redirected { url } => write!(f, "redirected to {url}"),
            Self::Failed { number: 0, error } => write!(f, "failed: {}", Causes(error)),
            Self::Failed { number, error } => write!(f, "retry {number} failed: {}", Causes(error)),
            Self::Connected {
                connection: 1, url, ..
            } => write!(f, "connected to {url}"),
            Self::Connected { url, outage, .. } => {
                write!(f, "connected to {url} again after {:.1} s", outage.as_secs_f64())
            }
            Self::Resumed { dropped } => write!(f, "going on, {dropped} messages dropped"),
            Self::Lost { error } => write!(f, "connection lost: {}", Causes(error)),
            Self::MoveRequested { url } => write!(f, "the server asks to reconnect to {url}"),
            Self::MoveFailed { error } => write!(f, "not moving: {}", Causes(error)),
        }
    }
}

/// An error with its causes.
struct Causes<'a>(&'a Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
