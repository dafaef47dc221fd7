//! A client that plays a stream to its end, in one way or another.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine};
use rtmp_core::message::{ConnectRequest, PlayRequest};

use super::line::Line;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Watches until the last message, and hangs up.
    Watch,
    /// The same, but has something to say at each message, so that its session is never idle for long.
    Talk,
    /// The same, but wants no pictures.
    Listen,
    /// Hangs up after so many messages.
    Leave(usize),
    /// Stops playing after so many messages, and plays again on the same stream until the end.
    Return(usize),
}

pub(super) struct Client {
    line: Line,
    machine: ClientMachine,
    app: &'static str,
    name: &'static str,
    habit: Habit,
    seen: Vec<MediaMessage>,
}

impl Client {
    pub(super) fn new(line: Line, app: &'static str, name: &'static str, habit: Habit) -> Self {
        Self {
            line,
            machine: ClientMachine::new(ClientConfig::default(), Duration::ZERO, |bytes| bytes.fill(0x5A)),
            app,
            name,
            habit,
            seen: Vec::new(),
        }
    }

    /// What it has seen since it asked for the stream last.
    pub(super) async fn run(mut self) -> Vec<MediaMessage> {
        let mut input = BytesMut::new();
        loop {
            while let Some(event) = self
                .machine
                .poll_event(&mut input, Duration::ZERO)
                .expect("the server keeps to the protocol")
            {
                self.handle(event);
                if self.is_done() {
                    return self.seen;
                }
            }
            while !self.machine.output().is_empty() {
                self.line.send(self.machine.output().split());
            }
            let Some(received) = poll_fn(|cx| self.line.poll_receive(cx)).await else {
                return self.seen;
            };
            input.unsplit(received);
        }
    }

    fn handle(&mut self, event: ClientEvent) {
        let is_due = "it is its turn";
        match event {
            ClientEvent::HandshakeDone(_) => {
                let url = format!("rtmp://localhost/{}", self.app);
                let request = ConnectRequest::default();
                self.machine.connect(&request, self.app, &url).expect(is_due);
            }
            ClientEvent::Connected(_) => {
                self.machine.create_stream().expect(is_due);
            }
            ClientEvent::StreamCreated { stream, .. } => self.play(stream),
            ClientEvent::PlayStarted { stream, .. } => {
                self.line.narrow();
                self.seen.clear();
                if self.habit == Habit::Listen {
                    self.machine.receive_video(stream, false).expect(is_due);
                }
            }
            ClientEvent::Media { stream, message } => {
                self.seen.push(message);
                match self.habit {
                    Habit::Talk => self.machine.receive_audio(stream, true).expect(is_due),
                    Habit::Return(count) if self.seen.len() == count => {
                        self.habit = Habit::Watch;
                        self.machine.close_stream(stream).expect(is_due);
                        self.play(stream);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn play(&mut self, stream: MessageStreamId) {
        let request = PlayRequest::new(self.name);
        self.machine.play(stream, &request).expect("it is its turn");
    }

    fn is_done(&self) -> bool {
        match self.habit {
            Habit::Leave(count) => self.seen.len() == count,
            _ => self
                .seen
                .last()
                .is_some_and(|message| message.payload.ends_with(super::LAST)),
        }
    }
}
