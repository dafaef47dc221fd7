//! MP4 files made by hand, box by box.

/// A box with its content in parts.
///
/// # Panics
///
/// If it has 4 GiB or more.
#[must_use]
pub fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = u32::try_from(content.len() + 8).expect("a small box");
    [&len.to_be_bytes()[..], name, &content].concat()
}

/// Fields of 32 bits.
#[must_use]
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A `trak` whose times are in milliseconds.
#[must_use]
pub fn track(id: u32, edits: &[u8], entry: &[u8], tables: &[&[u8]]) -> Vec<u8> {
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), entry]);
    let stbl = boxed(b"stbl", &[&stsd, &tables.concat()]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 1000, 0, 0])]);
    let mdia = boxed(b"mdia", &[&mdhd, &boxed(b"minf", &[&stbl])]);
    let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, id, 0]), &[0; 64]]);
    boxed(b"trak", &[&tkhd, edits, &mdia])
}

/// A file of tracks, which are made knowing where the media begin; what is behind them in the `moov`; and the media. It
/// comes with that place.
#[must_use]
pub fn file(tracks: impl Fn(u32) -> Vec<u8>, media: &[u8]) -> (Vec<u8>, usize) {
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\0\0"]);
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0]), &[0; 80]]);
    let moov = |begin| boxed(b"moov", &[&mvhd, &tracks(begin)]);
    let begin = ftyp.len() + moov(0).len() + 8;
    let moov = moov(u32::try_from(begin).expect("a small file"));
    ([ftyp, moov, boxed(b"mdat", &[media])].concat(), begin)
}

/// A sample entry of AVC.
#[must_use]
pub fn avc() -> Vec<u8> {
    let record = boxed(b"avcC", &[&[1, 0x4D, 0x40, 0x1F, 0xFF, 0xE0, 0]]);
    let (width, height) = (640_u16.to_be_bytes(), 360_u16.to_be_bytes());
    boxed(b"avc1", &[&[0; 24], &width, &height, &[0; 50], &record])
}

/// A sample entry of AAC in the form of QuickTime, with these descriptors.
#[must_use]
pub fn quicktime_aac(descriptors: &[u8]) -> Vec<u8> {
    let esds = boxed(b"esds", &[&[0; 4], descriptors]);
    let wave = boxed(b"wave", &[&boxed(b"frma", &[b"mp4a"]), &esds, &[0; 8]]);
    let fields = words(&[0, 1, 0x1_0000, 0, 0x2_0010, 0, 44_100 << 16, 1024, 0, 0, 2]);
    boxed(b"mp4a", &[&fields, &wave])
}

/// The descriptors of AAC at 44,100 Hz in stereo.
pub const AAC_DESCRIPTORS: &[u8] =
    b"\x03\x19\0\x01\0\x04\x11\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x12\x10\x06\x01\x02";

/// AVC at 25 frames a second, a keyframe each second; every frame is its number. Comes with where its media begin.
#[must_use]
pub fn film(frames: u32) -> (Vec<u8>, usize) {
    let keyframes: Vec<u32> = (0..frames.div_ceil(25)).map(|n| n * 25 + 1).collect();
    let keyframe_count = u32::try_from(keyframes.len()).expect("a short film");
    let media: Vec<u8> = (0..frames).flat_map(u32::to_be_bytes).collect();
    let tables = |begin| {
        [
            boxed(b"stts", &[&words(&[0, 1, frames, 40])]),
            boxed(b"stss", &[&words(&[0, keyframe_count]), &words(&keyframes)]),
            boxed(b"stsc", &[&words(&[0, 1, 1, frames, 1])]),
            boxed(b"stsz", &[&words(&[0, 4, frames])]),
            boxed(b"stco", &[&words(&[0, 1, begin])]),
        ]
        .concat()
    };
    file(|begin| track(1, &[], &avc(), &[&tables(begin)]), &media)
}

/// Two seconds of AVC and AAC, with each table that there is. Comes with where its media begin.
#[must_use]
pub fn film_with_all_tables() -> (Vec<u8>, usize) {
    let edits = |media_time| {
        boxed(
            b"edts",
            &[&boxed(b"elst", &[&words(&[0, 1, 2000, media_time, 0x1_0000])])],
        )
    };
    let tracks = |begin| {
        let video = [
            boxed(b"stts", &[&words(&[0, 2, 2, 500, 2, 500])]),
            boxed(b"ctts", &[&words(&[0, 2, 1, 40, 3, 0])]),
            boxed(b"stss", &[&words(&[0, 1, 1])]),
            boxed(b"stsc", &[&words(&[0, 1, 1, 2, 1])]),
            boxed(b"stsz", &[&words(&[0, 0, 4, 10, 10, 10, 10])]),
            boxed(b"stco", &[&words(&[0, 2, begin, begin + 20])]),
        ];
        let audio = [
            boxed(b"stts", &[&words(&[0, 1, 4, 500])]),
            boxed(b"stsc", &[&words(&[0, 1, 1, 4, 1])]),
            boxed(b"stz2", &[&words(&[0, 8, 4, 0x0505_0505])]),
            boxed(b"co64", &[&words(&[0, 1, 0, begin + 40])]),
        ];
        [
            track(1, &edits(40), &avc(), &[&video.concat()]),
            track(2, &edits(0), &quicktime_aac(AAC_DESCRIPTORS), &[&audio.concat()]),
        ]
        .concat()
    };
    file(tracks, &[0x55; 60])
}

/// Two seconds of AVC, each in a fragment of two frames. Comes with where the second one ends.
#[must_use]
pub fn film_in_fragments() -> (Vec<u8>, usize) {
    let trex = boxed(b"trex", &[&words(&[0, 1, 1, 500, 10, 0x1_0000])]);
    let tracks = |_| [track(1, &[], &avc(), &[]), boxed(b"mvex", &[&trex])].concat();
    let (mut file, _) = file(tracks, &[]);
    for time in [0, 1000] {
        let mfhd = boxed(b"mfhd", &[&words(&[0, 1])]);
        let tfhd = boxed(b"tfhd", &[&words(&[0x2_0000, 1])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0, time])]);
        let trun = |data| {
            boxed(
                b"trun",
                &[&words(&[0xF01, 2, data, 500, 10, 0, 40, 500, 10, 0x1_0000, 0])],
            )
        };
        let moof = |data| boxed(b"moof", &[&mfhd, &boxed(b"traf", &[&tfhd, &tfdt, &trun(data)])]);
        let data = u32::try_from(moof(0).len() + 8).expect("a small box");
        file.extend(moof(data));
        file.extend(boxed(b"mdat", &[&[0x55; 20]]));
    }
    let end = file.len();
    (file, end)
}
