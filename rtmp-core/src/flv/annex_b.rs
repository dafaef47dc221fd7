//! From the byte stream format of NAL units to the one with length prefixes.

use bytes::{BufMut, Bytes, BytesMut};

/// Turns NAL units between start codes (H.264 and H.265 Annex B) into NAL units with 4-byte length prefixes (AVCC,
/// ISO/IEC 14496-15), as messages carry them for AVC, HEVC and VVC.
///
/// The units themselves are not looked into: parameter sets and delimiters among them are kept. What comes before
/// the first start code is dropped, so the result is empty when there is none.
///
/// ```
/// use rtmp_core::flv::annex_b_to_avcc;
///
/// let annex_b = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68];
/// assert_eq!(annex_b_to_avcc(&annex_b)[..], [0, 0, 0, 2, 0x67, 0x42, 0, 0, 0, 1, 0x68]);
/// ```
#[must_use]
pub fn annex_b_to_avcc(annex_b: &[u8]) -> Bytes {
    // Start codes of three bytes become a byte longer; one in a hundred bytes is far more than there are.
    let mut avcc = BytesMut::with_capacity(annex_b.len() + annex_b.len() / 100 + 4);
    for nal_unit in nal_units(annex_b) {
        // A unit too long for its prefix would be 256 times longer than a message can be.
        let Ok(len) = u32::try_from(nal_unit.len()) else {
            continue;
        };
        avcc.put_u32(len);
        avcc.put_slice(nal_unit);
    }
    avcc.freeze()
}

/// The NAL units between start codes, without those that are empty.
fn nal_units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(annex_b).map(|(_, rest)| rest);
    std::iter::from_fn(move || {
        let (unit, next) = match after_start_code(rest?) {
            Some((unit, next)) => (unit, Some(next)),
            None => (rest?, None),
        };
        rest = next;
        // A NAL unit ends with a byte other than 0; zeros before a start code are part of it or are padding.
        let len = unit
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        Some(&unit[..len])
    })
    .filter(|unit| !unit.is_empty())
}

/// What is before the first start code, and what is after it.
fn after_start_code(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(3).position(|window| window == [0, 0, 1])?;
    Some((&bytes[..at], &bytes[at + 3..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_outside_units_are_dropped() {
        for (annex_b, units) in [
            (&[][..], &[][..]),
            (&[0x65, 0x88], &[]),
            (&[0, 0, 1], &[]),
            (&[0, 0, 1, 0, 0, 0, 1, 0, 0], &[]),
            (&[7, 0, 0, 1, 0x65], &[&[0x65][..]]),
            (
                &[0, 0, 0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 0, 1, 0x65, 0, 5, 0, 0, 0],
                &[&[9, 0xF0], &[0x65, 0, 5]],
            ),
            (
                &[0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0, 2],
                &[&[0x65, 0, 0, 3, 1, 0, 0, 2]],
            ),
        ] {
            assert_eq!(nal_units(annex_b).collect::<Vec<_>>(), units, "{annex_b:?}");
        }
    }

    fn nal_unit() -> impl Strategy<Value = Vec<u8>> {
        // Small values make zeros likely; escaped as encoders do, and with a last byte other than 0.
        prop::collection::vec(0_u8..6, 0..40).prop_map(|bytes| {
            let mut unit = vec![0x65];
            for byte in bytes {
                if byte <= 3 && unit.ends_with(&[0, 0]) {
                    unit.push(3);
                }
                unit.push(byte);
            }
            unit.push(0x80);
            unit
        })
    }

    proptest! {
        #[test]
        fn every_unit_is_kept_whatever_start_codes_separate_them(
            units in prop::collection::vec((nal_unit(), 2_usize..6), 0..8),
        ) {
            let (mut annex_b, mut avcc) = (Vec::new(), Vec::new());
            for (unit, zeros) in &units {
                annex_b.resize(annex_b.len() + zeros, 0);
                annex_b.push(1);
                annex_b.extend(unit);
                avcc.extend(u32::try_from(unit.len()).unwrap().to_be_bytes());
                avcc.extend(unit);
            }
            prop_assert_eq!(annex_b_to_avcc(&annex_b), avcc);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(0_u8..3, 0..60)) {
            prop_assert!(annex_b_to_avcc(&bytes).len() <= bytes.len() * 2);
        }
    }
}
