//! What a client's commands do (RTMP 1.0 section 7.2).

use std::time::Duration;

use rtmp_amf::AmfString;
use rtmp_amf::amf0::Value;

use super::{Amf3, Phase, Role, ServerEvent, ServerMachine, Undecided};
use crate::chunk::MessageStreamId;
use crate::conn::{Ignored, LimitError, ProtocolError};
use crate::message::{
    Command, ConnectRequest, MediaKind, PlayOptions, PlayRequest, PublishRequest, Status, StatusCode,
    TransactionId, Transition, duration_from_millis,
};

type Handled = Result<Option<ServerEvent>, ProtocolError>;

impl ServerMachine {
    pub(super) fn handle_command(&mut self, stream: MessageStreamId, command: Command) -> Handled {
        let connected = matches!(self.phase, Phase::Connected);
        match command.name.as_bytes() {
            b"connect" => self.handle_connect(command),
            b"close" => Ok(Some(ServerEvent::CloseRequested)),
            b"_result" => Ok(Some(self.handle_answer(command, true))),
            b"_error" => Ok(Some(self.handle_answer(command, false))),
            // Only servers have something to say in this form.
            b"onStatus" => Ok(ignored(&command)),
            _ if !connected => self.refuse_call(&command, "connect comes first"),
            b"createStream" => self.handle_create_stream(&command),
            b"deleteStream" => self.handle_delete_stream(stream, &command),
            b"closeStream" => self.handle_close_stream(stream),
            b"publish" => self.handle_publish(stream, &command),
            b"play" => self.handle_play(stream, &command),
            b"play2" => self.handle_play2(stream, &command),
            b"pause" | b"pauseRaw" => self.handle_pause(stream, &command),
            b"seek" => self.handle_seek(stream, &command),
            b"receiveAudio" => self.handle_receive(stream, &command, MediaKind::Audio),
            b"receiveVideo" => self.handle_receive(stream, &command, MediaKind::Video),
            b"releaseStream" => self.answer(&command, Value::Undefined),
            b"FCPublish" => self.handle_fc(&command, "onFCPublish", StatusCode::PublishStart),
            b"FCUnpublish" => self.handle_fc_unpublish(&command),
            b"FCSubscribe" => self.handle_fc(&command, "onFCSubscribe", StatusCode::PlayStart),
            b"getStreamLength" => self.handle_stream_length(&command),
            _ => Ok(Some(ServerEvent::Call { stream, command })),
        }
    }

    fn handle_connect(&mut self, command: Command) -> Handled {
        if !matches!(self.phase, Phase::Unconnected) {
            return self.refuse_call(&command, "the connection is connected already");
        }
        let transaction = command.transaction;
        let request = ConnectRequest::from_command(command);
        self.undecided = Some(Undecided::Connect { transaction });
        self.amf3 = if request.asks_for_amf3() {
            Amf3::Asked
        } else {
            Amf3::NotAsked
        };
        let rejected = |description| Status::new(StatusCode::ConnectRejected, description);
        if request.app().is_empty() {
            self.reject_connect(&rejected("connect names no application".to_owned()))?;
            return Ok(None);
        }
        if let Err(error) = self.check_name(request.text("app").unwrap_or_default()) {
            self.reject_connect(&rejected(error.to_string()))?;
            return Ok(over_limit(error));
        }
        Ok(Some(ServerEvent::Connect(request)))
    }

    fn handle_create_stream(&mut self, command: &Command) -> Handled {
        match self.streams.create(self.link.limits().max_streams) {
            Ok(stream) => self.answer(command, Value::from(stream.get())),
            Err(error) => {
                self.refuse_call(command, &error.to_string())?;
                Ok(over_limit(error))
            }
        }
    }

    fn handle_delete_stream(&mut self, stream: MessageStreamId, command: &Command) -> Handled {
        // FFmpeg's listener and GStreamer send the stream name instead of its number.
        let named = match command.argument(0) {
            Some(Value::Number(number)) => match whole_number(*number) {
                Some(id) => Some(MessageStreamId::new(id)),
                None => return Ok(ignored(command)),
            },
            _ => self.streams.resolve(stream),
        };
        let Some((stream, role)) = named.and_then(|id| Some((id, self.streams.remove(id)?))) else {
            return Ok(ignored(command));
        };
        Ok(ended(stream, &role))
    }

    fn handle_close_stream(&mut self, stream: MessageStreamId) -> Handled {
        let Some(stream) = self.streams.resolve(stream) else {
            return Ok(None);
        };
        self.close_stream(stream)
    }

    /// Ends what a stream is used for; its number stays.
    fn close_stream(&mut self, stream: MessageStreamId) -> Handled {
        let Some(role) = self.streams.set_role(stream, Role::Idle) else {
            return Ok(None);
        };
        if matches!(role, Role::Publishing { .. }) {
            self.send_status(
                stream,
                &Status::new(StatusCode::UnpublishSuccess, "Stopped publishing."),
            )?;
        }
        Ok(ended(stream, &role))
    }

