//! Certificates from files, for the command-line tools.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rtmp_client::tls::TlsConfig;
use rtmp_client::{ClientBuilder, ClientConn};
use rtmp_server::tls::{ClientCertificates, TlsAcceptor};

/// Whom clients trust.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "For rtmps URLs")]
pub struct ClientTls {
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Show this certificate (PEM, with those between it and the authority)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Accept any certificate of any server: whoever sits between can read and change everything
    #[arg(long, conflicts_with = "ca")]
    insecure_accept_any_certificate: bool,
}

impl ClientTls {
    /// Settings of a connection with these.
    ///
    /// # Errors
    ///
    /// Which file is of no use, and why.
    pub fn builder(&self) -> Result<ClientBuilder, TlsOptionsError> {
        let builder = ClientConn::builder();
        if self.ca.is_none() && self.cert.is_none() && !self.insecure_accept_any_certificate {
            return Ok(builder);
        }
        Ok(builder.tls(self.config()?))
    }

    /// What they make of TLS.
    ///
    /// # Errors
    ///
    /// Which file is of no use, and why.
    pub fn config(&self) -> Result<TlsConfig, TlsOptionsError> {
        let mut tls = TlsConfig::builder();
        if let Some(ca) = &self.ca {
            tls = tls.root_certificates(&read(ca)?);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.client_certificate(&read(cert)?, &read(key)?);
        }
        if self.insecure_accept_any_certificate {
            tls = tls.dangerously_accept_any_certificate();
        }
        Ok(tls.build()?)
    }
}

/// What `relay` shows.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "RTMPS")]
pub struct ServerTls {
    /// Address and port to listen on for RTMPS, beside plain RTMP
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["tls_cert", "tls_key"])]
    pub tls_listen: Option<String>,

    /// The certificate (PEM, with those between it and the authority); read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate (PEM); read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_key: Option<PathBuf>,

    /// Serve only clients with a certificate of the authorities in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    tls_client_ca: Option<PathBuf>,
}

impl ServerTls {
    /// An acceptor with what the files hold now.
    ///
    /// # Errors
    ///
    /// Which file is of no use, and why.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsOptionsError> {
        Ok(TlsAcceptor::new(self.read()?))
    }

    fn read(&self) -> Result<rtmp_server::tls::TlsConfig, TlsOptionsError> {
        let file = |path: &Option<PathBuf>| read(path.as_deref().unwrap_or(Path::new("")));
        let mut tls = rtmp_server::tls::TlsConfig::builder(&file(&self.tls_cert)?, &file(&self.tls_key)?);
        if let Some(authorities) = &self.tls_client_ca {
            tls = tls.client_certificates(&read(authorities)?, ClientCertificates::Required);
        }
        Ok(tls.build()?)
    }

    /// Reads the files again at every SIGHUP. Never ready; where there are no signals it just waits.
    pub async fn reload_on_hangup(&self, acceptor: &TlsAcceptor) {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut hangup) = signal(SignalKind::hangup()) {
                while hangup.recv().await.is_some() {
                    match self.read() {
                        Ok(config) => {
                            acceptor.reload(config);
                            tracing::info!("certificate reloaded");
                        }
                        Err(error) => {
                            tracing::error!("certificate not reloaded: {}", crate::with_causes(&error));
                        }
                    }
                }
            }
        }
        #[cfg(not(unix))]
        let _ = acceptor;
        std::future::pending().await
    }
}

/// Why certificates and keys can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsOptionsError {
    /// A file can not be read.
    #[error("can not read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in the files makes no client.
    #[error(transparent)]
    Client(#[from] rtmp_client::tls::TlsConfigError),
    /// What is in the files makes no server.
    #[error(transparent)]
    Server(#[from] rtmp_server::tls::TlsConfigError),
}

fn read(path: &Path) -> Result<Vec<u8>, TlsOptionsError> {
    std::fs::read(path).map_err(|source| TlsOptionsError::Read {
        path: path.to_owned(),
        source,
    })
}
