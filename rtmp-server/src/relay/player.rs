//! A player of a stream: a place in its history.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rtmp_core::message::{MediaKind, Playable};
use rtmp_core::{MediaMessage, Timestamp};
use tokio::time::Sleep;

use super::history::{Entry, History};
use super::readers::{PatientId, Readers};
use super::registry::{Registry, StreamKey};
use super::sleepers::SleepPlace;
use super::slow::LagLimit;
use super::stream::{LiveStream, StreamState};
use super::{Handover, Lag, Place, PlayerConfig, SlowPlayers, at};
use crate::session::{Cursor, Following};
use crate::{Batch, MediaSource, SourceEvent};

/// Where a player's messages go.
trait Outlet {
    fn is_full(&self) -> bool;
    fn push(&mut self, entry: &Entry);
    /// A message that is not in the history, or not with this time.
    fn push_message(&mut self, message: MediaMessage);
    /// Lets the player follow from a message on, if what takes its messages can do that with chunks of this size.
    fn follow(&mut self, chunk_size: u32, cursor: &Arc<Cursor>, next: u64) -> Option<Following<'_>> {
        let _ = (chunk_size, cursor, next);
        None
    }
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

    fn follow(&mut self, chunk_size: u32, cursor: &Arc<Cursor>, next: u64) -> Option<Following<'_>> {
        Some(self.lane(chunk_size)?.follow(cursor, next))
    }
}

