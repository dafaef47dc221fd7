//! Where directories can be held open: each step starts from the one before, and nobody can swap it in between.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, fsync, mkdirat, open, openat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::Exists;
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

    /// Whether something here is called exactly so.
    pub(in crate::files) fn spells(&self, name: &str) -> bool {
        rustix::fs::Dir::read_from(&self.handle).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_bytes() == name.as_bytes()))
        })
    }

    /// Makes a directory in this one. `false` if there is something of that name.
    pub(in crate::files) fn make(&self, name: &str) -> Result<bool, FileError> {
        match mkdirat(&self.handle, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(failed(self.path.join(name), error)),
        }
    }

    /// Opens a file to read and write it, or makes it, and locks it against other writers of all processes.
    pub(in crate::files) fn claim(&self, name: &str, exists: Exists) -> Result<File, FileError> {
        let path = self.path.join(name);
        match self.kind(name, &path) {
            Ok(FileType::RegularFile) | Err(FileError::NotFound { .. }) => {}
            Ok(_) => return Err(FileError::NotRegular { path }),
            Err(error) => return Err(error),
        }
        let flags = match exists {
            Exists::Maybe => OFlags::CREATE,
            Exists::Not => OFlags::CREATE | OFlags::EXCL,
        };
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        let handle = match openat(&self.handle, name, OFlags::RDWR | BENEATH | flags, mode) {
            Ok(handle) => handle,
            Err(Errno::EXIST) => return Err(FileError::Busy { path }),
            Err(error) => return Err(failed(path, error)),
        };
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(FileError::Busy { path }),
            Err(error) => return Err(failed(path, error)),
        }
        // Whoever had it before may have put another file in its place meanwhile.
        let opened = fstat(&handle).map_err(|error| failed(path.clone(), error))?;
        match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino) => {
                regular(handle, path)
            }
            Ok(_) | Err(Errno::NOENT) => Err(FileError::Busy { path }),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Puts an empty file in the place of one that is claimed. Who reads the old one keeps it.
    pub(in crate::files) fn renew(&self, name: &str, claimed: File) -> Result<File, FileError> {
        self.remove(name)?;
        let renewed = self.claim(name, Exists::Not);
        drop(claimed);
        renewed
    }

    /// Removes a file.
    pub(in crate::files) fn remove(&self, name: &str) -> Result<(), FileError> {
        unlinkat(&self.handle, name, AtFlags::empty()).map_err(|error| failed(self.path.join(name), error))
    }

    /// Waits until what was made, renewed and removed here is on the medium.
    pub(in crate::files) fn sync(&self) -> io::Result<()> {
        match fsync(&self.handle) {
            // Some file systems can not do that for directories.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
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

/// Whether the file still has a name.
pub(in crate::files) fn has_name(file: &File) -> io::Result<bool> {
    Ok(fstat(file)?.st_nlink > 0)
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
