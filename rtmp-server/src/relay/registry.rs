//! Which streams there are.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::overview::{self, StreamOverview};
use super::stream::LiveStream;
use super::{RelayConfig, RelayStatistics};
use crate::sync::{Mutex, MutexGuard};

/// What tells streams apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamKey {
    app: Box<str>,
    name: Box<str>,
}

impl StreamKey {
    pub(super) fn new(app: &str, name: &str) -> Self {
        Self {
            app: app.into(),
            name: name.into(),
        }
    }
}

/// All streams that have a publisher, players, or somebody who stands in.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) config: RelayConfig,
    streams: Mutex<HashMap<StreamKey, Arc<LiveStream>>>,
}

impl Registry {
    pub(super) fn new(config: RelayConfig) -> Self {
        Self {
            config,
            streams: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamKey, Arc<LiveStream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the stream, or begins it, and lets `enter` take part in it. Nobody else comes or goes meanwhile.
    pub(super) fn enter<T>(&self, key: &StreamKey, enter: impl FnOnce(&Arc<LiveStream>) -> T) -> T {
        let mut streams = self.lock();
        let stream = streams.entry(key.clone()).or_default();
        let entered = enter(stream);
        // `enter` may have declined, and a stream that nobody uses must not stay.
        if stream.lock().is_unused() {
            streams.remove(key);
        }
        entered
    }

    /// Lets `leave` give up its part in a stream, which ends with the last one.
    pub(super) fn leave(&self, key: &StreamKey, stream: &LiveStream, leave: impl FnOnce(&LiveStream)) {
        let mut streams = self.lock();
        leave(stream);
        if stream.lock().is_unused() {
            streams.remove(key);
        }
    }

    #[cfg(feature = "files")]
    pub(super) fn is_on_air(&self, key: &StreamKey) -> bool {
        self.lock()
            .get(key)
            .is_some_and(|stream| stream.lock().feeds.is_on_air())
    }

    pub(super) fn statistics(&self) -> RelayStatistics {
        let mut sum = RelayStatistics::default();
        for stream in self.lock().values() {
            let state = stream.lock();
            sum.streams += 1;
            sum.publishers += usize::from(state.feeds.has_publisher());
            sum.players += state.readers.count;
            sum.messages += state.history.message_count();
            sum.bytes += state.history.len();
        }
        sum
    }

    pub(super) fn overview(&self) -> Vec<StreamOverview> {
        let describe = |(key, stream): (&StreamKey, &Arc<LiveStream>)| {
            let state = stream.lock();
            StreamOverview {
                app: key.app.to_string(),
                name: key.name.to_string(),
                has_publisher: state.feeds.has_publisher(),
                publisher: state.feeds.publisher_session().cloned(),
                is_stand_in_on_air: state.feeds.is_stand_in_on_air(),
                players: state.readers.count,
                tracks: overview::tracks(state.history.telling()),
            }
        };
        self.lock().iter().map(describe).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}
