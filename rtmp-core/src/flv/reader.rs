//! Reads FLV files, in pieces of any size, and finds its place again after damage.

use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

use super::header::{FlvHeader, PREVIOUS_TAG_SIZE_LEN};
use super::tag::{TAG_HEADER_LEN, TagHeader};
use super::{FlvError, Tag};
use crate::{MediaKind, Timestamp};

/// Decodes the bytes of a file to its tags.
///
/// Put it into a `FramedRead`, or call [`Decoder::decode`] with what has been read. It holds at most one tag of
/// [`with_max_tag_len`](Self::with_max_tag_len) and one read buffer; announced lengths reserve nothing.
///
/// Files from recorders that crashed, were cut or joined are read as far as they make sense, and
/// [`irregularities`](Self::irregularities) tells what was met: wrong sizes after tags are ignored, encrypted tags
/// and tags of unknown type skipped, a file appended to another continues its time. In damaged parts the decoder
/// searches for the next tag that is followed by its own size and by another tag.
///
/// # Errors
///
/// Input that is not FLV ends with an error at once. A last tag that is cut off is told by
/// [`FlvError::TruncatedTag`] from [`Decoder::decode_eof`], after every complete tag has been returned.
///
/// ```
/// use bytes::BytesMut;
/// use rtmp_core::flv::{FlvDecoder, FlvError};
/// use tokio_util::codec::Decoder;
///
/// let mut decoder = FlvDecoder::new();
/// let mut file = BytesMut::from(&b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x08\0\0\x02\0\0\x17\0\0\0\0\xAF\x01\0\0\0\x0D\x09"[..]);
/// let tag = decoder.decode(&mut file)?.expect("a complete tag");
/// assert_eq!((tag.timestamp.as_millis(), &tag.payload[..]), (23, &b"\xAF\x01"[..]));
/// assert!(decoder.decode(&mut file)?.is_none());
/// assert!(matches!(decoder.decode_eof(&mut file), Err(FlvError::TruncatedTag { offset: 30 })));
/// # Ok::<(), FlvError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FlvDecoder {
    state: State,
    max_tag_len: usize,
    header: Option<FlvHeader>,
    /// Offset of the first byte that has not been consumed.
    offset: u64,
    tag_offset: u64,
    /// Added to the times of an appended file.
    time_base: u32,
    last_timestamp: Timestamp,
    irregularities: Irregularities,
}

/// ```text
/// file header -> previous tag size <-> tag -> searching -> tag
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    FileHeader,
    PreviousTagSize {
        expected: u32,
    },
    Tag,
    /// The tags before `damaged_from` are complete, and no tag begins there.
    Searching {
        damaged_from: u64,
    },
    /// After a fatal error or the end.
    Ended,
}

/// What a [`FlvDecoder`] met and did not call an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Irregularities {
    /// Sizes after a tag that were not its size.
    pub wrong_tag_sizes: u64,
    /// Encrypted tags that were skipped.
    pub encrypted_tags: u64,
    /// Tags of unknown type that were skipped.
    pub unknown_tags: u64,
    /// File headers of appended files.
    pub appended_files: u64,
    /// Bytes that belong to no tag.
    pub damaged_bytes: u64,
}

