//! A load generator for RTMP servers that checks what it receives.
//!
//! | module | what it does |
//! |---|---|
//! | [`players`] | plays one stream many times |
//! | [`publishers`] | publishes a file under many names |
//! | [`connect`] | opens and closes connections |
//! | [`idle`] | leaves connections at a stage, silent, and sees what they cost |
//! | [`flaps`] | breaks a publication off and publishes again |
//! | [`throughput`] | publishes or plays one stream with `rtmp-client`, as fast as it goes |
//! | [`floor`] | serves players with nothing but writes, to compare servers with |
//!
//! Everything runs on one thread, so that load and server can be given a core each.

pub mod check;
mod client;
mod clip;
mod compare;
pub mod connect;
pub mod flaps;
pub mod floor;
pub mod idle;
mod line;
pub mod players;
mod process;
pub mod publishers;
mod report;
mod samples;
mod stamp;
pub mod throughput;

use std::io;

use rtmp_core::url::Scheme;

pub use client::ClientError;
pub use process::{ProcessError, Usage};
pub use report::{ErrorCounts, Report, ServerUsage};
pub use samples::Percentiles;

use crate::descriptors::DescriptorError;
use crate::flv_input::{InputError, InputPath};
use crate::tls::TlsOptionsError;

/// Why a measurement can not begin, or not end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The file can not be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file has nothing to send.
    #[error("{path} has no audio and no video")]
    Empty {
        /// The file.
        path: InputPath,
    },
    /// Stamps go into H.264 frames only.
    #[error("{path} has no H.264 video to put stamps into")]
    NoStamps {
        /// The file.
        path: InputPath,
    },
    /// The URL names no stream.
    #[error("the URL names no stream")]
    NoStreamName,
    /// The URL asks for another protocol.
    #[error("bench does not speak {scheme}")]
    Scheme {
        /// The URL's scheme.
        scheme: Scheme,
    },
    /// The certificates can not be used.
    #[error(transparent)]
    Tls(#[from] TlsOptionsError),
    /// A name of a publisher is too long.
    #[error(transparent)]
    Url(#[from] rtmp_core::url::UrlError),
    /// The host has no address.
    #[error("can not resolve {host}")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More connections than the process may open.
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
    /// The server's process can not be watched.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The address can not be listened on.
    #[error("can not listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
