//! Remote calls to the client, and messages for it, that the application asked for.

use rtmp_core::conn::ProtocolError;
use rtmp_core::message::{Command, TransactionId};
use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use crate::SessionInfo;
use crate::calls::{CallError, ClientRequest, MAX_CALLS, Reply};

/// Calls that wait for the client's answers.
pub(super) struct PendingCalls {
    session: SessionInfo,
    pending: Vec<(TransactionId, Reply<Command>)>,
}

impl PendingCalls {
    pub(super) fn new(session: SessionInfo) -> Self {
        Self {
            session,
            pending: Vec::new(),
        }
    }

    /// Hands over the client's answer to one of them.
    pub(super) fn settle(&mut self, transaction: TransactionId, answer: Result<Command, CallError>) {
        if let Some(place) = self.pending.iter().position(|(id, _)| *id == transaction) {
            let (_, reply) = self.pending.swap_remove(place);
            // Who has stopped waiting does not hear it.
            let _ = reply.send(answer);
        }
    }

    /// Lets nobody wait for a session that is over.
    pub(super) fn close(&mut self) {
        self.session.requests().close();
        self.pending.clear();
    }
}

impl Drop for PendingCalls {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Driver<T> {
    /// Sends what the application wants the client to hear.
    pub(super) fn handle_requests(&mut self) {
        for request in self.info.requests().take() {
            match request {
                ClientRequest::Status { status, reply } => {
                    let sent = self.machine.send_connection_status(&status).map_err(not_sent);
                    let _ = reply.send(sent);
                }
                ClientRequest::Raw { message, reply } => {
                    let sent = self.machine.send_raw(&message).map_err(not_sent);
                    let _ = reply.send(sent);
                }
                // Nobody waits for its answer any more.
                ClientRequest::Call { reply, .. } if reply.is_closed() => {}
                ClientRequest::Call { reply, .. } if !self.has_room_for_a_call() => {
                    let _ = reply.send(Err(CallError::TooMany { limit: MAX_CALLS }));
                }
                ClientRequest::Call {
                    stream,
                    procedure,
                    arguments,
                    reply,
                } => match self.machine.call(stream, &procedure, arguments) {
                    Ok(transaction) => self.calls.pending.push((transaction, reply)),
                    Err(error) => drop(reply.send(Err(not_sent(error)))),
                },
            }
        }
    }

    /// Makes room, if it has to, by forgetting the calls whose answers nobody waits for.
    fn has_room_for_a_call(&mut self) -> bool {
        if self.calls.pending.len() >= MAX_CALLS {
            let machine = &mut self.machine;
            self.calls.pending.retain(|(transaction, reply)| {
                if reply.is_closed() {
                    machine.forget(*transaction);
                }
                !reply.is_closed()
            });
        }
        self.calls.pending.len() < MAX_CALLS
    }
}

fn not_sent(error: ProtocolError) -> CallError {
    match error {
        ProtocolError::WrongPhase { .. } => CallError::NotConnected,
        error => CallError::Encode(Box::new(error)),
    }
}
