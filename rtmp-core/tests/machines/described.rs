//! Events and messages in one line each, so that a test can say what it expects in one list.

use rtmp_core::chunk::RawMessage;
use rtmp_core::conn::{ClientEvent, Ignored, ServerEvent};
use rtmp_core::message::{BandwidthLimit, Command, Control, Message, Status, UserControl};
use rtmp_core::{MediaKind, MediaMessage};

/// A message as the peer gets it: chunk stream, message stream, what it says.
pub(crate) fn message(raw: &RawMessage) -> String {
    let place = format!("{}/{}", raw.chunk_stream, raw.stream);
    let said = match Message::decode(raw.clone()).expect("a machine sends what can be decoded") {
        Message::Control(Control::SetPeerBandwidth { window, limit }) => match limit {
            BandwidthLimit::Dynamic => format!("SetPeerBandwidth({window}, dynamic)"),
            other => format!("SetPeerBandwidth({window}, {other:?})"),
        },
        Message::Control(control) => format!("{control:?}"),
        Message::UserControl(event) => user_control(&event),
        Message::Command { command, .. } => self::command(&command),
        Message::Media { message, .. } => media(&message),
        other => format!("{other:?}"),
    };
    format!("{place} {said}")
}

/// Name, transaction id, and the code of its last argument or that argument itself.
fn command(command: &Command) -> String {
    let last = match command.arguments.last() {
        None => String::new(),
        Some(value) if value.as_object().is_some() => format!(" {}", Status::from_value(value).code),
        Some(value) => format!(" {value:?}"),
    };
    format!("{} {}{last}", command.name, command.transaction.get())
}

pub(crate) fn user_control(event: &UserControl) -> String {
    match event {
        UserControl::StreamBegin(stream) => format!("StreamBegin({stream})"),
        UserControl::StreamEof(stream) => format!("StreamEof({stream})"),
        UserControl::StreamIsRecorded(stream) => format!("StreamIsRecorded({stream})"),
        UserControl::SetBufferLength { stream, length } => {
            format!("SetBufferLength({stream}, {})", length.as_millis())
        }
        other => format!("{other:?}"),
    }
}

fn media(message: &MediaMessage) -> String {
    let kind = match message.kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Data => "data",
        MediaKind::Amf3Data => "amf3 data",
    };
    format!(
        "{kind} at {} of {}",
        message.timestamp.as_millis(),
        message.payload.len()
    )
}

fn ignored(ignored: &Ignored) -> String {
    match ignored {
        Ignored::OverLimit(error) => format!("over a limit: {error}"),
        Ignored::Command { name } => format!("ignored {name}"),
        Ignored::Media { stream } => format!("ignored media on {stream}"),
        Ignored::Undecodable(_) => "ignored undecodable command".to_owned(),
        other => format!("{other:?}"),
    }
}

pub(crate) fn server_event(event: &ServerEvent) -> String {
    match event {
        ServerEvent::HandshakeDone(kind) => format!("handshake {kind:?}"),
        ServerEvent::Connect(request) => format!("connect {}", request.app()),
        ServerEvent::Publish { stream, request } => {
            format!("publish {stream} {} {}", request.name(), request.kind().as_str())
        }
        ServerEvent::Unpublish { stream } => format!("unpublish {stream}"),
        ServerEvent::Play { stream, request } => format!("play {stream} {}", request.name()),
        ServerEvent::StopPlay { stream } => format!("stop play {stream}"),
        ServerEvent::Pause {
            stream,
            paused,
            position,
        } => {
            format!("pause {stream} {paused} {}", position.as_millis())
        }
        ServerEvent::Seek { stream, position } => format!("seek {stream} {}", position.as_millis()),
        ServerEvent::Receive { stream, kind, wanted } => format!("receive {stream} {kind:?} {wanted}"),
        ServerEvent::Media { stream, message } => format!("media {stream} {}", media(message)),
        ServerEvent::Call { command, .. } => {
            format!("call {} {}", command.name, command.transaction.get())
        }
        ServerEvent::UserControl(event) => user_control(event),
        ServerEvent::Acknowledgement(sequence) => format!("acknowledgement {sequence}"),
        ServerEvent::Pong(round_trip) => format!("pong {}", round_trip.as_millis()),
        ServerEvent::CloseRequested => "close requested".to_owned(),
        ServerEvent::StreamLength { name, .. } => format!("stream length {name}"),
        ServerEvent::Other(raw) => format!("other {:?}", raw.message_type),
        ServerEvent::Ignored(what) => ignored(what),
        other => format!("{other:?}"),
    }
}

pub(crate) fn client_event(event: &ClientEvent) -> String {
    match event {
        ClientEvent::HandshakeDone(kind) => format!("handshake {kind:?}"),
        ClientEvent::Connected(reply) => format!("connected {}", reply.status.code),
        ClientEvent::ConnectRefused(status) => format!("connect refused {}", status.code),
        ClientEvent::StreamCreated { transaction, stream } => {
            format!("created {} {stream}", transaction.get())
        }
        ClientEvent::StreamRefused { transaction, status } => {
            format!("create refused {} {}", transaction.get(), status.code)
        }
        ClientEvent::CallReturned { transaction, .. } => format!("returned {}", transaction.get()),
        ClientEvent::CallFailed { transaction, .. } => format!("failed {}", transaction.get()),
        ClientEvent::PublishStarted { stream, status } => format!("publishing {stream} {}", status.code),
        ClientEvent::PublishRefused { stream, status } => {
            format!("publish refused {stream} {}", status.code)
        }
        ClientEvent::PlayStarted { stream, status } => format!("playing {stream} {}", status.code),
        ClientEvent::PlayRefused { stream, status } => format!("play refused {stream} {}", status.code),
        ClientEvent::Status { stream, status } => format!("status {stream} {}", status.code),
        ClientEvent::Media { stream, message } => format!("media {stream} {}", media(message)),
        ClientEvent::UserControl(event) => user_control(event),
        ClientEvent::Call { command, .. } => {
            format!("call {} {}", command.name, command.transaction.get())
        }
        ClientEvent::Acknowledgement(sequence) => format!("acknowledgement {sequence}"),
        ClientEvent::Pong(round_trip) => format!("pong {}", round_trip.as_millis()),
        ClientEvent::CloseRequested => "close requested".to_owned(),
        ClientEvent::Other(raw) => format!("other {:?}", raw.message_type),
        ClientEvent::Ignored(what) => ignored(what),
        other => format!("{other:?}"),
    }
}
