//! MP4 files made by hand, whole and broken. Those of real encoders are in the interop suite.

use rtmp_core::message::StatusCode;
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::vod::{Recording, VodError};

use crate::support::{Media, media_in, seek, status, times, to_completion};

fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = u32::try_from(content.len() + 8).expect("a small box");
    [&len.to_be_bytes()[..], name, &content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// AVC at 25 frames a second, a keyframe each second; every frame is its number. Returns the file and where its media
/// begin.
fn film(frames: u32) -> (Vec<u8>, usize) {
    let record = boxed(b"avcC", &[&[1, 0x4D, 0x40, 0x1F, 0xFF, 0xE0, 0]]);
    let sample_entry = boxed(
        b"avc1",
        &[
            &[0; 24],
            &640_u16.to_be_bytes(),
            &360_u16.to_be_bytes(),
            &[0; 50],
            &record,
        ],
    );
    let keyframes: Vec<u32> = (0..frames.div_ceil(25)).map(|n| n * 25 + 1).collect();
    let stbl = |offset: u32| {
        boxed(
            b"stbl",
            &[
                &boxed(b"stsd", &[&words(&[0, 1]), &sample_entry]),
                &boxed(b"stts", &[&words(&[0, 1, frames, 40])]),
                &boxed(
                    b"stss",
                    &[&words(&[0, keyframes.len() as u32]), &words(&keyframes)],
                ),
                &boxed(b"stsc", &[&words(&[0, 1, 1, frames, 1])]),
                &boxed(b"stsz", &[&words(&[0, 4, frames])]),
                &boxed(b"stco", &[&words(&[0, 1, offset])]),
            ],
        )
    };
    let moov = |offset| {
        let minf = boxed(b"minf", &[&stbl(offset)]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 1000, frames * 40, 0])]);
        let trak = boxed(
            b"trak",
            &[
                &boxed(b"tkhd", &[&words(&[0, 0, 0, 1, 0]), &[0; 64]]),
                &boxed(b"mdia", &[&mdhd, &minf]),
            ],
        );
        let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, frames * 40]), &[0; 80]]);
        boxed(b"moov", &[&mvhd, &trak])
    };
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\0\0"]);
    let begin = ftyp.len() + moov(0).len() + 8;
    let media: Vec<u8> = (0..frames).flat_map(u32::to_be_bytes).collect();
    let offset = u32::try_from(begin).expect("a small file");
    ([ftyp, moov(offset), boxed(b"mdat", &[&media])].concat(), begin)
}

fn video(messages: &[MediaMessage]) -> Vec<&[u8]> {
    let frames = messages.iter().filter(|message| message.is_coded_frames());
    frames.map(|message| message.payload.as_ref()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_film_is_played_whole_and_sought_to_its_keyframes() {
    let media = Media::new();
    for file in ["film.mp4", "Movie.mp4"] {
        std::fs::write(media.path(file), film(250).0).unwrap();
    }
    for name in [
        "film",
        "film.mp4",
        "mp4:film",
        "mp4:film.mp4",
        "Movie",
        "mp4:Movie.mp4",
    ] {
        let mut peer = media.peer().await;
        let stream = peer.play(name).await.unwrap();
        let received = media_in(&to_completion(&mut peer).await);
        assert_eq!(
            received[0].payload[..],
            *b"\x17\0\0\0\0\x01\x4D\x40\x1F\xFF\xE0\0"
        );
        let frames = video(&received);
        assert_eq!(frames.len(), 250);
        assert_eq!(frames[25], b"\x17\x01\0\0\0\0\0\0\x19");
        assert_eq!(frames[26], b"\x27\x01\0\0\0\0\0\0\x1a");
        seek(&mut peer, stream, 7_300.0).await;
        status(&mut peer, StatusCode::SeekNotify).await;
        let sought = media_in(&peer.rest().await);
        assert!(sought[0].is_sequence_header());
        assert_eq!(times(&sought, MediaKind::Video)[0], 7_000);
    }
}

#[tokio::test]
async fn no_byte_of_a_description_makes_reading_panic() {
    let media = Media::new();
    let path = media.path("film.mp4");
    let (whole, begin) = film(50);
    for at in 0..begin {
        for byte in [0, 1, 0x7F, 0xFF] {
            let mut broken = whole.clone();
            broken[at] = byte;
            std::fs::write(&path, &broken).unwrap();
            let opened = Recording::open(&path).await;
            assert!(!matches!(opened, Err(VodError::Stopped)), "byte {at} is {byte}");
        }
    }
    for len in 0..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        let opened = Recording::open(&path).await;
        assert!(!matches!(opened, Err(VodError::Stopped)), "cut to {len} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_described_and_not_there_is_left_out() {
    let media = Media::new();
    let (whole, begin) = film(50);
    std::fs::write(media.path("film.mp4"), &whole[..begin + 4 * 30 + 2]).unwrap();
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    assert_eq!(video(&media_in(&to_completion(&mut peer).await)).len(), 30);
}

#[tokio::test(start_paused = true)]
async fn files_without_description_or_playable_tracks_are_refused() {
    let media = Media::new();
    let (whole, begin) = film(50);
    let path = media.path("film.mp4");
    let mut other = whole.clone();
    let codec = other.windows(4).position(|name| name == b"avc1").unwrap();
    other[codec..codec + 4].copy_from_slice(b"encv");
    let endless = [&boxed(b"ftyp", &[b"isom"])[..], b"\xFF\xFF\xFF\xFFmoov"].concat();
    let huge = [
        &boxed(b"ftyp", &[b"isom"])[..],
        b"\0\0\0\x01moov\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    ]
    .concat();
    for (content, error, code) in [
        (
            &whole[..begin - 20],
            "there is no complete moov box",
            StatusCode::PlayFileStructureInvalid,
        ),
        (
            &endless,
            "there is no complete moov box",
            StatusCode::PlayFileStructureInvalid,
        ),
        (
            &huge,
            "there is no complete moov box",
            StatusCode::PlayFileStructureInvalid,
        ),
        (
            &other,
            "no track can be played",
            StatusCode::PlayNoSupportedTrackFound,
        ),
    ] {
        std::fs::write(&path, content).unwrap();
        match Recording::open(&path).await {
            Err(VodError::Mp4(found)) => assert_eq!(found.to_string(), error),
            other => panic!("{other:?}"),
        }
        let refused = media.peer().await.play("film").await.unwrap_err();
        assert_eq!(refused.code, code);
    }
}
