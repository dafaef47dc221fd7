//! One stream of a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, PlayOptions, PlayRequest, PublishKind, PublishRequest};
use tokio::sync::oneshot;

use crate::driver::{NewStream, Receive, Request};
use crate::error::{CloseReason, Operation};
use crate::shared::Link;
use crate::{Error, Playback, Publisher};

/// A stream of a connection (`NetStream`), from [`ClientConn::create_stream`](crate::ClientConn::create_stream): to
/// be published or to be played.
///
/// This is the handle for control, cheap to clone and to share; media go through the [`Publisher`] or [`Playback`]
/// that its methods give. So one task can pause and seek while another receives. The stream is deleted when all its
/// handles are dropped, or its publisher or playback is.
#[derive(Clone, Debug)]
pub struct ClientStream {
    link: Link,
    id: MessageStreamId,
    /// Tells the driver when the last handle is dropped.
    _guard: Arc<oneshot::Sender<Infallible>>,
}

impl ClientStream {
    pub(crate) fn new(link: Link, NewStream { id, guard }: NewStream) -> Self {
        Self {
            link,
            id,
            _guard: Arc::new(guard),
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// The number that the server gave the stream.
    #[must_use]
    pub fn id(&self) -> MessageStreamId {
        self.id
    }

    /// Asks to publish and returns when the server agrees (`NetStream.Publish.Start`). The name goes out byte for byte
    /// and may have a query, as many services want it for their tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's word, [`Error::WrongStream`] if the stream is in use or closed,
    /// [`Error::Timeout`], [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, either nothing was sent, or the stream is deleted when the server agrees.
    pub async fn publish(&self, name: impl Into<String>, kind: PublishKind) -> Result<Publisher, Error> {
        let (stream, request) = (self.id, PublishRequest::new(name, kind));
        let feed = self
            .link
            .request(
                || Operation::Publish,
                |reply| Request::Publish {
                    stream,
                    request,
                    reply,
                },
            )
            .await?;
        Ok(Publisher::new(self.clone(), feed))
    }

    /// Asks to play and returns when the server agrees (`NetStream.Play.Start`). A stream that is played already
    /// switches to what is asked for, and its playback ends.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's word, [`Error::WrongStream`] if the stream is being published or closed,
    /// [`Error::Timeout`], [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, either nothing was sent, or the stream is deleted when the server agrees.
    pub async fn play(&self, request: PlayRequest) -> Result<Playback, Error> {
        let stream = self.id;
        let intake = self
            .link
            .request(
                || Operation::Play,
                |reply| Request::Play {
                    stream,
                    request,
                    reply,
                },
            )
            .await?;
        Ok(Playback::new(self.clone(), intake))
    }

    /// Pauses playback and returns when the server says that it has (`NetStream.Pause.Notify`). Media that were under
    /// way are still received.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::WrongStream`] if the stream is not being played, [`Error::Timeout`] if the server
    /// does not say, [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream is paused or not.
    pub async fn pause(&self) -> Result<(), Error> {
        self.set_paused(true).await
    }

    /// Goes on where playback was paused and returns when the server says that it does
    /// (`NetStream.Unpause.Notify`).
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream is paused or not.
    pub async fn resume(&self) -> Result<(), Error> {
        self.set_paused(false).await
    }

    async fn set_paused(&self, is_paused: bool) -> Result<(), Error> {
        let stream = self.id;
        let operation = || {
            if is_paused {
                Operation::Pause
            } else {
                Operation::Resume
            }
        };
        let request = |reply| Request::Pause {
            stream,
            is_paused,
            reply,
        };
        self.link.request(operation, request).await
    }

    /// Goes to a position of a recording, counted from its start, and returns when the server says that it has
    /// (`NetStream.Seek.Notify`). Whole milliseconds go on the wire. Media queued from before are thrown away, but for
    /// metadata and sequence headers. A playback that has ended stays at its end; start
    /// another on a [stream of its own](crate::ClientConn::create_stream), because nginx-rtmp, for one, does not answer a
    /// second `play` of a recording.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the position has changed or not.
    pub async fn seek(&self, position: Duration) -> Result<(), Error> {
        let stream = self.id;
        let request = |reply| Request::Seek {
            stream,
            position,
            reply,
        };
        self.link.request(|| Operation::Seek, request).await
    }

    /// Says whether the audio of what is being played is wanted (`receiveAudio`, RTMP 1.0 section 7.2.2.4), and returns
    /// when that is on its way. Servers confirm only that audio comes again, with a status that is an
    /// [`Event`](crate::Event); some send it all the same.
    ///
    /// # Errors
    ///
    /// [`Error::WrongStream`] if the stream is not being played, [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server was told or not.
    pub async fn receive_audio(&self, wanted: bool) -> Result<(), Error> {
        self.receive(Receive::Audio, wanted).await
    }

    /// Says whether the video of what is being played is wanted (`receiveVideo`, RTMP 1.0 section 7.2.2.5). See
    /// [`receive_audio`](Self::receive_audio).
    ///
    /// # Errors
    ///
    /// As [`receive_audio`](Self::receive_audio).
    ///
    /// # Cancel safety
    ///
    /// As [`receive_audio`](Self::receive_audio).
    pub async fn receive_video(&self, wanted: bool) -> Result<(), Error> {
        self.receive(Receive::Video, wanted).await
    }

    async fn receive(&self, kind: Receive, is_wanted: bool) -> Result<(), Error> {
        let stream = self.id;
        let request = |reply| Request::Receive {
            stream,
            kind,
            is_wanted,
            reply,
        };
        self.link.request(|| kind.operation(), request).await
    }

    /// Goes over to another stream, mostly the same content at another bit rate (`play2`, RTMP 1.0 section 7.2.2.2),
    /// and returns when the server agrees (`NetStream.Play.Transition`). Its media come through the same
    /// [`Playback`], behind those of the stream that is left. If the server refuses, playback goes on where it is.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's word, [`Error::WrongStream`] if the stream is not being played,
    /// [`Error::Encode`] if the options can not be written, [`Error::Timeout`] if the server does not say,
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server goes over or not.
    pub async fn transition(&self, options: PlayOptions) -> Result<(), Error> {
        let (stream, options) = (self.id, Box::new(options));
        let request = |reply| Request::Transition {
            stream,
            options,
            reply,
        };
        self.link.request(|| Operation::Transition, request).await
    }

    /// Calls a procedure of the server on this stream; see [`ClientConn::call`](crate::ClientConn::call).
    ///
    /// # Errors
    ///
    /// As [`ClientConn::call`](crate::ClientConn::call).
    ///
    /// # Cancel safety
    ///
    /// As [`ClientConn::call`](crate::ClientConn::call).
    pub async fn call(&self, procedure: &str, arguments: Vec<Value>) -> Result<Command, Error> {
        self.link.call(self.id, procedure, arguments).await
    }

    /// Deletes the stream, whatever it is used for, and waits until that is written. What a publisher has queued is
    /// thrown away; [`Publisher::finish`] sends it first.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the connection closed before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream is deleted or not.
    pub async fn close(&self) -> Result<(), Error> {
        let stream = self.id;
        let request = |reply| Request::DeleteStream { stream, reply };
        match self.link.request(|| Operation::Close, request).await {
            // Closing the connection deletes its streams.
            Err(Error::Closed {
                reason: CloseReason::Local,
                ..
            }) => Ok(()),
            deleted => deleted,
        }
    }
}
