//! The boxes that playback lets `mp4_atom` read, one at a time as it does: nothing is made of what is only announced.

use mp4_atom::{
    Atom, Audio, Co64, Ctts, Decode, Dops, Elst, Esds, Mdhd, Mvhd, Stco, Stsc, Stss, Stsz, StszSamples, Stts,
    Tfdt, Tfhd, Tkhd, Trex, Trun, TrunSamples, Visual,
};

/// Playback looks at no table that announces more, and at no `esds` that is longer.
const MAX_ENTRIES: u32 = 4_000_000;
const MAX_ESDS_LEN: usize = 1024;

/// Reads a box; how many entries it has, if it is a table.
fn read<T: Atom>(mut body: &[u8], entries: impl Fn(&T) -> usize) -> usize {
    T::decode_body(&mut body).map_or(0, |found| entries(&found))
}

/// The number that stands there.
fn count_at(body: &[u8], at: usize) -> u32 {
    let bytes = body.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&kind, body)) = data.split_first() else {
        return;
    };
    let kind = kind % 20;
    let is_table = matches!(kind, 0..=7 | 12);
    if is_table && count_at(body, if kind == 0 { 8 } else { 4 }) > MAX_ENTRIES {
        return;
    }
    let entries = match kind {
        0 => read::<Stsz>(body, |found| match &found.samples {
            StszSamples::Identical { .. } => 0,
            StszSamples::Different { sizes } => sizes.len(),
        }),
        1 => read::<Stco>(body, |found| found.entries.len()),
        2 => read::<Co64>(body, |found| found.entries.len()),
        3 => read::<Stsc>(body, |found| found.entries.len()),
        4 => read::<Stss>(body, |found| found.entries.len()),
        5 => read::<Stts>(body, |found| found.entries.len()),
        6 => read::<Ctts>(body, |found| found.entries.len()),
        7 => read::<Trun>(body, |found| match &found.samples {
            TrunSamples::Inherited { .. } => 0,
            TrunSamples::Explicit(samples) => samples.len(),
        }),
        8 => read::<Tfhd>(body, |_| 0),
        9 => read::<Tfdt>(body, |_| 0),
        10 => read::<Trex>(body, |_| 0),
        11 => read::<Mdhd>(body, |_| 0),
        12 => read::<Elst>(body, |found| found.entries.len()),
        13 => read::<Mvhd>(body, |_| 0),
        14 => read::<Tkhd>(body, |_| 0),
        15 => read::<Dops>(body, |_| 0),
        16 => Visual::decode(&mut { body }).map_or(0, |_| 0),
        17 => Audio::decode(&mut { body }).map_or(0, |_| 0),
        _ if body.len() <= MAX_ESDS_LEN => read::<Esds>(body, |found| {
            found
                .es_desc
                .dec_config
                .dec_specific
                .as_ref()
                .map_or(0, |config| config.raw.len())
        }),
        _ => 0,
    };
    assert!(entries <= body.len(), "{entries} entries in {} bytes", body.len());
}
