//! The relay: what players get, whenever they join, however slow they are, and whatever their publisher does.

mod configuration;
mod joining;
mod overview;
mod playable;
mod players;
mod publishers;
mod slow;
mod support;
