//! The PROXY protocol, by which a balancer says whose connection it passes on (HAProxy's specification of 2020,
//! versions 1 and 2).
//!
//! The header stands in front of everything, TLS included. [`Listener::proxy_protocol`](crate::Listener::proxy_protocol)
//! says whom to believe:
//!
//! - A connection from one of the networks must begin with a header, within the deadline of the handshake; otherwise it
//!   is closed. The client that it names is the session's [`peer_addr`](crate::SessionInfo::peer_addr), and counts for
//!   [`max_connections_per_address`](crate::ServerConfig::max_connections_per_address).
//! - A header that names no client (`LOCAL`, as health checks send it; `UNKNOWN`; `UNSPEC`; Unix sockets and datagrams)
//!   leaves the balancer's own address.
//! - Connections from elsewhere are served as they are. A header from there is no RTMP, and closes them.
//!
//! Of the values behind the addresses in version 2 the checksum is verified (`PP2_TYPE_CRC32C`); the others are skipped,
//! up to the 65,535 bytes that a header can announce. Nothing is kept of them.

mod checksum;
mod error;
mod header;
mod network;

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt};

use checksum::Checksum;
pub use error::ProxyError;
use header::{MAX_LEN, Step};
pub use network::{Network, NetworkError};

/// Reads a header and not a byte more. Returns the client that it names, if it names one. It sets no time: the caller
/// does.
///
/// # Errors
///
/// [`ProxyError`] says what there is instead, or what is wrong with the header.
///
/// # Cancel safety
///
/// Not cancel safe: what was read is lost.
pub async fn read_header(io: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyError> {
    let mut header = [0; MAX_LEN];
    let mut len = 0_usize;
    let (client, mut owed) = loop {
        match header::parse(header.get(..len).unwrap_or_default())? {
            Step::Complete { client, owed } => break (client, owed),
            Step::Need(count) => {
                let end = len.saturating_add(count);
                let room = header.get_mut(len..end).unwrap_or_default();
                len = len.saturating_add(read_some(io, room).await?);
            }
        }
    };
    let mut checksum = Checksum::of(header.get(..len).unwrap_or_default());
    let mut values = [0; 512];
    while owed > 0 {
        let room = values.get_mut(..owed.min(512)).unwrap_or_default();
        let len = read_some(io, room).await?;
        checksum.add(values.get(..len).unwrap_or_default());
        owed = owed.saturating_sub(len);
    }
    if client.is_some() {
        checksum.verify()?;
    }
    Ok(client)
}

async fn read_some(io: &mut (impl AsyncRead + Unpin), room: &mut [u8]) -> Result<usize, ProxyError> {
    match io.read(room).await {
        Ok(0) => Err(ProxyError::Closed),
        Ok(len) => Ok(len),
        Err(error) => Err(ProxyError::Io(error)),
    }
}

#[cfg(test)]
mod tests;
