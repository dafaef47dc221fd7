//! Publishing and playing over connections that are lost and made anew.
//!
//! A [`ReconnectingPublisher`] and a [`ReconnectingPlayback`] send and receive like a [`Publisher`](crate::Publisher)
//! and a [`Playback`](crate::Playback). A [`ReconnectPolicy`] says when they try again and tells what happens.
//!
//! ```no_run
//! use rtmp_client::reconnect::{ReconnectPolicy, ReconnectingPublisher};
//! use rtmp_client::{ClientConn, MediaMessage};
//!
//! # async fn example(mut encoder: tokio::sync::mpsc::Receiver<MediaMessage>) -> Result<(), rtmp_client::Error> {
//! let policy = ReconnectPolicy::default().on_event(|event| println!("{event}"));
//! let mut publisher =
//!     ReconnectingPublisher::new(ClientConn::builder(), "rtmp://example.org/live/cam", policy)?;
//! publisher.connect().await?; // the server is there and has agreed
//! while let Some(message) = encoder.recv().await {
//!     publisher.send(message).await?; // fails only when the policy gives up
//! }
//! publisher.finish().await
//! # }
//! ```
//!
//! # What is tried again
//!
//! What [`Error::is_retryable`](crate::Error::is_retryable) says: a lost line is, a refusal is not. A name that is taken
//! is so for the first connection; behind a loss it is tried again, as the server may not have noticed the loss.
//! Each try dials the URL with the same [`ClientBuilder`](crate::ClientBuilder) and resolves the host anew. When a
//! server has asked to go elsewhere, tries take turns between there and the first address.
//!
//! # Requests to reconnect
//!
//! A server that supports Enhanced RTMP can ask its clients to connect again, elsewhere or to the same address
//! (`NetConnection.Connect.ReconnectRequest`). The handles say with `connect` that they do, open the new connection
//! while they keep the old one, and then go over: a publisher at a keyframe, a playback when it has received what the
//! old connection has for it. Several such requests in a row are followed as often as
//! [`max_redirects`](crate::ClientBuilder::max_redirects) allows, which is never with 0, and none from `rtmps` to `rtmp`.
//! They are in a row until none was followed for the time of
//! [`stable_after`](ReconnectPolicy::stable_after).

mod continuity;
mod event;
mod line;
mod moves;
mod playback;
mod policy;
mod publisher;
mod seam;

pub use event::ReconnectEvent;
pub use playback::{ReconnectingPlayback, Timestamps};
pub use policy::ReconnectPolicy;
pub use publisher::{ReconnectingPublisher, WhenDown};
