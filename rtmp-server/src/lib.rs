//! An async RTMP server and relay, with tokio.
//!
//! ```no_run
//! use rtmp_server::{Observers, Relay, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), rtmp_server::ServerError> {
//! let server = Server::bind("0.0.0.0:1935").await?.observers(Observers::new().relay(Relay::default()));
//! server.serve().await;
//! # Ok(())
//! # }
//! ```
//!
//! That serves `rtmp://HOST/APP/NAME` for any application and name: one publisher each, and any number of players.
//!
//! # The model
//!
//! ```text
//!   Server          accepts connections, and owns the task of each
//!     |
//!   ServerSession   one client: handshake, commands, deadlines        SessionInfo: who it is, figures, dispose
//!     |   asks and tells
//!   Observers       ConnectObserver, PublishObserver, PlayObserver    in the order they were added
//!     |   grant
//!   MediaSink, MediaSource                                            of the Relay, or your own
//! ```
//!
//! An observer decides over what a client asks for, before the client hears anything, and is told how it ends. All are
//! asked in the order they were added, and the first no is final. What an observer has said yes to is ended by exactly
//! one closing call to it, with a [`CloseReason`]: by a command, by the end of the connection, by a deadline, by
//! [`SessionInfo::dispose`], by a shutdown, by a panic of any observer in the same session, and also if an observer
//! behind it refuses.
//!
//! A [`Relay`] is an observer, too. It grants a publisher its sink and a player its source, so it stands last.
//!
//! | question | yes may | no tells the client | closing call |
//! |---|---|---|---|
//! | [`on_connect`](ConnectObserver::on_connect) | extend the reply | `_error`, `close` | [`on_disconnect`](ConnectObserver::on_disconnect) |
//! | [`on_publish`](PublishObserver::on_publish) | rename, grant a [`MediaSink`] | `onStatus` with your code | [`on_unpublish`](PublishObserver::on_unpublish) |
//! | [`on_play`](PlayObserver::on_play) | rename, grant a [`MediaSource`] | `onStatus` with your code | [`on_stop`](PlayObserver::on_stop) |
//!
//! Who prefers a loop to callbacks gets the same questions as values, see [`request_channel()`].
//!
//! # Talking to a client
//!
//! [`SessionInfo::call`] and [`StreamInfo::call`] call a procedure of the client and wait for its answer;
//! [`ConnectObserver::on_call`] answers the client's calls. [`SessionInfo::send_status`] tells it a status, for example
//! to reconnect elsewhere, and [`SessionInfo::send_raw`] any message; those of types that mean nothing here, shared
//! objects among them, come by [`ConnectObserver::on_other_message`].
//!
//! # A server that checks tokens
//!
//! Whoever has the token may publish, as `rtmp://HOST/live/NAME?token=TOKEN`; everybody may play.
//!
//! ```no_run
//! use async_trait::async_trait;
//! use rtmp_server::rtmp_core::message::{ConnectReply, ConnectRequest, PublishRequest, StatusCode};
//! use rtmp_server::{
//!     CloseReason, ConnectObserver, Observers, PublishGrant, PublishObserver, Relay, Server, SessionInfo,
//!     StreamInfo, Verdict,
//! };
//!
//! #[derive(Clone)]
//! struct Gate {
//!     token: String,
//! }
//!
//! #[async_trait]
//! impl ConnectObserver for Gate {
//!     async fn on_connect(&self, _: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
//!         match request.app() {
//!             "live" => Verdict::accept(),
//!             _ => Verdict::reject(StatusCode::ConnectInvalidApp, "there is only live"),
//!         }
//!     }
//! }
//!
//! #[async_trait]
//! impl PublishObserver for Gate {
//!     async fn on_publish(&self, _: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
//!         let mut fields = request.query().unwrap_or_default().split('&');
//!         if fields.any(|field| field.strip_prefix("token=") == Some(&self.token)) {
//!             Verdict::accept()
//!         } else {
//!             Verdict::reject(StatusCode::PublishDenied, "a token is needed")
//!         }
//!     }
//!
//!     async fn on_unpublish(&self, stream: &StreamInfo, reason: &CloseReason) {
//!         let figures = stream.session().statistics();
//!         println!("{}: {reason}, {} bytes", stream.session().id(), figures.bytes_received);
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gate = Gate { token: std::env::var("TOKEN")? };
//! let observers = Observers::new().connect(gate.clone()).publish(gate).relay(Relay::default());
//! let server = Server::bind("0.0.0.0:1935").await?.observers(observers);
//! println!("listening on rtmp://{}", server.local_addr()?);
//! server.serve_until(tokio::signal::ctrl_c()).await; // ends all sessions in order
//! # Ok(())
//! # }
//! ```
//!
//! # Slow players
//!
//! All players of a stream share one history of its newest messages; a player is a place in it, and holds nothing of
//! its own but what one write takes. So neither the publisher nor another player notices one that is slow, unless the
//! application wants that.
//!
//! - A player that falls behind by more than [`max_lag_len`](relay::RelayConfig::max_lag_len) or
//!   [`max_lag`](relay::RelayConfig::max_lag) goes on at the newest keyframe, after the headers that have changed
//!   meanwhile; or it loses video and keeps the sound; or its session ends; or it is kept at any price; or the publisher
//!   is not read from until it has caught up; as [`SlowPlayers`](relay::SlowPlayers) says for all and
//!   [`PlayGrant::player`] for one. What it was behind when it joined, in the middle of a group of pictures, does not
//!   count.
//! - It is told by `NetStream.Play.InsufficientBW`, and what it misses is counted: [`Statistics::messages_dropped`].
//! - One that takes nothing at all is closed by the [write timeout](Timeouts::write).
//!
//! A player never gets a frame without the keyframe that it needs, nor with other headers than its own.
//!
//! # Recording, and playing recordings
//!
//! With the feature `files`, which is off by default, a `record::Recorder` writes streams to FLV files, and a `vod::Vod`
//! plays FLV and MP4 files.
//!
//! ```no_run
//! # #[cfg(feature = "files")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rtmp_server::files::MediaRoot;
//! use rtmp_server::record::{RecordConfig, Recorder};
//! use rtmp_server::vod::Vod;
//! use rtmp_server::{Observers, Relay, Server};
//!
//! let root = MediaRoot::new("/var/media")?;
//! let relay = Relay::default().recordings(Vod::new(root.clone())); // while nobody publishes the name
//! let recorder = Recorder::new(root, RecordConfig::default()); // publishers that ask for it
//! let observers = Observers::new().relay(relay).publish(recorder);
//! Server::bind("0.0.0.0:1935").await?.observers(observers).serve().await;
//! # Ok(())
//! # }
//! ```
//!
//! A recorder is an observer like any other, so nothing is recorded unless it is added; then it does what publishers ask
//! for, or records everybody. An application can also grant a recording for a single stream, or record one of the relay
//! at any time. Recordings are played alone or beside live streams of the same names: with start, duration, playlist,
//! seek and pause, as far ahead as each player wants to hold. The modules `record` and `vod` say more.
//!
//! # Defaults and limits
//!
//! Each can be set. Everything that a client can make the server hold is bounded by one of them.
//!
//! | what | default | beyond it | where |
//! |---|---|---|---|
//! | connections | 10,000 | closed at once | [`ServerConfig::max_connections`] |
//! | connections of one address | no limit | closed at once | [`ServerConfig::max_connections_per_address`] |
//! | end of all sessions at a shutdown | 5 s | cut off | [`ServerConfig::drain`] |
//! | handshake, with TLS and PROXY header | 10 s | [`Deadline::Handshake`] | [`Timeouts::handshake`] |
//! | from there to `connect` | 10 s | [`Deadline::Connect`] | [`Timeouts::connect`] |
//! | neither `publish` nor `play` | 30 s | [`Deadline::Media`] | [`Timeouts::media`] |
//! | silence of a client | 30 s | a ping | [`Timeouts::ping`] |
//! | silence in spite of it, while we read | 60 s | [`Deadline::Idle`] | [`Timeouts::idle`] |
//! | a write without progress | 10 s | [`Deadline::Write`] | [`Timeouts::write`] |
//! | an observer's answer | 10 s | no | [`Timeouts::verdict`] |
//! | a message | 10 MiB; 1 MiB before media | [`CloseReason::Protocol`] | [`Limits::max_message_len`], [`Limits::max_partial_bytes_before_media`] |
//! | unfinished messages | 64, 16 MiB together | [`CloseReason::Protocol`] | [`Limits::max_partial_messages`], [`Limits::max_partial_bytes`] |
//! | chunk streams of a connection | 1024 | [`CloseReason::Protocol`] | [`Limits::max_chunk_streams`] |
//! | values and depth of a command | 65,536 and 32 | ignored | [`Limits::max_amf_values`], [`Limits::max_amf_depth`] |
//! | what AMF3 references of a command stand for | 16 MiB | ignored | [`Limits::max_amf_expanded_len`] |
//! | values of a command until `connect` is accepted | 1024 | ignored | [`Limits::max_amf_values_before_connect`] |
//! | streams of a connection | 32 | `_error` | [`Limits::max_streams`] |
//! | a name with its query | 1024 bytes | `onStatus` of level error | [`Limits::max_name_len`] |
//! | calls to a client that wait to be sent, or for their answers | 64 each | [`CallError::TooMany`] | |
//! | unread answers of a client | 64 KiB | nothing more is read from it | |
//! | playlists of a connection | 64 entries | `onStatus` of level error | |
//! | how far a player may be behind | 8 MiB, 10 s | it skips | [`RelayConfig`](relay::RelayConfig) |
//! | what is kept for a player that misses nothing, or no sound | 32 MiB | [`CloseReason::TooSlow`], or a gap | [`RelayConfig`](relay::RelayConfig) |
//! | the newest group of pictures | 32 MiB, 20 s, 16,384 messages | joiners wait for a keyframe | [`RelayConfig`](relay::RelayConfig) |
//! | what of a recorded stream waits for the disk | 16 MiB, 16,384 messages | it loses groups of pictures | `record::RecordConfig` |
//! | a kept header or metadata | 64 KiB, 1 MiB all together | joiners do not get it | [`RelayConfig`](relay::RelayConfig) |
//! | players that wait for a first publisher | 60 s | `NetStream.Play.Stop` | [`RelayConfig::wait_for_publisher`](relay::RelayConfig::wait_for_publisher) |
//! | players whose publisher has gone | 60 s | `NetStream.Play.Stop` | [`RelayConfig::grace`](relay::RelayConfig::grace) |
//!
//! A stage's time is for the whole stage: bytes that trickle in do not prolong it. The chunk size announced to clients
//! is 60,000, window acknowledgement size and peer bandwidth are 2,500,000 ([`SessionConfig`]).
//!
//! # Cancel safety
//!
//! Dropping a future never leaves a task, a socket or a stream name behind, at whichever poll. [`Server::serve`] and
//! [`ServerSession::run`] then close their connections at once, without closing calls; [`ServerHandle::shutdown`] and
//! [`SessionInfo::dispose`] end them in order. [`RelayPlayer::recv`](relay::RelayPlayer::recv) and [`Requests::recv`]
//! lose nothing. The one that is not cancel safe is [`proxy::read_header`], which says so. An observer's future is
//! dropped when its time is over or the session ends, at any of its await points.
//!
//! # RTMPS, and balancers
//!
//! With the feature `tls`, which is off by default, a [`Listener`] speaks RTMPS: `rtmp_server::tls` shows how, with
//! certificates that are renewed while sessions run, and certificates of clients for observers to look at
//! (`SessionInfo::tls`). A [`Server`] may have several listeners. What a client does before RTMP is in its session's
//! task and within the time of the handshake; nobody waits for it.
//!
//! A balancer in front says by the [PROXY protocol](proxy) whose connection it passes on.
//!
//! # Other transports, other sources
//!
//! [`ServerSession`] serves anything that reads and writes asynchronously, such as a Unix socket. Within the process
//! [`Relay::publish`] feeds a stream and [`Relay::play`] taps one. A [`MediaSink`] or [`MediaSource`] of your own takes
//! the place of the relay, for one stream or for all.
//!
//! # Logs
//!
//! Each session is a [`tracing`] span with its number and address. Stream names, which are often the password, are
//! shortened in logs and in `Debug`; queries and the values of `connect` are not shown.
//!
//! # Specifications
//!
//! | what | where |
//! |---|---|
//! | order of a session, `connect`, `publish`, `play` and their answers | RTMP 1.0 section 7.2 |
//! | acknowledgements, bandwidth, pings | RTMP 1.0 sections 5.4 and 7.1.7 |
//! | what a player needs first, several tracks | FLV 10.1 annex E, Enhanced RTMP v2 |

