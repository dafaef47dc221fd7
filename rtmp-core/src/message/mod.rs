//! Typed messages (RTMP 1.0 sections 5.4, 6.2 and 7).
//!
//! [`Message::decode`] says what a [`RawMessage`] means, [`Message::encode`] gives it back. What no specification
//! explains is kept as it came. The order of messages is the business of [`conn`](crate::conn).
//!
//! | message types | here |
//! |---|---|
//! | 1, 2, 3, 5, 6 | [`Control`] |
//! | 4 | [`UserControl`] |
//! | 8, 9, 15, 18 | [`MediaMessage`] |
//! | 17, 20 | [`Command`]; what its arguments mean: [`ConnectRequest`], [`PublishRequest`], [`PlayRequest`], [`Status`] |
//! | 22 | [`Message::Other`]; its parts: [`Aggregate`] |
//! | all others | [`Message::Other`] |
//!
//! ```
//! use rtmp_core::message::{Command, Message, TransactionId};
//! use rtmp_core::chunk::MessageStreamId;
//!
//! let command = Command::new("createStream").with_transaction(TransactionId::new(2));
//! let message = Message::Command { stream: MessageStreamId::CONNECTION, command };
//! let raw = message.encode()?;
//! assert_eq!(Message::decode(raw)?, message);
//! # Ok::<(), rtmp_core::message::MessageError>(())
//! ```

mod aggregate;
mod capabilities;
mod command;
mod control;
mod media;
mod net_connection;
mod net_stream;
mod play_options;
mod playable;
mod shared_object;
mod status;
mod user_control;

use bytes::Bytes;
use rtmp_amf::Amf0Error;

pub use aggregate::Aggregate;
pub use capabilities::{Capabilities, CodecAbilities, Extensions};
pub use command::{Command, TransactionId};
pub use control::{BandwidthLimit, Control};
pub use media::{MediaKind, MediaMessage};
pub use net_connection::{ConnectReply, ConnectRequest};
pub use net_stream::{PlayRequest, PlayStart, PublishKind, PublishRequest, Shortened};
pub(crate) use net_stream::{duration_from_millis, split_query};
pub use play_options::{PlayOptions, Transition};
pub use playable::Playable;
pub use shared_object::{SharedObjectError, SharedObjectEvent, SharedObjectMessage};
pub use status::{Status, StatusCode, StatusLevel};
pub use user_control::UserControl;

use crate::chunk::{ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use crate::{Limits, Timestamp};

/// A message with its meaning.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// Protocol control.
    Control(Control),
    /// An event about a stream or the connection.
    UserControl(UserControl),
    /// A call or an answer.
    Command {
        /// The stream it is about, 0 for the connection.
        stream: MessageStreamId,
        /// What it says.
        command: Command,
    },
    /// Audio, video or data.
    Media {
        /// The stream it belongs to.
        stream: MessageStreamId,
        /// What it carries.
        message: MediaMessage,
    },
    /// Shared objects, aggregates, and types that no specification explains.
    Other(RawMessage),
}

impl Message {
    /// Reads a message within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// [`MessageError`]; the message is lost, the chunk stream is not.
    pub fn decode(raw: RawMessage) -> Result<Self, MessageError> {
        Self::decode_with(raw, &Limits::default())
    }

    /// Reads a message; of the limits, those of AMF hold for a command.
    ///
    /// # Errors
    ///
    /// [`MessageError`]; the message is lost, the chunk stream is not.
    pub fn decode_with(raw: RawMessage, limits: &Limits) -> Result<Self, MessageError> {
        let stream = raw.stream;
        let kind = match raw.message_type {
            MessageType::Audio => MediaKind::Audio,
            MessageType::Video => MediaKind::Video,
            MessageType::Data => MediaKind::Data,
            MessageType::Amf3Data => MediaKind::Amf3Data,
            MessageType::UserControl => return UserControl::decode(&raw.payload).map(Self::UserControl),
            MessageType::Command => {
                return Command::decode(raw.payload, limits.amf)
                    .map(|command| Self::Command { stream, command });
            }
            MessageType::Amf3Command => {
                // A format selector comes first, always 0 for AMF0 values behind it; some senders leave it out.
                let body = match raw.payload.first() {
                    Some(0) => raw.payload.slice(1..),
                    _ => raw.payload,
                };
                return Command::decode(body, limits.amf).map(|command| Self::Command { stream, command });
            }
            message_type => {
                return match Control::decode(message_type, &raw.payload) {
                    Some(control) => control.map(Self::Control),
                    None => Ok(Self::Other(raw)),
                };
            }
        };
        let message = MediaMessage {
            kind,
            timestamp: raw.timestamp,
            payload: raw.payload,
        };
        Ok(Self::Media { stream, message })
    }

