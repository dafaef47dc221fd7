//! Bounds and policies of a relay.

use std::time::Duration;

use rtmp_core::conn::DEFAULT_OUTGOING_CHUNK_SIZE;

use super::BackwardTime;

/// What happens to a player that falls too far behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowPlayers {
    /// It goes on at the newest keyframe or, if that is gone too, with the next. What lies between is lost to it.
    #[default]
    SkipToKeyframe,
    /// Its session ends.
    Disconnect,
}

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

/// Bounds and policies of a [`Relay`](super::Relay). Lengths are in bytes.
///
/// | setting | default |
/// |---|---|
/// | [`gop_cache`](Self::gop_cache) | on |
/// | [`max_gop_len`](Self::max_gop_len) | 32 MiB |
/// | [`max_gop`](Self::max_gop) | 20 s |
/// | [`max_lag_len`](Self::max_lag_len) | 8 MiB |
/// | [`max_lag`](Self::max_lag) | 10 s |
/// | [`take_over`](Self::take_over) | refuse |
/// | [`backward_time`](Self::backward_time) | pass on |
/// | [`slow_players`](Self::slow_players) | skip to the newest keyframe |
/// | [`unplayable`](Self::unplayable) | pass on |
/// | [`wait_for_publisher`](Self::wait_for_publisher) | 60 s |
/// | [`max_configuration_len`](Self::max_configuration_len) | 64 KiB |
/// | [`chunk_size`](Self::chunk_size) | 60,000 |
#[derive(Clone, Debug)]
pub struct RelayConfig {
    pub(super) gop_cache: bool,
    pub(super) max_gop_len: usize,
    pub(super) max_gop: Duration,
    pub(super) max_lag_len: usize,
    pub(super) max_lag: Duration,
    pub(super) take_over: TakeOver,
    pub(super) backward_time: BackwardTime,
    pub(super) slow_players: SlowPlayers,
    pub(super) unplayable: Unplayable,
    pub(super) wait_for_publisher: Duration,
    pub(super) max_configuration_len: usize,
    pub(super) chunk_size: u32,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            gop_cache: true,
            max_gop_len: 32 << 20,
            max_gop: Duration::from_secs(20),
            max_lag_len: 8 << 20,
            max_lag: Duration::from_secs(10),
            take_over: TakeOver::default(),
            backward_time: BackwardTime::default(),
            slow_players: SlowPlayers::default(),
            unplayable: Unplayable::default(),
            wait_for_publisher: Duration::from_secs(60),
            max_configuration_len: 64 << 10,
            chunk_size: DEFAULT_OUTGOING_CHUNK_SIZE,
        }
    }
}

impl RelayConfig {
    /// Whether a player begins at the last keyframe; otherwise its video begins at the next.
    #[must_use]
    pub fn gop_cache(mut self, on: bool) -> Self {
        self.gop_cache = on;
        self
    }

    /// How many bytes may follow a keyframe before players no longer begin at it.
    #[must_use]
    pub fn max_gop_len(mut self, bytes: usize) -> Self {
        self.max_gop_len = bytes;
        self
    }

    /// How much media time may follow a keyframe before players no longer begin at it.
    #[must_use]
    pub fn max_gop(mut self, time: Duration) -> Self {
        self.max_gop = time;
        self
    }

    /// How many bytes a player may be behind. A message counts with its content and 256 bytes more, and one that does
    /// not fit into a chunk counts twice, as much as it takes here. The same goes for
    /// [`max_gop_len`](Self::max_gop_len).
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

    /// What happens to a player that is further behind.
    #[must_use]
    pub fn slow_players(mut self, policy: SlowPlayers) -> Self {
        self.slow_players = policy;
        self
    }

    /// What happens to media that a player can not play by its own word. It is asked what it can play when it begins;
    /// players within the process get everything.
    #[must_use]
    pub fn unplayable(mut self, policy: Unplayable) -> Self {
        self.unplayable = policy;
        self
    }

    /// How long players wait for a publisher, before the first and after each. With zero a stream that nobody
    /// publishes is not found, and its end ends its players.
    #[must_use]
    pub fn wait_for_publisher(mut self, time: Duration) -> Self {
        self.wait_for_publisher = time;
        self
    }

    /// How long a sequence header or metadata may be to be kept for those who join later.
    #[must_use]
    pub fn max_configuration_len(mut self, bytes: usize) -> Self {
        self.max_configuration_len = bytes;
        self
    }

    /// The chunk size that the shared wire form is cut for. It should be what the sessions announce; those that
    /// announce another frame their messages themselves.
    #[must_use]
    pub fn chunk_size(mut self, bytes: u32) -> Self {
        self.chunk_size = bytes;
        self
    }
}
