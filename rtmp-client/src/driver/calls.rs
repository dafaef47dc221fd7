//! The server's remote calls: who answers them, and when.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, TransactionId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tracing::debug;

use super::Driver;
use crate::calls::{CallAnswer, IncomingCall};
use crate::event::Event;

/// A call that the application has not answered yet.
#[derive(Debug)]
pub(super) struct OwedAnswer {
    transaction: TransactionId,
    answer: oneshot::Receiver<CallAnswer>,
}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    /// Hands a call to the application. Without room for it the answer is empty, for servers that wait for one.
    pub(super) fn handle_call(&mut self, stream: MessageStreamId, command: Command) {
        let transaction = command.transaction;
        let event = Event::Call {
            stream,
            command: command.clone(),
        };
        let len = event.held_len();
        self.shared.publish(&event);
        if !transaction.expects_answer() {
            self.shared
                .offer_call(IncomingCall::new(stream, command, None), len);
            return;
        }
        let (sender, answer) = oneshot::channel();
        let call = IncomingCall::new(stream, command, Some(sender));
        if self.owed_answers.len() < self.config.events.items && self.shared.offer_call(call, len) {
            self.owed_answers.push(OwedAnswer { transaction, answer });
        } else {
            self.answer_empty(transaction);
        }
    }

    /// Sends the answers that the application has given.
    pub(super) fn take_answers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        let mut place = 0;
        while self.has_output_room()
            && let Some(owed) = self.owed_answers.get_mut(place)
        {
            let Poll::Ready(answer) = Pin::new(&mut owed.answer).poll(cx) else {
                place += 1;
                continue;
            };
            let transaction = self.owed_answers.remove(place).transaction;
            moved = true;
            // A call that was dropped gets the empty answer.
            let answer = answer.unwrap_or(Ok(Value::Null));
            if let Err(error) = self.machine.answer_call(transaction, answer) {
                debug!(%error, "an answer can not be written");
                self.answer_empty(transaction);
            }
        }
        moved
    }

    fn answer_empty(&mut self, transaction: TransactionId) {
        if let Err(error) = self.machine.answer_call(transaction, Ok(Value::Null)) {
            debug!(%error, "no answer");
        }
    }
}
