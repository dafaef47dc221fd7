//! Finds the places of a file where playback can begin, by its tag headers alone.

use std::time::Duration;

use bytes::Bytes;

use super::KeyframePosition;
use super::header::{FlvHeader, PREVIOUS_TAG_SIZE_LEN};
use super::keyframe_index::KeyframeIndex;
use super::tag::{TAG_HEADER_LEN, TagHeader};
use crate::{MediaKind, MediaMessage, Timestamp};

/// Walks over a file from tag to tag without reading what lies between their headers, and without I/O: read
/// [`READ_LEN`](Self::READ_LEN) bytes at [`offset`](Self::offset), and give them to [`handle`](Self::handle).
///
/// ```
/// use rtmp_core::flv::{FlvIndex, FlvIndexer, IndexStep};
///
/// let file = b"FLV\x01\x01\0\0\0\x09\0\0\0\0\x09\0\0\x06\0\0\x17\0\0\0\0\x17\x01\0\0\0\x65\0\0\0\x11";
/// let mut indexer = FlvIndexer::new(13);
/// let mut index = FlvIndex::default();
/// while let IndexStep::Tag(tag) = indexer.handle(&file[indexer.offset() as usize..]) {
///     index.push(&tag);
/// }
/// assert_eq!(index.entries().len(), 1);
/// assert_eq!(index.entries()[0].offset, 13);
/// ```
#[derive(Clone, Debug)]
pub struct FlvIndexer {
    offset: u64,
    /// The time of the first tag on the clock of the file, if it is known to differ from the tag's own.
    begins_at: Option<Timestamp>,
    /// Added to the times of an appended file.
    time_base: u32,
    last: Timestamp,
}

/// What stands at a place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexStep {
    /// A tag.
    Tag(IndexedTag),
    /// Something to pass over: an encrypted tag, one of unknown type, the header of an appended file.
    Passed,
    /// Nothing: the file ends here, or inside what stands here.
    End,
    /// No tag. What comes behind can only be found by reading everything, as
    /// [`FlvDecoder`](super::FlvDecoder) does.
    Damaged,
}

/// A tag as its header tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexedTag {
    /// Audio, video or script data.
    pub kind: MediaKind,
    /// Time on the clock of the file, with what an appended file adds to it.
    pub timestamp: Timestamp,
    /// Offset of the tag, in bytes from the start of the file.
    pub offset: u64,
    /// Length of the body, in bytes.
    pub payload_len: usize,
    /// Whether it is a keyframe of the default video track.
    pub is_keyframe: bool,
    /// Whether it is a sequence header or other configuration.
    pub is_configuration: bool,
}

impl FlvIndexer {
    /// How many bytes to read at a time; fewer are enough at the end of the file.
    pub const READ_LEN: usize = TAG_HEADER_LEN + MAX_BODY_START;

    /// Begins with the tag at `offset`.
    #[must_use]
    pub const fn new(offset: u64) -> Self {
        Self {
            offset,
            begins_at: None,
            time_base: 0,
            last: Timestamp::ZERO,
        }
    }

    /// Begins with the tag at `offset`, whose time on the clock of the file is known. It differs from the tag's own
    /// if another file stands before it.
    #[must_use]
    pub const fn new_at(offset: u64, timestamp: Timestamp) -> Self {
        Self {
            begins_at: Some(timestamp),
            ..Self::new(offset)
        }
    }

    /// Where to read next, in bytes from the start of the file.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at what stands at [`offset`](Self::offset), and moves that behind it.
    pub fn handle(&mut self, bytes: &[u8]) -> IndexStep {
        if FlvHeader::is_at(bytes) {
            let Ok(Some((_, len))) = FlvHeader::decode(bytes) else {
                return IndexStep::Damaged;
            };
            self.time_base = self.last.as_millis();
            self.advance(len, PREVIOUS_TAG_SIZE_LEN);
            return IndexStep::Passed;
        }
        let Some(header) = TagHeader::decode(bytes) else {
            return IndexStep::End;
        };
        if !header.is_plausible && !header.is_encrypted {
            return IndexStep::Damaged;
        }
        let offset = self.offset;
        self.advance(header.payload_len, TAG_HEADER_LEN + PREVIOUS_TAG_SIZE_LEN);
        let Some(kind) = header.kind.filter(|_| !header.is_encrypted) else {
            return IndexStep::Passed;
        };
        if let Some(begins_at) = self.begins_at.take() {
            self.time_base = begins_at.as_millis().wrapping_sub(header.timestamp.as_millis());
        }
        self.last = header.timestamp.wrapping_add(self.time_base);
        let body = bytes.get(TAG_HEADER_LEN..).unwrap_or_default();
        let body = body.get(..header.payload_len).unwrap_or(body);
        let message = MediaMessage {
            kind,
            timestamp: self.last,
            payload: Bytes::copy_from_slice(body.get(..MAX_BODY_START).unwrap_or(body)),
        };
        IndexStep::Tag(IndexedTag {
            kind,
            timestamp: self.last,
            offset,
            payload_len: header.payload_len,
            is_keyframe: is_keyframe(&message),
            is_configuration: is_configuration(&message),
        })
    }
}

