//! What the server's messages mean.

use rtmp_amf::amf0::Value;

use super::{ClientEvent, ClientMachine, Incoming, Pending, Phase, Role, Stream};
use crate::chunk::MessageStreamId;
use crate::conn::{Ignored, ProtocolError};
use crate::message::{Command, ConnectReply, Control, MediaMessage, Status, StatusCode, TransactionId};

type Handled = Result<Option<ClientEvent>, ProtocolError>;

impl ClientMachine {
    pub(super) fn handle(&mut self, incoming: Incoming) -> Handled {
        match incoming {
            Incoming::Media { stream, message } => Ok(Some(self.handle_media(stream, message))),
            Incoming::Command { stream, command } => self.handle_command(stream, command),
            Incoming::UserControl(event) => Ok(Some(ClientEvent::UserControl(event))),
            Incoming::Acknowledgement(sequence) => Ok(Some(ClientEvent::Acknowledgement(sequence))),
            Incoming::Pong(round_trip) => Ok(Some(ClientEvent::Pong(round_trip))),
            Incoming::Other(raw) => Ok(Some(ClientEvent::Other(raw))),
            Incoming::Undecodable(error) => Ok(Some(ClientEvent::Ignored(Ignored::Undecodable(error)))),
        }
    }

    /// Media of the stream they name or, as some servers name another, of the only one that is played.
    fn handle_media(&self, named: MessageStreamId, message: MediaMessage) -> ClientEvent {
        let plays = |stream: &&Stream| matches!(stream.role, Role::PlayRequested | Role::Playing);
        let mut playing = self.streams.iter().filter(plays);
        let by_name = playing.clone().find(|stream| stream.id == named);
        let first = playing.next();
        let is_only = playing.next().is_none() && !self.deleted.contains(&named);
        let only = first.filter(|_| is_only);
        match by_name.or(only) {
            Some(stream) => ClientEvent::Media {
                stream: stream.id,
                message,
            },
            None => ClientEvent::Ignored(Ignored::Media { stream: named }),
        }
    }

    fn handle_command(&mut self, stream: MessageStreamId, command: Command) -> Handled {
        match command.name.as_bytes() {
            b"_result" => self.handle_answer(command, true),
            b"_error" => self.handle_answer(command, false),
            b"onStatus" => {
                let status = Status::from_value(command.argument(0).unwrap_or(&command.object));
                Ok(Some(self.handle_status(stream, status)))
            }
            b"close" => Ok(Some(ClientEvent::CloseRequested)),
            _ => Ok(Some(ClientEvent::Call { stream, command })),
        }
    }

    fn handle_answer(&mut self, command: Command, success: bool) -> Handled {
        let transaction = command.transaction;
        let Some(pending) = self.calls.take(transaction) else {
            return Ok(Some(ClientEvent::Ignored(Ignored::command(&command))));
        };
        let status = || {
            // Refusals carry it as the last argument, or in place of the command object.
            Status::from_value(command.arguments.last().unwrap_or(&command.object))
        };
        Ok(match (pending, success) {
            (Pending::Connect, true) => {
                self.phase = Phase::Connected;
                if self.link.announced_window().is_none() {
                    self.link
                        .send_control(Control::WindowAckSize(self.config.window_ack_size))?;
                }
                Some(ClientEvent::Connected(ConnectReply::from_command(&command)))
            }
            (Pending::Connect, false) => {
                self.phase = Phase::Closed;
                Some(ClientEvent::ConnectRefused(status()))
            }
            (Pending::CreateStream, true) => Some(self.add_stream(transaction, &command)),
            (Pending::CreateStream, false) => Some(ClientEvent::StreamRefused {
                transaction,
                status: status(),
            }),
            // Some servers answer publish and play like this instead of with a status.
            (Pending::Publish(stream), true) => self.publish_started(stream, status()),
            (Pending::Publish(stream), false) => Some(self.publish_refused(stream, status())),
            (Pending::Play(stream), true) => self.play_started(stream, status()),
            (Pending::Play(stream), false) => Some(self.play_refused(stream, status())),
            (Pending::Call, true) => Some(ClientEvent::CallReturned {
                transaction,
                answer: command,
            }),
            (Pending::Call, false) => Some(ClientEvent::CallFailed {
                transaction,
                answer: command,
            }),
            // Servers that do not know releaseStream and FCPublish refuse them; that harms nothing.
            (Pending::Courtesy, _) => None,
        })
    }

