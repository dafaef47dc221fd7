//! Records a stream to a file that can be sought: metadata with duration and keyframe index in front.

mod clock;
mod resume;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{Object, Value};

use self::clock::{Clock, MAX_DISORDER};
pub use self::resume::FlvResume;
use super::header::{FLAGS_OFFSET, HEADER_LEN, PREVIOUS_TAG_SIZE_LEN};
use super::keyframe_index::KeyframeIndex;
use super::metadata::seconds;
use super::tag::encode_tag;
use super::{FlvError, FlvHeader, KeyframePosition, Metadata, Tag, script};
use crate::{MediaKind, MediaMessage, Timestamp};

/// Turns the messages of a stream into the bytes of a file, without doing the writing.
///
/// [`record`](Self::record) appends what is to be written next. The file begins with `onMetaData`: the publisher's,
/// and room for what is known only at the end. [`finish`](Self::finish) gives the [`FlvPatch`]es that fill the
/// room; where the output cannot seek they are left out, and the file is one that does not know its duration.
/// Whenever the writing stops, what has been written is a readable file, and [`FlvResume`] finds out how to go on with
/// it, or how to finish it.
///
/// The room is a property `padding`, an array of numbers, of which every keyframe in the index takes two. When there are
/// more keyframes than the room holds, every second entry is dropped, so the index stays even.
///
/// Messages before the first coded audio or video are held until it comes, at most 64 and 1 MiB of them, so
/// metadata and sequence headers stand in front. If there are headers of both audio and video, the first frames are held
/// as well until there are some of both, or for a second: the file begins with the earliest, which need not be the first
/// to come. `@setDataFrame` is taken off, `@clearDataFrame` not recorded.
///
/// ```
/// use bytes::BytesMut;
/// use rtmp_core::flv::FlvRecorder;
/// use rtmp_core::{MediaMessage, Timestamp};
///
/// # fn main() -> Result<(), rtmp_core::flv::FlvError> {
/// let mut recorder = FlvRecorder::new();
/// let mut file = BytesMut::new();
/// for millis in [90_000, 90_040] {
///     let frame = MediaMessage::video(Timestamp::from_millis(millis), &b"\x17\x01\0\0\0\x65"[..]);
///     recorder.record(&frame, &mut file)?; // and write what was appended
/// }
/// for patch in recorder.finish(&mut file)? {
///     let start = patch.offset as usize; // or seek there and write
///     file[start..start + patch.bytes.len()].copy_from_slice(&patch.bytes);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FlvRecorder {
    rebase: bool,
    opening: Opening,
    index_capacity: usize,
    /// The publisher's metadata without the properties that are ours.
    properties: Object,
    /// What came before the first coded frame; `None` after it.
    held: Option<Held>,
    /// There are frames in the file that were not recorded by this.
    goes_on: bool,
    clock: Clock,
    index: KeyframeIndex,
    has: FlvHeader,
    /// Bytes given out: the length of the file.
    offset: u64,
}

/// How the file begins.
#[derive(Debug)]
enum Opening {
    /// With header and metadata of ours.
    Ours {
        /// They are in the file already.
        is_written: bool,
    },
    /// With metadata of another program, which have no more room than their values take.
    Foreign { properties: Object, payload_len: usize },
    /// Without metadata.
    Bare,
}

#[derive(Debug, Default)]
struct Held {
    messages: Vec<MediaMessage>,
    len: usize,
    audio: Announced,
    video: Announced,
    /// The time of the earliest frame.
    earliest: Option<Timestamp>,
}

/// What has come of a kind.
#[derive(Debug, Default)]
struct Announced {
    has_header: bool,
    has_frames: bool,
}

impl Held {
    fn of_kind(&mut self, kind: MediaKind) -> Option<&mut Announced> {
        match kind {
            MediaKind::Audio => Some(&mut self.audio),
            MediaKind::Video => Some(&mut self.video),
            MediaKind::Data | MediaKind::Amf3Data => None,
        }
    }

