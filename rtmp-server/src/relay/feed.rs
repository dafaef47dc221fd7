//! Who feeds a stream: its publisher, and who stands in while there is none.
//!
//! One of them is on air: its messages go to the players. Each turn on air is an epoch of the history.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rtmp_core::{MediaKind, MediaMessage};
use tokio::time::Instant;

use super::configuration::ConfigurationCache;
use super::registry::{Registry, StreamKey};
use super::stream::{LiveStream, StreamState};
use super::{NameTaken, RelayConfig, at};
use crate::SessionInfo;

/// A publisher that has sent no video for so long is taken for one without, and need not wait for a keyframe.
const NO_VIDEO_AFTER: Duration = Duration::from_secs(1);

/// Tells the feeds of a stream apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeedId(u64);

/// The feeds of a stream.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    publisher: Option<Publisher>,
    stand_in: Option<FeedId>,
    on_air: Option<FeedId>,
    last_id: u64,
}

/// Who has the name.
#[derive(Debug)]
struct Publisher {
    id: FeedId,
    /// Its session, if it is not the application itself.
    session: Option<SessionInfo>,
    /// When it took the name, or last sent something that did not go on air.
    heard: Instant,
}

impl Feeds {
    pub(super) fn has_publisher(&self) -> bool {
        self.publisher.is_some()
    }

    pub(super) fn publisher_session(&self) -> Option<&SessionInfo> {
        self.publisher.as_ref()?.session.as_ref()
    }

    /// Whether there is somebody whose messages go to the players.
    pub(super) fn is_on_air(&self) -> bool {
        self.on_air.is_some()
    }

    pub(super) fn is_stand_in_on_air(&self) -> bool {
        self.stand_in.is_some() && self.on_air == self.stand_in
    }

    pub(super) fn hear_publisher(&mut self) {
        if let Some(publisher) = &mut self.publisher {
            publisher.heard = Instant::now();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.publisher.is_none() && self.stand_in.is_none()
    }

    fn next_id(&mut self) -> FeedId {
        self.last_id += 1;
        FeedId(self.last_id)
    }

    fn is_publisher(&self, id: FeedId) -> bool {
        self.publisher
            .as_ref()
            .is_some_and(|publisher| publisher.id == id)
    }
}

/// What feeds a stream. Dropping it gives its place back.
pub(super) struct Feed {
    registry: Arc<Registry>,
    key: StreamKey,
    stream: Arc<LiveStream>,
    id: FeedId,
    backstage: Option<Backstage>,
    spare: Vec<Option<Waker>>,
    /// Players were too far behind when they were last woken.
    must_wait: bool,
}

impl Feed {
    /// Takes the name, for a session or for the application itself.
    pub(super) fn publisher(
        registry: &Arc<Registry>,
        key: StreamKey,
        session: Option<&SessionInfo>,
    ) -> Result<Self, NameTaken> {
        let config = &registry.config;
        let (stream, id, backstage, held) = registry.enter(&key, |stream| {
            let mut state = stream.lock();
            let silence = state.silence();
            let StreamState {
                history, feeds, held, ..
            } = &mut *state;
            if let Some(before) = &feeds.publisher {
                let before_id = before.session.as_ref().map(SessionInfo::id);
                // A session that names a stream twice must not throw itself out.
                let is_its_own = before_id.is_some() && before_id == session.map(SessionInfo::id);
                if is_its_own || !config.take_over.allows(silence) {
                    return Err(NameTaken);
                }
                if let Some(before) = &before.session {
                    before.dispose("another publisher has taken over");
                }
            }
            let id = feeds.next_id();
            feeds.publisher = Some(Publisher {
                id,
                session: session.cloned(),
                heard: Instant::now(),
            });
            let backstage = feeds
                .is_stand_in_on_air()
                .then(|| Backstage::new(Part::Publisher));
            if backstage.is_none() {
                feeds.on_air = Some(id);
                history.begin(config);
            }
            Ok((Arc::clone(stream), id, backstage, held.take()))
        })?;
        if let Some(before) = held {
            before.wake();
        }
        let mut feed = Self::new(registry, key, stream, id, backstage);
        feed.wake_players();
        Ok(feed)
    }

    /// Takes the place of who stands in.
    pub(super) fn stand_in(registry: &Arc<Registry>, key: StreamKey) -> Result<Self, NameTaken> {
        let (stream, id) = registry.enter(&key, |stream| {
            let mut state = stream.lock();
            if state.feeds.stand_in.is_some() {
                return Err(NameTaken);
            }
            let id = state.feeds.next_id();
            state.feeds.stand_in = Some(id);
            Ok((Arc::clone(stream), id))
        })?;
        let backstage = Backstage::new(Part::StandIn);
        Ok(Self::new(registry, key, stream, id, Some(backstage)))
    }

