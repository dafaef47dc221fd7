//! The publisher of a stream.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use rtmp_core::MediaMessage;
use tokio::time::Instant;

use super::NameTaken;
use super::registry::{Registry, StreamKey};
use super::stream::LiveStream;
use crate::{MediaSink, SessionInfo};

/// Publishes a stream from within the process. Dropping it ends the publication, and the name is free at once.
///
/// If the relay lets another publisher [take over](super::TakeOver), what this one sends then goes nowhere.
pub struct RelayPublisher {
    registry: Arc<Registry>,
    key: StreamKey,
    stream: Arc<LiveStream>,
    /// Which of the stream's publishers this is.
    epoch: u64,
    spare: Vec<Option<Waker>>,
}

impl RelayPublisher {
    /// Takes the name, for a session or for the application itself.
    pub(super) fn claim(
        registry: &Arc<Registry>,
        key: StreamKey,
        session: Option<&SessionInfo>,
    ) -> Result<Self, NameTaken> {
        let (stream, epoch) = registry.enter(&key, |stream| {
            let mut state = stream.lock();
            if state.has_publisher {
                let before = state.publisher_session.as_ref().map(SessionInfo::id);
                // A session that names a stream twice must not throw itself out.
                let is_its_own = before.is_some() && before == session.map(SessionInfo::id);
                if is_its_own || !registry.config.take_over.allows(state.silence()) {
                    return Err(NameTaken);
                }
                if let Some(before) = state.publisher_session.take() {
                    before.dispose("another publisher has taken over");
                }
            }
            state.has_publisher = true;
            state.publisher_session = session.cloned();
            state.claimed = Some(Instant::now());
            state.epoch += 1;
            state.history.clear(&registry.config);
            Ok((Arc::clone(stream), state.epoch))
        })?;
        let mut publisher = Self {
            registry: Arc::clone(registry),
            key,
            stream,
            epoch,
            spare: Vec::new(),
        };
        publisher.wake_players();
        Ok(publisher)
    }

    /// Sends a message to all players. It never waits: who can not keep up falls behind on its own.
    pub fn send(&mut self, message: MediaMessage) {
        self.push(&message);
        self.wake_players();
    }

    fn push(&self, message: &MediaMessage) {
        let mut state = self.stream.lock();
        if state.epoch == self.epoch {
            let has_players = state.player_count > 0;
            state.history.push(message, &self.registry.config, has_players);
        }
    }

    fn wake_players(&mut self) {
        self.stream.wake(&mut self.spare);
    }
}

impl MediaSink for RelayPublisher {
    fn send(&mut self, message: &MediaMessage) {
        self.push(message);
    }

    fn flush(&mut self) {
        self.wake_players();
    }
}

impl Drop for RelayPublisher {
    fn drop(&mut self) {
        let epoch = self.epoch;
        self.registry.leave(&self.key, &self.stream, |stream| {
            let mut state = stream.lock();
            if state.epoch == epoch {
                state.has_publisher = false;
                state.publisher_session = None;
            }
        });
        self.wake_players();
    }
}

impl fmt::Debug for RelayPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayPublisher").finish_non_exhaustive()
    }
}
