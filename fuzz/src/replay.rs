//! All corpora through all targets, and cheap mutations of them: what every compiler can run in seconds.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{TARGETS, Target};

/// For each target, in all.
const MUTATIONS: usize = 20_000;
/// For those that run whole sessions.
const MUTATIONS_OF_SESSIONS: usize = 1000;
/// Longer files are replayed and not varied, for they take longer.
const MAX_MUTATED_LEN: usize = 4096;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// The same numbers in every run (Numerical Recipes' generator, its upper bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Changes `bytes` in one to four places; `other` lends a piece.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    const BYTES: [u8; 8] = [0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x20, b'?'];
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(8)).min(bytes.len());
        match numbers.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let from = numbers.below(other.len());
                let piece = &other[from..(from + numbers.below(32)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            _ if !bytes.is_empty() => bytes[at] = BYTES[numbers.below(BYTES.len())],
            _ => bytes.push(BYTES[numbers.below(BYTES.len())]),
        }
    }
}

/// Runs a target and, if it panics, says with what.
fn run(target: &Target, path: &Path, input: &[u8]) {
    let result = std::panic::catch_unwind(|| (target.run)(input));
    if let Err(panic) = result {
        eprintln!(
            "{} found something near {}: {:02x?}",
            target.name,
            path.display(),
            input
        );
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus_and_every_corpus_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        let program = root.join("fuzz_targets").join(target.name).with_extension("rs");
        let text = fs::read_to_string(&program).unwrap();
        assert!(
            text.contains(&format!("target!({});", target.name)),
            "{}",
            program.display()
        );
        assert!(!corpus(target).is_empty(), "{}", target.name);
    }
    for entry in fs::read_dir(root.join("corpus")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(
            TARGETS.iter().any(|target| name == target.name),
            "{}",
            name.display()
        );
    }
}

#[test]
fn nothing_is_found_with_the_files_of_the_corpora() {
    for target in TARGETS {
        (target.run)(&[]);
        for (path, input) in corpus(target) {
            run(target, &path, &input);
        }
    }
}

#[test]
fn nothing_is_found_with_mutations_of_the_files_of_the_corpora() {
    for target in TARGETS {
        let mut files = corpus(target);
        files.retain(|(_, bytes)| bytes.len() <= MAX_MUTATED_LEN);
        let mut numbers = Numbers(1);
        let mutations = match target.name {
            "playback" | "sessions" => MUTATIONS_OF_SESSIONS,
            _ => MUTATIONS,
        };
        for _ in 0..mutations {
            let (path, bytes) = &files[numbers.below(files.len())];
            let (_, other) = &files[numbers.below(files.len())];
            let mut input = bytes.clone();
            mutate(&mut input, other, &mut numbers);
            run(target, path, &input);
        }
    }
}
