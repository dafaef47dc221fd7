//! A server machine and a client that follows a script.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::{ConnectReply, Status, StatusCode, TransactionId};
use rtmp_core::{Limits, MediaMessage, Timestamp};

use crate::conversation::{self, Machine};

struct Server {
    machine: ServerMachine,
    agrees: bool,
    asked_len: usize,
}

impl Machine for Server {
    /// A bare `FCPublish` of 13 bytes gets a notice of some 150.
    const MAX_FACTOR: usize = 20;
    const SLACK: usize = 500;

    fn new(agrees: bool) -> Self {
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
        Self {
            machine,
            agrees,
            asked_len: 0,
        }
    }

    fn next_event(&mut self, input: &mut BytesMut, now: Duration) -> Result<Option<String>, String> {
        let (machine, agrees) = (&mut self.machine, self.agrees);
        let no = || Status::new(StatusCode::CallFailed, "no");
        let event = machine
            .poll_event(input, now)
            .map_err(|error| format!("{error:?}"))?;
        match &event {
            Some(ServerEvent::Connect(_)) if agrees => machine.accept_connect(&ConnectReply::default()),
            Some(ServerEvent::Connect(_)) => machine.reject_connect(&no()),
            Some(ServerEvent::Publish { stream, .. }) if agrees => machine.accept_publish(*stream),
            Some(ServerEvent::Publish { stream, .. }) => machine.reject_publish(*stream, &no()),
            Some(ServerEvent::Play { stream, .. }) if agrees => machine.accept_play(*stream),
            Some(ServerEvent::Play { stream, .. }) => machine.reject_play(*stream, &no()),
            Some(ServerEvent::Seek { stream, position }) => machine.accept_seek(*stream, *position),
            Some(ServerEvent::Call { command, .. }) => machine.answer_call(command.transaction, Err(no())),
            _ => Ok(()),
        }
        .expect("what was asked can be answered");
        Ok(event.map(|event| format!("{event:?}")))
    }

    fn tell(&mut self, [what, stream, value]: [u8; 3]) {
        let stream = MessageStreamId::new(u32::from(stream % 5));
        let status = Status::new(StatusCode::StreamFailed, "failed");
        let media = MediaMessage::video(Timestamp::from_millis(value.into()), vec![value; value.into()]);
        let machine = &mut self.machine;
        let before = machine.unsent_len();
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
        self.asked_len += machine.unsent_len().saturating_sub(before);
    }

    fn asked_len(&self) -> usize {
        self.asked_len
    }

    fn is_closed(&self) -> bool {
        self.machine.is_closed()
    }

    fn unsent_len(&self) -> usize {
        self.machine.unsent_len()
    }

    fn output(&mut self) -> &mut BytesMut {
        self.machine.output()
    }
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    conversation::run::<Server>(data);
}