/// A place in the history of a stream.
pub(super) struct Player {
    registry: Arc<Registry>,
    key: StreamKey,
    stream: Arc<LiveStream>,
    limit: LagLimit,
    /// How old the keyframe may be that it begins at.
    join_within: Option<Duration>,
    /// How much is gathered for it at a time.
    gathers: Lag,
    /// Its place among those for whom the history keeps more than for all.
    patient: Option<PatientId>,
    /// The publisher may have to wait for it. One further down a playlist takes nothing before its turn, and that may
    /// be never.
    may_hold: bool,
    /// The number of the next message.
    next: u64,
    /// The publisher whose media it gets, and whether that one was there when last asked.
    epoch: u64,
    has_publisher: bool,
    /// It has had a publisher.
    was_served: bool,
    /// It is past its first message.
    has_begun: bool,
    /// The configuration up to `next` is owed, from this number on.
    owes_configuration_from: Option<u64>,
    /// Video is left out up to the next keyframe, and that is not before this number.
    awaits_keyframe: bool,
    keyframe_from: u64,
    /// What is left out meanwhile is its own fault.
    is_skipping: bool,
    /// It has not caught up since it joined, so being behind is no fault of its own.
    is_catching_up: bool,
    /// It was told that it is too slow, and has not caught up since.
    is_told: bool,
    paused: bool,
    wants_audio: bool,
    wants_video: bool,
    /// What it can play, if the rest is to be left out.
    plays: Option<Playable>,
    dropped: u64,
    sleep: SleepPlace,
    /// How far it has got while it followed.
    cursor: Option<Arc<Cursor>>,
    /// Runs while there is no publisher.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Player {
    /// Joins a stream, whether there is a publisher or not.
    pub(super) fn join(registry: &Arc<Registry>, key: StreamKey, config: &PlayerConfig) -> Self {
        let stream = registry.enter(&key, |stream| {
            stream.lock().readers.count += 1;
            Arc::clone(stream)
        });
        let mut player = Self::begin(registry, key, stream, None);
        player.may_hold = true;
        player.enter_with(config);
        player
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
            let served = state.feeds.is_on_air() || may_wait;
            state.readers.count += usize::from(served);
            served.then(|| Arc::clone(stream))
        })?;
        let mut player = Self::begin(registry, key, stream, plays);
        player.enter_with(&PlayerConfig::default());
        Some(player)
    }

    fn begin(
        registry: &Arc<Registry>,
        key: StreamKey,
        stream: Arc<LiveStream>,
        plays: Option<Playable>,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            key,
            stream,
            limit: registry.config.lag_limit(),
            join_within: None,
            gathers: Lag::default(),
            patient: None,
            may_hold: false,
            next: 0,
            epoch: 0,
            has_publisher: false,
            was_served: false,
            has_begun: false,
            owes_configuration_from: None,
            awaits_keyframe: true,
            keyframe_from: 0,
            is_skipping: false,
            is_catching_up: true,
            is_told: false,
            paused: false,
            wants_audio: true,
            wants_video: true,
            plays,
            dropped: 0,
            sleep: SleepPlace::default(),
            cursor: None,
            wait: None,
        }
    }

    /// Takes its settings, and its place unless it has begun.
    fn enter_with(&mut self, config: &PlayerConfig) {
        let common = &self.registry.config;
        self.limit = config.lag_limit(common);
        self.join_within = config.join_limit(common);
        self.gathers = config.gathers(common);
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        if !self.has_begun {
            let history = &state.history;
            self.epoch = history.epoch();
            self.has_publisher = state.feeds.is_on_air();
            self.was_served = self.has_publisher;
            if self.has_publisher {
                self.next = history.join_at(self.join_within);
                self.owes_configuration_from = Some(0);
            } else {
                // What a publisher that is gone has left behind is of no use to a newcomer. Of the next it gets all.
                self.next = history.end();
                self.owes_configuration_from = None;
            }
        }
        let common = common.lag_limit().max;
        let readers = &mut state.readers;
        if let Some(patient) = self.patient.take() {
            readers.leave_patient(patient);
        }
        if self.limit.needs_more_than(common) {
            self.patient = Some(readers.enter_patient(self.next));
            if self.may_hold {
                self.hold_publisher(readers);
            }
        }
        let released = state.release();
        drop(state);
        wake(released);
    }

    /// Lets the publisher wait for this player, if that is its policy. What it may be behind lies well within the
    /// history: what the publisher has sent already still comes on top.
    fn hold_publisher(&self, readers: &mut Readers) {
        if self.limit.policy == SlowPlayers::HoldPublisher
            && let Some(id) = self.patient
        {
            let bound = self.registry.config.max_history_len as u64 / 2;
            readers.hold_beyond(id, self.limit.max.len.min(bound));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, outlet: &mut impl Outlet) -> Poll<SourceEvent> {
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        self.next = self.reached();
        let event = self.advance(&state, outlet);
        let mut released = None;
        if let Some(patient) = self.patient {
            state.readers.move_patient(patient, self.next);
            if !mem::replace(&mut self.may_hold, true) {
                self.hold_publisher(&mut state.readers);
            }
            released = state.release();
        }
        let sleeps = match &event {
            // If there is no more for now, this need not be asked for again.
            Some(SourceEvent::Media) => self.has_all(&state),
            Some(_) => false,
            None => true,
        };
        if sleeps && !self.begin_to_follow(&mut state, outlet) {
            state
                .sleepers
                .sleep(&mut self.sleep, self.next, self.gathers, cx.waker());
        }
        drop(state);
        wake(released);
        match event {
            Some(SourceEvent::Media) if sleeps => Poll::Pending,
            Some(event) => Poll::Ready(event),
            None => self.poll_wait(cx),
        }
    }

    /// Whether there is nothing more to give or to tell before the publisher sends something.
    fn has_all(&self, state: &StreamState) -> bool {
        self.has_publisher && state.is_all(self.next, self.epoch)
    }

    /// The number of the next message, whoever gave it the last.
    fn reached(&self) -> u64 {
        let followed = self.cursor.as_ref().map_or(0, |cursor| cursor.next());
        self.next.max(followed)
    }

    /// Lets the fan-out give it what comes next, if that is everything and at once.
    fn begin_to_follow(&mut self, state: &mut StreamState, outlet: &mut impl Outlet) -> bool {
        let is_in_step =
            self.has_begun && self.has_all(state) && self.owes_configuration_from.is_none() && !self.paused;
        let gets_all = self.wants_audio && self.wants_video && self.plays.is_none();
        if !is_in_step || !gets_all || self.patient.is_some() || !self.gathers.time.is_zero() {
            return false;
        }
        let place = Place {
            next: self.next,
            epoch: self.epoch,
            has_keyframe: !self.awaits_keyframe,
            max_lag: self.limit.max,
        };
        let cursor = self.cursor.get_or_insert_default();
        match outlet.follow(self.registry.config.chunk_size, cursor, place.next) {
            Some(Following::Newly(fanout, follower)) => state.followers.add(fanout, place, follower),
            Some(Following::Already) => {}
            None => return false,
        }
        true
    }

    /// Does what can be done at once; `None` if that is nothing.
    fn advance(&mut self, state: &StreamState, outlet: &mut impl Outlet) -> Option<SourceEvent> {
        loop {
            if let Some(event) = self.take(&state.history, outlet) {
                return Some(event);
            }
            let is_new = self.epoch != state.history.epoch();
            if !is_new && self.has_publisher == state.feeds.is_on_air() {
                return None;
            }
            // One that has gone before the next came is told of, too.
            let event = if mem::take(&mut self.has_publisher) {
                SourceEvent::Unpublished
            } else {
                self.follow(&state.history);
                SourceEvent::Published
            };
            if self.registry.config.handover == Handover::Announced {
                return Some(event);
            }
        }
    }

    /// Goes over to the publisher whose media are next.
    fn follow(&mut self, history: &History) {
        self.epoch = history.epoch_at(self.next);
        self.has_publisher = true;
        self.was_served = true;
        self.wait = None;
        self.awaits_keyframe = true;
        self.is_skipping &= self.next < self.keyframe_from;
        self.is_catching_up = true;
    }

    /// Takes what lies before the player, of one publisher; `None` if that is nothing.
    fn take(&mut self, history: &History, outlet: &mut impl Outlet) -> Option<SourceEvent> {
        if self.paused {
            // What passes meanwhile is not wanted; it goes on at a keyframe.
            self.next = history.end();
            return None;
        }
        if self.owes_configuration_from.is_some() && self.epoch != history.epoch() {
            // The configuration of an earlier publisher is not known any more.
            let from = self.next;
            self.next = from.max(history.begin_at());
            self.dropped += if self.has_begun { self.next - from } else { 0 };
        }
        if let Some(event) = self.mind_lag(history) {
            return Some(event);
        }
        if self.owes_configuration_from.is_some() && !history.configurations().is_known_at(self.next) {
            // Since it joined or skipped the headers have changed.
            let from = self.next;
            self.restart_at(history.next_entrance(from));
            self.owes_configuration_from = Some(0);
            self.dropped += if self.has_begun { self.next - from } else { 0 };
        }
        let mut has_media = false;
        while let Some(entry) = history.get(self.next) {
            if entry.epoch != self.epoch {
                return has_media.then_some(SourceEvent::Media);
            }
            if outlet.is_full() {
                return Some(SourceEvent::Media);
            }
            if let Some(from) = self.owes_configuration_from.take() {
                let configurations = history.configurations().between(from, self.next);
                for configuration in configurations.filter(|message| self.can_play(message)) {
                    // At the time of what follows, so that time never goes back.
                    outlet.push_message(at(configuration, entry.message.timestamp));
                    has_media = true;
                }
            }
            let is_wanted = self.wants(entry);
            self.next += 1;
            self.has_begun = true;
            if is_wanted {
                outlet.push(entry);
                has_media = true;
            }
        }
        self.is_catching_up = false;
        self.is_told = false;
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
                if entry.is_keyframe && self.next >= self.keyframe_from {
                    self.awaits_keyframe = false;
                    self.is_skipping = false;
                }
                let is_of_no_use = self.awaits_keyframe && (entry.needs_keyframe || entry.is_keyframe);
                self.dropped += u64::from(is_of_no_use && self.is_skipping);
                !is_of_no_use
            }
            MediaKind::Data | MediaKind::Amf3Data => true,
        }
    }

    /// Does what the policy says if the player is too slow. The player is told once, until it has caught up.
    fn mind_lag(&mut self, history: &History) -> Option<SourceEvent> {
        let lag = self.excess(history)?;
        let leaves_out = match self.limit.policy {
            SlowPlayers::Keep | SlowPlayers::HoldPublisher | SlowPlayers::Disconnect => {
                return Some(SourceEvent::TooSlow(lag));
            }
            SlowPlayers::SkipToKeyframe => self.skip(history),
            SlowPlayers::DropVideo => self.drop_video(history),
        };
        let is_news = leaves_out && !mem::replace(&mut self.is_told, true);
        is_news.then_some(SourceEvent::Lagging(lag))
    }

    /// How far the player is behind, if that is too far.
    fn excess(&self, history: &History) -> Option<Lag> {
        let next = self.reached();
        let lag = history.lag(next.max(history.first()));
        // What is next for it is there no more.
        let is_lost = next < history.first();
        // A single message is no lag, however long it is.
        let is_newest = next + 1 >= history.end();
        let is_excused = self.is_catching_up || is_newest || self.limit.policy.drops_nothing();
        (is_lost || !is_excused && self.limit.is_exceeded_by(lag)).then_some(lag)
    }

    /// Goes on at the newest keyframe or, if it has passed that already, behind everything with the next. Returns
    /// whether that leaves something out.
    fn skip(&mut self, history: &History) -> bool {
        let from = self.next;
        self.restart_at(history.next_entrance(from));
        if self.next == from {
            return false;
        }
        self.owes_configuration_from.get_or_insert(from);
        self.dropped += self.next - from;
        self.is_skipping = true;
        true
    }

    fn restart_at(&mut self, next: u64) {
        self.next = next;
        self.awaits_keyframe = true;
        self.is_catching_up = true;
    }

    /// Goes on without video, up to the newest keyframe or the next. Returns whether that leaves something out.
    fn drop_video(&mut self, history: &History) -> bool {
        let from = self.next;
        self.restart_at(from.max(history.first()));
        if self.next > from {
            self.owes_configuration_from.get_or_insert(from);
            self.dropped += self.next - from;
        }
        self.keyframe_from = history.next_entrance(from);
        self.is_skipping = self.keyframe_from > from;
        self.is_skipping
    }

    /// Nobody publishes: that lasts only so long.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<SourceEvent> {
        if self.has_publisher {
            return Poll::Pending;
        }
        let config = &self.registry.config;
        let time = if self.was_served {
            config.grace
        } else {
            config.wait_for_publisher
        };
        let wait = self
            .wait
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(wait.as_mut().poll(cx));
        Poll::Ready(SourceEvent::Ended)
    }
}

