//! A player that is given what is new without being asked.
//!
//! A source that has given everything, and gives its player all that comes as it comes, may let the player follow: from
//! then on the [`Fanout`] writes to it what is new, which it takes from the stream once for many players. A [`Cursor`] tells
//! the source how far the player has got when the session asks it for media again.

use std::sync::Arc;

use super::fanout::Fanout;
use super::outbound::Outbound;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a player has got, and where it waits. Not looked at while it follows: that would be one more piece of memory
/// for each player and message.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The number of the next message, as of when it began or ceased to follow.
    next: AtomicU64,
    /// The [`Band`](crate::relay::Band) in which it is listed. Kept under the lock of the stream.
    band: AtomicU64,
    /// It waits in its stream, or is on its way through the fan-out: no more than once.
    is_listed: AtomicBool,
    /// Its source is gone. Set under the lock of the stream.
    has_left: AtomicBool,
}

/// A connection, and how far its player has got.
pub(crate) struct Follower {
    pub(super) outbound: Arc<Outbound>,
    pub(super) cursor: Arc<Cursor>,
}

/// A connection whose player may follow.
pub(crate) struct Lane<'a> {
    outbound: &'a Arc<Outbound>,
    fanout: &'a Arc<Fanout>,
    follows: &'a mut Option<Arc<Cursor>>,
}

/// What is to be done about a player that follows.
pub(crate) enum Following<'a> {
    /// It is listed from before.
    Already,
    /// It is to be listed, for this fan-out.
    Newly(&'a Arc<Fanout>, Follower),
}

impl Cursor {
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn move_to(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }

    pub(crate) fn band(&self) -> u64 {
        self.band.load(Ordering::Relaxed)
    }

    pub(super) fn unlist(&self) {
        self.is_listed.store(false, Ordering::Release);
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.is_listed.load(Ordering::Acquire)
    }

    /// The source goes. It is listed no more once this is seen.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }
}

impl Follower {
    pub(crate) fn enter(&self, band: u64) {
        self.cursor.band.store(band, Ordering::Relaxed);
    }

    pub(crate) fn is_at(&self, cursor: &Arc<Cursor>) -> bool {
        Arc::ptr_eq(&self.cursor, cursor)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.cursor.has_left()
    }
}

#[cfg(test)]
impl Follower {
    /// One whose connection is not there, and its cursor.
    pub(crate) fn without_connection() -> (Self, Arc<Cursor>) {
        let info = crate::SessionInfo::new(None);
        let outbound = Arc::new(Outbound::new(None, info, tracing::Span::none()));
        let cursor = Arc::<Cursor>::default();
        let follower = Self {
            outbound,
            cursor: Arc::clone(&cursor),
        };
        (follower, cursor)
    }
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        outbound: &'a Arc<Outbound>,
        fanout: &'a Arc<Fanout>,
        follows: &'a mut Option<Arc<Cursor>>,
    ) -> Self {
        Self {
            outbound,
            fanout,
            follows,
        }
    }

    /// Lets the player follow from a message on.
    pub(crate) fn follow(&mut self, cursor: &Arc<Cursor>, next: u64) -> Following<'a> {
        cursor.move_to(next);
        *self.follows = Some(Arc::clone(cursor));
        if cursor.is_listed.swap(true, Ordering::AcqRel) {
            // If it is at another place than this, it is asked again when that has its turn.
            return Following::Already;
        }
        let follower = Follower {
            outbound: Arc::clone(self.outbound),
            cursor: Arc::clone(cursor),
        };
        Following::Newly(self.fanout, follower)
    }
}
