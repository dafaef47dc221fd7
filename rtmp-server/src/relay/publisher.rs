//! The publisher of a stream.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use rtmp_core::MediaMessage;

use super::NameTaken;
use super::registry::{Registry, StreamKey};
use super::stream::LiveStream;
use crate::MediaSink;

/// Publishes a stream from within the process. Dropping it ends the publication, and the name is free at once.
pub struct RelayPublisher {
    registry: Arc<Registry>,
    key: StreamKey,
    stream: Arc<LiveStream>,
    spare: Vec<Option<Waker>>,
}

impl RelayPublisher {
    pub(super) fn claim(registry: &Arc<Registry>, key: StreamKey) -> Result<Self, NameTaken> {
        let stream = registry.enter(&key, |stream| {
            let mut state = stream.lock();
            if state.has_publisher {
                return Err(NameTaken);
            }
            state.has_publisher = true;
            state.epoch += 1;
            state.history.clear(&registry.config);
            Ok(Arc::clone(stream))
        })?;
        let mut publisher = Self {
            registry: Arc::clone(registry),
            key,
            stream,
            spare: Vec::new(),
        };
        publisher.wake_players();
        Ok(publisher)
    }

    /// Sends a message to all players. It never waits: who can not keep up falls behind on its own.
    pub fn send(&mut self, message: MediaMessage) {
        self.stream.push(&message, &self.registry.config);
        self.wake_players();
    }

    fn wake_players(&mut self) {
        self.stream.wake(&mut self.spare);
    }
}

impl MediaSink for RelayPublisher {
    fn send(&mut self, message: &MediaMessage) {
        self.stream.push(message, &self.registry.config);
    }

    fn flush(&mut self) {
        self.wake_players();
    }
}

impl Drop for RelayPublisher {
    fn drop(&mut self) {
        self.registry.leave(&self.key, &self.stream, |stream| {
            stream.lock().has_publisher = false
        });
        self.wake_players();
    }
}

impl fmt::Debug for RelayPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayPublisher").finish_non_exhaustive()
    }
}
