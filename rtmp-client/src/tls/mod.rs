//! RTMPS: TLS between TCP and RTMP (feature `tls`).
//!
//! `rtmps` URLs need nothing else; a [`TlsConfig`] is for roots of your own, and for servers that ask for a certificate.
//!
//! ```no_run
//! use rtmp_client::ClientBuilder;
//! use rtmp_client::tls::TlsConfig;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = rtmp_client::push("rtmps://example.org/live/cam").await?;
//!
//! let read = |path| std::fs::read(path);
//! let tls = TlsConfig::builder()
//!     .root_certificates(&read("our-ca.pem")?)
//!     .client_certificate(&read("encoder.pem")?, &read("encoder-key.pem")?)
//!     .build()?;
//! let inside = ClientBuilder::default().tls(tls).push("rtmps://media.internal/live/cam").await?;
//! # drop((publisher, inside));
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod first_byte;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use config::{TlsConfig, TlsConfigBuilder};
pub use error::{TlsConfigError, TlsError};
use first_byte::FirstByte;
pub use rustls;

/// A line in TLS.
pub(crate) type TlsLine = TlsStream<FirstByte<TcpStream>>;

/// Shakes hands in TLS. The name that the certificate has to have is the host's, which goes out as SNI too, unless it
/// is an address (RFC 6066 section 3).
pub(crate) async fn connect(
    line: TcpStream,
    host: &str,
    config: Option<&TlsConfig>,
) -> Result<TlsLine, TlsError> {
    let config = match config {
        Some(config) => config.clone(),
        None => TlsConfig::of_the_platform()?,
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::NoServerName)?;
    let config: Arc<ClientConfig> = config.into();
    let connecting = TlsConnector::from(config).connect(name, FirstByte::new(line));
    connecting
        .into_fallible()
        .await
        .map_err(|(error, line)| TlsError::of_handshake(error, line.first_byte()))
}
