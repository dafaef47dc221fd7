//! A message that has a meaning can be written again, and then means the same.

use bytes::Bytes;
use rtmp_amf::{Amf0Error, Amf3Error};
use rtmp_core::Timestamp;
use rtmp_core::chunk::{ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use rtmp_core::message::{
    Aggregate, ConnectRequest, Message, PlayOptions, PlayRequest, PublishRequest, SharedObjectError,
    SharedObjectMessage, Status,
};

/// Runs the target once.
pub fn run(input: &[u8]) {
    let [message_type, body @ ..] = input else { return };
    let raw = RawMessage {
        chunk_stream: ChunkStreamId::COMMAND,
        timestamp: Timestamp::from_millis(40),
        message_type: MessageType::from(*message_type),
        stream: MessageStreamId::new(1),
        payload: Bytes::copy_from_slice(body),
    };
    let aggregate: Vec<_> = Aggregate::new(&raw).collect();
    let carried: usize = aggregate.iter().map(|part| part.payload.len()).sum();
    assert!(carried <= body.len() && aggregate.len() <= body.len() / 11 + 1);
    if let Ok(object) = SharedObjectMessage::decode(raw.payload.clone()) {
        match object.encode() {
            Ok(encoded) => {
                // NaN is not itself, so the bytes are compared.
                let again =
                    SharedObjectMessage::decode(encoded.clone()).expect("what was encoded can be decoded");
                assert_eq!(again.encode(), Ok(encoded));
            }
            Err(SharedObjectError::Value(Amf0Error::Amf3(Amf3Error::Cycle { .. }))) => {}
            Err(error) => panic!("what was decoded can be encoded: {error}"),
        }
    }
    let Ok(message) = Message::decode(raw) else { return };
    // Of all that can be decoded only AMF3 objects that hold themselves can not be encoded.
    let Ok(encoded) = message.encode() else { return };
    let again = Message::decode(encoded.clone()).expect("what was encoded can be decoded");
    assert_eq!(again.encode().expect("the same again"), encoded);

    let Message::Command { command, .. } = message else {
        return;
    };
    for value in &command.arguments {
        let status = Status::from_value(value);
        let _ = (format!("{status}"), status.to_value());
    }
    let _ = PublishRequest::from_command(&command).map(|request| format!("{request:?}"));
    let _ = PlayRequest::from_command(&command).map(|request| request.to_command());
    let _ = PlayOptions::from_command(&command).map(|options| options.to_command());
    let request = ConnectRequest::from_command(command);
    let _ = (
        request.app().len(),
        request.tc_url(),
        request.read_capabilities(),
        format!("{request:?}"),
    );
}
