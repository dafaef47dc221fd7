//! An async RTMP client: publish and play live streams with tokio.
//!
//! # One call
//!
//! [`push()`] and [`pull()`] take a URL and give what sends or receives media. They follow a server that redirects. With
//! settings of your own they are [`ClientBuilder::push`] and [`ClientBuilder::pull`].
//!
//! ```no_run
//! use rtmp_client::{MediaMessage, Timestamp};
//!
//! # async fn example(tags: Vec<MediaMessage>) -> Result<(), rtmp_client::Error> {
//! let mut publisher = rtmp_client::push("rtmp://example.org/live/cam?token=t0k3n").await?;
//! for tag in tags {
//!     publisher.send(tag).await?; // waits while the line is slow
//! }
//! publisher.finish().await?; // everything is written, the stream and the connection are closed
//!
//! let mut playback = rtmp_client::pull("rtmp://example.org/live/cam").await?;
//! while let Some(message) = playback.recv().await? {
//!     println!("{:?} at {:?}, {} bytes", message.kind, playback.time(), message.payload.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Step by step
//!
//! A [`ClientConn`] is a connection (the specification's NetConnection), a [`ClientStream`] one stream of it
//! (NetStream). Both are handles for control: cheap to clone and to share. Media go through a [`Publisher`] or a
//! [`Playback`], of which each stream has one at a time; a connection can have several streams.
//!
//! ```no_run
//! use rtmp_client::amf0::Object;
//! use rtmp_client::{ClientConn, ConnectRequest, PublishKind, Timestamp};
//!
//! # async fn example(sequence_header: Vec<u8>, keyframe: Vec<u8>) -> Result<(), rtmp_client::Error> {
//! let conn = ClientConn::dial("rtmp://example.org/live").await?; // line and handshake
//! conn.connect(ConnectRequest::default().property("swfUrl", "https://example.org/p.swf")).await?;
//! let stream = conn.create_stream().await?;
//! let mut publisher = stream.publish("cam", PublishKind::Live).await?; // returns when the server agrees
//! publisher.send_metadata(Object::new().with("width", 1920).with("height", 1080)).await?;
//! publisher.send_video(Timestamp::ZERO, sequence_header).await?;
//! publisher.send_video(Timestamp::from_millis(40), keyframe).await?;
//! publisher.finish().await?;
//! conn.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! While one task receives, another can control:
//!
//! ```no_run
//! use std::time::Duration;
//! use rtmp_client::{ClientConn, ConnectRequest, PlayRequest};
//!
//! # async fn example() -> Result<(), rtmp_client::Error> {
//! let conn = ClientConn::dial("rtmp://example.org/vod").await?;
//! conn.connect(ConnectRequest::default()).await?;
//! let stream = conn.create_stream().await?;
//! let mut playback = stream.play(PlayRequest::new("film")).await?;
//! let receiving = tokio::spawn(async move {
//!     let mut bytes = 0;
//!     while let Some(message) = playback.recv().await? {
//!         bytes += message.payload.len();
//!     }
//!     Ok::<_, rtmp_client::Error>(bytes)
//! });
//! stream.pause().await?;
//! stream.seek(Duration::from_secs(90)).await?;
//! stream.resume().await?;
//! # drop(receiving);
//! # Ok(())
//! # }
//! ```
//!
//! What else the server says are [`Event`]s. Nobody has to read them.
//!
//! ```no_run
//! use rtmp_client::{ClientConn, Event};
//!
//! # async fn example(conn: ClientConn) {
//! let mut events = conn.events();
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Status { stream, status } => println!("stream {stream}: {status}"),
//!         Event::Closed { reason } => println!("closed: {reason}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! What the server calls can be answered too; see [`ClientConn::calls`].
//!
//! # Staying connected
//!
//! What is in [`reconnect`] publishes and plays on when a connection is lost, and follows servers that ask to reconnect.
//!
//! # Watching the line
//!
//! [`ClientConn::health`] tells how a connection fares: an encoder adapts its bit rate to
//! [`queue_age`](Health::queue_age) and [`send_rate`](Interval::send_rate). [`ClientConn::ping`] measures the round
//! trip. Below that, [`ClientBuilder::tap`] sees every message, and [`ClientConn::send_raw`] and its kin send any.
//!
//! # RTMPS
//!
//! With the feature `tls`, which is off by default, `rtmps` URLs work wherever `rtmp` ones do; their port is 443 if they
//! name none. The server's certificate is verified as the platform does it; `ClientBuilder::tls` takes other roots and a
//! client certificate. A line that ends without TLS saying so was cut off: a player that has not seen the end of its
//! stream gets an error. TLS of another make is a line for [`ClientBuilder::from_io`].
//!
//! # How it works
//!
//! One task owns the line of a connection; the handles talk to it through bounded queues. It always reads, also while
//! it publishes: pings are answered, bytes acknowledged, statuses heard. It ends, and the line closes, when the last
//! handle is dropped or [`ClientConn::close`] is called. The protocol itself is
//! [`ClientMachine`](rtmp_core::conn::ClientMachine).
//!
//! | what is slow | what happens |
//! |---|---|
//! | the line of a publisher | its queue fills, then [`Publisher::send`] waits; streams of one connection take turns |
//! | the reader of a [`Playback`] | its queue fills, then nothing is read from the connection; it still writes |
//! | the reader of [`Events`] | the oldest are lost and counted |
//! | the reader of [`Calls`], or who answers them | further calls get the empty answer |
//! | the server does not read | nothing more is prepared beyond 64 KiB; after the [write timeout](Timeouts::write) the connection ends |
//!
//! # Defaults
//!
//! | setting of [`ClientBuilder`] | default | beyond it |
//! |---|---|---|
//! | [`timeouts`](ClientBuilder::timeouts) | those of [`Timeouts`] | [`Error::Timeout`], [`CloseReason::Timeout`] |
//! | [`limits`](ClientBuilder::limits) | those of [`Limits`] | [`CloseReason::Protocol`] |
//! | [`media_capacity`](ClientBuilder::media_capacity) | 64 messages | back-pressure |
//! | [`media_capacity_bytes`](ClientBuilder::media_capacity_bytes) | 8 MiB | back-pressure |
//! | [`event_capacity`](ClientBuilder::event_capacity) | 64 events, 1 MiB at most | the oldest are lost |
//! | the same for [`Calls`] | 64 calls, 1 MiB at most | the empty answer |
//! | [`chunk_size`](ClientBuilder::chunk_size) | 60,000 bytes | |
//! | [`window_ack_size`](ClientBuilder::window_ack_size) | 2,500,000 bytes | |
//! | [`buffer_length`](ClientBuilder::buffer_length) | 3 s | |
//! | [`handshake`](ClientBuilder::handshake) | digest, the simple form if the server prefers it | |
//! | [`subscribe_before_play`](ClientBuilder::subscribe_before_play) | off | |
//! | [`tap`](ClientBuilder::tap) | none | |
//! | [`connector`](ClientBuilder::connector) | TCP | [`Error::Connector`] |
//! | [`max_redirects`](ClientBuilder::max_redirects) | 3, by [`push()`], [`pull()`] and [`reconnect`] | [`Error::TooManyRedirects`] |
//! | [`tcp_nodelay`](ClientBuilder::tcp_nodelay) | on | |
//!
//! # Cancel safety
//!
//! Any future can be dropped at any time, in `select!` for instance, and the connection stays usable: bytes and
//! messages in transit belong to the connection's task.
//!
//! | future | if it is dropped |
//! |---|---|
//! | [`Publisher::send`] and its kin | the message was not sent |
//! | [`Publisher::flush`], [`Playback::recv`], [`Events::recv`], [`Calls::recv`] | nothing is lost |
//! | [`ClientConn::dial`], [`push()`], [`pull()`] | the line closes |
//! | [`ClientConn::connect`] | nothing was sent, or the connection becomes connected |
//! | [`ClientConn::create_stream`], [`ClientStream::publish`], [`ClientStream::play`] | nothing was sent, or the stream is deleted when the answer comes |
//! | [`ClientConn::call`], [`ClientConn::ping`], [`ClientStream::pause`], [`ClientStream::seek`], [`ClientStream::transition`] | nothing was sent, or the answer is ignored |
//! | [`ClientStream::receive_audio`], [`ClientConn::send_raw`] and their kin | it is sent or not |
//! | `send`, `recv` and their kin in [`reconnect`] | as those of [`Publisher`] and [`Playback`]; connecting goes on |
//! | [`Publisher::finish`], [`Playback::close`], [`ClientConn::close`] | it happens all the same, unless it had not begun |
//!
//! # Errors
//!
//! An [`Error`] says what was being done, what the server said if it spoke, and
//! [whether it makes sense to try again](Error::is_retryable), which [`reconnect`] does. The connection goes on after a
//! refusal, but for one of `connect`.
//!
//! # Not here
//!
//! Proxies, and tunnels through HTTP: a [`connector`](ClientBuilder::connector) opens any line, and
//! [`ClientBuilder::from_io`] takes one.
//!
//! # Specifications
//!
//! | specification | here |
//! |---|---|
//! | RTMP 1.0 sections 5 and 6 | by [`rtmp_core::conn`] |
//! | RTMP 1.0 section 7.2.1 | [`connect`](ClientConn::connect), [`call`](ClientConn::call), [`create_stream`](ClientConn::create_stream), [`calls`](ClientConn::calls), [`close`](ClientConn::close) |
//! | RTMP 1.0 section 7.2.2 | [`publish`](ClientStream::publish), [`play`](ClientStream::play), [`pause`](ClientStream::pause), [`seek`](ClientStream::seek), [`transition`](ClientStream::transition), [`receive_audio`](ClientStream::receive_audio), [`receive_video`](ClientStream::receive_video), `deleteStream` |
//! | Enhanced RTMP v2, capabilities | [`ConnectRequest::capabilities`], [`ConnectReply::read_capabilities`] |
//! | Enhanced RTMP v2, reconnect request | [`reconnect`] |

