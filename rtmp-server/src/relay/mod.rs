//! One publisher to any number of players.
//!
//! A [`Relay`] is an observer: put it behind those that decide who may publish and play. Streams are told apart by
//! application and stream name, without their queries.
//!
//! # What happens to a message
//!
//! It is put into wire form once and kept in a history that all players of the stream share. A player is a place in
//! that history. Its connection takes whatever lies before that place and sends it with vectored writes, so a player
//! that is a little behind gets several messages in one write, and one that is far behind holds nothing of its own.
//!
//! # Joining
//!
//! A player that joins gets metadata and sequence headers, then everything from the last keyframe on. Without video it
//! begins at once. It may come before the publisher, and waits for it; if the publisher goes, its players are told and
//! stay for another, which begins with its own metadata and headers.
//!
//! # Publishers
//!
//! A name has one publisher. [`TakeOver`] says what a second one gets: by default it is refused and the first does not
//! notice. Times are passed on as the publisher sends them, also when they go back or the next publisher begins with
//! earlier ones; [`BackwardTime`] can hold them or move them instead.
//!
//! # Slow players
//!
//! A player may fall behind by [`max_lag_len`](RelayConfig::max_lag_len) bytes or
//! [`max_lag`](RelayConfig::max_lag), whichever comes first. Then [`SlowPlayers`] applies: by default it goes on at the
//! newest keyframe, and if there is none, with the next. What it misses is counted in its session's
//! [`Statistics`](crate::Statistics). One that takes nothing at all is closed by its session's write timeout. Neither
//! the publisher nor other players notice.
//!
//! # What players can play
//!
//! By default every player gets everything. [`Unplayable::LeaveOut`] leaves out codecs, tracks and packets that a player
//! has not named, if it has named any. To give it another rendition instead, let an observer in front of the relay ask
//! [`playable`](rtmp_core::message::ConnectRequest::playable), and [rename](PlayGrant::rename) what it plays.

mod clock;
mod config;
mod configuration;
mod feed;
mod history;
mod overview;
mod player;
mod publisher;
mod readers;
mod registry;
mod sleepers;
mod slow;
mod stream;

use std::sync::Arc;
#[cfg(feature = "files")]
use std::time::Duration;

use async_trait::async_trait;
#[cfg(feature = "files")]
use rtmp_core::message::PlayStart;
use rtmp_core::message::{ConnectRequest, PlayRequest, PublishRequest, StatusCode};
use rtmp_core::{MediaMessage, Timestamp};

pub use clock::BackwardTime;
pub use config::{Handover, PlayerConfig, RelayConfig, TakeOver, Unplayable};
pub use overview::{StreamOverview, Track};
use player::Player;
pub use player::RelayPlayer;
pub use publisher::{RelayPublisher, RelayStandIn};
use registry::{Registry, StreamKey};
pub use slow::{Lag, SlowPlayers};

#[cfg(feature = "files")]
use crate::vod::Vod;
use crate::{PlayGrant, PlayObserver, PublishGrant, PublishObserver, SessionInfo, Verdict};

/// Takes what is published and gives it to who plays. Cheap to clone; all clones are the same relay.
///
/// Besides serving sessions it can be fed and tapped from within the process:
///
/// ```
/// use rtmp_server::Relay;
/// use rtmp_server::rtmp_core::{MediaMessage, Timestamp};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rtmp_server::relay::NameTaken> {
/// let relay = Relay::default();
/// let mut player = relay.play("live", "cam");
/// let mut publisher = relay.publish("live", "cam")?;
/// publisher.send(MediaMessage::audio(Timestamp::ZERO, &b"\xAF\x01\x21"[..]));
/// drop(publisher);
/// assert_eq!(player.recv().await.map(|message| message.payload), Some((&b"\xAF\x01\x21"[..]).into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Relay {
    registry: Arc<Registry>,
    #[cfg(feature = "files")]
    recordings: Option<Vod>,
}

/// What a [`Relay`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStatistics {
    /// Streams that have a publisher, players, or somebody who stands in.
    pub streams: usize,
    /// Streams that have a publisher; who stands in is none.
    pub publishers: usize,
    /// Players of all streams.
    pub players: usize,
    /// Messages in the histories of all streams.
    pub messages: usize,
    /// Bytes that these messages take, an estimate of what they take besides their content included.
    pub bytes: u64,
}

/// A stream of this name is being published already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream of this name is being published already")]
pub struct NameTaken;

impl Relay {
    /// A relay with these settings.
    #[must_use]
    pub fn new(config: RelayConfig) -> Self {
        Self {
            registry: Arc::new(Registry::new(config)),
            #[cfg(feature = "files")]
            recordings: None,
        }
    }

