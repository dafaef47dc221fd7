//! Says what is in an FLV file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rtmp_amf::AmfString;
use rtmp_amf::amf0::Value;
use rtmp_core::flv::{AudioHeader, KeyframePosition, Metadata, Tag, VideoHeader};
use rtmp_core::{MediaKind, MediaMessage};
use serde::Serialize;

use crate::flv_scan::{FileEnd, FlvFile, FlvFileError};

/// What is in a file; `Display` is a table for people. Times are milliseconds of the file's clock.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// All tags.
    pub tags: u64,
    /// From the first coded frame to the end of the last.
    pub duration_millis: u64,
    /// Bits a second over the duration, all tags together.
    pub bit_rate: Option<u64>,
    /// What `onMetaData` says, without the index.
    pub metadata: Option<BTreeMap<String, serde_json::Value>>,
    /// Entries of the keyframe index; none without one that can be right.
    pub index_entries: Option<usize>,
    /// The tracks.
    pub tracks: Vec<Track>,
    /// The groups of pictures of the first video track.
    pub groups: Option<Groups>,
    /// What is wrong, one line each.
    pub faults: Vec<String>,
}

/// One track of audio or video, or all data.
#[derive(Debug, Serialize)]
pub struct Track {
    /// `audio`, `video` or `data`.
    pub kind: &'static str,
    /// The number among the tracks of its kind.
    pub id: u8,
    /// The codec.
    pub codec: String,
    /// Messages with coded frames, or with data.
    pub frames: u64,
    /// Frames that can be decoded alone.
    pub keyframes: u64,
    /// Sequence headers.
    pub headers: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Bits a second, from the first frame to the last.
    pub bit_rate: Option<u64>,
    /// The time of the first frame.
    pub first_millis: u32,
    /// The latest time of a frame.
    pub last_millis: u32,
    /// The longest time between two frames.
    pub largest_step_millis: u32,
    /// How often the time of a frame is before that of the one in front of it.
    pub steps_back: u64,
    #[serde(skip)]
    before: Option<u32>,
    #[serde(skip)]
    frames_without_header: u64,
}

/// Groups of pictures: from a keyframe to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Groups {
    /// How many there are.
    pub count: u64,
    /// The shortest, but for the last.
    pub shortest_millis: u32,
    /// The mean, but for the last.
    pub mean_millis: u32,
    /// The longest, but for the last.
    pub longest_millis: u32,
}

/// Longer than this without a frame is told.
const GAP_MILLIS: u32 = 2000;
/// Metadata may be so much wrong about the duration.
const DURATION_TOLERANCE_MILLIS: u64 = 500;

/// Reads the whole file.
///
/// # Errors
///
/// [`FlvFileError`] if it can not be read, or is no FLV file.
pub fn inspect(path: &Path) -> Result<Inspection, FlvFileError> {
    let mut file = FlvFile::open(path)?;
    let mut inspector = Inspector::default();
    let end = file.scan(|tag, offset| {
        inspector.note(tag, offset);
        Ok(())
    })?;
    Ok(inspector.finish(path, end))
}

#[derive(Default)]
struct Inspector {
    tags: u64,
    metadata: Option<Metadata>,
    tracks: BTreeMap<(u8, u8), Track>,
    /// Time and offset of each keyframe of the first video track.
    keyframes: Vec<(u32, u64)>,
    unreadable: u64,
}

impl Inspector {
    fn note(&mut self, tag: Tag, offset: u64) {
        self.tags += 1;
        let message = MediaMessage::from(tag);
        let len = message.payload.len() as u64;
        let millis = message.timestamp.as_millis();
        match message.kind {
            MediaKind::Video => match VideoHeader::parse(&message.payload) {
                Ok(header) => {
                    for track in header.tracks().flatten() {
                        let noted = self.track(message.kind, track.id, || format!("{:?}", track.codec));
                        noted.headers += u64::from(header.is_sequence_header());
                        if header.packet_type.is_coded_frames() {
                            noted.keyframes += u64::from(header.is_keyframe());
                            let len = header.multitrack.map_or(len, |_| track.body.len() as u64);
                            noted.frame(millis, len);
                        }
                    }
                }
                Err(_) => self.unreadable += 1,
            },
            MediaKind::Audio => match AudioHeader::parse(&message.payload) {
                Ok(header) => {
                    for track in header.tracks().flatten() {
                        let noted = self.track(message.kind, track.id, || format!("{:?}", track.codec));
                        noted.headers += u64::from(header.is_sequence_header());
                        if message.is_coded_frames() {
                            let len = header.multitrack.map_or(len, |_| track.body.len() as u64);
                            noted.frame(millis, len);
                        }
                    }
                }
                // An empty tag is silence.
                Err(_) => self.unreadable += u64::from(!message.payload.is_empty()),
            },
            MediaKind::Data | MediaKind::Amf3Data => {
                if self.metadata.is_none() {
                    self.metadata = Metadata::parse(&message.payload).ok();
                }
                self.track(message.kind, 0, || "AMF".to_owned())
                    .frame(millis, len);
            }
        }
        if message.is_keyframe_of(0) {
            self.keyframes.push((millis, offset));
        }
    }

