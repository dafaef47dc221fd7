//! What references refer to (AMF3 section 2.2).

use std::sync::Arc;

use super::object::Traits;
use super::value::Value;
use crate::AmfString;

/// The three reference tables of a decoder.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) strings: Vec<AmfString>,
    pub(super) objects: Vec<Slot>,
    pub(super) traits: Vec<TraitsSlot>,
}

/// An entry of the object table.
#[derive(Debug)]
pub(super) enum Slot {
    /// A container whose end has not been met: a reference to it is a cycle.
    Open,
    Complete(Complete),
}

/// A value that can be referred to, and what that costs.
#[derive(Debug, Clone)]
pub(super) struct Complete {
    pub(super) value: Value,
    /// How many values are inside it.
    pub(super) values_inside: usize,
    /// How many bytes it is without references.
    pub(super) len: usize,
    /// How many containers are inside one another, itself included.
    pub(super) height: usize,
}

/// An entry of the traits table, with the length of the names in it.
#[derive(Debug, Clone)]
pub(super) struct TraitsSlot {
    pub(super) class: Class,
    pub(super) len: usize,
}

/// What traits say about a class. The encoder looks traits up by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Traits(Arc<Traits>),
    Externalizable(AmfString),
}

/// How much was in the tables at some time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    strings: usize,
    objects: usize,
    traits: usize,
    per_value: bool,
}

impl Tables {
    const fn is_empty(&self) -> bool {
        self.strings.is_empty() && self.objects.is_empty() && self.traits.is_empty()
    }

    fn truncate(&mut self, mark: Mark) {
        self.strings.truncate(mark.strings);
        self.objects.truncate(mark.objects);
        self.traits.truncate(mark.traits);
    }
}

/// The tables of a list. Some encoders keep them for the whole list and some begin anew with each value that stands by
/// itself, which shows when a reference leads nowhere or to something else than its reader needs.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    message: Tables,
    own: Tables,
    /// Whether the encoder was seen to begin anew.
    per_value: bool,
}

impl Sets {
    /// The tables for the next value.
    pub(super) fn next(&mut self) -> &mut Tables {
        if self.per_value {
            self.own.truncate(Mark::default());
            &mut self.own
        } else {
            &mut self.message
        }
    }

    /// Changes to tables of its own for each value, if there is a difference: undoes what was entered since `mark`.
    pub(super) fn begin_anew(&mut self, mark: Mark) -> bool {
        self.restore(mark);
        self.per_value = !mark.per_value && !self.message.is_empty();
        self.per_value
    }

    pub(crate) const fn mark(&self) -> Mark {
        Mark {
            strings: self.message.strings.len(),
            objects: self.message.objects.len(),
            traits: self.message.traits.len(),
            per_value: self.per_value,
        }
    }

    /// Undoes what was entered since `mark`.
    pub(crate) fn restore(&mut self, mark: Mark) {
        self.message.truncate(mark);
        self.per_value = mark.per_value;
    }
}
