//! Certificates for tests of TLS, made when they are needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rtmp_client::tls::TlsConfig as ClientTls;
use rtmp_client::tls::rustls::pki_types::CertificateDer;
use rtmp_client::tls::rustls::pki_types::pem::PemObject;
use rtmp_client::tls::rustls::{self, crypto::ring};
use rtmp_server::tls::TlsConfig as ServerTls;

/// An authority that issues certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For long enough.
    Now,
    /// Until the first day of 2020.
    Past,
    /// From the first day of 3000 on.
    Future,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one that nobody trusts yet.
    ///
    /// # Panics
    ///
    /// If the certificate can not be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = DistinguishedName::new();
        // Two of the same name would be taken for one that has changed its key.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for a name or an address.
    #[must_use]
    pub fn issue(&self, name: &str) -> Identity {
        self.issue_for(name, Validity::Now)
    }

    /// The same with its time.
    ///
    /// # Panics
    ///
    /// If the certificate can not be made.
    #[must_use]
    pub fn issue_for(&self, name: &str, validity: Validity) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        match validity {
            Validity::Now => {}
            Validity::Past => params.not_after = date_time_ymd(2020, 1, 1),
            Validity::Future => params.not_before = date_time_ymd(3000, 1, 1),
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts this authority alone.
    ///
    /// # Panics
    ///
    /// If the settings can not be made.
    #[must_use]
    pub fn client(&self) -> ClientTls {
        let builder = ClientTls::builder().root_certificates(self.pem.as_bytes());
        builder.build().expect("settings of a client")
    }

    /// The same for who uses rustls alone, with TLS 1.2.
    ///
    /// # Panics
    ///
    /// If the settings can not be made.
    #[must_use]
    pub fn rustls_client(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate");
        roots.add(root).expect("a certificate of an authority");
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("a version that there is")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

impl Identity {
    /// A server with this certificate.
    ///
    /// # Panics
    ///
    /// If the settings can not be made.
    #[must_use]
    pub fn server(&self) -> ServerTls {
        ServerTls::builder(self.certificate.as_bytes(), self.key.as_bytes())
            .build()
            .expect("settings of a server")
    }
}
