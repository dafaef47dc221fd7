//! Times collected one by one, and their percentiles.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Times in whole microseconds; 4 bytes each, and none is longer than 71 minutes.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<u32>);

impl Samples {
    /// Adds a time.
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all times of another collection.
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The percentiles, or `None` without any time.
    #[must_use]
    pub(super) fn percentiles(mut self) -> Option<Percentiles> {
        self.0.sort_unstable();
        let max = *self.0.last()?;
        let millis = |micros: u32| f64::from(micros) / 1000.0;
        let at = |percent: usize| {
            // The nearest rank: the smallest time that `percent` % of all are not above.
            let rank = (self.0.len() * percent).div_ceil(100);
            self.0
                .get(rank.saturating_sub(1))
                .map_or(0.0, |&micros| millis(micros))
        };
        let within_second = self.0.partition_point(|&micros| micros < 1_000_000);
        Some(Percentiles {
            count: self.0.len(),
            p50_ms: at(50),
            p90_ms: at(90),
            p99_ms: at(99),
            max_ms: millis(max),
            percent_within_1s: within_second as f64 * 100.0 / self.0.len() as f64,
        })
    }
}

/// How a quantity of time is distributed, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many times there are.
    pub count: usize,
    /// Half of all take no longer.
    pub p50_ms: f64,
    /// 90 % take no longer.
    pub p90_ms: f64,
    /// 99 % take no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many of a hundred are below a second.
    pub percent_within_1s: f64,
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50_ms,
            p90_ms,
            p99_ms,
            max_ms,
            ..
        } = self;
        write!(
            f,
            "p50 {p50_ms:.2}  p90 {p90_ms:.2}  p99 {p99_ms:.2}  max {max_ms:.2} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles_of(millis: impl Iterator<Item = u64>) -> Percentiles {
        let mut samples = Samples::default();
        millis.for_each(|millis| samples.add(Duration::from_millis(millis)));
        samples.percentiles().unwrap()
    }

    #[test]
    fn percentiles_are_nearest_ranks_whatever_the_order() {
        let of_hundred = percentiles_of((1..=100).rev());
        assert_eq!(
            (of_hundred.p50_ms, of_hundred.p90_ms, of_hundred.p99_ms),
            (50.0, 90.0, 99.0)
        );
        assert_eq!((of_hundred.max_ms, of_hundred.count), (100.0, 100));
        let of_two = percentiles_of([10, 20].into_iter());
        assert_eq!((of_two.p50_ms, of_two.p90_ms, of_two.p99_ms), (10.0, 20.0, 20.0));
        let of_one = percentiles_of([7].into_iter());
        assert_eq!((of_one.p50_ms, of_one.p99_ms, of_one.max_ms), (7.0, 7.0, 7.0));
    }

    #[test]
    fn the_share_below_a_second_leaves_the_second_out() {
        assert_eq!(
            percentiles_of([0, 999, 1000, 5000].into_iter()).percent_within_1s,
            50.0
        );
    }

    #[test]
    fn no_times_have_no_percentiles() {
        assert_eq!(Samples::default().percentiles(), None);
    }
}
