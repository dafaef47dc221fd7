//! MP4 files made to hurt: each is refused with a reason or played as far as it makes sense, none makes reading panic,
//! and what is allocated is bounded by what is in the file.

use std::path::PathBuf;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::UserControl;
use rtmp_server::Observers;
use rtmp_server::files::MediaRoot;
use rtmp_server::vod::{Mp4Error, Recording, Vod, VodError};
use rtmp_tests::mp4::{self, boxed, words};
use rtmp_tests::{Peer, session};
use tempfile::TempDir;
use tokio::sync::Mutex;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Only one test at a time, so that each sees its own memory.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What opening a file may allocate, besides some times its length.
const MAX_ALLOCATED: usize = 256 << 10;

/// Boxes that have boxes inside, and where in their content those begin.
const CONTAINERS: [(&[u8; 4], usize); 13] = [
    (b"moov", 0),
    (b"trak", 0),
    (b"edts", 0),
    (b"mdia", 0),
    (b"minf", 0),
    (b"stbl", 0),
    (b"mvex", 0),
    (b"moof", 0),
    (b"traf", 0),
    (b"wave", 0),
    (b"stsd", 8),
    (b"avc1", 78),
    (b"mp4a", 44),
];

/// Where the boxes with a table have the number of its entries, in their content.
const COUNTS: [(&[u8; 4], usize); 11] = [
    (b"stsd", 4),
    (b"elst", 4),
    (b"stts", 4),
    (b"ctts", 4),
    (b"stss", 4),
    (b"stsc", 4),
    (b"stsz", 8),
    (b"stz2", 8),
    (b"stco", 4),
    (b"co64", 4),
    (b"trun", 4),
];

fn films() -> [(Vec<u8>, usize); 2] {
    [mp4::film_with_all_tables(), mp4::film_in_fragments()]
}

/// A box: its type, where it begins and where it ends.
type Place = ([u8; 4], usize, usize);

/// All boxes of a file that is not broken.
fn boxes(file: &[u8]) -> Vec<Place> {
    let mut found = Vec::new();
    let mut parts = vec![(0, file.len())];
    while let Some((mut at, end)) = parts.pop() {
        while at + 8 <= end {
            let len = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
            let name: [u8; 4] = file[at + 4..at + 8].try_into().unwrap();
            // The terminator of a `wave`.
            if len < 8 {
                break;
            }
            found.push((name, at, at + len));
            if let Some((_, fields)) = CONTAINERS.iter().find(|(container, _)| **container == name) {
                parts.push((at + 8 + fields, at + len));
            }
            at += len;
        }
    }
    found
}

/// Files in a directory, and who plays them.
struct Library {
    directory: TempDir,
    observers: Observers,
}

impl Library {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("live")).unwrap();
        let vod = Vod::new(MediaRoot::new(directory.path()).unwrap());
        let observers = Observers::new().play(vod);
        Self { directory, observers }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("live").join("film.mp4")
    }

    /// Opens a file: how long it is, or why not.
    async fn open(&self, file: &[u8], what: &str) -> Result<Duration, Mp4Error> {
        std::fs::write(self.path(), file).unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let opened = Recording::open(self.path()).await;
        let allocated = MEMORY.peak_usage().saturating_sub(before);
        assert!(
            allocated <= MAX_ALLOCATED + 4 * file.len(),
            "{what} makes us allocate {allocated} bytes"
        );
        match opened {
            Ok(recording) => Ok(recording.duration().unwrap()),
            Err(VodError::Mp4(error)) => Err(error),
            // Without its first box a file is of no format.
            Err(VodError::UnknownFormat { .. }) => Err(Mp4Error::NoDescription),
            Err(other) => panic!("{what}: {other:?}"),
        }
    }

    /// Opens a file, and plays it if it can be played: how many media messages there are, or why not.
    async fn play(&self, file: &[u8], what: &str) -> Result<usize, Mp4Error> {
        let duration = self.open(file, what).await?;
        let (io, _running) = session(&self.observers);
        let mut peer = Peer::connected(io, "live").await;
        peer.play("film").await.unwrap();
        let mut count = 0;
        // Waiting takes no time here, as the clock jumps; the longest wait between two messages is bounded.
        let all = async {
            loop {
                match peer.next_event().await.unwrap() {
                    ClientEvent::Media { message, .. } if !message.kind.is_data() => count += 1,
                    ClientEvent::UserControl(UserControl::StreamEof(_)) => break,
                    _ => {}
                }
            }
        };
        let ended = tokio::time::timeout(duration.max(Duration::from_secs(600)), all).await;
        assert!(ended.is_ok(), "{what} does not end");
        Ok(count)
    }
}