    /// Plays recordings, too. Who asks for a position gets the recording, who asks for a live stream only that, and
    /// everybody else the live stream if it has a publisher, else the recording, else the live stream when it comes
    /// (RTMP 1.0 section 7.2.2.1).
    #[cfg(feature = "files")]
    #[must_use]
    pub fn recordings(mut self, recordings: Vod) -> Self {
        self.recordings = Some(recordings);
        self
    }

    /// Publishes from within the process. The publication ends when the handle is dropped.
    ///
    /// # Errors
    ///
    /// [`NameTaken`].
    pub fn publish(&self, app: &str, name: &str) -> Result<RelayPublisher, NameTaken> {
        RelayPublisher::claim(&self.registry, StreamKey::new(app, name), None)
    }

    /// Stands in for the publisher from within the process while there is none, until the handle is dropped.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if somebody stands in already.
    pub fn stand_in(&self, app: &str, name: &str) -> Result<RelayStandIn, NameTaken> {
        RelayStandIn::claim(&self.registry, StreamKey::new(app, name))
    }

    /// Plays within the process, whether there is a publisher or not.
    #[must_use]
    pub fn play(&self, app: &str, name: &str) -> RelayPlayer {
        self.play_with(app, name, PlayerConfig::default())
    }

    /// The same for a player with settings of its own.
    #[must_use]
    pub fn play_with(&self, app: &str, name: &str, config: PlayerConfig) -> RelayPlayer {
        let player = Player::join(&self.registry, StreamKey::new(app, name), &config);
        RelayPlayer::new(player)
    }

    /// What the relay holds at the moment. It looks at every stream, so it is not for every message.
    #[must_use]
    pub fn statistics(&self) -> RelayStatistics {
        self.registry.statistics()
    }

    /// All streams that have a publisher, players, or somebody who stands in, with their tracks, in no order. It looks at every stream, so it is
    /// not for every message.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamOverview> {
        self.registry.overview()
    }

    /// How many streams have a publisher, players, or somebody who stands in.
    #[must_use]
    pub fn stream_count(&self) -> usize {
        self.registry.len()
    }
}

/// A message with another time.
fn at(message: &MediaMessage, timestamp: Timestamp) -> MediaMessage {
    MediaMessage {
        timestamp,
        ..message.clone()
    }
}

#[async_trait]
impl PublishObserver for Relay {
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        if request.stream_name().is_empty() {
            return Verdict::reject(StatusCode::PublishBadName, "the stream has no name");
        }
        let key = StreamKey::new(session.app(), request.stream_name());
        match RelayPublisher::claim(&self.registry, key, Some(session)) {
            Ok(publisher) => Verdict::Accept(PublishGrant::default().sink(publisher)),
            Err(taken) => Verdict::reject(StatusCode::PublishBadName, taken.to_string()),
        }
    }
}

#[async_trait]
impl PlayObserver for Relay {
    async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        let key = StreamKey::new(session.app(), request.stream_name());
        #[cfg(feature = "files")]
        if let Some(recordings) = &self.recordings
            && match request.play_start() {
                PlayStart::Recorded(_) => true,
                PlayStart::LiveOrRecorded => !self.registry.is_on_air(&key),
                PlayStart::Live => false,
            }
        {
            match recordings.find(session, request).await {
                Ok(Some(source)) => return Verdict::Accept(PlayGrant::default().source(source)),
                Ok(None) if request.play_start() == PlayStart::LiveOrRecorded => {}
                Ok(None) => {
                    return Verdict::reject(StatusCode::PlayStreamNotFound, "there is no such recording");
                }
                Err(error) => return Verdict::Reject(error.to_status()),
            }
        }
        let plays = match self.registry.config.unplayable {
            Unplayable::PassOn => None,
            Unplayable::LeaveOut => session.connect_request().map(ConnectRequest::playable),
        };
        match Player::join_if_served(&self.registry, key, plays) {
            Some(player) => Verdict::Accept(PlayGrant::default().source(player)),
            None => Verdict::reject(
                StatusCode::PlayStreamNotFound,
                "nobody publishes a stream of this name",
            ),
        }
    }

    #[cfg(feature = "files")]
    async fn stream_length(&self, session: &SessionInfo, request: &PlayRequest) -> Option<Duration> {
        let key = StreamKey::new(session.app(), request.stream_name());
        match &self.recordings {
            Some(recordings) if !self.registry.is_on_air(&key) => {
                recordings.stream_length(session, request).await
            }
            _ => None,
        }
    }
}
