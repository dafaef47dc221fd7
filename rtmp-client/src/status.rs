//! How far a connection has got.

use std::fmt;

/// How far a connection has got, as [`ClientConn::status`](crate::ClientConn::status) tells it.
///
/// ```text
/// HandshakeDone --connect--> Connecting --> Connected --create_stream--> CreatingStream --> StreamCreated
///      all of them --close, refusal, fault--> Closed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionStatus {
    /// The connection is over; [`close_reason`](crate::ClientConn::close_reason) says why.
    Closed,
    /// The handshake is done, and [`connect`](crate::ClientConn::connect) comes next.
    HandshakeDone,
    /// `connect` was sent and is not answered.
    Connecting,
    /// The server has accepted the connection. There is no stream.
    Connected,
    /// `createStream` was sent and is not answered.
    CreatingStream,
    /// There is at least one stream.
    StreamCreated,
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::HandshakeDone => "not connected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::CreatingStream => "creating a stream",
            Self::StreamCreated => "connected and has a stream",
        })
    }
}
