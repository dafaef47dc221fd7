//! Writes FLV files.

use bytes::BytesMut;
use tokio_util::codec::Encoder;

use super::tag::encode_tag;
use super::{FlvError, FlvHeader, Tag};
use crate::MediaMessage;

/// Encodes tags, or media messages, to the bytes of a file: the file header before the first, then each as it is.
///
/// Put it into a `FramedWrite`, or call [`Encoder::encode`] and write what it appends. Times are written as they
/// are. For a recording with duration and keyframe index see [`FlvRecorder`](super::FlvRecorder).
///
/// # Errors
///
/// Encoding fails with [`FlvError::TagTooLong`] for a payload over [`Tag::MAX_PAYLOAD_LEN`]; no part of that tag
/// is written.
#[derive(Clone, Debug)]
pub struct FlvEncoder {
    header: Option<FlvHeader>,
}

impl FlvEncoder {
    /// Writes a whole file that starts with `header`.
    #[must_use]
    pub const fn new(header: FlvHeader) -> Self {
        Self { header: Some(header) }
    }

    /// Writes tags only, to go on after the last tag of an existing file.
    #[must_use]
    pub const fn appending() -> Self {
        Self { header: None }
    }

    /// Appends the file header, unless it has been written: for a file that may end up without tags.
    pub fn encode_header(&mut self, dst: &mut BytesMut) {
        if let Some(header) = self.header.take() {
            header.encode(dst);
        }
    }
}

impl Encoder<&Tag> for FlvEncoder {
    type Error = FlvError;

    fn encode(&mut self, tag: &Tag, dst: &mut BytesMut) -> Result<(), FlvError> {
        self.encode_header(dst);
        tag.encode(dst)
    }
}

impl Encoder<Tag> for FlvEncoder {
    type Error = FlvError;

    fn encode(&mut self, tag: Tag, dst: &mut BytesMut) -> Result<(), FlvError> {
        self.encode(&tag, dst)
    }
}

impl Encoder<&MediaMessage> for FlvEncoder {
    type Error = FlvError;

    fn encode(&mut self, message: &MediaMessage, dst: &mut BytesMut) -> Result<(), FlvError> {
        self.encode_header(dst);
        encode_tag(message.kind, message.timestamp, &message.payload, dst)
    }
}

impl Encoder<MediaMessage> for FlvEncoder {
    type Error = FlvError;

    fn encode(&mut self, message: MediaMessage, dst: &mut BytesMut) -> Result<(), FlvError> {
        self.encode(&message, dst)
    }
}

impl Default for FlvEncoder {
    /// A whole file that announces audio and video.
    fn default() -> Self {
        Self::new(FlvHeader::default())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Timestamp;

    /// FLV 10.1 sections E.2, E.3 and E.4.1.
    #[test]
    fn a_file_is_header_then_tags_each_followed_by_its_size() {
        let tag = MediaMessage::audio(Timestamp::from_millis(0x0102_0304), &b"\xAF\x01!"[..]);
        let mut file = BytesMut::new();
        FlvEncoder::new(FlvHeader::new(true, false))
            .encode(&tag, &mut file)
            .unwrap();
        assert_eq!(
            file,
            &b"FLV\x01\x04\0\0\0\x09\0\0\0\0\x08\0\0\x03\x02\x03\x04\x01\0\0\0\xAF\x01!\0\0\0\x0E"[..]
        );
    }

    #[test]
    fn the_header_is_written_once_and_not_at_all_when_appending() {
        let mut encoder = FlvEncoder::default();
        let mut file = BytesMut::new();
        encoder.encode_header(&mut file);
        encoder.encode_header(&mut file);
        assert_eq!(file.len(), 13);
        let mut more = BytesMut::new();
        FlvEncoder::appending()
            .encode(MediaMessage::data(Timestamp::ZERO, Bytes::new()), &mut more)
            .unwrap();
        assert_eq!(more.len(), 15);
    }

    #[test]
    fn a_payload_that_does_not_fit_the_format_is_refused() {
        let mut file = BytesMut::new();
        let longest = Bytes::from(vec![0; Tag::MAX_PAYLOAD_LEN]);
        let tag = MediaMessage::video(Timestamp::ZERO, longest);
        FlvEncoder::appending().encode(&tag, &mut file).unwrap();
        assert_eq!(file.len(), Tag::MAX_PAYLOAD_LEN + 15);
        let too_long = MediaMessage::video(Timestamp::ZERO, vec![0; Tag::MAX_PAYLOAD_LEN + 1]);
        file.clear();
        assert!(matches!(
            FlvEncoder::appending().encode(too_long, &mut file),
            Err(FlvError::TagTooLong {
                announced: 0x100_0000,
                limit: 0xFF_FFFF
            })
        ));
        assert!(file.is_empty());
    }
}
