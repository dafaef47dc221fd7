//! What can go wrong with the server itself. What happens to one session is its [`CloseReason`](crate::CloseReason).

use std::io;

/// Why a server can not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address can not be listened on.
    #[error("can not listen on {address}")]
    Bind {
        /// The address as it was given.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The listener does not know its own address.
    #[error("the listener has no local address")]
    LocalAddress(#[source] io::Error),
}

/// An error and its causes in one line, for logs.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
