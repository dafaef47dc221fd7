//! What handles ask of the driver.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::{EncodeError, MAX_MESSAGE_LEN, MessageStreamId, RawMessage};
use rtmp_core::conn::ProtocolError;
use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, Control, PlayOptions, PlayRequest, PublishRequest, UserControl,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tracing::debug;

use super::Driver;
use super::streams::{Activity, Playing, Publishing, StreamEntry};
use super::waiting::Awaited;
use crate::error::{CloseReason, Error, Operation, StreamEnd, StreamState};
use crate::playback::Intake;
use crate::publisher::Feed;
use crate::queue::queue;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A stream that the server has created, and what keeps it.
#[derive(Debug)]
pub(crate) struct NewStream {
    pub(crate) id: MessageStreamId,
    pub(crate) guard: oneshot::Sender<Infallible>,
}

#[derive(Debug)]
pub(crate) enum Request {
    Connect {
        request: Box<ConnectRequest>,
        reply: Reply<ConnectReply>,
    },
    CreateStream {
        reply: Reply<NewStream>,
    },
    Publish {
        stream: MessageStreamId,
        request: PublishRequest,
        reply: Reply<Feed>,
    },
    Play {
        stream: MessageStreamId,
        request: PlayRequest,
        reply: Reply<Intake>,
    },
    Pause {
        stream: MessageStreamId,
        is_paused: bool,
        reply: Reply<()>,
    },
    Seek {
        stream: MessageStreamId,
        position: Duration,
        reply: Reply<()>,
    },
    Receive {
        stream: MessageStreamId,
        kind: Receive,
        is_wanted: bool,
        reply: Reply<()>,
    },
    Transition {
        stream: MessageStreamId,
        options: Box<PlayOptions>,
        reply: Reply<()>,
    },
    Call {
        stream: MessageStreamId,
        procedure: Box<str>,
        arguments: Vec<Value>,
        reply: Reply<Command>,
    },
    Ping {
        reply: Reply<Duration>,
    },
    Send {
        outgoing: Outgoing,
        reply: Reply<()>,
    },
    /// Ends a publication when what is queued has been sent.
    Finish {
        stream: MessageStreamId,
        reply: Reply<()>,
    },
    DeleteStream {
        stream: MessageStreamId,
        reply: Reply<()>,
    },
    Close,
}

/// What a player wants to receive or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Receive {
    Audio,
    Video,
}

impl Receive {
    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Audio => Operation::ReceiveAudio,
            Self::Video => Operation::ReceiveVideo,
        }
    }
}

