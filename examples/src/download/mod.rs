//! A recording that is downloaded to a file, and goes on where it broke off.
//!
//! What the file has already is not trusted by its times alone: the server plays from a keyframe that is some way in front
//! of the break, and everything up to the break has to be the same, byte for byte, before the file is changed.

mod seam;
mod tail;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvDecoder, FlvError, FlvPatch, FlvRecorder, FlvResume};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio_util::codec::Decoder;

pub use self::seam::SeamError;
use self::seam::{Place, Seam};
use self::tail::Tail;
use crate::flv_output::{FlvOutput, OutputError};

const READ_LEN: usize = 256 << 10;

/// Why a download can not go on. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The file can not be read.
    #[error("can not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is none that a download could go on with.
    #[error("can not go on with {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: FlvError,
    },
    /// The server's recording does not fit to the file.
    #[error("{} is left as it is", path.display())]
    Seam {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SeamError,
    },
    /// The rest can not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// A file that was broken off, or is complete.
#[derive(Debug)]
pub struct Download {
    path: PathBuf,
    recorder: FlvRecorder,
    /// How the file is mended before anything follows.
    end: FlvPatch,
    start: Duration,
    seam: Seam,
    output: Option<FlvOutput>,
}

impl Download {
    /// Reads the file; `None` if there is none, or nothing in it to go on with.
    ///
    /// # Errors
    ///
    /// [`ResumeError::Read`], [`ResumeError::File`].
    pub async fn open(path: &Path) -> Result<Option<Self>, ResumeError> {
        let unreadable = |source| ResumeError::Read {
            path: path.into(),
            source,
        };
        let unusable = |source| ResumeError::File {
            path: path.into(),
            source,
        };
        let mut file = match File::open(path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let (mut resume, mut unread) = (FlvResume::new(), BytesMut::new());
        let (mut decoder, mut undecoded) = (FlvDecoder::new(), BytesMut::new());
        let mut tail = Tail::default();
        loop {
            unread.reserve(READ_LEN);
            let held = unread.len();
            if file.read_buf(&mut unread).await.map_err(unreadable)? == 0 {
                break;
            }
            undecoded.extend_from_slice(unread.get(held..).unwrap_or_default());
            resume.read(&mut unread).map_err(unusable)?;
            while let Some(tag) = decoder.decode(&mut undecoded).map_err(unusable)? {
                tail.note(&MediaMessage::from(tag));
            }
        }
        // The last tag may be whole, but for the size behind it.
        if let Ok(Some(tag)) = decoder.decode_eof(&mut undecoded) {
            tail.note(&MediaMessage::from(tag));
        }
        let resumed = resume.finish(&mut unread).map_err(unusable)?;
        Ok(match (resumed, tail.start()) {
            (Some((recorder, end)), Some(start)) => Some(Self {
                path: path.into(),
                recorder: recorder.rebase(false),
                end,
                start,
                seam: Seam::new(tail),
                output: None,
            }),
            _ => None,
        })
    }

    /// From where the recording is to be played.
    #[must_use]
    pub fn start(&self) -> Duration {
        self.start
    }

    /// How long the file plays that was there.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.recorder.duration()
    }

    /// Takes the next message of the server. What the file has already is compared, what follows is written.
    ///
    /// # Errors
    ///
    /// [`ResumeError`]; in a seam the file is not changed before all of it has proved right.
    pub async fn write(&mut self, message: &MediaMessage) -> Result<(), ResumeError> {
        let place = self.seam.place(message).map_err(|source| ResumeError::Seam {
            path: self.path.clone(),
            source,
        })?;
        if let Place::Behind(message) = place {
            if self.output.is_none() {
                let recorder = std::mem::take(&mut self.recorder);
                self.output = Some(FlvOutput::resume(self.path.clone(), recorder, &self.end).await?);
            }
            if let Some(output) = &mut self.output {
                output.write(&message).await?;
            }
        }
        Ok(())
    }

    /// There is no more, or no more for now if the recording `has_ended` is false. Whether something has been added.
    ///
    /// # Errors
    ///
    /// [`ResumeError`]; the recording has ended before the file, for example.
    pub async fn finish(mut self, has_ended: bool) -> Result<bool, ResumeError> {
        if let Some(output) = self.output {
            output.finish().await?;
            return Ok(true);
        }
        if has_ended {
            self.seam.end().map_err(|source| ResumeError::Seam {
                path: self.path.clone(),
                source,
            })?;
            // It may lack nothing but its duration and index.
            let recorder = std::mem::take(&mut self.recorder);
            let output = FlvOutput::resume(self.path, recorder, &self.end).await?;
            output.finish().await?;
        }
        Ok(false)
    }
}