    fn new(
        registry: &Arc<Registry>,
        key: StreamKey,
        stream: Arc<LiveStream>,
        id: FeedId,
        backstage: Option<Backstage>,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            key,
            stream,
            id,
            backstage,
            spare: Vec::new(),
            must_wait: false,
        }
    }

    pub(super) fn is_on_air(&self) -> bool {
        self.stream.lock().feeds.on_air == Some(self.id)
    }

    /// Puts a message into the history, if it is this one's turn.
    pub(super) fn push(&mut self, message: &MediaMessage) {
        let config = &self.registry.config;
        let mut state = self.stream.lock();
        let StreamState {
            history,
            readers,
            feeds,
            ..
        } = &mut *state;
        if let Some(backstage) = &mut self.backstage {
            backstage.note(message, config);
            if feeds.on_air != Some(self.id) {
                if !backstage.enters(feeds, self.id, message) {
                    return;
                }
                feeds.on_air = Some(self.id);
                history.begin(config);
                for configuration in backstage.configurations.iter() {
                    history.push(&at(configuration, message.timestamp), config, readers);
                }
                if backstage.part == Part::Publisher {
                    // It leaves the air only for good.
                    self.backstage = None;
                }
            }
        }
        if feeds.on_air == Some(self.id) {
            history.push(message, config, readers);
        }
    }

    /// Wakes the players for what was pushed.
    pub(super) fn wake_players(&mut self) {
        self.must_wait = self.stream.wake(&mut self.spare);
    }

    /// Ready unless players for which it is on air are to be waited for.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.must_wait {
            return Poll::Ready(());
        }
        let mut state = self.stream.lock();
        if state.feeds.on_air == Some(self.id) && state.readers.still_hold(&state.history) {
            state.held = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.must_wait = false;
        Poll::Ready(())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let id = self.id;
        self.registry.leave(&self.key, &self.stream, |stream| {
            let mut state = stream.lock();
            let StreamState { feeds, held, .. } = &mut *state;
            if feeds.on_air == Some(id) {
                *held = None;
            }
            feeds.publisher.take_if(|publisher| publisher.id == id);
            feeds.stand_in.take_if(|stand_in| *stand_in == id);
            feeds.on_air.take_if(|on_air| *on_air == id);
        });
        self.wake_players();
    }
}

/// What is known of a feed that is not on air, or may have to leave it and come back.
struct Backstage {
    part: Part,
    /// What players need first when it is its turn.
    configurations: ConfigurationCache,
    message_count: u64,
    has_video: bool,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Publisher,
    StandIn,
}

impl Backstage {
    fn new(part: Part) -> Self {
        Self {
            part,
            configurations: ConfigurationCache::default(),
            message_count: 0,
            has_video: false,
            since: Instant::now(),
        }
    }

    fn note(&mut self, message: &MediaMessage, config: &RelayConfig) {
        self.configurations.keep(message, self.message_count, config);
        self.message_count += 1;
        self.has_video |= message.kind == MediaKind::Video;
    }

    /// Whether it goes on air with this message: with a keyframe, so that players see no broken picture, or with
    /// anything if there is no video to wait for.
    fn enters(&self, feeds: &mut Feeds, id: FeedId, message: &MediaMessage) -> bool {
        if message.configurations().next().is_some() {
            return false;
        }
        match self.part {
            Part::StandIn => feeds.publisher.is_none() && (message.is_keyframe() || !self.has_video),
            Part::Publisher if feeds.is_publisher(id) => {
                feeds.hear_publisher();
                let has_no_video = || !self.has_video && self.since.elapsed() >= NO_VIDEO_AFTER;
                feeds.on_air.is_none() || message.is_keyframe() || has_no_video()
            }
            // Another publisher has taken over.
            Part::Publisher => false,
        }
    }
}

impl StreamState {
    /// How long the publisher has sent nothing.
    fn silence(&self) -> Duration {
        // One that is not read from is not to blame.
        let Some(publisher) = self.feeds.publisher.as_ref().filter(|_| self.held.is_none()) else {
            return Duration::ZERO;
        };
        let is_on_air = self.feeds.on_air == Some(publisher.id);
        let last = self.history.last_arrival().filter(|_| is_on_air);
        last.unwrap_or(publisher.heard).max(publisher.heard).elapsed()
    }
}
