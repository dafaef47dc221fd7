//! MP4 files made by hand. Those of real encoders are in the interop suite, those made to hurt in `vod_hostile`.

use rtmp_core::message::StatusCode;
use rtmp_core::{MediaKind, MediaMessage};
use rtmp_server::vod::{Recording, VodError};
use rtmp_tests::mp4::{boxed, film};

use crate::support::{Media, media_in, seek, status, times, to_completion};

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
