//! What all formats have in common: messages are read in blocks, off the runtime's workers.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::MediaMessage;
use tokio_util::task::AbortOnDropHandle;

use super::VodError;
use super::flv::{FlvInfo, FlvReader};
use super::mp4::{Mp4Info, Mp4Reader};

/// How much is read at a time. A player holds no more than two of these and one message, however long the file is.
pub(super) const BLOCK_LEN: usize = 256 << 10;

/// The next messages of a recording.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) messages: Vec<MediaMessage>,
    /// There is nothing behind them.
    pub(super) is_end: bool,
}

/// What is known of a file, shared by all who play it.
#[derive(Clone, Debug)]
pub(super) enum FileInfo {
    Flv(Arc<FlvInfo>),
    Mp4(Arc<Mp4Info>),
}

impl FileInfo {
    /// Finds out what a file is, and reads what is needed to play it from its beginning. Blocks.
    pub(super) fn read(file: &mut File) -> Result<Self, VodError> {
        let mut start = Vec::new();
        file.rewind()?;
        file.take(12).read_to_end(&mut start)?;
        match start.as_slice() {
            [b'F', b'L', b'V', ..] => Ok(Self::Flv(Arc::new(FlvInfo::read(file)?))),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] | [_, _, _, _, b'm', b'o', b'o', b'v', ..] => {
                Ok(Self::Mp4(Arc::new(Mp4Info::read(file)?)))
            }
            _ => Err(VodError::UnknownFormat { found: start }),
        }
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        match self {
            Self::Flv(info) => info.duration(),
            Self::Mp4(info) => info.duration(),
        }
    }

    pub(super) fn metadata(&self) -> Option<&MediaMessage> {
        match self {
            Self::Flv(info) => info.metadata(),
            Self::Mp4(info) => info.metadata(),
        }
    }

    pub(super) fn has_video(&self) -> bool {
        match self {
            Self::Flv(info) => info.has_video(),
            Self::Mp4(info) => info.has_video(),
        }
    }

    /// About what it takes in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Flv(info) => info.weight(),
            Self::Mp4(info) => info.weight(),
        }
    }

    pub(super) fn reader(&self, file: File) -> Reader {
        match self {
            Self::Flv(info) => Reader::Flv(Box::new(FlvReader::new(file, Arc::clone(info)))),
            Self::Mp4(info) => Reader::Mp4(Box::new(Mp4Reader::new(file, Arc::clone(info)))),
        }
    }
}

/// Reads a file for one player.
#[derive(Debug)]
pub(super) enum Reader {
    Flv(Box<FlvReader>),
    Mp4(Box<Mp4Reader>),
}

impl Reader {
    /// Goes to the last keyframe that is not behind `position`; the next block begins with the headers it needs.
    pub(super) async fn seek(self, position: Duration) -> Result<Self, VodError> {
        match self {
            Self::Flv(reader) => Ok(Self::Flv(Box::new(reader.seek(position).await?))),
            Self::Mp4(mut reader) => {
                reader.seek(position);
                Ok(Self::Mp4(reader))
            }
        }
    }

    /// Reads the next block.
    pub(super) async fn read(mut self) -> Result<(Self, Block), VodError> {
        blocking(move || {
            let block = match &mut self {
                Self::Flv(reader) => reader.read(),
                Self::Mp4(reader) => reader.read(),
            };
            block.map(|block| (self, block))
        })
        .await?
    }
}

/// Does something that blocks. Dropping the future gives it up, if it has not begun.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, VodError> {
    let task = AbortOnDropHandle::new(tokio::task::spawn_blocking(work));
    task.await.map_err(|_| VodError::Stopped)
}
