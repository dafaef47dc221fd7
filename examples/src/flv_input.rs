//! A recorded stream as a file or on standard input.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use bytes::BytesMut;
use rtmp_core::flv::{FlvDecoder, FlvError, Tag};
use rtmp_core::{MediaMessage, Timestamp};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, stdin};
use tokio_util::codec::Decoder;

/// A read takes so many bytes at most. Each is a matter of two threads, which costs more than many a tag.
const READ_LEN: usize = 256 << 10;

/// Where a recorded stream comes from: `-` is standard input.
#[derive(Clone, Debug)]
pub struct InputPath(PathBuf);

impl From<PathBuf> for InputPath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl fmt::Display for InputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_stdin() {
            f.write_str("standard input")
        } else {
            self.0.display().fmt(f)
        }
    }
}

impl InputPath {
    /// Whether it is standard input, which can be read only once.
    #[must_use]
    pub fn is_stdin(&self) -> bool {
        self.0 == Path::new("-")
    }
}

/// Why a recorded stream can not be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// There is no such file, or it may not be read.
    #[error("can not open {path}")]
    Open {
        /// The file.
        path: InputPath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no FLV file, or a broken one.
    #[error("can not read {path}")]
    Read {
        /// The file.
        path: InputPath,
        /// Why.
        #[source]
        source: FlvError,
    },
}

/// Reads the messages of an FLV file, one after the other.
pub struct FlvInput {
    path: InputPath,
    input: Pin<Box<dyn AsyncRead + Send>>,
    is_at_end: bool,
    /// What was read and holds no whole tag yet.
    buffer: BytesMut,
    decoder: FlvDecoder,
}

impl FlvInput {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// [`InputError::Open`].
    pub async fn open(path: InputPath) -> Result<Self, InputError> {
        let input: Pin<Box<dyn AsyncRead + Send>> = if path.is_stdin() {
            Box::pin(stdin())
        } else {
            let file = File::open(&path.0).await;
            Box::pin(file.map_err(|source| InputError::Open {
                path: path.clone(),
                source,
            })?)
        };
        Ok(Self {
            path,
            input,
            is_at_end: false,
            buffer: BytesMut::new(),
            decoder: FlvDecoder::new(),
        })
    }

    /// The next message, or `None` at the end. A last tag that is cut off counts as the end, as after a crash of the
    /// recorder.
    ///
    /// # Errors
    ///
    /// [`InputError::Read`].
    pub async fn next(&mut self) -> Result<Option<MediaMessage>, InputError> {
        match self.next_tag().await {
            Ok(tag) => Ok(tag.map(MediaMessage::from)),
            Err(FlvError::TruncatedTag { offset }) => {
                tracing::warn!(
                    "{} is cut off; its last whole tag ends at byte {offset}",
                    self.path
                );
                Ok(None)
            }
            Err(source) => Err(InputError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    async fn next_tag(&mut self) -> Result<Option<Tag>, FlvError> {
        while !self.is_at_end {
            if let Some(tag) = self.decoder.decode(&mut self.buffer)? {
                return Ok(Some(tag));
            }
            self.buffer.reserve(READ_LEN);
            self.is_at_end = self.input.read_buf(&mut self.buffer).await? == 0;
        }
        self.decoder.decode_eof(&mut self.buffer)
    }
}

impl fmt::Debug for FlvInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlvInput")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Puts the rounds of a looped file behind each other on one clock.
#[derive(Debug, Default)]
pub struct LoopClock {
    /// What is added to the file's times.
    shift: u32,
    /// The largest time so far, and the distance of the two last times of a kind, which a round ends with.
    end: Timestamp,
    last_step: u32,
}

impl LoopClock {
    /// The message at its time on the common clock.
    #[must_use]
    pub fn place(&mut self, message: MediaMessage) -> MediaMessage {
        let timestamp = message.timestamp.wrapping_add(self.shift);
        if timestamp.is_after(self.end) {
            self.last_step = timestamp.millis_since(self.end);
            self.end = timestamp;
        }
        MediaMessage { timestamp, ..message }
    }

    /// Begins another round, whose times start at zero, behind what was placed so far.
    pub fn next_round(&mut self) {
        self.shift = self.end.wrapping_add(self.last_step.max(1)).as_millis();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_follow_each_other_without_overlap() {
        let mut clock = LoopClock::default();
        let mut times = Vec::new();
        for _ in 0..3 {
            for millis in [0, 0, 40, 23, 80] {
                let message = MediaMessage::video(Timestamp::from_millis(millis), &b""[..]);
                times.push(clock.place(message).timestamp.as_millis());
            }
            clock.next_round();
        }
        assert_eq!(
            times,
            [0, 0, 40, 23, 80, 120, 120, 160, 143, 200, 240, 240, 280, 263, 320]
        );
    }
}
