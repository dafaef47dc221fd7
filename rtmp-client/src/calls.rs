//! The server's remote calls, for an application that answers them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use rtmp_amf::amf0::Value;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, Status};
use tokio::sync::oneshot;

use crate::queue::Receiver;

/// What a call returns, or why it failed.
pub(crate) type CallAnswer = Result<Value, Status>;

/// A remote call of the server (RTMP 1.0 section 7.2.1.2), from [`Calls::recv`].
///
/// A call that is dropped gets the empty answer: `_result` with null. Servers that measure the line wait for that.
#[derive(Debug)]
pub struct IncomingCall {
    stream: MessageStreamId,
    command: Command,
    /// Dropped, it tells the driver to give the empty answer.
    answer: Option<oneshot::Sender<CallAnswer>>,
}

impl IncomingCall {
    /// `answer` is `None` for a call that wants no answer.
    pub(crate) fn new(
        stream: MessageStreamId,
        command: Command,
        answer: Option<oneshot::Sender<CallAnswer>>,
    ) -> Self {
        Self {
            stream,
            command,
            answer,
        }
    }

    /// The stream it is about, 0 for the connection.
    #[must_use]
    pub fn stream(&self) -> MessageStreamId {
        self.stream
    }

    /// The call: its name and arguments.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Whether the server wants an answer. If not, nothing is sent whatever is answered.
    #[must_use]
    pub fn expects_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// Returns a value (`_result`). One that can not be written as AMF0 becomes the empty answer.
    pub fn answer(self, value: impl Into<Value>) {
        self.settle(Ok(value.into()));
    }

    /// Says why the call failed (`_error`). A status that can not be written as AMF0 becomes the empty answer.
    pub fn refuse(self, status: Status) {
        self.settle(Err(status));
    }

    fn settle(self, answer: CallAnswer) {
        if let Some(sender) = self.answer {
            // A connection that is closed needs no answer.
            let _ = sender.send(answer);
        }
    }
}

/// The calls of the server from the time they were asked for, from [`ClientConn::calls`](crate::ClientConn::calls).
///
/// It holds a bounded number ([`event_capacity`](crate::ClientBuilder::event_capacity)) of at most 1 MiB in all, and as
/// many calls may wait for their answers; beyond that, calls get the empty answer and do not come by here. It does not
/// keep the connection open. Calls that are still in it when it is dropped get the empty answer.
///
/// It is a [`Stream`] as well.
#[derive(Debug)]
pub struct Calls {
    queue: Receiver<IncomingCall>,
}

impl Calls {
    pub(crate) fn new(queue: Receiver<IncomingCall>) -> Self {
        Self { queue }
    }

    /// The next call; `None` when the connection is closed, or the calls go to somebody else who asked for them.
    ///
    /// # Cancel safety
    ///
    /// No call is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<IncomingCall> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<IncomingCall>> {
        self.queue.poll_next(cx).map(Result::ok)
    }
}

impl Stream for Calls {
    type Item = IncomingCall;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<IncomingCall>> {
        self.poll_recv(cx)
    }
}
