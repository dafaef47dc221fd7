//! Opening files in a directory without following links.

#[cfg(unix)]
mod by_handle;
#[cfg(not(unix))]
mod by_path;

#[cfg(unix)]
pub(super) use by_handle::{Dir, has_name};
#[cfg(not(unix))]
pub(super) use by_path::{Dir, has_name};

/// Whether a file may be there before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exists {
    Maybe,
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "files are emptied there, not replaced")
    )]
    Not,
}
