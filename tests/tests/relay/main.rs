//! The relay: what players get, whenever they join, however slow they are, and whatever their publisher does.

mod configuration;
mod durations;
mod gaps;
mod handover;
mod hold;
mod hostile;
mod joining;
mod model;
mod overview;
mod players;
mod publishers;
mod slow;
mod stand_in;
mod support;
