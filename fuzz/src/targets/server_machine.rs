//! A server machine and a client that follows a script: it answers in proportion, in whole messages, and the same for
//! every way to cut what it reads.

use std::iter;
use std::time::Duration;

use crate::script::{Script, Step};
use bytes::{Bytes, BytesMut};
use rtmp_core::chunk::{ChunkDecoder, MessageStreamId};
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::{ConnectReply, Message, Status, StatusCode, TransactionId};
use rtmp_core::{Limits, MediaMessage, Timestamp};
use tokio_util::codec::Decoder;

/// A bare `FCPublish` of 13 bytes gets a notice of some 150.
const MAX_FACTOR: usize = 20;

/// A machine behind the handshake.
fn machine() -> ServerMachine {
    let limits = Limits::default()
        .max_partial_bytes_before_media(1000)
        .max_streams(3)
        .max_name_len(20);
    let mut machine = ServerMachine::new(ServerConfig::default().limits(limits), Duration::ZERO, |_| {});
    let mut packets = BytesMut::zeroed(3073);
    packets[0] = 3;
    let done = machine.poll_event(&mut packets, Duration::ZERO);
    assert!(matches!(done, Ok(Some(ServerEvent::HandshakeDone(_)))));
    machine.output().clear();
    machine
}

/// Takes all events and answers requests; `false` if the connection is at its end.
fn serve(machine: &mut ServerMachine, input: &mut BytesMut, yes: bool, events: &mut Vec<String>) -> bool {
    let no = || Status::new(StatusCode::CallFailed, "no");
    loop {
        let event = match machine.poll_event(input, Duration::from_millis(events.len() as u64)) {
            Ok(Some(event)) => event,
            Ok(None) => return !machine.is_closed(),
            Err(error) => {
                events.push(format!("{error:?}"));
                return false;
            }
        };
        match &event {
            ServerEvent::Connect(_) if yes => machine.accept_connect(&ConnectReply::default()),
            ServerEvent::Connect(_) => machine.reject_connect(&no()),
            ServerEvent::Publish { stream, .. } if yes => machine.accept_publish(*stream),
            ServerEvent::Publish { stream, .. } => machine.reject_publish(*stream, &no()),
            ServerEvent::Play { stream, .. } if yes => machine.accept_play(*stream),
            ServerEvent::Play { stream, .. } => machine.reject_play(*stream, &no()),
            ServerEvent::Seek { stream, position } => machine.accept_seek(*stream, *position),
            ServerEvent::Call { command, .. } => machine.answer_call(command.transaction, Err(no())),
            _ => Ok(()),
        }
        .expect("what was asked can be answered");
        events.push(format!("{event:?}"));
    }
}

/// Whatever the application asks for is done or refused.
fn tell(machine: &mut ServerMachine, [what, stream, value]: [u8; 3]) {
    let stream = MessageStreamId::new(u32::from(stream % 5));
    let status = Status::new(StatusCode::StreamFailed, "failed");
    let media = MediaMessage::video(Timestamp::from_millis(value.into()), vec![value; value.into()]);
    let _ = match what % 12 {
        0 => machine.send_media(stream, &media),
        1 => machine.end_publish(stream, &status),
        2 => machine.end_play(stream),
        3 => machine.notify_published(stream),
        4 => machine.notify_unpublished(stream),
        5 => machine.confirm_pause(stream, value & 1 == 1),
        6 => machine.accept_publish(stream),
        7 => machine.reject_play(stream, &status),
        8 => machine.ping(Duration::from_millis(value.into())),
        9 => machine.answer_call(TransactionId::new(value.into()), Ok(true.into())),
        10 => machine.send_connection_status(&status),
        _ if value == 0 => machine.close(),
        _ => machine.confirm_receive(stream),
    };
}

fn events<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut machine, mut input, mut events) = (machine(), BytesMut::new(), Vec::new());
    for read in reads {
        input.extend_from_slice(read);
        if !serve(&mut machine, &mut input, true, &mut events) {
            break;
        }
    }
    events
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((seed, bytes)) = crate::split_seed(data) else {
        return;
    };
    let mut script = Script::new(bytes);
    let (mut machine, mut input, mut sent) = (machine(), BytesMut::new(), BytesMut::new());
    let (mut told_len, mut received_len, mut output) = (0, 0, BytesMut::new());
    let mut all = BytesMut::new();
    loop {
        match script.step(&mut sent) {
            None => break,
            Some(Step::Told(what)) => {
                tell(&mut machine, what);
                told_len += machine.unsent_len();
            }
            Some(Step::Sends) => {
                received_len += sent.len();
                all.extend_from_slice(&sent);
                input.unsplit(sent.split());
                if !serve(&mut machine, &mut input, seed & 3 != 3, &mut Vec::new()) {
                    break;
                }
            }
        }
        output.unsplit(machine.output().split());
    }
    while machine.unsent_len() > 0 {
        output.unsplit(machine.output().split());
    }
    assert!(
        output.len() <= 500 + MAX_FACTOR * received_len + told_len,
        "{} bytes for {received_len} and {told_len}",
        output.len()
    );
    let mut decoder = ChunkDecoder::default();
    while let Some(message) = decoder.decode(&mut output).expect("whole chunks go out") {
        Message::decode(message).expect("what goes out can be read");
    }
    assert!(output.is_empty(), "whole messages go out");

    let all: Bytes = all.freeze();
    assert_eq!(events(iter::once(&all[..])), events(crate::reads(seed, &all)));
}
