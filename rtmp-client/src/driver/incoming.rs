//! What the server's events mean for the handles.

use std::sync::Arc;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{ConnectReply, Status, StatusCode, TransactionId, UserControl};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tracing::{debug, trace};

use super::streams::{Activity, Publishing, StreamEntry};
use super::waiting::Awaited;
use super::{Driver, NewStream, Stage};
use crate::error::{CloseReason, Error, Operation, StreamEnd};
use crate::event::Event;
use crate::playback::Delivery;
use crate::publisher::{Feed, Sent};
use crate::queue::queue;
use crate::redirect;

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    pub(super) fn handle_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Media { stream, message } => {
                if let Some(playing) = self.playing(stream) {
                    self.is_held = !playing.deliver(message);
                }
                return;
            }
            ClientEvent::Connected(reply) => self.connected(reply),
            ClientEvent::ConnectRefused(status) => self.connect_refused(status),
            ClientEvent::StreamCreated { transaction, stream } => self.stream_created(transaction, stream),
            ClientEvent::StreamRefused { transaction, status } => {
                let awaited = self.take_waiting(|awaited| {
                    matches!(awaited, Awaited::CreateStream { transaction: of, .. } if *of == transaction)
                });
                self.refuse(awaited, Operation::CreateStream, status);
            }
            ClientEvent::CallReturned { transaction, answer } => {
                if let Some((_, reply)) = self.take_call(transaction) {
                    // Who has gone meanwhile does not need the answer.
                    let _ = reply.send(Ok(answer));
                }
            }
            ClientEvent::CallFailed { transaction, answer } => {
                if let Some((procedure, reply)) = self.take_call(transaction) {
                    let answer = Box::new(answer);
                    let _ = reply.send(Err(Error::CallFailed { procedure, answer }));
                }
            }
            ClientEvent::PublishStarted { stream, status } => {
                self.publish_started(stream);
                self.shared.publish(&Event::Status { stream, status });
            }
            ClientEvent::PublishRefused { stream, status } => {
                self.shared.publish(&status_event(stream, &status));
                self.set_idle(stream);
                let awaited = self.take_waiting(
                    |awaited| matches!(awaited, Awaited::Publish { stream: of, .. } if *of == stream),
                );
                self.refuse(awaited, Operation::Publish, status);
            }
            ClientEvent::PlayStarted { stream, status } => {
                self.play_started(stream);
                self.shared.publish(&Event::Status { stream, status });
            }
            ClientEvent::PlayRefused { stream, status } => {
                self.shared.publish(&status_event(stream, &status));
                self.set_idle(stream);
                let awaited = self.take_waiting(
                    |awaited| matches!(awaited, Awaited::Play { stream: of, .. } if *of == stream),
                );
                self.refuse(awaited, Operation::Play, status);
            }
            ClientEvent::Status { stream, status } if self.is_connect_refusal(stream, &status) => {
                self.shared.publish(&status_event(stream, &status));
                self.refused_by_status(status);
            }
            ClientEvent::Status { stream, status } => {
                self.shared.publish(&status_event(stream, &status));
                self.handle_status(stream, status);
            }
            ClientEvent::UserControl(event) => self.handle_user_control(event),
            ClientEvent::Call { stream, command } => self.handle_call(stream, command),
            ClientEvent::Acknowledgement(sequence) => {
                self.shared.note_acknowledged(self.machine.acknowledged());
                self.shared.publish(&Event::Acknowledgement(sequence));
            }
            ClientEvent::Other(message) => self.shared.publish(&Event::Other(message)),
            ClientEvent::Pong(round_trip) => self.ping_answered(round_trip),
            ClientEvent::CloseRequested => self.close(CloseReason::CloseRequested),
            ClientEvent::Ignored(ignored) => debug!(?ignored, "passed over"),
            other => trace!(?other, "nothing to do"),
        }
        self.refresh_status();
    }

    fn connected(&mut self, reply: ConnectReply) {
        debug!("connected");
        self.is_connecting = false;
        self.refresh_status();
        if let Some(Awaited::Connect(waiting)) =
            self.take_waiting(|awaited| matches!(awaited, Awaited::Connect(_)))
        {
            // A caller that has gone finds the connection connected.
            let _ = waiting.send(Ok(reply));
        }
    }

    fn connect_refused(&mut self, status: Status) {
        debug!(%status, "the server refused to connect");
        self.is_connecting = false;
        self.refresh_status();
        let awaited = self.take_waiting(|awaited| matches!(awaited, Awaited::Connect(_)));
        self.refuse(awaited, Operation::Connect, status.clone());
        self.stage = Stage::Flushing(CloseReason::Refused(Arc::new(status)));
    }

    /// Some servers say with a status of the connection that it is refused, SRS also later on, to send the client
    /// elsewhere.
    fn is_connect_refusal(&self, stream: MessageStreamId, status: &Status) -> bool {
        stream == MessageStreamId::CONNECTION
            && status.is_error()
            && status.code.as_str().starts_with("NetConnection.Connect.")
            && (self.is_connecting || redirect::target(status).is_some())
    }

    fn refused_by_status(&mut self, status: Status) {
        if !matches!(self.stage, Stage::Open) {
            return;
        }
        debug!(%status, "the server refuses the connection");
        self.is_connecting = false;
        self.fail_waiting(
            |_| true,
            |operation| Error::Refused {
                operation,
                status: Box::new(status.clone()),
            },
        );
        self.close(CloseReason::Refused(Arc::new(status)));
    }

    fn stream_created(&mut self, transaction: TransactionId, id: MessageStreamId) {
        let awaited = self.take_waiting(
            |awaited| matches!(awaited, Awaited::CreateStream { transaction: of, .. } if *of == transaction),
        );
        // Without a caller the guard goes right away, and the stream with it.
        let (guard, handles) = oneshot::channel();
        self.streams.push(StreamEntry::new(id, handles));
        self.refresh_status();
        if let Some(Awaited::CreateStream { reply, .. }) = awaited {
            debug!(stream = id.get(), "stream created");
            let _ = reply.send(Ok(NewStream { id, guard }));
        }
    }

    fn publish_started(&mut self, id: MessageStreamId) {
        let awaited =
            self.take_waiting(|awaited| matches!(awaited, Awaited::Publish { stream: of, .. } if *of == id));
        debug!(stream = id.get(), "publishing");
        let (sender, receiver) = queue(self.config.media);
        self.shared.watch_publisher(sender.watch());
        let sent = Arc::new(Sent::default());
        let feed = Feed {
            queue: sender,
            sent: Arc::clone(&sent),
        };
        if let Some(stream) = self.stream(id) {
            stream.activity = Activity::Publishing(Publishing {
                queue: receiver,
                sent,
                unwritten: None,
                finish: None,
            });
        }
        if let Some(Awaited::Publish { reply, .. }) = awaited {
            // A feed that nobody takes ends, and the stream with it.
            let _ = reply.send(Ok(feed));
        }
    }

    fn play_started(&mut self, id: MessageStreamId) {
        debug!(stream = id.get(), "playing");
        let awaited =
            self.take_waiting(|awaited| matches!(awaited, Awaited::Play { stream: of, .. } if *of == id));
        if let Some(Awaited::Play { media, reply, .. }) = awaited {
            // A queue that nobody takes ends, and the stream with it.
            let _ = reply.send(Ok(media));
        }
    }

    fn handle_status(&mut self, id: MessageStreamId, status: Status) {
        match status.code {
            StatusCode::PauseNotify => self.pause_confirmed(id, true),
            StatusCode::UnpauseNotify => self.pause_confirmed(id, false),
            StatusCode::SeekNotify => self.seek_confirmed(id),
            StatusCode::PlayTransition => {
                let awaited = self.take_waiting(|awaited| is_transition(awaited, id));
                if let Some(Awaited::Transition { reply, .. }) = awaited {
                    let _ = reply.send(Ok(()));
                }
            }
            StatusCode::SeekFailed | StatusCode::SeekInvalidTime => {
                self.seek_refused(id, status);
            }
            // What was played before has ended, not what was asked for now.
            StatusCode::PlayStop | StatusCode::PlayComplete if self.is_play_awaited(id) => {}
            StatusCode::PlayStop | StatusCode::PlayComplete => self.play_stopped(id),
            StatusCode::PlayUnpublishNotify => self.publisher_gone(id),
            StatusCode::UnpublishSuccess => self.end_by_status(id, status),
            StatusCode::ConnectReconnectRequest => self.shared.request_move(status),
            _ if status.is_error() => self.handle_error_status(id, status),
            _ => {}
        }
    }

    /// An error about what was asked for last, or else about the stream as a whole. A failed recording is neither.
    fn handle_error_status(&mut self, id: MessageStreamId, status: Status) {
        let code = status.code.as_str();
        if code.starts_with("NetStream.Record.") {
            return;
        }
        let is_about = |operation: &str| code.split('.').nth(1) == Some(operation);
        if is_about("Pause") || is_about("Unpause") {
            let awaited = self
                .take_waiting(|awaited| matches!(awaited, Awaited::Pause { stream: of, .. } if *of == id));
            let operation = if is_about("Pause") {
                Operation::Pause
            } else {
                Operation::Resume
            };
            self.refuse(awaited, operation, status);
        } else if is_about("Seek") {
            self.seek_refused(id, status);
        } else if is_about("Play")
            && let Some(awaited) = self.take_waiting(|awaited| is_transition(awaited, id))
        {
            // Playback goes on where it is.
            self.refuse(Some(awaited), Operation::Transition, status);
        } else {
            self.end_by_status(id, status);
        }
    }

    fn end_by_status(&mut self, id: MessageStreamId, status: Status) {
        let Some(stream) = self.stream(id) else {
            return;
        };
        debug!(stream = id.get(), %status, "the server ended the stream");
        stream.end(&StreamEnd::Status(Box::new(status.clone())));
        if let Activity::Publishing(publishing) = &mut stream.activity {
            publishing.queue.clear();
            if let Some(reply) = publishing.finish.take() {
                let _ = reply.send(Err(Error::Ended {
                    operation: Operation::Close,
                    status: Box::new(status),
                }));
            }
        }
    }

    fn pause_confirmed(&mut self, id: MessageStreamId, paused: bool) {
        if let Some(playing) = self.playing(id) {
            playing.is_paused = paused;
        }
        let awaited = self.take_waiting(|awaited| {
            matches!(awaited, Awaited::Pause { stream, is_paused, .. } if *stream == id && *is_paused == paused)
        });
        if let Some(Awaited::Pause { reply, .. }) = awaited {
            let _ = reply.send(Ok(()));
        }
    }

    /// What is queued from before is stale; headers and metadata are not, and may not come again.
    fn seek_confirmed(&mut self, id: MessageStreamId) {
        let Some(Awaited::Seek { reply, .. }) = self.take_waiting(|awaited| is_seek(awaited, id)) else {
            return;
        };
        if let Some(playing) = self.playing(id) {
            playing.has_stopped = false;
            playing.queue.retain(|delivery| match delivery {
                Delivery::Media(message) => message.kind.is_data() || message.is_sequence_header(),
                Delivery::PublisherGone => false,
            });
        }
        let _ = reply.send(Ok(()));
    }

    fn seek_refused(&mut self, id: MessageStreamId, status: Status) {
        let awaited = self.take_waiting(|awaited| is_seek(awaited, id));
        self.refuse(awaited, Operation::Seek, status);
        self.end_if_stopped(id);
    }

    /// While a seek is under way the server may still come to the end of what was played before. Whether that is the
    /// end of the playback the answer to the seek will tell.
    fn play_stopped(&mut self, id: MessageStreamId) {
        let is_seek_awaited = self.is_seek_awaited(id);
        if let Some(playing) = self.playing(id) {
            playing.has_stopped = true;
        }
        if !is_seek_awaited {
            self.end_if_stopped(id);
        }
    }

    /// Ends a playback whose end was held back for a seek that came to nothing.
    pub(super) fn end_if_stopped(&mut self, id: MessageStreamId) {
        if let Some(playing) = self.playing(id)
            && playing.has_stopped
        {
            playing.queue.end(StreamEnd::Finished);
        }
    }

    fn publisher_gone(&mut self, id: MessageStreamId) {
        if self.is_play_awaited(id) {
            return;
        }
        if let Some(playing) = self.playing(id) {
            self.is_held = !playing.queue.push(Delivery::PublisherGone, 0);
        }
    }

    fn handle_user_control(&mut self, event: UserControl) {
        let event = match event {
            UserControl::StreamBegin(stream) => Event::StreamBegin(stream),
            UserControl::StreamEof(stream) => {
                self.stream_eof(stream);
                Event::StreamEof(stream)
            }
            UserControl::StreamDry(stream) => Event::StreamDry(stream),
            UserControl::StreamIsRecorded(stream) => {
                if let Some(playing) = self.playing(stream) {
                    playing.note_recorded();
                }
                Event::StreamIsRecorded(stream)
            }
            other => Event::UserControl(other),
        };
        self.shared.publish(&event);
    }

    /// Stream EOF comes at the end of a stream, sometimes alone; but also with a pause or a seek.
    fn stream_eof(&mut self, id: MessageStreamId) {
        let is_awaited = self.waiting.iter().any(|waiting| waiting.is_control_of(id));
        let is_paused = self.playing(id).is_some_and(|playing| playing.is_paused);
        if !is_awaited && !is_paused {
            self.publisher_gone(id);
        }
    }

    fn set_idle(&mut self, id: MessageStreamId) {
        if let Some(stream) = self.stream(id) {
            stream.activity = Activity::Idle;
        }
    }

    fn take_call(
        &mut self,
        transaction: TransactionId,
    ) -> Option<(Box<str>, super::Reply<rtmp_core::message::Command>)> {
        let awaited = self.take_waiting(
            |awaited| matches!(awaited, Awaited::Call { transaction: of, .. } if *of == transaction),
        )?;
        match awaited {
            Awaited::Call { procedure, reply, .. } => Some((procedure, reply)),
            _ => None,
        }
    }

    fn refuse(&mut self, awaited: Option<Awaited>, operation: Operation, status: Status) {
        self.refresh_status();
        if let Some(awaited) = awaited {
            awaited.fail(Error::Refused {
                operation,
                status: Box::new(status),
            });
        }
    }
}

fn status_event(stream: MessageStreamId, status: &Status) -> Event {
    Event::Status {
        stream,
        status: status.clone(),
    }
}

fn is_seek(awaited: &Awaited, id: MessageStreamId) -> bool {
    matches!(awaited, Awaited::Seek { stream, .. } if *stream == id)
}

fn is_transition(awaited: &Awaited, id: MessageStreamId) -> bool {
    matches!(awaited, Awaited::Transition { stream, .. } if *stream == id)
}