impl FlvDecoder {
    /// A decoder for a whole file, for tags of any length the format can express.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::FileHeader,
            max_tag_len: Tag::MAX_PAYLOAD_LEN,
            header: None,
            offset: 0,
            tag_offset: 0,
            time_base: 0,
            last_timestamp: Timestamp::ZERO,
            irregularities: Irregularities {
                wrong_tag_sizes: 0,
                encrypted_tags: 0,
                unknown_tags: 0,
                appended_files: 0,
                damaged_bytes: 0,
            },
        }
    }

    /// Refuses tags with a payload of more than this many bytes with [`FlvError::TagTooLong`]. Default and upper
    /// bound: [`Tag::MAX_PAYLOAD_LEN`].
    #[must_use]
    pub fn with_max_tag_len(mut self, max_tag_len: usize) -> Self {
        self.max_tag_len = max_tag_len.min(Tag::MAX_PAYLOAD_LEN);
        self
    }

    /// The file header, once it has been read.
    #[must_use]
    pub const fn header(&self) -> Option<FlvHeader> {
        self.header
    }

    /// Offset of the last tag returned, in bytes from the start of the input. A keyframe index points there.
    #[must_use]
    pub const fn tag_offset(&self) -> u64 {
        self.tag_offset
    }

    /// What was met so far and is not an error.
    #[must_use]
    pub const fn irregularities(&self) -> Irregularities {
        self.irregularities
    }

    fn read(&mut self, src: &mut BytesMut, at_end: bool) -> Result<Option<Tag>, FlvError> {
        loop {
            match self.state {
                State::FileHeader => match self.read_file_header(src, 0) {
                    Ok(true) => {}
                    Ok(false) if at_end => {
                        self.state = State::Ended;
                        return Err(FlvError::TruncatedHeader { found: src.len() });
                    }
                    Ok(false) => return Ok(None),
                    Err(error) => {
                        self.state = State::Ended;
                        return Err(error);
                    }
                },
                State::PreviousTagSize { expected } => {
                    let Some(&size) = src.first_chunk::<PREVIOUS_TAG_SIZE_LEN>() else {
                        return Ok(None);
                    };
                    self.advance(src, PREVIOUS_TAG_SIZE_LEN);
                    self.irregularities.wrong_tag_sizes += u64::from(u32::from_be_bytes(size) != expected);
                    self.state = State::Tag;
                }
                State::Tag => match self.read_tag(src, at_end)? {
                    Step::Tag(tag) => return Ok(Some(tag)),
                    Step::Continue => {}
                    Step::Wait => return Ok(None),
                },
                State::Searching { damaged_from } => {
                    let (damaged_len, is_found) = find_tag(src, self.max_tag_len, at_end);
                    self.advance(src, damaged_len);
                    self.irregularities.damaged_bytes += damaged_len as u64;
                    if is_found {
                        self.state = State::Tag;
                    } else if at_end {
                        self.state = State::Ended;
                        return Err(FlvError::TruncatedTag { offset: damaged_from });
                    } else {
                        return Ok(None);
                    }
                }
                State::Ended => {
                    src.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// Reads the file header; `false` if bytes are missing.
    fn read_file_header(&mut self, src: &mut BytesMut, time_base: u32) -> Result<bool, FlvError> {
        let Some((header, len)) = FlvHeader::decode(src)? else {
            return Ok(false);
        };
        if src.len() < len {
            return Ok(false);
        }
        self.advance(src, len);
        self.header.get_or_insert(header);
        self.time_base = time_base;
        self.state = State::PreviousTagSize { expected: 0 };
        Ok(true)
    }

    fn read_tag(&mut self, src: &mut BytesMut, at_end: bool) -> Result<Step, FlvError> {
        if src.is_empty() {
            return Ok(Step::Wait);
        }
        if FlvHeader::is_at(src) {
            return Ok(
                match self.read_file_header(src, self.last_timestamp.as_millis()) {
                    Ok(true) => {
                        self.irregularities.appended_files += 1;
                        Step::Continue
                    }
                    Ok(false) if !at_end => Step::Wait,
                    _ => self.search(src),
                },
            );
        }
        let missing = |decoder: &mut Self, src: &mut BytesMut| {
            if at_end { decoder.search(src) } else { Step::Wait }
        };
        let Some(header) = TagHeader::decode(src) else {
            return Ok(missing(self, src));
        };
        let end = TAG_HEADER_LEN + header.payload_len;
        if header.payload_len > self.max_tag_len {
            let is_plausible = header.is_plausible;
            let step = self.search(src);
            return if is_plausible {
                Err(FlvError::TagTooLong {
                    announced: header.payload_len,
                    limit: self.max_tag_len,
                })
            } else {
                Ok(step)
            };
        }
        // An unusual tag is believed when its own size follows it.
        if !header.is_plausible {
            match tag_size_at(src, end) {
                None => return Ok(missing(self, src)),
                Some(size) if size != header.tag_size() => return Ok(self.search(src)),
                Some(_) => {}
            }
        }
        if src.len() < end {
            return Ok(missing(self, src));
        }
        let tag_offset = self.offset;
        self.advance(src, TAG_HEADER_LEN);
        self.offset += header.payload_len as u64;
        let payload = src.split_to(header.payload_len);
        self.state = State::PreviousTagSize {
            expected: header.tag_size(),
        };
        match header.kind {
            _ if header.is_encrypted => self.irregularities.encrypted_tags += 1,
            None => self.irregularities.unknown_tags += 1,
            Some(kind) => {
                self.tag_offset = tag_offset;
                self.last_timestamp = header.timestamp.wrapping_add(self.time_base);
                return Ok(Step::Tag(Tag {
                    kind,
                    timestamp: self.last_timestamp,
                    payload: payload.freeze(),
                }));
            }
        }
        Ok(Step::Continue)
    }

    /// Gives up on the tag at the start of `src`, which is not empty.
    fn search(&mut self, src: &mut BytesMut) -> Step {
        self.state = State::Searching {
            damaged_from: self.offset,
        };
        self.advance(src, 1);
        self.irregularities.damaged_bytes += 1;
        Step::Continue
    }

    fn advance(&mut self, src: &mut BytesMut, len: usize) {
        src.advance(len);
        self.offset += len as u64;
    }
}

enum Step {
    Tag(Tag),
    Continue,
    Wait,
}

impl Default for FlvDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for FlvDecoder {
    type Item = Tag;
    type Error = FlvError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Tag>, FlvError> {
        self.read(src, false)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Tag>, FlvError> {
        let tag = self.read(src, true)?;
        if tag.is_none() {
            // What may be left is the start of the size of the last tag, which nobody needs.
            src.clear();
        }
        Ok(tag)
    }
}

/// The size that stands at `offset`, if the input reaches there.
fn tag_size_at(src: &[u8], offset: usize) -> Option<u32> {
    src.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Searches `src` for a tag that is followed by its own size and then by another tag or the end. Returns how many
/// bytes from the start are certain not to begin such a tag, and whether one begins after them. Linear: bytes that
/// are ruled out are not looked at again.
fn find_tag(src: &[u8], max_tag_len: usize, at_end: bool) -> (usize, bool) {
    for (offset, candidate) in src.windows(TAG_HEADER_LEN).enumerate() {
        let Some(header) = TagHeader::decode(candidate) else {
            break;
        };
        let is_usual = header.is_plausible && header.kind != Some(MediaKind::Amf3Data);
        if !is_usual || header.payload_len > max_tag_len {
            continue;
        }
        let end = offset + TAG_HEADER_LEN + header.payload_len;
        let is_followed = match tag_size_at(src, end) {
            Some(size) if size != header.tag_size() => Some(false),
            Some(_) => {
                let next = &src[end + PREVIOUS_TAG_SIZE_LEN..];
                match TagHeader::decode(next) {
                    Some(next_header) => Some(next_header.is_plausible || FlvHeader::is_at(next)),
                    None if at_end => Some(true),
                    None => None,
                }
            }
            None if at_end => Some(false),
            None => None,
        };
        match is_followed {
            Some(true) => return (offset, true),
            Some(false) => {}
            None => return (offset, false),
        }
    }
    let undecided = if at_end { 0 } else { TAG_HEADER_LEN - 1 };
    (src.len().saturating_sub(undecided), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

    fn tag_of(first: u8, millis: u8, payload: &[u8], stream_id: u8, size: u32) -> Vec<u8> {
        let mut tag = vec![first, 0, 0, payload.len() as u8, 0, 0, millis, 0, 0, 0, stream_id];
        tag.extend_from_slice(payload);
        tag.extend_from_slice(&size.to_be_bytes());
        tag
    }

    fn tag(first: u8, millis: u8, payload: &[u8]) -> Vec<u8> {
        tag_of(first, millis, payload, 0, 11 + payload.len() as u32)
    }

    fn read(parts: &[&[u8]]) -> (Vec<u32>, FlvDecoder, Option<FlvError>) {
        read_with(FlvDecoder::new(), &parts.concat())
    }

    /// Times of the tags, the decoder and the error at the end.
    fn read_with(mut decoder: FlvDecoder, file: &[u8]) -> (Vec<u32>, FlvDecoder, Option<FlvError>) {
        let mut src = BytesMut::from(file);
        let mut times = Vec::new();
        loop {
            match decoder.decode_eof(&mut src) {
                Ok(Some(tag)) => times.push(tag.timestamp.as_millis()),
                Ok(None) => return (times, decoder, None),
                Err(error) => return (times, decoder, Some(error)),
            }
        }
    }

    #[test]
    fn what_is_no_flv_file_is_refused_as_soon_as_it_shows() {
        let mut decoder = FlvDecoder::new();
        assert!(matches!(decoder.decode(&mut BytesMut::from("FL")), Ok(None)));
        let mut src = BytesMut::from("RIF");
        let error = decoder.decode(&mut src).unwrap_err();
        assert_eq!(error.to_string(), "not an FLV file: it starts with RIF");
        assert!(
            matches!(decoder.decode(&mut src), Ok(None)),
            "and then it is the end"
        );
        assert!(src.is_empty());
        assert!(matches!(
            read(&[b"FLV\x02\x05\0\0\0\x09"]).2,
            Some(FlvError::UnsupportedVersion { version: 2 })
        ));
        for announced in [0, 8, u32::MAX] {
            let header = [b"FLV\x01\x05", &announced.to_be_bytes()[..]].concat();
            assert!(
                matches!(read(&[&header]).2, Some(FlvError::HeaderLen { announced: found, .. }) if found == announced)
            );
        }
    }

    #[test]
    fn a_file_that_ends_in_its_header_is_an_error_and_one_without_tags_is_not() {
        for len in 0..9 {
            let error = read(&[&HEADER[..len]]).2;
            assert!(
                matches!(error, Some(FlvError::TruncatedHeader { found }) if found == len),
                "{len}"
            );
        }
        for len in 9..=13 {
            assert!(read(&[&HEADER[..len]]).2.is_none(), "{len}");
        }
    }

    #[test]
    fn a_longer_header_is_skipped_and_flags_are_not_believed() {
        let (times, decoder, error) = read(&[
            b"FLV\x01\0\0\0\0\x0Bxx\0\0\0\0",
            &tag(8, 1, b"a"),
            &tag(9, 2, b"v"),
        ]);
        assert_eq!((times, error.is_none()), (vec![1, 2], true));
        assert_eq!(decoder.header(), Some(FlvHeader::new(false, false)));
    }

    #[test]
    fn wrong_sizes_after_tags_are_counted_and_ignored() {
        let (times, decoder, error) = read(&[
            HEADER,
            &tag_of(8, 1, b"a", 0, 0),
            &tag_of(9, 2, b"v", 0, 1),
            &tag_of(8, 3, b"a", 0, 999),
        ]);
        assert_eq!((times, error.is_none()), (vec![1, 2, 3], true));
        assert_eq!(decoder.irregularities().wrong_tag_sizes, 3);
    }

    #[test]
    fn encrypted_and_unknown_tags_are_skipped_and_counted() {
        let (times, decoder, error) = read(&[
            HEADER,
            &tag(0x28, 1, b"encrypted"),
            &tag(1, 2, b"unknown"),
            &tag(0x48, 3, b"reserved bit"),
            &tag(9, 4, b"v"),
        ]);
        assert_eq!((times, error.is_none()), (vec![4], true));
        let found = decoder.irregularities();
        assert_eq!(
            (found.encrypted_tags, found.unknown_tags, found.damaged_bytes),
            (1, 2, 0)
        );
    }

    #[test]
    fn a_stream_id_that_is_not_zero_and_empty_tags_are_read() {
        let (times, _, error) = read(&[
            HEADER,
            &tag_of(8, 1, b"a", 1, 12),
            &tag(8, 2, b""),
            &tag(9, 3, b""),
        ]);
        assert_eq!((times, error.is_none()), (vec![1, 2, 3], true));
    }

    #[test]
    fn every_tag_type_is_read_or_skipped() {
        for first in 0..=u8::MAX {
            let (times, _, error) = read(&[HEADER, &tag(first, 1, b"x"), &tag(9, 2, b"v")]);
            let is_known = matches!(first, 8 | 9 | 15 | 18);
            assert_eq!(
                (times.len(), error.is_none()),
                (1 + usize::from(is_known), true),
                "{first}"
            );
        }
    }

    #[test]
    fn an_appended_file_continues_the_time() {
        let (times, decoder, error) = read(&[
            HEADER,
            &tag(9, 0, b"v"),
            &tag(9, 40, b"v"),
            HEADER,
            &tag(9, 0, b"v"),
            &tag(9, 40, b"v"),
            HEADER,
            &tag(9, 7, b"v"),
        ]);
        assert_eq!((times, error.is_none()), (vec![0, 40, 40, 80, 87], true));
        assert_eq!(decoder.irregularities().appended_files, 2);
    }

    #[test]
    fn after_damage_reading_goes_on_at_the_next_tag() {
        let garbage = [0x55; 100];
        let (times, decoder, error) = read(&[
            HEADER,
            &tag(9, 1, b"v"),
            &garbage,
            &tag(8, 2, b"a"),
            &tag(9, 3, b"v"),
        ]);
        assert_eq!((times, error.is_none()), (vec![1, 2, 3], true));
        assert_eq!(decoder.irregularities().damaged_bytes, 100);
        assert_eq!(decoder.tag_offset(), 13 + 16 + 100 + 16);
    }

    #[test]
    fn a_tag_that_claims_more_than_the_file_has_does_not_hide_those_after_it() {
        let mut broken = tag(9, 2, b"vv");
        broken[1] = 0x7F;
        let (times, _, error) = read(&[
            HEADER,
            &tag(9, 1, b"v"),
            &broken,
            &tag(8, 3, b"a"),
            &tag(9, 4, b"v"),
        ]);
        assert_eq!((times, error.is_none()), (vec![1, 3, 4], true));
    }

    #[test]
    fn a_cut_last_tag_is_reported_with_the_end_of_the_complete_ones() {
        let last = tag(9, 2, b"video");
        for len in 1..last.len() - 4 {
            let (times, _, error) = read(&[HEADER, &tag(9, 1, b"v"), &last[..len]]);
            assert_eq!(times, [1]);
            assert!(
                matches!(error, Some(FlvError::TruncatedTag { offset: 29 })),
                "{len}"
            );
        }
        for len in last.len() - 4..=last.len() {
            let (times, _, error) = read(&[HEADER, &tag(9, 1, b"v"), &last[..len]]);
            assert_eq!(
                (times, error.is_none()),
                (vec![1, 2], true),
                "only the size after it is cut"
            );
        }
    }

    #[test]
    fn a_tag_over_the_limit_is_an_error_before_its_payload_arrives() {
        let file = [HEADER, &[9, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0]].concat();
        let (_, _, error) = read_with(FlvDecoder::new().with_max_tag_len(100), &file);
        assert!(matches!(
            error,
            Some(FlvError::TagTooLong {
                announced: 101,
                limit: 100
            })
        ));
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut src = BytesMut::from(&[HEADER, &[9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0]].concat()[..]);
        let mut decoder = FlvDecoder::new();
        assert!(matches!(decoder.decode(&mut src), Ok(None)));
        assert!(src.capacity() < 1024);
    }

    #[test]
    fn times_have_32_bits() {
        let mut tag = tag(9, 1, b"v");
        tag[4..8].copy_from_slice(&[0xFF, 0xFF, 0xFE, 0xFF]);
        assert_eq!(read(&[HEADER, &tag]).0, [0xFFFF_FFFE]);
    }
}
