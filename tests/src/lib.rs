//! What the end-to-end suites share.
//!
//! | module | what it has |
//! |---|---|
//! | [`peer`] | a scripted client over any byte stream |
//! | [`target`] | a server under attack, with a healthy publisher and player beside it |
//! | [`serve`] | sessions over an in-memory pipe, and servers on a free port |
//! | [`recorder`] | observers that write down how they are called |
//! | [`certificates`] | an authority, and certificates that are good or not |
//! | [`hostile_server`] | a server that does to a client what a test tells it to |
//! | [`media`] | messages of a small stream, told apart by a number |
//! | [`mp4`] | MP4 files made by hand |

pub mod certificates;
pub mod hostile_server;
pub mod media;
pub mod mp4;
pub mod peer;
pub mod recorder;
pub mod serve;
pub mod target;

pub use peer::Peer;
pub use recorder::Recorder;
pub use serve::{RunningServer, RunningSession, session, session_over};
pub use target::Target;
