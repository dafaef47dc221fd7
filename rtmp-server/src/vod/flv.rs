//! FLV files: what is known of one, and reading it from any position.
//!
//! Everything here blocks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::flv::{
    Configuration, FlvDecoder, FlvError, FlvIndex, FlvIndexer, IndexStep, IndexedTag, KeyframePosition,
    Metadata,
};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use tokio_util::codec::Decoder;

use super::VodError;
use super::reader::{BLOCK_LEN, Block, blocking};

/// What is looked at when a file is opened: enough for metadata with an index, and for the headers of all tracks.
const HEAD_LEN: u64 = 512 << 10;
/// Where the first frame has to be, unless larger metadata stand before it.
const MAX_HEAD_LEN: u64 = 4 << 20;
const MAX_HEAD_COUNT: usize = 64;

/// How many headers are remembered that stand in the middle of a file.
const MAX_CONFIGURATIONS: usize = 256;
const MAX_CONFIGURATION_LEN: usize = 64 << 10;

/// How much is read at a time where only the headers of tags are wanted.
const WINDOW_LEN: usize = 4096;

/// Audio and video do not stand in the order of time to the millisecond, but nearly.
const INTERLEAVING: Duration = Duration::from_secs(10);

/// What is known of a file. All who play it share this.
#[derive(Debug)]
pub(super) struct FlvInfo {
    len: u64,
    metadata: Option<MediaMessage>,
    duration: Option<Duration>,
    /// What else stands before the first frame.
    head: Vec<MediaMessage>,
    /// The first frame.
    begin: Place,
    has_video: bool,
    /// The index in the metadata, unless it has proved wrong.
    written_index: Vec<KeyframePosition>,
    is_written_index_wrong: AtomicBool,
    /// The index that was made, if one was needed.
    made_index: tokio::sync::OnceCell<FlvIndex>,
    /// Headers by where they stand.
    configurations: Mutex<BTreeMap<u64, MediaMessage>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    timestamp: Timestamp,
}

impl FlvInfo {
    /// Reads the beginning of a file, and the time of its last tag.
    pub(super) fn read(file: &mut File) -> Result<Self, VodError> {
        let len = file.metadata()?.len();
        file.rewind()?;
        let mut info = Self {
            len,
            metadata: None,
            duration: None,
            head: Vec::new(),
            begin: Place {
                offset: len,
                timestamp: Timestamp::ZERO,
            },
            has_video: false,
            written_index: Vec::new(),
            is_written_index_wrong: AtomicBool::new(false),
            made_index: tokio::sync::OnceCell::new(),
            configurations: Mutex::default(),
        };
        info.read_head(file)?;
        let end = last_timestamp(file, len)?;
        let found = info
            .metadata
            .as_ref()
            .map(|message| Metadata::parse(&message.payload));
        let mut metadata = found.and_then(Result::ok).unwrap_or_default();
        info.written_index = metadata.keyframes().unwrap_or_default();
        info.duration = metadata.duration().or(end.filter(|end| !end.is_zero()));
        if metadata.duration().is_none()
            && let Some(duration) = info.duration
        {
            // A recorder that was cut off did not know it yet; without it players show no position.
            metadata.properties_mut().remove("duration");
            metadata.properties_mut().push("duration", duration.as_secs_f64());
            if let Ok(payload) = metadata.encode() {
                info.metadata = Some(MediaMessage::data(Timestamp::ZERO, payload));
            }
        }
        Ok(info)
    }