/// What is sent at a low level.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Raw(RawMessage),
    Control(Control),
    UserControl(UserControl),
}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    /// Does what is asked, unless who asked has gone.
    pub(super) fn handle_request(&mut self, request: Request) {
        match request {
            Request::Connect { request, reply } if !reply.is_closed() => self.connect(&request, reply),
            Request::CreateStream { reply } if !reply.is_closed() => self.create_stream(reply),
            Request::Publish {
                stream,
                request,
                reply,
            } if !reply.is_closed() => {
                self.publish(stream, &request, reply);
            }
            Request::Play {
                stream,
                request,
                reply,
            } if !reply.is_closed() => {
                self.play(stream, &request, reply);
            }
            Request::Pause {
                stream,
                is_paused,
                reply,
            } if !reply.is_closed() => self.pause(stream, is_paused, reply),
            Request::Seek {
                stream,
                position,
                reply,
            } if !reply.is_closed() => self.seek(stream, position, reply),
            Request::Receive {
                stream,
                kind,
                is_wanted,
                reply,
            } if !reply.is_closed() => self.receive(stream, kind, is_wanted, reply),
            Request::Transition {
                stream,
                options,
                reply,
            } if !reply.is_closed() => self.transition(stream, &options, reply),
            Request::Call {
                stream,
                procedure,
                arguments,
                reply,
            } if !reply.is_closed() => self.call(stream, procedure, arguments, reply),
            Request::Ping { reply } if !reply.is_closed() => self.ping(reply),
            Request::Send { outgoing, reply } if !reply.is_closed() => self.send(outgoing, reply),
            Request::Finish { stream, reply } => self.finish(stream, reply),
            Request::DeleteStream { stream, reply } => {
                self.delete_stream(stream);
                self.answer_when_written(reply);
            }
            Request::Close => self.close(CloseReason::Local),
            Request::Connect { .. }
            | Request::CreateStream { .. }
            | Request::Publish { .. }
            | Request::Play { .. }
            | Request::Pause { .. }
            | Request::Seek { .. }
            | Request::Receive { .. }
            | Request::Transition { .. }
            | Request::Call { .. }
            | Request::Ping { .. }
            | Request::Send { .. } => debug!("a request was withdrawn"),
        }
        self.refresh_status();
    }

    fn connect(&mut self, request: &ConnectRequest, reply: Reply<ConnectReply>) {
        let (app, tc_url) = (self.shared.url.app_with_query(), self.shared.url.tc_url());
        match self.machine.connect(request, app, &tc_url) {
            Ok(()) => {
                debug!("connecting");
                self.is_connecting = true;
                self.wait_for(Awaited::Connect(reply));
            }
            Err(error) => refuse(reply, self.mistake(Operation::Connect, error)),
        }
    }

    fn create_stream(&mut self, reply: Reply<NewStream>) {
        match self.machine.create_stream() {
            Ok(transaction) => self.wait_for(Awaited::CreateStream { transaction, reply }),
            Err(error) => refuse(reply, self.mistake(Operation::CreateStream, error)),
        }
    }

    fn publish(&mut self, id: MessageStreamId, request: &PublishRequest, reply: Reply<Feed>) {
        if let Err(error) = self.machine.publish(id, request) {
            return refuse(reply, self.mistake(Operation::Publish, error));
        }
        if let Some(stream) = self.stream(id) {
            stream.activity = Activity::PublishRequested;
        }
        self.wait_for(Awaited::Publish { stream: id, reply });
    }

    fn play(&mut self, id: MessageStreamId, request: &PlayRequest, reply: Reply<Intake>) {
        if self.is_play_awaited(id) {
            let (operation, state) = (Operation::Play, StreamState::Playing);
            return refuse(
                reply,
                Error::WrongStream {
                    operation,
                    stream: id,
                    state,
                },
            );
        }
        let can_play = matches!(self.stream_state(id), StreamState::Idle | StreamState::Playing);
        let announced = if self.config.subscribes && can_play {
            self.machine.subscribe(request.name())
        } else {
            Ok(())
        };
        if let Err(error) = announced.and_then(|()| self.machine.play(id, request)) {
            return refuse(reply, self.mistake(Operation::Play, error));
        }
        let (sender, queue) = queue(self.config.media);
        let is_recorded = Arc::default();
        if let Some(stream) = self.stream(id) {
            // It takes the place of what was played before.
            stream.end(&StreamEnd::Finished);
            stream.activity = Activity::Playing(Playing::new(sender, Arc::clone(&is_recorded)));
        }
        let media = Intake { queue, is_recorded };
        self.wait_for(Awaited::Play {
            stream: id,
            media,
            reply,
        });
    }

    fn pause(&mut self, stream: MessageStreamId, is_paused: bool, reply: Reply<()>) {
        let position = self.playing(stream).map(|playing| playing.position);
        match self
            .machine
            .pause(stream, is_paused, position.unwrap_or_default())
        {
            Ok(()) => self.wait_for(Awaited::Pause {
                stream,
                is_paused,
                reply,
            }),
            Err(error) => {
                let operation = if is_paused {
                    Operation::Pause
                } else {
                    Operation::Resume
                };
                refuse(reply, self.mistake(operation, error));
            }
        }
    }

    fn seek(&mut self, stream: MessageStreamId, position: Duration, reply: Reply<()>) {
        match self.machine.seek(stream, position) {
            Ok(()) => self.wait_for(Awaited::Seek { stream, reply }),
            Err(error) => refuse(reply, self.mistake(Operation::Seek, error)),
        }
    }

    fn receive(&mut self, stream: MessageStreamId, kind: Receive, is_wanted: bool, reply: Reply<()>) {
        let sent = match kind {
            Receive::Audio => self.machine.receive_audio(stream, is_wanted),
            Receive::Video => self.machine.receive_video(stream, is_wanted),
        };
        self.answer_sent(sent, kind.operation(), reply);
    }

    fn transition(&mut self, stream: MessageStreamId, options: &PlayOptions, reply: Reply<()>) {
        match self.machine.transition(stream, options) {
            Ok(()) => self.wait_for(Awaited::Transition { stream, reply }),
            Err(error) => refuse(reply, self.mistake(Operation::Transition, error)),
        }
    }

    /// Pings that are asked for while one is under way share its answer.
    fn ping(&mut self, reply: Reply<Duration>) {
        let is_under_way = self.is_ping_awaited();
        match if is_under_way { Ok(()) } else { self.send_ping() } {
            Ok(()) => self.wait_for(Awaited::Ping(reply)),
            Err(error) => refuse(reply, self.mistake(Operation::Ping, error)),
        }
    }

    fn send(&mut self, outgoing: Outgoing, reply: Reply<()>) {
        let sent = match outgoing {
            Outgoing::Raw(message) => self.machine.send_raw(&message),
            Outgoing::Control(control) => self.machine.send_control(control),
            Outgoing::UserControl(event) => self.machine.send_user_control(event),
        };
        self.answer_sent(sent, Operation::SendRaw, reply);
    }

    fn answer_sent(&self, sent: Result<(), ProtocolError>, operation: Operation, reply: Reply<()>) {
        // Who has gone meanwhile does not need to know.
        let _ = reply.send(sent.map_err(|error| self.mistake(operation, error)));
    }

    fn call(
        &mut self,
        stream: MessageStreamId,
        procedure: Box<str>,
        arguments: Vec<Value>,
        reply: Reply<Command>,
    ) {
        match self.machine.call(stream, &procedure, arguments) {
            Ok(transaction) => self.wait_for(Awaited::Call {
                transaction,
                procedure,
                reply,
            }),
            Err(error) => refuse(reply, self.mistake(Operation::Call(procedure), error)),
        }
    }

    fn finish(&mut self, id: MessageStreamId, reply: Reply<()>) {
        match self.stream(id) {
            Some(StreamEntry {
                activity: Activity::Publishing(Publishing { finish, .. }),
                ..
            }) => *finish = Some(reply),
            _ => refuse(reply, StreamEnd::Deleted.into_error(Operation::Close, id)),
        }
    }

    /// A command that the machine refuses is the caller's mistake.
    fn mistake(&self, operation: Operation, error: ProtocolError) -> Error {
        match error {
            ProtocolError::WrongPhase { .. } => Error::WrongState {
                operation,
                status: self.shared.status(),
            },
            ProtocolError::WrongStream { stream, .. } => Error::WrongStream {
                operation,
                stream,
                state: self.stream_state(stream),
            },
            ProtocolError::Encode(EncodeError::MessageTooLong { length }) => Error::MessageTooLong {
                length,
                limit: MAX_MESSAGE_LEN,
            },
            source => Error::Encode { operation, source },
        }
    }

    fn stream_state(&self, id: MessageStreamId) -> StreamState {
        let stream = self.streams.iter().find(|stream| stream.id == id);
        stream.map_or(StreamState::Closed, StreamEntry::state)
    }
}

fn refuse<T>(reply: Reply<T>, error: Error) {
    // Who has gone meanwhile does not need to know.
    let _ = reply.send(Err(error));
}
