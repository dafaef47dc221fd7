//! What can go wrong with TLS.

use std::io;
use std::time::Duration;

use rustls::pki_types::pem;
use rustls::{AlertDescription, CertificateError, InconsistentKeys};

/// Why there is no line in TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server answered TLS with RTMP's version byte.
    #[error("the server speaks plain RTMP there, not TLS")]
    PlainRtmp,
    /// The server answered TLS with the beginning of an HTTP answer.
    #[error("the server speaks plain HTTP there, not TLS")]
    PlainHttp,
    /// The server answered TLS with something else.
    #[error("the server does not speak TLS there: its first byte is {first_byte:#04x}")]
    NotTls {
        /// The first byte received.
        first_byte: u8,
    },
    /// The server closed the line within the TLS handshake. One that speaks plain RTMP or HTTP may do that, too.
    #[error("the server closed the line within the TLS handshake, it may not speak TLS there")]
    Closed,
    /// The host is no name that a certificate can have.
    #[error("the host is no name that a certificate can be issued for")]
    NoServerName,
    /// The server's certificate has expired.
    #[error("the server's certificate expired {} ago", days(*.ago))]
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// The server's certificate is valid later, if our clock is right.
    #[error("the server's certificate is not valid for another {}", days(*.ahead))]
    NotYetValid {
        /// How much later.
        ahead: Duration,
    },
    /// The server's certificate is for other names.
    #[error("the server's certificate is not for {expected}, but for {}", names(.presented))]
    WrongName {
        /// The host of the URL.
        expected: String,
        /// The names in the certificate, as rustls writes them.
        presented: Vec<String>,
    },
    /// None of the trusted authorities has issued the server's certificate; or it signs itself.
    #[error("the server's certificate was issued by no authority that is trusted")]
    UnknownAuthority,
    /// The server's certificate is of no use for another reason.
    #[error("the server's certificate is not acceptable")]
    Certificate(#[source] rustls::Error),
    /// The server insists on a client certificate, and we have shown none.
    #[error("the server asks for a client certificate")]
    ClientCertificateRequired,
    /// The server does not like the client certificate that we have shown, or knows that it is revoked or expired.
    #[error("the server does not accept our client certificate ({alert:?})")]
    ClientCertificateRefused {
        /// The server's word.
        alert: AlertDescription,
    },
    /// The handshake failed for another reason, such as no version or cipher suite in common.
    #[error("the TLS handshake failed")]
    Handshake(#[source] rustls::Error),
    /// The line failed.
    #[error("the line failed")]
    Io(#[source] io::Error),
    /// The default settings can not be used here.
    #[error("the default settings of TLS can not be used")]
    Config(#[source] TlsConfigError),
}

impl TlsError {
    /// Tells what an error of the handshake means, if the server began to speak with this byte.
    pub(super) fn of_handshake(error: io::Error, first_byte: Option<u8>) -> Self {
        match (error.kind(), first_byte) {
            // A plain RTMP server takes us for something else, and may send a whole answer or hang up.
            (_, Some(0x03)) => Self::PlainRtmp,
            (_, Some(b'H')) => Self::PlainHttp,
            // 0x14 to 0x17 are the record types of TLS (RFC 8446 section 5.1).
            (_, Some(first_byte)) if !matches!(first_byte, 0x14..=0x17) => Self::NotTls { first_byte },
            (
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted,
                _,
            ) => Self::Closed,
            _ => Self::try_from(error).unwrap_or_else(Self::Io),
        }
    }

    /// Whether the same may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::Closed | Self::Io(_))
    }
}

/// Takes the error of rustls out of what a line in TLS failed with. Another error comes back.
impl TryFrom<io::Error> for TlsError {
    type Error = io::Error;

    fn try_from(error: io::Error) -> Result<Self, io::Error> {
        error.downcast::<rustls::Error>().map(Self::from)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::from(error),
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired => Self::ClientCertificateRequired,
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA => Self::ClientCertificateRefused { alert },
                _ => Self::Handshake(rustls::Error::AlertReceived(alert)),
            },
            error => Self::Handshake(error),
        }
    }
}

impl From<CertificateError> for TlsError {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { time, not_after } => Self::Expired {
                ago: Duration::from_secs(time.as_secs().saturating_sub(not_after.as_secs())),
            },
            CertificateError::NotValidYetContext { time, not_before } => Self::NotYetValid {
                ahead: Duration::from_secs(not_before.as_secs().saturating_sub(time.as_secs())),
            },
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented,
            },
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            error => Self::Certificate(rustls::Error::InvalidCertificate(error)),
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
    /// The platform can not verify certificates; it may have no root certificates.
    #[error("the platform can not verify certificates")]
    Platform(#[source] rustls::Error),
}

impl From<rustls::Error> for TlsConfigError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::KeyMismatch,
            error => Self::Unusable(error),
        }
    }
}

fn days(time: Duration) -> String {
    match time.as_secs() / 86_400 {
        0 => format!("{} s", time.as_secs()),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        "no name at all".to_owned()
    } else {
        presented.join(", ")
    }
}
