//! Sends media to many clients in few turns.
//!
//! When a publisher's message wakes a thousand players, a thousand task turns would cost more than the bookkeeping of
//! the writes themselves. So what is woken is not the session's task but its [`Outbound`]: that queues up here, and a
//! worker for each thread of the runtime takes some of them at a time, lets each write without waiting, and then
//! makes way for other tasks. A session's task has its turn only if the client does not take all at once, or if there
//! is more to do than to write.
//!
//! Players that follow their stream queue up together, as a [`Round`]. For some of them at a time the worker takes what
//! is new from the stream once, and writes that to each.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::DirectEnd;
use super::follower::Follower;
use super::outbound::Outbound;
use super::outbox::Outbox;
use crate::Batch;
use crate::relay::{Band, LiveStream, Place, Round, Share};
use crate::sync::{Mutex, MutexGuard};

/// Clients that are served in one turn.
const TURN: usize = Band::MAX_LEN;

/// Clients whose memory is fetched at a time; a write leaves little of it in the caches.
const GROUP: usize = 16;

/// What waits to write. No more than one entry for each session, and one for each that follows.
#[derive(Default)]
pub(crate) struct Fanout {
    waiting: Mutex<VecDeque<Waiting>>,
    ready: Notify,
}

enum Waiting {
    One(Arc<Outbound>),
    Round(Round),
}

/// What a worker has to do next.
enum Turn {
    Each,
    Together {
        stream: Arc<LiveStream>,
        place: Place,
        departures: u64,
        band: Band,
    },
}

/// What is written to many followers.
pub(super) struct SharedWrite<'a> {
    pub(super) pieces: &'a [Bytes],
    pub(super) len: usize,
    /// The number of the message behind it.
    pub(super) reached: u64,
    slices: &'a [IoSlice<'a>],
}

impl SharedWrite<'_> {
    /// Writes once, if the socket takes any now.
    pub(super) fn try_write(&self, socket: &DirectEnd) -> io::Result<usize> {
        match self.slices {
            [] => Ok(0),
            [slice] => socket.try_write(slice),
            slices => socket.try_write_vectored(slices),
        }
    }
}

/// What a worker uses over and over.
#[derive(Default)]
struct Worker {
    each: Vec<Arc<Outbound>>,
    spare: Outbox,
    share: Share,
}

impl Fanout {
    /// Queues up what has something to write. Its flag says that it is not here yet.
    pub(super) fn push(&self, outbound: Arc<Outbound>) {
        self.queue(Waiting::One(outbound));
    }

    /// Queues up followers for which there is something new.
    pub(crate) fn push_round(&self, round: Round) {
        self.queue(Waiting::Round(round));
    }

    fn queue(&self, entry: Waiting) {
        let mut waiting = self.lock();
        waiting.push_back(entry);
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            self.ready.notify_one();
        }
    }

    /// One worker. Never ends.
    pub(crate) async fn work(self: Arc<Self>) {
        let _unserved = Unserved(&self);
        let mut worker = Worker::default();
        loop {
            match self.take_turn(&mut worker) {
                Some(Turn::Each) => worker.serve_each(),
                Some(Turn::Together {
                    stream,
                    place,
                    departures,
                    mut band,
                }) => {
                    if let Some(reached) = worker.serve_together(&stream, place, &mut band)
                        && let Some(round) = stream.wait(&self, reached, band, departures)
                    {
                        self.push_round(round);
                    }
                }
                None => {
                    self.ready.notified().await;
                    continue;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn take_turn(&self, worker: &mut Worker) -> Option<Turn> {
        let mut waiting = self.lock();
        let mut turn = None;
        while worker.each.len() < TURN {
            match waiting.pop_front() {
                Some(Waiting::One(outbound)) => {
                    worker.each.push(outbound);
                    turn = Some(Turn::Each);
                }
                Some(Waiting::Round(mut round)) if turn.is_none() => {
                    turn = round.bands.pop_front().map(|band| Turn::Together {
                        stream: Arc::clone(&round.stream),
                        place: round.place,
                        departures: round.departures,
                        band,
                    });
                    if !round.bands.is_empty() {
                        waiting.push_front(Waiting::Round(round));
                    }
                    break;
                }
                Some(round) => {
                    waiting.push_front(round);
                    break;
                }
                None => break,
            }
        }
        let is_rest = !waiting.is_empty();
        drop(waiting);
        if is_rest {
            // Another thread may be free to help.
            self.ready.notify_one();
        }
        turn
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits when its worker goes has nobody any more, and would keep itself.
struct Unserved<'a>(&'a Fanout);

impl Drop for Unserved<'_> {
    fn drop(&mut self) {
        let waiting = mem::take(&mut *self.0.lock());
        drop(waiting);
    }
}

impl Worker {
    /// Lets each ask its sources and write.
    fn serve_each(&mut self) {
        while !self.each.is_empty() {
            let group = self.each.len().saturating_sub(GROUP);
            for outbound in self.each.iter().skip(group) {
                outbound.touch();
            }
            for outbound in self.each.drain(group..) {
                outbound.serve(&mut self.spare);
            }
        }
    }

    /// Writes what is new to followers at one place. Leaves those that have it all, and returns how far they are.
    fn serve_together(&mut self, stream: &LiveStream, place: Place, band: &mut Band) -> Option<Place> {
        let Self { spare, share, .. } = self;
        let followers = &mut band.followers;
        let Some(reached) = stream.share(place, share) else {
            for Follower { outbound, cursor } in followers.drain(..) {
                cursor.unlist();
                outbound.write_now(spare);
            }
            return None;
        };
        let mut slices = [IoSlice::new(&[]); Batch::MAX_PIECES];
        for (slice, piece) in slices.iter_mut().zip(&share.pieces) {
            *slice = IoSlice::new(piece);
        }
        let write = SharedWrite {
            pieces: &share.pieces,
            len: share.len,
            reached: reached.next,
            slices: slices.get(..share.pieces.len()).unwrap_or_default(),
        };
        let mut has_all = [false; TURN];
        for (group, has_all) in followers.chunks(GROUP).zip(has_all.chunks_mut(GROUP)) {
            for follower in group {
                follower.outbound.touch();
            }
            for (Follower { outbound, cursor }, has_all) in group.iter().zip(has_all) {
                *has_all = outbound.write_share(cursor, place.next, &write, spare);
            }
        }
        let mut has_all = has_all.iter();
        followers.retain(|_| has_all.next() == Some(&true));
        share.pieces.clear();
        Some(reached)
    }
}
