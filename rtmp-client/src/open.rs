//! From an address to a stream that is published or played.

use std::fmt::Debug;
use std::future::Future;

use rtmp_core::message::{PlayRequest, PublishKind, Status};
use rtmp_core::url::RtmpUrl;

use crate::queue::Receiver;
use crate::redirect::Hops;
use crate::{ClientBuilder, ClientConn, ClientStream, Error, Playback, Publisher, WhenUnpublished};

/// What a connection is opened for.
pub(crate) trait Role: Clone + Debug + Send + Sync + 'static {
    type Handle: Debug + Send + 'static;

    /// Asks for the stream of this name. The handle closes the connection with itself.
    fn begin(
        &self,
        conn: ClientConn,
        stream: ClientStream,
        name: String,
    ) -> impl Future<Output = Result<Self::Handle, Error>> + Send;
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Publish {
    pub(crate) kind: PublishKind,
}

impl Role for Publish {
    type Handle = Publisher;

    async fn begin(&self, conn: ClientConn, stream: ClientStream, name: String) -> Result<Publisher, Error> {
        let publisher = stream.publish(name, self.kind.clone()).await?;
        Ok(publisher.closing(conn))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Play {
    /// Its name is that of the address.
    pub(crate) request: PlayRequest,
    pub(crate) when_unpublished: WhenUnpublished,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            request: PlayRequest::new(""),
            when_unpublished: WhenUnpublished::default(),
        }
    }
}

impl Role for Play {
    type Handle = Playback;

    async fn begin(&self, conn: ClientConn, stream: ClientStream, name: String) -> Result<Playback, Error> {
        let playback = stream.play(self.request.clone().renamed(name)).await?;
        Ok(playback.closing(conn).when_unpublished(self.when_unpublished))
    }
}

/// A stream that is published or played, on a connection of its own.
#[derive(Debug)]
pub(crate) struct Opened<H> {
    pub(crate) handle: H,
    pub(crate) conn: ClientConn,
    /// The server's requests to reconnect, of which only the last counts.
    pub(crate) moves: Receiver<Status>,
    /// The address behind all redirects.
    pub(crate) url: RtmpUrl,
}

/// Opens the stream that a URL names. Redirects are followed as far as the builder allows, and `redirected` is told of
/// each.
pub(crate) async fn open<R: Role>(
    builder: &ClientBuilder,
    role: &R,
    mut url: RtmpUrl,
    redirected: impl Fn(&RtmpUrl) + Send,
) -> Result<Opened<R::Handle>, Error> {
    let mut hops = Hops::new(url.clone(), builder.config().max_redirects);
    loop {
        match open_at(builder, role, &url).await {
            Ok(opened) => return Ok(opened),
            Err(error) => url = hops.follow(&url, &error)?.ok_or(error)?,
        }
        redirected(&url);
    }
}

async fn open_at<R: Role>(
    builder: &ClientBuilder,
    role: &R,
    url: &RtmpUrl,
) -> Result<Opened<R::Handle>, Error> {
    let name = url.stream_name_with_query().ok_or(Error::MissingStreamName)?;
    let conn = builder.dial(url.clone()).await?;
    let moves = conn.move_requests();
    conn.connect(builder.config().connect_request.clone()).await?;
    let stream = conn.create_stream().await?;
    let handle = role.begin(conn.clone(), stream, name.to_owned()).await?;
    Ok(Opened {
        handle,
        conn,
        moves,
        url: url.clone(),
    })
}
