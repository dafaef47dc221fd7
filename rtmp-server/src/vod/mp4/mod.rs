//! MP4 files: what is known of one, and reading it from any position (ISO/IEC 14496-12, -14 and -15).
//!
//! Only the boxes that say where samples are and what they are get read, with a reader of our own: it keeps the
//! configuration of a codec as it stands, for it goes into a sequence header untouched, and it passes over what it does
//! not know, where a general parser would refuse the file.
//!
//! Everything here blocks.

mod boxes;
mod codec;
mod reader;
mod samples;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use rtmp_amf::amf0::Object;
use rtmp_core::flv::{Metadata, Tag};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use self::boxes::{Boxes, Fields, table};
use self::codec::{Codec, Description};
pub(super) use self::reader::Mp4Reader;
use self::samples::{Fragments, MAX_SAMPLES, Sample};
use super::VodError;

/// How long the description of a film, or of one of its fragments, may be. Two hours take some 6 MiB.
const MAX_DESCRIPTION_LEN: u64 = 128 << 20;

/// What a message adds to a sample, at most.
const MAX_BODY_HEAD_LEN: usize = 64;

/// What can be wrong with an MP4 file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mp4Error {
    /// There is no description of the film, or it is cut off.
    #[error("there is no complete moov box")]
    NoDescription,
    /// The description of the film or of a fragment is too long; both in bytes.
    #[error("a description has {announced} bytes, the limit is {limit}")]
    DescriptionTooLong {
        /// Its length.
        announced: u64,
        /// What it may have.
        limit: u64,
    },
    /// It describes too many samples.
    #[error("there are more than {limit} samples")]
    TooManySamples {
        /// How many there may be.
        limit: usize,
    },
    /// There is no track with a codec that can be played.
    #[error("no track can be played")]
    NoSupportedTrack,
}

/// What is known of a file. All who play it share this.
#[derive(Debug)]
pub(super) struct Mp4Info {
    len: u64,
    metadata: Option<MediaMessage>,
    duration: Duration,
    video: Option<Track>,
    audio: Option<Track>,
}

#[derive(Debug)]
struct Track {
    codec: Codec,
    frames: Vec<Frame>,
}

/// A sample with its times in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    len: u32,
    time: u32,
    composition_time: i32,
    is_sync: bool,
}

/// A track as the file describes it.
struct Described {
    id: u32,
    description: Description,
    timescale: u32,
    /// What is added to all times, in seconds.
    shift: f64,
    samples: Vec<Sample>,
    end: u64,
}

impl Mp4Info {
    /// Reads what describes the samples of a file.
    pub(super) fn read(file: &mut File) -> Result<Self, VodError> {
        let len = file.metadata()?.len();
        let mut tracks: Vec<Described> = Vec::new();
        let mut fragments: Vec<Fragments> = Vec::new();
        let mut has_description = false;
        let mut offset = 0_u64;
        while offset < len {
            let mut start = Vec::new();
            file.seek(SeekFrom::Start(offset))?;
            file.take(16).read_to_end(&mut start)?;
            let Some((name, header_len, box_len)) = boxes::header(&start) else {
                break;
            };
            let box_len = box_len.unwrap_or(len - offset);
            match &name {
                b"moov" if !has_description => {
                    let moov = read_content(file, offset, header_len, box_len, len)?
                        .ok_or(Mp4Error::NoDescription)?;
                    has_description = true;
                    tracks = described_tracks(&moov)?;
                    let mvex = Boxes(&moov).find(b"mvex").unwrap_or_default();
                    let defaults = Boxes(mvex).filter(|(name, _)| name == b"trex");
                    fragments = defaults.filter_map(|(_, trex)| Fragments::of(trex)).collect();
                }
                b"moof" => {
                    // One that is cut off has not got its media either.
                    if let Some(moof) = read_content(file, offset, header_len, box_len, len)? {
                        append_fragment(&moof, offset, &mut tracks, &mut fragments)?;
                    }
                }
                _ => {}
            }
            let Some(next) = offset.checked_add(box_len) else {
                break;
            };
            offset = next;
        }
        if !has_description {
            return Err(Mp4Error::NoDescription.into());
        }
        for fragments in &fragments {
            for track in tracks.iter_mut().filter(|track| track.id == fragments.track) {
                track.end = track.end.max(fragments.end());
            }
        }
        Self::new(tracks, len)
    }