    fn track(&mut self, kind: MediaKind, id: u8, codec: impl FnOnce() -> String) -> &mut Track {
        let (order, kind) = match kind {
            MediaKind::Video => (0, "video"),
            MediaKind::Audio => (1, "audio"),
            MediaKind::Data | MediaKind::Amf3Data => (2, "data"),
        };
        self.tracks.entry((order, id)).or_insert_with(|| Track {
            kind,
            id,
            codec: codec(),
            frames: 0,
            keyframes: 0,
            headers: 0,
            bytes: 0,
            bit_rate: None,
            first_millis: 0,
            last_millis: 0,
            largest_step_millis: 0,
            steps_back: 0,
            before: None,
            frames_without_header: 0,
        })
    }

    fn finish(self, path: &Path, end: FileEnd) -> Inspection {
        let mut tracks: Vec<_> = self.tracks.into_values().collect();
        let media = || {
            tracks
                .iter()
                .filter(|track| track.kind != "data" && track.frames > 0)
        };
        let start = media().map(|track| track.first_millis).min().unwrap_or_default();
        let stop = media().map(Track::end).max().unwrap_or_default();
        let duration_millis = stop.saturating_sub(u64::from(start));
        let index = self.metadata.as_ref().and_then(Metadata::keyframes);
        let mut faults = Vec::new();
        note_damage(&end, self.unreadable, &mut faults);
        note_metadata(self.metadata.as_ref(), duration_millis, stop, &mut faults);
        if let Some(index) = &index {
            note_index(index, &self.keyframes, &mut faults);
        }
        tracks.iter().for_each(|track| track.note_faults(&mut faults));
        for track in &mut tracks {
            track.bit_rate = rate(track.bytes, track.end().saturating_sub(track.first_millis.into()));
        }
        Inspection {
            path: path.into(),
            len: end.len,
            tags: self.tags,
            duration_millis,
            bit_rate: rate(end.len, duration_millis),
            metadata: self.metadata.map(to_json),
            index_entries: index.map(|index| index.len()),
            tracks,
            groups: groups(&self.keyframes),
            faults,
        }
    }
}

impl Track {
    fn frame(&mut self, millis: u32, len: u64) {
        if self.frames == 0 {
            self.first_millis = millis;
        }
        self.frames_without_header += u64::from(self.headers == 0);
        self.frames += 1;
        self.bytes += len;
        self.last_millis = self.last_millis.max(millis);
        if let Some(before) = self.before.replace(millis) {
            match millis.checked_sub(before) {
                Some(step) => self.largest_step_millis = self.largest_step_millis.max(step),
                None => self.steps_back += 1,
            }
        }
    }

    /// When the last frame ends, if it lasts as long as they do on average.
    fn end(&self) -> u64 {
        let span = u64::from(self.last_millis.saturating_sub(self.first_millis));
        u64::from(self.last_millis) + span.checked_div(self.frames.saturating_sub(1)).unwrap_or(0)
    }

    fn note_faults(&self, faults: &mut Vec<String>) {
        let name = format!("{} track {}", self.kind, self.id);
        if self.steps_back > 0 {
            faults.push(format!("{name}: time goes back {} times", self.steps_back));
        }
        if self.kind == "data" {
            return;
        }
        if self.largest_step_millis > GAP_MILLIS {
            faults.push(format!("{name}: {} ms without a frame", self.largest_step_millis));
        }
        let needs_header = ["Avc", "Hevc", "Av1", "Vvc", "Aac"].contains(&self.codec.as_str());
        if needs_header && self.frames_without_header > 0 {
            faults.push(format!(
                "{name}: {} frames before the first sequence header",
                self.frames_without_header
            ));
        }
    }
}

fn note_damage(end: &FileEnd, unreadable: u64, faults: &mut Vec<String>) {
    let rest = end.cut_off_at.map_or(0, |offset| end.len.saturating_sub(offset));
    if let Some(offset) = end.cut_off_at {
        faults.push(format!(
            "cut off: {rest} bytes behind the last whole tag, from byte {offset} on"
        ));
    }
    let met = end.irregularities;
    for (count, what) in [
        (met.damaged_bytes.saturating_sub(rest), "bytes belong to no tag"),
        (met.wrong_tag_sizes, "wrong sizes behind tags"),
        (met.encrypted_tags, "encrypted tags"),
        (met.unknown_tags, "tags of unknown type"),
        (met.appended_files, "further files behind the first"),
        (unreadable, "bodies of audio or video that can not be read"),
    ] {
        if count > 0 {
            faults.push(format!("{count} {what}"));
        }
    }
}

