//! The 32-bit millisecond clock of RTMP (RTMP 1.0 section 4).

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

/// A point on the wire's clock: milliseconds from an arbitrary start, wrapping at 2^32 (every 49.7 days).
///
/// Two timestamps are compared by their signed 32-bit difference, as RTMP 1.0 section 4 asks ("serial number
/// arithmetic"): of two timestamps less than 2^31 ms (24.8 days) apart, the later one is the greater. Comparison
/// is therefore not transitive over longer spans and `Timestamp` is not `Ord`; keep unwrapped time
/// ([`TimestampUnwrapper`]) where that matters.
///
/// ```
/// use rtmp_core::Timestamp;
///
/// let before_wrap = Timestamp::from_millis(0xFFFF_FFF0);
/// let after_wrap = before_wrap.wrapping_add(0x20);
/// assert_eq!(after_wrap.as_millis(), 0x10);
/// assert!(after_wrap.is_after(before_wrap));
/// assert_eq!(after_wrap.millis_since(before_wrap), 0x20);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(u32);

impl Timestamp {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);

    /// A timestamp from its value on the wire, in milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// The value on the wire, in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// This timestamp moved forward by `millis`, wrapping at 2^32.
    #[must_use]
    pub const fn wrapping_add(self, millis: u32) -> Self {
        Self(self.0.wrapping_add(millis))
    }

    /// The distance from `earlier` to `self` on the wrapping clock, as an unsigned number of milliseconds. A
    /// timestamp that is in truth before `earlier` gives a number of 2^31 or more.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The signed distance from `other` to `self` in milliseconds: negative when `self` is earlier.
    #[must_use]
    pub const fn signed_millis_since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// Whether `self` is later than `other` on the wrapping clock.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.signed_millis_since(other) > 0
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.signed_millis_since(*other).cmp(&0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Turns wire timestamps into time that does not wrap.
///
/// Each timestamp is read as the one nearest to the last, so steps backward stay small steps backward and a wrap
/// at 2^32 goes on upward. Time before the first timestamp saturates at zero.
///
/// ```
/// use std::time::Duration;
/// use rtmp_core::{Timestamp, TimestampUnwrapper};
///
/// let mut clock = TimestampUnwrapper::default();
/// clock.unwrap_timestamp(Timestamp::from_millis(u32::MAX));
/// let after = clock.unwrap_timestamp(Timestamp::from_millis(4));
/// assert_eq!(after, Duration::from_millis((1 << 32) + 4));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampUnwrapper {
    last_millis: Option<u64>,
}

impl TimestampUnwrapper {
    /// The 64-bit time of `timestamp`, given the timestamps unwrapped before it.
    pub fn unwrap_timestamp(&mut self, timestamp: Timestamp) -> Duration {
        let millis = match self.last_millis {
            None => u64::from(timestamp.as_millis()),
            Some(last) => {
                let step = timestamp.signed_millis_since(Timestamp(last as u32));
                last.saturating_add_signed(i64::from(step))
            }
        };
        self.last_millis = Some(millis);
        Duration::from_millis(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_follows_the_shorter_way_round() {
        let a = Timestamp::from_millis(u32::MAX);
        let b = Timestamp::from_millis(10);
        assert_eq!(b.partial_cmp(&a), Some(Ordering::Greater));
        assert_eq!(a.partial_cmp(&b), Some(Ordering::Less));
        assert!(a.is_after(Timestamp::from_millis(u32::MAX - 1)));
        assert_eq!(a.partial_cmp(&a), Some(Ordering::Equal));
        assert_eq!(a.signed_millis_since(b), -11);
    }

    #[test]
    fn unwrapped_time_crosses_several_wraps_and_steps_back() {
        let mut clock = TimestampUnwrapper::default();
        let mut expected = 0_u64;
        for _ in 0..10 {
            assert_eq!(
                clock.unwrap_timestamp(Timestamp(expected as u32)).as_millis(),
                u128::from(expected)
            );
            expected += 1 << 30;
        }
        let last = expected - (1 << 30);
        assert_eq!(
            clock.unwrap_timestamp(Timestamp(last as u32 - 40)).as_millis(),
            u128::from(last - 40)
        );
    }

    #[test]
    fn a_step_back_before_the_start_stops_at_zero() {
        let mut clock = TimestampUnwrapper::default();
        clock.unwrap_timestamp(Timestamp(5));
        assert_eq!(clock.unwrap_timestamp(Timestamp(u32::MAX)), Duration::ZERO);
    }
}
