//! The message streams of a connection, and what each is used for.

use crate::chunk::MessageStreamId;
use crate::conn::LimitError;
use crate::message::split_query;

/// What a stream is used for. One that was created and is not in use has none of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Idle,
    /// Published under this name, as the client wrote it.
    Publishing {
        name: String,
    },
    Playing,
}

/// The streams of one connection. There are few, so a list will do.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<(MessageStreamId, Role)>);

impl Streams {
    /// Creates a stream with the lowest id that is free, unless there are `limit` already.
    pub(super) fn create(&mut self, limit: usize) -> Result<MessageStreamId, LimitError> {
        let count = self.0.len().saturating_add(1);
        if count > limit {
            return Err(LimitError::TooManyStreams { count, limit });
        }
        let taken = |id: &u32| self.0.iter().any(|(stream, _)| stream.get() == *id);
        let free = (1..).find(|id| !taken(id));
        let stream = MessageStreamId::new(free.ok_or(LimitError::TooManyStreams { count, limit })?);
        self.0.push((stream, Role::Idle));
        Ok(stream)
    }

    pub(super) fn remove(&mut self, stream: MessageStreamId) -> Option<Role> {
        let place = self.0.iter().position(|(id, _)| *id == stream)?;
        Some(self.0.swap_remove(place).1)
    }

    pub(super) fn role(&self, stream: MessageStreamId) -> Option<Role> {
        self.get(stream).cloned()
    }

    fn get(&self, stream: MessageStreamId) -> Option<&Role> {
        self.0.iter().find(|(id, _)| *id == stream).map(|(_, role)| role)
    }

    /// Gives a stream a role and returns the one it had; `None` if there is no such stream.
    pub(super) fn set_role(&mut self, stream: MessageStreamId, role: Role) -> Option<Role> {
        let (_, current) = self.0.iter_mut().find(|(id, _)| *id == stream)?;
        Some(std::mem::replace(current, role))
    }

    /// The stream that a message means: the one it names or, as old encoders send stream 0 or whatever they like, the
    /// only one there is.
    pub(super) fn resolve(&self, stream: MessageStreamId) -> Option<MessageStreamId> {
        match self.0.as_slice() {
            [(only, _)] => Some(*only),
            _ => self.get(stream).map(|_| stream),
        }
    }

    /// The publishing stream that a media message belongs to. Stream 0 stands for the only one there is.
    pub(super) fn publishing(&self, stream: MessageStreamId) -> Option<MessageStreamId> {
        let stream = if stream == MessageStreamId::CONNECTION {
            self.resolve(stream)?
        } else {
            stream
        };
        matches!(self.get(stream)?, Role::Publishing { .. }).then_some(stream)
    }

    /// The stream that is published under `name`. Encoders may have the query in one of the two names only.
    pub(super) fn published_as(&self, name: &str) -> Option<MessageStreamId> {
        let publishing = || {
            self.0.iter().filter_map(|(id, role)| match role {
                Role::Publishing { name } => Some((*id, name)),
                Role::Idle | Role::Playing => None,
            })
        };
        publishing()
            .find(|(_, published)| *published == name)
            .or_else(|| publishing().find(|(_, published)| split_query(published).0 == split_query(name).0))
            .map(|(id, _)| id)
    }
}
