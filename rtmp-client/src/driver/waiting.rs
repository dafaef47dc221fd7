//! Commands that wait for the server's answer.

use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, ConnectReply, TransactionId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{Driver, NewStream, Reply};
use crate::error::{CloseReason, Error, Operation};
use crate::expiry::Expiry;
use crate::playback::Intake;
use crate::publisher::Feed;

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) expiry: Expiry,
    answer: Awaited,
}

/// What is waited for, and who waits. Who has gone meanwhile is noticed when the answer comes.
#[derive(Debug)]
pub(super) enum Awaited {
    Connect(Reply<ConnectReply>),
    CreateStream {
        transaction: TransactionId,
        reply: Reply<NewStream>,
    },
    Publish {
        stream: MessageStreamId,
        reply: Reply<Feed>,
    },
    Play {
        stream: MessageStreamId,
        /// Handed over with the answer, as media may come first.
        media: Intake,
        reply: Reply<Intake>,
    },
    Pause {
        stream: MessageStreamId,
        is_paused: bool,
        reply: Reply<()>,
    },
    Seek {
        stream: MessageStreamId,
        reply: Reply<()>,
    },
    Transition {
        stream: MessageStreamId,
        reply: Reply<()>,
    },
    Call {
        transaction: TransactionId,
        procedure: Box<str>,
        reply: Reply<Command>,
    },
    Ping(Reply<Duration>),
}

impl Awaited {
    fn operation(&self) -> Operation {
        match self {
            Self::Connect(_) => Operation::Connect,
            Self::CreateStream { .. } => Operation::CreateStream,
            Self::Publish { .. } => Operation::Publish,
            Self::Play { .. } => Operation::Play,
            Self::Pause { is_paused: true, .. } => Operation::Pause,
            Self::Pause { is_paused: false, .. } => Operation::Resume,
            Self::Seek { .. } => Operation::Seek,
            Self::Transition { .. } => Operation::Transition,
            Self::Ping(_) => Operation::Ping,
            Self::Call { procedure, .. } => Operation::Call(procedure.clone()),
        }
    }

    /// Gives the error to who waits, if it still does.
    pub(super) fn fail(self, error: Error) {
        match self {
            Self::Connect(reply) => drop(reply.send(Err(error))),
            Self::CreateStream { reply, .. } => drop(reply.send(Err(error))),
            Self::Publish { reply, .. } => drop(reply.send(Err(error))),
            Self::Play { reply, .. } => drop(reply.send(Err(error))),
            Self::Pause { reply, .. } | Self::Seek { reply, .. } | Self::Transition { reply, .. } => {
                drop(reply.send(Err(error)));
            }
            Self::Call { reply, .. } => drop(reply.send(Err(error))),
            Self::Ping(reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Waiting {
    pub(super) fn is_create_stream(&self) -> bool {
        matches!(self.answer, Awaited::CreateStream { .. })
    }

    pub(super) fn is_control_of(&self, id: MessageStreamId) -> bool {
        match self.answer {
            Awaited::Pause { stream, .. }
            | Awaited::Seek { stream, .. }
            | Awaited::Transition { stream, .. } => stream == id,
            _ => false,
        }
    }

    pub(super) fn stream(&self) -> Option<MessageStreamId> {
        match self.answer {
            Awaited::Publish { stream, .. }
            | Awaited::Play { stream, .. }
            | Awaited::Pause { stream, .. }
            | Awaited::Seek { stream, .. }
            | Awaited::Transition { stream, .. } => Some(stream),
            Awaited::Connect(_) | Awaited::CreateStream { .. } | Awaited::Call { .. } | Awaited::Ping(_) => {
                None
            }
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    pub(super) fn wait_for(&mut self, answer: Awaited) {
        let expiry = Expiry::since(Instant::now(), self.config.timeouts.command);
        self.waiting.push(Waiting { expiry, answer });
    }

    /// The first that waits for this answer.
    pub(super) fn take_waiting(&mut self, is_it: impl Fn(&Awaited) -> bool) -> Option<Awaited> {
        let place = self.waiting.iter().position(|waiting| is_it(&waiting.answer))?;
        Some(self.waiting.remove(place).answer)
    }

    /// Whether the server has not answered the last `play` on the stream.
    pub(super) fn is_play_awaited(&self, id: MessageStreamId) -> bool {
        let is_it = |awaited: &Awaited| matches!(awaited, Awaited::Play { stream, .. } if *stream == id);
        self.waiting.iter().any(|waiting| is_it(&waiting.answer))
    }

    /// Whether the server has not answered a `seek` on the stream.
    pub(super) fn is_seek_awaited(&self, id: MessageStreamId) -> bool {
        let is_it = |awaited: &Awaited| matches!(awaited, Awaited::Seek { stream, .. } if *stream == id);
        self.waiting.iter().any(|waiting| is_it(&waiting.answer))
    }

    pub(super) fn is_ping_awaited(&self) -> bool {
        self.waiting
            .iter()
            .any(|waiting| matches!(waiting.answer, Awaited::Ping(_)))
    }

    pub(super) fn fail_waiting(
        &mut self,
        which: impl Fn(&Waiting) -> bool,
        error: impl Fn(Operation) -> Error,
    ) {
        for waiting in self.waiting.extract_if(.., |waiting| which(waiting)) {
            let error = error(waiting.answer.operation());
            waiting.answer.fail(error);
        }
    }

    pub(super) fn expire_waiting(&mut self, now: Instant) -> Result<(), CloseReason> {
        while let Some(place) = self
            .waiting
            .iter_mut()
            .position(|waiting| waiting.expiry.is_over(now))
        {
            let expired = self.waiting.remove(place).answer;
            let (operation, after) = (expired.operation(), self.config.timeouts.command);
            match &expired {
                // Without it nothing else is possible.
                Awaited::Connect(_) => {
                    expired.fail(Error::Timeout {
                        operation: operation.clone(),
                        after,
                    });
                    return Err(CloseReason::Timeout { operation, after });
                }
                // The server may still do it; nobody is there to use it.
                Awaited::Publish { stream, .. } | Awaited::Play { stream, .. } => {
                    let stream = *stream;
                    expired.fail(Error::Timeout { operation, after });
                    self.delete_stream(stream);
                }
                Awaited::Call { transaction, .. } => {
                    self.machine.forget(*transaction);
                    expired.fail(Error::Timeout { operation, after });
                }
                Awaited::Seek { stream, .. } => {
                    let stream = *stream;
                    self.refresh_status();
                    expired.fail(Error::Timeout { operation, after });
                    self.end_if_stopped(stream);
                }
                // A late stream is deleted when it comes.
                Awaited::CreateStream { .. }
                | Awaited::Pause { .. }
                | Awaited::Transition { .. }
                | Awaited::Ping(_) => {
                    self.refresh_status();
                    expired.fail(Error::Timeout { operation, after });
                }
            }
        }
        Ok(())
    }
}
