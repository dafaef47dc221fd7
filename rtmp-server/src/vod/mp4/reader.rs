//! Reading a film from any position: both tracks in turn, each as its samples lie in the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use rtmp_core::Timestamp;

use super::{Frame, Mp4Info, Track};
use crate::vod::VodError;
use crate::vod::reader::{BLOCK_LEN, Block};

/// How much is read of a track at a time.
const RUN_LEN: u64 = 128 << 10;

/// Reads a file from some position on.
#[derive(Debug)]
pub(in crate::vod) struct Mp4Reader {
    file: File,
    info: Arc<Mp4Info>,
    video: Cursor,
    audio: Cursor,
    owes_headers: bool,
}

/// A place in a track, and what was read there: samples that stand one behind the other.
#[derive(Debug, Default)]
struct Cursor {
    next: usize,
    run: Vec<u8>,
    run_offset: u64,
}

impl Mp4Reader {
    pub(in crate::vod) fn new(file: File, info: Arc<Mp4Info>) -> Self {
        Self {
            file,
            info,
            video: Cursor::default(),
            audio: Cursor::default(),
            owes_headers: true,
        }
    }

    /// Goes to the last keyframe that is shown no later than `position`, and to the audio from its time on.
    pub(in crate::vod) fn seek(&mut self, position: Duration) {
        let position = u64::try_from(position.as_millis()).unwrap_or(u64::MAX);
        let mut begin = position;
        self.video.next = 0;
        if let Some(video) = &self.info.video {
            let shown = |frame: &Frame| i64::from(frame.time).saturating_add(frame.composition_time.into());
            let is_before = |frame: &Frame| shown(frame) <= i64::try_from(position).unwrap_or(i64::MAX);
            let found = video
                .frames
                .iter()
                .rposition(|frame| frame.is_sync && is_before(frame));
            self.video.next = found.unwrap_or(0);
            begin = video
                .frames
                .get(self.video.next)
                .map_or(0, |frame| frame.time.into());
        }
        self.audio.next = self.info.audio.as_ref().map_or(0, |audio| {
            let behind = audio
                .frames
                .partition_point(|frame| u64::from(frame.time) < begin);
            // Beyond the end is the last frame.
            let last = audio.frames.len().saturating_sub(1);
            if self.info.video.is_some() {
                behind
            } else {
                behind.min(last)
            }
        });
        self.owes_headers = true;
    }

    /// Reads the next block.
    pub(in crate::vod) fn read(&mut self) -> Result<Block, VodError> {
        let mut block = Block::default();
        let mut len = 0;
        let info = Arc::clone(&self.info);
        while len < BLOCK_LEN {
            let frame =
                |track: &Option<Track>, cursor: &Cursor| track.as_ref()?.frames.get(cursor.next).copied();
            let (track, cursor, frame) =
                match (frame(&info.video, &self.video), frame(&info.audio, &self.audio)) {
                    (Some(video), audio) if audio.is_none_or(|audio| video.time <= audio.time) => {
                        (&info.video, &mut self.video, video)
                    }
                    (_, Some(audio)) => (&info.audio, &mut self.audio, audio),
                    (Some(_) | None, None) => {
                        block.is_end = true;
                        break;
                    }
                };
            let Some(track) = track else {
                break;
            };
            let at = Timestamp::from_millis(frame.time);
            if std::mem::take(&mut self.owes_headers) {
                let tracks = info.video.iter().chain(&info.audio);
                block
                    .messages
                    .extend(tracks.filter_map(|track| track.codec.sequence_header(at)));
            }
            let Some(data) = cursor.data(&mut self.file, &track.frames, frame)? else {
                return Err(VodError::Shrunk {
                    expected: info.len,
                    found: self.file.metadata()?.len(),
                });
            };
            // A frame whose composition time does not fit can not be sent; the others can.
            if let Ok(message) = track.codec.frame(at, frame.composition_time, frame.is_sync, data) {
                len = len.saturating_add(message.payload.len());
                block.messages.push(message);
            }
            cursor.next = cursor.next.saturating_add(1);
        }
        Ok(block)
    }
}

impl Cursor {
    /// The data of a frame, read with those that follow it without a gap; `None` if the file ends before it.
    fn data(&mut self, file: &mut File, frames: &[Frame], frame: Frame) -> io::Result<Option<&[u8]>> {
        let len = usize::try_from(frame.len).unwrap_or(usize::MAX);
        let place = |run_offset: u64| usize::try_from(frame.offset.checked_sub(run_offset)?).ok();
        let has_it = place(self.run_offset)
            .is_some_and(|at| self.run.len().checked_sub(at).is_some_and(|rest| rest >= len));
        if !has_it {
            let mut end = frame.offset.saturating_add(frame.len.into());
            for next in frames.iter().skip(self.next.saturating_add(1)) {
                let next_end = end.saturating_add(next.len.into());
                if next.offset != end || next_end.saturating_sub(frame.offset) > RUN_LEN {
                    break;
                }
                end = next_end;
            }
            file.seek(SeekFrom::Start(frame.offset))?;
            self.run.clear();
            file.take(end.saturating_sub(frame.offset))
                .read_to_end(&mut self.run)?;
            self.run_offset = frame.offset;
        }
        let data = place(self.run_offset).and_then(|at| self.run.get(at..at.checked_add(len)?));
        Ok(data)
    }
}
