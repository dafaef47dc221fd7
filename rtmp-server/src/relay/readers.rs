//! Who reads a history.

use std::collections::BTreeMap;

/// The players of a stream, as far as its history has to know them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) count: usize,
    /// The places of those for whom the history keeps more than for all.
    patient: BTreeMap<PatientId, u64>,
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
    }

    /// The number up to which all patient readers have got everything.
    pub(super) fn slowest(&self) -> Option<u64> {
        self.patient.values().min().copied()
    }
}
