//! What a relay does with players that can not keep up.

use std::fmt;
use std::time::Duration;

/// What happens to a player that falls too far behind, by [`max_lag`](super::RelayConfig::max_lag) or
/// [`max_lag_len`](super::RelayConfig::max_lag_len).
///
/// | policy | sound | picture | the player |
/// |---|---|---|---|
/// | [`SkipToKeyframe`](Self::SkipToKeyframe) | has a gap | has a gap | is told, and stays |
/// | [`DropVideo`](Self::DropVideo) | goes on | has a gap | is told, and stays |
/// | [`Disconnect`](Self::Disconnect) | | | is told, and its session ends |
/// | [`Keep`](Self::Keep) | goes on | goes on | comes later and later, up to a bound |
/// | [`HoldPublisher`](Self::HoldPublisher) | goes on | goes on | sets the pace for all |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowPlayers {
    /// It goes on at the newest keyframe or, if it is past that one, with the next. What lies between is lost to it.
    #[default]
    SkipToKeyframe,
    /// It gets no video up to the newest keyframe or, if it is past that one, up to the next; but all audio and data,
    /// as far back as [`max_history_len`](super::RelayConfig::max_history_len) goes.
    DropVideo,
    /// Its session ends.
    Disconnect,
    /// Nothing is dropped for it, however late it is. If it is behind by more than
    /// [`max_history_len`](super::RelayConfig::max_history_len), its session ends: it never gets a stream with a gap.
    Keep,
    /// Nothing is dropped for it, and the publisher waits: for files that are sent as fast as they can be received, not
    /// for cameras. Once such a player is behind by more than [`max_lag_len`](super::RelayConfig::max_lag_len), or by
    /// half of [`max_history_len`](super::RelayConfig::max_history_len) if that is less, nothing is read from the
    /// publisher until all such players have caught up to half of that or have left. So the slowest of them sets the pace
    /// for all players of the stream, but of no other stream.
    ///
    /// One that takes nothing at all is ended by its session's [write timeout](crate::Timeouts::write), and holds the
    /// publisher no longer than that; one that takes a little now and then holds it as long as it likes. A player within
    /// the process has no such timeout. Publishers within the process wait only if they ask
    /// [`RelayPublisher::ready`](super::RelayPublisher::ready), and who stands in never does: what they send too fast is
    /// treated as with [`Keep`](Self::Keep).
    HoldPublisher,
}

impl SlowPlayers {
    /// A player is late without limit, as long as what is next for it is there.
    pub(super) fn drops_nothing(self) -> bool {
        matches!(self, Self::Keep | Self::HoldPublisher)
    }

    /// A player that can not be given what is next for it is ended.
    pub(super) fn gives_up(self) -> bool {
        self.drops_nothing() || self == Self::Disconnect
    }
}

/// How far a player is behind its publisher: at least, if the relay has dropped some of what it has not got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// How long ago its next message came.
    pub time: Duration,
    /// Bytes of the messages that it has not got yet.
    pub len: u64,
}

impl Lag {
    /// Whether it is longer or larger than that.
    pub(super) fn exceeds(self, max: Self) -> bool {
        self.len > max.len || self.time > max.time
    }

    /// So long and so many bytes.
    #[must_use]
    pub const fn new(time: Duration, len: u64) -> Self {
        Self { time, len }
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} s and {} bytes behind",
            self.time.as_secs_f64(),
            self.len
        )
    }
}

/// How a player may lag, and what happens if it does more.
#[derive(Clone, Copy, Debug)]
pub(super) struct LagLimit {
    pub(super) policy: SlowPlayers,
    pub(super) max: Lag,
}

impl LagLimit {
    pub(super) fn is_exceeded_by(&self, lag: Lag) -> bool {
        lag.exceeds(self.max)
    }

    /// Whether the history has to keep what this player has not got, beyond what it keeps for all.
    pub(super) fn needs_more_than(&self, common: Lag) -> bool {
        self.policy.drops_nothing()
            || self.policy == SlowPlayers::DropVideo
            || self.max.len > common.len
            || self.max.time > common.time
    }
}
