//! `play2`: players that go over to another stream, or change their playlist (RTMP 1.0 section 7.2.2.2).

use std::time::Duration;

use rtmp_core::Timestamp;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::StreamOrigin;
use rtmp_core::message::{PlayOptions, Status, StatusCode, Transition};
use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::{Driver, protocol};
use super::outbound::Player;
use super::playing::MAX_PLAYLIST;
use super::successor::Successor;
use crate::CloseReason;

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Driver<T> {
    /// The observers are asked as for any other stream.
    pub(super) async fn handle_transition(
        &mut self,
        stream: MessageStreamId,
        options: PlayOptions,
    ) -> Result<(), CloseReason> {
        if *options.transition() == Transition::Stop {
            self.machine.accept_transition(stream).map_err(protocol)?;
            self.machine.end_play(stream).map_err(protocol)?;
            self.stop_play(stream, &CloseReason::Requested).await?;
            return Ok(());
        }
        let refused = match options.transition() {
            Transition::Append | Transition::AppendAndWait if self.playlist.len() >= MAX_PLAYLIST => {
                Some("the playlist is full")
            }
            Transition::Swap if self.place_of(stream, &options).is_none() => {
                Some("the stream that is left is not in the playlist")
            }
            _ => None,
        };
        if let Some(description) = refused {
            let status = Status::new(StatusCode::PlayFailed, description);
            return self.machine.reject_transition(stream, &status).map_err(protocol);
        }
        let player = match self.ask_for_source(stream, options.to_play_request()).await? {
            Ok(player) => player,
            Err(status) => {
                self.machine
                    .reject_transition(stream, &status)
                    .map_err(protocol)?;
                return self.tell_agreed(&CloseReason::Refused).await;
            }
        };
        self.agreed.play = None;
        self.machine.accept_transition(stream).map_err(protocol)?;
        match options.transition() {
            Transition::Append | Transition::AppendAndWait => {
                self.playlist.push(player);
                if self.with_player(stream, |player| player.is_complete) == Some(true) {
                    self.play_next(stream, &CloseReason::StreamEnded).await?;
                }
                Ok(())
            }
            Transition::Reset => {
                let origin = player.source.origin();
                self.stop_play(stream, &CloseReason::Requested).await?;
                self.begin_play(player);
                self.machine.restart_play(stream, origin).map_err(protocol)
            }
            transition => match self.place_of(stream, &options) {
                Some(Place::InPlaylist(place)) => {
                    let left = self.playlist.get_mut(place);
                    let left = left.map(|entry| std::mem::replace(entry, player));
                    self.tell_left(left, &CloseReason::Requested).await
                }
                _ if *transition == Transition::Swap => {
                    // It is the next entry of a playlist whose first one is over.
                    self.playlist.insert(0, player);
                    self.play_next(stream, &CloseReason::Requested).await.map(drop)
                }
                _ => self.switch(stream, player, options.play_offset()).await,
            },
        }
    }

    /// Where in the playlist the stream is that is left; what is played if none is named.
    fn place_of(&self, stream: MessageStreamId, options: &PlayOptions) -> Option<Place> {
        let name = |player: &Player| player.stream.name().to_owned();
        let current = self.with_player(stream, |player| name(player));
        let Some(old) = options.old_name() else {
            return Some(Place::Current);
        };
        let old = old.split('?').next().unwrap_or_default();
        if current.as_deref() == Some(old) {
            return Some(Place::Current);
        }
        let is_it = |entry: &Player| entry.stream.id() == stream && entry.stream.name() == old;
        self.playlist.iter().position(is_it).map(Place::InPlaylist)
    }

    /// Lets a player take over from the one that plays, at a keyframe behind what was sent, or behind the offset.
    async fn switch(
        &mut self,
        stream: MessageStreamId,
        mut player: Player,
        offset: Option<Duration>,
    ) -> Result<(), CloseReason> {
        if let Some(length) = self.buffer_length {
            player.source.set_buffer_length(length);
        }
        let left = {
            let mut outbound = self.outbound.lock();
            let Some(current) = outbound.player(stream) else {
                return Ok(());
            };
            let time = current.source.time();
            let position = current.source.position();
            if let (Some(time), Some(position), StreamOrigin::Recorded) =
                (time, position, player.source.origin())
            {
                // The offset is on the player's clock, and so is what it was sent.
                let offset = offset.map(timestamp).filter(|offset| offset.is_after(time));
                let ahead = offset.map_or(0, |offset| offset.signed_millis_since(time));
                let ahead = Duration::from_millis(ahead.max(0).unsigned_abs().into());
                player
                    .source
                    .take_up(position.saturating_add(ahead), offset.unwrap_or(time));
                // What was sent already has had its frame of this time.
                let from = offset.unwrap_or(time.wrapping_add(1));
                current.replace_successor(Successor::new(player, Some(from), Some(time)))
            } else {
                let from = match offset.map(timestamp) {
                    Some(offset) if time.is_none_or(|time| offset.is_after(time)) => Some(offset),
                    _ => time,
                };
                current.replace_successor(Successor::new(player, from, time))
            }
        };
        self.tell_left(left, &CloseReason::Requested).await
    }

    /// A successor is ready.
    pub(super) async fn take_over(&mut self, stream: MessageStreamId) -> Result<(), CloseReason> {
        let left = {
            let mut outbound = self.outbound.lock();
            outbound.take_over(stream)
        };
        if left.is_some() {
            self.machine.complete_transition(stream).map_err(protocol)?;
        }
        self.tell_left(left, &CloseReason::Requested).await
    }

    /// A successor has nothing to go over to.
    pub(super) async fn give_up_transition(&mut self, stream: MessageStreamId) -> Result<(), CloseReason> {
        let Some((left, was_alone)) = self.with_player(stream, Player::take_successor) else {
            return Ok(());
        };
        let status = Status::new(StatusCode::PlayFailed, "there is no keyframe to go over at");
        self.machine
            .reject_transition(stream, &status)
            .map_err(protocol)?;
        if was_alone && !self.play_next(stream, &CloseReason::StreamEnded).await? {
            self.machine.end_play(stream).map_err(protocol)?;
            self.stop_play(stream, &CloseReason::StreamEnded).await?;
        }
        self.tell_left(left, &CloseReason::Requested).await
    }

    /// The closing call for what is not played any more, or never was.
    pub(super) async fn tell_left(
        &mut self,
        left: Option<Player>,
        reason: &CloseReason,
    ) -> Result<(), CloseReason> {
        let Some(mut left) = left else {
            return Ok(());
        };
        let (successor, _) = left.take_successor();
        for Player { stream, source, .. } in [Some(left), successor].into_iter().flatten() {
            drop(source);
            self.tell_stopped(&stream, usize::MAX, reason).await?;
        }
        Ok(())
    }
}

enum Place {
    Current,
    InPlaylist(usize),
}

fn timestamp(time: Duration) -> Timestamp {
    // Wraps, as the clock does.
    Timestamp::from_millis(time.as_millis() as u32)
}