    /// Takes note of a message. Whether the file can not begin with it yet.
    fn note(&mut self, message: &MediaMessage) -> bool {
        let is_frame = message.is_coded_frames();
        if let Some(announced) = self.of_kind(message.kind) {
            announced.has_frames |= is_frame;
            announced.has_header |= !is_frame && message.is_sequence_header();
        }
        if !is_frame {
            return true;
        }
        let step = self
            .earliest
            .map_or(0, |earliest| message.timestamp.signed_millis_since(earliest));
        if step.abs() > MAX_DISORDER {
            // That is no disorder, and the file begins with what came first.
            return false;
        }
        if step <= 0 {
            self.earliest = Some(message.timestamp);
        }
        let is_awaited = |kind: &Announced| kind.has_header && !kind.has_frames;
        is_awaited(&self.audio) || is_awaited(&self.video)
    }
}

/// Bytes to write over those that stand at an offset of a recorded file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlvPatch {
    /// Where to write, in bytes from the start of the file.
    pub offset: u64,
    /// What to write.
    pub bytes: Bytes,
}

const MAX_HELD_COUNT: usize = 64;
const MAX_HELD_LEN: usize = 1024 * 1024;
const MAX_METADATA_LEN: usize = 64 * 1024;
const DEFAULT_INDEX_CAPACITY: usize = 1024;
/// Some 65 KB of metadata.
const MAX_INDEX_CAPACITY: usize = 3600;
/// A time and an offset. FFmpeg, for one, can not read past a string of more than 1023 bytes, so the room is numbers
/// too.
const NUMBERS_PER_ENTRY: usize = 2;
const METADATA_OFFSET: u64 = (HEADER_LEN + PREVIOUS_TAG_SIZE_LEN) as u64;

/// The default track: other tracks' keyframes are where its own are.
const INDEXED_TRACK: u8 = 0;

const DURATION: &str = "duration";
const FILESIZE: &str = "filesize";
const LAST_TIMESTAMP: &str = "lasttimestamp";
const LAST_KEYFRAME_TIMESTAMP: &str = "lastkeyframetimestamp";
const HAS_KEYFRAMES: &str = "hasKeyframes";
const KEYFRAMES: &str = "keyframes";
const PADDING: &str = "padding";

/// What the recording knows better than its publisher.
const OURS: [&str; 7] = [
    DURATION,
    FILESIZE,
    LAST_TIMESTAMP,
    LAST_KEYFRAME_TIMESTAMP,
    HAS_KEYFRAMES,
    KEYFRAMES,
    PADDING,
];

impl FlvRecorder {
    /// A recorder whose file starts at time 0 and has room for an index of 1024 keyframes (18 KiB).
    #[must_use]
    pub fn new() -> Self {
        Self {
            rebase: true,
            opening: Opening::Ours { is_written: false },
            index_capacity: DEFAULT_INDEX_CAPACITY,
            properties: Object::new(),
            held: Some(Held::default()),
            goes_on: false,
            clock: Clock::default(),
            index: KeyframeIndex::new(DEFAULT_INDEX_CAPACITY),
            has: FlvHeader::new(false, false),
            offset: 0,
        }
    }

    /// Whether the first coded frame is moved to time 0 and all others with it (the default). Otherwise times are
    /// written as they are; with a recorder from [`FlvResume`] they are those of the file.
    #[must_use]
    pub const fn rebase(mut self, rebase: bool) -> Self {
        self.rebase = rebase;
        self
    }

    /// Makes room for an index of that many keyframes, 18 bytes each; at most 3600. With 0 there is no index.
    #[must_use]
    pub fn index_capacity(mut self, keyframes: usize) -> Self {
        self.index_capacity = keyframes.min(MAX_INDEX_CAPACITY);
        self.index = KeyframeIndex::new(self.index_capacity);
        self
    }

