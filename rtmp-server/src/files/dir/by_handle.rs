//! Where directories can be held open: each step starts from the one before, and nobody can swap it in between.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, open, openat, statat};
use rustix::io::Errno;

use crate::files::FileError;

/// An open directory.
#[derive(Debug)]
pub(in crate::files) struct Dir {
    handle: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// What is no regular file after all must not make us wait, nor become our terminal.
const BENEATH: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

impl Dir {
    /// The root. Links on the way to it are its owner's business.
    pub(in crate::files) fn root(path: &Path) -> Result<Self, FileError> {
        match open(path, DIRECTORY, Mode::empty()) {
            Ok(handle) => Ok(Self {
                handle,
                path: path.into(),
            }),
            Err(Errno::NOTDIR) => Err(FileError::NotDirectory { path: path.into() }),
            Err(error) => Err(FileError::new(path.into(), error.into())),
        }
    }

    /// A directory in this one.
    pub(in crate::files) fn enter(&self, name: &str) -> Result<Self, FileError> {
        let path = self.path.join(name);
        if self.kind(name, &path)? != FileType::Directory {
            return Err(FileError::NotDirectory { path });
        }
        match openat(&self.handle, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(handle) => Ok(Self { handle, path }),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Opens a file to read it.
    pub(in crate::files) fn open(&self, name: &str) -> Result<File, FileError> {
        let path = self.path.join(name);
        if self.kind(name, &path)? != FileType::RegularFile {
            return Err(FileError::NotRegular { path });
        }
        let handle = openat(&self.handle, name, OFlags::RDONLY | BENEATH, Mode::empty())
            .map_err(|error| failed(path.clone(), error))?;
        regular(handle, path)
    }

    /// What stands there. A device is not even opened, since that alone may set it in motion.
    fn kind(&self, name: &str, path: &Path) -> Result<FileType, FileError> {
        let stat = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed(path.into(), error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Err(FileError::Link { path: path.into() }),
            kind => Ok(kind),
        }
    }
}

/// What has been opened is what counts, not what was there before.
fn regular(handle: OwnedFd, path: PathBuf) -> Result<File, FileError> {
    let stat = fstat(&handle).map_err(|error| failed(path.clone(), error))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(handle.into()),
        _ => Err(FileError::NotRegular { path }),
    }
}

fn failed(path: PathBuf, error: Errno) -> FileError {
    match error {
        Errno::LOOP | Errno::MLINK => FileError::Link { path },
        error => FileError::new(path, io::Error::from(error)),
    }
}
