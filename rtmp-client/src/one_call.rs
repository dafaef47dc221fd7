//! The common case in one call.

use rtmp_core::message::{ConnectRequest, PlayRequest, PublishKind};
use rtmp_core::url::RtmpUrl;

use crate::{ClientConn, ClientStream, Error, Playback, Publisher};

/// Publishes the live stream that a URL names: dials, connects, creates a stream and publishes it, with the default
/// settings. The publisher keeps the connection, and closes it when it finishes.
/// A server that redirects is not followed; [`Error::redirect`] tells where to.
///
/// # Errors
///
/// [`Error::MissingStreamName`], and those of [`ClientConn::dial`], [`ClientConn::connect`],
/// [`ClientConn::create_stream`] and [`ClientStream::publish`].
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn push<U>(url: U) -> Result<Publisher, Error>
where
    U: TryInto<RtmpUrl>,
    Error: From<U::Error>,
{
    let (conn, stream, name) = open(url.try_into()?).await?;
    let publisher = stream.publish(name, PublishKind::Live).await?;
    Ok(publisher.closing(conn))
}

/// Plays the stream that a URL names: dials, connects, creates a stream and plays it, with the default settings. The
/// playback keeps the connection, and closes it when it is closed.
/// A server that redirects is not followed; [`Error::redirect`] tells where to.
///
/// # Errors
///
/// [`Error::MissingStreamName`], and those of [`ClientConn::dial`], [`ClientConn::connect`],
/// [`ClientConn::create_stream`] and [`ClientStream::play`].
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn pull<U>(url: U) -> Result<Playback, Error>
where
    U: TryInto<RtmpUrl>,
    Error: From<U::Error>,
{
    let (conn, stream, name) = open(url.try_into()?).await?;
    let playback = stream.play(PlayRequest::new(name)).await?;
    Ok(playback.closing(conn))
}

async fn open(url: RtmpUrl) -> Result<(ClientConn, ClientStream, String), Error> {
    let name = url
        .stream_name_with_query()
        .ok_or(Error::MissingStreamName)?
        .to_owned();
    let conn = ClientConn::dial(url).await?;
    conn.connect(ConnectRequest::default()).await?;
    let stream = conn.create_stream().await?;
    Ok((conn, stream, name))
}
