//! What a client's events do: observers are asked and told, media are passed on.

use std::future::Future;
use std::iter;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use rtmp_amf::amf0::Value;
use rtmp_core::MediaMessage;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ServerEvent;
use rtmp_core::flv::Metadata;
use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, PublishRequest, Shortened, StatusCode, UserControl,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tracing::{Span, debug, info, trace};

use super::driver::{Driver, Publication, protocol};
use crate::expiry::{Expiry, expire};
use crate::{CallError, CloseReason, SessionInfo, StreamInfo, Verdict};

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Driver<T> {
    /// What is seldom done is in boxes: it would take memory while nothing is done.
    pub(super) async fn handle_event(&mut self, event: ServerEvent) -> Result<(), CloseReason> {
        match event {
            ServerEvent::Media { stream, message } => self.handle_media(stream, &message),
            ServerEvent::HandshakeDone(kind) => debug!(parent: &self.span, ?kind, "handshake done"),
            ServerEvent::Connect(request) => Box::pin(self.handle_connect(request)).await?,
            ServerEvent::Publish { stream, request } => {
                Box::pin(self.handle_publish(stream, request)).await?
            }
            ServerEvent::Unpublish { stream } => {
                Box::pin(self.stop_publish(stream, &CloseReason::Requested)).await?
            }
            ServerEvent::Play { stream, request } => Box::pin(self.handle_play(stream, request)).await?,
            ServerEvent::StopPlay { stream } => {
                Box::pin(self.stop_play(stream, &CloseReason::Requested)).await?
            }
            ServerEvent::Pause { stream, paused, .. } => self.handle_pause(stream, paused)?,
            ServerEvent::Seek { stream, position } => Box::pin(self.handle_seek(stream, position)).await?,
            ServerEvent::Receive { stream, kind, wanted } => self.handle_receive(stream, kind, wanted)?,
            ServerEvent::Transition { stream, options } => {
                Box::pin(self.handle_transition(stream, options)).await?
            }
            ServerEvent::StreamLength { transaction, name } => {
                Box::pin(self.handle_stream_length(transaction, name)).await?;
            }
            ServerEvent::Call { stream, command } => Box::pin(self.handle_call(stream, command)).await?,
            ServerEvent::CallReturned { transaction, answer } => self.calls.settle(transaction, Ok(answer)),
            ServerEvent::CallFailed { transaction, answer } => {
                let answer = Box::new(answer);
                self.calls.settle(transaction, Err(CallError::Failed { answer }));
            }
            ServerEvent::CloseRequested => return Err(CloseReason::Requested),
            ServerEvent::UserControl(UserControl::SetBufferLength { stream, length }) => {
                self.handle_buffer_length(stream, length);
            }
            ServerEvent::UserControl(event) => trace!(parent: &self.span, ?event, "user control"),
            ServerEvent::Acknowledgement(sequence) => {
                trace!(parent: &self.span, sequence, "acknowledgement");
                self.info
                    .counters()
                    .note_acknowledged(self.machine.acknowledged());
            }
            ServerEvent::Pong(round_trip) => self.info.counters().note_round_trip(round_trip),
            ServerEvent::Other(message) => {
                for observer in &self.observers.connect {
                    observer.on_other_message(&self.info, &message);
                }
            }
            ServerEvent::Ignored(what) => debug!(parent: &self.span, ?what, "ignored"),
            // Events of later versions of rtmp-core have a default: none of them needs an answer.
            other => trace!(parent: &self.span, ?other, "event"),
        }
        Ok(())
    }

    /// Whether the client may still put a line into the log. Says how many were left out meanwhile.
    pub(super) fn may_log(&mut self) -> bool {
        let room = self.log_budget.take(Instant::now());
        if let Some(left_out @ 1..) = room {
            info!(parent: &self.span, left_out, "lines left out, the client asks for too much");
        }
        room.is_some()
    }

    fn handle_media(&mut self, stream: MessageStreamId, message: &MediaMessage) {
        let Some(publication) = self
            .publications
            .iter_mut()
            .find(|publication| publication.stream.id() == stream)
        else {
            return;
        };
        self.info.counters().count_message();
        for sink in &mut publication.sinks {
            sink.send(message);
        }
        for observer in &self.observers.publish {
            observer.on_message(&publication.stream, message);
        }
        if message.kind.is_data()
            && let Ok(metadata) = Metadata::parse(&message.payload)
        {
            for observer in &self.observers.publish {
                observer.on_metadata(&publication.stream, &metadata);
            }
        }
    }

    async fn handle_connect(&mut self, request: ConnectRequest) -> Result<(), CloseReason> {
        let limit = self.config.timeouts.verdict;
        let session = self.info.clone();
        let request = session.set_connect_request(request);
        let mut reply = ConnectReply::default();
        for observer in &self.observers.connect {
            let no_answer = || Verdict::reject(StatusCode::ConnectRejected, "no decision in time");
            match ask(&self.info, limit, observer.on_connect(&self.info, request))
                .await?
                .unwrap_or_else(no_answer)
            {
                Verdict::Accept(granted) if granted == ConnectReply::default() => {}
                Verdict::Accept(granted) => reply = granted,
                Verdict::Reject(status) => {
                    info!(parent: &self.span, app = %Shortened(request.app()), "connect refused: {status}");
                    self.machine.reject_connect(&status).map_err(protocol)?;
                    return Err(CloseReason::Refused);
                }
            }
            self.agreed.connect += 1;
        }
        debug!(parent: &self.span, app = %Shortened(request.app()), "connected");
        self.machine.accept_connect(&reply).map_err(protocol)
    }

    async fn handle_publish(
        &mut self,
        stream: MessageStreamId,
        request: PublishRequest,
    ) -> Result<(), CloseReason> {
        let limit = self.config.timeouts.verdict;
        let mut request = request;
        let mut sinks = Vec::new();
        let mut refusal = None;
        for (place, observer) in self.observers.publish.iter().enumerate() {
            let no_answer = || Verdict::reject(StatusCode::PublishFailed, "no decision in time");
            match ask(&self.info, limit, observer.on_publish(&self.info, &request))
                .await?
                .unwrap_or_else(no_answer)
            {
                Verdict::Accept(grant) => {
                    sinks.extend(grant.sink);
                    if let Some(name) = grant.rename {
                        request = PublishRequest::new(name, request.kind().clone());
                    }
                    let info =
                        StreamInfo::new(self.info.clone(), stream, request.stream_name(), request.query());
                    self.agreed.publish = Some((info, place + 1));
                }
                Verdict::Reject(status) => {
                    refusal = Some(status);
                    break;
                }
            }
        }
        let name = Shortened(request.stream_name());
        if let Some(status) = refusal {
            if self.may_log() {
                info!(parent: &self.span, app = %Shortened(self.info.app()), %name, "publish refused: {status}");
            }
            self.machine.reject_publish(stream, &status).map_err(protocol)?;
            drop(sinks);
            return self.tell_agreed(&CloseReason::Refused).await;
        }
        if self.may_log() {
            info!(parent: &self.span, app = %Shortened(self.info.app()), %name, "publishing");
        }
        let info = StreamInfo::new(self.info.clone(), stream, request.stream_name(), request.query());
        self.publications.push(Publication { stream: info, sinks });
        self.agreed.publish = None;
        self.machine.accept_publish(stream).map_err(protocol)
    }

    async fn handle_call(&mut self, stream: MessageStreamId, call: Command) -> Result<(), CloseReason> {
        let limit = self.config.timeouts.verdict;
        trace!(parent: &self.span, name = %call.name, stream = stream.get(), "call");
        let mut result = None;
        for observer in &self.observers.connect {
            result = ask(&self.info, limit, observer.on_call(&self.info, stream, &call))
                .await?
                .flatten();
            if result.is_some() {
                break;
            }
        }
        let result = result.unwrap_or(Ok(Value::Null));
        self.machine
            .answer_call(call.transaction, result)
            .map_err(protocol)
    }

    async fn stop_publish(
        &mut self,
        stream: MessageStreamId,
        reason: &CloseReason,
    ) -> Result<(), CloseReason> {
        let is_wanted = |publication: &Publication| publication.stream.id() == stream;
        let Some(place) = self.publications.iter().position(is_wanted) else {
            return Ok(());
        };
        let Publication { stream, mut sinks } = self.publications.swap_remove(place);
        for status in sinks.iter_mut().filter_map(|sink| sink.end()) {
            // Fails only if the client has deleted the stream; then there is nobody to tell.
            let _ = self.machine.notify_publisher(stream.id(), &status);
        }
        // First of all the name is free again.
        drop(sinks);
        self.tell_unpublished(&stream, usize::MAX, reason).await
    }

    /// The closing calls of everything that was accepted, if only by some.
    pub(super) async fn tell_observers(&mut self, reason: &CloseReason) {
        // First of all the names are free again.
        let publications = self.publications.drain(..).map(|publication| publication.stream);
        let publications: Vec<_> = publications.collect();
        let players = std::mem::take(&mut self.outbound.lock().players);
        let players = players.into_iter().chain(std::mem::take(&mut self.playlist));
        let players = players.flat_map(|mut player| {
            let (successor, _) = player.take_successor();
            iter::once(player).chain(successor)
        });
        let players: Vec<_> = players.map(|player| player.stream).collect();
        // There is nothing left that a panic could end.
        for stream in &publications {
            let _ = self.tell_unpublished(stream, usize::MAX, reason).await;
        }
        for stream in &players {
            let _ = self.tell_stopped(stream, usize::MAX, reason).await;
        }
        let _ = self.tell_agreed(reason).await;
        let limit = self.config.timeouts.verdict;
        for observer in self.observers.connect.iter().take(self.agreed.connect) {
            let _ = tell(&self.span, limit, observer.on_disconnect(&self.info, reason)).await;
        }
    }

    /// The closing calls of a request that some have accepted, but not all.
    pub(super) async fn tell_agreed(&mut self, reason: &CloseReason) -> Result<(), CloseReason> {
        if let Some((stream, count)) = self.agreed.publish.take() {
            self.tell_unpublished(&stream, count, reason).await?;
        }
        if let Some((stream, count)) = self.agreed.play.take() {
            self.tell_stopped(&stream, count, reason).await?;
        }
        Ok(())
    }

    /// Tells all of the first `count` observers, even if one of them panics.
    async fn tell_unpublished(
        &mut self,
        stream: &StreamInfo,
        count: usize,
        reason: &CloseReason,
    ) -> Result<(), CloseReason> {
        if self.may_log() {
            info!(parent: &self.span, name = %Shortened(stream.name()), "no longer publishing: {reason}");
        }
        let limit = self.config.timeouts.verdict;
        let mut told = Ok(());
        for observer in self.observers.publish.iter().take(count) {
            told = told.and(tell(&self.span, limit, observer.on_unpublish(stream, reason)).await);
        }
        told
    }

    /// Tells all of the first `count` observers, even if one of them panics.
    pub(super) async fn tell_stopped(
        &mut self,
        stream: &StreamInfo,
        count: usize,
        reason: &CloseReason,
    ) -> Result<(), CloseReason> {
        if self.may_log() {
            info!(parent: &self.span, name = %Shortened(stream.name()), "no longer playing: {reason}");
        }
        let limit = self.config.timeouts.verdict;
        let mut told = Ok(());
        for observer in self.observers.play.iter().take(count) {
            told = told.and(tell(&self.span, limit, observer.on_stop(stream, reason)).await);
        }
        told
    }
}

/// Waits for an observer, as long as it may take and the session lasts. No answer is `None`.
pub(super) async fn ask<R>(
    info: &SessionInfo,
    limit: Duration,
    question: impl Future<Output = R>,
) -> Result<Option<R>, CloseReason> {
    tokio::select! {
        biased;
        () = info.disposed().cancelled() => Err(info.dispose_reason()),
        answer = expire(Expiry::since(Instant::now(), limit), question) => Ok(answer.ok()),
    }
}

/// Waits for an observer that is told something, as long as it may take.
async fn tell(span: &Span, limit: Duration, notice: impl Future<Output = ()>) -> Result<(), CloseReason> {
    let expiry = Expiry::since(Instant::now(), limit);
    match expire(expiry, AssertUnwindSafe(notice).catch_unwind()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(CloseReason::ObserverPanicked),
        Err(_) => debug!(parent: span, "an observer took too long"),
    }
    Ok(())
}
