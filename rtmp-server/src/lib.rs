//! Placeholder while the modules are laid out.

mod config;
mod error;
mod info;
mod observer;
pub mod relay;
mod requests;
mod server;
mod session;
mod source;
mod statistics;
mod verdict;

pub use config::{ServerConfig, SessionConfig, Timeouts};
pub use error::ServerError;
pub use info::{CloseReason, Deadline, SessionId, SessionInfo, StreamInfo};
pub use observer::{ConnectObserver, Observers, PlayObserver, PublishObserver};
pub use relay::Relay;
pub use requests::{Asked, Request, RequestObserver, Requests, request_channel};
pub use rtmp_core;
pub use server::{Server, ServerHandle};
pub use session::ServerSession;
pub use source::{Batch, MediaSink, MediaSource, SourceEvent};
pub use statistics::{Interval, Statistics};
pub use verdict::{PlayGrant, PublishGrant, Verdict};
