//! The common case in one call.

use rtmp_core::url::RtmpUrl;

use crate::open::{Play, Publish, open};
use crate::{ClientBuilder, Error, Playback, Publisher};

/// Publishes the live stream that a URL names, with the default settings: [`ClientBuilder::push`].
///
/// # Errors
///
/// As [`ClientBuilder::push`].
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn push<U>(url: U) -> Result<Publisher, Error>
where
    U: TryInto<RtmpUrl>,
    Error: From<U::Error>,
{
    ClientBuilder::default().push(url).await
}

/// Plays the stream that a URL names, with the default settings: [`ClientBuilder::pull`].
///
/// # Errors
///
/// As [`ClientBuilder::pull`].
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn pull<U>(url: U) -> Result<Playback, Error>
where
    U: TryInto<RtmpUrl>,
    Error: From<U::Error>,
{
    ClientBuilder::default().pull(url).await
}

/// The common case in one call.
impl ClientBuilder {
    /// Publishes the live stream that a URL names: dials, connects, creates a stream and publishes it. The publisher
    /// keeps the connection, and closes it when it finishes.
    ///
    /// A server that redirects is followed, 3 times by default ([`max_redirects`](Self::max_redirects)). Where it names
    /// no stream, ours stays, with its query.
    ///
    /// # Errors
    ///
    /// [`Error::MissingStreamName`]; those of [`dial`](Self::dial), [`connect`](crate::ClientConn::connect),
    /// [`create_stream`](crate::ClientConn::create_stream) and [`publish`](crate::ClientStream::publish);
    /// [`Error::TooManyRedirects`], [`Error::RedirectLoop`], [`Error::RedirectUrl`], [`Error::InsecureRedirect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn push<U>(&self, url: U) -> Result<Publisher, Error>
    where
        U: TryInto<RtmpUrl>,
        Error: From<U::Error>,
    {
        let opened = open(self, &Publish::default(), url.try_into()?, |_| {}).await?;
        Ok(opened.handle)
    }

    /// Plays the stream that a URL names: dials, connects, creates a stream and plays it. The playback keeps the
    /// connection, and closes it when it is closed. Redirects are followed as by [`push`](Self::push).
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), with those of [`play`](crate::ClientStream::play).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn pull<U>(&self, url: U) -> Result<Playback, Error>
    where
        U: TryInto<RtmpUrl>,
        Error: From<U::Error>,
    {
        let opened = open(self, &Play::default(), url.try_into()?, |_| {}).await?;
        Ok(opened.handle)
    }
}
