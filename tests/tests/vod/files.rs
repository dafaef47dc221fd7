//! Files that are broken, change or disappear.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use rtmp_core::MediaKind;
use rtmp_core::message::StatusCode;
use rtmp_server::vod::{Recording, VodError};
use rtmp_tests::Recorder;
use rtmp_tests::media::{keyframe, padded};

use crate::support::{Media, connected, film, media_in, seek, status, times, to_completion, told};

/// A film that does not fit into what is read ahead.
fn long_film() -> Vec<rtmp_core::MediaMessage> {
    film(60)
        .into_iter()
        .map(|message| {
            if message.kind == MediaKind::Video && message.is_coded_frames() {
                padded(message, 4000)
            } else {
                message
            }
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_becomes_shorter_ends_with_a_status_and_a_reason() {
    let media = Media::new();
    media.write("film.flv", &long_film());
    let recorder = Recorder::default();
    let mut peer = connected(&recorder.observers().play(media.vod())).await;
    peer.play("film").await.unwrap();
    peer.rest().await;
    let file = OpenOptions::new()
        .write(true)
        .open(media.path("film.flv"))
        .unwrap();
    file.set_len(1000).unwrap();
    let events = to_completion(&mut peer).await;
    assert_eq!(
        told(&events)[told(&events).len() - 2..],
        ["NetStream.Play.Failed", "Stream EOF"]
    );
    recorder.called("on_stop film: the media could not be had").await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_removed_or_replaced_is_played_on_and_the_next_player_gets_the_new_one() {
    let media = Media::new();
    media.write("film.flv", &long_film());
    let observers = rtmp_server::Observers::new().play(media.vod());
    let mut peer = connected(&observers).await;
    peer.play("film").await.unwrap();
    let mut received = media_in(&peer.rest().await);
    media.write("new.flv", &film(2));
    std::fs::rename(media.path("new.flv"), media.path("film.flv")).unwrap();
    let mut second = connected(&observers).await;
    second.play("film").await.unwrap();
    assert_eq!(media_in(&to_completion(&mut second).await), film(2)[1..]);
    std::fs::remove_file(media.path("film.flv")).unwrap();
    received.extend(media_in(&to_completion(&mut peer).await));
    assert_eq!(received, long_film()[1..]);
    let mut third = connected(&observers).await;
    let refused = third.play("film").await.unwrap_err();
    assert_eq!(refused.code, StatusCode::PlayStreamNotFound);
}

#[tokio::test(start_paused = true)]
async fn names_that_lead_elsewhere_and_files_that_are_none_are_not_found() {
    let media = Media::with_film(1);
    std::fs::write(media.root().join("secret.flv"), "FLV").unwrap();
    std::fs::create_dir(media.path("directory.flv")).unwrap();
    media.write("My Film.flv", &film(1));
    for link in ["link.flv", "Link.flv"] {
        std::os::unix::fs::symlink(media.path("film.flv"), media.path(link)).unwrap();
    }
    let mut peer = media.peer().await;
    for name in [
        "../secret",
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "flv:",
        "film/../film",
        "film\0",
        "directory",
        "link",
        "Link",
        "my film",
        "Film",
        "My Film/../film",
        "%2e%2e/secret",
        "missing",
    ] {
        let refused = peer.play(name).await.unwrap_err();
        assert_eq!(refused.code, StatusCode::PlayStreamNotFound, "{name:?}");
    }
    for name in [
        "film",
        "flv:film",
        "film.flv",
        "flv:film.flv",
        "film?token=1",
        "My Film",
        "flv:My Film.flv",
    ] {
        peer.play(name).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn files_of_other_making_are_refused_as_broken() {
    let media = Media::new();
    let mut peer = media.peer().await;
    for content in [
        &b""[..],
        b"F",
        b"FLV",
        b"FLV\x01\x05\0\0",
        b"FLV\x09\x05\0\0\0\x09\0\0\0\0",
        b"FLV\x01\x05\0\0\0\0\0\0\0\0",
        b"FLV\x01\x05\xFF\xFF\xFF\xFF\0\0\0\0",
        b"GIF89a and so on",
        &[0; 4096],
    ] {
        std::fs::write(media.path("film.flv"), content).unwrap();
        let refused = peer.play("film").await.unwrap_err();
        assert_eq!(
            refused.code,
            StatusCode::PlayFileStructureInvalid,
            "{content:02x?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_without_frames_completes_at_once() {
    let media = Media::new();
    media.write("film.flv", &film(0));
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    assert_eq!(
        times(&media_in(&to_completion(&mut peer).await), MediaKind::Video),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_cut_is_played_up_to_there_and_damage_is_passed_over() {
    let media = Media::with_film(10);
    let whole = std::fs::read(media.path("film.flv")).unwrap();
    std::fs::write(media.path("film.flv"), &whole[..whole.len() - 20]).unwrap();
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    let received = media_in(&to_completion(&mut peer).await);
    let expected = film(10);
    assert_eq!(received, expected[1..expected.len() - 1]);

    let mut damaged = whole.clone();
    damaged[1000..1200].fill(0xEE);
    std::fs::write(media.path("film.flv"), &damaged).unwrap();
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    let received = media_in(&to_completion(&mut peer).await);
    let lost = expected.len() - 1 - received.len();
    assert!((1..=12).contains(&lost), "{lost} messages are lost");
    assert_eq!(received[received.len() - 50..], expected[expected.len() - 50..]);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_empty_tags_are_passed_over() {
    let media = Media::new();
    let empty = rtmp_core::MediaMessage::video(rtmp_core::Timestamp::ZERO, &b""[..]);
    let mut messages = vec![empty; 100_000];
    messages.push(keyframe(0, 1));
    media.write("film.flv", &messages);
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    let received = media_in(&to_completion(&mut peer).await);
    assert_eq!(received.last(), Some(&keyframe(0, 1)));
}

/// As FFmpeg writes it: the times are those of the pictures without what the first one was moved by. Who would read the
/// file instead would stop at the damage.
#[tokio::test(start_paused = true)]
async fn an_index_whose_times_are_a_little_early_is_used() {
    let media = Media::new();
    media.record("film.flv", &film(30));
    let mut bytes = std::fs::read(media.path("film.flv")).unwrap();
    let find = |bytes: &[u8], name: &[u8]| {
        let mut windows = bytes.windows(name.len());
        // A marker and a count of four bytes follow.
        windows.position(|window| window == name).unwrap() + name.len() + 5
    };
    let number = |bytes: &[u8], at: usize| f64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let (early, offsets) = (find(&bytes, b"\0\x05times"), find(&bytes, b"filepositions"));
    for entry in 1..30 {
        let at = early + entry * 9 + 1;
        let time = number(&bytes, at) - 0.08;
        bytes[at..at + 8].copy_from_slice(&time.to_be_bytes());
    }
    let damaged = number(&bytes, offsets + 5 * 9 + 1) as usize;
    bytes[damaged] = 77;
    std::fs::write(media.path("film.flv"), bytes).unwrap();
    for (position, begin) in [(20_000, 20_000), (19_950, 19_000), (19_900, 19_000)] {
        let mut peer = media.peer().await;
        let stream = peer.play("film").await.unwrap();
        peer.rest().await;
        seek(&mut peer, stream, f64::from(position)).await;
        status(&mut peer, StatusCode::SeekNotify).await;
        let received = media_in(&peer.rest().await);
        assert_eq!(
            times(&received, MediaKind::Video).first(),
            Some(&begin),
            "{position}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_that_is_wrong_is_not_believed() {
    let media = Media::new();
    media.record("film.flv", &film(30));
    let path = media.path("film.flv");
    let content = std::fs::read(&path).unwrap();
    let key = b"filepositions";
    let at = content.windows(key.len()).position(|part| part == key).unwrap() + key.len();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    // Behind the marker and the length each number has a marker and eight bytes.
    for n in 0..30_u32 {
        file.seek(SeekFrom::Start((at + 5 + 9 * n as usize + 1) as u64))
            .unwrap();
        file.write_all(&f64::from(700 + n * 13).to_be_bytes()).unwrap();
    }
    drop(file);
    let mut peer = media.peer().await;
    let stream = peer.play("film").await.unwrap();
    for _ in 0..2 {
        seek(&mut peer, stream, 17_000.0).await;
        status(&mut peer, StatusCode::SeekNotify).await;
        assert_eq!(times(&media_in(&peer.rest().await), MediaKind::Video)[0], 17_000);
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_jump_neither_stop_the_player_for_long_nor_flood_it() {
    let media = Media::new();
    let jumps = [0, 40, 4_000_000_000, 4_000_000_040, 80, 120, 2_000_000_000, 0, 40];
    let messages: Vec<_> = jumps.iter().zip(1..).map(|(at, n)| keyframe(*at, n)).collect();
    media.write("film.flv", &messages);
    let mut peer = media.peer().await;
    peer.play("film").await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(media_in(&to_completion(&mut peer).await), messages);
    assert!(
        begun.elapsed() <= Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_application_can_play_any_file_of_its_own() {
    let media = Media::with_film(5);
    let recording = Recording::open(media.path("film.flv")).await.unwrap();
    assert_eq!(recording.duration(), Some(Duration::from_millis(4950)));
    let missing = Recording::open(media.path("missing.flv")).await.unwrap_err();
    assert!(matches!(missing, VodError::File(_)), "{missing}");
    let directory = Recording::open(media.root()).await.unwrap_err();
    assert!(matches!(directory, VodError::File(_)), "{directory}");
    File::create(media.path("other.flv"))
        .unwrap()
        .write_all(b"not a film")
        .unwrap();
    let other = media.vod().open_file(media.path("other.flv")).await.unwrap_err();
    assert!(
        matches!(&other, VodError::UnknownFormat { found } if found == b"not a film"),
        "{other}"
    );
}
