//! Rust types as AMF values and back, by way of serde.

mod de;
mod error;
mod format;
mod ser;
mod value;
mod wrapper;

pub(crate) use de::Node;
pub use error::{SerdeError, SerdeErrorKind};
pub(crate) use ser::{to_list, to_value};
pub use wrapper::{Date, EcmaArray};

/// 2^53: up to here a double tells every integer from the next one.
const MAX_EXACT: u64 = 1 << 53;
