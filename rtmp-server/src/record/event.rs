//! What becomes of recordings.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::flv::FlvError;
use rtmp_core::message::{Status, StatusCode};

use crate::files::{FileError, MediaName, NameError};

/// Something has happened to a recording.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecordEvent {
    /// A file is open, and will have the next messages.
    Started {
        /// Which file.
        name: MediaName,
        /// Where it is.
        path: PathBuf,
    },
    /// A file is complete: closed, with duration and index.
    Completed(RecordedFile),
    /// The disk was too slow: the file has a gap.
    Lost {
        /// Which file.
        name: MediaName,
        /// Messages that are not in it.
        messages: u64,
        /// Bytes of them.
        bytes: u64,
    },
    /// The recording has ended too early. What was written is kept, and complete if the system lets it.
    Failed {
        /// Which file.
        name: MediaName,
        /// Why.
        error: RecordError,
    },
}

/// A complete file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedFile {
    /// What it is of.
    pub name: MediaName,
    /// Where it is.
    pub path: PathBuf,
    /// How long it plays, including what was there before something was appended.
    pub duration: Duration,
    /// Its length in bytes.
    pub len: u64,
}

/// What a recording has written so far, or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordStatistics {
    /// Files, the present one included.
    pub files: u32,
    /// Messages that were given to the system.
    pub messages: u64,
    /// Bytes that were given to the system.
    pub bytes: u64,
    /// Messages that were left out because the disk was too slow.
    pub messages_lost: u64,
}

/// A recording can not begin, or has ended too early.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// No file is for such a name.
    #[error("no file can have such a name")]
    Name(#[from] NameError),
    /// The stream is being recorded already.
    #[error("the stream is being recorded already")]
    Busy,
    /// The recorder has been shut down.
    #[error("the recorder has been shut down")]
    ShutDown,
    /// The file, or its directory, can not be opened or made.
    #[error("the file can not be opened")]
    Open(#[source] FileError),
    /// There is a file to append to, and nothing can be appended to it.
    #[error("nothing can be appended to the file that there is")]
    Append(#[source] Arc<FlvError>),
    /// The file could not be read or written.
    #[error("the file can not be written")]
    Write(#[source] Arc<io::Error>),
    /// The file, or the directory that it is in, was removed while it was written.
    #[error("the file was removed while it was written")]
    Removed,
    /// There is no thread for it.
    #[error("no thread can be started")]
    Thread(#[source] Arc<io::Error>),
    /// The event handler panicked.
    #[error("the event handler panicked")]
    Panicked,
}

impl RecordError {
    /// What a publisher is told: `NetStream.Record.NoAccess` if nothing may be written there,
    /// `NetStream.Record.DiskQuotaExceeded` or `NetStream.Record.Failed` otherwise.
    #[must_use]
    pub fn status(&self) -> Status {
        let code = match self {
            Self::Name(_) | Self::Busy | Self::Append(_) => StatusCode::RecordNoAccess,
            Self::Open(FileError::Open { source, .. }) => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    StatusCode::RecordNoAccess
                }
                _ => status_code(source),
            },
            Self::Open(FileError::NotFound { .. }) => StatusCode::RecordFailed,
            Self::Open(_) => StatusCode::RecordNoAccess,
            Self::Write(source) => status_code(source),
            Self::Removed | Self::ShutDown | Self::Thread(_) | Self::Panicked => StatusCode::RecordFailed,
        };
        Status::new(code, self.to_string())
    }

    /// Why, without the name of the file, which is the stream's and may be its password.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Open(FileError::Open { source, .. }) | Self::Write(source) | Self::Thread(source) => {
                format!("{self}: {source}")
            }
            Self::Append(source) => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

fn status_code(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::QuotaExceeded => StatusCode::RecordDiskQuotaExceeded,
        _ => StatusCode::RecordFailed,
    }
}

impl From<FileError> for RecordError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Name(error) => Self::Name(error),
            FileError::Busy { .. } => Self::Busy,
            error => Self::Open(error),
        }
    }
}

impl From<io::Error> for RecordError {
    fn from(error: io::Error) -> Self {
        Self::Write(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(kind: io::ErrorKind) -> RecordError {
        let source = Arc::new(kind.into());
        let path = PathBuf::from("live/cam.flv");
        FileError::Open { path, source }.into()
    }

    #[test]
    fn publishers_are_told_whether_nothing_may_be_written_or_nothing_can() {
        use io::ErrorKind::*;
        let path = PathBuf::from("live");
        for (error, code) in [
            (open(PermissionDenied), StatusCode::RecordNoAccess),
            (open(ReadOnlyFilesystem), StatusCode::RecordNoAccess),
            (
                FileError::NotDirectory { path: path.clone() }.into(),
                StatusCode::RecordNoAccess,
            ),
            (
                FileError::Link { path: path.clone() }.into(),
                StatusCode::RecordNoAccess,
            ),
            (
                FileError::Busy { path: path.clone() }.into(),
                StatusCode::RecordNoAccess,
            ),
            (FileError::NotFound { path }.into(), StatusCode::RecordFailed),
            (open(StorageFull), StatusCode::RecordFailed),
            (open(QuotaExceeded), StatusCode::RecordDiskQuotaExceeded),
            (io::Error::from(StorageFull).into(), StatusCode::RecordFailed),
            (io::Error::from(FileTooLarge).into(), StatusCode::RecordFailed),
            (
                io::Error::from(QuotaExceeded).into(),
                StatusCode::RecordDiskQuotaExceeded,
            ),
            (RecordError::Removed, StatusCode::RecordFailed),
        ] {
            assert_eq!(error.status().code, code, "{error:?}");
        }
    }
}
