//! Where the samples of a track are and when they are due: sample tables (ISO/IEC 14496-12 section 8.6 and 8.7) and
//! fragments (section 8.8).

use super::Mp4Error;
use super::boxes::{Boxes, Fields, pair, table};

/// How many samples a file may have: more than 14 hours of film.
pub(super) const MAX_SAMPLES: usize = 4_000_000;

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

/// The samples in the tables of an `stbl`, and the time at which the last one ends.
pub(super) fn from_tables(stbl: &[u8]) -> Result<(Vec<Sample>, u64), Mp4Error> {
    let find = |name| Boxes(stbl).find(name);
    let mut sizes = sizes(find(b"stsz"), find(b"stz2"));
    let runs = table::<8>(find(b"stts")).map(pair);
    let mut deltas = runs.flat_map(|(count, delta)| repeat(delta, count));
    let runs = table::<8>(find(b"ctts")).map(pair);
    // In version 0 they are unsigned, and nobody writes such large ones.
    let mut offsets = runs.flat_map(|(count, offset)| repeat(offset.cast_signed(), count));
    let mut sync = find(b"stss").map(|content| table::<4>(Some(content)).map(u32::from_be_bytes).peekable());
    let mut samples = Vec::new();
    let mut time = 0_u64;
    let mut number = 0_u32;
    'chunks: for (start, count) in chunks(find(b"stsc"), find(b"stco"), find(b"co64")) {
        let mut offset = start;
        for _ in 0..count {
            let Some(len) = sizes.next() else {
                break 'chunks;
            };
            if samples.len() >= MAX_SAMPLES {
                return Err(Mp4Error::TooManySamples { limit: MAX_SAMPLES });
            }
            number += 1;
            let is_sync = sync.as_mut().is_none_or(|sync| {
                while sync.next_if(|next| *next < number).is_some() {}
                sync.next_if_eq(&number).is_some()
            });
            samples.push(Sample {
                offset,
                len,
                is_sync,
                decoding_time: time,
                composition_offset: offsets.next().unwrap_or(0),
            });
            offset = offset.saturating_add(len.into());
            time = time.saturating_add(deltas.next().unwrap_or(0).into());
        }
    }
    Ok((samples, time))
}

fn repeat<T: Clone>(value: T, count: u32) -> impl Iterator<Item = T> {
    std::iter::repeat_n(value, usize::try_from(count).unwrap_or(usize::MAX))
}

