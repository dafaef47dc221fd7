//! A chunk decoder that is slow and plain: all input at once, a message in a list of bytes, counts by counting.
//!
//! It follows RTMP 1.0 section 5.3.1 and what `ChunkDecoder` says that it tolerates, and shares no code with it.

use std::collections::BTreeMap;

use rtmp_core::Timestamp;
use rtmp_core::chunk::{ChunkError, ChunkStreamId, MessageStreamId, MessageType, RawMessage};

/// The numbers in [`rtmp_core::Limits`], which does not show them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) message_len: usize,
    pub(crate) partial_messages: usize,
    pub(crate) partial_bytes: usize,
    pub(crate) chunk_streams: usize,
}

impl From<Limits> for rtmp_core::Limits {
    fn from(limits: Limits) -> Self {
        Self::default()
            .max_message_len(limits.message_len)
            .max_partial_messages(limits.partial_messages)
            .max_partial_bytes(limits.partial_bytes)
            .max_chunk_streams(limits.chunk_streams)
    }
}

#[derive(Debug)]
struct Model {
    limits: Limits,
    chunk_size: usize,
    streams: BTreeMap<u32, Stream>,
    peer_omits_extended: bool,
}

#[derive(Debug, Default)]
struct Stream {
    time: u32,
    delta: u32,
    extended: Option<u32>,
    length: usize,
    message_type: u8,
    message_stream: u32,
    /// What has come of the message that is not complete.
    partial: Option<Vec<u8>>,
}

