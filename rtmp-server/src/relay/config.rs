//! Bounds and policies of a relay.

use std::time::Duration;

use rtmp_core::conn::DEFAULT_OUTGOING_CHUNK_SIZE;

use super::slow::LagLimit;
use super::{BackwardTime, Lag, SlowPlayers};

/// What happens to media that a player can not play by its own word
/// ([`ConnectRequest::playable`](rtmp_core::message::ConnectRequest::playable)). Nothing is converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unplayable {
    /// It gets them like everybody. Many players can do more than they say.
    #[default]
    PassOn,
    /// They are left out. A player of several codecs and tracks gets those that it names, and an old one, for which a
    /// codec with a FourCC may be a reason to give up, goes on with what is left.
    LeaveOut,
}

/// What happens when a name is to be published that is being published already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeOver {
    /// The second publisher is refused, and the first one does not notice.
    #[default]
    Refuse,
    /// The first publisher's session is ended if it has sent no media for so long: an encoder that has changed networks
    /// gets its name back before its old connection is noticed to be dead. Otherwise the second one is refused.
    IfSilent(Duration),
    /// The first publisher's session is ended. Whoever may publish a name can throw out who does.
    Always,
}

impl TakeOver {
    /// Whether a publisher that has been silent for so long has to go.
    pub(super) fn allows(self, silence: Duration) -> bool {
        match self {
            Self::Refuse => false,
            Self::IfSilent(limit) => silence >= limit,
            Self::Always => true,
        }
    }
}

/// What players notice when their publisher leaves and another one comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handover {
    /// They are told of both: `NetStream.Play.UnpublishNotify` and `NetStream.Play.PublishNotify`. Many players end at
    /// the first.
    #[default]
    Announced,
    /// Nothing but a pause: the other publisher's headers and media follow, and times go on as with
    /// [`BackwardTime::Rebase`], whatever else is set.
    Seamless,
}

/// Bounds and policies of a [`Relay`](super::Relay). Lengths are in bytes.
///
/// | setting | default | what it is about |
/// |---|---|---|
/// | [`gop_cache`](Self::gop_cache) | on | joining |
/// | [`join_within`](Self::join_within) | as long as the cache | joining |
/// | [`max_gop_len`](Self::max_gop_len) | 32 MiB | joining |
/// | [`max_gop`](Self::max_gop) | 20 s | joining |
/// | [`max_gop_messages`](Self::max_gop_messages) | 16,384 | joining |
/// | [`max_configuration_len`](Self::max_configuration_len) | 64 KiB | joining |
/// | [`max_configurations_len`](Self::max_configurations_len) | 1 MiB | joining |
/// | [`slow_players`](Self::slow_players) | skip to the newest keyframe | slow players |
/// | [`max_lag_len`](Self::max_lag_len) | 8 MiB | slow players |
/// | [`max_lag`](Self::max_lag) | 10 s | slow players |
/// | [`max_history_len`](Self::max_history_len) | 32 MiB | slow players |
/// | [`wait_for_publisher`](Self::wait_for_publisher) | 60 s | publishers |
/// | [`grace`](Self::grace) | 60 s | publishers |
/// | [`handover`](Self::handover) | announced | publishers |
/// | [`take_over`](Self::take_over) | refuse | publishers |
/// | [`backward_time`](Self::backward_time) | pass on | publishers |
/// | [`unplayable`](Self::unplayable) | pass on | what players can play |
/// | [`latency`](Self::latency) | none | sending |
/// | [`chunk_size`](Self::chunk_size) | 60,000 | sending |
///
/// A stream holds no more than the largest of `max_gop_len`, `max_lag_len` and `max_history_len`, and one message more,
/// besides its configuration. Messages of a publisher that sends hundreds at a time share blocks of 64 KiB, of which up to
/// a quarter stays unused; that is not counted.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    pub(super) gop_cache: bool,
    pub(super) join_within: Duration,
    pub(super) max_gop_len: usize,
    pub(super) max_gop: Duration,
    pub(super) max_gop_messages: u64,
    pub(super) max_configuration_len: usize,
    pub(super) max_configurations_len: usize,
    pub(super) slow_players: SlowPlayers,
    pub(super) max_lag_len: usize,
    pub(super) max_lag: Duration,
    pub(super) max_history_len: usize,
    pub(super) wait_for_publisher: Duration,
    pub(super) grace: Duration,
    pub(super) handover: Handover,
    pub(super) take_over: TakeOver,
    pub(super) backward_time: BackwardTime,
    pub(super) unplayable: Unplayable,
    pub(super) latency: Duration,
    pub(super) chunk_size: u32,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            gop_cache: true,
            join_within: Duration::MAX,
            max_gop_len: 32 << 20,
            max_gop: Duration::from_secs(20),
            max_gop_messages: 16_384,
            max_configuration_len: 64 << 10,
            max_configurations_len: 1 << 20,
            slow_players: SlowPlayers::default(),
            max_lag_len: 8 << 20,
            max_lag: Duration::from_secs(10),
            max_history_len: 32 << 20,
            wait_for_publisher: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            handover: Handover::default(),
            take_over: TakeOver::default(),
            backward_time: BackwardTime::default(),
            unplayable: Unplayable::default(),
            latency: Duration::ZERO,
            chunk_size: DEFAULT_OUTGOING_CHUNK_SIZE,
        }
    }
}

