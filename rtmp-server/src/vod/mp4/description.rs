//! What describes the samples of a film: the `moov` box, and a `moof` box for each fragment (ISO/IEC 14496-12 sections
//! 8.2 and 8.8). Of the rest of the file only the headers of boxes are read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use mp4_atom::{Elst, Mdhd, Mvhd, Tfhd, Tkhd, Trex};
use rtmp_core::flv::FourCc;

use super::boxes::{Boxes, Content, Header, Mp4Box, name_of};
use super::codec::Description;
use super::samples::{self, Fragments, Room, Sample};
use super::{Mp4Error, seconds};
use crate::vod::VodError;

/// How long the description of a film, or of one of its fragments, may be. Two hours take some 6 MiB.
const MAX_DESCRIPTION_LEN: u64 = 128 << 20;

/// How many tracks are looked at. Of each kind only the first is played.
const MAX_TRACKS: usize = 64;

/// How many edits a track may have. Those are read that stand before the first one with media.
const MAX_EDITS: u32 = 1 << 16;

/// A track as the file describes it.
pub(super) struct Described {
    id: u32,
    pub(super) description: Description,
    pub(super) timescale: u32,
    /// What is added to all times, in seconds.
    pub(super) shift: f64,
    pub(super) samples: Vec<Sample>,
    /// When its last sample ends.
    pub(super) end: u64,
    fragments: Option<Fragments>,
}

/// Reads the tracks that can be played.
pub(super) fn read(file: &mut File, file_len: u64) -> Result<Vec<Described>, VodError> {
    let mut room = Room::new(file_len);
    let mut tracks: Option<Vec<Described>> = None;
    let mut offset = 0_u64;
    while offset < file_len {
        let mut start = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(Header::MAX_LEN).read_to_end(&mut start)?;
        let Some(header) = Header::read(&start) else {
            break;
        };
        let end = header
            .box_len
            .map_or(Some(file_len), |len| offset.checked_add(len));
        // One that is cut off has not got its media either.
        let Some(end) = end.filter(|end| *end <= file_len) else {
            break;
        };
        match (&header.name.as_bytes(), &mut tracks) {
            (b"moov", None) => {
                let content = content(file, &header, offset, end)?;
                let moov = in_memory(&header, offset, &content);
                tracks = Some(described_tracks(moov, &mut room)?);
            }
            (b"moof", Some(tracks)) => {
                let content = content(file, &header, offset, end)?;
                let moof = in_memory(&header, offset, &content);
                append_fragment(moof, tracks, &mut room)?;
            }
            _ => {}
        }
        offset = end;
    }
    let mut tracks = tracks.ok_or(Mp4Error::NoDescription)?;
    for track in &mut tracks {
        if let Some(fragments) = &track.fragments {
            track.end = track.end.max(fragments.end());
        }
    }
    Ok(tracks)
}

/// The content of a box.
fn content(file: &mut File, header: &Header, offset: u64, end: u64) -> Result<Vec<u8>, VodError> {
    let len = end.saturating_sub(offset);
    if len > MAX_DESCRIPTION_LEN {
        return Err(Mp4Error::BoxTooLong {
            name: header.name,
            offset,
            len,
            limit: MAX_DESCRIPTION_LEN,
        }
        .into());
    }
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(offset.saturating_add(header.len)))?;
    file.take(len.saturating_sub(header.len))
        .read_to_end(&mut content)?;
    Ok(content)
}

fn in_memory<'a>(header: &Header, offset: u64, content: &'a [u8]) -> Mp4Box<'a> {
    Mp4Box {
        name: header.name,
        offset,
        content: Content {
            bytes: content,
            offset: offset.saturating_add(header.len),
        },
    }
}

/// The tracks of a `moov`.
fn described_tracks(moov: Mp4Box<'_>, room: &mut Room) -> Result<Vec<Described>, Mp4Error> {
    let movie_timescale = moov.child::<Mvhd>()?.timescale;
    let mut tracks = Vec::new();
    for trak in moov.boxes().filter(|found| found.name == FourCc::new(*b"trak")) {
        if tracks.len() < MAX_TRACKS
            && let Some(track) = described_track(trak, movie_timescale, room)?
        {
            tracks.push(track);
        }
    }
    let extends = moov.boxes().find(FourCc::new(*b"mvex"));
    for found in extends.into_iter().flat_map(Mp4Box::boxes) {
        if found.name == name_of::<Trex>() {
            let defaults: Trex = found.read()?;
            if let Some(track) = tracks.iter_mut().find(|track| track.id == defaults.track_id) {
                track.fragments = Some(Fragments::new(defaults));
            }
        }
    }
    Ok(tracks)
}

/// A track, if it can be played.
fn described_track(
    trak: Mp4Box<'_>,
    movie_timescale: u32,
    room: &mut Room,
) -> Result<Option<Described>, Mp4Error> {
    let Some(mdia) = trak.boxes().find(FourCc::new(*b"mdia")) else {
        return Ok(None);
    };
    let minf = mdia.boxes().find(FourCc::new(*b"minf"));
    let stbl = minf.and_then(|minf| minf.boxes().find(FourCc::new(*b"stbl")));
    let Some(stbl) = stbl.map(Mp4Box::boxes) else {
        return Ok(None);
    };
    let stsd = stbl.find(FourCc::new(*b"stsd"));
    let Some(description) = stsd.map(Description::read).transpose()?.flatten() else {
        return Ok(None);
    };
    let id = trak.child::<Tkhd>()?.track_id;
    let timescale = mdia.child::<Mdhd>()?.timescale;
    let shift = shift(trak.boxes(), timescale, movie_timescale)?;
    let (samples, end) = samples::from_tables(stbl, room)?;
    Ok(Some(Described {
        id,
        description,
        timescale,
        shift,
        samples,
        end,
        fragments: None,
    }))
}

/// What the edit list adds to the times of a track, in seconds: empty edits at the beginning delay it, and the first
/// other one says which time of the track is shown first (ISO/IEC 14496-12 section 8.6.6).
fn shift(trak: Boxes<'_>, timescale: u32, movie_timescale: u32) -> Result<f64, Mp4Error> {
    let Some(edts) = trak.find(FourCc::new(*b"edts")) else {
        return Ok(0.0);
    };
    let edits = edts.boxes().table::<Elst>(MAX_EDITS)?.unwrap_or_default();
    let mut shift = 0.0;
    for edit in edits.entries {
        if let Some(media_time) = edit.media_time {
            return Ok(shift - seconds(media_time, timescale));
        }
        shift += seconds(edit.segment_duration, movie_timescale);
    }
    Ok(shift)
}

/// Appends the samples of a `moof` to the tracks they belong to.
fn append_fragment(moof: Mp4Box<'_>, tracks: &mut [Described], room: &mut Room) -> Result<(), Mp4Error> {
    for traf in moof.boxes().filter(|found| found.name == FourCc::new(*b"traf")) {
        let tfhd: Tfhd = traf.child()?;
        let track = tracks.iter_mut().find(|track| track.id == tfhd.track_id);
        if let Some(track) = track
            && let Some(fragments) = &mut track.fragments
        {
            let base = tfhd.base_data_offset.unwrap_or(moof.offset);
            fragments.append(&tfhd, traf.boxes(), base, room, &mut track.samples)?;
        }
    }
    Ok(())
}
