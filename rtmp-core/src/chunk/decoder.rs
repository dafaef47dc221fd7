//! Puts chunks together into messages (RTMP 1.0 section 5.3.1).
//!
//! Feed it whatever the socket gave; it yields whole messages and keeps the rest. Set Chunk Size and Abort Message
//! act here, because the next header already depends on them; they are handed on all the same.

use std::mem;
use std::ops::RangeInclusive;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::header::{BasicHeader, ChunkFormat, MessageHeader};
use super::streams::{Chunk, ChunkStream, ChunkStreams};
use super::{ChunkError, ChunkStreamId, DEFAULT_CHUNK_SIZE, MAX_CHUNK_SIZE, MessageType, RawMessage};
use crate::Limits;

/// The messages that are not copied, by their lengths in bytes. Shorter ones are copied in no time, and should not keep
/// a read buffer that is many times larger; longer ones seldom come in one read, and would make the buffer grow.
const SHARED_LEN: RangeInclusive<usize> = 4096..=65_536;

/// Decodes a peer's chunk stream into [`RawMessage`]s.
///
/// # Memory
///
/// Payloads are copied out of the read buffer, so that a message that is kept does not keep the buffer, except for
/// audio and video messages of 4 KiB to 64 KiB that one chunk holds: these are slices of it and cost no copy. Such a
/// slice keeps the whole buffer in memory: with buffers of at most `n` bytes, up to `n / 4096` times its own length.
/// Who keeps messages for long, or on behalf of a peer that may want to waste memory, copies them
/// (`Bytes::copy_from_slice`). Until such a message is there as a whole, it stays in the buffer.
///
/// # Tolerance
///
/// Tolerated, because real peers do it: ids in a longer form than needed; a type 1 chunk as the first of a chunk
/// stream (librtmp); a new header of the same length and type inside a message, which continues it; extended
/// timestamps that type 3 chunks do not repeat (old encoders), or repeat as absolute time.
///
/// # Errors
///
/// After an error the place of the next header is unknown and every further call fails to make sense: close the
/// connection.
#[derive(Debug)]
pub struct ChunkDecoder {
    limits: Limits,
    chunk_size: usize,
    streams: ChunkStreams,
    state: State,
    partial_messages: usize,
    partial_bytes: usize,
    /// The peer was seen to leave extended timestamps out of type 3 chunks.
    peer_omits_extended: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    /// Inside a chunk of the stream at `place`, which still owes this many payload bytes.
    Payload {
        place: usize,
        owed: usize,
    },
}

/// A message that is complete.
enum Complete {
    Copied(RawMessage),
    /// The payload of the chunk stream at `place` is the next `len` bytes of the input.
    Next {
        place: usize,
        len: usize,
    },
}

