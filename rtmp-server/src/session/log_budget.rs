//! How much one client may put into the log.

use std::time::Duration;

use tokio::time::Instant;

/// Lines that may follow each other at once: more than an orderly client causes on all its streams.
const BURST: u32 = 128;
/// After which there is room for one more.
const INTERVAL: Duration = Duration::from_secs(1);

/// Bounds the lines that a client causes by what it asks for: it may ask as fast as its line goes.
#[derive(Debug)]
pub(super) struct LogBudget {
    left: u32,
    /// When `left` was right.
    at: Instant,
    left_out: u64,
}

impl LogBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            at: now,
            left_out: 0,
        }
    }

    /// Whether there is room for a line and, if so, how many were left out before it.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.at);
        if passed >= INTERVAL {
            let more = u32::try_from(passed.as_secs() / INTERVAL.as_secs()).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(more).min(BURST);
            self.at = now;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        };
        self.left = left;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_a_line_a_second_and_counted() {
        let begin = Instant::now();
        let mut budget = LogBudget::new(begin);
        for _ in 0..BURST {
            assert_eq!(budget.take(begin), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(budget.take(begin), None);
        }
        let later = begin + INTERVAL;
        assert_eq!(budget.take(later), Some(1000));
        assert_eq!(budget.take(later), None);
        // Who has been quiet for long may say as much as at first, and no more.
        let much_later = begin + INTERVAL * (BURST * 3);
        assert_eq!(budget.take(much_later), Some(1));
        for _ in 1..BURST {
            assert_eq!(budget.take(much_later), Some(0));
        }
        assert_eq!(budget.take(much_later), None);
    }
}