    fn add_stream(&mut self, transaction: TransactionId, command: &Command) -> ClientEvent {
        let id = command.arguments.last().and_then(Value::to_u32);
        match id.map(MessageStreamId::new) {
            // Stream 0 is the connection.
            Some(stream) if stream != MessageStreamId::CONNECTION && self.role(stream).is_none() => {
                self.deleted.retain(|deleted| *deleted != stream);
                self.streams.push(Stream {
                    id: stream,
                    role: Role::Idle,
                });
                ClientEvent::StreamCreated { transaction, stream }
            }
            _ => {
                let description = "the server answered createStream without a new stream number";
                let status = Status::new(StatusCode::CallFailed, description);
                ClientEvent::StreamRefused { transaction, status }
            }
        }
    }

    fn handle_status(&mut self, named: MessageStreamId, status: Status) -> ClientEvent {
        let stream = self.status_stream(named, &status);
        match (self.role(stream), &status.code) {
            (Some(Role::PublishRequested { .. }), StatusCode::PublishStart) => self
                .publish_started(stream, status.clone())
                .unwrap_or(ClientEvent::Status { stream, status }),
            (Some(Role::PublishRequested { .. }), _) if status.is_error() => {
                self.publish_refused(stream, status)
            }
            // librtmp takes PublishNotify for a start, for servers that send nothing else.
            (Some(Role::PlayRequested), StatusCode::PlayStart | StatusCode::PlayPublishNotify) => self
                .play_started(stream, status.clone())
                .unwrap_or(ClientEvent::Status { stream, status }),
            (Some(Role::PlayRequested), _) if status.is_error() => self.play_refused(stream, status),
            _ => ClientEvent::Status { stream, status },
        }
    }

    /// The stream that a status is about. Some servers send those of a stream on stream 0.
    fn status_stream(&self, named: MessageStreamId, status: &Status) -> MessageStreamId {
        match self.streams.as_slice() {
            [only]
                if !self.deleted.contains(&named)
                    && self.role(named).is_none()
                    && status.code.as_str().starts_with("NetStream.") =>
            {
                only.id
            }
            _ => named,
        }
    }

    fn publish_started(&mut self, stream: MessageStreamId, status: Status) -> Option<ClientEvent> {
        let started = self.stream(stream)?;
        let Role::PublishRequested { name } = &mut started.role else {
            return None;
        };
        started.role = Role::Publishing {
            name: std::mem::take(name),
        };
        self.calls.retain(|pending| *pending != Pending::Publish(stream));
        Some(ClientEvent::PublishStarted { stream, status })
    }

    fn publish_refused(&mut self, stream: MessageStreamId, status: Status) -> ClientEvent {
        self.set_role(stream, Role::Idle);
        self.calls.retain(|pending| *pending != Pending::Publish(stream));
        ClientEvent::PublishRefused { stream, status }
    }

    fn play_started(&mut self, stream: MessageStreamId, status: Status) -> Option<ClientEvent> {
        let started = self.stream(stream)?;
        if started.role != Role::PlayRequested {
            return None;
        }
        started.role = Role::Playing;
        self.calls.retain(|pending| *pending != Pending::Play(stream));
        Some(ClientEvent::PlayStarted { stream, status })
    }

    fn play_refused(&mut self, stream: MessageStreamId, status: Status) -> ClientEvent {
        self.set_role(stream, Role::Idle);
        self.calls.retain(|pending| *pending != Pending::Play(stream));
        ClientEvent::PlayRefused { stream, status }
    }
}
