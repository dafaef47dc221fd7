//! Where the samples of a track are and when they are due: sample tables (ISO/IEC 14496-12 section 8.6 and 8.7) and
//! fragments (section 8.8).

use mp4_atom::{
    Buf, Co64, Ctts, Decode, Error, Stco, Stsc, Stss, Stsz, StszSamples, Stts, Tfdt, Tfhd, Trex, Trun,
};
use rtmp_core::flv::FourCc;

use super::Mp4Error;
use super::boxes::{Boxes, COUNT_AT, name_of};

/// How many samples a file may have: more than 14 hours of film.
pub(super) const MAX_SAMPLES: u32 = 4_000_000;

/// Where a sample is, and its times in units of its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) is_sync: bool,
    pub(super) decoding_time: u64,
    /// From decoding to showing.
    pub(super) composition_offset: i32,
}

/// How often the bytes of a file may be in samples, on average: some may be shared, but a small file is not a long film.
const MAX_SHARING: u64 = 2;

/// What a file has room for. A sample is kept only if it is there, so a small file can not describe much.
#[derive(Debug)]
pub(super) struct Room {
    file_len: u64,
    left: u32,
    bytes_left: u64,
}

impl Room {
    pub(super) fn new(file_len: u64) -> Self {
        Self {
            file_len,
            left: MAX_SAMPLES,
            bytes_left: file_len.saturating_mul(MAX_SHARING),
        }
    }

    /// Takes samples into account, before they are looked at.
    fn announce(&mut self, count: u32) -> Result<(), Mp4Error> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or(Mp4Error::TooManySamples { limit: MAX_SAMPLES })?;
        Ok(())
    }

    /// Whether there is such a sample; if so, it takes its room.
    fn take(&mut self, offset: u64, len: u32) -> bool {
        let len = u64::from(len);
        let is_there = len > 0 && offset.checked_add(len).is_some_and(|end| end <= self.file_len);
        match self.bytes_left.checked_sub(len) {
            Some(left) if is_there => {
                self.bytes_left = left;
                true
            }
            _ => false,
        }
    }
}

/// The samples in the tables of an `stbl`, and the time at which the last one ends.
pub(super) fn from_tables(stbl: Boxes<'_>, room: &mut Room) -> Result<(Vec<Sample>, u64), Mp4Error> {
    let mut sizes = sizes(stbl, room)?;
    let stts = stbl.table::<Stts>(MAX_SAMPLES)?.unwrap_or_default();
    let runs = stts.entries.iter();
    let mut deltas = runs.flat_map(|run| repeat(run.sample_delta, run.sample_count));
    let ctts = stbl.table::<Ctts>(MAX_SAMPLES)?.unwrap_or_default();
    let runs = ctts.entries.iter();
    let mut offsets = runs.flat_map(|run| repeat(signed(run.sample_offset), run.sample_count));
    let stss = stbl.table::<Stss>(MAX_SAMPLES)?;
    let mut sync = stss.map(|stss| stss.entries.into_iter().peekable());
    let mut samples = Vec::new();
    let mut time = 0_u64;
    let mut number = 0_u32;
    for (start, count) in chunks(stbl)? {
        let mut offset = start;
        for len in sizes.by_ref().take(count) {
            number = number.saturating_add(1);
            let is_sync = sync.as_mut().is_none_or(|sync| {
                while sync.next_if(|next| *next < number).is_some() {}
                sync.next_if_eq(&number).is_some()
            });
            let composition_offset = offsets.next().unwrap_or(0);
            if room.take(offset, len) {
                samples.push(Sample {
                    offset,
                    len,
                    is_sync,
                    decoding_time: time,
                    composition_offset,
                });
            }
            offset = offset.saturating_add(len.into());
            time = time.saturating_add(deltas.next().unwrap_or(0).into());
        }
    }
    Ok((samples, time))
}

fn repeat<T: Clone>(value: T, count: u32) -> impl Iterator<Item = T> {
    std::iter::repeat_n(value, usize::try_from(count).unwrap_or(usize::MAX))
}

/// In version 0 of a box these are unsigned; nobody writes such large ones, but QuickTime writes negative ones there.
fn signed(composition_offset: i64) -> i32 {
    composition_offset as i32
}

