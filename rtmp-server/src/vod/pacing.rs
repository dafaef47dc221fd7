//! When a player gets what: its buffer is filled at once, then kept full in real time.

use std::time::Duration;

use rtmp_core::Timestamp;

/// What a player that has not said how much it wants to hold is sent ahead.
const DEFAULT_BUFFER: Duration = Duration::from_secs(3);

/// Less than that would leave a player without media between two rounds of the sender.
const MIN_BUFFER: Duration = Duration::from_millis(100);

/// How far the buffer runs down before it is filled again, at most. Sending in portions costs a fraction of sending
/// each message when it is due.
const MAX_PORTION: Duration = Duration::from_secs(1);

/// A longer step from one message to the next is taken for a break in the clock of the recording, and waited for no
/// longer than this.
const MAX_STEP: Duration = Duration::from_secs(10);

/// What a step back counts, lest a recording whose time always goes back be sent all at once.
const STEP_BACK: Duration = Duration::from_millis(10);

/// The sender's idea of a player's buffer. Times are those of a clock that the caller has.
#[derive(Debug)]
pub(super) struct Pacing {
    buffer: Duration,
    /// When the player began to show the first message, if it showed it at once and never had to wait.
    begun: Option<Duration>,
    /// Since when the player is paused.
    paused: Option<Duration>,
    /// The time of the last message, and how much was sent up to it.
    last: Option<Timestamp>,
    sent: Duration,
    /// The buffer is full and runs down.
    is_full: bool,
}

/// Whether a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Duration),
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            buffer: DEFAULT_BUFFER,
            begun: None,
            paused: None,
            last: None,
            sent: Duration::ZERO,
            is_full: false,
        }
    }
}

impl Pacing {
    pub(super) fn set_buffer(&mut self, length: Duration) {
        self.buffer = length.max(MIN_BUFFER);
    }

    /// The player's buffer is empty: it begins, or begins elsewhere.
    pub(super) fn restart(&mut self) {
        self.begun = None;
        self.last = None;
        self.sent = Duration::ZERO;
        self.is_full = false;
    }

    /// What the player shows stands still, or goes on.
    pub(super) fn pause(&mut self, paused: bool, now: Duration) {
        if paused {
            self.paused.get_or_insert(now);
        } else if let Some(since) = self.paused.take()
            && let Some(begun) = &mut self.begun
        {
            *begun = begun.saturating_add(now.saturating_sub(since));
        }
    }

    /// Whether the next message may be sent, and if so, counts it as sent.
    pub(super) fn take(&mut self, timestamp: Timestamp, now: Duration) -> Due {
        let begun = *self.begun.get_or_insert(now);
        let sent = self.sent.saturating_add(self.step(timestamp));
        let shown = now.saturating_sub(begun);
        if self.sent < shown {
            // It has run out of media, and shows what comes as it comes.
            self.begun = Some(now.saturating_sub(self.sent));
            self.is_full = false;
        }
        let ahead = sent.saturating_sub(shown);
        let limit = if self.is_full {
            self.refill_at()
        } else {
            self.buffer
        };
        if ahead > limit && self.last.is_some() {
            self.is_full = true;
            return Due::At(now.saturating_add(ahead.saturating_sub(self.refill_at())));
        }
        self.is_full = false;
        self.sent = sent;
        self.last = Some(timestamp);
        Due::Now
    }

    /// What a player that is full holds yet when it gets more.
    fn refill_at(&self) -> Duration {
        let portion = self.buffer.checked_div(2).unwrap_or_default().min(MAX_PORTION);
        self.buffer.saturating_sub(portion)
    }

