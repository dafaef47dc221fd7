//! A stream that takes over from another at a keyframe, so that times never go back and nothing is missing.
//!
//! The one that is played goes on while the other is looked through for a keyframe behind what was sent. When it has
//! come to that time, the other takes over.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rtmp_core::flv::Configuration;
use rtmp_core::message::MediaKind;
use rtmp_core::{MediaMessage, Timestamp};
use tokio::time::Sleep;

use super::outbound::Player;
use crate::play_limit::Filter;
use crate::source::{Piece, WireForm};
use crate::{Batch, SourceEvent};

/// Times that are further apart are of clocks that have nothing in common, in milliseconds.
const MAX_DISTANCE: i32 = 60_000;
/// How much longer than its times say the one that is played may take to the end of its part.
const PATIENCE: Duration = Duration::from_secs(1);
/// How far audio may be ahead of video, in milliseconds.
const INTERLEAVING: i32 = 1000;

/// What a player goes over to.
pub(super) struct Successor {
    pub(super) player: Player,
    /// The time of what was sent last.
    sent: Option<Timestamp>,
    entrance: Entrance,
    /// The other's media from the entrance on.
    pieces: VecDeque<Piece>,
    /// Ends what is played up to then.
    pub(super) until: Option<Until>,
    patience: Option<Pin<Box<Sleep>>>,
    /// What was played has nothing more.
    pub(super) is_alone: bool,
}

/// How it stands with a [`Successor`].
pub(super) enum Progress {
    Waits,
    TakesOver,
    /// It has ended before it could be entered.
    CanNot,
}

impl Successor {
    /// Takes over at the first keyframe that is not before `from`, or at the first of all. The one that is played goes on
    /// up to there, if its time is known to be `sent` now.
    pub(super) fn new(player: Player, from: Option<Timestamp>, sent: Option<Timestamp>) -> Self {
        Self {
            player,
            sent,
            entrance: Entrance {
                from,
                at: None,
                has_video: false,
                configurations: BTreeMap::new(),
            },
            pieces: VecDeque::new(),
            until: None,
            patience: None,
            is_alone: false,
        }
    }

    /// Looks for the entrance, and waits there.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, form: WireForm) -> Progress {
        while self.entrance.at.is_none() {
            let stream = self.player.stream.id();
            let mut batch = Batch::new(&mut self.pieces, stream, form).through(Some(&mut self.entrance));
            match self.player.source.poll_fill(cx, &mut batch) {
                Poll::Ready(
                    SourceEvent::Ended
                    | SourceEvent::Failed(_)
                    | SourceEvent::Completed(_)
                    | SourceEvent::TooSlow(_),
                ) => return Progress::CanNot,
                Poll::Ready(_) => {}
                Poll::Pending if self.entrance.at.is_none() => return Progress::Waits,
                Poll::Pending => {}
            }
        }
        let Some(at) = self.entrance.at else {
            return Progress::Waits;
        };
        let rest = self.sent.map_or(0, |sent| at.signed_millis_since(sent));
        let from = self.entrance.from.unwrap_or(at);
        if rest <= 0 || at.signed_millis_since(from) > MAX_DISTANCE {
            return Progress::TakesOver;
        }
        let until = self.until.get_or_insert(Until {
            at,
            is_reached: false,
        });
        if until.is_reached || self.is_alone {
            return Progress::TakesOver;
        }
        let patience = self.patience.get_or_insert_with(|| {
            let rest = Duration::from_millis(rest.unsigned_abs().into());
            Box::pin(tokio::time::sleep(rest + PATIENCE))
        });
        match patience.as_mut().poll(cx) {
            Poll::Ready(()) => Progress::TakesOver,
            Poll::Pending => Progress::Waits,
        }
    }

    /// The player, and in `outbox` what it gets first.
    pub(super) fn take_over(mut self, outbox: &mut VecDeque<Piece>, form: WireForm) -> Player {
        let mut batch = Batch::new(outbox, self.player.stream.id(), form);
        let timestamp = self.entrance.at.unwrap_or_default();
        let mut sent: Vec<&MediaMessage> = Vec::new();
        for message in self.entrance.configurations.values() {
            // One message may configure several tracks.
            if !sent.contains(&message) {
                sent.push(message);
                batch.push(&MediaMessage {
                    timestamp,
                    ..message.clone()
                });
            }
        }
        outbox.append(&mut self.pieces);
        self.player
    }
}

/// Passes nothing before a keyframe at which a stream can be entered.
struct Entrance {
    from: Option<Timestamp>,
    at: Option<Timestamp>,
    has_video: bool,
    configurations: BTreeMap<Configuration, MediaMessage>,
}

impl Filter for Entrance {
    fn takes(&mut self, message: &MediaMessage) -> bool {
        if let Some(at) = self.at {
            return !message.is_coded_frames() || message.timestamp.signed_millis_since(at) >= 0;
        }
        self.has_video |= message.kind == MediaKind::Video;
        if !message.is_coded_frames() {
            for configuration in message.configurations() {
                self.configurations.insert(configuration, message.clone());
            }
            return false;
        }
        let can_begin = message.is_keyframe() || !self.has_video;
        let is_behind = self.from.is_none_or(|from| {
            let early = from.signed_millis_since(message.timestamp);
            early <= 0 || early > MAX_DISTANCE
        });
        if can_begin && is_behind {
            self.at = Some(message.timestamp);
        }
        self.at.is_some()
    }
}

/// Passes what is before a time.
pub(super) struct Until {
    at: Timestamp,
    is_reached: bool,
}

impl Until {
    pub(super) fn is_reached(&self) -> bool {
        self.is_reached
    }
}

impl Filter for Until {
    fn takes(&mut self, message: &MediaMessage) -> bool {
        let distance = message.timestamp.signed_millis_since(self.at);
        if !message.is_coded_frames() {
            return !self.is_reached;
        }
        self.is_reached |= distance >= INTERLEAVING || (distance >= 0 && message.kind == MediaKind::Video);
        distance < 0 && !self.is_reached
    }
}