/// The lengths of all samples: all the same, or each its own.
fn sizes(stbl: Boxes<'_>, room: &mut Room) -> Result<impl Iterator<Item = u32> + use<>, Mp4Error> {
    /// Behind version, flags and the size of all samples or of a field.
    const SIZES_COUNT_AT: usize = 8;
    let (table, short) = (stbl.find(name_of::<Stsz>()), stbl.find(FourCc::new(*b"stz2")));
    if let Some(found) = table.or(short) {
        room.announce(found.count(SIZES_COUNT_AT)?)?;
    }
    let samples = match (table, short) {
        (Some(table), _) => table.read::<Stsz>()?.samples,
        (None, Some(short)) => StszSamples::Different {
            sizes: short.fields::<Stz2>()?.0.0,
        },
        (None, None) => StszSamples::default(),
    };
    let (same, each) = match samples {
        StszSamples::Identical { count, size } => (repeat(size, count), Vec::new()),
        StszSamples::Different { sizes } => (repeat(0, 0), sizes),
    };
    Ok(same.chain(each))
}

/// The table with fields of 4, 8 or 16 bits, which `mp4_atom` does not know (section 8.7.3.3).
struct Stz2(Vec<u32>);

impl Decode for Stz2 {
    fn decode<B: Buf>(buf: &mut B) -> Result<Self, Error> {
        // Version, flags and three reserved bytes stand in front.
        let [.., field_len] = <[u8; 8]>::decode(buf)?;
        let count = usize::try_from(u32::decode(buf)?).unwrap_or(usize::MAX);
        let mut sizes = Vec::new();
        while sizes.len() < count {
            match field_len {
                4 => {
                    let pair = u8::decode(buf)?;
                    sizes.extend([pair >> 4, pair & 0x0F].map(u32::from));
                }
                8 => sizes.push(u8::decode(buf)?.into()),
                16 => sizes.push(u16::decode(buf)?.into()),
                _ => return Err(Error::Unsupported("fields of other than 4, 8 or 16 bits")),
            }
        }
        sizes.truncate(count);
        Ok(Self(sizes))
    }
}

/// Where each chunk begins, and how many samples it has.
fn chunks(stbl: Boxes<'_>) -> Result<impl Iterator<Item = (u64, usize)>, Mp4Error> {
    let short = stbl.table::<Stco>(MAX_SAMPLES)?.unwrap_or_default().entries;
    let long = stbl.table::<Co64>(MAX_SAMPLES)?.unwrap_or_default().entries;
    let runs = stbl.table::<Stsc>(MAX_SAMPLES)?.unwrap_or_default().entries;
    let mut runs = runs.into_iter().peekable();
    let mut per_chunk = 0;
    let offsets = short.into_iter().map(u64::from).chain(long);
    Ok(offsets.zip(1_u32..).map(move |(offset, number)| {
        while let Some(run) = runs.next_if(|run| run.first_chunk <= number) {
            per_chunk = run.samples_per_chunk;
        }
        (offset, usize::try_from(per_chunk).unwrap_or(usize::MAX))
    }))
}

/// The fragments of a track: what they leave out, and where the last one ends.
#[derive(Clone, Debug)]
pub(super) struct Fragments {
    defaults: Trex,
    next_time: u64,
}

/// What the samples of a fragment have that do not say it themselves.
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

impl Fragments {
    pub(super) fn new(defaults: Trex) -> Self {
        Self {
            defaults,
            next_time: 0,
        }
    }

    /// Where the last fragment ends.
    pub(super) fn end(&self) -> u64 {
        self.next_time
    }

    /// Appends the samples of a `traf`, whose data offsets count from `base`, and returns where their data end.
    pub(super) fn append(
        &mut self,
        tfhd: &Tfhd,
        traf: Boxes<'_>,
        base: u64,
        room: &mut Room,
        samples: &mut Vec<Sample>,
    ) -> Result<u64, Mp4Error> {
        let defaults = Defaults {
            duration: tfhd
                .default_sample_duration
                .unwrap_or(self.defaults.default_sample_duration),
            size: tfhd
                .default_sample_size
                .unwrap_or(self.defaults.default_sample_size),
            flags: tfhd
                .default_sample_flags
                .unwrap_or(self.defaults.default_sample_flags),
        };
        if let Some(tfdt) = traf.read::<Tfdt>()? {
            self.next_time = tfdt.base_media_decode_time;
        }
        let mut offset = base;
        for found in traf.filter(|found| found.name == name_of::<Trun>()) {
            room.announce(found.count(COUNT_AT)?)?;
            let run: Trun = found.read()?;
            if let Some(relative) = run.data_offset {
                offset = base.saturating_add_signed(relative.into());
            }
            offset = self.append_run(&run, &defaults, offset, room, samples);
        }
        Ok(offset)
    }

