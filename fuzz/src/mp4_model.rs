//! Where the samples of an MP4 file are, found in the plainest way, for files in which nothing is odd.

use mp4_atom::{Atom, Moov, Stbl, StszSamples, Trak};

/// RTMP can not express much longer composition times, so that frames with such ones are left out.
const MAX_COMPOSITION_SECONDS: u64 = 8000;

/// The samples of all tracks, or `None` if the file is one of those that take more than this to read: with fragments,
/// or with samples that are empty, shared or not there.
pub fn tracks(file: &[u8]) -> Option<Vec<Vec<&[u8]>>> {
    let boxes = boxes(file)?;
    let mut descriptions = boxes.iter().filter(|(name, _)| name == b"moov");
    let (Some(&(_, mut body)), None) = (descriptions.next(), descriptions.next()) else {
        return None;
    };
    let tracks_said = self::boxes(body)?
        .iter()
        .filter(|(name, _)| name == b"trak")
        .count();
    let moov = Moov::decode_body(&mut body).ok()?;
    // It leaves out what it does not understand.
    let is_whole = moov.trak.len() == tracks_said;
    let is_plain = is_whole && moov.mvex.is_none() && !boxes.iter().any(|(name, _)| name == b"moof");
    let tracks: Option<Vec<_>> = moov.trak.iter().map(|track| samples(track, file)).collect();
    let len: usize = tracks.iter().flatten().flatten().map(|sample| sample.len()).sum();
    // More would be samples that share their bytes.
    tracks.filter(|_| is_plain && len <= file.len())
}

/// The boxes of the file, by name.
fn boxes(mut file: &[u8]) -> Option<Vec<([u8; 4], &[u8])>> {
    let mut found = Vec::new();
    while !file.is_empty() {
        let len = u32::from_be_bytes(*file.first_chunk()?) as usize;
        let name = *file.get(4..)?.first_chunk()?;
        let (this, rest) = file.split_at_checked(len)?;
        found.push((name, this.get(8..)?));
        file = rest;
    }
    Some(found)
}

fn samples<'a>(track: &Trak, file: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let Stbl {
        stsz,
        stsc,
        stco,
        co64,
        ctts,
        ..
    } = &track.mdia.minf.stbl;
    let longest = MAX_COMPOSITION_SECONDS * u64::from(track.mdia.mdhd.timescale);
    let mut offsets = ctts.iter().flat_map(|ctts| &ctts.entries);
    if offsets.any(|run| run.sample_offset.unsigned_abs() > longest) {
        return None;
    }
    let sizes = match &stsz.samples {
        StszSamples::Identical { count, size } if *count as usize <= file.len() => {
            vec![*size; *count as usize]
        }
        StszSamples::Identical { .. } => return None,
        StszSamples::Different { sizes } => sizes.clone(),
    };
    let chunks: Vec<u64> = match (stco, co64) {
        (Some(table), None) => table.entries.iter().copied().map(u64::from).collect(),
        (None, Some(table)) => table.entries.clone(),
        _ => return None,
    };
    let is_in_order = stsc.entries.is_sorted_by(|a, b| a.first_chunk < b.first_chunk);
    if !is_in_order || stsc.entries.first()?.first_chunk != 1 {
        return None;
    }
    let (mut sizes, mut samples) = (sizes.into_iter(), Vec::new());
    for (number, offset) in (1..).zip(chunks) {
        let run = stsc.entries.iter().rfind(|run| run.first_chunk <= number)?;
        let mut offset = usize::try_from(offset).ok()?;
        for len in sizes.by_ref().take(run.samples_per_chunk as usize) {
            let len = len as usize;
            samples.push(
                file.get(offset..offset.checked_add(len)?)
                    .filter(|sample| !sample.is_empty())?,
            );
            offset += len;
        }
    }
    Some(samples)
}
