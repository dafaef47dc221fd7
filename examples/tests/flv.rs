//! `flv inspect` and `flv repair`, on sound files and on damaged ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/media/clip.flv");

fn flv(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flv"))
        .args(arguments)
        .output()
        .unwrap()
}

fn inspect(path: &Path) -> Value {
    let output = flv(&["inspect", "--json", path.to_str().unwrap()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn faults(path: &Path) -> Vec<String> {
    let faults = inspect(path)["faults"].as_array().unwrap().clone();
    faults
        .iter()
        .map(|fault| fault.as_str().unwrap().to_owned())
        .collect()
}

/// A copy of the clip that `damage` has changed.
fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.flv");
    let mut bytes = fs::read(CLIP).unwrap();
    damage(&mut bytes);
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn repair(path: &Path) -> String {
    let output = flv(&["repair", path.to_str().unwrap()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn files(directory: &TempDir) -> usize {
    fs::read_dir(directory.path()).unwrap().count()
}

/// The counts are those of `ffprobe -count_packets`.
#[test]
fn a_sound_file_is_described_and_has_no_faults() {
    let found = inspect(Path::new(CLIP));
    let [video, audio, data] = [0, 1, 2].map(|place| found["tracks"][place].clone());
    assert_eq!(
        [
            &video["kind"],
            &video["codec"],
            &video["frames"],
            &video["keyframes"],
            &video["headers"]
        ],
        [
            &Value::from("video"),
            &"Avc".into(),
            &125.into(),
            &5.into(),
            &1.into()
        ]
    );
    assert_eq!(
        [&audio["codec"], &audio["frames"]],
        [&Value::from("Aac"), &217.into()]
    );
    assert_eq!(data["kind"], "data");
    assert_eq!(found["duration_millis"], 5095);
    assert_eq!(found["metadata"]["width"], 640.0);
    assert_eq!(found["groups"]["count"], 5);
    assert_eq!(found["groups"]["mean_millis"], 1000);
    assert_eq!(found["faults"], Value::Array(vec![]));
    assert_eq!(found["len"], fs::metadata(CLIP).unwrap().len());
}

#[test]
fn the_table_says_the_same() {
    let output = flv(&["inspect", CLIP]);
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(
        words.contains(&vec!["duration", "5.095", "s,", "469", "kbit/s"]),
        "{text}"
    );
    assert!(
        words
            .iter()
            .any(|line| line.starts_with(&["video", "0", "Avc", "125", "5", "1"])),
        "{text}"
    );
    assert!(text.ends_with("no faults\n"), "{text}");
}

#[test]
fn every_track_of_an_enhanced_file_is_listed() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/flv/multitrack-enhanced.flv"
    );
    let found = inspect(Path::new(path));
    let tracks = found["tracks"].as_array().unwrap().iter();
    let tracks: Vec<_> = tracks
        .map(|track| format!("{} {}", track["kind"], track["id"]))
        .collect();
    assert!(tracks.len() >= 4, "{tracks:?}");
}

#[test]
fn a_file_that_is_cut_off_is_repaired_to_its_last_whole_tag() {
    let (directory, path) = damaged(|bytes| bytes.truncate(200_000));
    assert!(faults(&path)[0].starts_with("cut off: "), "{:?}", faults(&path));
    let before = inspect(&path);
    assert!(repair(&path).contains("left out"));
    let after = inspect(&path);
    assert_eq!(faults(&path), Vec::<String>::new());
    assert_eq!(after["tracks"][0]["frames"], before["tracks"][0]["frames"]);
    assert_eq!(after["duration_millis"], before["duration_millis"]);
    assert_eq!(after["index_entries"], after["groups"]["count"]);
    assert_eq!(after["metadata"]["width"], 640.0);
    assert_eq!(files(&directory), 1);
}

#[test]
fn damage_in_the_middle_is_left_out_and_the_rest_kept() {
    let (_directory, torn) = damaged(|bytes| drop(bytes.drain(100_000..101_000)));
    assert!(
        faults(&torn)
            .iter()
            .any(|fault| fault.contains("belong to no tag")),
        "{:?}",
        faults(&torn)
    );
    let before = inspect(&torn);
    repair(&torn);
    let after = inspect(&torn);
    assert_eq!(faults(&torn), Vec::<String>::new());
    assert_eq!(after["tracks"][1]["frames"], before["tracks"][1]["frames"]);
}

#[test]
fn a_file_without_metadata_gets_them() {
    let (_directory, path) = damaged(|bytes| {
        // The first tag: 11 bytes, what they announce, and the size of it all.
        let [_, a, b, c] = bytes[13..17].try_into().unwrap();
        let len = u32::from_be_bytes([0, a, b, c]) as usize + 15;
        bytes.drain(13..13 + len);
    });
    assert!(
        faults(&path).contains(&"no metadata".to_owned()),
        "{:?}",
        faults(&path)
    );
    repair(&path);
    assert_eq!(faults(&path), Vec::<String>::new());
    assert_eq!(inspect(&path)["index_entries"], 5);
}

#[test]
fn what_can_not_be_repaired_stays_as_it_is() {
    for content in [
        &b""[..],
        b"FLV",
        b"no video at all, just text",
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.flv");
        fs::write(&path, content).unwrap();
        let output = flv(&["repair", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            message.starts_with("flv: ") && message.lines().count() == 1,
            "{message}"
        );
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(files(&directory), 1);
    }
}

#[test]
fn with_an_output_the_input_is_left_alone() {
    let (directory, path) = damaged(|bytes| bytes.truncate(150_000));
    let before = fs::read(&path).unwrap();
    let output = directory.path().join("sound.flv");
    let done = flv(&["repair", path.to_str().unwrap(), "-o", output.to_str().unwrap()]);
    assert!(done.status.success());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(faults(&output), Vec::<String>::new());

    let nowhere = directory.path().join("nowhere/sound.flv");
    let failed = flv(&["repair", path.to_str().unwrap(), "-o", nowhere.to_str().unwrap()]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!((fs::read(&path).unwrap(), files(&directory)), (before, 2));
}

#[test]
fn a_repaired_file_is_repaired_to_the_same_file() {
    let (_directory, path) = damaged(|bytes| bytes.truncate(150_000));
    repair(&path);
    let once = fs::read(&path).unwrap();
    repair(&path);
    assert!(fs::read(&path).unwrap() == once);
}
