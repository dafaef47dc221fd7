//! Messages.

mod media;

pub use media::{MediaKind, MediaMessage};