impl Default for ChunkDecoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl ChunkDecoder {
    /// A decoder at the start of a chunk stream, behind the handshake. Of the limits it knows those of messages and
    /// chunk streams.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_size: DEFAULT_CHUNK_SIZE as usize,
            streams: ChunkStreams::default(),
            state: State::Header,
            partial_messages: 0,
            partial_bytes: 0,
            peer_omits_extended: false,
        }
    }

    /// The chunk size that the peer has announced, in bytes; 128 until then.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size as u32
    }

    /// Replaces the limits, for instance when a peer has earned larger ones. They bind from the next chunk on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes bytes off the front of `input` until they complete a message, or the rest of one is what comes next.
    fn next_message(&mut self, input: &mut &[u8]) -> Result<Option<Complete>, ChunkError> {
        loop {
            let (place, mut owed) = match self.state {
                State::Payload { place, owed } => (place, owed),
                State::Header => match self.read_header(input)? {
                    Some(chunk) => chunk,
                    None => return Ok(None),
                },
            };
            loop {
                let stream = self.streams.at(place);
                if stream.is_media_in_one_chunk(owed) && SHARED_LEN.contains(&owed) {
                    if input.len() < owed {
                        self.state = State::Payload { place, owed };
                        return Ok(None);
                    }
                    self.state = State::Header;
                    return Ok(Some(Complete::Next { place, len: owed }));
                }
                let (part, rest) = input.split_at(owed.min(input.len()));
                let size = self.chunk_size;
                stream.make_room(Chunk { owed, size }, input);
                stream.payload.extend_from_slice(part);
                *input = rest;
                if part.len() < owed {
                    let owed = owed.saturating_sub(part.len());
                    self.state = State::Payload { place, owed };
                    return Ok(None);
                }
                self.state = State::Header;
                if stream.payload.len() == stream.length {
                    let payload = mem::take(&mut stream.payload);
                    let message = self.take_message(place, payload.into());
                    self.obey(&message)?;
                    return Ok(Some(Complete::Copied(message)));
                }
                // Mostly the message goes on at once: no need then to look its chunk stream up again.
                match stream.continuation(input) {
                    Some(rest) => *input = rest,
                    None => break,
                }
                owed = self.begin_chunk(place)?;
            }
        }
    }

    /// The message of the chunk stream at `place`, which is complete.
    fn take_message(&mut self, place: usize, payload: Bytes) -> RawMessage {
        self.partial_messages = self.partial_messages.saturating_sub(1);
        self.partial_bytes = self.partial_bytes.saturating_sub(payload.len());
        self.streams.at(place).end_message(payload)
    }

    /// Takes a header off `input`: the place of its chunk stream and the payload length of its chunk, or `None` if
    /// more bytes are needed. State changes only when the header is there as a whole.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<(usize, usize)>, ChunkError> {
        let Some((BasicHeader { format, chunk_stream }, rest)) = BasicHeader::parse(input) else {
            return Ok(None);
        };
        let known = self.streams.find(chunk_stream);
        let (place, rest) = if format == ChunkFormat::Nothing {
            let Some(place) = known else {
                return Err(missing_header(chunk_stream, format));
            };
            match self.repeat_header(place, rest) {
                Some(rest) => (place, rest),
                None => return Ok(None),
            }
        } else {
            let Some((header, rest)) = MessageHeader::parse(format, rest) else {
                return Ok(None);
            };
            let place = match known {
                Some(place) => place,
                None if format == ChunkFormat::TimeOnly => return Err(missing_header(chunk_stream, format)),
                None => self.streams.add(chunk_stream, self.limits.max_chunk_streams)?,
            };
            self.apply_header(place, header)?;
            (place, rest)
        };
        *input = rest;
        Ok(Some((place, self.begin_chunk(place)?)))
    }

    /// Counts a chunk against the limits, before any of its payload is taken: the length of that payload.
    fn begin_chunk(&mut self, place: usize) -> Result<usize, ChunkError> {
        let stream = self.streams.at(place);
        if !stream.in_message {
            if stream.length > self.limits.max_message_len {
                return Err(ChunkError::MessageTooLong {
                    chunk_stream: stream.id,
                    length: stream.length,
                    limit: self.limits.max_message_len,
                });
            }
            stream.in_message = true;
            self.partial_messages = self.partial_messages.saturating_add(1);
            if self.partial_messages > self.limits.max_partial_messages {
                return Err(ChunkError::TooManyPartialMessages {
                    count: self.partial_messages,
                    limit: self.limits.max_partial_messages,
                });
            }
        }
        let owed = stream
            .length
            .saturating_sub(stream.payload.len())
            .min(self.chunk_size);
        self.partial_bytes = self.partial_bytes.saturating_add(owed);
        if self.partial_bytes > self.limits.max_partial_bytes {
            return Err(ChunkError::PartialMessagesTooLong {
                length: self.partial_bytes,
                limit: self.limits.max_partial_bytes,
            });
        }
        Ok(owed)
    }

    /// Takes over the fields of a type 0, 1 or 2 header, which starts a message or, inside one, continues it.
    fn apply_header(&mut self, place: usize, header: MessageHeader) -> Result<(), ChunkError> {
        let stream = self.streams.at(place);
        let (length, message_type) = header.message.unwrap_or((stream.length, stream.message_type));
        if stream.in_message {
            let same_stream = header.stream.is_none_or(|id| id == stream.stream);
            if length == stream.length && message_type == stream.message_type && same_stream {
                // Some encoders send whole headers on continuation chunks; the message keeps its time.
                stream.extended = header.extended.then_some(header.time);
                return Ok(());
            }
            if header.stream.is_none() {
                let received = stream.payload.len();
                return Err(ChunkError::LengthChanged {
                    chunk_stream: stream.id,
                    received,
                    length,
                });
            }
            // A type 0 header describes a new message completely: the old one was given up.
            Self::drop_partial(stream, &mut self.partial_messages, &mut self.partial_bytes);
        }
        match header.stream {
            Some(id) => {
                stream.stream = id;
                stream.timestamp = crate::Timestamp::from_millis(header.time);
            }
            None => stream.timestamp = stream.timestamp.wrapping_add(header.time),
        }
        // After type 0 a message that starts with type 3 adds the absolute time again (5.3.1.2.4).
        stream.delta = header.time;
        stream.extended = header.extended.then_some(header.time);
        stream.length = length;
        stream.message_type = message_type;
        Ok(())
    }

    /// Applies a type 3 header: what follows it and its extended timestamp, or `None` if more bytes are needed to
    /// tell whether it has one.
    fn repeat_header<'a>(&mut self, place: usize, rest: &'a [u8]) -> Option<&'a [u8]> {
        let stream = self.streams.at(place);
        let mut behind = rest;
        if let Some(extended) = stream.extended
            && !self.peer_omits_extended
        {
            if !stream.in_message {
                let (value, after) = rest.split_first_chunk()?;
                stream.delta = u32::from_be_bytes(*value);
                stream.extended = Some(stream.delta);
                behind = after;
            } else if starts_with_either(rest, extended, stream.timestamp.as_millis())? {
                behind = rest.get(4..)?;
            } else {
                self.peer_omits_extended = true;
            }
        }
        if !stream.in_message {
            stream.timestamp = stream.timestamp.wrapping_add(stream.delta);
        }
        Some(behind)
    }

    /// Acts on the two messages that change the chunk stream itself.
    fn obey(&mut self, message: &RawMessage) -> Result<(), ChunkError> {
        if !matches!(
            message.message_type,
            MessageType::SetChunkSize | MessageType::Abort
        ) {
            return Ok(());
        }
        let Some(field) = message.payload.first_chunk() else {
            let length = message.payload.len();
            return Err(ChunkError::ShortBody {
                message_type: message.message_type,
                length,
            });
        };
        let value = u32::from_be_bytes(*field);
        if message.message_type == MessageType::Abort {
            if let Some(place) = ChunkStreamId::new(value).and_then(|id| self.streams.find(id)) {
                let stream = self.streams.at(place);
                Self::drop_partial(stream, &mut self.partial_messages, &mut self.partial_bytes);
            }
            return Ok(());
        }
        if !(1..=MAX_CHUNK_SIZE).contains(&value) {
            return Err(ChunkError::InvalidChunkSize { size: value });
        }
        self.chunk_size = value as usize;
        Ok(())
    }

    /// Forgets the message in progress; its header stays, and its time is the base of the next delta.
    fn drop_partial(stream: &mut ChunkStream, partial_messages: &mut usize, partial_bytes: &mut usize) {
        if stream.in_message {
            stream.in_message = false;
            *partial_messages = partial_messages.saturating_sub(1);
            *partial_bytes = partial_bytes.saturating_sub(stream.payload.len());
            stream.payload = Vec::new();
        }
    }
}

