//! What a decoder remembers of each chunk stream.

use std::collections::HashMap;

use bytes::Bytes;

use super::{ChunkError, ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use crate::Timestamp;

/// The least and the most that a payload buffer takes at first, in bytes.
const FIRST_ROOM: usize = 4096;
const MAX_FIRST_ROOM: usize = 65_536;

/// The last header of a chunk stream, and the message it has begun.
#[derive(Debug)]
pub(super) struct ChunkStream {
    pub(super) id: ChunkStreamId,
    /// Absolute time of the last message.
    pub(super) timestamp: Timestamp,
    /// What a type 3 chunk that starts a message adds to it.
    pub(super) delta: u32,
    /// The extended timestamp of the last header of type 0, 1 or 2, if it had one.
    pub(super) extended: Option<u32>,
    pub(super) length: usize,
    pub(super) message_type: MessageType,
    pub(super) stream: MessageStreamId,
    /// Whether a message has begun and is not complete.
    pub(super) in_message: bool,
    /// What has come of that message.
    pub(super) payload: Vec<u8>,
}

/// A chunk whose header was read: how much of its payload is still to come, and the chunk size of those behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) owed: usize,
    pub(super) size: usize,
}

impl ChunkStream {
    fn new(id: ChunkStreamId) -> Self {
        Self {
            id,
            timestamp: Timestamp::ZERO,
            delta: 0,
            extended: None,
            length: 0,
            message_type: MessageType::Other(0),
            stream: MessageStreamId::CONNECTION,
            in_message: false,
            payload: Vec::new(),
        }
    }

    /// Makes room for a part of the payload, of which `chunk` and what follows it in `input` is at hand: for the rest of
    /// the message if all of that is there, doubling otherwise; never on the strength of the announced length alone, nor
    /// beyond it.
    pub(super) fn make_room(&mut self, chunk: Chunk, input: &[u8]) {
        let len = self.payload.len();
        let more = chunk.owed.min(input.len());
        if self.payload.spare_capacity_mut().len() >= more {
            return;
        }
        let missing = self.length.saturating_sub(len);
        let room = input.len().clamp(FIRST_ROOM, MAX_FIRST_ROOM).max(len).max(more);
        let is_enough = room >= missing || self.has_rest_in(input, chunk);
        self.payload.reserve_exact(if is_enough { missing } else { room });
    }

    /// Whether `input`, which begins with the payload of a chunk, has all that is missing of the message.
    fn has_rest_in(&self, mut input: &[u8], Chunk { mut owed, size }: Chunk) -> bool {
        let mut missing = self.length.saturating_sub(self.payload.len());
        while let Some(behind) = input.get(owed..) {
            missing = missing.saturating_sub(owed);
            if missing == 0 {
                return true;
            }
            let Some(payload) = self.continuation(behind) else {
                return false;
            };
            input = payload;
            owed = size.min(missing);
        }
        false
    }

    /// What follows the header at the start of `input`, if that is the single byte of a type 3 chunk of this chunk
    /// stream.
    pub(super) fn continuation<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let (&first, rest) = input.split_first()?;
        // With an id above 63 the sum is beyond a byte, and no id is near the end of 32 bits.
        let is_ours = u32::from(first) == self.id.get().wrapping_add(0xC0) && self.extended.is_none();
        is_ours.then_some(rest)
    }

    /// Whether a chunk of `len` payload bytes is all of an audio or video message.
    pub(super) fn is_media_in_one_chunk(&self, len: usize) -> bool {
        len == self.length
            && self.payload.is_empty()
            && matches!(self.message_type, MessageType::Audio | MessageType::Video)
    }

    /// The message, now complete.
    pub(super) fn end_message(&mut self, payload: Bytes) -> RawMessage {
        self.in_message = false;
        RawMessage {
            chunk_stream: self.id,
            timestamp: self.timestamp,
            message_type: self.message_type,
            stream: self.stream,
            payload,
        }
    }
}

/// The chunk streams in use, found by id in constant time.
#[derive(Debug)]
pub(super) struct ChunkStreams {
    list: Vec<ChunkStream>,
    /// Place in `list` plus one of the ids with a one-byte header, which is nearly all that are ever used.
    low: [u32; 64],
    high: HashMap<ChunkStreamId, usize>,
}

impl Default for ChunkStreams {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            low: [0; 64],
            high: HashMap::new(),
        }
    }
}

impl ChunkStreams {
    pub(super) fn find(&self, id: ChunkStreamId) -> Option<usize> {
        match self.low.get(id.get() as usize) {
            Some(&place) => (place as usize).checked_sub(1),
            None => self.high.get(&id).copied(),
        }
    }

    pub(super) fn add(&mut self, id: ChunkStreamId, limit: usize) -> Result<usize, ChunkError> {
        let place = self.list.len();
        if place >= limit {
            let count = place.saturating_add(1);
            return Err(ChunkError::TooManyChunkStreams { count, limit });
        }
        match self.low.get_mut(id.get() as usize) {
            // There are 65598 ids at most, so a place fits.
            Some(low) => *low = (place as u32).saturating_add(1),
            None => {
                self.high.insert(id, place);
            }
        }
        self.list.push(ChunkStream::new(id));
        Ok(place)
    }

    /// The chunk stream at a place that [`find`](Self::find) or [`add`](Self::add) gave.
    #[expect(
        clippy::indexing_slicing,
        reason = "places are never removed, so one that was given out stays valid"
    )]
    pub(super) fn at(&mut self, place: usize) -> &mut ChunkStream {
        &mut self.list[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 60_000;
    const LENGTH: usize = 200_000;

    /// The payload of a message from its first chunk on, with a header in front of each further chunk.
    fn chunks() -> Vec<u8> {
        let payload = [0; LENGTH];
        payload.chunks(SIZE).collect::<Vec<_>>().join(&[0xC6][..])
    }

    /// The room that is made for the first chunk.
    fn first_room(input: &[u8]) -> usize {
        let mut stream = ChunkStream::new(ChunkStreamId::VIDEO);
        stream.length = LENGTH;
        let chunk = Chunk {
            owed: SIZE,
            size: SIZE,
        };
        stream.make_room(chunk, input);
        stream.payload.capacity()
    }

    #[test]
    fn a_long_message_that_is_there_as_a_whole_gets_its_room_at_once() {
        let input = chunks();
        assert_eq!(first_room(&input), LENGTH);
        assert_eq!(first_room(&[&input[..], &[0xC6; 100]].concat()), LENGTH);
    }

    #[test]
    fn a_long_message_gets_no_more_room_than_has_come_on_the_strength_of_its_length() {
        let input = chunks();
        assert_eq!(first_room(&input[..input.len() - 1]), MAX_FIRST_ROOM);
        // As many bytes, but of another chunk stream.
        let mut other = input.clone();
        other[3 * (SIZE + 1) - 1] = 0xC4;
        assert_eq!(first_room(&other), MAX_FIRST_ROOM);
        assert_eq!(first_room(&input[..100]), FIRST_ROOM);
    }
}
