//! What a client plays: asking for it, its playlist, and what the client does with it.

use std::iter;
use std::time::Duration;

use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::StreamOrigin;
use rtmp_core::message::{MediaKind, PlayRequest, Shortened, Status, StatusCode, TransactionId};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{info, trace};

use super::driver::{Driver, protocol};
use super::events::ask;
use super::outbound::Player;
use crate::play_limit::PlayLimit;
use crate::{CloseReason, StreamInfo, Verdict};

/// How much a client may put behind what it plays, on all its streams.
pub(super) const MAX_PLAYLIST: usize = 64;

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Driver<T> {
    pub(super) async fn handle_play(
        &mut self,
        stream: MessageStreamId,
        request: PlayRequest,
    ) -> Result<(), CloseReason> {
        let is_appended = !request.is_reset() && self.with_player(stream, |_| ()).is_some();
        if is_appended && self.playlist.len() >= MAX_PLAYLIST {
            let full = Status::new(StatusCode::PlayFailed, "the playlist is full");
            return self.machine.reject_play(stream, &full).map_err(protocol);
        }
        match self.ask_for_source(stream, request).await? {
            Ok(player) if is_appended => {
                self.agreed.play = None;
                self.playlist.push(player);
                self.machine.append_play(stream).map_err(protocol)?;
                if self.with_player(stream, |player| player.is_complete) == Some(true) {
                    self.play_next(stream, &CloseReason::StreamEnded).await?;
                }
                Ok(())
            }
            Ok(player) => {
                let accepted = match player.source.origin() {
                    StreamOrigin::Live => self.machine.accept_play(stream),
                    StreamOrigin::Recorded => self.machine.accept_recorded_play(stream),
                };
                self.begin_play(player);
                accepted.map_err(protocol)
            }
            Err(status) => {
                self.machine.reject_play(stream, &status).map_err(protocol)?;
                self.tell_agreed(&CloseReason::Refused).await
            }
        }
    }

    /// Begins the next entry of a stream's playlist; `false` if there is none.
    pub(super) async fn play_next(
        &mut self,
        stream: MessageStreamId,
        reason: &CloseReason,
    ) -> Result<bool, CloseReason> {
        let is_next = |entry: &Player| entry.stream.id() == stream;
        let Some(place) = self.playlist.iter().position(is_next) else {
            return Ok(false);
        };
        let next = self.playlist.remove(place);
        let origin = next.source.origin();
        let ended = self.outbound.lock().remove_player(stream);
        self.begin_play(next);
        self.machine.switch_play(stream, origin).map_err(protocol)?;
        self.tell_left(ended, reason).await?;
        Ok(true)
    }

    /// All observers have agreed.
    pub(super) fn begin_play(&mut self, mut player: Player) {
        if let Some(length) = self.buffer_length {
            player.source.set_buffer_length(length);
        }
        let mut outbound = self.outbound.lock();
        // Nearly every client plays one stream.
        outbound.players.reserve_exact(1);
        outbound.players.push(player);
        drop(outbound);
        self.agreed.play = None;
    }

    /// Asks the observers for something to play, or for the status that says why not.
    pub(super) async fn ask_for_source(
        &mut self,
        stream: MessageStreamId,
        mut request: PlayRequest,
    ) -> Result<Result<Player, Status>, CloseReason> {
        let limit = self.config.timeouts.verdict;
        let mut source = None;
        let mut config = None;
        let mut refusal = None;
        for (place, observer) in self.observers.play.iter().enumerate() {
            let no_answer = || Verdict::reject(StatusCode::PlayFailed, "no decision in time");
            match ask(&self.info, limit, observer.on_play(&self.info, &request))
                .await?
                .unwrap_or_else(no_answer)
            {
                Verdict::Accept(grant) => {
                    source = source.or(grant.source);
                    config = config.or(grant.player);
                    if let Some(name) = grant.rename {
                        request = request.renamed(name);
                    }
                    let info =
                        StreamInfo::new(self.info.clone(), stream, request.stream_name(), request.query());
                    self.agreed.play = Some((info, place + 1));
                }
                Verdict::Reject(status) => {
                    refusal = Some(status);
                    break;
                }
            }
        }
        let name = Shortened(request.stream_name());
        let not_found = || Status::new(StatusCode::PlayStreamNotFound, "there is no such stream");
        match (refusal, source) {
            (None, Some(mut source)) => {
                if let Some(config) = config {
                    source.configure(&config);
                }
                if self.may_log() {
                    info!(parent: &self.span, app = %Shortened(self.info.app()), %name, "playing");
                }
                let stream =
                    StreamInfo::new(self.info.clone(), stream, request.stream_name(), request.query());
                // A recording knows itself where to end, and that it can be sought from there.
                let limit = match source.origin() {
                    StreamOrigin::Live => request.play_duration().map(PlayLimit::new),
                    StreamOrigin::Recorded => None,
                };
                Ok(Ok(Player {
                    stream,
                    source,
                    limit,
                    successor: None,
                    is_complete: false,
                }))
            }
            (refusal, _) => {
                let status = refusal.unwrap_or_else(not_found);
                if self.may_log() {
                    info!(parent: &self.span, app = %Shortened(self.info.app()), %name, "play refused: {status}");
                }
                Ok(Err(status))
            }
        }
    }

    pub(super) async fn handle_stream_length(
        &mut self,
        transaction: TransactionId,
        name: String,
    ) -> Result<(), CloseReason> {
        let limit = self.config.timeouts.verdict;
        let request = PlayRequest::new(name);
        let mut length = None;
        for observer in &self.observers.play {
            length = ask(&self.info, limit, observer.stream_length(&self.info, &request))
                .await?
                .flatten();
            if length.is_some() {
                break;
            }
        }
        self.machine
            .answer_stream_length(transaction, length)
            .map_err(protocol)
    }

    /// Players say it before they play or while they do; some name no stream.
    pub(super) fn handle_buffer_length(&mut self, stream: MessageStreamId, length: Duration) {
        trace!(parent: &self.span, stream = stream.get(), ?length, "buffer length");
        self.buffer_length = Some(length);
        let mut told = Vec::new();
        for player in &mut self.outbound.lock().players {
            if stream == player.stream.id() || stream == MessageStreamId::CONNECTION {
                player.source.set_buffer_length(length);
                told.push(player.stream.clone());
            }
        }
        for stream in told {
            for observer in &self.observers.play {
                observer.on_buffer_length(&stream, length);
            }
        }
    }

    pub(super) fn handle_pause(&mut self, stream: MessageStreamId, paused: bool) -> Result<(), CloseReason> {
        let paused_stream = self.with_player(stream, |player| {
            player.source.pause(paused);
            player.stream.clone()
        });
        if let Some(stream) = paused_stream {
            for observer in &self.observers.play {
                observer.on_pause(&stream, paused);
            }
        }
        self.machine.confirm_pause(stream, paused).map_err(protocol)
    }

    pub(super) async fn handle_seek(
        &mut self,
        stream: MessageStreamId,
        position: Duration,
    ) -> Result<(), CloseReason> {
        // Who was to take over at some time will never come to it.
        let left = self.with_player(stream, |player| player.take_successor().0);
        self.tell_left(left.flatten(), &CloseReason::Requested).await?;
        let Some(sought) = self.outbound.lock().seek(stream, position) else {
            return Ok(());
        };
        match sought {
            Ok(stream_info) => {
                for observer in &self.observers.play {
                    observer.on_seek(&stream_info, position);
                }
                self.machine.accept_seek(stream, position).map_err(protocol)
            }
            Err(status) => self.machine.reject_seek(stream, &status).map_err(protocol),
        }
    }

    pub(super) fn handle_receive(
        &mut self,
        stream: MessageStreamId,
        kind: MediaKind,
        wanted: bool,
    ) -> Result<(), CloseReason> {
        let received = self.with_player(stream, |player| {
            player.source.receive(kind, wanted);
            player.stream.clone()
        });
        let Some(stream_info) = received else {
            return Ok(());
        };
        for observer in &self.observers.play {
            observer.on_receive(&stream_info, kind, wanted);
        }
        if wanted {
            self.machine.confirm_receive(stream).map_err(protocol)
        } else {
            Ok(())
        }
    }

    pub(super) fn with_player<R>(
        &self,
        stream: MessageStreamId,
        act: impl FnOnce(&mut Player) -> R,
    ) -> Option<R> {
        self.outbound.lock().player(stream).map(act)
    }

    pub(super) async fn stop_play(
        &mut self,
        stream: MessageStreamId,
        reason: &CloseReason,
    ) -> Result<(), CloseReason> {
        let Some(ended) = self.outbound.lock().remove_player(stream) else {
            return Ok(());
        };
        let of_stream = |entry: &mut Player| entry.stream.id() == stream;
        let unplayed: Vec<_> = self.playlist.extract_if(.., of_stream).collect();
        let mut told = Ok(());
        for player in iter::once(ended).chain(unplayed) {
            told = told.and(self.tell_left(Some(player), reason).await);
        }
        told
    }
}
