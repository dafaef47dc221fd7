//! What can go wrong in a handshake.

use std::fmt;

use super::VERSION;

/// One of the six pieces of a handshake, by the specification's name (RTMP 1.0 section 5.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakePacket {
    /// The client's version byte.
    C0,
    /// The client's time and random bytes.
    C1,
    /// The client's answer to S1.
    C2,
    /// The server's version byte.
    S0,
    /// The server's time and random bytes.
    S1,
    /// The server's answer to C1.
    S2,
}

impl fmt::Display for HandshakePacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a handshake failed. Every fault is the peer's, and the connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first byte can not start an RTMP connection: the peer speaks another protocol.
    #[error("not RTMP: the first byte is {first_byte:#04x}{}", hint(*.first_byte))]
    NotRtmp {
        /// The first byte received.
        first_byte: u8,
    },
    /// The peer wants one of the encrypted variants, versions 6, 8 and 9.
    #[error("encrypted RTMP (version {version}) is not supported")]
    EncryptedNotSupported {
        /// The version byte received.
        version: u8,
    },
    /// The server speaks only another version of RTMP than ours (RTMP 1.0 section 5.2.2).
    #[error("the server speaks version {version} of RTMP, we speak version {VERSION}")]
    UnsupportedVersion {
        /// The version byte received.
        version: u8,
    },
    /// In a digest handshake, the signature at the end of the packet is not that of our digest.
    #[error("{packet} is not signed for our digest")]
    SignatureMismatch {
        /// The packet, S2 or C2.
        packet: HandshakePacket,
    },
    /// In a simple handshake with the strict check, the packet is not an echo of ours.
    #[error("{packet} does not echo our time and random bytes")]
    EchoMismatch {
        /// The packet, S2 or C2.
        packet: HandshakePacket,
    },
    /// The peer ended the connection before its part of the handshake was complete.
    #[error("the connection ended before {awaited} was complete")]
    ConnectionClosed {
        /// The packet that was awaited.
        awaited: HandshakePacket,
    },
}

/// Versions are below 32, which tells RTMP from protocols that start with text (RTMP 1.0 section 5.2.2). The first
/// bytes of TLS are below 32 too: 0x16 opens a handshake record, 0x15 an alert.
pub(super) fn check_version(version: u8) -> Result<(), HandshakeError> {
    match version {
        0x15 | 0x16 | 32.. => Err(HandshakeError::NotRtmp { first_byte: version }),
        6 | 8 | 9 => Err(HandshakeError::EncryptedNotSupported { version }),
        _ => Ok(()),
    }
}

fn hint(first_byte: u8) -> &'static str {
    match first_byte {
        0x15 | 0x16 => ", the peer seems to speak TLS",
        b'G' | b'P' | b'H' => ", the peer seems to speak HTTP",
        _ => "",
    }
}
