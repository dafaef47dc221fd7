//! One direction of a connection as text.
//!
//! A line for each message: chunk stream, message stream, and what it says, as in `3/0 createStream 4 null`. Below it
//! stands a line for each property of its objects, sorted, because their order means nothing. Of data only the names
//! are shown, and repetitions are left out. Audio, video and acknowledgements are left out altogether: they depend on
//! what is streamed and not on who does it.

use std::path::Path;

use bytes::{Buf, Bytes, BytesMut};
use rtmp_amf::amf0::{self, Object, Value};
use rtmp_core::Limits;
use rtmp_core::chunk::{ChunkDecoder, RawMessage};
use rtmp_core::handshake::PACKET_LEN;
use rtmp_core::message::{Command, Control, Message, UserControl};
use tokio_util::codec::Decoder;

/// Packets 0, 1 and 2 of one end.
const HANDSHAKE_LEN: usize = 1 + 2 * PACKET_LEN;

/// What one end has sent, from its handshake on.
pub(crate) fn transcript(bytes: &[u8]) -> Vec<String> {
    let mut input = BytesMut::from(bytes);
    assert!(input.len() >= HANDSHAKE_LEN, "the handshake is not complete");
    input.advance(HANDSHAKE_LEN);
    let mut decoder = ChunkDecoder::new(Limits::default());
    let mut lines: Vec<String> = Vec::new();
    while let Some(message) = decoder.decode(&mut input).expect("a connection that can be read") {
        let shown = show(message);
        let is_repeated = shown
            .iter()
            .any(|line| line.contains(" data ") && lines.contains(line));
        if !is_repeated {
            lines.extend(shown);
        }
    }
    assert!(input.is_empty(), "{} bytes left", input.len());
    lines
}

/// The bytes of one direction of a recorded connection; `vectors/captures/README.md` says where it is from.
pub(crate) fn recording(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/captures/{name}.bin"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn show(raw: RawMessage) -> Vec<String> {
    let place = format!("{}/{}", raw.chunk_stream, raw.stream);
    match Message::decode(raw).expect("a message that can be read") {
        Message::Control(Control::Acknowledgement(_)) => Vec::new(),
        Message::Control(control) => vec![format!("{place} {control:?}")],
        Message::UserControl(event) => vec![format!("{place} {}", show_event(&event))],
        Message::Command { command, .. } => show_command(&place, command),
        Message::Media { message, .. } if message.kind.is_data() => {
            vec![format!("{place} data {}", data_names(message.payload))]
        }
        Message::Media { .. } => Vec::new(),
        other => vec![format!("{place} {other:?}")],
    }
}

fn show_event(event: &UserControl) -> String {
    match event {
        UserControl::StreamBegin(stream) => format!("StreamBegin({stream})"),
        UserControl::StreamEof(stream) => format!("StreamEof({stream})"),
        UserControl::StreamIsRecorded(stream) => format!("StreamIsRecorded({stream})"),
        UserControl::SetBufferLength { stream, length } => {
            format!("SetBufferLength({stream}, {} ms)", length.as_millis())
        }
        other => format!("{other:?}"),
    }
}

/// The command object is value 0, as in `connect.0.app`.
fn show_command(place: &str, command: Command) -> Vec<String> {
    let Command {
        name,
        transaction,
        object,
        arguments,
    } = command;
    let values: Vec<_> = std::iter::once(object).chain(arguments).collect();
    let shown: Vec<_> = values.iter().map(show_value).collect();
    let mut lines = vec![format!(
        "{place} {name} {} {}",
        transaction.get(),
        shown.join(" ")
    )];
    for (place, value) in values.iter().enumerate() {
        let mut properties = Vec::new();
        show_properties(&format!("{name}.{place}"), value, &mut properties);
        properties.sort();
        lines.append(&mut properties);
    }
    lines
}

fn show_properties(path: &str, value: &Value, lines: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flat_map(Object::iter) {
        let path = format!("{path}.{key}");
        lines.push(format!("    {path} {}", show_value(value)));
        show_properties(&path, value, lines);
    }
}

/// The texts that data begin with.
fn data_names(payload: Bytes) -> String {
    let mut decoder = amf0::Decoder::new(payload);
    let mut names = Vec::new();
    while let Some(Value::String(name)) = decoder.next_value().expect("data that can be read") {
        names.push(name.to_string());
    }
    names.join(" ")
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Undefined => "undefined".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::String(text) => format!("\"{text}\""),
        Value::Object(_) => "{}".to_owned(),
        Value::EcmaArray(_) => "[]".to_owned(),
        Value::StrictArray(items) => {
            let items: Vec<_> = items.iter().map(show_value).collect();
            format!("[{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_transcript_shows_everything_that_commands_say() {
    let lines = transcript(&recording("ffmpeg5-publish.s2c"));
    let expected = [
        "2/0 WindowAckSize(5000000)",
        "2/0 SetPeerBandwidth { window: 5000000, limit: Dynamic }",
        "2/0 SetChunkSize(4096)",
        "3/0 _result 1 {} {}",
        "    _result.0.capabilities 31",
        "    _result.0.fmsVer \"FMS/3,0,1,123\"",
        "    _result.1.code \"NetConnection.Connect.Success\"",
        "    _result.1.description \"Connection succeeded.\"",
        "    _result.1.level \"status\"",
        "    _result.1.objectEncoding 0",
        "3/0 _result 4 null 1",
        "5/1 onStatus 0 null {}",
        "    onStatus.1.code \"NetStream.Publish.Start\"",
        "    onStatus.1.description \"Start publishing\"",
        "    onStatus.1.level \"status\"",
        "5/1 onStatus 0 null {}",
        "    onStatus.1.code \"NetStream.Unpublish.Success\"",
        "    onStatus.1.description \"Stop publishing\"",
        "    onStatus.1.level \"status\"",
    ];
    assert_eq!(lines, expected);
}