    /// Appends the samples of a `trun`, and returns where their data end.
    fn append_run(
        &mut self,
        run: &Trun,
        defaults: &Defaults,
        start: u64,
        room: &mut Room,
        samples: &mut Vec<Sample>,
    ) -> u64 {
        const NOT_SYNC: u32 = 0x1_0000;
        let mut offset = start;
        for entry in &run.samples {
            let len = entry.size.unwrap_or(defaults.size);
            if room.take(offset, len) {
                samples.push(Sample {
                    offset,
                    len,
                    is_sync: entry.flags.unwrap_or(defaults.flags) & NOT_SYNC == 0,
                    decoding_time: self.next_time,
                    composition_offset: signed(entry.cts.unwrap_or(0)),
                });
            }
            let duration = entry.duration.unwrap_or(defaults.duration);
            self.next_time = self.next_time.saturating_add(duration.into());
            offset = offset.saturating_add(len.into());
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::super::boxes::Content;
    use super::*;

    fn boxed(name: &[u8; 4], words: &[u32]) -> Vec<u8> {
        let mut content = (8 + 4 * words.len() as u32).to_be_bytes().to_vec();
        content.extend(name);
        content.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        content
    }

    fn boxes(bytes: &[u8]) -> Boxes<'_> {
        Boxes(Content { bytes, offset: 0 })
    }

    /// Of a file that has all that is said of it.
    fn endless_room() -> Room {
        Room::new(u64::MAX)
    }

    #[test]
    fn tables_give_each_sample_its_place_and_times() {
        let stbl = [
            boxed(b"stsz", &[0, 0, 5, 10, 20, 30, 40, 50]),
            boxed(b"stts", &[0, 2, 3, 100, 2, 50]),
            boxed(b"ctts", &[0, 2, 1, 7, 1, u32::MAX]),
            boxed(b"stss", &[0, 2, 1, 4]),
            boxed(b"stsc", &[0, 2, 1, 2, 1, 2, 1, 1]),
            boxed(b"stco", &[0, 4, 1000, 2000, 3000, 4000]),
        ]
        .concat();
        let (samples, end) = from_tables(boxes(&stbl), &mut endless_room()).unwrap();
        let sample = |offset, len, is_sync, decoding_time, composition_offset| Sample {
            offset,
            len,
            is_sync,
            decoding_time,
            composition_offset,
        };
        assert_eq!(
            samples,
            [
                sample(1000, 10, true, 0, 7),
                sample(1010, 20, false, 100, -1),
                sample(2000, 30, false, 200, 0),
                sample(3000, 40, true, 300, 0),
                sample(4000, 50, false, 350, 0),
            ]
        );
        assert_eq!(end, 400);
    }

    #[test]
    fn what_is_not_in_the_file_is_left_out_and_takes_its_time() {
        let stbl = [
            boxed(b"stsz", &[0, 0, 4, 10, 0, 10, 10]),
            boxed(b"stts", &[0, 1, 4, 100]),
            boxed(b"stsc", &[0, 1, 1, 2, 1]),
            boxed(b"stco", &[0, 2, 90, 10]),
        ]
        .concat();
        let (samples, end) = from_tables(boxes(&stbl), &mut Room::new(25)).unwrap();
        let found: Vec<_> = samples
            .iter()
            .map(|sample| (sample.offset, sample.decoding_time))
            .collect();
        assert_eq!((found, end), (vec![(10, 200)], 400));
    }

    #[test]
    fn lengths_may_have_four_eight_or_sixteen_bits() {
        for (field_len, fields) in [(4, 0x1230_0000), (8, 0x0102_0300), (16, 0x0001_0002)] {
            let stbl = [
                boxed(b"stz2", &[0, field_len, 3, fields, 0x0003_0000]),
                boxed(b"stsc", &[0, 1, 1, 3, 1]),
                boxed(b"stco", &[0, 1, 1000]),
            ]
            .concat();
            let (samples, _) = from_tables(boxes(&stbl), &mut endless_room()).unwrap();
            let lens: Vec<_> = samples.iter().map(|sample| sample.len).collect();
            assert_eq!(lens, [1, 2, 3], "{field_len}");
        }
        for words in [[0, 5, 1, 0], [0, 8, 5, 0]] {
            let stbl = boxed(b"stz2", &words);
            let refused = from_tables(boxes(&stbl), &mut endless_room()).unwrap_err();
            assert!(matches!(refused, Mp4Error::Unreadable { name, .. } if name == FourCc::new(*b"stz2")));
        }
    }

    #[test]
    fn counts_beyond_the_limit_are_refused_before_anything_is_read() {
        let huge = u32::MAX;
        for sizes in [[0, 0, huge, 10], [0, 1, huge, 0]] {
            let stbl = boxed(b"stsz", &sizes);
            let refused = from_tables(boxes(&stbl), &mut endless_room());
            assert!(matches!(refused, Err(Mp4Error::TooManySamples { .. })));
        }
        for name in [b"stts", b"ctts", b"stss", b"stsc", b"stco", b"co64"] {
            let stbl = boxed(name, &[0, huge, 1, 1, 1]);
            match from_tables(boxes(&stbl), &mut endless_room()) {
                Err(Mp4Error::TooManyEntries { name: found, .. }) => assert_eq!(found, FourCc::new(*name)),
                other => panic!("{other:?}"),
            }
        }
        let stbl = [
            boxed(b"stsz", &[0, 1, 4]),
            boxed(b"stts", &[0, 1, huge, huge]),
            boxed(b"stsc", &[0, 1, 1, huge, 1]),
            boxed(b"stco", &[0, 1, 1000]),
        ]
        .concat();
        assert_eq!(from_tables(boxes(&stbl), &mut endless_room()).unwrap().0.len(), 4);
        assert_eq!(from_tables(boxes(&[]), &mut endless_room()).unwrap().0, []);
    }

    #[test]
    fn all_tracks_share_one_limit() {
        let stbl = boxed(b"stsz", &[0, 1, MAX_SAMPLES / 2 + 1]);
        let mut room = endless_room();
        from_tables(boxes(&stbl), &mut room).unwrap();
        let refused = from_tables(boxes(&stbl), &mut room);
        assert!(matches!(refused, Err(Mp4Error::TooManySamples { .. })));
    }

    #[test]
    fn fragments_take_what_they_leave_out_from_the_defaults() {
        let mut fragments = Fragments::new(Trex {
            track_id: 9,
            default_sample_description_index: 1,
            default_sample_duration: 1000,
            default_sample_size: 77,
            default_sample_flags: 0x1_0000,
        });
        let tfhd = Tfhd {
            track_id: 9,
            ..Tfhd::default()
        };
        let traf = [
            boxed(b"tfdt", &[0, 5000]),
            boxed(b"trun", &[0x05, 2, 100, 0]),
            boxed(b"trun", &[0xA00, 2, 11, u32::MAX, 12, 4]),
        ]
        .concat();
        let (mut samples, mut room) = (Vec::new(), endless_room());
        let mut append = |fragments: &mut Fragments, traf: &[u8]| {
            fragments.append(&tfhd, boxes(traf), 10_000, &mut room, &mut samples)
        };
        assert_eq!(append(&mut fragments, &traf).unwrap(), 10_277);
        assert_eq!(fragments.end(), 9000);
        let endless = append(&mut fragments, &boxed(b"trun", &[0, u32::MAX]));
        assert!(matches!(endless, Err(Mp4Error::TooManySamples { .. })));
        let cut = append(&mut fragments, &boxed(b"trun", &[0xA00, 2, 11, 0, 12]));
        assert!(matches!(cut, Err(Mp4Error::Unreadable { .. })));
        let got: Vec<_> = samples
            .iter()
            .map(|s| (s.offset, s.len, s.is_sync, s.decoding_time, s.composition_offset))
            .collect();
        assert_eq!(
            got,
            [
                (10_100, 77, true, 5000, 0),
                (10_177, 77, false, 6000, 0),
                (10_254, 11, false, 7000, -1),
                (10_265, 12, false, 8000, 4),
            ]
        );
    }
}