impl FlvIndexer {
    fn advance(&mut self, len: usize, overhead: usize) {
        let step = len.saturating_add(overhead);
        self.offset = self.offset.saturating_add(step as u64);
    }
}

/// Enough of a body for its header, with division into tracks and ModEx of any length that is in use. A keyframe with
/// more in front is not found.
const MAX_BODY_START: usize = 32;

fn is_keyframe(message: &MediaMessage) -> bool {
    match many_tracks(message) {
        Some((frame_type, packet_type)) => {
            frame_type == KEY && [CODED_FRAMES, CODED_FRAMES_X].contains(&packet_type)
        }
        None => message.is_keyframe_of(DEFAULT_TRACK),
    }
}

fn is_configuration(message: &MediaMessage) -> bool {
    match many_tracks(message) {
        Some((_, packet_type)) => packet_type == SEQUENCE_START,
        None => message.is_sequence_header() || message.configurations().next().is_some(),
    }
}

/// Frame type and packet type of a body that is divided into tracks (Enhanced RTMP v2): cut off as it is, no more of
/// it can be told, and these are the same for all tracks.
fn many_tracks(message: &MediaMessage) -> Option<(u8, u8)> {
    const ENHANCED: u8 = 0x80;
    const MULTITRACK: u8 = 6;
    const ONE_TRACK: u8 = 0;
    match (message.kind, message.payload.as_ref()) {
        (MediaKind::Video, &[first, second, ..])
            if first & ENHANCED != 0 && first & 0x0F == MULTITRACK && second >> 4 != ONE_TRACK =>
        {
            Some((first >> 4 & 0x07, second & 0x0F))
        }
        _ => None,
    }
}

const KEY: u8 = 1;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;

const DEFAULT_TRACK: u8 = 0;

/// The places of a file where playback can begin: its keyframes or, without video, audio about a second apart.
///
/// There are at most 65,536; beyond that every second one is left out, again and again.
#[derive(Debug)]
pub struct FlvIndex {
    keyframes: KeyframeIndex,
    audio: KeyframeIndex,
    end: Duration,
}

const CAPACITY: usize = 1 << 16;
const AUDIO_DISTANCE: Duration = Duration::from_secs(1);

impl Default for FlvIndex {
    fn default() -> Self {
        Self {
            keyframes: KeyframeIndex::new(CAPACITY),
            audio: KeyframeIndex::new(CAPACITY),
            end: Duration::ZERO,
        }
    }
}

impl FlvIndex {
    /// Takes the next tag of the file.
    pub fn push(&mut self, tag: &IndexedTag) {
        let time = Duration::from_millis(tag.timestamp.as_millis().into());
        self.end = self.end.max(time);
        let position = KeyframePosition::new(time, tag.offset);
        if tag.is_keyframe {
            self.keyframes.push(position);
        } else if tag.kind == MediaKind::Audio
            && !tag.is_configuration
            && self.keyframes.last().is_none()
            && self
                .audio
                .last()
                .is_none_or(|last| time.saturating_sub(last) >= AUDIO_DISTANCE)
        {
            self.audio.push(position);
        }
    }

