//! A file that one writer has for itself.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::dir::{Dir, Exists, has_name};
use super::{FileError, MediaName, MediaRoot};

/// A file below the root that nobody else writes as long as this lives, in this process or another.
#[derive(Debug)]
pub(crate) struct Claim {
    dir: Dir,
    /// The directory that `dir` was made in just now.
    parent: Option<Dir>,
    name: MediaName,
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Opens the file to read and write it. If there is none it is made, and the directory of its application, too.
    pub(crate) fn new(root: &MediaRoot, name: &MediaName) -> Result<Self, FileError> {
        let root_dir = root.dir()?;
        let is_new = root_dir.make(name.directory())?;
        let dir = root_dir.enter(name.directory())?;
        let file = dir.claim(&name.file(), Exists::Maybe)?;
        Ok(Self {
            dir,
            parent: is_new.then_some(root_dir),
            name: name.clone(),
            path: root.path_of(name),
            file,
        })
    }

    /// The same with an empty file in its place.
    pub(crate) fn renew(self) -> Result<Self, FileError> {
        let file = self.dir.renew(&self.name.file(), self.file)?;
        Ok(Self { file, ..self })
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> Result<(), FileError> {
        self.dir.remove(&self.name.file())
    }

    /// Waits until the file is on the medium, and its name, too.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.dir.sync()?;
        self.parent.take().map_or(Ok(()), |parent| parent.sync())
    }

    /// Whether the file can be found still, under this name or another.
    pub(crate) fn has_name(&self) -> io::Result<bool> {
        has_name(&self.file)
    }

    pub(crate) fn name(&self) -> &MediaName {
        &self.name
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }
}
