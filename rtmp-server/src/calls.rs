//! What the application asks of a session's client, on its way to the session's task.

use std::collections::VecDeque;
use std::fmt;
use std::sync::PoisonError;
use std::task::Waker;

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::{MessageStreamId, RawMessage};
use rtmp_core::conn::ProtocolError;
use rtmp_core::message::{Command, Status};
use tokio::sync::oneshot;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Requests that wait for the session's task, and calls that wait for their answers; more of either are refused.
pub(crate) const MAX_CALLS: usize = 64;

/// Why a remote call to a client, or a message for it, came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The client answered with `_error`.
    #[error("the client refused the call: {}", Status::from_value(.answer.arguments.first().unwrap_or(&Value::Null)))]
    Failed {
        /// The whole answer.
        answer: Box<Command>,
    },
    /// The client's `connect` has not been accepted yet.
    #[error("the client is not connected to an application yet")]
    NotConnected,
    /// Something can not be written as AMF0, or is too long for a message.
    #[error("something that can not be encoded")]
    Encode(#[source] Box<ProtocolError>),
    /// Too many wait already.
    #[error("{limit} calls of the session are waiting already")]
    TooMany {
        /// How many may wait.
        limit: usize,
    },
    /// The session has ended.
    #[error("the session has ended")]
    Closed,
}

/// Where the outcome of a request goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CallError>>;

/// Something that a session's client is to hear.
pub(crate) enum ClientRequest {
    Call {
        stream: MessageStreamId,
        procedure: Box<str>,
        arguments: Vec<Value>,
        reply: Reply<Command>,
    },
    Status {
        status: Box<Status>,
        reply: Reply<()>,
    },
    Raw {
        message: RawMessage,
        reply: Reply<()>,
    },
}

/// Requests from anywhere to one session's task. It allocates nothing before the first.
#[derive(Default)]
pub(crate) struct ClientRequests {
    queue: Mutex<Queue>,
    /// Whether there may be some; asked far more often than there are.
    has_some: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<ClientRequest>,
    /// The session's task, once it waits.
    waker: Option<Waker>,
    is_closed: bool,
}

impl ClientRequests {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request and waits for its outcome.
    pub(crate) async fn ask<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> ClientRequest,
    ) -> Result<T, CallError> {
        let (reply, outcome) = oneshot::channel();
        let waker = {
            let mut queue = self.lock();
            if queue.is_closed {
                return Err(CallError::Closed);
            }
            if queue.waiting.len() >= MAX_CALLS {
                return Err(CallError::TooMany { limit: MAX_CALLS });
            }
            queue.waiting.push_back(request(reply));
            self.has_some.store(true, Ordering::Release);
            queue.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        outcome.await.unwrap_or(Err(CallError::Closed))
    }

    /// Has `waker` woken by whoever adds a request from now on. Those of before are there already.
    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    pub(crate) fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self) -> VecDeque<ClientRequest> {
        let mut queue = self.lock();
        self.has_some.store(false, Ordering::Release);
        std::mem::take(&mut queue.waiting)
    }

    /// Lets nobody wait for a session that is over.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut queue = self.lock();
            queue.is_closed = true;
            queue.waker = None;
            std::mem::take(&mut queue.waiting)
        };
        drop(waiting);
    }
}

impl fmt::Debug for ClientRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequests").finish_non_exhaustive()
    }
}