// Nothing that comes from outside may panic. In the modules marked below arithmetic is checked, too.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod admission;
mod arrival;
mod calls;
mod config;
mod error;
mod expiry;
#[cfg(feature = "files")]
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod files;
mod info;
mod listener;
mod observer;
mod play_limit;
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod proxy;
#[cfg(feature = "files")]
pub mod record;
pub mod relay;
mod requests;
mod server;
mod session;
mod source;
mod statistics;
mod sync;
mod timeouts;
#[cfg(feature = "tls")]
pub mod tls;
mod verdict;
#[cfg(feature = "files")]
#[cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
pub mod vod;

pub use calls::CallError;
pub use config::{ServerConfig, SessionConfig};
pub use error::ServerError;
pub use info::{CloseReason, Deadline, SessionId, SessionInfo, StreamInfo};
pub use listener::Listener;
pub use observer::{ConnectObserver, Observers, PlayObserver, PublishObserver};
pub use relay::Relay;
pub use requests::{Asked, Request, RequestObserver, Requests, request_channel};
pub use rtmp_core;
pub use rtmp_core::Limits;
pub use server::{Server, ServerHandle};
pub use session::ServerSession;
pub use source::{Batch, MediaSink, MediaSource, SourceEvent, SourceFailure};
pub use statistics::{Interval, Statistics};
pub use timeouts::Timeouts;
pub use verdict::{PlayGrant, PublishGrant, Verdict};
