//! What can go wrong with TLS.

use std::io;

use rustls::pki_types::pem;
use rustls::{AlertDescription, InconsistentKeys};

/// Why there is no TLS with a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The client began with RTMP's version byte.
    #[error("the client speaks plain RTMP, not TLS")]
    PlainRtmp,
    /// The client began with the method of an HTTP request.
    #[error("the client speaks plain HTTP, not TLS")]
    PlainHttp,
    /// The client began with something else.
    #[error("the client does not speak TLS: its first byte is {first_byte:#04x}")]
    NotTls {
        /// The first byte received.
        first_byte: u8,
    },
    /// The client closed the connection within the TLS handshake, or said nothing at all: so do port scanners and
    /// health checks, and clients to which the server's certificate is not good enough.
    #[error("the client closed the connection within the TLS handshake")]
    Closed,
    /// The client says that it does not accept our certificate.
    #[error("the client does not accept our certificate ({alert:?})")]
    CertificateRefused {
        /// The client's word.
        alert: AlertDescription,
    },
    /// A client certificate is required, and the client has shown none.
    #[error("the client has shown no certificate")]
    NoClientCertificate,
    /// The client's certificate is not good.
    #[error("the client's certificate is not acceptable")]
    ClientCertificate(#[source] rustls::Error),
    /// The handshake failed for another reason, such as no version or cipher suite in common.
    #[error("the TLS handshake failed")]
    Handshake(#[source] rustls::Error),
    /// The transport failed.
    #[error("the transport failed")]
    Io(#[source] io::Error),
}

impl TlsError {
    /// Tells what an error of the handshake means, if the client began to speak with this byte.
    pub(super) fn of_handshake(error: io::Error, first_byte: u8) -> Self {
        match first_byte {
            // The record type of a handshake (RFC 8446 section 5.1).
            0x16 => {}
            0x03 => return Self::PlainRtmp,
            b'G' | b'P' | b'H' => return Self::PlainHttp,
            first_byte => return Self::NotTls { first_byte },
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => Self::Closed,
            _ => error
                .downcast::<rustls::Error>()
                .map_or_else(Self::Io, Self::from),
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::NoCertificatesPresented => Self::NoClientCertificate,
            rustls::Error::InvalidCertificate(_) => Self::ClientCertificate(error),
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA),
            ) => Self::CertificateRefused { alert },
            error => Self::Handshake(error),
        }
    }
}

/// Why a [`TlsConfig`](super::TlsConfig) can not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A text is no PEM, or does not hold what it should.
    #[error("the {what} can not be read as PEM")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// A text has no certificate in it.
    #[error("there is no certificate in the {what}")]
    NoCertificate {
        /// What it should hold.
        what: &'static str,
    },
    /// The private key is that of another certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// A certificate or key can not be used.
    #[error("a certificate or key can not be used")]
    Unusable(#[source] rustls::Error),
}

impl From<rustls::Error> for TlsConfigError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::KeyMismatch,
            error => Self::Unusable(error),
        }
    }
}
