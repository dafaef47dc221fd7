//! Who we are, and whom to ask for a certificate.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::TlsConfigError;

/// The certificate of a server, and what it asks of its clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ServerConfig>);

impl TlsConfig {
    /// Settings with a certificate, followed by those between it and the authority, and its private key (PKCS #8,
    /// PKCS #1 or SEC1); both in PEM.
    #[must_use]
    pub fn builder(chain_pem: &[u8], key_pem: &[u8]) -> TlsConfigBuilder {
        TlsConfigBuilder {
            chain: chain_pem.to_vec(),
            key: key_pem.to_vec(),
            clients: None,
        }
    }

    pub(super) fn rustls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

/// A configuration of rustls, for what [`TlsConfigBuilder`] does not offer, such as several certificates by name.
impl From<Arc<ServerConfig>> for TlsConfig {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self(config)
    }
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients without a certificate are served too: an observer finds none in [`TlsInfo`](super::TlsInfo). One that
    /// is shown has to be good.
    Optional,
    /// Clients without a certificate fail in the TLS handshake.
    Required,
}

/// Builds a [`TlsConfig`].
pub struct TlsConfigBuilder {
    chain: Vec<u8>,
    key: Vec<u8>,
    clients: Option<(Vec<u8>, ClientCertificates)>,
}

impl TlsConfigBuilder {
    /// Asks clients for a certificate that one of the authorities in this PEM text has issued.
    #[must_use]
    pub fn client_certificates(mut self, authorities_pem: &[u8], demand: ClientCertificates) -> Self {
        self.clients = Some((authorities_pem.to_vec(), demand));
        self
    }

    /// Reads the PEM texts and puts it all together.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError`] says which text is of no use, and why.
    pub fn build(self) -> Result<TlsConfig, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::Unusable)?;
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some((pem, demand)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem, "authorities of clients")? {
                    roots.add(certificate).map_err(TlsConfigError::Unusable)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match demand {
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                    ClientCertificates::Required => verifier,
                };
                let verifier = verifier
                    .build()
                    .map_err(|error| TlsConfigError::Unusable(rustls::Error::General(error.to_string())))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let chain = certificates(&self.chain, "certificate chain")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| TlsConfigError::Pem {
            what: "private key",
            source,
        })?;
        let mut config = config.with_single_cert(chain, key)?;
        // librtmp with GnuTLS takes a ticket behind the handshake for a broken line. Sessions last long enough for
        // resumption to save nothing.
        config.send_tls13_tickets = 0;
        Ok(TlsConfig(Arc::new(config)))
    }
}

/// Without the key.
impl std::fmt::Debug for TlsConfigBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsConfigBuilder").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|source| TlsConfigError::Pem { what, source })?;
    if certificates.is_empty() {
        return Err(TlsConfigError::NoCertificate { what });
    }
    Ok(certificates)
}
