//! What the application asks of the server (RTMP 1.0 section 7.2).

use std::time::Duration;

use rtmp_amf::AmfString;
use rtmp_amf::amf0::Value;

use super::{ClientMachine, Pending, Phase, Role};
use crate::chunk::MessageStreamId;
use crate::conn::ProtocolError;
use crate::message::{
    Command, ConnectRequest, Control, MediaMessage, PlayOptions, PlayRequest, PublishRequest, Status,
    TransactionId, UserControl,
};

/// Unanswered commands that are remembered although nothing depends on their answer.
const MAX_COURTESIES: usize = 64;

impl ClientMachine {
    /// Connects to an application. `app` and `tc_url` are sent unless the request has its own. The answer is
    /// [`Connected`](super::ClientEvent::Connected) or [`ConnectRefused`](super::ClientEvent::ConnectRefused).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] if the handshake is not done, or the connection is connected already or closed;
    /// [`ProtocolError::EncodeMessage`] if the request can not be written as AMF0.
    pub fn connect(
        &mut self,
        request: &ConnectRequest,
        app: &str,
        tc_url: &str,
    ) -> Result<(), ProtocolError> {
        if !matches!(self.phase, Phase::Unconnected) {
            return Err(self.wrong_phase("connect"));
        }
        self.link
            .send_control(Control::SetChunkSize(self.config.chunk_size))?;
        self.call_for(
            Pending::Connect,
            MessageStreamId::CONNECTION,
            request.to_command(app, tc_url),
        )?;
        self.phase = Phase::Connecting;
        Ok(())
    }

    /// Creates a stream. The answer is [`StreamCreated`](super::ClientEvent::StreamCreated) or
    /// [`StreamRefused`](super::ClientEvent::StreamRefused) with the transaction id that this returns.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] if the connection is not connected.
    pub fn create_stream(&mut self) -> Result<TransactionId, ProtocolError> {
        self.check_connected("create a stream")?;
        let command = Command::new(AmfString::from_static("createStream"));
        self.call_for(Pending::CreateStream, MessageStreamId::CONNECTION, command)
    }

    /// Asks to publish, in the way of Flash Media Live Encoder, which some servers insist on: `releaseStream`,
    /// `FCPublish`, `publish`. The answer is [`PublishStarted`](super::ClientEvent::PublishStarted) or
    /// [`PublishRefused`](super::ClientEvent::PublishRefused).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream does not exist or is in use.
    pub fn publish(
        &mut self,
        stream: MessageStreamId,
        request: &PublishRequest,
    ) -> Result<(), ProtocolError> {
        self.check_idle(stream, "publish")?;
        for courtesy in ["releaseStream", "FCPublish"] {
            self.send_courtesy(courtesy, request.name())?;
        }
        self.call_for(Pending::Publish(stream), stream, request.to_command())?;
        self.set_role(
            stream,
            Role::PublishRequested {
                name: request.name().to_owned(),
            },
        );
        Ok(())
    }

    /// Asks to play. The answer is [`PlayStarted`](super::ClientEvent::PlayStarted) or
    /// [`PlayRefused`](super::ClientEvent::PlayRefused).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream does not exist or is being published.
    pub fn play(&mut self, stream: MessageStreamId, request: &PlayRequest) -> Result<(), ProtocolError> {
        match self.role(stream) {
            Some(Role::Idle | Role::PlayRequested | Role::Playing) => {}
            _ => {
                return Err(ProtocolError::WrongStream {
                    operation: "play",
                    stream,
                });
            }
        }
        self.call_for(Pending::Play(stream), stream, request.to_command())?;
        let length = self.config.buffer_length;
        self.link
            .send_user_control(UserControl::SetBufferLength { stream, length })?;
        self.link.allow_media();
        self.set_role(stream, Role::PlayRequested);
        Ok(())
    }

