//! A recording as a file or on standard output.

use std::fmt;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvError, FlvPatch, FlvRecorder};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, Stdout, stdout};

/// What was received is written when it is so long, in bytes, or at the next keyframe.
const WRITE_LEN: usize = 64 << 10;

/// Why a recording can not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file can not be made.
    #[error("can not create {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file can not be written, for example because the disk is full.
    #[error("can not write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A message can not be put into an FLV file.
    #[error("can not record a message")]
    Record(#[source] FlvError),
}

/// Records messages to an FLV file. A file gets its duration and its keyframe index when it is finished; without that
/// it can still be played.
pub struct FlvOutput {
    path: PathBuf,
    target: Target,
    recorder: FlvRecorder,
    buffer: BytesMut,
}

enum Target {
    File(File),
    Stdout(Stdout),
}

impl FlvOutput {
    /// Creates the file, or replaces it. `-` is standard output.
    ///
    /// # Errors
    ///
    /// [`OutputError::Create`].
    pub async fn create(path: PathBuf, recorder: FlvRecorder) -> Result<Self, OutputError> {
        let target = if path == Path::new("-") {
            Target::Stdout(stdout())
        } else {
            let file = File::create(&path).await;
            Target::File(file.map_err(|source| OutputError::Create {
                path: path.clone(),
                source,
            })?)
        };
        Ok(Self {
            path,
            target,
            recorder,
            buffer: BytesMut::new(),
        })
    }

    /// Goes on with a file, of which `end` mends the end.
    ///
    /// # Errors
    ///
    /// [`OutputError::Write`].
    pub async fn resume(path: PathBuf, recorder: FlvRecorder, end: &FlvPatch) -> Result<Self, OutputError> {
        let opened = async {
            let mut file = OpenOptions::new().write(true).open(&path).await?;
            write_patch(&mut file, end).await?;
            file.flush().await?;
            file.set_len(end.offset + end.bytes.len() as u64).await?;
            Ok(file)
        };
        match opened.await {
            Ok(file) => Ok(Self {
                target: Target::File(file),
                path,
                recorder,
                buffer: BytesMut::new(),
            }),
            Err(source) => Err(OutputError::Write { path, source }),
        }
    }

    /// Records one message.
    ///
    /// # Errors
    ///
    /// [`OutputError::Write`], [`OutputError::Record`].
    pub async fn write(&mut self, message: &MediaMessage) -> Result<(), OutputError> {
        // A crash between two keyframes loses what could not be decoded alone anyway.
        if self.buffer.len() >= WRITE_LEN || (message.is_keyframe() && !self.buffer.is_empty()) {
            self.write_buffer().await?;
        }
        self.recorder
            .record(message, &mut self.buffer)
            .map_err(OutputError::Record)
    }

    /// Writes what is left, and fills in duration and index.
    ///
    /// # Errors
    ///
    /// [`OutputError::Write`], [`OutputError::Record`].
    pub async fn finish(mut self) -> Result<(), OutputError> {
        let recorder = std::mem::take(&mut self.recorder);
        let patches = recorder.finish(&mut self.buffer).map_err(OutputError::Record)?;
        self.write_buffer().await?;
        let written = match &mut self.target {
            Target::File(file) => {
                let patched = async {
                    for patch in &patches {
                        write_patch(file, patch).await?;
                    }
                    file.flush().await
                };
                patched.await
            }
            Target::Stdout(stdout) => stdout.flush().await,
        };
        written.map_err(|source| OutputError::Write {
            path: self.path,
            source,
        })
    }

    async fn write_buffer(&mut self) -> Result<(), OutputError> {
        let written = match &mut self.target {
            Target::File(file) => file.write_all(&self.buffer).await,
            Target::Stdout(stdout) => stdout.write_all(&self.buffer).await,
        };
        self.buffer.clear();
        written.map_err(|source| OutputError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

async fn write_patch(file: &mut File, patch: &FlvPatch) -> io::Result<()> {
    file.seek(SeekFrom::Start(patch.offset)).await?;
    file.write_all(&patch.bytes).await
}

impl fmt::Debug for FlvOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlvOutput")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
