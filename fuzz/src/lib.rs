//! The fuzz targets as plain functions, and what they share.
//!
//! libFuzzer runs them one by one (`fuzz_targets`), the tests of this crate replay the corpora through all of them.

mod chunk_model;
mod conversation;
mod film;
mod mp4_model;
mod paused;
mod peer;
mod reads;
mod script;
mod targets;

use std::alloc::System;
use std::{env, fs};

use cap::Cap;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use libfuzzer_sys;
pub use reads::{reads, split_seed};
pub use targets::{TARGETS, Target, find};

/// What all that runs at a time may take: who believes a length of 32 bits gets nothing, and the program ends.
const MAX_MEMORY: usize = 512 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MAX_MEMORY);

/// Makes a program of a target: libFuzzer's under cargo-fuzz, otherwise one that takes inputs from files.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|input: &[u8]| ($crate::find(stringify!($name)).run)(input));

        #[cfg(not(fuzzing))]
        fn main() {
            $crate::run_files(stringify!($name));
        }
    };
}

/// Runs a target with each file that the command line names: a crash can be looked at with any compiler.
///
/// # Panics
///
/// If a file can not be read, or the target finds something.
pub fn run_files(target: &str) {
    for path in env::args_os().skip(1) {
        let input = fs::read(&path).expect("the file can be read");
        (find(target).run)(&input);
        println!("{}: {} bytes, nothing found", path.display(), input.len());
    }
}

#[cfg(test)]
mod replay;
