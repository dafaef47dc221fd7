//! One record of a file (FLV 10.1 section E.4.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::FlvError;
use super::header::PREVIOUS_TAG_SIZE_LEN;
use crate::{MediaKind, MediaMessage, Timestamp};

/// A tag: what a [`MediaMessage`] is on the wire, in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Audio, video or script data.
    pub kind: MediaKind,
    /// Decoding time on the file's clock, which normally starts near 0.
    pub timestamp: Timestamp,
    /// The tag's data; at most [`Tag::MAX_PAYLOAD_LEN`] bytes.
    pub payload: Bytes,
}

impl Tag {
    /// The longest payload the format can express, in bytes: 16 MiB - 1.
    pub const MAX_PAYLOAD_LEN: usize = 0xFF_FFFF;

    /// Length of a payload in a file: with tag header and previous tag size.
    pub(super) const fn file_len(payload_len: usize) -> usize {
        payload_len.saturating_add(TAG_HEADER_LEN + PREVIOUS_TAG_SIZE_LEN)
    }

    /// Appends the tag and its size.
    pub(super) fn encode(&self, dst: &mut BytesMut) -> Result<(), FlvError> {
        encode_tag(self.kind, self.timestamp, &self.payload, dst)
    }
}

impl From<MediaMessage> for Tag {
    fn from(message: MediaMessage) -> Self {
        Self {
            kind: message.kind,
            timestamp: message.timestamp,
            payload: message.payload,
        }
    }
}

impl From<Tag> for MediaMessage {
    fn from(tag: Tag) -> Self {
        Self {
            kind: tag.kind,
            timestamp: tag.timestamp,
            payload: tag.payload,
        }
    }
}

pub(super) fn encode_tag(
    kind: MediaKind,
    timestamp: Timestamp,
    payload: &[u8],
    dst: &mut BytesMut,
) -> Result<(), FlvError> {
    if payload.len() > Tag::MAX_PAYLOAD_LEN {
        return Err(FlvError::TagTooLong {
            announced: payload.len(),
            limit: Tag::MAX_PAYLOAD_LEN,
        });
    }
    let len = payload.len() as u32;
    let [high, time @ ..] = timestamp.as_millis().to_be_bytes();
    dst.reserve(Tag::file_len(payload.len()));
    dst.put_u32(u32::from(tag_type(kind)) << 24 | len);
    dst.put_slice(&time);
    dst.put_u8(high);
    dst.put_slice(&[0; 3]);
    dst.put_slice(payload);
    dst.put_u32(len.saturating_add(TAG_HEADER_LEN as u32));
    Ok(())
}

/// Length of the header of a tag, in bytes.
pub(super) const TAG_HEADER_LEN: usize = 11;

const FILTER_BIT: u8 = 0x20;

const fn tag_type(kind: MediaKind) -> u8 {
    match kind {
        MediaKind::Audio => 8,
        MediaKind::Video => 9,
        MediaKind::Amf3Data => 15,
        MediaKind::Data => 18,
    }
}

/// The header of a tag as it stands in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct TagHeader {
    /// The kind, if the type is one that is known.
    pub(super) kind: Option<MediaKind>,
    /// The payload went through a filter: it is encrypted.
    pub(super) is_encrypted: bool,
    pub(super) payload_len: usize,
    pub(super) timestamp: Timestamp,
    /// Nothing about the header is unusual. Reserved bits or a stream id that are set are more often a sign of
    /// having lost one's place than of a tag.
    pub(super) is_plausible: bool,
}

impl TagHeader {
    /// Reads a header from the start of `src`; `None` if bytes are missing.
    pub(super) fn decode(src: &[u8]) -> Option<Self> {
        let &[
            type_byte,
            a,
            b,
            c,
            time_a,
            time_b,
            time_c,
            time_high,
            id_a,
            id_b,
            id_c,
        ] = src.first_chunk::<TAG_HEADER_LEN>()?;
        let kind = match type_byte & !FILTER_BIT {
            8 => Some(MediaKind::Audio),
            9 => Some(MediaKind::Video),
            15 => Some(MediaKind::Amf3Data),
            18 => Some(MediaKind::Data),
            _ => None,
        };
        let is_encrypted = type_byte & FILTER_BIT != 0;
        Some(Self {
            kind,
            is_encrypted,
            payload_len: u32::from_be_bytes([0, a, b, c]) as usize,
            timestamp: Timestamp::from_millis(u32::from_be_bytes([time_high, time_a, time_b, time_c])),
            is_plausible: kind.is_some() && !is_encrypted && [id_a, id_b, id_c] == [0; 3],
        })
    }

    /// Length of the tag, in bytes.
    pub(super) const fn tag_len(&self) -> usize {
        TAG_HEADER_LEN.saturating_add(self.payload_len)
    }

    /// The size that should stand after the tag.
    pub(super) const fn tag_size(&self) -> u32 {
        self.tag_len() as u32
    }
}
