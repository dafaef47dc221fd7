//! The RTMP protocol as a calculation.

pub mod chunk;
pub mod conn;
pub mod flv;
pub mod handshake;
pub mod message;
mod timestamp;
pub mod url;

pub use message::{MediaKind, MediaMessage};
pub use timestamp::{Timestamp, TimestampUnwrapper};
