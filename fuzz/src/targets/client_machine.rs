//! A client machine and a server that follows a script.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine};
use rtmp_core::handshake::ServerHandshake;
use rtmp_core::message::{ConnectRequest, PlayRequest, PublishRequest, TransactionId};
use rtmp_core::{MediaMessage, Timestamp};

use crate::conversation::{self, Machine};

/// A client that publishes and plays; one that does not agree does nothing by itself.
struct Client {
    machine: ClientMachine,
    agrees: bool,
    asked_len: usize,
}

impl Client {
    fn ask<R>(&mut self, ask: impl FnOnce(&mut ClientMachine) -> R) -> R {
        let before = self.machine.unsent_len();
        let result = ask(&mut self.machine);
        self.asked_len += self.machine.unsent_len().saturating_sub(before);
        result
    }
}

impl Machine for Client {
    /// A call of 14 bytes gets an empty `_result` of 22; `connect` may be answered with a window.
    const MAX_FACTOR: usize = 5;
    const SLACK: usize = 100;

    fn new(agrees: bool) -> Self {
        let mut machine = ClientMachine::new(ClientConfig::default(), Duration::ZERO, |_| {});
        let (mut to_server, mut to_client) = (machine.output().split(), BytesMut::new());
        ServerHandshake::new(0, |_| {})
            .handle_input(&mut to_server, &mut to_client)
            .expect("our own handshake");
        let done = machine.poll_event(&mut to_client, Duration::ZERO);
        assert!(matches!(done, Ok(Some(ClientEvent::HandshakeDone(_)))));
        machine.output().clear();
        let mut client = Self {
            machine,
            agrees,
            asked_len: 0,
        };
        client
            .ask(|machine| machine.connect(&ConnectRequest::default(), "live", "rtmp://h/live"))
            .expect("the handshake is done");
        client
    }

    fn next_event(&mut self, input: &mut BytesMut, now: Duration) -> Result<Option<String>, String> {
        let event = self
            .machine
            .poll_event(input, now)
            .map_err(|error| format!("{error:?}"))?;
        let asked = match &event {
            _ if !self.agrees => Ok(()),
            Some(ClientEvent::Connected(_)) => self.ask(|machine| {
                machine
                    .create_stream()
                    .and_then(|_| machine.create_stream())
                    .map(drop)
            }),
            Some(ClientEvent::StreamCreated { stream, transaction })
                if *transaction == TransactionId::new(2) =>
            {
                let request = PublishRequest::new("cam", Default::default());
                self.ask(|machine| machine.publish(*stream, &request))
            }
            Some(ClientEvent::StreamCreated { stream, .. }) => {
                self.ask(|machine| machine.play(*stream, &PlayRequest::new("cam")))
            }
            _ => Ok(()),
        };
        asked.expect("it is connected, or the stream is new");
        Ok(event.map(|event| format!("{event:?}")))
    }

    fn tell(&mut self, [what, stream, value]: [u8; 3]) {
        let stream = MessageStreamId::new(u32::from(stream % 5));
        let media = MediaMessage::video(Timestamp::from_millis(value.into()), vec![value; value.into()]);
        let position = Duration::from_millis(value.into());
        let _ = self.ask(|machine| match what % 14 {
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
            10 => machine.call(stream, "add", Vec::new()).map(drop),
            11 => machine.create_stream().map(drop),
            _ if value == 0 => machine.close(),
            _ => {
                machine.forget(TransactionId::new(value.into()));
                Ok(())
            }
        });
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
    conversation::run::<Client>(data);
}
