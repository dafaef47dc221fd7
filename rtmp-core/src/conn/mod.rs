//! The two ends of a connection as state machines, without I/O (RTMP 1.0 sections 5 to 7).
//!
//! Bytes go in, events come out; the application's commands go in, bytes come out. A machine opens no socket, reads
//! no clock and spawns nothing: time and randomness are arguments, so that a test can replay a connection byte for
//! byte.
//!
//! ```text
//!           bytes from the peer                                bytes for the peer
//!                   |                                                  ^
//!                   v                                                  |
//!   poll_event(&mut input, now)  -->  ServerMachine, ClientMachine  --> output()
//!                   |                                                  ^
//!                   v                                                  |
//!                 events                    accept_*, reject_*, connect, publish, play, send_media ...
//! ```
//!
//! A caller reads into a buffer, takes events until there is none, and writes what [`output`](ServerMachine::output)
//! holds, until that is empty. While [`OUTPUT_HIGH_WATER`] bytes wait there are no events: a peer that does not read is
//! held up by its own connection, and nothing piles up. So ask again when some of it is written.
//!
//! # What overtakes what
//!
//! On a slow line a long message takes a while, and what is urgent should not wait for its end. So a message of more
//! than one chunk and more than 16 KiB enters the output chunk by chunk, as room is made there: each call of `output`
//! adds to it while it holds less than 16 KiB. Acknowledgements, window sizes and pings go between these chunks, and so
//! does audio if only video waits. All else keeps its place: a command may end the stream whose media are in front of
//! it. Set Chunk Size first completes what was cut for the size before.
//!
//! What both roles do alike happens inside: chunk sizes, acknowledgements (section 5.4.3), peer bandwidth, pings.
//!
//! ```
//! use bytes::BytesMut;
//! use std::time::Duration;
//! use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine, ServerConfig, ServerEvent, ServerMachine};
//! use rtmp_core::message::{ConnectReply, ConnectRequest};
//!
//! let now = Duration::ZERO;
//! let random = |bytes: &mut [u8]| bytes.fill(7); // a real caller uses a random source
//! let mut client = ClientMachine::new(ClientConfig::default(), now, random);
//! let mut server = ServerMachine::new(ServerConfig::default(), now, random);
//!
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//! let reply = loop {
//!     to_server.unsplit(client.output().split());
//!     while let Some(event) = server.poll_event(&mut to_server, now)? {
//!         if let ServerEvent::Connect(request) = event {
//!             assert_eq!(request.app(), "live");
//!             server.accept_connect(&ConnectReply::default())?;
//!         }
//!     }
//!     to_client.unsplit(server.output().split());
//!     match client.poll_event(&mut to_client, now)? {
//!         Some(ClientEvent::HandshakeDone(_)) => {
//!             client.connect(&ConnectRequest::default(), "live", "rtmp://localhost/live")?;
//!         }
//!         Some(ClientEvent::Connected(reply)) => break reply,
//!         _ => {}
//!     }
//! };
//! assert_eq!(reply.status.code.as_str(), "NetConnection.Connect.Success");
//! # Ok::<(), rtmp_core::conn::ProtocolError>(())
//! ```

mod acknowledged;
mod calls;
mod client;
mod error;
mod link;
mod link_methods;
mod outgoing;
mod server;

pub use client::{ClientConfig, ClientEvent, ClientMachine};
pub use error::{Ignored, LimitError, ProtocolError};
pub use server::{Played, ServerConfig, ServerEvent, ServerMachine, StreamOrigin};

/// Which way a message goes, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// The window acknowledgement size and peer bandwidth that both roles announce, and assume until the peer says
/// otherwise, in bytes. Not specified; what Flash Player, librtmp and most servers use.
pub const DEFAULT_WINDOW: u32 = 2_500_000;

/// While so many bytes of output wait to be written, a machine takes no more input; see
/// [`has_room`](ClientMachine::has_room).
pub const OUTPUT_HIGH_WATER: usize = 64 << 10;

/// The chunk size that both roles announce, in bytes. Large enough that most messages are one chunk, and within what
/// every known peer accepts.
pub const DEFAULT_OUTGOING_CHUNK_SIZE: u32 = 60_000;
