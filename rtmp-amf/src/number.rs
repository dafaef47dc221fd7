//! Numbers from what peers send instead.

use crate::AmfString;

/// The number that a string spells in decimals; unlike `f64::from_str` not the words "inf", "infinity" and "nan".
pub(crate) fn decimal(string: &AmfString) -> Option<f64> {
    let text = string.to_str()?.trim_ascii();
    let numeric = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().all(numeric) {
        text.parse().ok()
    } else {
        None
    }
}

/// A number that is whole and in the range of `u32`.
pub(crate) fn to_u32(number: f64) -> Option<u32> {
    // Saturates, and takes NaN to 0; the way back is exact, so only whole numbers in range survive it.
    let whole = number as u32;
    (f64::from(whole) == number).then_some(whole)
}
