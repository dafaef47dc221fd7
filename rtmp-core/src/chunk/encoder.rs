//! Cuts messages into chunks (RTMP 1.0 section 5.3.1).

use std::collections::HashMap;
use std::num::NonZero;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Encoder;

use super::cut::CutMessage;
use super::framed::{RepeatHeader, checked_len, full_len, write_full_header, write_payload};
use super::header::{BasicHeader, ChunkFormat, EXTENDED_MARK, put_u24};
use super::{
    ChunkStreamId, DEFAULT_CHUNK_SIZE, EncodeError, MAX_CHUNK_SIZE, MessageStreamId, MessageType, RawMessage,
};
use crate::Timestamp;

/// Encodes [`RawMessage`]s as chunks, each with the shortest header that every known peer reads alike.
///
/// A full header is used for the first message of a chunk stream, for data messages, when time goes back or the
/// message stream changes, and whenever the time needs an extended timestamp: deltas in that field are read
/// differently by different servers. A message never starts with a type 3 header behind a type 0 one, for the
/// same reason.
#[derive(Debug)]
pub struct ChunkEncoder {
    chunk_size: u32,
    headers: LastHeaders,
}

#[derive(Clone, Copy, Debug)]
struct LastHeader {
    timestamp: Timestamp,
    /// The delta of the last header of type 1 or 2; none after type 0.
    delta: Option<u32>,
    length: u32,
    message_type: MessageType,
    stream: MessageStreamId,
}

impl Default for ChunkEncoder {
    fn default() -> Self {
        Self {
            chunk_size: DEFAULT_CHUNK_SIZE,
            headers: LastHeaders::default(),
        }
    }
}

/// The last header of each chunk stream.
#[derive(Debug)]
struct LastHeaders {
    list: Vec<LastHeader>,
    /// Place in `list` plus one of the ids with a one-byte header, which is nearly all that are ever used.
    low: [u8; 64],
    high: HashMap<ChunkStreamId, LastHeader>,
}

impl Default for LastHeaders {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            low: [0; 64],
            high: HashMap::new(),
        }
    }
}

impl LastHeaders {
    fn get(&self, id: ChunkStreamId) -> Option<LastHeader> {
        match self.low.get(id.get() as usize) {
            Some(&place) => self.list.get(usize::from(place).checked_sub(1)?).copied(),
            None => self.high.get(&id).copied(),
        }
    }

    fn set(&mut self, id: ChunkStreamId, header: LastHeader) {
        let Some(place) = self.low.get_mut(id.get() as usize) else {
            self.high.insert(id, header);
            return;
        };
        match usize::from(*place)
            .checked_sub(1)
            .and_then(|at| self.list.get_mut(at))
        {
            Some(last) => *last = header,
            None => {
                self.list.push(header);
                // There is one for each place of `low` at most.
                *place = self.list.len() as u8;
            }
        }
    }
}

impl ChunkEncoder {
    /// The chunk size that was announced to the peer, in bytes; 128 until a Set Chunk Size message is encoded.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Encodes `message` with a full header whatever came before it, as sequence headers and the first message
    /// behind a seek deserve.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; nothing was appended then.
    pub fn encode_full(&mut self, message: &RawMessage, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_after(None, message, dst)
    }

    fn encode_after(
        &mut self,
        last: Option<LastHeader>,
        message: &RawMessage,
        dst: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let length = checked_len(message)?;
        let new_chunk_size = announced_chunk_size(message)?;
        dst.reserve(full_len(message, self.chunk_size));
        let extended = self.write_header(last, message, length, dst);
        write_payload(message, self.chunk_size, extended, dst);
        if let Some(size) = new_chunk_size {
            self.chunk_size = size;
        }
        Ok(())
    }

    /// Takes `message` to be encoded chunk by chunk; what is encoded meanwhile must be on other chunk streams, and must
    /// not change the chunk size.
    pub(crate) fn cut(&mut self, message: &RawMessage, is_full: bool) -> Result<CutMessage, EncodeError> {
        let length = checked_len(message)?;
        let last = if is_full {
            None
        } else {
            self.headers.get(message.chunk_stream)
        };
        let mut header = BytesMut::new();
        let extended = self.write_header(last, message, length, &mut header);
        let repeat = RepeatHeader::new(message.chunk_stream, extended);
        Ok(CutMessage {
            chunk_stream: message.chunk_stream,
            message_type: message.message_type,
            header: header.freeze(),
            repeat: Bytes::copy_from_slice(repeat.as_bytes()),
            payload: message.payload.clone(),
            chunk_size: NonZero::new(self.chunk_size as usize).unwrap_or(NonZero::<usize>::MIN),
        })
    }

    /// Appends the first chunk's header; returns the extended timestamp, if there is one.
    fn write_header(
        &mut self,
        last: Option<LastHeader>,
        message: &RawMessage,
        length: u32,
        dst: &mut BytesMut,
    ) -> Option<u32> {
        let delta = last.and_then(|last| delta_from(last, message));
        let extended = match (last, delta) {
            (Some(last), Some(delta)) => {
                let same_message = last.length == length && last.message_type == message.message_type;
                let format = match same_message {
                    true if last.delta == Some(delta) => ChunkFormat::Nothing,
                    true => ChunkFormat::TimeOnly,
                    false => ChunkFormat::SameStream,
                };
                BasicHeader {
                    format,
                    chunk_stream: message.chunk_stream,
                }
                .write(dst);
                if format != ChunkFormat::Nothing {
                    put_u24(dst, delta);
                }
                if format == ChunkFormat::SameStream {
                    put_u24(dst, length);
                    dst.put_u8(message.message_type.into());
                }
                None
            }
            _ => write_full_header(message, length, dst),
        };
        let header = LastHeader {
            timestamp: message.timestamp,
            delta,
            length,
            message_type: message.message_type,
            stream: message.stream,
        };
        self.headers.set(message.chunk_stream, header);
        extended
    }
}

impl Encoder<RawMessage> for ChunkEncoder {
    type Error = EncodeError;

    fn encode(&mut self, message: RawMessage, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode(&message, dst)
    }
}

impl Encoder<&RawMessage> for ChunkEncoder {
    type Error = EncodeError;

    fn encode(&mut self, message: &RawMessage, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_after(self.headers.get(message.chunk_stream), message, dst)
    }
}

/// The time step from the last message, if a header that has only a delta will do.
fn delta_from(last: LastHeader, message: &RawMessage) -> Option<u32> {
    let is_data = matches!(message.message_type, MessageType::Data | MessageType::Amf3Data);
    let step = message.timestamp.signed_millis_since(last.timestamp);
    let in_24_bits =
        message.timestamp.as_millis() < EXTENDED_MARK && last.timestamp.as_millis() < EXTENDED_MARK;
    (!is_data && in_24_bits && last.stream == message.stream).then_some(u32::try_from(step).ok()?)
}

/// The value of a Set Chunk Size message, which binds the chunks behind it.
fn announced_chunk_size(message: &RawMessage) -> Result<Option<u32>, EncodeError> {
    if message.message_type != MessageType::SetChunkSize {
        return Ok(None);
    }
    let size = message
        .payload
        .first_chunk()
        .map_or(0, |field| u32::from_be_bytes(*field));
    if !(1..=MAX_CHUNK_SIZE).contains(&size) {
        return Err(EncodeError::InvalidChunkSize { size });
    }
    Ok(Some(size))
}
