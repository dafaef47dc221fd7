//! MP4 files: what is known of one, and reading it from any position (ISO/IEC 14496-12, -14 and -15).
//!
//! Boxes are found here and read by `mp4_atom`: see [`boxes`] for who does what and why. The configuration of a codec
//! is kept as it stands, for it goes into a sequence header untouched.
//!
//! Everything here blocks.

mod boxes;
mod codec;
mod description;
mod reader;
mod samples;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use rtmp_amf::amf0::Object;
use rtmp_core::flv::{FourCc, Metadata, Tag};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use self::codec::{Codec, Description};
use self::description::Described;
pub(super) use self::reader::Mp4Reader;
use super::VodError;

/// What a message adds to a sample, at most.
const MAX_BODY_HEAD_LEN: usize = 64;

/// What can be wrong with an MP4 file.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mp4Error {
    /// There is no description of the film, or it is cut off.
    #[error("there is no complete moov box")]
    NoDescription,
    /// A box that has to be in memory is too long.
    #[error("the {name} box at byte {offset} has {len} bytes, the limit is {limit}")]
    BoxTooLong {
        /// Its type.
        name: FourCc,
        /// Where it begins in the file.
        offset: u64,
        /// Its length in bytes.
        len: u64,
        /// What it may have, in bytes.
        limit: u64,
    },
    /// A table says that it is longer than it may be.
    #[error("the {name} box at byte {offset} announces {announced} entries, the limit is {limit}")]
    TooManyEntries {
        /// The type of its box.
        name: FourCc,
        /// Where its box begins in the file.
        offset: u64,
        /// How many entries it says it has.
        announced: u32,
        /// How many it may have.
        limit: u32,
    },
    /// A box that is needed to play the film can not be read.
    #[error("the {name} box at byte {offset} can not be read")]
    Unreadable {
        /// Its type.
        name: FourCc,
        /// Where it begins in the file.
        offset: u64,
        /// What is wrong with it.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The tables announce too many samples.
    #[error("there are more than {limit} samples")]
    TooManySamples {
        /// How many there may be.
        limit: u32,
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

impl Mp4Info {
    /// Reads what describes the samples of a file.
    pub(super) fn read(file: &mut File) -> Result<Self, VodError> {
        let len = file.metadata()?.len();
        let tracks = description::read(file, len)?;
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
            *place = Some(Track::new(track, delay));
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
        let frames = frames(&self.video).saturating_add(frames(&self.audio));
        frames.saturating_mul(size_of::<Frame>())
    }
}

impl Track {
    fn new(track: Described, delay: f64) -> Self {
        let shift = (track.shift + delay) * 1000.0;
        let millis = |time: u64| seconds(time, track.timescale) * 1000.0 + shift;
        let frames = track.samples.iter().filter_map(|sample| {
            let fits =
                usize::try_from(sample.len).is_ok_and(|len| len <= Tag::MAX_PAYLOAD_LEN - MAX_BODY_HEAD_LEN);
            // Rounded where they are needed, not one after the other: so no error grows.
            let time = millis(sample.decoding_time).round();
            let shown = sample
                .decoding_time
                .saturating_add_signed(sample.composition_offset.into());
            let composition_time = (millis(shown).round() - time) as i32;
            fits.then_some(Frame {
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
