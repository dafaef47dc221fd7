//! Send times inside H.264 frames.
//!
//! A stamp is a NAL unit in front of a frame's own ones: supplemental enhancement information, user data unregistered
//! (ITU-T H.264 section 7.3.2.3 and D.1.7), which decoders skip and servers pass on. So it reaches players through
//! any server, also through those that drop data messages they do not know. It holds the number of the frame and the
//! time at which it was sent, as hexadecimal digits: with them no byte needs emulation prevention (section 7.3.1).

use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use rtmp_core::{MediaKind, MediaMessage};

/// Frame type and codec, AVC packet type, composition time (FLV 10.1 section E.4.3.1).
const BODY_HEADER_LEN: usize = 5;
const NAL_TYPE_MASK: u8 = 0x1F;
const NAL_ACCESS_UNIT_DELIMITER: u8 = 9;
/// NAL unit type 6; payload type 5; payload size: UUID and digits.
const SEI_HEADER: [u8; 3] = [6, 5, (UUID.len() + DIGITS) as u8];
const UUID: [u8; 16] = *b"rtmp bench stamp";
/// Eight of the frame's number, sixteen of the microseconds since 1970.
const DIGITS: usize = 8 + 16;
/// The stop bit of the message's payload (section 7.3.2.11).
const RBSP_TRAILING: u8 = 0x80;
const NAL_LEN: usize = SEI_HEADER.len() + UUID.len() + DIGITS + 1;

/// What a stamped frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the publisher's frames.
    pub number: u32,
    /// When it was sent: microseconds since 1970 on the sender's clock.
    pub micros: u64,
}

impl Stamp {
    /// A stamp with the time that it is.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "sender and receiver are different processes, which share only this clock"
    )]
    pub fn now(number: u32) -> Self {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            number,
            micros: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// How long ago that was; a clock that was set back counts as no time.
    #[must_use]
    pub fn age(self) -> Duration {
        Duration::from_micros(Self::now(0).micros.saturating_sub(self.micros))
    }

    fn to_digits(self) -> String {
        format!("{:08x}{:016x}", self.number, self.micros)
    }

    fn from_digits(digits: &[u8]) -> Option<Self> {
        let (number, micros) = std::str::from_utf8(digits).ok()?.split_at_checked(8)?;
        Some(Self {
            number: u32::from_str_radix(number, 16).ok()?,
            micros: u64::from_str_radix(micros, 16).ok()?,
        })
    }
}

/// How many bytes the length in front of each NAL unit has, from an H.264 sequence header (ISO/IEC 14496-15 section
/// 5.3.3.1.2); `None` if the message is none.
#[must_use]
pub(super) fn nal_length_size(message: &MediaMessage) -> Option<usize> {
    if message.kind != MediaKind::Video || !message.payload.starts_with(&[0x17, 0]) {
        return None;
    }
    let size = message.payload.get(BODY_HEADER_LEN + 4)?;
    Some(usize::from(size & 3) + 1)
}

/// The frame with a stamp in it, or `None` if the message is no H.264 frame.
#[must_use]
pub(super) fn add_stamp(message: &MediaMessage, length_size: usize, stamp: Stamp) -> Option<MediaMessage> {
    let place = stamp_place(message, length_size)?;
    let (before, behind) = message.payload.split_at_checked(place)?;
    let mut payload = BytesMut::with_capacity(message.payload.len() + length_size + NAL_LEN);
    payload.put_slice(before);
    // It fits even a length of one byte.
    payload.put_uint(NAL_LEN as u64, length_size);
    payload.put_slice(&SEI_HEADER);
    payload.put_slice(&UUID);
    payload.put_slice(stamp.to_digits().as_bytes());
    payload.put_u8(RBSP_TRAILING);
    payload.put_slice(behind);
    Some(MediaMessage {
        payload: payload.freeze(),
        ..*message
    })
}

/// The stamp of a frame, if it has one, and the payload without it.
#[must_use]
pub(super) fn take_stamp(message: &MediaMessage, length_size: usize) -> Option<(Stamp, Bytes)> {
    let (before, stamp, behind) = split_at_stamp(message, length_size)?;
    Some((stamp, [before, behind].concat().into()))
}

/// The stamp of a frame, if it has one.
#[must_use]
pub(super) fn read_stamp(message: &MediaMessage, length_size: usize) -> Option<Stamp> {
    split_at_stamp(message, length_size).map(|(_, stamp, _)| stamp)
}

