//! RTMPS: TLS between TCP and RTMP (feature `tls`).
//!
//! ```no_run
//! use rtmp_server::tls::{TlsAcceptor, TlsConfig};
//! use rtmp_server::{Listener, Observers, Relay, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let read_certificate = || -> Result<TlsConfig, Box<dyn std::error::Error>> {
//!     Ok(TlsConfig::builder(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?).build()?)
//! };
//! let acceptor = TlsAcceptor::new(read_certificate()?);
//! let rtmps = Listener::bind("0.0.0.0:443").await?.tls(acceptor.clone());
//! let server = Server::bind("0.0.0.0:1935") // both ports, one set of limits
//!     .await?
//!     .also_listen(rtmps)
//!     .observers(Observers::new().relay(Relay::default()));
//! let serving = tokio::spawn(server.serve());
//! // When the certificate was renewed:
//! acceptor.reload(read_certificate()?);
//! # serving.await?;
//! # Ok(())
//! # }
//! ```
//!
//! The versions are TLS 1.2 and 1.3. Sessions of 1.3 are not resumed, since some clients take a session ticket for the
//! end of the line. Cryptography is that of ring, whatever provider the application has installed for rustls.

mod acceptor;
mod config;
mod error;

pub use acceptor::{TlsAcceptor, TlsInfo};
pub use config::{ClientCertificates, TlsConfig, TlsConfigBuilder};
pub use error::{TlsConfigError, TlsError};
pub use rustls;
pub use tokio_rustls::server::TlsStream;
