//! A message in wire form, made once and sent to many.

use std::num::NonZero;

use bytes::{BufMut, Bytes, BytesMut};

use super::cut::wire_len;
use super::header::{BasicHeader, ChunkFormat, put_u24, split_time};
use super::{ChunkStreamId, EncodeError, MAX_MESSAGE_LEN, MessageStreamId, RawMessage};

/// The longest type 3 header: basic header and extended timestamp.
const MAX_REPEAT_LEN: usize = 3 + 4;

/// A message as chunks on the wire, starting with a type 0 header.
///
/// Such a header holds everything and the absolute time, so the bytes depend on no connection's state: only on the
/// chunk size that all receivers were told, and on the message stream id. A relay frames each message once and
/// sends the same bytes to every player.
///
/// ```
/// use rtmp_core::chunk::{ChunkStreamId, FramedMessage, MessageStreamId, MessageType, RawMessage};
/// # use rtmp_core::Timestamp;
/// let message = RawMessage {
///     chunk_stream: ChunkStreamId::VIDEO,
///     timestamp: Timestamp::ZERO,
///     message_type: MessageType::Video,
///     stream: MessageStreamId::new(1),
///     payload: vec![0x17; 5000].into(),
/// };
/// let framed = FramedMessage::new(&message, 60_000)?;
/// assert_eq!(framed.wire().len(), 12 + 5000);
/// assert_eq!(framed.payload(), Some(message.payload));
/// # Ok::<(), rtmp_core::chunk::EncodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FramedMessage {
    wire: Bytes,
    payload_len: usize,
    basic_len: usize,
    chunk_size: u32,
}

impl FramedMessage {
    /// Cuts `message` into chunks of `chunk_size` bytes, copying its payload once.
    ///
    /// # Errors
    ///
    /// [`EncodeError::MessageTooLong`].
    pub fn new(message: &RawMessage, chunk_size: u32) -> Result<Self, EncodeError> {
        Self::new_in(message, chunk_size, &mut BytesMut::new())
    }

    /// Like [`new`](Self::new), and puts the wire form into `block` if that has room for it, so that many messages can
    /// share one allocation. What room is left in `block` is for the next one; the memory is freed when nothing of it
    /// is used any more. What `block` holds is dropped.
    ///
    /// # Errors
    ///
    /// [`EncodeError::MessageTooLong`].
    pub fn new_in(message: &RawMessage, chunk_size: u32, block: &mut BytesMut) -> Result<Self, EncodeError> {
        let length = checked_len(message)?;
        let len = full_len(message, chunk_size);
        block.clear();
        let mut own = BytesMut::new();
        let is_in_block = block.capacity() >= len;
        let out = if is_in_block { &mut *block } else { &mut own };
        out.reserve(len);
        let extended = write_full_header(message, length, out);
        write_payload(message, chunk_size, extended, out);
        let wire = if is_in_block { block.split() } else { own };
        Ok(Self {
            wire: wire.freeze(),
            payload_len: message.payload.len(),
            chunk_size,
            basic_len: BasicHeader {
                format: ChunkFormat::Full,
                chunk_stream: message.chunk_stream,
            }
            .len(),
        })
    }

    /// The bytes to send.
    #[must_use]
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// The chunk size that it was cut for, in bytes.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// The message's payload, as a part of the wire form, if that has it in one piece: in one chunk.
    #[must_use]
    pub fn payload(&self) -> Option<Bytes> {
        let header_len = self.wire.len().saturating_sub(self.payload_len);
        let is_in_one_chunk = self.payload_len <= self.chunk_size as usize;
        is_in_one_chunk.then(|| self.wire.slice(header_len..))
    }

    /// The bytes to send on another message stream. This copies; it is for the rare player that did not get the
    /// usual id.
    #[must_use]
    pub fn wire_for(&self, stream: MessageStreamId) -> Bytes {
        let mut wire = BytesMut::from(self.wire.as_ref());
        let message_header = wire.get_mut(self.basic_len..).unwrap_or_default();
        if let Some(id) = message_header.get_mut(7..11) {
            id.copy_from_slice(&stream.get().to_le_bytes());
        }
        wire.freeze()
    }
}

/// Bytes of `message` in chunks, the first with a type 0 header; no other header needs more.
pub(super) fn full_len(message: &RawMessage, chunk_size: u32) -> usize {
    let basic = BasicHeader {
        format: ChunkFormat::Full,
        chunk_stream: message.chunk_stream,
    };
    let extended_len = if split_time(message.timestamp.as_millis()).1.is_some() {
        4
    } else {
        0
    };
    let repeat_len = basic.len().saturating_add(extended_len);
    let chunk_size = NonZero::new(chunk_size as usize).unwrap_or(NonZero::<usize>::MIN);
    wire_len(
        repeat_len.saturating_add(11),
        message.payload.len(),
        chunk_size,
        repeat_len,
    )
}

/// Appends a type 0 header for `message`, whose payload has the checked `length`. Returns the extended timestamp, if
/// there is one.
pub(super) fn write_full_header(message: &RawMessage, length: u32, out: &mut BytesMut) -> Option<u32> {
    let (time_field, extended) = split_time(message.timestamp.as_millis());
    BasicHeader {
        format: ChunkFormat::Full,
        chunk_stream: message.chunk_stream,
    }
    .write(out);
    put_u24(out, time_field);
    put_u24(out, length);
    out.put_u8(message.message_type.into());
    out.put_u32_le(message.stream.get());
    if let Some(extended) = extended {
        out.put_u32(extended);
    }
    extended
}

/// Appends the payload, with a type 3 header between chunks.
pub(super) fn write_payload(
    message: &RawMessage,
    chunk_size: u32,
    extended: Option<u32>,
    out: &mut BytesMut,
) {
    let header = RepeatHeader::new(message.chunk_stream, extended);
    let mut pieces = message.payload.chunks(chunk_size.max(1) as usize);
    out.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(piece);
    }
}

/// The type 3 header between the chunks of a message; it repeats the extended timestamp (5.3.1.3).
pub(super) struct RepeatHeader {
    bytes: [u8; MAX_REPEAT_LEN],
    len: usize,
}

impl RepeatHeader {
    pub(super) fn new(chunk_stream: ChunkStreamId, extended: Option<u32>) -> Self {
        let mut bytes = [0; MAX_REPEAT_LEN];
        let mut free = bytes.as_mut_slice();
        BasicHeader {
            format: ChunkFormat::Nothing,
            chunk_stream,
        }
        .write(&mut free);
        if let Some(extended) = extended {
            free.put_u32(extended);
        }
        let len = MAX_REPEAT_LEN.saturating_sub(free.len());
        Self { bytes, len }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The length of the payload, for the 24-bit field.
pub(super) fn checked_len(message: &RawMessage) -> Result<u32, EncodeError> {
    let length = message.payload.len();
    if length > MAX_MESSAGE_LEN {
        return Err(EncodeError::MessageTooLong { length });
    }
    Ok(length as u32)
}