/// The messages in `input`, and the error behind them.
pub(crate) fn decode(limits: Limits, mut input: &[u8]) -> (Vec<RawMessage>, Result<(), ChunkError>) {
    let mut model = Model {
        limits,
        chunk_size: 128,
        streams: BTreeMap::new(),
        peer_omits_extended: false,
    };
    let mut messages = Vec::new();
    loop {
        match model.chunk(&mut input) {
            Ok(Some(Some(message))) => {
                let obeyed = model.obey(&message);
                // What can not be obeyed is not handed on.
                if let Err(error) = obeyed {
                    return (messages, Err(error));
                }
                messages.push(message);
            }
            Ok(Some(None)) => {}
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

/// Takes so many bytes, or none.
fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(taken)
}

fn big_endian(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rfold(0, |number, byte| number << 8 | u32::from(*byte))
}

impl Model {
    /// Takes one chunk: `None` if it is not there as a whole, otherwise the message if it completes one.
    fn chunk(&mut self, input: &mut &[u8]) -> Result<Option<Option<RawMessage>>, ChunkError> {
        let Some(id) = self.header(input)? else {
            return Ok(None);
        };
        let chunk_stream = ChunkStreamId::new(id).expect("ids on the wire begin at 2");
        let limits = self.limits;
        let stream = self.streams.get_mut(&id).expect("a header came");
        if stream.partial.is_none() && stream.length > limits.message_len {
            let (length, limit) = (stream.length, limits.message_len);
            return Err(ChunkError::MessageTooLong {
                chunk_stream,
                length,
                limit,
            });
        }
        let received = stream.partial.get_or_insert_default().len();
        let len = (stream.length - received).min(self.chunk_size);
        let partials = || self.streams.values().filter_map(|stream| stream.partial.as_ref());
        if partials().count() > limits.partial_messages {
            return Err(ChunkError::TooManyPartialMessages {
                count: partials().count(),
                limit: limits.partial_messages,
            });
        }
        let length = partials().map(Vec::len).sum::<usize>() + len;
        if length > limits.partial_bytes {
            return Err(ChunkError::PartialMessagesTooLong {
                length,
                limit: limits.partial_bytes,
            });
        }
        let Some(part) = take(input, len) else {
            return Ok(None);
        };
        let stream = self.streams.get_mut(&id).expect("a header came");
        let partial = stream.partial.get_or_insert_default();
        partial.extend_from_slice(part);
        if partial.len() < stream.length {
            return Ok(Some(None));
        }
        Ok(Some(Some(RawMessage {
            chunk_stream,
            timestamp: Timestamp::from_millis(stream.time),
            message_type: MessageType::from(stream.message_type),
            stream: MessageStreamId::new(stream.message_stream),
            payload: stream.partial.take().unwrap_or_default().into(),
        })))
    }

    /// Takes a header: the chunk stream, or `None` if it is not there as a whole.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<u32>, ChunkError> {
        let Some(first) = take(input, 1) else {
            return Ok(None);
        };
        let (format, low) = (first[0] >> 6, u32::from(first[0] & 63));
        let id = match low {
            0 => take(input, 1).map(|id| 64 + u32::from(id[0])),
            1 => take(input, 2).map(|id| 64 + little_endian(id)),
            id => Some(id),
        };
        let Some(id) = id else { return Ok(None) };
        let chunk_stream = ChunkStreamId::new(id).expect("ids on the wire begin at 2");
        let is_known = self.streams.contains_key(&id);
        let missing = Err(ChunkError::MissingHeader { chunk_stream, format });
        if format == 3 {
            return if is_known {
                Ok(self.repeat(id, input).map(|()| id))
            } else {
                missing
            };
        }

        let Some(fields) = take(input, [11, 7, 3][usize::from(format)]) else {
            return Ok(None);
        };
        let mut time = big_endian(&fields[..3]);
        let mut extended = None;
        if time == 0xFF_FFFF {
            let Some(field) = take(input, 4) else {
                return Ok(None);
            };
            time = big_endian(field);
            extended = Some(time);
        }
        if !is_known {
            if format == 2 {
                return missing;
            }
            if self.streams.len() >= self.limits.chunk_streams {
                return Err(ChunkError::TooManyChunkStreams {
                    count: self.streams.len() + 1,
                    limit: self.limits.chunk_streams,
                });
            }
        }
        let stream = self.streams.entry(id).or_default();
        let length = fields
            .get(3..6)
            .map_or(stream.length, |length| big_endian(length) as usize);
        let message_type = fields.get(6).copied().unwrap_or(stream.message_type);
        let message_stream = fields
            .get(7..)
            .filter(|field| !field.is_empty())
            .map(little_endian);
        if let Some(partial) = &stream.partial {
            let is_same = (
                length,
                message_type,
                message_stream.unwrap_or(stream.message_stream),
            ) == (stream.length, stream.message_type, stream.message_stream);
            if is_same {
                stream.extended = extended;
                return Ok(Some(id));
            }
            if format != 0 {
                let received = partial.len();
                return Err(ChunkError::LengthChanged {
                    chunk_stream,
                    received,
                    length,
                });
            }
            stream.partial = None;
        }
        stream.time = if format == 0 {
            time
        } else {
            stream.time.wrapping_add(time)
        };
        stream.delta = time;
        stream.extended = extended;
        stream.length = length;
        stream.message_type = message_type;
        stream.message_stream = message_stream.unwrap_or(stream.message_stream);
        Ok(Some(id))
    }

    /// Takes what follows the basic header of a type 3 chunk; `None` if it is not there as a whole.
    fn repeat(&mut self, id: u32, input: &mut &[u8]) -> Option<()> {
        let stream = self.streams.get_mut(&id)?;
        let is_inside = stream.partial.is_some();
        if let Some(extended) = stream.extended
            && !self.peer_omits_extended
        {
            if is_inside {
                let seen = &input[..input.len().min(4)];
                let repeats = |value: u32| value.to_be_bytes().starts_with(seen);
                if repeats(extended) || repeats(stream.time) {
                    take(input, 4)?;
                } else {
                    self.peer_omits_extended = true;
                }
            } else {
                stream.delta = big_endian(take(input, 4)?);
                stream.extended = Some(stream.delta);
            }
        }
        if !is_inside {
            stream.time = stream.time.wrapping_add(stream.delta);
        }
        Some(())
    }

    /// Set Chunk Size and Abort act on what follows.
    fn obey(&mut self, message: &RawMessage) -> Result<(), ChunkError> {
        let (message_type, length) = (message.message_type, message.payload.len());
        if !matches!(message_type, MessageType::SetChunkSize | MessageType::Abort) {
            return Ok(());
        }
        let field = message
            .payload
            .get(..4)
            .ok_or(ChunkError::ShortBody { message_type, length })?;
        let value = big_endian(field);
        if message_type == MessageType::Abort {
            if let Some(stream) = self.streams.get_mut(&value) {
                stream.partial = None;
            }
            return Ok(());
        }
        if value == 0 || value > i32::MAX as u32 {
            return Err(ChunkError::InvalidChunkSize { size: value });
        }
        self.chunk_size = value as usize;
        Ok(())
    }
}