    fn new(tracks: Vec<Described>, len: u64) -> Result<Self, VodError> {
        // Nothing begins before 0; what an edit list moves there moves everything else.
        let begin = |track: &Described| {
            let first = track.samples.first()?;
            Some(track.shift + seconds(first.decoding_time, track.timescale))
        };
        let delay = -tracks.iter().filter_map(begin).fold(0.0, f64::min);
        let mut info = Self {
            len,
            metadata: None,
            duration: Duration::ZERO,
            video: None,
            audio: None,
        };
        let mut metadata = Object::new();
        for track in tracks {
            let place = match track.description.codec.kind() {
                MediaKind::Video => &mut info.video,
                _ => &mut info.audio,
            };
            if place.is_some() || track.samples.is_empty() {
                continue;
            }
            describe(&mut metadata, &track.description);
            let end = track.shift + delay + seconds(track.end, track.timescale);
            let end = Duration::try_from_secs_f64(end).unwrap_or_default();
            info.duration = info.duration.max(end);
            *place = Some(Track::new(track, delay, len));
        }
        if info.video.is_none() && info.audio.is_none() {
            return Err(Mp4Error::NoSupportedTrack.into());
        }
        let mut properties = Object::new().with("duration", info.duration.as_secs_f64());
        properties.extend(metadata);
        properties.push("filesize", len as f64);
        let payload = Metadata::new(properties).encode().ok();
        info.metadata = payload.map(|payload| MediaMessage::data(Timestamp::ZERO, payload));
        Ok(info)
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        Some(self.duration)
    }

    pub(super) fn metadata(&self) -> Option<&MediaMessage> {
        self.metadata.as_ref()
    }

    pub(super) fn has_video(&self) -> bool {
        self.video.is_some()
    }

    /// About what it takes in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let frames = |track: &Option<Track>| track.as_ref().map_or(0, |track| track.frames.capacity());
        (frames(&self.video) + frames(&self.audio)) * size_of::<Frame>()
    }
}

impl Track {
    fn new(track: Described, delay: f64, file_len: u64) -> Self {
        let shift = (track.shift + delay) * 1000.0;
        let millis = |time: u64| seconds(time, track.timescale) * 1000.0 + shift;
        let frames = track.samples.iter().filter_map(|sample| {
            let is_there = sample.offset.checked_add(sample.len.into())? <= file_len;
            let fits = sample.len > 0
                && usize::try_from(sample.len)
                    .is_ok_and(|len| len <= Tag::MAX_PAYLOAD_LEN - MAX_BODY_HEAD_LEN);
            // Rounded where they are needed, not one after the other: so no error grows.
            let time = millis(sample.decoding_time).round();
            let shown = sample
                .decoding_time
                .saturating_add_signed(sample.composition_offset.into());
            let composition_time = (millis(shown).round() - time) as i32;
            (is_there && fits).then_some(Frame {
                offset: sample.offset,
                len: sample.len,
                // Saturates; the clock has 49 days.
                time: time as u32,
                composition_time,
                is_sync: sample.is_sync,
            })
        });
        Self {
            frames: frames.collect(),
            codec: track.description.codec,
        }
    }
}

fn seconds(time: u64, timescale: u32) -> f64 {
    time as f64 / f64::from(timescale.max(1))
}

/// The content of a box; `None` if the file ends before it.
fn read_content(
    file: &mut File,
    offset: u64,
    header_len: usize,
    box_len: u64,
    file_len: u64,
) -> Result<Option<Vec<u8>>, VodError> {
    if offset.checked_add(box_len).is_none_or(|end| end > file_len) {
        return Ok(None);
    }
    if box_len > MAX_DESCRIPTION_LEN {
        return Err(Mp4Error::DescriptionTooLong {
            announced: box_len,
            limit: MAX_DESCRIPTION_LEN,
        }
        .into());
    }
    let header_len = header_len as u64;
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(offset + header_len))?;
    file.take(box_len.saturating_sub(header_len))
        .read_to_end(&mut content)?;
    Ok(Some(content))
}