    /// The places, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[KeyframePosition] {
        if self.keyframes.last().is_some() {
            self.keyframes.entries()
        } else {
            self.audio.entries()
        }
    }

    /// The latest time of any tag.
    #[must_use]
    pub const fn end(&self) -> Duration {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tokio_util::codec::Decoder;

    use super::*;
    use crate::flv::{FlvDecoder, Metadata};

    fn vector(name: &str) -> Vec<u8> {
        std::fs::read(format!(
            "{}/../tests/vectors/flv/{name}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap()
    }

    /// Every step over a file from its first tag on, with the last one.
    fn walk(mut indexer: FlvIndexer, file: &[u8]) -> (Vec<IndexedTag>, IndexStep) {
        let mut tags = Vec::new();
        loop {
            let start = usize::try_from(indexer.offset()).unwrap().min(file.len());
            let end = (start + FlvIndexer::READ_LEN).min(file.len());
            match indexer.handle(&file[start..end]) {
                IndexStep::Tag(tag) => tags.push(tag),
                IndexStep::Passed => {}
                step => return (tags, step),
            }
        }
    }

    #[test]
    fn headers_tell_the_same_as_whole_tags() {
        for name in [
            "h264-aac.flv",
            "h264-aac-keyframe-index.flv",
            "hevc-opus-enhanced.flv",
            "mp3.flv",
            "multitrack-enhanced.flv",
            "synthetic-manycodecs-sequence-start.flv",
            "synthetic-manytracks-manycodecs.flv",
            "synthetic-manytracks.flv",
        ] {
            let file = vector(name);
            let mut src = BytesMut::from(&file[..]);
            let mut decoder = FlvDecoder::new();
            let mut expected = Vec::new();
            while let Some(tag) = decoder.decode_eof(&mut src).unwrap() {
                let (offset, message) = (decoder.tag_offset(), MediaMessage::from(tag));
                expected.push(IndexedTag {
                    kind: message.kind,
                    timestamp: message.timestamp,
                    offset,
                    payload_len: message.payload.len(),
                    is_keyframe: message.is_keyframe_of(DEFAULT_TRACK),
                    is_configuration: message.is_sequence_header()
                        || message.configurations().next().is_some(),
                });
            }
            let (tags, step) = walk(FlvIndexer::new(13), &file);
            assert_eq!(tags.len(), expected.len(), "{name}");
            for (tag, expected) in tags.iter().zip(&expected) {
                assert_eq!(tag, expected, "{name}");
            }
            assert_eq!(step, IndexStep::End, "{name}");
        }
    }

    #[test]
    fn the_index_is_the_one_that_a_muxer_has_written() {
        let file = vector("h264-aac-keyframe-index.flv");
        let tag = FlvDecoder::new().decode(&mut BytesMut::from(&file[..]));
        let metadata = Metadata::parse(&tag.unwrap().unwrap().payload).unwrap();
        let mut index = FlvIndex::default();
        walk(FlvIndexer::new(13), &file)
            .0
            .iter()
            .for_each(|tag| index.push(tag));
        let offsets =
            |entries: &[KeyframePosition]| entries.iter().map(|entry| entry.offset).collect::<Vec<_>>();
        assert_eq!(offsets(index.entries()), offsets(&metadata.keyframes().unwrap()));
    }

    #[test]
    fn audio_alone_can_be_entered_every_second() {
        let mut index = FlvIndex::default();
        let (tags, _) = walk(FlvIndexer::new(13), &vector("mp3.flv"));
        tags.iter().for_each(|tag| index.push(tag));
        let gaps = index.entries().windows(2).map(|pair| pair[1].time - pair[0].time);
        assert!(!index.entries().is_empty());
        for gap in gaps {
            assert!(gap >= AUDIO_DISTANCE && gap < 2 * AUDIO_DISTANCE, "{gap:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_ends_the_walk_and_damage_stops_it() {
        let file = vector("h264-aac-truncated.flv");
        let (tags, step) = walk(FlvIndexer::new(13), &file);
        assert_eq!(step, IndexStep::End);
        let mut file = vector("h264-aac.flv");
        let broken = usize::try_from(tags[10].offset).unwrap();
        file[broken] = 77;
        let (before, step) = walk(FlvIndexer::new(13), &file);
        assert_eq!((before.len(), step), (10, IndexStep::Damaged));
    }

    #[test]
    fn an_appended_file_goes_on_in_time_wherever_the_walk_begins() {
        let once = vector("h264-aac.flv");
        let twice = [&once[..], &once].concat();
        let (tags, _) = walk(FlvIndexer::new(13), &twice);
        let first = walk(FlvIndexer::new(13), &once).0;
        let end = first.last().unwrap().timestamp;
        let (part, second) = (&tags[first.len()..], &first);
        assert_eq!(part.len(), second.len());
        for (tag, original) in part.iter().zip(second) {
            assert_eq!(tag.timestamp, original.timestamp.wrapping_add(end.as_millis()));
        }
        let middle = part[part.len() / 2];
        let (rest, _) = walk(FlvIndexer::new_at(middle.offset, middle.timestamp), &twice);
        assert_eq!(rest, part[part.len() / 2..]);
        let mut decoder = FlvDecoder::at_tag(middle.offset, middle.timestamp);
        let mut src = BytesMut::from(&twice[usize::try_from(middle.offset).unwrap()..]);
        let tag = decoder.decode(&mut src).unwrap().unwrap();
        assert_eq!(
            (tag.timestamp, decoder.tag_offset()),
            (middle.timestamp, middle.offset)
        );
    }

    #[test]
    fn no_bytes_make_the_walk_panic_or_stand_still() {
        for byte in 0..=255_u8 {
            for len in 0..=FlvIndexer::READ_LEN {
                let mut bytes = vec![byte; len];
                if let Some(kind) = bytes.first_mut() {
                    *kind = 9;
                }
                for bytes in [&bytes[..], &vec![byte; len]] {
                    let mut indexer = FlvIndexer::new(13);
                    match indexer.handle(bytes) {
                        IndexStep::Tag(_) | IndexStep::Passed => assert!(indexer.offset() > 13),
                        IndexStep::End | IndexStep::Damaged => assert_eq!(indexer.offset(), 13),
                    }
                }
            }
        }
    }
}