// Nothing that comes from outside may panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod calls;
mod config;
mod conn;
mod dial;
mod driver;
mod error;
mod event;
mod expiry;
mod health;
mod one_call;
mod open;
mod playback;
mod publisher;
mod queue;
pub mod reconnect;
mod redirect;
mod shared;
mod status;
mod stream;
mod timeouts;
#[cfg(feature = "tls")]
pub mod tls;

pub use calls::{Calls, IncomingCall};
pub use config::ClientBuilder;
pub use conn::ClientConn;
pub use error::{CloseReason, Error, Operation, StreamState};
pub use event::{Event, Events};
pub use health::{Health, Interval};
pub use one_call::{pull, push};
pub use playback::{Playback, WhenUnpublished};
pub use publisher::{Progress, Publisher};
pub use status::ConnectionStatus;
pub use stream::ClientStream;
pub use timeouts::Timeouts;

pub use rtmp_amf::amf0;
pub use rtmp_core::chunk::{ChunkStreamId, MessageStreamId, MessageType, RawMessage};
pub use rtmp_core::conn::Direction;
pub use rtmp_core::flv::FourCc;
pub use rtmp_core::message::{
    BandwidthLimit, Capabilities, CodecAbilities, Command, ConnectReply, ConnectRequest, Extensions,
    PlayOptions, PlayRequest, PlayStart, PublishKind, Status, StatusCode, StatusLevel, Transition,
    UserControl,
};
pub use rtmp_core::url::RtmpUrl;
pub use rtmp_core::{Limits, MediaKind, MediaMessage, Timestamp};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
