//! AMF0, the Action Message Format of RTMP commands and FLV metadata: ordered, lossless, bounded.

pub mod amf0;
mod error;
mod limits;
mod object;
mod string;

pub use error::Amf0Error;
pub use limits::Limits;
pub use object::{Iter, Object};
pub use string::AmfString;
