//! Messages on their way to the peer: in which order their chunks leave.
//!
//! Nearly every message is encoded at once, whole. A long one waits and is encoded chunk by chunk as the output is
//! taken: on a slow line a keyframe takes seconds, and what is urgent must not wait for all of it (RTMP 1.0
//! section 5.3). Acknowledgements, pings and audio go between the chunks of video; everything else keeps its place.

use std::collections::VecDeque;

use bytes::BytesMut;
use tokio_util::codec::Encoder;

use super::OUTPUT_HIGH_WATER;
use crate::chunk::{ChunkEncoder, CutMessage, EncodeError, MessageType, RawMessage};

/// A message is cut if it is longer than this and than a chunk; and of one that is cut no further chunk is encoded
/// while the output has so many bytes.
const LONG: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    encoder: ChunkEncoder,
    output: BytesMut,
    /// The first one is being sent; the others came behind it.
    waiting: VecDeque<CutMessage>,
    /// Bytes of those that wait, the first one included.
    waiting_len: usize,
    /// Bytes of the messages that were encoded before others that had come earlier.
    overtaking_len: u64,
}

impl Outgoing {
    /// What can be written now. It holds whole chunks, and more follow when some of it is taken.
    pub(super) fn output(&mut self) -> &mut BytesMut {
        while self.output.len() < LONG && self.encode_chunk() {}
        &mut self.output
    }

    /// Bytes that the caller has not taken, in the output and behind it.
    pub(super) fn unsent_len(&self) -> usize {
        self.output.len().saturating_add(self.waiting_len)
    }

    pub(super) fn overtaking_len(&self) -> u64 {
        self.overtaking_len
    }

    /// Whether there is little in the output, and little behind the message that is being sent. That one does not
    /// count: however long it is, those that may overtake it are let in.
    pub(super) fn has_room(&self) -> bool {
        let first = self.waiting.front().map_or(0, CutMessage::wire_len);
        self.output.len() < OUTPUT_HIGH_WATER && self.waiting_len.saturating_sub(first) < OUTPUT_HIGH_WATER
    }

    pub(super) fn chunk_size(&self) -> u32 {
        self.encoder.chunk_size()
    }

    /// Sends `message`, with a full header if `is_full` or if it needs one.
    pub(super) fn send(&mut self, message: &RawMessage, is_full: bool) -> Result<(), EncodeError> {
        if message.message_type == MessageType::SetChunkSize {
            // Those that wait are cut for the old size, and some readers take a message's chunks to be alike.
            while self.encode_chunk() {}
        }
        let is_long = message.payload.len() > LONG.max(self.encoder.chunk_size() as usize);
        if !is_long && self.waiting.is_empty() {
            self.encode(message, is_full)
        } else if !is_long && self.may_overtake(message) {
            let before = self.output.len();
            self.encode(message, is_full)?;
            let added = self.output.len().saturating_sub(before) as u64;
            self.overtaking_len = self.overtaking_len.saturating_add(added);
            Ok(())
        } else {
            let cut = self.encoder.cut(message, is_full)?;
            self.waiting_len = self.waiting_len.saturating_add(cut.wire_len());
            self.waiting.push_back(cut);
            Ok(())
        }
    }

    fn encode(&mut self, message: &RawMessage, is_full: bool) -> Result<(), EncodeError> {
        if is_full {
            self.encoder.encode_full(message, &mut self.output)
        } else {
            self.encoder.encode(message, &mut self.output)
        }
    }

    /// Encodes a chunk of what waits. Says whether there was one.
    fn encode_chunk(&mut self) -> bool {
        let Some(first) = self.waiting.front_mut() else {
            return false;
        };
        let before = first.wire_len();
        let left = if first.write_chunk(&mut self.output) {
            self.waiting.pop_front();
            0
        } else {
            first.wire_len()
        };
        let written = before.saturating_sub(left);
        self.waiting_len = self.waiting_len.saturating_sub(written);
        true
    }

    /// What counts or pings the connection has to do with no other message. Audio passes video, but nothing that may
    /// say where a stream begins or ends: commands, data and events of a stream keep their places. On one chunk stream
    /// nothing passes.
    fn may_overtake(&self, message: &RawMessage) -> bool {
        let may_pass = |cut: &CutMessage| match message.message_type {
            MessageType::Audio => cut.message_type() == MessageType::Video,
            MessageType::Acknowledgement | MessageType::WindowAckSize | MessageType::SetPeerBandwidth => true,
            MessageType::UserControl => is_ping(message),
            _ => false,
        };
        self.waiting
            .iter()
            .all(|cut| cut.chunk_stream() != message.chunk_stream && may_pass(cut))
    }
}

/// Ping Request and Ping Response (section 7.1.7).
fn is_ping(message: &RawMessage) -> bool {
    matches!(message.payload.first_chunk(), Some([0, 6 | 7]))
}