#[tokio::test(start_paused = true)]
async fn the_films_that_are_broken_here_can_be_played_whole() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    let [(whole, _), (fragments, _)] = films();
    // Of each track its header and its frames.
    assert_eq!(library.play(&whole, "the film").await.unwrap(), 10);
    assert_eq!(
        library.play(&fragments, "the film in fragments").await.unwrap(),
        5
    );
}

#[tokio::test(start_paused = true)]
async fn a_film_cut_at_any_byte_is_refused_or_played_as_far_as_it_goes() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    for (file, end) in films() {
        for len in 0..end {
            let _ = library
                .play(&file[..len], &format!("the first {len} bytes"))
                .await;
        }
        // As if the description ended there.
        let (_, moov, moov_end) = boxes(&file)
            .into_iter()
            .find(|found| found.0 == *b"moov")
            .unwrap();
        for end in moov + 8..moov_end {
            let mut cut = [&file[..end], &file[moov_end..]].concat();
            cut[moov..moov + 4].copy_from_slice(&((end - moov) as u32).to_be_bytes());
            let _ = library
                .play(&cut, &format!("a description of {} bytes", end - moov))
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_byte_of_a_description_may_be_wrong() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    for (file, end) in films() {
        for at in 0..end {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut broken = file.clone();
                broken[at] = byte;
                let _ = library.open(&broken, &format!("byte {at} is {byte}")).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn counts_beyond_what_is_there_are_refused_with_the_place_of_their_box() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    let mut seen = 0;
    for (file, _) in films() {
        for (name, begin, _) in boxes(&file) {
            let Some((_, at)) = COUNTS.iter().find(|(table, _)| **table == name) else {
                continue;
            };
            seen += 1;
            let at = begin + 8 + at;
            for count in [u32::MAX, 1 << 31, 4_000_001, 4_000_000, 1000] {
                let mut broken = file.clone();
                broken[at..at + 4].copy_from_slice(&count.to_be_bytes());
                let name = String::from_utf8_lossy(&name).into_owned();
                let what = format!("{count} entries in {name} at {begin}");
                match library.play(&broken, &what).await {
                    // Sample descriptions are taken as they come.
                    Ok(_) => assert_eq!(name, "stsd", "{what}"),
                    Err(Mp4Error::TooManySamples { .. }) => assert!(count > 1000, "{what}"),
                    Err(
                        Mp4Error::TooManyEntries {
                            name: found, offset, ..
                        }
                        | Mp4Error::Unreadable {
                            name: found, offset, ..
                        },
                    ) => {
                        assert_eq!((found.to_string(), offset), (name, begin as u64), "{what}");
                    }
                    Err(other) => panic!("{what}: {other:?}"),
                }
            }
        }
    }
    assert_eq!(seen, 17);
}

#[tokio::test(start_paused = true)]
async fn sizes_of_boxes_may_say_anything() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    for (file, _) in films() {
        for (name, begin, end) in boxes(&file) {
            let len = (end - begin) as u32;
            let short = [
                0,
                1,
                2,
                7,
                8,
                9,
                len - 1,
                len + 1,
                0x7FFF_FFFF,
                0x8000_0000,
                u32::MAX,
            ];
            let long = [
                0,
                15,
                16,
                len.into(),
                u64::from(u32::MAX),
                1 << 62,
                i64::MAX as u64,
                1 << 63,
                u64::MAX,
            ];
            let name = String::from_utf8_lossy(&name).into_owned();
            for size in short {
                let mut broken = file.clone();
                broken[begin..begin + 4].copy_from_slice(&size.to_be_bytes());
                let _ = library
                    .play(&broken, &format!("{name} at {begin} has {size} bytes"))
                    .await;
            }
            for size in long {
                let header = [&[0, 0, 0, 1], name.as_bytes(), &size.to_be_bytes()].concat();
                let broken = [&file[..begin], &header, &file[begin + 8..]].concat();
                let _ = library
                    .play(&broken, &format!("{name} at {begin} has long {size}"))
                    .await;
            }
        }
    }
}

/// `depth` boxes of a type, each in the content of the one before, behind some fields.
fn nested(name: &[u8; 4], fields: &[u8], depth: usize) -> Vec<u8> {
    let len = 8 + fields.len();
    let mut nested = Vec::new();
    for inside in (1..=depth).rev() {
        nested.extend(((len * inside) as u32).to_be_bytes());
        nested.extend(name);
        nested.extend(fields);
    }
    nested
}

#[tokio::test(start_paused = true)]
async fn boxes_inside_of_boxes_take_no_stack_however_deep_they_are() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    let depth = 5000;
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\0\0"]);
    for (name, fields) in CONTAINERS {
        let fields = vec![0; fields.min(8)];
        let deep = nested(name, &fields, depth);
        let _ = library.play(&[&ftyp[..], &deep].concat(), "boxes on top").await;
        let (film, _) = mp4::file(
            |_| {
                [
                    mp4::track(1, &deep, &[mp4::avc(), deep.clone()].concat(), &[&deep]),
                    deep.clone(),
                ]
                .concat()
            },
            &[],
        );
        let _ = library.play(&film, "boxes everywhere").await;
        let fragments = [mp4::film_in_fragments().0, boxed(b"moof", &[&deep])].concat();
        let _ = library.play(&fragments, "boxes in a fragment").await;
    }
}

#[tokio::test(start_paused = true)]
async fn descriptors_inside_of_descriptors_are_refused_before_they_take_the_stack() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    for tag in [3, 4, 5, 6] {
        for depth in [1, 10, 100, 1000] {
            let mut deep = Vec::new();
            for _ in 0..depth {
                let fields: &[u8] = if tag == 4 { &[0; 13] } else { &[0; 3] };
                let [a, b] = ((fields.len() + deep.len()) as u16).to_be_bytes();
                // A length in three groups of seven bits.
                let len = [0x80 | a >> 6, 0x80 | a << 1 | b >> 7, b & 0x7F];
                deep = [&[tag], &len[..], fields, &deep].concat();
            }
            let entry = mp4::quicktime_aac(&deep);
            let (film, _) = mp4::file(|_| mp4::track(1, &[], &entry, &[]), &[]);
            let refused = library
                .play(&film, &format!("{depth} descriptors"))
                .await
                .unwrap_err();
            let is_long = matches!(refused, Mp4Error::BoxTooLong { limit: 1024, .. });
            assert_eq!(is_long, deep.len() + 4 > 1024, "{refused:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn few_bytes_that_announce_many_samples_take_neither_memory_nor_time() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    // One size for all, one chunk.
    let tables = [
        boxed(b"stts", &[&words(&[0, 1, u32::MAX, 1])]),
        boxed(b"stsc", &[&words(&[0, 1, 1, u32::MAX, 1])]),
        boxed(b"stsz", &[&words(&[0, 1, 4_000_000])]),
        boxed(b"stco", &[&words(&[0, 1, 0])]),
    ];
    let (film, _) = mp4::file(
        |_| mp4::track(1, &[], &mp4::avc(), &[&tables.concat()]),
        &[0x55; 1000],
    );
    let played = library.play(&film, "one size for all").await.unwrap();
    assert_eq!(played, film.len() + 1);

    // A run whose samples say nothing of themselves, in as many fragments as the limit allows.
    let run = boxed(b"trun", &[&words(&[0, 1_000_000])]);
    let tfhd = boxed(b"tfhd", &[&words(&[0x2_0000, 1])]);
    let moof = boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &run])]);
    let (fragments, _) = mp4::film_in_fragments();
    let film = [&fragments[..], &moof, &moof, &moof].concat();
    library.play(&film, "three million").await.unwrap();
    let film = [film, moof.clone(), moof].concat();
    let refused = library.play(&film, "five million").await.unwrap_err();
    assert!(matches!(refused, Mp4Error::TooManySamples { .. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn samples_that_share_their_bytes_are_not_more_than_twice_the_file() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    // All chunks are the beginning of the file.
    let (chunks, per_chunk) = (100, 500);
    let tables = [
        boxed(b"stts", &[&words(&[0, 1, chunks * per_chunk, 1])]),
        boxed(b"stsc", &[&words(&[0, 1, 1, per_chunk, 1])]),
        boxed(b"stsz", &[&words(&[0, 1, chunks * per_chunk])]),
        boxed(b"stco", &[&words(&[0, chunks]), &vec![0; 4 * chunks as usize]]),
    ];
    let (film, _) = mp4::file(
        |_| mp4::track(1, &[], &mp4::avc(), &[&tables.concat()]),
        &[0x55; 100],
    );
    let played = library.play(&film, "one chunk many times").await.unwrap();
    assert_eq!(played, 2 * film.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_of_great_length_is_not_sent_to_players() {
    let _alone = ALONE.lock().await;
    let library = Library::new();
    let entry = boxed(b"avc1", &[&[0; 78], &boxed(b"avcC", &[&vec![1; (64 << 10) + 1]])]);
    let (film, _) = mp4::file(|_| mp4::track(1, &[], &entry, &[]), &[]);
    let refused = library.play(&film, "a long avcC").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the avcC box at byte 390 has 65537 bytes, the limit is 65536"
    );
}
