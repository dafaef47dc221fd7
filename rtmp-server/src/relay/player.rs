//! A player of a stream: a place in its history.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rtmp_core::message::{MediaKind, Playable};
use rtmp_core::{MediaMessage, Timestamp};
use tokio::time::Sleep;

use super::SlowPlayers;
use super::history::Entry;
use super::registry::{Registry, StreamKey};
use super::stream::{LiveStream, SleepPlace, StreamState};
use crate::{Batch, MediaSource, SourceEvent};

/// Where a player's messages go.
trait Outlet {
    fn is_full(&self) -> bool;
    fn push(&mut self, entry: &Entry);
    /// A message that is not in the history, or not with this time.
    fn push_message(&mut self, message: MediaMessage);
}

impl Outlet for Batch<'_> {
    fn is_full(&self) -> bool {
        Batch::is_full(self)
    }

    fn push(&mut self, entry: &Entry) {
        self.push_framed(&entry.message, &entry.framed);
    }

    fn push_message(&mut self, message: MediaMessage) {
        Batch::push(self, &message);
    }
}

/// A place in the history of a stream.
pub(super) struct Player {
    registry: Arc<Registry>,
    key: StreamKey,
    stream: Arc<LiveStream>,
    /// The number of the next message.
    next: u64,
    /// The publisher whose media it gets, and whether that one was there when last asked.
    epoch: u64,
    has_publisher: bool,
    /// The configuration up to `next` is owed, from this number on.
    owes_configuration_from: Option<u64>,
    /// Video is left out up to the next keyframe.
    awaits_keyframe: bool,
    /// What is left out meanwhile is its own fault.
    is_skipping: bool,
    /// It has not caught up since it joined, so being behind is no fault of its own.
    is_catching_up: bool,
    paused: bool,
    wants_audio: bool,
    wants_video: bool,
    /// What it can play, if the rest is to be left out.
    plays: Option<Playable>,
    dropped: u64,
    sleep: SleepPlace,
    /// Runs while there is no publisher.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Player {
    /// Joins a stream, whether there is a publisher or not.
    pub(super) fn join(registry: &Arc<Registry>, key: StreamKey) -> Self {
        let stream = registry.enter(&key, |stream| {
            stream.lock().player_count += 1;
            Arc::clone(stream)
        });
        Self::begin(registry, key, stream, None)
    }

    /// Joins a stream if it has a publisher, or if the relay lets players wait for one.
    pub(super) fn join_if_served(
        registry: &Arc<Registry>,
        key: StreamKey,
        plays: Option<Playable>,
    ) -> Option<Self> {
        let may_wait = !registry.config.wait_for_publisher.is_zero();
        let stream = registry.enter(&key, |stream| {
            let mut state = stream.lock();
            let served = state.has_publisher || may_wait;
            state.player_count += usize::from(served);
            served.then(|| Arc::clone(stream))
        })?;
        Some(Self::begin(registry, key, stream, plays))
    }

    fn begin(
        registry: &Arc<Registry>,
        key: StreamKey,
        stream: Arc<LiveStream>,
        plays: Option<Playable>,
    ) -> Self {
        let mut player = Self {
            registry: Arc::clone(registry),
            key,
            stream,
            next: 0,
            epoch: 0,
            has_publisher: false,
            owes_configuration_from: None,
            awaits_keyframe: true,
            is_skipping: false,
            is_catching_up: true,
            paused: false,
            wants_audio: true,
            wants_video: true,
            plays,
            dropped: 0,
            sleep: SleepPlace::default(),
            wait: None,
        };
        let stream = Arc::clone(&player.stream);
        let state = stream.lock();
        player.epoch = state.epoch;
        player.has_publisher = state.has_publisher;
        // What a publisher that is gone has left behind is of no use to a newcomer.
        let history = &state.history;
        let next = if state.has_publisher {
            history.join_at()
        } else {
            history.end()
        };
        player.start_at(next, &state);
        drop(state);
        player
    }

