//! One file that is being recorded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvDecoder, FlvError, FlvPatch, FlvRecorder, FlvResume, Metadata};
use tokio_util::codec::Decoder;

use super::{RecordConfig, RecordError, RecordMode, RecordedFile};
use crate::files::Claim;

/// A file, and what is to be written to it next.
#[derive(Debug)]
pub(super) struct Output {
    claim: Option<Claim>,
    recorder: FlvRecorder,
    buffer: BytesMut,
    /// How far the file is written, in whole tags.
    written: u64,
    /// The file that was there is replaced with the first bytes.
    is_to_be_renewed: bool,
    /// The file is complete when it is on the medium.
    is_synced: bool,
    /// When the file was seen to have a name.
    seen: Instant,
}

/// How long a file that was removed may be written.
const SEEN_EVERY: Duration = Duration::from_secs(1);
const READ_LEN: usize = 256 << 10;
const MAX_BUFFER_LEN: usize = 256 << 10;

impl Output {
    /// Begins or goes on, as `mode` says.
    pub(super) fn open(
        mut claim: Claim,
        mode: RecordMode,
        config: &RecordConfig,
    ) -> Result<Self, RecordError> {
        let resumed = match mode {
            RecordMode::Append => resume(claim.file())?,
            RecordMode::Replace => None,
        };
        let new = || FlvRecorder::new().index_capacity(config.index_capacity);
        Ok(Self {
            claim: Some(claim),
            written: resumed.as_ref().map_or(0, FlvRecorder::file_len),
            is_to_be_renewed: resumed.is_none(),
            recorder: resumed.unwrap_or_else(new),
            buffer: BytesMut::new(),
            is_synced: config.sync,
            seen: Instant::now(),
        })
    }

    /// Takes a message; it is not written before [`flush`](Self::flush), or much has come.
    pub(super) fn record(&mut self, message: &MediaMessage) -> Result<(), RecordError> {
        // Only a message that is too long for a file is refused. It is missing then, like one that never came.
        let _ = self.recorder.record(message, &mut self.buffer);
        if self.buffer.len() >= MAX_BUFFER_LEN {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.is_to_be_renewed)
            && let Some(claim) = self.claim.take()
        {
            self.claim = Some(claim.renew()?);
        }
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let claim = self.claim.as_mut().ok_or_else(gone)?;
        claim.file().write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.seen.elapsed() >= SEEN_EVERY {
            self.seen = Instant::now();
            check_name(claim)?;
        }
        Ok(())
    }

    pub(super) fn duration(&self) -> Duration {
        self.recorder.duration()
    }

    /// Bytes of the file, those that are not written yet included.
    pub(super) fn len(&self) -> u64 {
        self.recorder.file_len()
    }

    /// Bytes of the file that were handed to the system.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Completes the file, and gives it back with its claim. One that nothing was recorded to is as it was before, or not
    /// there.
    pub(super) fn complete(mut self) -> Result<(Option<RecordedFile>, Option<Claim>), RecordError> {
        self.recorder.release(&mut self.buffer).map_err(damaged)?;
        if self.is_to_be_renewed && self.buffer.is_empty() {
            self.discard();
            return Ok((None, None));
        }
        self.flush()?;
        let duration = self.recorder.duration();
        let Some(mut claim) = self.claim.take() else {
            return Ok((None, None));
        };
        check_name(&claim)?;
        patch(claim.file(), self.recorder)?;
        if self.is_synced {
            claim.sync()?;
        }
        let file = RecordedFile {
            name: claim.name().clone(),
            path: claim.path().clone(),
            duration,
            len: claim.file().metadata()?.len(),
        };
        Ok((Some(file), Some(claim)))
    }

    /// Ends a file to which nothing can be written any more: cuts off what may be half a tag, and completes the rest if
    /// the system lets it.
    pub(super) fn rescue(mut self) {
        if let Some(claim) = &mut self.claim
            && !self.is_to_be_renewed
            && check_name(claim).is_ok()
        {
            let file = claim.file();
            // There is an error already that says why.
            let _ = file
                .set_len(self.written)
                .map_err(RecordError::from)
                .and_then(|()| finish(file));
        }
        self.discard();
    }

    /// Removes the file if it is empty.
    fn discard(&mut self) {
        if let Some(mut claim) = self.claim.take()
            && claim.file().metadata().is_ok_and(|metadata| metadata.len() == 0)
        {
            // It stays behind empty at worst.
            let _ = claim.remove();
        }
    }
}

/// The system lets a file be written that nobody can find any more.
fn check_name(claim: &Claim) -> Result<(), RecordError> {
    if claim.has_name()? {
        Ok(())
    } else {
        Err(RecordError::Removed)
    }
}

/// Whether a file was recorded by us, and broken off.
pub(super) fn is_unfinished(file: &mut File) -> Result<bool, RecordError> {
    let len = file.metadata()?.len();
    let mut start = BytesMut::new();
    let mut decoder = FlvDecoder::new();
    file.rewind()?;
    loop {
        match decoder.decode(&mut start) {
            Ok(Some(tag)) => {
                let Ok(metadata) = Metadata::parse(&tag.payload) else {
                    return Ok(false);
                };
                let properties = metadata.properties();
                let file_len = properties.get("filesize").and_then(|value| value.as_number());
                return Ok(properties.get("padding").is_some() && file_len != Some(len as f64));
            }
            Err(_) => return Ok(false),
            Ok(None) if read(file, &mut start)? == 0 => return Ok(false),
            Ok(None) => {}
        }
    }
}

/// Cuts off a broken tail and writes duration and index. `false` if there is not one whole tag.
pub(super) fn finish(file: &mut File) -> Result<Option<Duration>, RecordError> {
    let Some(recorder) = resume(file)? else {
        return Ok(None);
    };
    let duration = recorder.duration();
    patch(file, recorder)?;
    Ok(Some(duration))
}

/// Reads a file to its end, cuts off a broken tail, and goes there.
fn resume(file: &mut File) -> Result<Option<FlvRecorder>, RecordError> {
    let mut resume = FlvResume::new();
    let mut unread = BytesMut::new();
    file.rewind()?;
    while read(file, &mut unread)? > 0 {
        resume.read(&mut unread).map_err(damaged)?;
    }
    let Some((recorder, end)) = resume.finish(&mut unread).map_err(damaged)? else {
        return Ok(None);
    };
    write_patch(file, &end)?;
    file.set_len(recorder.file_len())?;
    Ok(Some(recorder))
}

fn damaged(error: FlvError) -> RecordError {
    RecordError::Append(Arc::new(error))
}

fn read(file: &mut File, dst: &mut BytesMut) -> io::Result<usize> {
    let start = dst.len();
    dst.resize(start + READ_LEN, 0);
    let len = loop {
        match file.read(dst.get_mut(start..).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    dst.truncate(start + len);
    Ok(len)
}

/// Writes what is known only at the end.
fn patch(file: &mut File, recorder: FlvRecorder) -> Result<(), RecordError> {
    // What was held for a first frame that never came.
    let mut rest = BytesMut::new();
    let patches = recorder.finish(&mut rest).map_err(damaged)?;
    file.write_all(&rest)?;
    for patch in patches {
        write_patch(file, &patch)?;
    }
    Ok(())
}

fn write_patch(file: &mut File, patch: &FlvPatch) -> io::Result<()> {
    file.seek(SeekFrom::Start(patch.offset))?;
    file.write_all(&patch.bytes)
}