    /// The message as it goes to the chunk layer, on the customary chunk stream.
    ///
    /// # Errors
    ///
    /// [`MessageError::Encode`] if a value can not be written as AMF0.
    pub fn encode(&self) -> Result<RawMessage, MessageError> {
        let control = |message_type, payload| RawMessage {
            chunk_stream: ChunkStreamId::CONTROL,
            timestamp: Timestamp::ZERO,
            message_type,
            stream: MessageStreamId::CONNECTION,
            payload,
        };
        Ok(match self {
            Self::Control(message) => control(message.message_type(), message.encode_body()),
            Self::UserControl(event) => control(MessageType::UserControl, event.encode_body()),
            Self::Command { stream, command } => RawMessage {
                chunk_stream: command_chunk_stream(*stream, command),
                timestamp: Timestamp::ZERO,
                message_type: MessageType::Command,
                stream: *stream,
                payload: command.encode_body().map_err(MessageError::Encode)?,
            },
            Self::Media { stream, message } => message.to_raw(*stream),
            Self::Other(raw) => raw.clone(),
        })
    }
}

/// Some encoders insist on answers of the connection on chunk stream 3 and statuses of a stream on 5; players and
/// publishers customarily send their commands on 8.
fn command_chunk_stream(stream: MessageStreamId, command: &Command) -> ChunkStreamId {
    match stream {
        MessageStreamId::CONNECTION => ChunkStreamId::COMMAND,
        _ if command.name == "onStatus" => ChunkStreamId::STATUS,
        _ => ChunkStreamId::STREAM_COMMAND,
    }
}

impl MediaMessage {
    /// The message as it goes to the chunk layer on a stream, on the chunk stream customary for its kind.
    #[must_use]
    pub fn to_raw(&self, stream: MessageStreamId) -> RawMessage {
        let (chunk_stream, message_type) = match self.kind {
            MediaKind::Audio => (ChunkStreamId::AUDIO, MessageType::Audio),
            MediaKind::Video => (ChunkStreamId::VIDEO, MessageType::Video),
            MediaKind::Data => (ChunkStreamId::DATA, MessageType::Data),
            MediaKind::Amf3Data => (ChunkStreamId::DATA, MessageType::Amf3Data),
        };
        let payload = Bytes::clone(&self.payload);
        RawMessage {
            chunk_stream,
            timestamp: self.timestamp,
            message_type,
            stream,
            payload,
        }
    }
}

