//! What can be wrong with a recording.

use std::io;
use std::sync::Arc;

use rtmp_core::flv::FlvError;
use rtmp_core::message::{Status, StatusCode};

use super::Mp4Error;
use crate::files::FileError;

/// Why a recording can not be played, or not any further.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VodError {
    /// There is no such file, or none that may be opened.
    #[error("the file can not be opened")]
    File(#[source] Arc<FileError>),
    /// It is neither an FLV nor an MP4 file.
    #[error("the file is neither FLV nor MP4, it begins with {:02x?}", found)]
    UnknownFormat {
        /// The first bytes, up to 12.
        found: Vec<u8>,
    },
    /// It is no FLV file that can be played.
    #[error("the FLV file is broken")]
    Flv(#[source] Arc<FlvError>),
    /// It is no MP4 file that can be played.
    #[error("the MP4 file can not be played")]
    Mp4(#[from] Mp4Error),
    /// The file has become shorter while it was played; all in bytes.
    #[error("the file had {expected} bytes and has {found}")]
    Shrunk {
        /// Its length when it was opened.
        expected: u64,
        /// Its length now.
        found: u64,
    },
    /// The file can not be read.
    #[error("the file can not be read")]
    Read(#[source] Arc<io::Error>),
    /// The runtime that reads shuts down.
    #[error("reading was given up")]
    Stopped,
}

impl VodError {
    /// What a player is told.
    #[must_use]
    pub fn to_status(&self) -> Status {
        match self {
            Self::File(error) => match error.as_ref() {
                FileError::Open { .. } => {
                    Status::new(StatusCode::PlayFailed, "the recording can not be opened")
                }
                _ => Status::new(StatusCode::PlayStreamNotFound, "there is no such recording"),
            },
            Self::Mp4(Mp4Error::NoSupportedTrack) => Status::new(
                StatusCode::PlayNoSupportedTrackFound,
                "nothing in the recording can be played",
            ),
            Self::UnknownFormat { .. } | Self::Flv(_) | Self::Mp4(_) => {
                Status::new(StatusCode::PlayFileStructureInvalid, "the recording is broken")
            }
            Self::Shrunk { .. } => Status::new(StatusCode::PlayFailed, "the recording is being changed"),
            Self::Read(_) | Self::Stopped => {
                Status::new(StatusCode::PlayFailed, "the recording can not be read")
            }
        }
    }
}

impl From<FileError> for VodError {
    fn from(error: FileError) -> Self {
        Self::File(Arc::new(error))
    }
}

impl From<FlvError> for VodError {
    fn from(error: FlvError) -> Self {
        Self::Flv(Arc::new(error))
    }
}

impl From<io::Error> for VodError {
    fn from(error: io::Error) -> Self {
        Self::Read(Arc::new(error))
    }
}
