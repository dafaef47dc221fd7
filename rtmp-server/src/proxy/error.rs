//! What can be wrong with a header.

use std::io;

use super::header::MAX_V1_LEN;

/// Why there is no header of the PROXY protocol.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The connection begins with something else.
    #[error("no PROXY header: the connection begins with {start:02x?}")]
    Missing {
        /// The bytes received; the last of them can not be part of a header.
        start: Vec<u8>,
    },
    /// A line of version 1 is longer than the specification allows.
    #[error("the PROXY line is longer than {MAX_V1_LEN} bytes")]
    LineTooLong,
    /// A line of version 1 does not say what it should.
    #[error("the PROXY line is malformed: {}", .line.escape_ascii())]
    Malformed {
        /// The line without its end.
        line: Vec<u8>,
    },
    /// A header of version 2 is of another version.
    #[error("version {version} of the PROXY protocol is not known")]
    Version {
        /// The upper half of the byte behind the signature.
        version: u8,
    },
    /// A header of version 2 is neither `LOCAL` nor `PROXY`.
    #[error("command {command} of the PROXY protocol is not known")]
    Command {
        /// The lower half of the byte behind the signature.
        command: u8,
    },
    /// A header of version 2 is of an address family or protocol that there is not.
    #[error("address family and protocol {family:#04x} of the PROXY protocol are not known")]
    Family {
        /// The byte.
        family: u8,
    },
    /// A header of version 2 is too short for the addresses of its family.
    #[error("the PROXY header has {len} bytes for addresses of {needed}")]
    TooShort {
        /// The length that it announces, in bytes.
        len: usize,
        /// The length of two addresses and ports, in bytes.
        needed: usize,
    },
    /// The checksum in a header of version 2 is not that of its bytes.
    #[error("the PROXY header has the checksum {announced:#010x} and comes to {computed:#010x}")]
    Checksum {
        /// What the header says.
        announced: u32,
        /// What its bytes come to.
        computed: u32,
    },
    /// The connection ended within the header.
    #[error("the connection ended within the PROXY header")]
    Closed,
    /// The transport failed.
    #[error("the transport failed")]
    Io(#[source] io::Error),
}