    fn read_head(&mut self, file: &mut File) -> Result<(), VodError> {
        let mut decoder = FlvDecoder::new();
        let mut buffer = BytesMut::new();
        let mut read = 0;
        let mut has_begun = false;
        while read < HEAD_LEN || (!has_begun && read < MAX_HEAD_LEN) {
            let len = fill(file, &mut buffer, BLOCK_LEN)?;
            read = read.saturating_add(len as u64);
            loop {
                let tag = if len == 0 {
                    decoder.decode_eof(&mut buffer)
                } else {
                    decoder.decode(&mut buffer)
                };
                let message = match tag {
                    Ok(Some(tag)) => MediaMessage::from(tag),
                    Ok(None) | Err(FlvError::TruncatedTag { .. }) => break,
                    Err(FlvError::TagTooLong { .. }) => continue,
                    Err(error) => return Err(error.into()),
                };
                self.has_video |= message.kind == MediaKind::Video;
                if !has_begun && (message.is_coded_frames() || self.head.len() >= MAX_HEAD_COUNT) {
                    has_begun = true;
                    self.begin = Place {
                        offset: decoder.tag_offset(),
                        timestamp: message.timestamp,
                    };
                }
                if is_metadata(&message) {
                    // The first are those of the file, with the index.
                    self.metadata.get_or_insert_with(|| message.clone());
                } else if !has_begun {
                    self.head.push(message.clone());
                }
                self.learn(decoder.tag_offset(), &message);
            }
            if len == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        self.duration
    }

    pub(super) fn metadata(&self) -> Option<&MediaMessage> {
        self.metadata.as_ref()
    }

    pub(super) fn has_video(&self) -> bool {
        self.has_video
    }

    /// About what it takes in memory.
    pub(super) fn weight(&self) -> usize {
        let made = self.made_index.get().map_or(0, |index| index.entries().len());
        let entries = self.written_index.len().saturating_add(made);
        let metadata = self.metadata.as_ref().map_or(0, |message| message.payload.len());
        let entries = entries.saturating_mul(size_of::<KeyframePosition>());
        entries.saturating_add(metadata).saturating_add(HEAD_WEIGHT)
    }

    /// Remembers a header.
    fn learn(&self, offset: u64, message: &MediaMessage) {
        if message.is_coded_frames() || message.kind.is_data() || message.configurations().next().is_none() {
            return;
        }
        let mut known = self.known();
        if known.len() < MAX_CONFIGURATIONS {
            known.entry(offset).or_insert_with(|| MediaMessage {
                // Not a part of a block, which it would keep whole.
                payload: message.payload.to_vec().into(),
                ..*message
            });
        }
    }

    /// The same for a tag of which only the header was read.
    fn learn_from(&self, file: &mut File, tag: &IndexedTag) -> Result<(), VodError> {
        const TAG_HEADER_LEN: u64 = 11;
        if tag.is_configuration
            && tag.payload_len <= MAX_CONFIGURATION_LEN
            && !self.known().contains_key(&tag.offset)
        {
            file.seek(SeekFrom::Start(tag.offset.saturating_add(TAG_HEADER_LEN)))?;
            let mut payload = Vec::new();
            file.take(tag.payload_len as u64).read_to_end(&mut payload)?;
            let message = MediaMessage {
                kind: tag.kind,
                timestamp: tag.timestamp,
                payload: payload.into(),
            };
            self.learn(tag.offset, &message);
        }
        Ok(())
    }

    /// The headers that count at a place of the file, at the time of what stands there.
    fn configurations_at(&self, place: Place) -> Vec<MediaMessage> {
        let known = self.known();
        let mut latest: BTreeMap<Configuration, (u64, &MediaMessage)> = BTreeMap::new();
        for (offset, message) in known.range(..place.offset) {
            for configuration in message.configurations() {
                latest.insert(configuration, (*offset, message));
            }
        }
        let mut sent = Vec::new();
        let mut messages = Vec::new();
        for (offset, message) in latest.into_values() {
            // One message may configure several tracks.
            if !sent.contains(&offset) {
                sent.push(offset);
                messages.push(MediaMessage {
                    timestamp: place.timestamp,
                    ..message.clone()
                });
            }
        }
        messages
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, MediaMessage>> {
        self.configurations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For what is not counted one by one.
const HEAD_WEIGHT: usize = 4096;

/// Reads a file from some position on.
#[derive(Debug)]
pub(super) struct FlvReader {
    file: File,
    info: Arc<FlvInfo>,
    decoder: FlvDecoder,
    buffer: BytesMut,
    /// What is given out before anything is read.
    opening: Vec<MediaMessage>,
}

impl FlvReader {
    pub(super) fn new(file: File, info: Arc<FlvInfo>) -> Self {
        Self {
            file,
            decoder: FlvDecoder::new(),
            buffer: BytesMut::new(),
            opening: Vec::new(),
            info,
        }
    }

    /// Goes to the last keyframe that is not behind a position. If that takes an index and there is none, it is made
    /// once for all who play the file.
    pub(super) async fn seek(self, position: Duration) -> Result<Self, VodError> {
        let info = Arc::clone(&self.info);
        let mut reader = self;
        if position <= time(info.begin.timestamp) {
            return blocking(move || reader.begin().map(|()| reader)).await?;
        }
        if !info.written_index.is_empty() && !info.is_written_index_wrong.load(Ordering::Relaxed) {
            let found;
            (reader, found) = blocking(move || {
                let info = Arc::clone(&reader.info);
                let found = reader.find(&info.written_index, from_written, position);
                (reader, found)
            })
            .await?;
            if found? {
                return Ok(reader);
            }
            info.is_written_index_wrong.store(true, Ordering::Relaxed);
        }
        let file = reader.file.try_clone()?;
        info.made_index
            .get_or_try_init(|| make_index(&info, file))
            .await?;
        blocking(move || {
            let info = Arc::clone(&reader.info);
            let entries = info.made_index.get().map_or(&[][..], FlvIndex::entries);
            if !reader.find(entries, from_made, position)? {
                reader.begin()?;
            }
            Ok(reader)
        })
        .await?
    }

    /// Goes to the first frame.
    fn begin(&mut self) -> Result<(), VodError> {
        let info = Arc::clone(&self.info);
        self.go_to(info.begin)?;
        self.opening.clone_from(&info.head);
        Ok(())
    }

    /// Goes to the last keyframe up to `position`, beginning with the entry of an index before it; `false` if the index
    /// is wrong there. It may have fewer entries than the file has keyframes.
    fn find(
        &mut self,
        entries: &[KeyframePosition],
        begin_at: fn(&KeyframePosition) -> FlvIndexer,
        position: Duration,
    ) -> Result<bool, VodError> {
        let info = Arc::clone(&self.info);
        let behind = entries.partition_point(|entry| entry.time <= position);
        for entry in entries.iter().take(behind).rev() {
            match self.find_from(entry, begin_at, position)? {
                Found::At(place) => {
                    self.go_to(place)?;
                    self.opening = info.configurations_at(place);
                    return Ok(true);
                }
                Found::Behind => {}
                Found::Nothing => return Ok(false),
            }
        }
        self.begin()?;
        Ok(true)
    }

    /// The last keyframe up to `position` that comes from an entry of an index on.
    fn find_from(
        &mut self,
        entry: &KeyframePosition,
        begin_at: fn(&KeyframePosition) -> FlvIndexer,
        position: Duration,
    ) -> Result<Found, VodError> {
        let info = Arc::clone(&self.info);
        let mut window = Window::new(begin_at(entry));
        let mut found = None;
        while let Some(tag) = window.next(&mut self.file)? {
            let at = time(tag.timestamp);
            let can_begin = if info.has_video {
                tag.is_keyframe
            } else {
                tag.kind == MediaKind::Audio && !tag.is_configuration
            };
            if found.is_none() && (!can_begin || at.abs_diff(entry.time) > Duration::from_secs(1)) {
                return Ok(Found::Nothing);
            }
            if found.is_none() && at > position {
                // FFmpeg's indexes have times some frames before those of the tags.
                return Ok(Found::Behind);
            }
            if can_begin && at <= position {
                found = Some(Place::of(&tag));
            }
            info.learn_from(&mut self.file, &tag)?;
            let is_behind = at > position && (tag.kind == MediaKind::Video) == info.has_video;
            if is_behind || at > position.saturating_add(INTERLEAVING) {
                break;
            }
        }
        Ok(found.map_or(Found::Nothing, Found::At))
    }

    fn go_to(&mut self, place: Place) -> Result<(), VodError> {
        self.file.seek(SeekFrom::Start(place.offset))?;
        self.decoder = FlvDecoder::at_tag(place.offset, place.timestamp);
        self.buffer = BytesMut::new();
        Ok(())
    }

    /// Reads the next block, which may hold no message.
    pub(super) fn read(&mut self) -> Result<Block, VodError> {
        let mut messages = std::mem::take(&mut self.opening);
        let is_end = fill(&mut self.file, &mut self.buffer, BLOCK_LEN)? == 0;
        loop {
            let tag = if is_end {
                self.decoder.decode_eof(&mut self.buffer)
            } else {
                self.decoder.decode(&mut self.buffer)
            };
            match tag {
                Ok(Some(tag)) => {
                    let message = MediaMessage::from(tag);
                    self.info.learn(self.decoder.tag_offset(), &message);
                    messages.push(message);
                }
                Ok(None) | Err(FlvError::TruncatedTag { .. }) => break,
                Err(FlvError::TagTooLong { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if is_end {
            let found = self.file.metadata()?.len();
            if found < self.info.len {
                return Err(VodError::Shrunk {
                    expected: self.info.len,
                    found,
                });
            }
        }
        Ok(Block { messages, is_end })
    }
}

/// What is at an entry of an index.
enum Found {
    At(Place),
    /// A keyframe behind the position: the entry is too early by less than a second.
    Behind,
    /// No keyframe, or one of another time: the index is wrong.
    Nothing,
}

impl Place {
    fn of(tag: &IndexedTag) -> Self {
        Self {
            offset: tag.offset,
            timestamp: tag.timestamp,
        }
    }
}

/// The times in metadata are to be believed only if the tags say the same.
fn from_written(entry: &KeyframePosition) -> FlvIndexer {
    FlvIndexer::new(entry.offset)
}

fn from_made(entry: &KeyframePosition) -> FlvIndexer {
    // It was made of such a time.
    FlvIndexer::new_at(
        entry.offset,
        Timestamp::from_millis(entry.time.as_millis() as u32),
    )
}

/// Looks at the header of every tag. It is given up when nobody waits for it any more.
async fn make_index(info: &Arc<FlvInfo>, mut file: File) -> Result<FlvIndex, VodError> {
    let (waiting, info) = (Arc::new(()), Arc::clone(info));
    let still_wanted = Arc::downgrade(&waiting);
    let index = blocking(move || {
        let mut index = FlvIndex::default();
        let mut window = Window::new(FlvIndexer::new_at(info.begin.offset, info.begin.timestamp));
        while let Some(tag) = window.next(&mut file)? {
            index.push(&tag);
            info.learn_from(&mut file, &tag)?;
            if still_wanted.strong_count() == 0 {
                return Err(VodError::Stopped);
            }
        }
        Ok(index)
    })
    .await?;
    drop(waiting);
    index
}

/// Walks over the tags of a file.
struct Window {
    indexer: FlvIndexer,
    /// Where `bytes` stand in the file.
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn new(indexer: FlvIndexer) -> Self {
        Self {
            indexer,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// The next tag; `None` at the end or at damage.
    fn next(&mut self, file: &mut File) -> io::Result<Option<IndexedTag>> {
        loop {
            let offset = self.indexer.offset();
            let place = offset
                .checked_sub(self.start)
                .and_then(|place| usize::try_from(place).ok())
                .filter(|place| place.saturating_add(FlvIndexer::READ_LEN) <= self.bytes.len());
            let place = match place {
                Some(place) => place,
                None => {
                    file.seek(SeekFrom::Start(offset))?;
                    self.bytes.clear();
                    file.take(WINDOW_LEN as u64).read_to_end(&mut self.bytes)?;
                    self.start = offset;
                    0
                }
            };
            match self.indexer.handle(self.bytes.get(place..).unwrap_or_default()) {
                IndexStep::Tag(tag) => return Ok(Some(tag)),
                IndexStep::Passed => {}
                _ => return Ok(None),
            }
        }
    }
}

/// Reads what there is, up to `len` bytes, behind what is in the buffer.
fn fill(file: &mut File, buffer: &mut BytesMut, len: usize) -> io::Result<usize> {
    let held = buffer.len();
    buffer.resize(held.saturating_add(len), 0);
    let mut filled = held;
    let result = loop {
        match buffer.get_mut(filled..).map(|room| file.read(room)) {
            Some(Ok(read @ 1..)) => filled = filled.saturating_add(read),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Some(Err(error)) => break Err(error),
            Some(Ok(0)) | None => break Ok(filled.saturating_sub(held)),
        }
    };
    buffer.truncate(filled);
    result
}

/// The time of the last tag that has one, by the sizes behind the tags.
fn last_timestamp(file: &mut File, len: u64) -> io::Result<Option<Duration>> {
    const SIZE_LEN: u64 = 4;
    const MAX_STEPS: usize = 16;
    let mut end = len;
    for _ in 0..MAX_STEPS {
        let Some(at) = end.checked_sub(SIZE_LEN) else {
            break;
        };
        let mut size = [0; SIZE_LEN as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut size)?;
        let Some(offset) = at
            .checked_sub(u32::from_be_bytes(size).into())
            .filter(|offset| *offset < at)
        else {
            break;
        };
        match Window::new(FlvIndexer::new(offset)).next(file)? {
            Some(tag) if tag.offset == offset && tag.timestamp != Timestamp::ZERO => {
                return Ok(Some(time(tag.timestamp)));
            }
            Some(tag) if tag.offset == offset => end = offset,
            _ => break,
        }
    }
    Ok(None)
}

fn is_metadata(message: &MediaMessage) -> bool {
    message.kind.is_data()
        && message
            .configurations()
            .any(|configuration| configuration == Configuration::Metadata)
}

fn time(timestamp: Timestamp) -> Duration {
    Duration::from_millis(timestamp.as_millis().into())
}
