//! User control messages (RTMP 1.0 sections 6.2 and 7.1.7).

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::MessageError;
use crate::chunk::{MessageStreamId, MessageType};

/// An event about a stream or the connection. Like protocol control, it travels on chunk stream 2 and message
/// stream 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserControl {
    /// The stream is functional (0).
    StreamBegin(MessageStreamId),
    /// Playback of the stream has ended (1).
    StreamEof(MessageStreamId),
    /// The stream has had no data for a while (2).
    StreamDry(MessageStreamId),
    /// A player says how much it buffers (3).
    SetBufferLength {
        /// The stream it plays; 0 for all.
        stream: MessageStreamId,
        /// The length of its buffer; whole milliseconds on the wire.
        length: Duration,
    },
    /// The stream is a recording (4).
    StreamIsRecorded(MessageStreamId),
    /// Asks for a [`PingResponse`](Self::PingResponse) with the same value (6).
    PingRequest(u32),
    /// Answers a [`PingRequest`](Self::PingRequest) (7).
    PingResponse(u32),
    /// The server has sent one buffer length of data and pauses (31). Not specified; sent by Flash Media Server 3.5
    /// and later.
    BufferEmpty(MessageStreamId),
    /// The server goes on behind [`BufferEmpty`](Self::BufferEmpty) (32). Not specified; sent by Flash Media Server.
    BufferReady(MessageStreamId),
    /// Any other event, or one whose data are too short for its fields.
    Other {
        /// The number of the event.
        event: u16,
        /// Its data.
        data: Bytes,
    },
}

impl UserControl {
    /// Reads a body. Data longer than needed are ignored; a missing stream id counts as 0, as some servers send it.
    pub(super) fn decode(body: &Bytes) -> Result<Self, MessageError> {
        let Some(event) = body.first_chunk().map(|field| u16::from_be_bytes(*field)) else {
            return Err(MessageError::ShortBody {
                message_type: MessageType::UserControl,
                length: body.len(),
            });
        };
        let data = body.slice(2..);
        let first = data.first_chunk().map(|field| u32::from_be_bytes(*field));
        let second = data
            .get(4..)
            .and_then(<[u8]>::first_chunk)
            .map(|field| u32::from_be_bytes(*field));
        let stream = MessageStreamId::new(first.unwrap_or(0));
        Ok(match (event, first, second) {
            (0, ..) => Self::StreamBegin(stream),
            (1, ..) => Self::StreamEof(stream),
            (2, ..) => Self::StreamDry(stream),
            (3, Some(_), Some(millis)) => Self::SetBufferLength {
                stream,
                length: Duration::from_millis(millis.into()),
            },
            (4, ..) => Self::StreamIsRecorded(stream),
            (6, Some(value), _) => Self::PingRequest(value),
            (7, Some(value), _) => Self::PingResponse(value),
            (31, ..) => Self::BufferEmpty(stream),
            (32, ..) => Self::BufferReady(stream),
            _ => Self::Other { event, data },
        })
    }

    pub(super) fn encode_body(&self) -> Bytes {
        let mut body = BytesMut::with_capacity(10);
        let (event, value) = match self {
            Self::StreamBegin(stream) => (0, stream.get()),
            Self::StreamEof(stream) => (1, stream.get()),
            Self::StreamDry(stream) => (2, stream.get()),
            Self::SetBufferLength { stream, .. } => (3, stream.get()),
            Self::StreamIsRecorded(stream) => (4, stream.get()),
            Self::PingRequest(value) => (6, *value),
            Self::PingResponse(value) => (7, *value),
            Self::BufferEmpty(stream) => (31, stream.get()),
            Self::BufferReady(stream) => (32, stream.get()),
            Self::Other { event, data } => {
                body.put_u16(*event);
                body.put_slice(data);
                return body.freeze();
            }
        };
        body.put_u16(event);
        body.put_u32(value);
        if let Self::SetBufferLength { length, .. } = self {
            body.put_u32(u32::try_from(length.as_millis()).unwrap_or(u32::MAX));
        }
        body.freeze()
    }
}
