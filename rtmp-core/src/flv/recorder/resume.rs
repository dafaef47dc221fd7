//! Finds out how to go on with a file.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_amf::amf0::Value;
use tokio_util::codec::Decoder;

use super::{
    Clock, FlvPatch, FlvRecorder, Held, KEYFRAMES, KeyframeIndex, MAX_INDEX_CAPACITY, METADATA_OFFSET,
    NUMBERS_PER_ENTRY, OURS, Opening, PADDING,
};
use crate::MediaMessage;
use crate::flv::header::PREVIOUS_TAG_SIZE_LEN;
use crate::flv::{FlvDecoder, FlvError, Metadata, Tag};

/// Reads a file, so that a [`FlvRecorder`] can go on behind its last whole tag, or finish it at once.
///
/// Give it the file piece by piece, then [`finish`](Self::finish). The time of the recorder goes on where the last
/// frame ends. If the file is another program's, its metadata keep their place, and only the numbers in them that there
/// are can be brought up to date.
///
/// ```
/// use bytes::BytesMut;
/// use rtmp_core::flv::{FlvError, FlvRecorder, FlvResume};
/// use rtmp_core::{MediaMessage, Timestamp};
///
/// # fn main() -> Result<(), FlvError> {
/// let frame = MediaMessage::video(Timestamp::ZERO, &b"\x17\x01\0\0\0\x65"[..]);
/// let mut file = BytesMut::new();
/// FlvRecorder::new().record(&frame, &mut file)?; // and then the power failed
/// file.truncate(file.len() - 9);
///
/// let mut resume = FlvResume::new();
/// resume.read(&mut file.clone())?; // or in pieces
/// match resume.finish(&mut BytesMut::new())? {
///     Some((mut recorder, end)) => {
///         file.truncate(end.offset as usize); // or seek there, write and cut
///         file.extend_from_slice(&end.bytes);
///         recorder.record(&frame, &mut file)?;
///     }
///     None => file.clear(), // there is not one whole tag: begin anew
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FlvResume {
    decoder: FlvDecoder,
    recorder: FlvRecorder,
    has_tags: bool,
    has_frames: bool,
}

impl FlvResume {
    /// Begins at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            decoder: FlvDecoder::new(),
            recorder: FlvRecorder {
                opening: Opening::Bare,
                index_capacity: 0,
                index: KeyframeIndex::new(0),
                ..FlvRecorder::new()
            },
            has_tags: false,
            has_frames: false,
        }
    }

    /// Takes the next bytes of the file. What belongs to a tag that has not ended stays in `src`; add to it.
    ///
    /// # Errors
    ///
    /// [`FlvError`] if it is no FLV file, or one that was put together of several.
    pub fn read(&mut self, src: &mut BytesMut) -> Result<(), FlvError> {
        while let Some(tag) = self.decoder.decode(src)? {
            self.note(tag);
        }
        self.check_pieces()
    }

    /// There is no more. Gives the recorder, and how to end the file before it goes on: write the bytes at their
    /// offset, and cut off what stands behind them. `None` if there is not one whole tag.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn finish(mut self, src: &mut BytesMut) -> Result<Option<(FlvRecorder, FlvPatch)>, FlvError> {
        loop {
            match self.decoder.decode_eof(src) {
                Ok(Some(tag)) => self.note(tag),
                Ok(None) | Err(FlvError::TruncatedTag { .. } | FlvError::TruncatedHeader { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        self.check_pieces()?;
        if !self.has_tags {
            return Ok(None);
        }
        let mut recorder = self.recorder;
        let offset = recorder.offset.saturating_sub(PREVIOUS_TAG_SIZE_LEN as u64);
        // The last tag's size is written anew: the file may end within it.
        let size = u32::try_from(offset.saturating_sub(self.decoder.tag_offset())).unwrap_or(0);
        recorder.goes_on = true;
        recorder.held = Some(Held::default());
        let end = FlvPatch {
            offset,
            bytes: size.to_be_bytes().to_vec().into(),
        };
        Ok(Some((recorder, end)))
    }

    fn note(&mut self, tag: Tag) {
        let offset = self.decoder.tag_offset();
        let end = offset.saturating_add(Tag::file_len(tag.payload.len()) as u64);
        let message = MediaMessage::from(tag);
        if !self.has_tags && offset == METADATA_OFFSET && message.kind.is_data() {
            self.note_metadata(&message);
        }
        self.has_tags = true;
        let recorder = &mut self.recorder;
        let time = Duration::from_millis(message.timestamp.as_millis().into());
        if message.is_coded_frames() {
            if !std::mem::replace(&mut self.has_frames, true) {
                recorder.clock = Clock::starting_at(time);
            }
            recorder.clock.frame(message.kind, message.timestamp);
        }
        recorder.offset = offset;
        recorder.note(&message, time);
        recorder.offset = end;
    }

    fn note_metadata(&mut self, message: &MediaMessage) {
        let Ok(metadata) = Metadata::parse(&message.payload) else {
            return;
        };
        let payload_len = message.payload.len();
        let recorder = &mut self.recorder;
        let properties = metadata.into_properties();
        if let Some(capacity) = index_capacity(&properties) {
            let mut kept = properties.clone();
            for ours in OURS {
                kept.remove(ours);
            }
            recorder.properties = kept;
            recorder.index_capacity = capacity;
            recorder.index = KeyframeIndex::new(capacity);
            recorder.opening = Opening::Ours { is_written: true };
            if recorder.metadata().is_ok_and(|ours| ours.len() == payload_len) {
                return;
            }
            recorder.index_capacity = 0;
            recorder.index = KeyframeIndex::new(0);
        }
        recorder.opening = Opening::Foreign {
            properties,
            payload_len,
        };
    }

    /// Times behind a second file header count from there, so nothing could go on behind them.
    fn check_pieces(&self) -> Result<(), FlvError> {
        match self.decoder.irregularities().appended_files {
            0 => Ok(()),
            _ => Err(FlvError::SeveralFiles),
        }
    }
}

impl Default for FlvResume {
    fn default() -> Self {
        Self::new()
    }
}

/// How many keyframes there is room for in metadata of ours.
fn index_capacity(properties: &rtmp_amf::amf0::Object) -> Option<usize> {
    let room = properties.get(PADDING)?.as_array()?.len() / NUMBERS_PER_ENTRY;
    let index = properties.get(KEYFRAMES)?.as_object()?;
    let entries = index.get("times").and_then(Value::as_array)?.len();
    let capacity = room.saturating_add(entries);
    (capacity <= MAX_INDEX_CAPACITY).then_some(capacity)
}