/// The tracks that can be played.
fn described_tracks(moov: &[u8]) -> Result<Vec<Described>, Mp4Error> {
    let movie_timescale = Boxes(moov).find(b"mvhd").and_then(timescale).unwrap_or(1000);
    let mut tracks = Vec::new();
    let mut count = 0;
    for (_, trak) in Boxes(moov).filter(|(name, _)| name == b"trak") {
        let Some((mut track, stbl)) = described_track(trak, movie_timescale) else {
            continue;
        };
        (track.samples, track.end) = samples::from_tables(stbl)?;
        count += track.samples.len();
        if count > MAX_SAMPLES {
            return Err(Mp4Error::TooManySamples { limit: MAX_SAMPLES });
        }
        tracks.push(track);
    }
    Ok(tracks)
}

fn described_track(trak: &[u8], movie_timescale: u32) -> Option<(Described, &[u8])> {
    let mdia = Boxes(trak).find(b"mdia")?;
    let stbl = Boxes(Boxes(mdia).find(b"minf")?).find(b"stbl")?;
    let description = Description::read(Boxes(stbl).find(b"stsd")?)?;
    let timescale = timescale(Boxes(mdia).find(b"mdhd")?).filter(|timescale| *timescale > 0)?;
    let mut header = Fields(Boxes(trak).find(b"tkhd")?);
    let (version, _) = header.version_and_flags()?;
    header.skip(if version == 0 { 8 } else { 16 })?;
    let track = Described {
        id: header.u32()?,
        description,
        timescale,
        shift: shift(trak, timescale, movie_timescale),
        samples: Vec::new(),
        end: 0,
    };
    Some((track, stbl))
}

/// The time scale of an `mvhd` or `mdhd`.
fn timescale(header: &[u8]) -> Option<u32> {
    let mut fields = Fields(header);
    let (version, _) = fields.version_and_flags()?;
    fields.skip(if version == 0 { 8 } else { 16 })?;
    fields.u32()
}

/// What the edit list adds to the times of a track, in seconds: empty edits at the beginning delay it, and the first
/// other one says which time of the track is shown first (ISO/IEC 14496-12 section 8.6.6).
fn shift(trak: &[u8], timescale: u32, movie_timescale: u32) -> f64 {
    const EMPTY: i64 = -1;
    let list = Boxes(trak)
        .find(b"edts")
        .and_then(|edts| Boxes(edts).find(b"elst"));
    let is_long = list.is_some_and(|list| list.first() == Some(&1));
    let short = table::<12>(list.filter(|_| !is_long)).map(|entry| {
        let mut fields = Fields(&entry);
        let duration = fields.u32().unwrap_or(0);
        (
            u64::from(duration),
            i64::from(fields.u32().unwrap_or(0).cast_signed()),
        )
    });
    let long = table::<20>(list.filter(|_| is_long)).map(|entry| {
        let mut fields = Fields(&entry);
        let duration = fields.u64().unwrap_or(0);
        (duration, fields.u64().unwrap_or(0).cast_signed())
    });
    let mut shift = 0.0;
    for (duration, media_time) in short.chain(long) {
        if media_time != EMPTY {
            return shift - seconds(media_time.max(0).unsigned_abs(), timescale);
        }
        shift += seconds(duration, movie_timescale);
    }
    shift
}

fn append_fragment(
    moof: &[u8],
    offset: u64,
    tracks: &mut [Described],
    fragments: &mut [Fragments],
) -> Result<(), Mp4Error> {
    for (_, traf) in Boxes(moof).filter(|(name, _)| name == b"traf") {
        let id = Fragments::track_of(traf);
        let track = tracks.iter_mut().find(|track| Some(track.id) == id);
        let defaults = fragments.iter_mut().find(|defaults| Some(defaults.track) == id);
        if let (Some(track), Some(defaults)) = (track, defaults) {
            defaults.append(traf, offset, &mut track.samples)?;
        }
    }
    Ok(())
}

fn describe(metadata: &mut Object, description: &Description) {
    let id = description.codec.metadata_id();
    match description.codec.kind() {
        MediaKind::Video => {
            metadata.push("width", f64::from(description.width));
            metadata.push("height", f64::from(description.height));
            metadata.push("videocodecid", id);
        }
        _ => {
            metadata.push("audiosamplerate", f64::from(description.sample_rate));
            metadata.push("audiochannels", f64::from(description.channels));
            metadata.push("stereo", description.channels > 1);
            metadata.push("audiocodecid", id);
        }
    }
}
