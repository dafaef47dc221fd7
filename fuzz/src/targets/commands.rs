//! The typed requests of commands: what was read can be sent and reads the same; names and queries are not shown.

use std::time::Duration;

use bytes::Bytes;
use rtmp_core::Timestamp;
use rtmp_core::chunk::{ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use rtmp_core::message::{
    Capabilities, Command, ConnectRequest, Message, PlayOptions, PlayRequest, PlayStart, PublishRequest,
    Status,
};

/// Shorter texts may well be somewhere else, too.
const SECRET_LEN: usize = 12;

const EXACT: Duration = Duration::from_secs(1 << 22);

fn hides(shown: &str, secret: &str) {
    assert!(
        secret.len() < SECRET_LEN || !shown.contains(secret),
        "{shown} shows {secret}"
    );
}

fn check_status(command: &Command) {
    for value in &command.arguments {
        let status = Status::from_value(value);
        let again = Status::from_value(&status.to_value());
        // Text is compared, because NaN equals nothing.
        assert_eq!(format!("{again:?}"), format!("{status:?}"));
        assert_eq!(status.code.as_str(), again.code.as_str());
    }
}

fn check_publish(command: &Command) {
    let Some(request) = PublishRequest::from_command(command) else {
        return;
    };
    assert_eq!(
        PublishRequest::from_command(&request.to_command()),
        Some(request.clone())
    );
    assert!(request.name().starts_with(request.stream_name()));
    assert!(
        request
            .query()
            .is_none_or(|query| request.name().ends_with(query))
    );
    // The kind is a word of the peer and is shown.
    let shown = format!("{request:?}").replace(request.kind().as_str(), "");
    hides(&shown, request.name());
}

/// Positions are exact to the millisecond up to some months; then a double of seconds has no room for it.
fn is_same_start(a: PlayStart, b: PlayStart) -> bool {
    match (a, b) {
        (PlayStart::Recorded(a), PlayStart::Recorded(b)) if a > EXACT || b > EXACT => true,
        _ => a == b,
    }
}

fn check_play(command: &Command) {
    if let Some(request) = PlayRequest::from_command(command) {
        // Fractions of a millisecond are not sent, so the second reading is the one that stays.
        let sent = PlayRequest::from_command(&request.to_command()).expect("what was read can be sent");
        let again = PlayRequest::from_command(&sent.to_command()).expect("what was read can be sent");
        assert_eq!((again.name(), again.is_reset()), (sent.name(), sent.is_reset()));
        assert!(
            is_same_start(again.play_start(), sent.play_start()),
            "{again:?} {sent:?}"
        );
        assert_eq!(
            (sent.name(), sent.is_reset(), sent.play_duration().is_some()),
            (
                request.name(),
                request.is_reset(),
                request.play_duration().is_some()
            )
        );
        hides(&format!("{request:?}"), request.name());
    }
    if let Some(options) = PlayOptions::from_command(command) {
        let again = PlayOptions::from_command(&options.to_command()).expect("what was read can be sent");
        assert_eq!(again.name(), options.name());
        assert_eq!(again.old_name(), options.old_name());
        assert_eq!(again.transition(), options.transition());
    }
}

fn check_connect(command: Command) {
    let count = command.arguments.len();
    let request = ConnectRequest::from_command(command);
    assert!(!request.app().contains('?') && request.arguments().len() <= count);
    let shown = format!("{request:?}");
    // Names of properties are shown, whatever the peer makes of them.
    let keys: Vec<_> = request
        .properties()
        .iter()
        .map(|(key, _)| key.to_string_lossy())
        .collect();
    for secret in [request.app_query(), request.tc_url()].into_iter().flatten() {
        if !request.app().contains(secret) && !keys.iter().any(|key| key.contains(secret)) {
            hides(&shown, secret);
        }
    }
    let capabilities = request.read_capabilities();
    let again = ConnectRequest::empty()
        .capabilities(&capabilities)
        .read_capabilities();
    assert_eq!(again, capabilities);
    assert!(capabilities.is_silent() == (capabilities == Capabilities::default()));
    let _ = format!("{:?}", request.playable());
}

/// Runs the target once: the body of a command.
pub fn run(data: &[u8]) {
    let raw = RawMessage {
        chunk_stream: ChunkStreamId::COMMAND,
        timestamp: Timestamp::ZERO,
        message_type: MessageType::Command,
        stream: MessageStreamId::new(1),
        payload: Bytes::copy_from_slice(data),
    };
    let Ok(Message::Command { command, .. }) = Message::decode(raw) else {
        return;
    };
    assert!(command.transaction.get().is_finite());
    assert!((0..command.arguments.len()).all(|index| {
        command.number_argument(index).is_none_or(f64::is_finite) && command.argument(index).is_some()
    }));
    check_status(&command);
    check_publish(&command);
    check_play(&command);
    check_connect(command);
}
