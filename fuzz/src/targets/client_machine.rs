//! A client machine and a server that follows a script: it answers in proportion, in whole messages, and the same for
//! every way to cut what it reads.

use std::iter;
use std::time::Duration;

use crate::script::{Script, Step};
use bytes::{Bytes, BytesMut};
use rtmp_core::chunk::{ChunkDecoder, MessageStreamId};
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine};
use rtmp_core::handshake::ServerHandshake;
use rtmp_core::message::{ConnectRequest, Message, PlayRequest, PublishRequest, TransactionId};
use rtmp_core::{MediaMessage, Timestamp};
use tokio_util::codec::Decoder;

/// A call of 14 bytes gets an empty `_result` of 22; `connect` may be answered with a window.
const MAX_FACTOR: usize = 5;

/// A machine behind the handshake that has asked to connect.
fn machine() -> ClientMachine {
    let mut machine = ClientMachine::new(ClientConfig::default(), Duration::ZERO, |_| {});
    let (mut to_server, mut to_client) = (machine.output().split(), BytesMut::new());
    ServerHandshake::new(0, |_| {})
        .handle_input(&mut to_server, &mut to_client)
        .expect("our own handshake");
    let done = machine.poll_event(&mut to_client, Duration::ZERO);
    assert!(matches!(done, Ok(Some(ClientEvent::HandshakeDone(_)))));
    machine.output().clear();
    machine
        .connect(&ConnectRequest::default(), "live", "rtmp://h/live")
        .expect("the handshake is done");
    machine
}

/// Takes all events and asks for what comes next; `false` if the connection is at its end.
fn follow(
    machine: &mut ClientMachine,
    input: &mut BytesMut,
    asked_len: &mut usize,
    events: &mut Vec<String>,
) -> bool {
    loop {
        let event = match machine.poll_event(input, Duration::from_millis(events.len() as u64)) {
            Ok(Some(event)) => event,
            Ok(None) => return !machine.is_closed(),
            Err(error) => {
                events.push(format!("{error:?}"));
                return false;
            }
        };
        events.push(format!("{event:?}"));
        let before = machine.unsent_len();
        match event {
            ClientEvent::Connected(_) => {
                machine.create_stream().expect("it is connected");
                machine.create_stream().expect("it is connected");
            }
            ClientEvent::StreamCreated { stream, transaction } if transaction == TransactionId::new(2) => {
                machine
                    .publish(stream, &PublishRequest::new("cam", Default::default()))
                    .expect("the stream is new")
            }
            ClientEvent::StreamCreated { stream, .. } => {
                machine
                    .play(stream, &PlayRequest::new("cam"))
                    .expect("the stream is new");
            }
            _ => {}
        }
        *asked_len += machine.unsent_len() - before;
    }
}

/// Whatever the application asks for is done or refused.
fn tell(machine: &mut ClientMachine, [what, stream, value]: [u8; 3]) {
    let stream = MessageStreamId::new(u32::from(stream % 5));
    let media = MediaMessage::video(Timestamp::from_millis(value.into()), vec![value; value.into()]);
    let position = Duration::from_millis(value.into());
    let _ = match what % 14 {
        0 => machine.send_media(stream, &media),
        1 => machine.close_stream(stream),
        2 => machine.delete_stream(stream),
        3 => machine.pause(stream, value & 1 == 1, position),
        4 => machine.seek(stream, position),
        5 => machine.receive_audio(stream, value & 1 == 1),
        6 => machine.receive_video(stream, value & 1 == 1),
        7 => machine.publish(stream, &PublishRequest::new("cam", Default::default())),
        8 => machine.play(stream, &PlayRequest::new("cam")),
        9 => machine.ping(position),
        10 => machine.call(stream, "add", Vec::new()).map(|_| ()),
        11 => machine.create_stream().map(|_| ()),
        _ if value == 0 => machine.close(),
        _ => {
            machine.forget(TransactionId::new(value.into()));
            Ok(())
        }
    };
}

fn events<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut machine, mut input, mut events) = (machine(), BytesMut::new(), Vec::new());
    for read in reads {
        input.extend_from_slice(read);
        if !follow(&mut machine, &mut input, &mut 0, &mut events) {
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
    let (mut asked_len, mut received_len, mut output) = (machine.output().len(), 0, machine.output().split());
    let mut all = BytesMut::new();
    loop {
        match script.step(&mut sent) {
            None => break,
            Some(Step::Told(what)) => {
                tell(&mut machine, what);
                asked_len += machine.unsent_len();
            }
            Some(Step::Sends) => {
                received_len += sent.len();
                all.extend_from_slice(&sent);
                input.unsplit(sent.split());
                if !follow(&mut machine, &mut input, &mut asked_len, &mut Vec::new()) {
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
        output.len() <= 100 + MAX_FACTOR * received_len + asked_len,
        "{} bytes for {received_len} and {asked_len}",
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