/// The lengths of all samples: all the same, or each its own.
fn sizes<'a>(stsz: Option<&'a [u8]>, stz2: Option<&'a [u8]>) -> Box<dyn Iterator<Item = u32> + 'a> {
    if let Some(stsz) = stsz {
        let mut fields = Fields(stsz);
        let found = fields.version_and_flags().and(fields.u32()).zip(fields.u32());
        return match found {
            Some((0, count)) => {
                let sizes = fields
                    .0
                    .as_chunks()
                    .0
                    .iter()
                    .map(|size| u32::from_be_bytes(*size));
                Box::new(sizes.take(usize::try_from(count).unwrap_or(usize::MAX)))
            }
            Some((size, count)) => Box::new(repeat(size, count)),
            None => Box::new(std::iter::empty()),
        };
    }
    let mut fields = Fields(stz2.unwrap_or_default());
    let found = fields.version_and_flags().and(fields.u32()).zip(fields.u32());
    let Some((bits, count)) = found else {
        return Box::new(std::iter::empty());
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let content = fields.0;
    match bits & 0xFF {
        4 => Box::new(
            content
                .iter()
                .flat_map(|byte| [u32::from(byte >> 4), u32::from(byte & 0x0F)])
                .take(count),
        ),
        8 => Box::new(content.iter().map(|byte| u32::from(*byte)).take(count)),
        16 => {
            let sizes = content.as_chunks().0.iter();
            Box::new(sizes.map(|size| u32::from(u16::from_be_bytes(*size))).take(count))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// Where each chunk begins, and how many samples it has.
fn chunks<'a>(
    stsc: Option<&'a [u8]>,
    stco: Option<&'a [u8]>,
    co64: Option<&'a [u8]>,
) -> impl Iterator<Item = (u64, u32)> + 'a {
    let short = table::<4>(stco).map(|offset| u64::from(u32::from_be_bytes(offset)));
    let long = table::<8>(co64).map(u64::from_be_bytes);
    let mut runs = table::<12>(stsc)
        .map(|[a, b, c, d, e, f, g, h, ..]| pair([a, b, c, d, e, f, g, h]))
        .peekable();
    let mut per_chunk = 0;
    short.chain(long).zip(1_u32..).map(move |(offset, number)| {
        while let Some((_, count)) = runs.next_if(|(first, _)| *first <= number) {
            per_chunk = count;
        }
        (offset, per_chunk)
    })
}

/// What a fragment leaves out, from `trex`, and where its track stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fragments {
    pub(super) track: u32,
    duration: u32,
    size: u32,
    flags: u32,
    next_time: u64,
}

impl Fragments {
    /// The defaults of a track.
    pub(super) fn of(trex: &[u8]) -> Option<Self> {
        let mut fields = Fields(trex);
        fields.version_and_flags()?;
        let track = fields.u32()?;
        fields.u32()?;
        Some(Self {
            track,
            duration: fields.u32()?,
            size: fields.u32()?,
            flags: fields.u32()?,
            next_time: 0,
        })
    }

    /// Where the last fragment ends.
    pub(super) fn end(&self) -> u64 {
        self.next_time
    }

    /// Appends the samples of a `traf` of the `moof` that begins at `moof`. What is cut off is left out.
    pub(super) fn append(
        &mut self,
        traf: &[u8],
        moof: u64,
        samples: &mut Vec<Sample>,
    ) -> Result<(), Mp4Error> {
        let Some((mut defaults, base)) = self.read_header(traf, moof) else {
            return Ok(());
        };
        if let Some(tfdt) = Boxes(traf).find(b"tfdt") {
            let mut fields = Fields(tfdt);
            let time = fields
                .version_and_flags()
                .and_then(|(version, _)| fields.by_version(version));
            defaults.next_time = time.unwrap_or(self.next_time);
        }
        let mut next_offset = base;
        for trun in Boxes(traf).filter_map(|(name, content)| (name == *b"trun").then_some(content)) {
            next_offset = defaults.append_run(trun, base, next_offset, samples)?;
        }
        self.next_time = defaults.next_time;
        Ok(())
    }

    /// The number of the track that a `traf` belongs to.
    pub(super) fn track_of(traf: &[u8]) -> Option<u32> {
        let mut fields = Fields(Boxes(traf).find(b"tfhd")?);
        fields.version_and_flags()?;
        fields.u32()
    }

    fn read_header(&self, traf: &[u8], moof: u64) -> Option<(Self, u64)> {
        let mut fields = Fields(Boxes(traf).find(b"tfhd")?);
        let (_, flags) = fields.version_and_flags()?;
        fields.u32()?;
        let mut own = *self;
        let base = if flags & 0x1 != 0 { fields.u64()? } else { moof };
        if flags & 0x2 != 0 {
            fields.u32()?;
        }
        if flags & 0x8 != 0 {
            own.duration = fields.u32()?;
        }
        if flags & 0x10 != 0 {
            own.size = fields.u32()?;
        }
        if flags & 0x20 != 0 {
            own.flags = fields.u32()?;
        }
        Some((own, base))
    }

    /// Appends the samples of a `trun`, and returns where they end.
    fn append_run(
        &mut self,
        trun: &[u8],
        base: u64,
        next_offset: u64,
        samples: &mut Vec<Sample>,
    ) -> Result<u64, Mp4Error> {
        const NOT_SYNC: u32 = 0x1_0000;
        let mut fields = Fields(trun);
        let Some(((_, flags), count)) = fields.version_and_flags().zip(fields.u32()) else {
            return Ok(next_offset);
        };
        let mut offset = next_offset;
        if flags & 0x1 != 0
            && let Some(relative) = fields.u32()
        {
            offset = base.saturating_add_signed(relative.cast_signed().into());
        }
        let mut first_flags = if flags & 0x4 != 0 { fields.u32() } else { None };
        for _ in 0..count {
            let mut read = |flag, default| {
                if flags & flag != 0 {
                    fields.u32()
                } else {
                    Some(default)
                }
            };
            let own_flags = first_flags.take().unwrap_or(self.flags);
            let (Some(duration), Some(len), Some(sample_flags), Some(composition)) = (
                read(0x100, self.duration),
                read(0x200, self.size),
                read(0x400, own_flags),
                read(0x800, 0),
            ) else {
                break;
            };
            if samples.len() >= MAX_SAMPLES {
                return Err(Mp4Error::TooManySamples { limit: MAX_SAMPLES });
            }
            samples.push(Sample {
                offset,
                len,
                is_sync: sample_flags & NOT_SYNC == 0,
                decoding_time: self.next_time,
                composition_offset: composition.cast_signed(),
            });
            offset = offset.saturating_add(len.into());
            self.next_time = self.next_time.saturating_add(duration.into());
        }
        Ok(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], words: &[u32]) -> Vec<u8> {
        let mut content = (8 + 4 * words.len() as u32).to_be_bytes().to_vec();
        content.extend(name);
        content.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        content
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
        let (samples, end) = from_tables(&stbl).unwrap();
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
    fn counts_without_entries_make_no_samples_and_one_size_for_all_is_bounded() {
        let huge = u32::MAX;
        let stbl = [
            boxed(b"stsz", &[0, 0, huge, 10]),
            boxed(b"stts", &[0, huge, huge, huge]),
            boxed(b"stsc", &[0, huge, 1, huge, 1]),
            boxed(b"stco", &[0, huge, 1000]),
        ]
        .concat();
        assert_eq!(from_tables(&stbl).unwrap().0.len(), 1);
        let stbl = [
            boxed(b"stsz", &[0, 1, huge]),
            boxed(b"stsc", &[0, 1, 1, huge, 1]),
            boxed(b"stco", &[0, 1, 1000]),
        ]
        .concat();
        assert!(matches!(from_tables(&stbl), Err(Mp4Error::TooManySamples { .. })));
        assert_eq!(from_tables(&[]).unwrap().0, []);
    }

    #[test]
    fn fragments_take_what_they_leave_out_from_the_defaults() {
        let trex = [0, 9, 1, 1000, 77, 0x1_0000].map(u32::to_be_bytes).concat();
        let mut fragments = Fragments::of(&trex).unwrap();
        let traf = [
            boxed(b"tfhd", &[0, 9]),
            boxed(b"tfdt", &[0, 5000]),
            boxed(b"trun", &[0x05, 2, 100, 0]),
            boxed(b"trun", &[0xA00, 2, 11, u32::MAX, 12, 4]),
        ]
        .concat();
        let mut samples = Vec::new();
        fragments.append(&traf, 10_000, &mut samples).unwrap();
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
        assert_eq!((fragments.end(), Fragments::track_of(&traf)), (9000, Some(9)));
        let endless = [boxed(b"tfhd", &[0, 9]), boxed(b"trun", &[0, u32::MAX])].concat();
        let bounded = fragments.append(&endless, 0, &mut samples);
        assert!(matches!(bounded, Err(Mp4Error::TooManySamples { .. })));
    }
}
