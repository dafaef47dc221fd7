//! Opening files in a directory without following links.

#[cfg(unix)]
mod by_handle;
#[cfg(not(unix))]
mod by_path;

#[cfg(unix)]
pub(super) use by_handle::Dir;
#[cfg(not(unix))]
pub(super) use by_path::Dir;
