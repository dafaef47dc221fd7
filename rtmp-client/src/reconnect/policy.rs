//! When to try again: a calculation without a clock and without randomness of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ReconnectEvent;
use crate::Error;

/// When a lost connection is tried again, and when not any more.
///
/// The delay before each try is twice the one before it, up to a limit, and up to half of it is taken off by chance, so
/// that the clients of a server that restarts do not all come back at once. Counting begins anew behind a connection
/// that has lasted for a while ([`stable_after`](Self::stable_after)).
///
/// ```
/// use std::time::Duration;
/// use rtmp_client::reconnect::ReconnectPolicy;
///
/// let policy = ReconnectPolicy::default()
///     .delays(Duration::from_secs(1), Duration::from_secs(20))
///     .max_retries(30)
///     .on_event(|event| println!("{event}"));
/// ```
#[derive(Clone, Debug)]
pub struct ReconnectPolicy {
    first_delay: Duration,
    max_delay: Duration,
    max_retries: Option<u32>,
    time_limit: Option<Duration>,
    stable_after: Duration,
    observer: Option<Observer>,
}

impl Default for ReconnectPolicy {
    /// Delays from 500 ms to 30 s, and no end. A connection is stable after 10 s.
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            max_retries: None,
            time_limit: None,
            stable_after: Duration::from_secs(10),
            observer: None,
        }
    }
}

impl ReconnectPolicy {
    /// The delay before the first retry, and the longest one.
    #[must_use]
    pub fn delays(mut self, first: Duration, longest: Duration) -> Self {
        self.first_delay = first;
        self.max_delay = longest;
        self
    }

    /// How many retries there are in a row; 0 for none at all.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// How long an outage may last, tries and delays together.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// How long a connection has to last until retries, and the server's requests to reconnect, are counted anew behind
    /// it. Until then a server that accepts and closes at once meets growing delays. Requests to reconnect are counted anew
    /// as long behind the last one that was followed, so that a server can not send its clients around without end.
    #[must_use]
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Tells `observer` what happens. It runs within the connecting task, or within the call that notices, and should be
    /// quick.
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&ReconnectEvent<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    pub(super) fn observe(&self, event: ReconnectEvent<'_>) {
        tracing::debug!(%event, "reconnecting");
        if let Some(Observer(observer)) = &self.observer {
            observer(&event);
        }
    }

    pub(super) fn is_stable_after(&self, time: Duration) -> bool {
        time >= self.stable_after
    }

    pub(super) fn outage_limit(&self) -> Option<Duration> {
        self.time_limit
    }
}

#[derive(Clone)]
struct Observer(Arc<dyn Fn(&ReconnectEvent<'_>) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// A try that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    /// 0 is the first try of all.
    pub(super) number: u32,
    pub(super) delay: Duration,
}

/// How many tries were made in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    retries: u32,
}

impl Backoff {
    /// The next try, if there is to be one in an outage that has lasted so long. `random` says where between half of
    /// the delay and all of it.
    pub(super) fn next(&mut self, policy: &ReconnectPolicy, outage: Duration, random: u32) -> Option<Retry> {
        if policy.max_retries.is_some_and(|max| self.retries >= max) {
            return None;
        }
        let doubled = policy
            .first_delay
            .saturating_mul(1_u32.checked_shl(self.retries).unwrap_or(u32::MAX));
        let half = doubled.min(policy.max_delay) / 2;
        let delay = half + half.mul_f64(f64::from(random) / f64::from(u32::MAX));
        if policy
            .time_limit
            .is_some_and(|limit| outage.saturating_add(delay) >= limit)
        {
            return None;
        }
        self.retries = self.retries.saturating_add(1);
        Some(Retry {
            number: self.retries,
            delay,
        })
    }

    /// What an error comes to when there is no next try.
    pub(super) fn gave_up(self, error: Error) -> Error {
        match self.retries {
            0 => error,
            retries => Error::GaveUp {
                retries,
                source: Box::new(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delays(policy: &ReconnectPolicy, count: usize, random: u32) -> Vec<u128> {
        let mut backoff = Backoff::default();
        let next = || backoff.next(policy, Duration::ZERO, random);
        std::iter::repeat_with(next)
            .take(count)
            .map_while(|retry| Some(retry?.delay.as_millis()))
            .collect()
    }

    fn seconds(first: u64, longest: u64) -> ReconnectPolicy {
        ReconnectPolicy::default().delays(Duration::from_secs(first), Duration::from_secs(longest))
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = seconds(1, 10);
        assert_eq!(
            delays(&policy, 6, u32::MAX),
            [1000, 2000, 4000, 8000, 10_000, 10_000]
        );
        assert_eq!(delays(&policy, 6, 0), [500, 1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn retries_are_counted() {
        assert_eq!(delays(&seconds(1, 10).max_retries(2), 9, u32::MAX).len(), 2);
        assert_eq!(delays(&seconds(1, 10).max_retries(0), 9, u32::MAX).len(), 0);
    }

    #[test]
    fn no_try_begins_behind_the_time_limit() {
        let policy = seconds(4, 4).time_limit(Duration::from_secs(10));
        let mut backoff = Backoff::default();
        let mut next = |outage| backoff.next(&policy, Duration::from_secs(outage), u32::MAX);
        assert_eq!(next(5).map(|retry| retry.number), Some(1));
        assert_eq!(next(6), None);
    }

    proptest! {
        #[test]
        fn a_delay_is_within_its_bounds_whatever_the_settings(
            first in any::<u64>(), longest in any::<u64>(), retries in 1..80_usize, random in any::<u32>(),
        ) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let policy = ReconnectPolicy::default().delays(first, longest);
            let mut backoff = Backoff::default();
            for number in 1..=retries {
                let retry = backoff.next(&policy, Duration::ZERO, random).unwrap();
                prop_assert_eq!(retry.number as usize, number);
                prop_assert!(retry.delay <= longest);
                prop_assert!(retry.delay >= first.min(longest) / 2);
            }
        }
    }
}
