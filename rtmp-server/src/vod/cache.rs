//! What is known of files, kept for the next player.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::reader::FileInfo;

/// How many files are remembered, and what they may take in memory together.
const MAX_FILES: usize = 256;
const MAX_WEIGHT: usize = 64 << 20;

/// The files that were played last, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<VecDeque<(Key, FileInfo)>>);

/// A file as it is now: one that was changed or replaced is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    path: PathBuf,
    len: u64,
    modified: Option<SystemTime>,
}

impl Key {
    /// Blocks.
    pub(super) fn of(path: &Path, file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            path: path.into(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

impl Cache {
    pub(super) fn get(&self, key: &Key) -> Option<FileInfo> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = files.iter().position(|(known, _)| known == key)?;
        let found = files.remove(place)?;
        let info = found.1.clone();
        files.push_back(found);
        Some(info)
    }

    /// Remembers a file in the place of what was known under its path. If another did so meanwhile, that is given back.
    pub(super) fn insert(&self, key: Key, info: FileInfo) -> FileInfo {
        if let Some(known) = self.get(&key) {
            return known;
        }
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|(known, _)| known.path != key.path);
        files.push_back((key, info.clone()));
        // Indexes grow after they are made, so all are weighed anew.
        let mut weight: usize = files.iter().map(|(_, info)| info.weight()).sum();
        while files.len() > MAX_FILES || (weight > MAX_WEIGHT && files.len() > 1) {
            let freed = files.pop_front().map_or(0, |(_, info)| info.weight());
            weight = weight.saturating_sub(freed);
        }
        info
    }
}
