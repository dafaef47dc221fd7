//! What can be wrong with a file below the root.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::NameError;

/// A file below the root can not be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// No file is for such a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no such file or directory.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The file or directory.
        path: PathBuf,
    },
    /// The file, or the directory that it is in, is a symbolic link. None is followed below the root.
    #[error("{} is a symbolic link", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// It is a directory, a device, a pipe or a socket.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// What it is called.
        path: PathBuf,
    },
    /// It is not a directory.
    #[error("{} is not a directory", path.display())]
    NotDirectory {
        /// What it is called.
        path: PathBuf,
    },
    /// The file is being written already, by this process or another.
    #[error("{} is being written already", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The system says no.
    #[error("can not open {}", path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

impl FileError {
    /// What an error of the system means for `path`.
    pub(super) fn new(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            _ => Self::Open {
                path,
                source: Arc::new(source),
            },
        }
    }
}