    fn start_at(&mut self, next: u64, state: &StreamState) {
        self.next = next;
        self.awaits_keyframe = !(state.history.has_gop() && next == state.history.join_at());
        self.owes_configuration_from = Some(0);
        self.is_catching_up = true;
        self.is_skipping = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>, outlet: &mut impl Outlet) -> Poll<SourceEvent> {
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        if state.epoch == self.epoch {
            if let Some(event) = self.take(&state, outlet) {
                let has_all = event == SourceEvent::Media && self.next == state.history.end();
                if has_all && self.has_publisher && state.has_publisher {
                    state.sleep(&mut self.sleep, cx.waker());
                    return Poll::Pending;
                }
                return Poll::Ready(event);
            }
            if self.has_publisher && !state.has_publisher {
                self.has_publisher = false;
                return Poll::Ready(SourceEvent::Unpublished);
            }
        } else if self.has_publisher {
            // One has gone and the next has come since; the player is told both.
            self.has_publisher = false;
            return Poll::Ready(SourceEvent::Unpublished);
        } else {
            self.epoch = state.epoch;
            self.has_publisher = true;
            self.wait = None;
            self.start_at(state.history.begin_at(), &state);
            return Poll::Ready(SourceEvent::Published);
        }
        state.sleep(&mut self.sleep, cx.waker());
        drop(state);
        self.poll_wait(cx)
    }

    /// Takes what lies before the player; `None` if that is nothing.
    fn take(&mut self, state: &StreamState, outlet: &mut impl Outlet) -> Option<SourceEvent> {
        let history = &state.history;
        if self.paused {
            // What passes meanwhile is not wanted; it goes on at a keyframe.
            self.next = history.end();
            return None;
        }
        if self.next < history.first() || self.is_too_far_behind(state) {
            if self.registry.config.slow_players == SlowPlayers::Disconnect {
                return Some(SourceEvent::TooSlow);
            }
            self.skip(state);
        }
        if self.owes_configuration_from.is_some() && !history.knows_configuration_at(self.next) {
            // Since it joined or skipped the headers have changed.
            let (from, is_skipping) = (self.next, self.is_skipping);
            self.start_at(history.join_at(), state);
            self.is_skipping = is_skipping;
            self.dropped += if is_skipping { self.next - from } else { 0 };
        }
        let mut has_media = false;
        while let Some(entry) = history.get(self.next) {
            if outlet.is_full() {
                return Some(SourceEvent::Media);
            }
            if let Some(from) = self.owes_configuration_from.take() {
                let configurations = history.configurations(from, self.next);
                for configuration in configurations.filter(|message| self.can_play(message)) {
                    // At the time of what follows, so that time never goes back.
                    outlet.push_message(at(configuration, entry.message.timestamp));
                    has_media = true;
                }
            }
            self.next += 1;
            if self.wants(entry) {
                outlet.push(entry);
                has_media = true;
            }
        }
        self.is_catching_up = false;
        has_media.then_some(SourceEvent::Media)
    }

    fn can_play(&self, message: &MediaMessage) -> bool {
        self.plays.as_ref().is_none_or(|plays| plays.plays(message))
    }

    fn wants(&mut self, entry: &Entry) -> bool {
        if !self.can_play(&entry.message) {
            return false;
        }
        match entry.message.kind {
            MediaKind::Audio => self.wants_audio,
            MediaKind::Video if !self.wants_video => false,
            MediaKind::Video => {
                if entry.is_keyframe {
                    self.awaits_keyframe = false;
                    self.is_skipping = false;
                }
                let is_of_no_use = self.awaits_keyframe && entry.needs_keyframe;
                self.dropped += u64::from(is_of_no_use && self.is_skipping);
                !is_of_no_use
            }
            MediaKind::Data | MediaKind::Amf3Data => true,
        }
    }

    fn is_too_far_behind(&self, state: &StreamState) -> bool {
        let config = &self.registry.config;
        let (len, time) = state.history.lag(self.next);
        !self.is_catching_up && (len > config.max_lag_len as u64 || time > config.max_lag)
    }