    /// How much longer the player is busy with a message of this time than with the one before.
    fn step(&self, timestamp: Timestamp) -> Duration {
        let Some(last) = self.last else {
            return Duration::ZERO;
        };
        match u64::try_from(timestamp.signed_millis_since(last)) {
            Ok(millis) => Duration::from_millis(millis).min(MAX_STEP),
            Err(_) => STEP_BACK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u32) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Sends messages of these times as early as may be, and gives when each was sent.
    fn sent_at(
        pacing: &mut Pacing,
        now: &mut Duration,
        times: impl IntoIterator<Item = u32>,
    ) -> Vec<Duration> {
        let send = |time| {
            while let Due::At(due) = pacing.take(at(time), *now) {
                assert!(due > *now, "{due:?} at {now:?}");
                *now = due;
            }
            *now
        };
        times.into_iter().map(send).collect()
    }

    #[test]
    fn the_buffer_is_filled_at_once_and_then_in_real_time() {
        let mut pacing = Pacing::default();
        pacing.set_buffer(millis(1000));
        let mut now = millis(50_000);
        let sent = sent_at(&mut pacing, &mut now, (0..100).map(|n| n * 40));
        for (n, sent) in (0..).zip(&sent) {
            let time = millis(50_000 + n * 40);
            assert!(*sent <= time, "message {n} comes too late, at {sent:?}");
            assert!(
                time <= *sent + millis(1000),
                "message {n} comes too early, at {sent:?}"
            );
        }
        assert_eq!(sent[25], millis(50_000));
        // Portions of half a buffer, not one message at a time.
        let rounds = sent.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(rounds, 6);
    }

    #[test]
    fn who_wants_to_hold_everything_gets_everything_at_once() {
        let mut pacing = Pacing::default();
        pacing.set_buffer(Duration::from_secs(36_000));
        let mut now = Duration::ZERO;
        sent_at(&mut pacing, &mut now, (0..1000).map(|n| n * 7200));
        assert_eq!(now, Duration::ZERO);
    }

    #[test]
    fn a_jump_of_the_clock_is_not_waited_for_longer_than_ten_seconds() {
        let mut pacing = Pacing::default();
        let mut now = Duration::ZERO;
        sent_at(&mut pacing, &mut now, [0, 40, 3_000_000_000, 4_000_000_000, 40]);
        assert!(now <= millis(40) + 3 * MAX_STEP, "{now:?}");
    }

    #[test]
    fn a_clock_that_always_goes_back_is_not_sent_all_at_once() {
        let mut pacing = Pacing::default();
        let mut now = Duration::ZERO;
        sent_at(&mut pacing, &mut now, (0..10_000).rev());
        assert!(now >= Duration::from_secs(90), "{now:?}");
    }

    #[test]
    fn who_could_not_take_it_in_time_is_not_sent_more_ahead_for_that() {
        let mut pacing = Pacing::default();
        pacing.set_buffer(millis(1000));
        let mut now = Duration::ZERO;
        sent_at(&mut pacing, &mut now, [0, 500]);
        now += Duration::from_secs(60); // it took nothing
        let stalled_until = now;
        let sent = sent_at(&mut pacing, &mut now, (0..50).map(|n| 540 + n * 40));
        let ahead = sent.iter().filter(|sent| **sent == stalled_until).count();
        assert!((24..=26).contains(&ahead), "{ahead} messages of 40 ms at once");
    }

    #[test]
    fn a_pause_is_no_time() {
        let mut pacing = Pacing::default();
        pacing.set_buffer(millis(1000));
        let mut now = Duration::ZERO;
        sent_at(&mut pacing, &mut now, (0..=25).map(|n| n * 40));
        pacing.pause(true, now);
        now += Duration::from_secs(600);
        pacing.pause(false, now);
        let resumed = now;
        assert!(sent_at(&mut pacing, &mut now, [1040])[0] > resumed);
    }

    #[test]
    fn a_new_position_is_shown_at_once() {
        let mut pacing = Pacing::default();
        let mut now = Duration::ZERO;
        sent_at(&mut pacing, &mut now, (0..200).map(|n| n * 40));
        pacing.restart();
        let before = now;
        assert_eq!(sent_at(&mut pacing, &mut now, [90_000, 90_040]), [before, before]);
    }
}
