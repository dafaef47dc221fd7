//! Where directories can not be held open: what stands at a path is looked at just before it is opened.

use std::fs::{File, OpenOptions, symlink_metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Exists;
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

    /// Whether something here is called exactly so.
    pub(in crate::files) fn spells(&self, name: &str) -> bool {
        let entries = std::fs::read_dir(&self.path);
        entries
            .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() == name)))
    }

    /// Makes a directory in this one. `false` if there is something of that name.
    pub(in crate::files) fn make(&self, name: &str) -> Result<bool, FileError> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(FileError::new(path, error)),
        }
    }

    /// Where directories can not be held open they can not be waited for either.
    pub(in crate::files) fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Opens a file to read and write it, or makes it, and locks it against other writers of all processes.
    pub(in crate::files) fn claim(&self, name: &str, exists: Exists) -> Result<File, FileError> {
        let path = self.path.join(name);
        match metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(FileError::NotRegular { path }),
            Err(FileError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match exists {
            Exists::Maybe => options.create(true).truncate(false),
            Exists::Not => options.create_new(true),
        };
        #[cfg(windows)]
        {
            use std::os::windows::fs::OpenOptionsExt;
            const FILE_SHARE_READ: u32 = 1;
            options.share_mode(FILE_SHARE_READ);
        }
        match options.open(&path) {
            Err(error) if is_sharing_violation(&error) => Err(FileError::Busy { path }),
            opened => regular(opened, path),
        }
    }

    /// Empties a file that is claimed: in use it can not be removed.
    pub(in crate::files) fn renew(&self, name: &str, claimed: File) -> Result<File, FileError> {
        match claimed.set_len(0) {
            Ok(()) => Ok(claimed),
            Err(source) => Err(FileError::new(self.path.join(name), source)),
        }
    }

    /// Removes a file.
    pub(in crate::files) fn remove(&self, name: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        std::fs::remove_file(&path).map_err(|source| FileError::new(path, source))
    }
}

/// Whether the file still has a name. Nobody can remove it while it is open.
pub(in crate::files) fn has_name(_: &File) -> std::io::Result<bool> {
    Ok(true)
}

/// Windows says that another has the file open for writing.
fn is_sharing_violation(error: &std::io::Error) -> bool {
    const ERROR_SHARING_VIOLATION: i32 = 32;
    error.kind() == ErrorKind::AlreadyExists || error.raw_os_error() == Some(ERROR_SHARING_VIOLATION)
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
