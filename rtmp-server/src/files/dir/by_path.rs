//! Where directories can not be held open: what stands at a path is looked at just before it is opened.

use std::fs::{File, OpenOptions, symlink_metadata};
use std::path::{Path, PathBuf};

use crate::files::FileError;

/// A directory.
#[derive(Debug)]
pub(in crate::files) struct Dir {
    path: PathBuf,
}

impl Dir {
    /// The root. Links on the way to it are its owner's business.
    pub(in crate::files) fn root(path: &Path) -> Result<Self, FileError> {
        let metadata = std::fs::metadata(path).map_err(|source| FileError::new(path.into(), source))?;
        let path = path.to_owned();
        if metadata.is_dir() {
            Ok(Self { path })
        } else {
            Err(FileError::NotDirectory { path })
        }
    }

    /// A directory in this one.
    pub(in crate::files) fn enter(&self, name: &str) -> Result<Self, FileError> {
        let path = self.path.join(name);
        let metadata = metadata(&path)?;
        if metadata.is_dir() {
            Ok(Self { path })
        } else {
            Err(FileError::NotDirectory { path })
        }
    }

    /// Opens a file to read it.
    pub(in crate::files) fn open(&self, name: &str) -> Result<File, FileError> {
        let path = self.path.join(name);
        if !metadata(&path)?.is_file() {
            return Err(FileError::NotRegular { path });
        }
        regular(OpenOptions::new().read(true).open(&path), path)
    }
}

fn metadata(path: &Path) -> Result<std::fs::Metadata, FileError> {
    let metadata = symlink_metadata(path).map_err(|source| FileError::new(path.into(), source))?;
    if metadata.is_symlink() {
        return Err(FileError::Link { path: path.into() });
    }
    Ok(metadata)
}

fn regular(opened: std::io::Result<File>, path: PathBuf) -> Result<File, FileError> {
    let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
    match opened {
        Ok((metadata, file)) if metadata.is_file() => Ok(file),
        Ok(_) => Err(FileError::NotRegular { path }),
        Err(source) => Err(FileError::new(path, source)),
    }
}