impl MediaSource for Player {
    fn configure(&mut self, config: &PlayerConfig) {
        self.enter_with(config);
    }

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

    fn time(&self) -> Option<Timestamp> {
        // Metadata may stand behind the last frame, but not many.
        const MAX_STEPS: u64 = 64;
        let state = self.stream.lock();
        let next = self.reached();
        let given = (next.saturating_sub(MAX_STEPS)..next).rev();
        let mut given = given.filter_map(|number| state.history.get(number));
        let last = given.find(|entry| entry.message.is_coded_frames())?;
        self.has_begun.then_some(last.message.timestamp)
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

    fn too_slow(&self) -> Option<Lag> {
        if self.paused || !self.limit.policy.gives_up() {
            return None;
        }
        self.excess(&self.stream.lock().history)
    }

    fn take_dropped(&mut self) -> u64 {
        mem::take(&mut self.dropped)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let mut released = None;
        self.registry.leave(&self.key, &self.stream, |stream| {
            let mut state = stream.lock();
            state.readers.count -= 1;
            if let Some(patient) = self.patient {
                state.readers.leave_patient(patient);
            }
            state.sleepers.forget(self.sleep);
            if let Some(cursor) = &self.cursor {
                cursor.leave();
                if cursor.is_listed() {
                    state.followers.remove(cursor);
                }
            }
            released = state.release();
        });
        wake(released);
    }
}

/// Wakes a publisher, outside of all locks.
fn wake(released: Option<Waker>) {
    if let Some(publisher) = released {
        publisher.wake();
    }
}

/// Plays a stream within the process.
///
/// It is a player like any other: it gets configuration and the last group of pictures first, and if it is not asked
/// for messages it falls behind and skips.
pub struct RelayPlayer {
    player: Player,
    messages: VecDeque<MediaMessage>,
    too_slow: Option<Lag>,
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
            too_slow: None,
        }
    }

    /// The next message. `None` when the publisher has left, or has not come within the time that the relay lets
    /// players wait; a later call waits for the next publisher. With [`Handover::Seamless`] it waits at once, for the
    /// [grace time](super::RelayConfig::grace).
    ///
    /// `None` for good if it is [too slow](Self::too_slow) and the relay does not let it go on.
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
            if self.too_slow.is_some() {
                return None;
            }
            let Self { player, messages, .. } = self;
            let polled = poll_fn(|cx| match player.poll(cx, messages) {
                Poll::Pending if !messages.is_empty() => Poll::Ready(SourceEvent::Media),
                polled => polled,
            });
            match polled.await {
                SourceEvent::Unpublished => return None,
                SourceEvent::TooSlow(lag) => {
                    self.too_slow = Some(lag);
                    return None;
                }
                SourceEvent::Ended => {
                    self.player.wait = None;
                    return None;
                }
                _ => {}
            }
        }
    }

    /// How far it was behind when it was given up, by [`SlowPlayers::Disconnect`] or because what was next for it was
    /// no longer there.
    #[must_use]
    pub fn too_slow(&self) -> Option<Lag> {
        self.too_slow
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
