//! Reads a whole FLV file, damaged or not.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use rtmp_core::flv::{FlvDecoder, FlvError, FlvHeader, Irregularities, Tag};
use tokio_util::codec::Decoder;

const READ_LEN: usize = 256 << 10;

/// Why an FLV file can not be looked at or repaired.
#[derive(Debug, thiserror::Error)]
pub enum FlvFileError {
    /// It can not be opened or made.
    #[error("can not open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can not be read.
    #[error("can not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no FLV file.
    #[error("can not read {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: FlvError,
    },
    /// There is not one whole tag in it.
    #[error("{} has nothing to repair: not one whole tag", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It can not be written.
    #[error("can not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A file that is open to be read, more than once if need be.
#[derive(Debug)]
pub struct FlvFile {
    path: PathBuf,
    file: File,
}

/// How the reading of a file ended.
#[derive(Clone, Copy, Debug)]
pub struct FileEnd {
    /// The header of the file.
    pub header: Option<FlvHeader>,
    /// What was met and does not hinder.
    pub irregularities: Irregularities,
    /// Where the whole tags end, if another begins there.
    pub cut_off_at: Option<u64>,
    /// The length of the file in bytes.
    pub len: u64,
}

impl FlvFile {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`FlvFileError::Open`].
    pub fn open(path: &Path) -> Result<Self, FlvFileError> {
        match File::open(path) {
            Ok(file) => Ok(Self {
                path: path.into(),
                file,
            }),
            Err(source) => Err(FlvFileError::Open {
                path: path.into(),
                source,
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives each tag of the file, with its offset in bytes, to `each`.
    ///
    /// # Errors
    ///
    /// [`FlvFileError::Read`], [`FlvFileError::Format`], and what `each` returns.
    pub fn scan(
        &mut self,
        mut each: impl FnMut(Tag, u64) -> Result<(), FlvFileError>,
    ) -> Result<FileEnd, FlvFileError> {
        let failed = |source| FlvFileError::Read {
            path: self.path.clone(),
            source,
        };
        let mut decoder = FlvDecoder::new();
        let mut unread = BytesMut::new();
        let mut len = 0;
        let mut is_at_end = false;
        self.file.rewind().map_err(failed)?;
        let cut_off_at = loop {
            let tag = if is_at_end {
                decoder.decode_eof(&mut unread)
            } else {
                decoder.decode(&mut unread)
            };
            match tag {
                Ok(Some(tag)) => each(tag, decoder.tag_offset())?,
                Ok(None) if is_at_end => break None,
                Ok(None) => {
                    let start = unread.len();
                    unread.resize(start + READ_LEN, 0);
                    let read = self.file.read(unread.get_mut(start..).unwrap_or_default());
                    let read = read.map_err(failed)?;
                    unread.truncate(start + read);
                    len += read as u64;
                    is_at_end = read == 0;
                }
                Err(FlvError::TruncatedTag { offset }) => break Some(offset),
                Err(source) => {
                    return Err(FlvFileError::Format {
                        path: self.path.clone(),
                        source,
                    });
                }
            }
        };
        Ok(FileEnd {
            header: decoder.header(),
            irregularities: decoder.irregularities(),
            cut_off_at,
            len,
        })
    }
}
