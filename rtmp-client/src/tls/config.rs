//! Whom to trust, and who we are.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::{TlsConfigError, TlsError};

/// How lines in TLS are opened, for [`ClientBuilder::tls`](crate::ClientBuilder::tls). Cheap to clone; connections
/// that share it resume each other's TLS sessions.
///
/// Without one, `rtmps` URLs are verified as the operating system does it, with its root certificates: on Linux
/// those of the distribution (package `ca-certificates`), or of `SSL_CERT_FILE` and `SSL_CERT_DIR`. The versions are
/// TLS 1.2 and 1.3; no ALPN protocol is offered. Cryptography is that of ring, whatever provider the application has
/// installed for rustls.
///
/// ```no_run
/// use rtmp_client::ClientConn;
/// use rtmp_client::tls::TlsConfig;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsConfig::builder().root_certificates(&std::fs::read("our-ca.pem")?).build()?;
/// let conn = ClientConn::builder().tls(tls).dial("rtmps://media.internal/live").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Settings that begin with the platform's verification and no client certificate.
    #[must_use]
    pub fn builder() -> TlsConfigBuilder {
        TlsConfigBuilder::default()
    }

    /// The default of the process, made when it is needed first.
    pub(super) fn of_the_platform() -> Result<Self, TlsError> {
        static DEFAULT: OnceLock<TlsConfig> = OnceLock::new();
        if let Some(config) = DEFAULT.get() {
            return Ok(config.clone());
        }
        let config = Self::builder().build().map_err(TlsError::Config)?;
        Ok(DEFAULT.get_or_init(|| config).clone())
    }
}

/// A configuration of rustls, for what [`TlsConfigBuilder`] does not offer.
impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }
}

/// The configuration of rustls behind it, for lines that somebody else opens.
impl From<TlsConfig> for Arc<ClientConfig> {
    fn from(config: TlsConfig) -> Self {
        config.0
    }
}

/// Builds a [`TlsConfig`].
#[derive(Debug, Default)]
pub struct TlsConfigBuilder {
    roots: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    accepts_any: bool,
}

impl TlsConfigBuilder {
    /// Trusts the certificates in this PEM text and no others, instead of the platform's. The server's own
    /// certificate may stand here, if it is not marked as that of an authority.
    #[must_use]
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.roots = Some(pem.to_vec());
        self
    }

    /// The certificate to show to servers that ask for one, with the certificates between it and the authority, and
    /// its private key (PKCS #8, PKCS #1 or SEC1); both in PEM.
    #[must_use]
    pub fn client_certificate(mut self, chain_pem: &[u8], key_pem: &[u8]) -> Self {
        self.identity = Some((chain_pem.to_vec(), key_pem.to_vec()));
        self
    }

    /// Accepts any certificate of any server, expired or of another name, so that whoever sits between can read and
    /// change everything. For tests.
    #[must_use]
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.accepts_any = true;
        self
    }

    /// Reads the PEM texts and puts it all together.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError`] says which text is of no use, and why; or that the platform has no root certificates.
    pub fn build(self) -> Result<TlsConfig, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.accepts_any {
            Arc::new(AnyCertificate(Arc::clone(&provider)))
        } else if let Some(pem) = &self.roots {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "root certificates")? {
                roots.add(certificate).map_err(TlsConfigError::Unusable)?;
            }
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| TlsConfigError::Unusable(rustls::Error::General(error.to_string())))?
        } else {
            Arc::new(Verifier::new(Arc::clone(&provider)).map_err(TlsConfigError::Platform)?)
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::Unusable)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            Some((chain, key)) => {
                let chain = certificates(chain, "client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsConfigError::Pem {
                    what: "private key",
                    source,
                })?;
                config.with_client_auth_cert(chain, key)?
            }
            None => config.with_no_client_auth(),
        };
        Ok(TlsConfig(Arc::new(config)))
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

/// Believes everybody. Signatures are checked all the same: the server has the key of what it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
