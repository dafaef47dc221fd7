//! Our remote calls that wait for their answers.

use crate::message::TransactionId;

/// What the answers to our calls are about. The transaction ids are ours alone: the peer counts its own.
#[derive(Debug)]
pub(super) struct Calls<T = ()> {
    last: u32,
    pending: Vec<(TransactionId, T)>,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Self {
            last: 0,
            pending: Vec::new(),
        }
    }
}

impl<T> Calls<T> {
    /// The id for a call that is about to be sent.
    pub(super) fn next(&self) -> TransactionId {
        TransactionId::new(self.last.wrapping_add(1).max(1))
    }

    /// Remembers a call that was sent under the id that [`next`](Self::next) gave.
    pub(super) fn note(&mut self, about: T) -> TransactionId {
        let transaction = self.next();
        self.last = self.last.wrapping_add(1).max(1);
        self.pending.push((transaction, about));
        transaction
    }

    /// What an answer is about, if we wait for it.
    pub(super) fn take(&mut self, transaction: TransactionId) -> Option<T> {
        let place = self.pending.iter().position(|(id, _)| *id == transaction)?;
        Some(self.pending.remove(place).1)
    }

    /// Keeps only the calls about which `keep` says so.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.pending.retain(|(_, about)| keep(about));
    }

    /// Forgets the oldest of the calls about which `chosen` says so, if there are `limit` or more of them.
    pub(super) fn make_room(&mut self, limit: usize, chosen: impl Fn(&T) -> bool) {
        let mut places = self
            .pending
            .iter()
            .enumerate()
            .filter(|(_, (_, about))| chosen(about));
        if let Some((oldest, _)) = places.next()
            && places.count() >= limit.saturating_sub(1)
        {
            self.pending.remove(oldest);
        }
    }

    pub(super) fn forget(&mut self, transaction: TransactionId) {
        self.pending.retain(|(id, _)| *id != transaction);
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }
}
