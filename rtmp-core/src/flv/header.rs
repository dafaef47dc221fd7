//! The file header (FLV 10.1 section E.2).

use bytes::{BufMut, BytesMut};

use super::FlvError;

/// The header at the start of a file.
///
/// Its flags are often wrong in files found in practice, and a live recording cannot know them in advance; look at
/// the tags instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlvHeader {
    /// The file says that it has audio tags.
    pub has_audio: bool,
    /// The file says that it has video tags.
    pub has_video: bool,
}

/// Length of the file header of version 1, in bytes.
pub(super) const HEADER_LEN: usize = 9;
/// Offset of the flags in the file header.
pub(super) const FLAGS_OFFSET: u64 = 4;
/// Length of the size of the previous tag, which follows the file header and every tag.
pub(super) const PREVIOUS_TAG_SIZE_LEN: usize = 4;

const SIGNATURE: [u8; 3] = *b"FLV";
const VERSION: u8 = 1;
const HAS_AUDIO: u8 = 0x04;
const HAS_VIDEO: u8 = 0x01;
/// Later versions may make the header longer; no file has ever done so by much.
const MAX_HEADER_LEN: u32 = 64 * 1024;

impl FlvHeader {
    /// A header that says what the file has.
    #[must_use]
    pub const fn new(has_audio: bool, has_video: bool) -> Self {
        Self { has_audio, has_video }
    }

    pub(super) const fn flags(self) -> u8 {
        (if self.has_audio { HAS_AUDIO } else { 0 }) | (if self.has_video { HAS_VIDEO } else { 0 })
    }

    /// Appends the header and the empty previous tag size after it: all that stands before the first tag.
    pub(super) fn encode(self, dst: &mut BytesMut) {
        dst.put_slice(&SIGNATURE);
        dst.put_u8(VERSION);
        dst.put_u8(self.flags());
        dst.put_u32(HEADER_LEN as u32);
        dst.put_u32(0);
    }

    /// Reads a header and the announced length of it, or `None` if bytes are missing. What is wrong is told as
    /// soon as it is known.
    pub(super) fn decode(src: &[u8]) -> Result<Option<(Self, usize)>, FlvError> {
        let Some(&found) = src.first_chunk() else {
            return Ok(None);
        };
        if found != SIGNATURE {
            return Err(FlvError::NotFlv { found });
        }
        let Some(&[_, _, _, version, flags, a, b, c, d]) = src.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        if version != VERSION {
            return Err(FlvError::UnsupportedVersion { version });
        }
        let announced = u32::from_be_bytes([a, b, c, d]);
        if announced < HEADER_LEN as u32 || announced > MAX_HEADER_LEN {
            return Err(FlvError::HeaderLen {
                announced,
                limit: MAX_HEADER_LEN,
            });
        }
        Ok(Some((
            Self::new(flags & HAS_AUDIO != 0, flags & HAS_VIDEO != 0),
            announced as usize,
        )))
    }

    /// Whether a file header starts here: where a tag should be, another file was appended.
    pub(super) fn is_at(src: &[u8]) -> bool {
        src.starts_with(b"FLV\x01")
    }
}

impl Default for FlvHeader {
    /// Audio and video, as for a live recording.
    fn default() -> Self {
        Self::new(true, true)
    }
}
