//! The caller's answers but for those to players.

use std::time::Duration;

use rtmp_amf::amf0::Value;

use super::{Amf3, Phase, Role, ServerMachine, Undecided};
use crate::chunk::MessageStreamId;
use crate::conn::ProtocolError;
use crate::message::{
    BandwidthLimit, Command, ConnectReply, Control, Status, StatusCode, TransactionId, UserControl,
};

impl ServerMachine {
    /// Accepts the connection: window, bandwidth, chunk size, then `_result` (RTMP 1.0 section 7.2.1.1).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] if no `connect` waits for an answer.
    pub fn accept_connect(&mut self, reply: &ConnectReply) -> Result<(), ProtocolError> {
        let transaction = self.take_undecided_connect("accept connect")?;
        let bandwidth = Control::SetPeerBandwidth {
            window: self.config.peer_bandwidth,
            limit: BandwidthLimit::Dynamic,
        };
        self.link
            .send_control(Control::WindowAckSize(self.config.window_ack_size))?;
        self.link.send_control(bandwidth)?;
        self.link
            .send_user_control(UserControl::StreamBegin(MessageStreamId::CONNECTION))?;
        self.link
            .send_control(Control::SetChunkSize(self.config.chunk_size))?;
        // AMF3 that the client did not ask for would be a language that it does not speak.
        let mut reply = reply.clone();
        if !reply.agrees_to_amf3() || self.amf3 == Amf3::NotAsked {
            reply.status.details.insert("objectEncoding", 0.0);
        } else {
            self.amf3 = Amf3::Agreed;
        }
        self.send_connect_answer(transaction, reply.to_command())?;
        self.phase = Phase::Connected;
        self.link.set_awaits_connect(false);
        Ok(())
    }

    /// Refuses the connection: `_error`, then `close`. The caller sends what [`output`](Self::output) holds and
    /// closes.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] if no `connect` waits for an answer.
    pub fn reject_connect(&mut self, status: &Status) -> Result<(), ProtocolError> {
        let transaction = self.take_undecided_connect("reject connect")?;
        self.send_connect_answer(transaction, Command::error(transaction, status))?;
        self.close()
    }

    /// Lets the client publish.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if no `publish` on this stream waits for an answer.
    pub fn accept_publish(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        let name = self.take_undecided_publish(stream, "accept publish")?;
        self.streams.set_role(stream, Role::Publishing { name });
        self.link.allow_media();
        self.link.send_user_control(UserControl::StreamBegin(stream))?;
        self.send_status(
            stream,
            &Status::new(StatusCode::PublishStart, "Started publishing."),
        )
    }

    /// Refuses to let the client publish. It may try again.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if no `publish` on this stream waits for an answer.
    pub fn reject_publish(&mut self, stream: MessageStreamId, status: &Status) -> Result<(), ProtocolError> {
        self.take_undecided_publish(stream, "reject publish")?;
        self.send_status(stream, status)
    }

    /// Ends a publication from the server's side, with a status that says why.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being published.
    pub fn end_publish(&mut self, stream: MessageStreamId, status: &Status) -> Result<(), ProtocolError> {
        if !matches!(self.streams.role(stream), Some(Role::Publishing { .. })) {
            return Err(ProtocolError::WrongStream {
                operation: "end publishing",
                stream,
            });
        }
        self.streams.set_role(stream, Role::Idle);
        self.send_status(stream, status)
    }

    /// Tells a publisher, or one that has just ended its publication, something that changes nothing, such as
    /// `NetStream.Record.Start`.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream does not exist or is not for publishing.
    pub fn notify_publisher(
        &mut self,
        stream: MessageStreamId,
        status: &Status,
    ) -> Result<(), ProtocolError> {
        if !matches!(
            self.streams.role(stream),
            Some(Role::Publishing { .. } | Role::Idle)
        ) {
            return Err(ProtocolError::WrongStream {
                operation: "notify the publisher",
                stream,
            });
        }
        self.send_status(stream, status)
    }

    /// Answers how long a recorded stream is, in seconds on the wire; a live stream has no length, which is 0.
    ///
    /// # Errors
    ///
    /// None today; [`ProtocolError`] if the answer could not be written.
    pub fn answer_stream_length(
        &mut self,
        transaction: TransactionId,
        length: Option<Duration>,
    ) -> Result<(), ProtocolError> {
        let seconds = length.map_or(0.0, |length| length.as_secs_f64());
        self.answer_call(transaction, Ok(Value::Number(seconds)))
    }

    /// Calls a procedure of the client, on a stream or on the connection (stream 0). The answer is
    /// [`CallReturned`](super::ServerEvent::CallReturned) or [`CallFailed`](super::ServerEvent::CallFailed) with the
    /// transaction id that this returns.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] before `connect` was accepted, [`ProtocolError::EncodeMessage`] if an argument can
    /// not be written as AMF0.
    pub fn call(
        &mut self,
        stream: MessageStreamId,
        procedure: &str,
        arguments: Vec<Value>,
    ) -> Result<TransactionId, ProtocolError> {
        if !self.is_connected() {
            return Err(self.wrong_phase("call"));
        }
        let mut command = Command::new(procedure).with_transaction(self.calls.next());
        command.arguments = arguments;
        self.link.send_command(stream, command)?;
        Ok(self.calls.note(()))
    }

    /// Forgets a call whose answer is not wanted any more, so that a late one is ignored.
    pub fn forget(&mut self, transaction: TransactionId) {
        self.calls.forget(transaction);
    }

    /// Answers a remote call of the client, with the value it returns or a status that says why it failed. Without a
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

    /// Sends a status about the connection.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongPhase`] before `connect` was accepted.
    pub fn send_connection_status(&mut self, status: &Status) -> Result<(), ProtocolError> {
        if !self.is_connected() {
            return Err(self.wrong_phase("send a status"));
        }
        self.send_status(MessageStreamId::CONNECTION, status)
    }

    /// Ends the connection in order: sends `close`, and takes no more input.
    ///
    /// # Errors
    ///
    /// None today; [`ProtocolError`] if the command could not be written.
    pub fn close(&mut self) -> Result<(), ProtocolError> {
        if matches!(self.phase, Phase::Unconnected | Phase::Connected) {
            self.link
                .send_command(MessageStreamId::CONNECTION, Command::new("close"))?;
        }
        self.phase = Phase::Closed;
        self.undecided = None;
        self.next_event = None;
        Ok(())
    }

    fn take_undecided_connect(&mut self, operation: &'static str) -> Result<TransactionId, ProtocolError> {
        match self.undecided {
            Some(Undecided::Connect { transaction }) => {
                self.undecided = None;
                Ok(transaction)
            }
            _ => Err(self.wrong_phase(operation)),
        }
    }

    /// The name of the stream to publish.
    fn take_undecided_publish(
        &mut self,
        stream: MessageStreamId,
        operation: &'static str,
    ) -> Result<String, ProtocolError> {
        match self.undecided.take() {
            Some(Undecided::Publish { stream: asked, name }) if asked == stream => Ok(name),
            other => {
                self.undecided = other;
                Err(ProtocolError::WrongStream { operation, stream })
            }
        }
    }
}