fn note_metadata(metadata: Option<&Metadata>, duration: u64, stop: u64, faults: &mut Vec<String>) {
    let Some(metadata) = metadata else {
        faults.push("no metadata".to_owned());
        return;
    };
    match metadata.duration() {
        None => faults.push("metadata without duration".to_owned()),
        Some(told) => {
            let told = u64::try_from(told.as_millis()).unwrap_or(u64::MAX);
            // Some programs count from 0, others from the first frame.
            if told.abs_diff(duration).min(told.abs_diff(stop)) > DURATION_TOLERANCE_MILLIS {
                faults.push(format!(
                    "metadata tell a duration of {told} ms, it is {duration} ms"
                ));
            }
        }
    }
}

fn note_index(index: &[KeyframePosition], keyframes: &[(u32, u64)], faults: &mut Vec<String>) {
    let is_there = |entry: &&KeyframePosition| {
        keyframes
            .binary_search_by_key(&entry.offset, |&(_, offset)| offset)
            .is_ok()
    };
    // Some programs begin the index with the first tag behind the metadata.
    let wrong = index.iter().skip(1).filter(|entry| !is_there(entry)).count();
    if wrong > 0 {
        faults.push(format!("{wrong} entries of the index point to no keyframe"));
    }
}

fn groups(keyframes: &[(u32, u64)]) -> Option<Groups> {
    let lengths = keyframes.windows(2).filter_map(|pair| match pair {
        [(a, _), (b, _)] => Some(b.saturating_sub(*a)),
        _ => None,
    });
    let lengths: Vec<u32> = lengths.collect();
    let sum: u64 = lengths.iter().copied().map(u64::from).sum();
    let mean = sum.checked_div(lengths.len() as u64).unwrap_or(0);
    (!keyframes.is_empty()).then(|| Groups {
        count: keyframes.len() as u64,
        shortest_millis: lengths.iter().copied().min().unwrap_or(0),
        mean_millis: u32::try_from(mean).unwrap_or(u32::MAX),
        longest_millis: lengths.iter().copied().max().unwrap_or(0),
    })
}

fn rate(bytes: u64, millis: u64) -> Option<u64> {
    bytes.saturating_mul(8000).checked_div(millis)
}

/// The properties that a person may want to read: not the index, nor the room for it.
fn to_json(metadata: Metadata) -> BTreeMap<String, serde_json::Value> {
    let is_index = |key: &AmfString| *key == *"keyframes" || *key == *"padding";
    let properties = metadata.into_properties();
    let readable = properties.iter().filter(|(key, _)| !is_index(key));
    readable
        .map(|(key, value)| (key.to_string(), value_to_json(value)))
        .collect()
}

fn value_to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Number(number) => (*number).into(),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Object(object) | Value::EcmaArray(object) => object
            .iter()
            .map(|(key, value)| (key.to_string(), value_to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::StrictArray(values) => values.iter().map(value_to_json).collect(),
        other => other.as_str().map_or(serde_json::Value::Null, Into::into),
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "file      {}", self.path.display())?;
        writeln!(f, "length    {} bytes, {} tags", self.len, self.tags)?;
        let rate = Rate(self.bit_rate);
        writeln!(f, "duration  {}, {rate}", Seconds(self.duration_millis))?;
        match self.index_entries {
            Some(count) => writeln!(f, "index     {count} keyframes")?,
            None => writeln!(f, "index     none")?,
        }
        if let Some(groups) = &self.groups {
            writeln!(
                f,
                "groups    {}, of {} to {} ms, {} ms on average",
                groups.count, groups.shortest_millis, groups.longest_millis, groups.mean_millis
            )?;
        }
        writeln!(
            f,
            "\n{:<8}{:<8}{:>9}{:>10}{:>9}{:>13}{:>12}{:>12}  {:>8}",
            "track", "codec", "frames", "keyframes", "headers", "bit rate", "from", "to", "max step"
        )?;
        for track in &self.tracks {
            writeln!(
                f,
                "{:<8}{:<8}{:>9}{:>10}{:>9}{:>13}{:>12}{:>12}  {:>5} ms",
                format!("{} {}", track.kind, track.id),
                track.codec,
                track.frames,
                track.keyframes,
                track.headers,
                Rate(track.bit_rate).to_string(),
                Seconds(track.first_millis.into()).to_string(),
                Seconds(track.last_millis.into()).to_string(),
                track.largest_step_millis,
            )?;
        }
        if let Some(metadata) = &self.metadata {
            writeln!(f, "\nmetadata")?;
            for (key, value) in metadata {
                writeln!(f, "  {key}: {value}")?;
            }
        }
        if self.faults.is_empty() {
            return writeln!(f, "\nno faults");
        }
        writeln!(f, "\nfaults")?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"))
    }
}

struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1000, self.0 % 1000)
    }
}

struct Rate(Option<u64>);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => write!(f, "{} kbit/s", rate / 1000),
            None => f.write_str("-"),
        }
    }
}