fn split_at_stamp(message: &MediaMessage, length_size: usize) -> Option<(&[u8], Stamp, &[u8])> {
    let place = stamp_place(message, length_size)?;
    let (before, nals) = message.payload.split_at_checked(place)?;
    let (nal, behind) = nals.get(length_size..)?.split_at_checked(NAL_LEN)?;
    let digits = nal
        .strip_prefix(&SEI_HEADER)?
        .strip_prefix(&UUID)?
        .get(..DIGITS)?;
    Some((before, Stamp::from_digits(digits)?, behind))
}

/// Where a stamp belongs: before the first NAL unit, but behind a delimiter (section 7.4.1.2.3).
fn stamp_place(message: &MediaMessage, length_size: usize) -> Option<usize> {
    let &[frame_and_codec, packet_type, _, _, _, ref nals @ ..] = message.payload.as_ref() else {
        return None;
    };
    let is_frame = message.kind == MediaKind::Video && frame_and_codec & 0x8F == 7 && packet_type == 1;
    if !is_frame {
        return None;
    }
    let (length, nal) = nals.split_at_checked(length_size)?;
    let is_delimiter = nal
        .first()
        .is_some_and(|header| header & NAL_TYPE_MASK == NAL_ACCESS_UNIT_DELIMITER);
    if !is_delimiter {
        return Some(BODY_HEADER_LEN);
    }
    let nal_len = length.iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte));
    nal_len.checked_add(BODY_HEADER_LEN + length_size)
}

#[cfg(test)]
mod tests {
    use rtmp_core::Timestamp;

    use super::*;

    const STAMP: Stamp = Stamp {
        number: 7,
        micros: 0x0006_3F00_0000_0001,
    };

    fn frame(nals: &[u8]) -> MediaMessage {
        MediaMessage::video(Timestamp::ZERO, [&[0x27, 1, 0, 0, 0], nals].concat())
    }

    #[test]
    fn a_stamp_can_be_read_and_taken_off_again() {
        for length_size in [2, 4] {
            let plain = frame(&[&[0; 4][4 - length_size + 1..], &[3, 0x41, 1, 2]].concat());
            let stamped = add_stamp(&plain, length_size, STAMP).unwrap();
            assert_eq!(stamped.payload.len(), plain.payload.len() + length_size + 44);
            assert_eq!(read_stamp(&stamped, length_size), Some(STAMP));
            assert_eq!(
                take_stamp(&stamped, length_size),
                Some((STAMP, plain.payload.clone()))
            );
            assert_eq!(read_stamp(&plain, length_size), None);
        }
    }

    #[test]
    fn a_stamp_is_a_nal_unit_of_its_own_without_start_codes() {
        let stamped = add_stamp(&frame(&[0, 0, 0, 2, 0x41, 1]), 4, STAMP).unwrap();
        let nal_len = usize::try_from(u32::from_be_bytes(stamped.payload[5..9].try_into().unwrap())).unwrap();
        let nal = &stamped.payload[9..9 + nal_len];
        assert_eq!((nal[0], nal[1], usize::from(nal[2])), (6, 5, nal_len - 4));
        assert!(!nal.contains(&0));
        assert_eq!(stamped.payload[9 + nal_len..], [0, 0, 0, 2, 0x41, 1]);
    }

    #[test]
    fn a_delimiter_stays_in_front() {
        let stamped = add_stamp(&frame(&[0, 0, 0, 2, 9, 0xF0, 0, 0, 0, 2, 0x65, 1]), 4, STAMP).unwrap();
        assert_eq!(stamped.payload[5..11], [0, 0, 0, 2, 9, 0xF0]);
        assert_eq!(read_stamp(&stamped, 4), Some(STAMP));
    }

    #[test]
    fn what_is_no_frame_gets_no_stamp() {
        let header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x4D\x40\x1E\xFF"[..]);
        assert_eq!(add_stamp(&header, 4, STAMP), None);
        assert_eq!(nal_length_size(&header), Some(4));
        let audio = MediaMessage::audio(Timestamp::ZERO, &b"\xAF\x01\x21\x10"[..]);
        assert_eq!(
            (add_stamp(&audio, 4, STAMP), nal_length_size(&audio)),
            (None, None)
        );
        assert_eq!(add_stamp(&frame(&[0, 0]), 4, STAMP), None);
    }

    #[test]
    fn a_delimiter_that_claims_to_be_longer_than_the_frame_is_passed_over() {
        let broken = frame(&[0xFF, 0xFF, 0xFF, 0xFF, 9]);
        assert_eq!(add_stamp(&broken, 4, STAMP), None);
        assert_eq!(read_stamp(&broken, 4), None);
    }
}
