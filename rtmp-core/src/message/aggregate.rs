//! Aggregate messages: many media messages in one (RTMP 1.0 section 7.1.6).

use bytes::{Buf, Bytes};

use super::{MediaKind, MediaMessage};
use crate::Timestamp;
use crate::chunk::{MessageType, RawMessage};

/// Type, length, time, upper byte of the time, message stream id.
const HEADER_LEN: usize = 11;

/// The length of header and body again, behind each part.
const BACK_POINTER_LEN: usize = 4;

/// The audio, video and data messages in an aggregate message, in order.
///
/// Their times are moved so that the first has that of the aggregate. Parts of other types are left out, and so is
/// everything from a part on that is longer than what is left. Back pointers are not looked at.
///
/// Flash Media Server and its kin send aggregates to players.
#[derive(Clone, Debug)]
pub struct Aggregate {
    timestamp: Timestamp,
    /// The time that the first part has of its own.
    first: Option<Timestamp>,
    rest: Bytes,
}

impl Aggregate {
    /// The parts of a message of type [`Aggregate`](MessageType::Aggregate).
    #[must_use]
    pub fn new(raw: &RawMessage) -> Self {
        Self {
            timestamp: raw.timestamp,
            first: None,
            rest: raw.payload.clone(),
        }
    }
}

impl Iterator for Aggregate {
    type Item = MediaMessage;

    fn next(&mut self) -> Option<MediaMessage> {
        loop {
            let [message_type, l0, l1, l2, t0, t1, t2, t3, ..] = *self.rest.first_chunk::<HEADER_LEN>()?;
            let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
            let own = Timestamp::from_millis(u32::from_be_bytes([t3, t0, t1, t2]));
            let end = HEADER_LEN.saturating_add(length);
            let Some(body) = self.rest.get(HEADER_LEN..end) else {
                self.rest.clear();
                return None;
            };
            // A copy, so that one part that is kept does not keep all of them.
            let payload = Bytes::copy_from_slice(body);
            // Some senders leave the last back pointer out.
            self.rest
                .advance(end.saturating_add(BACK_POINTER_LEN).min(self.rest.len()));
            let first = *self.first.get_or_insert(own);
            let kind = match MessageType::from(message_type) {
                MessageType::Audio => MediaKind::Audio,
                MessageType::Video => MediaKind::Video,
                MessageType::Data => MediaKind::Data,
                MessageType::Amf3Data => MediaKind::Amf3Data,
                _ => continue,
            };
            return Some(MediaMessage {
                kind,
                timestamp: self.timestamp.wrapping_add(own.millis_since(first)),
                payload,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{ChunkStreamId, MessageStreamId};

    fn part(message_type: u8, millis: u32, body: &[u8]) -> Vec<u8> {
        let length = body.len() as u32;
        let [t3, t0, t1, t2] = millis.to_be_bytes();
        let mut part = vec![message_type];
        part.extend_from_slice(&length.to_be_bytes()[1..]);
        part.extend_from_slice(&[t0, t1, t2, t3, 9, 9, 9]);
        part.extend_from_slice(body);
        part.extend_from_slice(&(length + 11).to_be_bytes());
        part
    }

    fn parts(millis: u32, body: impl Into<Bytes>) -> Vec<(MediaKind, u32, usize)> {
        let raw = RawMessage {
            chunk_stream: ChunkStreamId::VIDEO,
            timestamp: Timestamp::from_millis(millis),
            message_type: MessageType::Aggregate,
            stream: MessageStreamId::new(1),
            payload: body.into(),
        };
        Aggregate::new(&raw)
            .map(|message| (message.kind, message.timestamp.as_millis(), message.payload.len()))
            .collect()
    }

    #[test]
    fn the_first_part_has_the_time_of_the_aggregate_and_the_others_follow() {
        let body = [
            part(9, 0xFFFF_FFF0, b"key"),
            part(8, 0xFFFF_FFF5, b""),
            part(18, 0x10, b"data"),
        ]
        .concat();
        let expected = [
            (MediaKind::Video, 1000, 3),
            (MediaKind::Audio, 1005, 0),
            (MediaKind::Data, 1032, 4),
        ];
        assert_eq!(parts(1000, body), expected);
    }

    #[test]
    fn parts_that_are_no_media_are_left_out() {
        let body = [
            part(22, 5, &part(8, 0, b"nested")),
            part(1, 5, &[0; 4]),
            part(20, 5, b"\x02\0\x05close"),
            part(8, 6, b"a"),
        ]
        .concat();
        assert_eq!(parts(0, body), [(MediaKind::Audio, 1, 1)]);
    }

    #[test]
    fn a_missing_or_wrong_back_pointer_is_not_missed() {
        let mut body = [part(8, 0, b"one"), part(8, 1, b"two")].concat();
        let wrong = body.len() / 2 - 1;
        body[wrong] = 0xFF;
        for missing in 0..=4 {
            assert_eq!(parts(0, body[..body.len() - missing].to_vec()).len(), 2);
        }
    }

    #[test]
    fn a_part_that_is_cut_ends_the_aggregate_behind_those_before_it() {
        let whole = [part(8, 0, b"one"), part(9, 1, b"two")].concat();
        for len in 0..whole.len() {
            let expected = match len {
                0..14 => 0,
                14..32 => 1,
                _ => 2,
            };
            assert_eq!(parts(0, whole[..len].to_vec()).len(), expected, "{len}");
        }
    }

    #[test]
    fn empty_parts_are_parts() {
        assert_eq!(parts(0, part(8, 0, b"").repeat(5000)).len(), 5000);
    }
}
