//! Deadlines in a process that may stand still.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A deadline that is noticed so much later was missed by this process. Timers of one that is only busy are not that
/// late.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A deadline that is put off, once and by its whole time, if this process has stood still when it passed.
///
/// Stopped by a signal, by a debugger, or with its machine, a process finds that all its deadlines have passed at once, and
/// peers could do nothing about that. Whoever drives a machine over a socket reads first what came meanwhile, and
/// then asks this whether the time is over: a peer in the middle of something that takes more than one turn has its time
/// once more. `T` is the time of any clock: an `Instant`, or a [`Duration`] since the machine was made.
///
/// ```
/// use std::time::Duration;
/// use rtmp_core::Expiry;
///
/// let seconds = Duration::from_secs;
/// let mut handshake = Expiry::since(seconds(100), seconds(10));
/// assert_eq!(handshake.at(), seconds(110));
/// assert!(!handshake.is_over(seconds(109)));
///
/// // Nobody looked for five minutes, although there was a timer.
/// assert!(!handshake.is_over(seconds(400)));
/// assert_eq!(handshake.at(), seconds(410));
/// assert!(handshake.is_over(seconds(410)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Expiry<T> {
    at: T,
    time: Duration,
    is_put_off: bool,
}

// Instants can not be added to in a checked way by their operators; what both ends add to them is bounded by years.
#[expect(clippy::arithmetic_side_effects, reason = "the clock's own arithmetic")]
impl<T> Expiry<T>
where
    T: Copy + Ord + Add<Duration, Output = T> + Sub<Output = Duration>,
{
    /// So much time from `since` on.
    ///
    /// # Panics
    ///
    /// If the clock does not go that far; so does [`is_over`](Self::is_over) if it puts the deadline off.
    #[must_use]
    pub fn since(since: T, time: Duration) -> Self {
        Self {
            at: since + time,
            time,
            is_put_off: false,
        }
    }

    /// When it is to be looked at.
    #[must_use]
    pub fn at(&self) -> T {
        self.at
    }

    /// Whether the time is over. It is not, and has begun anew, if that shows more than a second too late for the first
    /// time.
    #[must_use]
    pub fn is_over(&mut self, now: T) -> bool {
        if now < self.at {
            return false;
        }
        if self.is_put_off || now - self.at < STANDSTILL {
            return true;
        }
        self.at = now + self.time;
        self.is_put_off = true;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);
    const AT: Duration = Duration::from_secs(12);

    fn expiry() -> Expiry<Duration> {
        Expiry::since(Duration::from_secs(2), TIME)
    }

    #[test]
    fn who_looks_in_time_finds_it_over() {
        for late in [0, 1, 999] {
            let late = Duration::from_millis(late);
            assert!(!expiry().is_over(AT - Duration::from_millis(1)));
            assert!(expiry().is_over(AT + late), "{late:?}");
        }
    }

    #[test]
    fn who_looks_too_late_has_the_time_once_more_and_not_twice() {
        let mut expiry = expiry();
        let late = AT + STANDSTILL;
        assert!(!expiry.is_over(late));
        assert_eq!(expiry.at(), late + TIME);
        assert!(!expiry.is_over(late));
        assert!(expiry.is_over(late + TIME + STANDSTILL * 5));
    }
}
