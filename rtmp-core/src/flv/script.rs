//! The opening of script data (FLV 10.1 section E.4.4): its name, and `@setDataFrame` before it.
//!
//! A publisher wraps the metadata a server should keep as `@setDataFrame`, `onMetaData`, value; players and files
//! get it without the first. Both directions work on the bytes, so what follows passes unchanged, decodable or not.

use bytes::Bytes;

const STRING_MARKER: u8 = 0x02;
/// Before AMF0 values in a data message of type 15.
const AMF3_SELECTOR: u8 = 0x00;
const SET_DATA_FRAME: &[u8] = b"@setDataFrame";
const CLEAR_DATA_FRAME: &[u8] = b"@clearDataFrame";
pub(super) const ON_META_DATA: &[u8] = b"onMetaData";

/// The payload of a data message without a leading `@setDataFrame`, sharing the payload's memory.
///
/// ```
/// use bytes::Bytes;
/// use rtmp_core::flv::{strip_set_data_frame, with_set_data_frame};
///
/// let metadata = Bytes::from_static(b"\x02\x00\x0aonMetaData\x08\0\0\0\0\0\0\x09");
/// let sent = with_set_data_frame(&metadata);
/// assert!(sent.starts_with(b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData"));
/// assert_eq!(strip_set_data_frame(&sent), metadata);
/// assert_eq!(strip_set_data_frame(&metadata), metadata);
/// ```
#[must_use]
pub fn strip_set_data_frame(payload: &Bytes) -> Bytes {
    let (selector, values) = split_selector(payload);
    match split_name(values) {
        Some((SET_DATA_FRAME, rest)) if selector.is_empty() => payload.slice_ref(rest),
        Some((SET_DATA_FRAME, rest)) => [selector, rest].concat().into(),
        _ => payload.clone(),
    }
}

/// The payload of a data message with `@setDataFrame` in front, as a publisher sends the metadata a server should
/// keep for players. A payload that has it already stays as it is.
#[must_use]
pub fn with_set_data_frame(payload: &Bytes) -> Bytes {
    let (selector, values) = split_selector(payload);
    if let Some((SET_DATA_FRAME, _)) = split_name(values) {
        return payload.clone();
    }
    [selector, b"\x02\x00\x0d", SET_DATA_FRAME, values]
        .concat()
        .into()
}

/// Whether the payload of a data message is `@clearDataFrame`: the metadata kept for players is void.
#[must_use]
pub fn is_clear_data_frame(payload: &[u8]) -> bool {
    matches!(split_name(split_selector(payload).1), Some((CLEAR_DATA_FRAME, _)))
}

/// Whether the payload of a data message is `onMetaData`, with or without `@setDataFrame`.
pub(super) fn is_metadata(payload: &[u8]) -> bool {
    metadata_values(payload).is_some()
}

/// What follows the name `onMetaData`, if that is the name.
pub(super) fn metadata_values(payload: &[u8]) -> Option<&[u8]> {
    let (_, values) = split_selector(payload);
    let named = match split_name(values) {
        Some((SET_DATA_FRAME, rest)) => rest,
        _ => values,
    };
    match split_name(named)? {
        (ON_META_DATA, values) => Some(values),
        _ => None,
    }
}

/// The selector byte of a message of type 15, and the AMF0 values after it. They start with a name, so a leading
/// 0 is not the marker of a number.
fn split_selector(payload: &[u8]) -> (&[u8], &[u8]) {
    let selector_len = usize::from(payload.starts_with(&[AMF3_SELECTOR, STRING_MARKER]));
    payload.split_at(selector_len)
}

/// The AMF0 string at the start, and the values after it.
fn split_name(values: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[marker, high, low], rest) = values.split_first_chunk()?;
    if marker != STRING_MARKER {
        return None;
    }
    rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &[u8] = b"\x02\0\x0aonMetaData\x03\0\0\x09";

    #[test]
    fn set_data_frame_is_taken_off_without_a_copy() {
        let wrapped = with_set_data_frame(&Bytes::from_static(METADATA));
        let stripped = strip_set_data_frame(&wrapped);
        assert_eq!(stripped, METADATA);
        assert_eq!(stripped.as_ptr(), wrapped[16..].as_ptr());
    }

    #[test]
    fn adding_twice_and_stripping_twice_change_nothing_more() {
        let wrapped = with_set_data_frame(&Bytes::from_static(METADATA));
        assert_eq!(with_set_data_frame(&wrapped), wrapped);
        assert_eq!(strip_set_data_frame(&strip_set_data_frame(&wrapped)), METADATA);
    }

    #[test]
    fn the_selector_of_amf3_data_stays_in_front() {
        let amf3: Bytes = [b"\0", METADATA].concat().into();
        let wrapped = with_set_data_frame(&amf3);
        assert!(wrapped.starts_with(b"\0\x02\0\x0d@setDataFrame\x02"));
        assert_eq!(strip_set_data_frame(&wrapped), amf3);
        assert!(is_metadata(&wrapped) && is_metadata(&amf3));
    }

    #[test]
    fn what_is_no_set_data_frame_passes_unchanged() {
        for payload in [
            &b""[..],
            b"\x02",
            b"\x02\xff\xff@set",
            b"\0\0\0",
            b"\x02\0\x0conTextData!\x05",
        ] {
            let payload = Bytes::from_static(payload);
            assert_eq!(strip_set_data_frame(&payload), payload);
            assert!(!is_metadata(&payload));
        }
    }

    #[test]
    fn a_set_data_frame_without_name_is_not_metadata() {
        assert!(!is_metadata(b"\x02\0\x0d@setDataFrame"));
        assert!(!is_metadata(b"\x02\0\x0d@setDataFrame\x05"));
    }

    #[test]
    fn clear_data_frame_is_recognized() {
        assert!(is_clear_data_frame(
            b"\x02\0\x0f@clearDataFrame\x02\0\x0aonMetaData"
        ));
        assert!(!is_clear_data_frame(METADATA));
    }
}