impl RelayConfig {
    /// Whether the newest group of pictures is kept, so that a player begins at its keyframe; otherwise its video
    /// begins at the next.
    #[must_use]
    pub fn gop_cache(mut self, on: bool) -> Self {
        self.gop_cache = on;
        self
    }

    /// How far behind a player may begin: at the newest keyframe if that came within this time. Otherwise, and always
    /// with zero, it gets audio at once, and video from the next keyframe on.
    ///
    /// A player shows what it gets first and stays as late as that was, unless it catches up on its own. So a short
    /// time keeps everybody close to the publisher, at the price of a picture that comes later: on average half an
    /// interval between keyframes.
    #[must_use]
    pub fn join_within(mut self, time: Duration) -> Self {
        self.join_within = time;
        self
    }

    /// How many bytes may follow a keyframe before players no longer begin at it.
    #[must_use]
    pub fn max_gop_len(mut self, bytes: usize) -> Self {
        self.max_gop_len = bytes;
        self
    }

    /// How long messages may follow a keyframe before players no longer begin at it: by the time at which they arrive,
    /// so that a jump of the publisher's clock does no harm.
    #[must_use]
    pub fn max_gop(mut self, time: Duration) -> Self {
        self.max_gop = time;
        self
    }

    /// How many messages of any kind a group of pictures may have before players no longer begin at its keyframe.
    #[must_use]
    pub fn max_gop_messages(mut self, count: u64) -> Self {
        self.max_gop_messages = count;
        self
    }

    /// How long a sequence header or metadata may be to be kept for those who join later.
    #[must_use]
    pub fn max_configuration_len(mut self, bytes: usize) -> Self {
        self.max_configuration_len = bytes;
        self
    }

    /// How many bytes the headers of all tracks and the metadata of a stream may take together. Those for which there
    /// is no room are passed on, but not kept for those who join later. A message with headers of several tracks counts
    /// for each.
    #[must_use]
    pub fn max_configurations_len(mut self, bytes: usize) -> Self {
        self.max_configurations_len = bytes;
        self
    }

    /// What happens to a player that is too far behind. [`PlayerConfig`] can say otherwise for one player.
    #[must_use]
    pub fn slow_players(mut self, policy: SlowPlayers) -> Self {
        self.slow_players = policy;
        self
    }

    /// How many bytes a player may be behind. A message counts with its content and 256 bytes more, and one that does
    /// not fit into a chunk counts twice, as much as it takes here. The same goes for
    /// [`max_gop_len`](Self::max_gop_len) and [`max_history_len`](Self::max_history_len).
    #[must_use]
    pub fn max_lag_len(mut self, bytes: usize) -> Self {
        self.max_lag_len = bytes;
        self
    }

    /// How long a player may be behind: by the time at which messages arrive, so that a jump of the publisher's clock
    /// does no harm. What it was behind when it joined does not count.
    #[must_use]
    pub fn max_lag(mut self, time: Duration) -> Self {
        self.max_lag = time;
        self
    }

    /// How many bytes are kept for a player that has not got them yet and for which audio or everything is to be kept,
    /// by [`SlowPlayers`] or by bounds of its own.
    #[must_use]
    pub fn max_history_len(mut self, bytes: usize) -> Self {
        self.max_history_len = bytes;
        self
    }

    /// How long players wait for a publisher that was not there when they came. With zero a stream that nobody
    /// publishes is not found.
    #[must_use]
    pub fn wait_for_publisher(mut self, time: Duration) -> Self {
        self.wait_for_publisher = time;
        self
    }

    /// How long players stay without publisher once they have had one. With zero its end ends its players.
    #[must_use]
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// What players notice when their publisher leaves and another one comes.
    #[must_use]
    pub fn handover(mut self, handover: Handover) -> Self {
        self.handover = handover;
        self
    }

    /// What happens when a name is to be published that is being published already.
    #[must_use]
    pub fn take_over(mut self, policy: TakeOver) -> Self {
        self.take_over = policy;
        self
    }