    /// Appends to `dst` what is to be written to the file for this message, which may be nothing, or what was held
    /// before as well.
    ///
    /// # Errors
    ///
    /// [`FlvError::TagTooLong`] for a payload over [`Tag::MAX_PAYLOAD_LEN`]; that message is left out and the
    /// recording can go on.
    pub fn record(&mut self, message: &MediaMessage, dst: &mut BytesMut) -> Result<(), FlvError> {
        if message.kind.is_data() && script::is_clear_data_frame(&message.payload) {
            return Ok(());
        }
        if let Some(held) = &mut self.held {
            if held.note(message) && self.hold(message) {
                return Ok(());
            }
            self.open(dst)?;
        }
        self.write(message, dst)
    }

    /// Appends what is held, if there are frames among it: nothing follows that could be earlier.
    ///
    /// # Errors
    ///
    /// None in practice: whatever could fail has failed in [`record`](Self::record).
    pub fn release(&mut self, dst: &mut BytesMut) -> Result<(), FlvError> {
        match &self.held {
            Some(held) if held.earliest.is_some() => self.open(dst),
            _ => Ok(()),
        }
    }

    /// Appends what is still held and says what to change in the file, after `dst` has been written to its end.
    ///
    /// # Errors
    ///
    /// None in practice: whatever could fail has failed in [`record`](Self::record).
    pub fn finish(mut self, dst: &mut BytesMut) -> Result<Vec<FlvPatch>, FlvError> {
        self.open(dst)?;
        let mut patches = vec![FlvPatch {
            offset: FLAGS_OFFSET,
            bytes: vec![self.has.flags()].into(),
        }];
        if let Some(payload) = self.final_metadata()? {
            let mut metadata = BytesMut::new();
            encode_tag(MediaKind::Data, Timestamp::ZERO, &payload, &mut metadata)?;
            patches.push(FlvPatch {
                offset: METADATA_OFFSET,
                bytes: metadata.freeze(),
            });
        }
        Ok(patches)
    }