impl Decoder for ChunkDecoder {
    type Item = RawMessage;
    type Error = ChunkError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<RawMessage>, ChunkError> {
        let mut input = src.as_ref();
        let complete = self.next_message(&mut input);
        let taken = src.len().saturating_sub(input.len());
        src.advance(taken);
        Ok(complete?.map(|complete| match complete {
            Complete::Copied(message) => message,
            Complete::Next { place, len } => self.take_message(place, src.split_to(len).freeze()),
        }))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<RawMessage>, ChunkError> {
        match self.decode(src)? {
            Some(message) => Ok(Some(message)),
            None if src.is_empty() && matches!(self.state, State::Header) => Ok(None),
            None => Err(ChunkError::Truncated),
        }
    }
}

/// Whether `input` starts with `a` or `b`; `None` while it is too short to tell.
fn starts_with_either(input: &[u8], a: u32, b: u32) -> Option<bool> {
    let seen = input.get(..4).unwrap_or(input);
    if !a.to_be_bytes().starts_with(seen) && !b.to_be_bytes().starts_with(seen) {
        return Some(false);
    }
    (seen.len() == 4).then_some(true)
}

fn missing_header(chunk_stream: ChunkStreamId, format: ChunkFormat) -> ChunkError {
    ChunkError::MissingHeader {
        chunk_stream,
        format: format.number(),
    }
}