    fn handle_publish(&mut self, named: MessageStreamId, command: &Command) -> Handled {
        let bad = |description| Status::new(StatusCode::PublishBadName, description);
        let Some(stream) = self.streams.resolve(named) else {
            return self.refuse_stream(command, named, &bad("there is no such stream to publish on"));
        };
        // Flash Player: publish(false) stops.
        if command.argument(0) == Some(&Value::Boolean(false)) {
            return self.close_stream(stream);
        }
        if self.streams.role(stream) != Some(Role::Idle) {
            return self.refuse_stream(command, stream, &bad("the stream is in use"));
        }
        let Some(request) = PublishRequest::from_command(command) else {
            return self.refuse_stream(command, stream, &bad("publish names no stream"));
        };
        if let Err(error) = self.check_name(request.name()) {
            self.send_status(
                stream,
                &Status::new(StatusCode::PublishBadName, error.to_string()),
            )?;
            return Ok(over_limit(error));
        }
        Ok(Some(ServerEvent::Publish { stream, request }))
    }

    fn handle_play(&mut self, named: MessageStreamId, command: &Command) -> Handled {
        let failed = |description| Status::new(StatusCode::PlayFailed, description);
        let Some(stream) = self.streams.resolve(named) else {
            return self.refuse_stream(command, named, &failed("there is no such stream to play on"));
        };
        // Flash Player: play(false) stops.
        if command.argument(0) == Some(&Value::Boolean(false)) {
            return self.close_stream(stream);
        }
        let role = self.streams.role(stream);
        if matches!(role, Some(Role::Publishing { .. })) {
            return self.refuse_stream(command, stream, &failed("the stream is being published"));
        }
        let request = match PlayRequest::from_command(command) {
            Some(request) if request.name().is_empty() => None,
            other => other,
        };
        let Some(request) = request else {
            return self.refuse_stream(command, stream, &failed("play names no stream"));
        };
        if let Err(error) = self.check_name(request.name()) {
            self.send_status(stream, &Status::new(StatusCode::PlayFailed, error.to_string()))?;
            return Ok(over_limit(error));
        }
        let is_reset = request.is_reset();
        let play = ServerEvent::Play { stream, request };
        if role == Some(Role::Playing) && is_reset {
            // It takes the place of the one before.
            self.streams.set_role(stream, Role::Idle);
            self.next_event = Some(play);
            return Ok(Some(ServerEvent::StopPlay { stream }));
        }
        Ok(Some(play))
    }

    fn handle_play2(&mut self, named: MessageStreamId, command: &Command) -> Handled {
        let failed = |description| Status::new(StatusCode::PlayFailed, description);
        let Some(options) = PlayOptions::from_command(command) else {
            return self.refuse_stream(command, named, &failed("play2 names no stream"));
        };
        let Some(stream) = self.streams.resolve(named) else {
            return self.refuse_stream(command, named, &failed("there is no such stream to play on"));
        };
        if let Err(error) = self.check_name(options.name()) {
            self.send_status(stream, &Status::new(StatusCode::PlayFailed, error.to_string()))?;
            return Ok(over_limit(error));
        }
        match (self.streams.role(stream), options.transition()) {
            (Some(Role::Playing), _) => Ok(Some(ServerEvent::Transition { stream, options })),
            // With nothing to go over from it is the same as play.
            (Some(Role::Idle), Transition::Append | Transition::Reset | Transition::Resume) => {
                let request = options.to_play_request();
                Ok(Some(ServerEvent::Play { stream, request }))
            }
            _ => self.refuse_stream(command, stream, &failed("the stream is not being played")),
        }
    }

    fn handle_stream_length(&mut self, command: &Command) -> Handled {
        match command.text_argument(0) {
            Some(name) if command.transaction.expects_answer() && self.check_name(name).is_ok() => {
                let (transaction, name) = (command.transaction, name.to_owned());
                Ok(Some(ServerEvent::StreamLength { transaction, name }))
            }
            _ => self.answer(command, Value::Number(0.0)),
        }
    }

    fn handle_answer(&mut self, answer: Command, success: bool) -> ServerEvent {
        let transaction = answer.transaction;
        match (self.calls.take(transaction), success) {
            (Some(()), true) => ServerEvent::CallReturned { transaction, answer },
            (Some(()), false) => ServerEvent::CallFailed { transaction, answer },
            (None, _) => ServerEvent::Ignored(Ignored::command(&answer)),
        }
    }

    fn handle_pause(&mut self, stream: MessageStreamId, command: &Command) -> Handled {
        let Some(stream) = self.playing(stream) else {
            return Ok(ignored(command));
        };
        let paused = command.argument(0).and_then(Value::to_boolean).unwrap_or(true);
        Ok(Some(ServerEvent::Pause {
            stream,
            paused,
            position: position(command, 1).unwrap_or_default(),
        }))
    }

