//! Files of streams, below one directory.
//!
//! Application and stream name come from the network; [`MediaName`] makes one path of them that never leaves the
//! directory, and [`MediaRoot`] opens what is there. Below the root no symbolic link is followed, and nothing is opened
//! but regular files: no directory, no device, no pipe that would wait for its other end. On Unix that is checked on
//! the opened file itself, so that nobody can swap it in between; elsewhere just before it is opened.
//!
//! All of this blocks: in async code it belongs into `tokio::task::spawn_blocking`.

mod claim;
mod component;
mod dir;
mod error;
mod name;

use std::fs::{self, File, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use claim::Claim;
use dir::Dir;
pub use error::FileError;
pub use name::{MediaName, NameError, NamePart};

/// The directory that files of streams are below. Cheap to clone.
///
/// ```no_run
/// use rtmp_server::files::{FileError, MediaName, MediaRoot};
///
/// # fn main() -> Result<(), FileError> {
/// let root = MediaRoot::new("/var/media")?;
/// let file = root.open(&MediaName::new("live", "cam")?)?; // /var/media/live/cam.flv
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MediaRoot(Arc<Path>);

impl MediaRoot {
    /// The root at this path, which may be reached through links.
    ///
    /// # Errors
    ///
    /// [`FileError`] if it is no directory, or can not be opened.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let absolute = std::path::absolute(path).map_err(|source| FileError::new(path.into(), source))?;
        let root = Self(absolute.into());
        root.dir()?;
        Ok(root)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the file of this name is, whether it exists or not.
    #[must_use]
    pub fn path_of(&self, name: &MediaName) -> PathBuf {
        self.0.join(name.path())
    }

    /// Opens a file to read it.
    ///
    /// If there is none at the path of the name, the directory and the file may also be called what the application and
    /// the stream are called, if that is ASCII letters, digits, `-`, `_`, `.` and blanks with neither of the last two at
    /// an end: `VOD/Movie.mp4`. Capital letters have to be the same, whatever the file system makes of them.
    ///
    /// # Errors
    ///
    /// [`FileError`], above all [`NotFound`](FileError::NotFound).
    pub fn open(&self, name: &MediaName) -> Result<File, FileError> {
        let root = self.dir()?;
        let opened = root
            .enter(name.directory())
            .and_then(|directory| open_any(&directory, name));
        match (opened, name.plain_directory()) {
            (Err(missing @ FileError::NotFound { .. }), Some(plain)) => match root.enter(&plain) {
                Ok(directory) if root.spells(&plain) => open_any(&directory, name),
                Ok(_) | Err(FileError::NotFound { .. }) => Err(missing),
                Err(error) => Err(error),
            },
            (opened, _) => opened,
        }
    }

    /// The names of all files of streams, in no order. What can not be read, and what is of other making, is left out.
    ///
    /// # Errors
    ///
    /// [`FileError`] if the root can not be read.
    pub fn names(&self) -> Result<impl Iterator<Item = MediaName> + use<>, FileError> {
        let failed = |source| FileError::new(self.0.to_path_buf(), source);
        let directories = entries(&self.0)
            .map_err(failed)?
            .filter(|(_, kind)| kind.is_dir());
        let root = Arc::clone(&self.0);
        Ok(directories.flat_map(move |(directory, _)| {
            let files = entries(&root.join(&directory)).into_iter().flatten();
            files
                .filter(|(_, kind)| kind.is_file())
                .filter_map(move |(file, _)| MediaName::from_path(&directory, &file))
        }))
    }

    /// Whether there is something at the path of this name.
    pub(crate) fn has(&self, name: &MediaName) -> bool {
        self.path_of(name).symlink_metadata().is_ok()
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &MediaName) -> Result<(), FileError> {
        self.dir()?.enter(name.directory())?.remove(&name.file())
    }

    /// The directory is looked up each time: the root may have been moved away and made anew.
    fn dir(&self) -> Result<Dir, FileError> {
        Dir::root(&self.0)
    }
}

/// Opens a file under our name for it, or that of others.
fn open_any(directory: &Dir, name: &MediaName) -> Result<File, FileError> {
    match (directory.open(&name.file()), name.plain_file()) {
        (Err(missing @ FileError::NotFound { .. }), Some(plain)) => match directory.open(&plain) {
            // Where `A` is taken for `a` this may be the file of another name.
            Ok(file) if directory.spells(&plain) => Ok(file),
            Ok(_) | Err(FileError::NotFound { .. }) => Err(missing),
            Err(error) => Err(error),
        },
        (opened, _) => opened,
    }
}

/// What is in a directory, links as links.
fn entries(directory: &Path) -> io::Result<impl Iterator<Item = (String, FileType)> + use<>> {
    let entries = fs::read_dir(directory)?.flatten();
    Ok(entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?))))
}

#[cfg(test)]
mod tests;