    /// What becomes of times that go back.
    #[must_use]
    pub fn backward_time(mut self, policy: BackwardTime) -> Self {
        self.backward_time = policy;
        self
    }

    /// What happens to media that a player can not play by its own word. It is asked what it can play when it begins;
    /// players within the process get everything.
    #[must_use]
    pub fn unplayable(mut self, policy: Unplayable) -> Self {
        self.unplayable = policy;
        self
    }

    /// For how long messages are gathered before they are sent to players; by default each is sent at once. Fewer and
    /// larger writes cost less: gathering for a third of a second takes a fifth of the CPU time. What a player begins
    /// with is sent at once all the same.
    ///
    /// Whatever the time, gathering ends at half of [`max_lag`](Self::max_lag), by default after 5 s, and when half of
    /// [`max_lag_len`](Self::max_lag_len) has come, or half of [`max_history_len`](Self::max_history_len) if that is less:
    /// so no player is too slow for this alone.
    #[must_use]
    pub fn latency(mut self, time: Duration) -> Self {
        self.latency = time;
        self
    }

    /// The chunk size that the shared wire form is cut for. It should be what the sessions announce; those that
    /// announce another frame their messages themselves.
    #[must_use]
    pub fn chunk_size(mut self, bytes: u32) -> Self {
        self.chunk_size = bytes;
        self
    }

    /// What becomes of times, all policies considered.
    pub(super) fn time_policy(&self) -> BackwardTime {
        match self.handover {
            Handover::Announced => self.backward_time,
            Handover::Seamless => BackwardTime::Rebase,
        }
    }

    /// How far players may lag for which nothing else is said.
    pub(super) fn lag_limit(&self) -> LagLimit {
        LagLimit {
            policy: self.slow_players,
            max: Lag::new(self.max_lag, self.max_lag_len as u64),
        }
    }
}

/// How one player is treated; what is not set here is as the relay's [`RelayConfig`] says.
///
/// An observer gives it to a client with [`PlayGrant::player`](crate::PlayGrant::player), the application to a player
/// of its own with [`Relay::play_with`](super::Relay::play_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayerConfig {
    slow_players: Option<SlowPlayers>,
    max_lag_len: Option<usize>,
    max_lag: Option<Duration>,
    join_within: Option<Duration>,
    latency: Option<Duration>,
}

impl PlayerConfig {
    /// What happens if it is too far behind, see [`RelayConfig::slow_players`].
    #[must_use]
    pub fn slow_players(mut self, policy: SlowPlayers) -> Self {
        self.slow_players = Some(policy);
        self
    }

    /// How many bytes it may be behind, see [`RelayConfig::max_lag_len`].
    #[must_use]
    pub fn max_lag_len(mut self, bytes: usize) -> Self {
        self.max_lag_len = Some(bytes);
        self
    }

    /// How long it may be behind, see [`RelayConfig::max_lag`].
    #[must_use]
    pub fn max_lag(mut self, time: Duration) -> Self {
        self.max_lag = Some(time);
        self
    }

    /// How far behind it may begin, see [`RelayConfig::join_within`].
    #[must_use]
    pub fn join_within(mut self, time: Duration) -> Self {
        self.join_within = Some(time);
        self
    }

    /// For how long its messages are gathered, up to half of what it may be behind, see [`RelayConfig::latency`]. Players
    /// with the same time share a timer.
    #[must_use]
    pub fn latency(mut self, time: Duration) -> Self {
        self.latency = Some(time);
        self
    }

    /// How much is gathered for it before it is woken: half of what it may lag, or it would be too slow by its own wish.
    pub(super) fn gathers(&self, config: &RelayConfig) -> Lag {
        let Lag { time, len } = self.lag_limit(config).max;
        Lag {
            time: self.latency.unwrap_or(config.latency).min(time / 2),
            len: len.min(config.max_history_len as u64) / 2,
        }
    }

    /// How far the player may lag.
    pub(super) fn lag_limit(&self, config: &RelayConfig) -> LagLimit {
        let common = config.lag_limit();
        LagLimit {
            policy: self.slow_players.unwrap_or(common.policy),
            max: Lag {
                time: self.max_lag.unwrap_or(common.max.time),
                len: self.max_lag_len.map_or(common.max.len, |len| len as u64),
            },
        }
    }

    /// How old the keyframe may be that it begins at; `None` if it may be at none.
    pub(super) fn join_limit(&self, config: &RelayConfig) -> Option<Duration> {
        let within = self.join_within.unwrap_or(config.join_within);
        (config.gop_cache && !within.is_zero()).then_some(within)
    }
}
