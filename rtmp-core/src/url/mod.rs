//! URLs of streams, and the names in them.
//!
//! ```text
//! rtmp://example.org:1935/live/backup/cam?token=t0k3n
//! scheme host        port app         stream name with its query
//!                         live/backup
//!                              instance
//! ```
//!
//! [`RtmpUrl`] is the client's side: it splits a URL as the user wrote it. [`AppName`] and [`StreamName`] are the
//! server's side: they read the names that `connect`, `publish` and `play` carry. Neither decodes or changes a byte
//! of a name or query, since services compare them literally; and as these are often secrets, no `Debug`, `Display`
//! or error shows them.
//!
//! [`RtmpUrl`] is there with the feature `url`, which is on by default: it needs the rules of host names in all
//! languages, and the crates that know them.

#[cfg(feature = "url")]
mod authority;
mod error;
mod names;
#[cfg(feature = "url")]
mod rtmp_url;
#[cfg(feature = "url")]
mod split;

#[cfg(feature = "url")]
pub use authority::Scheme;
pub use error::{UrlError, UrlPart};
pub use names::{AppName, StreamName};
#[cfg(feature = "url")]
pub use rtmp_url::RtmpUrl;

/// The longest URL accepted, and the longest app or stream name with its query, in bytes.
pub const MAX_URL_LEN: usize = 8 << 10;

/// The longest app or stream name accepted, without its query, in bytes.
pub const MAX_NAME_LEN: usize = 1024;
