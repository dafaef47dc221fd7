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
//! A player that joins gets metadata and sequence headers, then everything from the newest keyframe on, at times that
//! never go back. Without video it begins at once. The group of pictures that is kept for it is bounded in bytes, time
//! and messages ([`RelayConfig`]); beyond that, and if headers have changed since the keyframe, players get audio at
//! once and video from the next keyframe on. [`join_within`](RelayConfig::join_within) keeps players closer to the
//! publisher than its keyframes are.
//!
//! # Publishers
//!
//! A name has one publisher. [`TakeOver`] says what a second one gets: by default it is refused and the first does not
//! notice. Times are passed on as the publisher sends them, also when they go back or the next publisher begins with
//! earlier ones; [`BackwardTime`] can hold them or move them instead.
//!
//! A player may come before the publisher, and [waits](RelayConfig::wait_for_publisher) for it. If the publisher goes,
//! its players stay for another, for a [grace time](RelayConfig::grace). They are told of both; with
//! [`Handover::Seamless`] they are not, and the other publisher's headers and media follow at times that go on. What a
//! player has not got of one publisher it gets before the next.
//!
//! Somebody can [stand in](Relay::stand_in) while there is no publisher, with a clip for example:
//!
//! ```
//! use rtmp_server::Relay;
//! use rtmp_server::relay::{Handover, RelayConfig};
//! use rtmp_server::rtmp_core::{MediaMessage, Timestamp};
//!
//! # fn main() -> Result<(), rtmp_server::relay::NameTaken> {
//! let relay = Relay::new(RelayConfig::default().handover(Handover::Seamless));
//! let mut slate = relay.stand_in("live", "cam")?;
//! let picture = MediaMessage::video(Timestamp::ZERO, &b"\x17\x01\0\0\0\x65"[..]);
//! slate.send(picture.clone());
//! assert!(slate.is_on_air());
//! let mut camera = relay.publish("live", "cam")?; // its first keyframe is its turn
//! assert!(slate.is_on_air());
//! camera.send(picture);
//! assert!(!slate.is_on_air());
//! # Ok(())
//! # }
//! ```
//!
//! # Slow players
//!
//! A player may fall behind by [`max_lag_len`](RelayConfig::max_lag_len) bytes or
//! [`max_lag`](RelayConfig::max_lag), whichever comes first. Then [`SlowPlayers`] applies, for all or by a
//! [`PlayerConfig`] for one: it goes on at the newest keyframe, which is the default; or it loses only video; or its
//! session ends with [`CloseReason::TooSlow`](crate::CloseReason::TooSlow); or nothing is dropped for it, up to
//! [`max_history_len`](RelayConfig::max_history_len); or nothing is dropped and the publisher
//! [waits](SlowPlayers::HoldPublisher).
//!
//! The player is told by `NetStream.Play.InsufficientBW`, once until it has caught up, with the properties
//! `lagMilliseconds` and `lagBytes`. What it misses is counted in its session's [`Statistics`](crate::Statistics). The
//! policy applies when the player takes something; one that takes nothing at all is closed by its session's write
//! timeout. Neither the publisher nor other players notice, but for a publisher that is to wait.
//!
//! The state of a stream is behind one lock, held for a few lines at a time; nothing in it is lock-free.
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
mod followers;
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
pub(crate) use followers::{Band, Place, Round, Share};
pub use overview::{StreamOverview, Track};
use player::Player;
pub use player::RelayPlayer;
pub use publisher::{RelayPublisher, RelayStandIn};
use registry::{Registry, StreamKey};
pub use slow::{Lag, SlowPlayers};
pub(crate) use stream::LiveStream;

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

    /// All streams that have a publisher, players, or somebody who stands in, with their tracks, in no order. It looks at
    /// every stream, so it is not for every message.
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