/// Why a message has no meaning, or can not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A control message is shorter than its fields.
    #[error("{message_type:?} message of {length} bytes, too short for its fields")]
    ShortBody {
        /// The type of the message.
        message_type: MessageType,
        /// The length of its body in bytes.
        length: usize,
    },
    /// A command does not begin with its name.
    #[error("a command without a name")]
    CommandName,
    /// A command has an object where its transaction id belongs.
    #[error("a command with an object for a transaction id")]
    CommandTransaction,
    /// The values of a command are broken or beyond the limits.
    #[error("a command that can not be decoded")]
    Command(#[source] Amf0Error),
    /// A value can not be written as AMF0.
    #[error("a command that can not be encoded")]
    Encode(#[source] Amf0Error),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn round_trip(message: &Message) {
        assert_eq!(&Message::decode(message.encode().unwrap()).unwrap(), message);
    }

    #[test]
    fn every_control_message_survives_the_way_there_and_back() {
        let limit = BandwidthLimit::Other(9);
        for control in [
            Control::SetChunkSize(4096),
            Control::Abort(6),
            Control::Acknowledgement(u32::MAX),
            Control::WindowAckSize(2_500_000),
            Control::SetPeerBandwidth {
                window: 5_000_000,
                limit,
            },
        ] {
            round_trip(&Message::Control(control));
        }
    }

    #[test]
    fn every_user_control_event_survives_the_way_there_and_back() {
        let stream = MessageStreamId::new(7);
        for event in [
            UserControl::StreamBegin(stream),
            UserControl::StreamEof(stream),
            UserControl::StreamDry(stream),
            UserControl::SetBufferLength {
                stream,
                length: Duration::from_millis(3000),
            },
            UserControl::StreamIsRecorded(stream),
            UserControl::PingRequest(1),
            UserControl::PingResponse(u32::MAX),
            UserControl::BufferEmpty(stream),
            UserControl::BufferReady(stream),
            UserControl::Other {
                event: 26,
                data: Bytes::from_static(&[1]),
            },
        ] {
            round_trip(&Message::UserControl(event));
        }
    }

    fn raw(message_type: MessageType, body: &'static [u8]) -> RawMessage {
        RawMessage {
            chunk_stream: ChunkStreamId::CONTROL,
            timestamp: Timestamp::ZERO,
            message_type,
            stream: MessageStreamId::CONNECTION,
            payload: Bytes::from_static(body),
        }
    }

    #[test]
    fn a_control_message_shorter_than_its_fields_is_refused_and_a_longer_one_read() {
        for message_type in [1, 2, 3, 5, 6].map(MessageType::from) {
            let error = Message::decode(raw(message_type, &[0, 0, 1])).unwrap_err();
            assert!(
                matches!(error, MessageError::ShortBody { length: 3, .. }),
                "{error}"
            );
            assert!(Message::decode(raw(message_type, &[0, 0, 1, 0, 2, 9, 9])).is_ok());
        }
        assert!(matches!(
            Message::decode(raw(MessageType::UserControl, &[0])),
            Err(MessageError::ShortBody { length: 1, .. })
        ));
    }

    #[test]
    fn set_peer_bandwidth_without_limit_type_is_dynamic() {
        let message = Message::decode(raw(MessageType::SetPeerBandwidth, &[0, 0, 1, 0])).unwrap();
        let expected = Control::SetPeerBandwidth {
            window: 256,
            limit: BandwidthLimit::Dynamic,
        };
        assert_eq!(message, Message::Control(expected));
    }

    #[test]
    fn a_stream_begin_without_id_is_that_of_stream_0() {
        let message = Message::decode(raw(MessageType::UserControl, &[0, 0])).unwrap();
        assert_eq!(
            message,
            Message::UserControl(UserControl::StreamBegin(MessageStreamId::CONNECTION))
        );
    }

    #[test]
    fn an_event_too_short_for_its_fields_is_kept_as_it_came() {
        let message = Message::decode(raw(MessageType::UserControl, &[0, 6, 1, 2])).unwrap();
        let data = Bytes::from_static(&[1, 2]);
        assert_eq!(
            message,
            Message::UserControl(UserControl::Other { event: 6, data })
        );
    }

    #[test]
    fn an_amf3_command_is_read_with_and_without_its_format_selector() {
        let bodies: [&[u8]; 2] = [b"\0\x02\0\x05close", b"\x02\0\x05close"];
        for body in bodies {
            let message = Message::decode(raw(MessageType::Amf3Command, body)).unwrap();
            let command = Command::new("close");
            assert_eq!(
                message,
                Message::Command {
                    stream: MessageStreamId::CONNECTION,
                    command
                }
            );
        }
    }

    #[test]
    fn an_unknown_type_is_kept_as_it_came() {
        let raw = raw(MessageType::Other(77), b"what");
        assert_eq!(Message::decode(raw.clone()).unwrap(), Message::Other(raw));
    }
}