    /// How long the file plays so far.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.clock.duration()
    }

    /// How many bytes the file has so far, what is held not included.
    #[must_use]
    pub const fn file_len(&self) -> u64 {
        self.offset
    }

    /// Keeps a message for the opening of the file; `false` if there is no room.
    fn hold(&mut self, message: &MediaMessage) -> bool {
        if message.kind.is_data()
            && message.payload.len() <= MAX_METADATA_LEN
            && self.held.as_ref().is_some_and(|held| held.earliest.is_none())
            && let Ok(metadata) = Metadata::parse(&message.payload)
        {
            let mut properties = metadata.into_properties();
            for ours in OURS {
                properties.remove(ours);
            }
            if !matches!(self.opening, Opening::Ours { is_written: false }) {
                return self.hold_later_metadata(message, properties);
            }
            self.properties = properties;
            return true;
        }
        self.hold_message(message)
    }

    /// The file has metadata in front. Others behind it must not contradict what that knows of the whole file.
    fn hold_later_metadata(&mut self, message: &MediaMessage, properties: Object) -> bool {
        let Ok(payload) = Metadata::new(properties).encode() else {
            return self.hold_message(message);
        };
        self.hold_message(&MediaMessage::data(message.timestamp, payload))
    }

    fn hold_message(&mut self, message: &MediaMessage) -> bool {
        let Some(held) = &mut self.held else {
            return false;
        };
        let len = held.len.saturating_add(message.payload.len());
        let has_room = held.messages.len() < MAX_HELD_COUNT && len <= MAX_HELD_LEN;
        if has_room {
            held.messages.push(message.clone());
            held.len = len;
        }
        has_room
    }

    /// Writes what stands before the first coded frame, if that has not been done.
    fn open(&mut self, dst: &mut BytesMut) -> Result<(), FlvError> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        if let Opening::Ours { is_written } = &mut self.opening
            && !std::mem::replace(is_written, true)
        {
            let payload = self.metadata()?;
            FlvHeader::default().encode(dst);
            encode_tag(MediaKind::Data, Timestamp::ZERO, &payload, dst)?;
            self.offset = METADATA_OFFSET.saturating_add(Tag::file_len(payload.len()) as u64);
        }
        if self.goes_on && self.rebase {
            self.clock.go_on_behind_the_last();
        }
        for message in &held.messages {
            if message.is_coded_frames() {
                self.begin_clock(&held);
            }
            self.write(message, dst)?;
        }
        self.begin_clock(&held);
        Ok(())
    }

    /// Nothing is earlier than the earliest frame, what stands before it included.
    fn begin_clock(&mut self, held: &Held) {
        if let Some(earliest) = held.earliest {
            self.clock.begin(earliest);
        }
    }

    fn write(&mut self, message: &MediaMessage, dst: &mut BytesMut) -> Result<(), FlvError> {
        let stripped;
        let payload = if message.kind.is_data() {
            stripped = script::strip_set_data_frame(&message.payload);
            &stripped
        } else {
            &message.payload
        };
        let time = if message.is_coded_frames() {
            self.clock.frame(message.kind, message.timestamp)
        } else {
            self.clock.between_frames(message.timestamp)
        };
        let timestamp = if self.rebase {
            // Wraps after 49.7 days, as the format does.
            Timestamp::from_millis(time.as_millis() as u32)
        } else {
            message.timestamp
        };
        encode_tag(message.kind, timestamp, payload, dst)?;
        let time_in_file = if self.rebase {
            time
        } else {
            Duration::from_millis(timestamp.as_millis().into())
        };
        self.note(message, time_in_file);
        self.offset = self.offset.saturating_add(Tag::file_len(payload.len()) as u64);
        Ok(())
    }

    /// What the metadata will say of a message that stands at the present offset.
    fn note(&mut self, message: &MediaMessage, time: Duration) {
        if message.is_keyframe_of(INDEXED_TRACK) {
            self.index.push(KeyframePosition::new(time, self.offset));
        }
        self.has.has_audio |= message.kind == MediaKind::Audio;
        self.has.has_video |= message.kind == MediaKind::Video;
    }

    /// The payload that the metadata tag in front is to have at the end, if that fits into its place.
    fn final_metadata(&self) -> Result<Option<Bytes>, FlvError> {
        match &self.opening {
            Opening::Ours { .. } => self.metadata().map(Some),
            Opening::Bare => Ok(None),
            Opening::Foreign {
                properties,
                payload_len,
            } => {
                let mut properties = properties.clone();
                for (key, number) in self.figures() {
                    // A number has the same length whatever its value is.
                    if let Some(Value::Number(value)) = properties.get_mut(key) {
                        *value = number;
                    }
                }
                let payload = Metadata::new(properties).encode()?;
                Ok((payload.len() == *payload_len).then_some(payload))
            }
        }
    }

    fn figures(&self) -> [(&'static str, f64); 4] {
        [
            (DURATION, seconds(self.clock.duration())),
            (FILESIZE, self.offset as f64),
            (LAST_TIMESTAMP, seconds(self.clock.latest())),
            (
                LAST_KEYFRAME_TIMESTAMP,
                seconds(self.index.last().unwrap_or_default()),
            ),
        ]
    }

    /// The payload of the metadata tag as things stand; of the same length at all times.
    fn metadata(&self) -> Result<Bytes, FlvError> {
        let entries = self.index.entries();
        let room = self.index_capacity.saturating_sub(entries.len());
        let room = room.saturating_mul(NUMBERS_PER_ENTRY);
        let mut properties = Object::new();
        for (key, number) in self.figures() {
            properties.push(key, number);
        }
        properties.push(HAS_KEYFRAMES, !entries.is_empty());
        let mut metadata = Metadata::new(properties);
        metadata.properties_mut().extend(self.properties.clone());
        metadata.set_keyframes(entries);
        metadata
            .properties_mut()
            .push(PADDING, vec![Value::Number(0.0); room]);
        metadata.encode()
    }
}

impl Default for FlvRecorder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
