//! An async RTMP client: publish and play live streams with tokio.

mod config;
mod conn;
mod dial;
mod driver;
mod error;
mod event;
mod one_call;
mod playback;
mod publisher;
mod queue;
mod shared;
mod status;
mod stream;

pub use config::ClientBuilder;
pub use conn::ClientConn;
pub use error::{CloseReason, Error, Operation, StreamState};
pub use event::{Event, Events};
pub use one_call::{pull, push};
pub use playback::{Playback, WhenUnpublished};
pub use publisher::{Progress, Publisher};
pub use status::ConnectionStatus;
pub use stream::ClientStream;

pub use rtmp_amf::amf0;
pub use rtmp_core::chunk::MessageStreamId;
pub use rtmp_core::message::{
    Command, ConnectReply, ConnectRequest, PlayRequest, PlayStart, PublishKind, Status, StatusCode,
    StatusLevel,
};
pub use rtmp_core::url::RtmpUrl;
pub use rtmp_core::{MediaKind, MediaMessage, Timestamp};