    fn handle_seek(&mut self, named: MessageStreamId, command: &Command) -> Handled {
        let Some(stream) = self.playing(named) else {
            return self.refuse_stream(
                command,
                named,
                &Status::new(StatusCode::SeekFailed, "the stream is not being played"),
            );
        };
        match position(command, 0) {
            Some(position) => Ok(Some(ServerEvent::Seek { stream, position })),
            None => self.refuse_stream(
                command,
                stream,
                &Status::new(StatusCode::SeekInvalidTime, "there is no such position"),
            ),
        }
    }

    fn handle_receive(&mut self, stream: MessageStreamId, command: &Command, kind: MediaKind) -> Handled {
        let Some(stream) = self.playing(stream) else {
            return Ok(ignored(command));
        };
        let wanted = command.argument(0).and_then(Value::to_boolean).unwrap_or(true);
        Ok(Some(ServerEvent::Receive { stream, kind, wanted }))
    }

    /// FCPublish and FCSubscribe: encoders and networks of the Flash Media Server family wait for both answers.
    fn handle_fc(&mut self, command: &Command, notice: &'static str, code: StatusCode) -> Handled {
        self.answer(command, Value::Null)?;
        self.send_fc_notice(command, notice, code)
    }

    fn handle_fc_unpublish(&mut self, command: &Command) -> Handled {
        self.answer(command, Value::Null)?;
        self.send_fc_notice(command, "onFCUnpublish", StatusCode::UnpublishSuccess)?;
        let stream = command
            .text_argument(0)
            .and_then(|name| self.streams.published_as(name));
        match stream {
            Some(stream) => self.close_stream(stream),
            None => Ok(None),
        }
    }

    fn send_fc_notice(&mut self, command: &Command, notice: &'static str, code: StatusCode) -> Handled {
        let name = command.text_argument(0).unwrap_or_default();
        let fits = self.check_name(name).is_ok();
        let status = Status::new(code, if fits { name } else { "" });
        let notice = Command::new(AmfString::from_static(notice)).with_argument(status.to_value());
        self.link.send_command(MessageStreamId::CONNECTION, notice)?;
        Ok(None)
    }

    fn check_name(&self, name: &str) -> Result<(), LimitError> {
        let (length, limit) = (name.len(), self.link.limits().max_name_len);
        match length > limit {
            true => Err(LimitError::NameTooLong { length, limit }),
            false => Ok(()),
        }
    }

    fn playing(&self, stream: MessageStreamId) -> Option<MessageStreamId> {
        self.streams
            .resolve(stream)
            .filter(|&stream| self.streams.role(stream) == Some(Role::Playing))
    }

    /// `_result` with one value, if an answer is wanted.
    fn answer(&mut self, command: &Command, value: Value) -> Handled {
        if command.transaction.expects_answer() {
            let answer = Command::result(command.transaction).with_argument(value);
            self.link.send_command(MessageStreamId::CONNECTION, answer)?;
        }
        Ok(None)
    }

    /// `_error`, if an answer is wanted.
    fn refuse_call(&mut self, command: &Command, description: &str) -> Handled {
        if command.transaction.expects_answer() {
            let status = Status::new(StatusCode::CallFailed, description);
            let answer = Command::error(command.transaction, &status);
            self.link.send_command(MessageStreamId::CONNECTION, answer)?;
        }
        Ok(ignored(command))
    }

    /// `onStatus` of level error on the stream that the request named.
    fn refuse_stream(&mut self, command: &Command, stream: MessageStreamId, status: &Status) -> Handled {
        self.send_status(stream, status)?;
        Ok(ignored(command))
    }

    pub(super) fn send_status(
        &mut self,
        stream: MessageStreamId,
        status: &Status,
    ) -> Result<(), ProtocolError> {
        self.link.send_command(stream, Command::on_status(status))
    }

    pub(super) fn send_connect_answer(
        &mut self,
        transaction: TransactionId,
        answer: Command,
    ) -> Result<(), ProtocolError> {
        self.link
            .send_command(MessageStreamId::CONNECTION, answer.with_transaction(transaction))
    }
}

/// The closing event of what a stream was used for.
fn ended(stream: MessageStreamId, role: &Role) -> Option<ServerEvent> {
    match role {
        Role::Idle => None,
        Role::Publishing { .. } => Some(ServerEvent::Unpublish { stream }),
        Role::Playing => Some(ServerEvent::StopPlay { stream }),
    }
}

fn ignored(command: &Command) -> Option<ServerEvent> {
    Some(ServerEvent::Ignored(Ignored::command(command)))
}

fn over_limit(error: LimitError) -> Option<ServerEvent> {
    Some(ServerEvent::Ignored(Ignored::OverLimit(error)))
}

/// The argument as a position in milliseconds, if it is a possible one.
fn position(command: &Command, index: usize) -> Option<Duration> {
    command
        .number_argument(index)
        .filter(|&millis| millis >= 0.0)
        .map(duration_from_millis)
}

fn whole_number(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}
