//! How much of what we sent the peer says it has received.

/// A running total made of the sequence numbers in acknowledgements, which should be running totals themselves, modulo
/// 2^32 (RTMP 1.0 section 5.4.3), and are not always.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acknowledged {
    total: u64,
    last: Option<u32>,
}

/// Where nginx-rtmp, SRS, lal and this library start their count anew.
const RESTART: u32 = 0xF000_0000;

/// A count that falls back from no further before it than any window is long is one of those that start anew.
const NEAR_RESTART: u32 = RESTART - (16 << 20);

impl Acknowledged {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn note(&mut self, sequence: u32) {
        let last = self.last.replace(sequence).unwrap_or(0);
        let more = match sequence.checked_sub(last) {
            // The same number twice: YouTube sends how much came since the last acknowledgement, always as much.
            Some(0) => sequence,
            Some(more) => more,
            // Of the two ways on from there, a count that starts anew is the shorter one.
            None if (NEAR_RESTART..=RESTART).contains(&last) => {
                sequence.saturating_add(RESTART.saturating_sub(last))
            }
            None if sequence.wrapping_sub(last) < 1 << 31 => sequence.wrapping_sub(last),
            // Back for no known reason: the peer counts from somewhere else now.
            None => 0,
        };
        self.total = self.total.saturating_add(more.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(sequences: impl IntoIterator<Item = u32>) -> u64 {
        let mut acknowledged = Acknowledged::default();
        sequences
            .into_iter()
            .for_each(|sequence| acknowledged.note(sequence));
        acknowledged.total()
    }

    #[test]
    fn running_totals_add_up_over_the_wrap() {
        assert_eq!(total([100, 2000, 5000]), 5000);
        let step = 1_000_000_000_u32;
        assert_eq!(
            total((1..=9).map(|count| step.wrapping_mul(count))),
            9_000_000_000
        );
    }

    #[test]
    fn a_count_that_starts_anew_goes_on() {
        assert_eq!(total([0x7000_0000, 0xEFFF_FF00, 0x100]), 0xF000_0000 + 0x100);
    }

    #[test]
    fn increments_instead_of_totals_are_added() {
        // 131325 is what YouTube was seen to send.
        assert_eq!(total([131_325; 40]), 131_325 * 40);
    }

    #[test]
    fn a_step_back_for_no_reason_adds_nothing_and_counts_on_from_there() {
        assert_eq!(total([5000, 1000, 1500]), 5500);
    }
}
