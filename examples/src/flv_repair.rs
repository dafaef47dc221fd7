//! Makes a sound FLV file of one that was broken off, damaged, or never had duration and index.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvError, FlvRecorder};

use crate::flv_scan::{FileEnd, FlvFile, FlvFileError};

/// What a repair has made.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// The sound file.
    pub path: PathBuf,
    /// How long it plays.
    pub duration: Duration,
    /// Whole tags that were taken over.
    pub tags: u64,
    /// Tags that were left out, because no file can hold them.
    pub refused_tags: u64,
    /// How the broken file ended.
    pub end: FileEnd,
}

/// Copies all whole tags of `input` to a new file, with duration and keyframe index in front. That file takes the place
/// of `output`, or of the input, only when it is complete; whatever fails before leaves both as they were.
///
/// # Errors
///
/// [`FlvFileError`].
pub fn repair(input: &Path, output: Option<&Path>) -> Result<Repaired, FlvFileError> {
    let target = output.unwrap_or(input);
    let mut file = FlvFile::open(input)?;
    let mut keyframes = 0;
    let mut tags = 0_u64;
    file.scan(|tag, _| {
        tags += 1;
        keyframes += usize::from(MediaMessage::from(tag).is_keyframe_of(0));
        Ok(())
    })?;
    if tags == 0 {
        return Err(FlvFileError::Empty { path: input.into() });
    }
    let draft = Draft::beside(target)?;
    let repaired = draft.write(&mut file, keyframes);
    let repaired = repaired.and_then(|(duration, tags, refused_tags, end)| {
        let path = target.to_owned();
        draft.take_the_place_of(input, target)?;
        Ok(Repaired {
            path,
            duration,
            tags,
            refused_tags,
            end,
        })
    });
    if repaired.is_err() {
        // There is an error already that says more.
        let _ = fs::remove_file(&draft.path);
    }
    repaired
}

/// A new file beside the one whose place it is to take.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn beside(target: &Path) -> Result<Self, FlvFileError> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = target.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(FlvFileError::Open { path, source }),
        }
    }

    fn write(
        &self,
        input: &mut FlvFile,
        keyframes: usize,
    ) -> Result<(Duration, u64, u64, FileEnd), FlvFileError> {
        let failed = |source: io::Error| FlvFileError::Write {
            path: self.path.clone(),
            source,
        };
        // Times stay as they are, so that the file is the same for who knows it.
        let mut recorder = FlvRecorder::new().rebase(false).index_capacity(keyframes);
        let mut file = BufWriter::new(&self.file);
        let mut buffer = BytesMut::new();
        let (mut tags, mut refused_tags) = (0, 0);
        let end = input.scan(|tag, _| {
            tags += 1;
            refused_tags += u64::from(recorder.record(&tag.into(), &mut buffer).is_err());
            file.write_all(&buffer).map_err(failed)?;
            buffer.clear();
            Ok(())
        })?;
        let duration = recorder.duration();
        let patches = recorder
            .finish(&mut buffer)
            .map_err(|source: FlvError| FlvFileError::Format {
                path: input.path().into(),
                source,
            })?;
        file.write_all(&buffer).map_err(failed)?;
        for patch in patches {
            file.seek(SeekFrom::Start(patch.offset)).map_err(failed)?;
            file.write_all(&patch.bytes).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        drop(file);
        // Before the broken file goes, this one must be where a loss of power can not reach it.
        self.file.sync_all().map_err(failed)?;
        Ok((duration, tags - refused_tags, refused_tags, end))
    }

    fn take_the_place_of(&self, input: &Path, target: &Path) -> Result<(), FlvFileError> {
        let renamed = fs::metadata(input)
            .and_then(|metadata| fs::set_permissions(&self.path, metadata.permissions()))
            .and_then(|()| fs::rename(&self.path, target));
        renamed.map_err(|source| FlvFileError::Write {
            path: target.into(),
            source,
        })
    }
}
