//! Publishing from within the process.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use rtmp_core::MediaMessage;

use super::NameTaken;
use super::feed::Feed;
use super::registry::{Registry, StreamKey};
use crate::{MediaSink, SessionInfo};

/// Publishes a stream from within the process. Dropping it ends the publication, and the name is free at once.
///
/// If the relay lets another publisher [take over](super::TakeOver), what this one sends then goes nowhere.
pub struct RelayPublisher {
    feed: Feed,
}

impl RelayPublisher {
    /// Takes the name, for a session or for the application itself.
    pub(super) fn claim(
        registry: &Arc<Registry>,
        key: StreamKey,
        session: Option<&SessionInfo>,
    ) -> Result<Self, NameTaken> {
        let feed = Feed::publisher(registry, key, session)?;
        Ok(Self { feed })
    }

    /// Waits until no player is too far behind by [`SlowPlayers::HoldPublisher`](super::SlowPlayers::HoldPublisher).
    /// Without such players it is ready at once.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it changes nothing.
    pub async fn ready(&mut self) {
        poll_fn(|cx| self.feed.poll_ready(cx)).await;
    }

    /// Sends a message to all players. It never waits: who can not keep up falls behind on its own. Who wants to wait
    /// asks [`ready`](Self::ready) first.
    pub fn send(&mut self, message: MediaMessage) {
        self.feed.push(&message);
        self.feed.wake_players();
    }
}

impl MediaSink for RelayPublisher {
    fn send(&mut self, message: &MediaMessage) {
        self.feed.push(message);
    }

    fn flush(&mut self) {
        self.feed.wake_players();
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.feed.poll_ready(cx)
    }
}

impl fmt::Debug for RelayPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayPublisher").finish_non_exhaustive()
    }
}

/// Stands in for the publisher of a stream while there is none, from [`Relay::stand_in`](super::Relay::stand_in).
/// Dropping it ends that.
///
/// Feed it all the time, as a publisher that sends in real time and has keyframes often, such as a clip that is
/// repeated. Its media go out while nobody else publishes:
///
/// - When the publisher leaves, players get the headers of the stand-in and then its next keyframe.
/// - When a publisher comes, the stand-in stays until that one's first keyframe, which follows its headers. One that
///   has sent no video for a second is taken for one without, and does not wait for a keyframe.
/// - A stand-in without video goes on air with its next message.
///
/// To players it is another publisher: whether they are told is up to [`Handover`](super::Handover).
pub struct RelayStandIn {
    feed: Feed,
}

impl RelayStandIn {
    pub(super) fn claim(registry: &Arc<Registry>, key: StreamKey) -> Result<Self, NameTaken> {
        let feed = Feed::stand_in(registry, key)?;
        Ok(Self { feed })
    }

    /// Sends a message to all players, if there is no publisher. It never waits.
    pub fn send(&mut self, message: MediaMessage) {
        self.feed.push(&message);
        self.feed.wake_players();
    }

    /// Whether its media go out at the moment.
    #[must_use]
    pub fn is_on_air(&self) -> bool {
        self.feed.is_on_air()
    }
}

impl MediaSink for RelayStandIn {
    fn send(&mut self, message: &MediaMessage) {
        self.feed.push(message);
    }

    fn flush(&mut self) {
        self.feed.wake_players();
    }
}

impl fmt::Debug for RelayStandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayStandIn").finish_non_exhaustive()
    }
}