    /// Goes on at the newest keyframe or, if it has passed that already, behind everything with the next.
    fn skip(&mut self, state: &StreamState) {
        let from = self.next;
        let newest = state.history.join_at();
        let target = if newest > from {
            newest
        } else {
            state.history.end()
        };
        let owed = self.owes_configuration_from.unwrap_or(from);
        self.dropped += target - from;
        self.start_at(target, state);
        self.owes_configuration_from = Some(owed);
        self.is_skipping = true;
    }

    /// Nobody publishes: that lasts only so long.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<SourceEvent> {
        if self.has_publisher {
            return Poll::Pending;
        }
        let time = self.registry.config.wait_for_publisher;
        let wait = self
            .wait
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(wait.as_mut().poll(cx));
        Poll::Ready(SourceEvent::Ended)
    }
}

/// A message with another time.
fn at(message: &MediaMessage, timestamp: Timestamp) -> MediaMessage {
    MediaMessage {
        timestamp,
        ..message.clone()
    }
}

impl MediaSource for Player {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch<'_>) -> Poll<SourceEvent> {
        self.poll(cx, batch)
    }

    fn pause(&mut self, paused: bool) {
        if self.paused && !paused {
            self.awaits_keyframe = true;
            self.is_skipping = false;
            self.owes_configuration_from = Some(0);
        }
        self.paused = paused;
    }

    fn receive(&mut self, kind: MediaKind, wanted: bool) {
        let wants = match kind {
            MediaKind::Audio => &mut self.wants_audio,
            MediaKind::Video => &mut self.wants_video,
            MediaKind::Data | MediaKind::Amf3Data => return,
        };
        if wanted && !*wants {
            // Headers that have come meanwhile were left out.
            self.owes_configuration_from = Some(0);
            self.awaits_keyframe |= kind == MediaKind::Video;
        }
        *wants = wanted;
    }

    fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.registry.leave(&self.key, &self.stream, |stream| {
            let mut state = stream.lock();
            state.player_count -= 1;
            state.forget(self.sleep);
        });
    }
}

/// Plays a stream within the process.
///
/// It is a player like any other: it gets configuration and the last group of pictures first, and if it is not asked
/// for messages it falls behind and skips.
pub struct RelayPlayer {
    player: Player,
    messages: VecDeque<MediaMessage>,
}

impl Outlet for VecDeque<MediaMessage> {
    fn is_full(&self) -> bool {
        self.len() >= Batch::MAX_PIECES
    }

    fn push(&mut self, entry: &Entry) {
        self.push_back(entry.message.clone());
    }

    fn push_message(&mut self, message: MediaMessage) {
        self.push_back(message);
    }
}

impl RelayPlayer {
    pub(super) fn new(player: Player) -> Self {
        Self {
            player,
            messages: VecDeque::new(),
        }
    }

    /// The next message. `None` when the publisher has left, or has not come within the time that the relay lets
    /// players wait; a later call waits for the next publisher.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or stays.
    ///
    /// # Panics
    ///
    /// Without publisher outside of a tokio runtime, whose clock it needs.
    pub async fn recv(&mut self) -> Option<MediaMessage> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Some(message);
            }
            let Self { player, messages } = self;
            let polled = poll_fn(|cx| match player.poll(cx, messages) {
                Poll::Pending if !messages.is_empty() => Poll::Ready(SourceEvent::Media),
                polled => polled,
            });
            match polled.await {
                SourceEvent::Media | SourceEvent::Published => {}
                SourceEvent::Unpublished => return None,
                SourceEvent::Ended | SourceEvent::TooSlow => {
                    self.player.wait = None;
                    return None;
                }
            }
        }
    }

    /// Messages that were left out because they were not asked for in time, since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        self.player.take_dropped()
    }
}

impl fmt::Debug for RelayPlayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayPlayer")
            .field("next", &self.player.next)
            .finish_non_exhaustive()
    }
}
