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
    /// The time of the first tag, if it is known.
    begins_at: Option<Timestamp>,
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

#[expect(
    clippy::arithmetic_side_effects,
    reason = "64 bits count more bytes and tags than any file has"
)]
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
            begins_at: None,
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

    /// A decoder for the rest of a file from the tag at `offset` on, whose time on the clock of the file is known.
    /// It differs from the tag's own if another file stands before it.
    #[must_use]
    pub const fn at_tag(offset: u64, timestamp: Timestamp) -> Self {
        Self {
            state: State::Tag,
            offset,
            begins_at: Some(timestamp),
            ..Self::new()
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
        let end = header.tag_len();
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
                if let Some(begins_at) = self.begins_at.take() {
                    self.time_base = begins_at.as_millis().wrapping_sub(header.timestamp.as_millis());
                }
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
        let end = offset.saturating_add(header.tag_len());
        let is_followed = match tag_size_at(src, end) {
            Some(size) if size != header.tag_size() => Some(false),
            Some(_) => {
                let next = src
                    .get(end.saturating_add(PREVIOUS_TAG_SIZE_LEN)..)
                    .unwrap_or_default();
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
mod tests;