    /// Sends a message on a stream that is being published.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the server has not let us publish on it, [`ProtocolError::Encode`] if the
    /// message is too long.
    pub fn send_media(
        &mut self,
        stream: MessageStreamId,
        message: &MediaMessage,
    ) -> Result<(), ProtocolError> {
        match self.role(stream) {
            Some(Role::Publishing { .. }) => self.link.send_media(stream, message),
            _ => Err(ProtocolError::WrongStream {
                operation: "send media",
                stream,
            }),
        }
    }

    /// Asks a playing stream to pause at `position`, or to go on from there. The server answers with a status.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn pause(
        &mut self,
        stream: MessageStreamId,
        paused: bool,
        position: Duration,
    ) -> Result<(), ProtocolError> {
        self.check_playing(stream, "pause")?;
        let command = Command::new(AmfString::from_static("pause"))
            .with_argument(paused)
            .with_argument(position.as_millis() as f64);
        self.link.send_command(stream, command)
    }

    /// Asks a playing stream to go on at `position`. The server answers with a status.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn seek(&mut self, stream: MessageStreamId, position: Duration) -> Result<(), ProtocolError> {
        self.check_playing(stream, "seek")?;
        let command = Command::new(AmfString::from_static("seek")).with_argument(position.as_millis() as f64);
        self.link.send_command(stream, command)
    }

    /// Says whether the audio of a playing stream is wanted (RTMP 1.0 section 7.2.2.4). The server answers with a
    /// status when it sends it again.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn receive_audio(&mut self, stream: MessageStreamId, wanted: bool) -> Result<(), ProtocolError> {
        self.send_receive("receiveAudio", stream, wanted)
    }

    /// Says whether the video of a playing stream is wanted (RTMP 1.0 section 7.2.2.5). The server answers with a
    /// status when it sends it again.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn receive_video(&mut self, stream: MessageStreamId, wanted: bool) -> Result<(), ProtocolError> {
        self.send_receive("receiveVideo", stream, wanted)
    }

    /// Ends what a stream is used for. The stream stays and can be published or played again.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream does not exist.
    pub fn close_stream(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        let Some(known) = self.stream(stream) else {
            return Err(ProtocolError::WrongStream {
                operation: "close",
                stream,
            });
        };
        let role = std::mem::replace(&mut known.role, Role::Idle);
        self.take_leave(stream, role)?;
        self.link
            .send_command(stream, Command::new(AmfString::from_static("closeStream")))
    }

    /// Deletes a stream, ending what it is used for. There is no answer.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream does not exist.
    pub fn delete_stream(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        let Some(place) = self.streams.iter().position(|known| known.id == stream) else {
            return Err(ProtocolError::WrongStream {
                operation: "delete",
                stream,
            });
        };
        let role = self.streams.swap_remove(place).role;
        self.deleted.push(stream);
        self.take_leave(stream, role)?;
        let command =
            Command::new(AmfString::from_static("deleteStream")).with_argument(Value::from(stream.get()));
        self.link.send_command(MessageStreamId::CONNECTION, command)
    }

    /// Calls a procedure of the server, on a stream or on the connection (stream 0). The answer is
    /// [`CallReturned`](super::ClientEvent::CallReturned) or [`CallFailed`](super::ClientEvent::CallFailed) with the
    /// transaction id that this returns.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] if the connection is not connected.
    pub fn call(
        &mut self,
        stream: MessageStreamId,
        name: &str,
        arguments: Vec<Value>,
    ) -> Result<TransactionId, ProtocolError> {
        self.check_connected("call")?;
        let mut command = Command::new(name);
        command.arguments = arguments;
        self.call_for(Pending::Call, stream, command)
    }

    /// Announces to a content network that a stream is about to be played (`FCSubscribe`), as some ask for before `play`.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] if the connection is not connected.
    pub fn subscribe(&mut self, stream_name: &str) -> Result<(), ProtocolError> {
        self.check_connected("subscribe")?;
        self.send_courtesy("FCSubscribe", stream_name)
    }

    /// Asks a playing stream to go over to another. The server answers with a status.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn transition(
        &mut self,
        stream: MessageStreamId,
        options: &PlayOptions,
    ) -> Result<(), ProtocolError> {
        self.check_playing(stream, "go over to another stream")?;
        self.link.send_command(stream, options.to_command())
    }

    /// Answers a remote call of the server, with the value it returns or a status that says why it failed. Without a
    /// transaction id nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::EncodeMessage`] if the value can not be written as AMF0.
    pub fn answer_call(
        &mut self,
        transaction: TransactionId,
        result: Result<Value, Status>,
    ) -> Result<(), ProtocolError> {
        self.link.answer_call(transaction, result)
    }

    /// Forgets a call whose answer is not wanted any more, so that a late one is ignored.
    pub fn forget(&mut self, transaction: TransactionId) {
        self.calls.forget(transaction);
    }

    /// Ends the connection in order: deletes the streams and takes no more input. What [`output`](Self::output)
    /// holds is still to be sent.
    ///
    /// # Errors
    ///
    /// None today; [`ProtocolError`] if a command could not be written.
    pub fn close(&mut self) -> Result<(), ProtocolError> {
        while let Some(stream) = self.streams.first().map(|stream| stream.id) {
            self.delete_stream(stream)?;
        }
        self.phase = Phase::Closed;
        self.calls.clear();
        Ok(())
    }

    fn send_receive(
        &mut self,
        name: &'static str,
        stream: MessageStreamId,
        wanted: bool,
    ) -> Result<(), ProtocolError> {
        self.check_playing(stream, name)?;
        let command = Command::new(AmfString::from_static(name)).with_argument(wanted);
        self.link.send_command(stream, command)
    }

    /// What comes before a stream is closed or deleted. An answer that is still on its way must not be taken for that
    /// to a later request on a stream of the same number.
    fn take_leave(&mut self, stream: MessageStreamId, role: Role) -> Result<(), ProtocolError> {
        self.calls
            .retain(|pending| !matches!(pending, Pending::Publish(id) | Pending::Play(id) if *id == stream));
        if let Role::PublishRequested { name } | Role::Publishing { name } = role {
            self.send_courtesy("FCUnpublish", &name)?;
        }
        Ok(())
    }

    fn send_courtesy(&mut self, name: &'static str, stream_name: &str) -> Result<(), ProtocolError> {
        // Many servers never answer: the oldest is not waited for any more.
        self.calls
            .make_room(MAX_COURTESIES, |pending| *pending == Pending::Courtesy);
        let command = Command::new(AmfString::from_static(name)).with_argument(stream_name);
        self.call_for(Pending::Courtesy, MessageStreamId::CONNECTION, command)?;
        Ok(())
    }

    fn call_for(
        &mut self,
        pending: Pending,
        stream: MessageStreamId,
        command: Command,
    ) -> Result<TransactionId, ProtocolError> {
        let transaction = self.calls.next();
        self.link
            .send_command(stream, command.with_transaction(transaction))?;
        Ok(self.calls.note(pending))
    }

    fn check_connected(&self, operation: &'static str) -> Result<(), ProtocolError> {
        if self.is_connected() {
            Ok(())
        } else {
            Err(self.wrong_phase(operation))
        }
    }

    fn check_idle(&self, stream: MessageStreamId, operation: &'static str) -> Result<(), ProtocolError> {
        match self.role(stream) {
            Some(Role::Idle) => Ok(()),
            _ => Err(ProtocolError::WrongStream { operation, stream }),
        }
    }

    fn check_playing(&self, stream: MessageStreamId, operation: &'static str) -> Result<(), ProtocolError> {
        match self.role(stream) {
            Some(Role::Playing | Role::PlayRequested) => Ok(()),
            _ => Err(ProtocolError::WrongStream { operation, stream }),
        }
    }
}
