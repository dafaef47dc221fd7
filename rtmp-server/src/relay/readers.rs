//! Who reads a history.

use std::collections::BTreeMap;

use super::history::History;

/// The players of a stream, as far as its history has to know them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) count: usize,
    /// The places of those for whom the history keeps more than for all.
    patient: BTreeMap<PatientId, u64>,
    /// Those of them that hold the publisher, and how many bytes they may be behind until then.
    holding: BTreeMap<PatientId, u64>,
    last_id: u64,
}

/// Names a place among the patient readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PatientId(u64);

impl Readers {
    /// Notes the place of one more patient reader.
    pub(super) fn enter_patient(&mut self, next: u64) -> PatientId {
        self.last_id += 1;
        let id = PatientId(self.last_id);
        self.patient.insert(id, next);
        id
    }

    pub(super) fn move_patient(&mut self, id: PatientId, next: u64) {
        self.patient.insert(id, next);
    }

    pub(super) fn leave_patient(&mut self, id: PatientId) {
        self.patient.remove(&id);
        self.holding.remove(&id);
    }

    /// Lets a patient reader hold the publisher from so many bytes on.
    pub(super) fn hold_beyond(&mut self, id: PatientId, len: u64) {
        self.holding.insert(id, len);
    }

    /// Whether the publisher has to wait for somebody.
    pub(super) fn hold(&self, history: &History) -> bool {
        self.has_behind(history, |limit| limit)
    }

    /// Whether a publisher that waits still has to. It goes on with room for more than a message, so that it does not
    /// stop and go with each.
    pub(super) fn still_hold(&self, history: &History) -> bool {
        self.has_behind(history, |limit| limit / 2)
    }

    fn has_behind(&self, history: &History, bound: impl Fn(u64) -> u64) -> bool {
        self.holding.iter().any(|(id, &limit)| {
            let next = self.patient.get(id).copied().unwrap_or(history.end());
            history.lag(next.max(history.first())).len > bound(limit)
        })
    }

    /// The number up to which all patient readers have got everything.
    pub(super) fn slowest(&self) -> Option<u64> {
        self.patient.values().min().copied()
    }
}
