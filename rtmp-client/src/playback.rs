//! Receiving media.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use rtmp_core::flv::Metadata;
use rtmp_core::{MediaMessage, TimestampUnwrapper};

use crate::error::{CloseReason, Operation, StreamEnd};
use crate::queue::Receiver;
use crate::{ClientConn, ClientStream, Error};

/// What the driver has for a player.
#[derive(Debug)]
pub(crate) enum Delivery {
    Media(MediaMessage),
    /// The server has nothing more of the stream, until a publisher comes back.
    PublisherGone,
}

/// What a [`Playback`] is made of, handed over with the server's word.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) queue: Receiver<Delivery>,
    /// Whether the server has said that the stream is recorded.
    pub(crate) is_recorded: Arc<AtomicBool>,
}

/// What a [`Playback`] does when the publisher of a live stream goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnpublished {
    /// Ends.
    #[default]
    End,
    /// Waits for a publisher to come back, as long as the server keeps the stream. The new publisher's clock may start
    /// anywhere.
    Wait,
}

/// Receives the media of a stream that is being played, from [`ClientStream::play`] or [`pull`](crate::pull()).
///
/// Messages come through a bounded queue ([`media_capacity`](crate::ClientBuilder::media_capacity)). While it is full,
/// nothing is read from the connection at all: the server is held up, and so are answers, events and other streams of
/// the same connection. The server decides what a player that is too slow misses. A playback that is not wanted any
/// more should be dropped, which deletes its stream.
///
/// It is a [`Stream`] as well, and stays at its end once it got there.
#[derive(Debug)]
pub struct Playback {
    // The queue goes first, so that the stream's end finds it gone.
    queue: Receiver<Delivery>,
    stream: ClientStream,
    /// Closed with the playback.
    conn: Option<ClientConn>,
    when_unpublished: WhenUnpublished,
    is_publisher_gone: bool,
    is_over: bool,
    is_recorded: Arc<AtomicBool>,
    duration: Option<Duration>,
    clock: TimestampUnwrapper,
    time: Duration,
}

impl Playback {
    pub(crate) fn new(stream: ClientStream, intake: Intake) -> Self {
        Self {
            queue: intake.queue,
            is_recorded: intake.is_recorded,
            duration: None,
            stream,
            conn: None,
            when_unpublished: WhenUnpublished::default(),
            is_publisher_gone: false,
            is_over: false,
            clock: TimestampUnwrapper::default(),
            time: Duration::ZERO,
        }
    }

    pub(crate) fn closing(mut self, conn: ClientConn) -> Self {
        self.conn = Some(conn);
        self
    }

    /// Sets what happens when the publisher goes.
    #[must_use]
    pub fn when_unpublished(mut self, then: WhenUnpublished) -> Self {
        self.when_unpublished = then;
        self
    }

    /// The stream that is being played: it can be paused and searched while another task receives.
    #[must_use]
    pub fn stream(&self) -> &ClientStream {
        &self.stream
    }

    /// The next message: audio, video or data such as metadata, in the order of the server. `None` when the stream has
    /// ended well: the server says so (Play.Stop, Play.Complete, Play.UnpublishNotify, Stream EOF), or this end has
    /// closed it.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] if the server ended it with an error, [`Error::Closed`] if the connection closed in the middle
    /// of it. After an error, `None` follows.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn recv(&mut self) -> Result<Option<MediaMessage>, Error> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The time of the message received last, on a clock that does not wrap; it starts at the first timestamp.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Whether the server has said that what it plays is a recording (Stream Is Recorded, RTMP 1.0 section 7.1.7). Most
    /// say so before they agree to play, some never; without it the stream may be live.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.is_recorded.load(Ordering::Relaxed)
    }

    /// How long the whole recording is, whatever part of it is played, if the metadata that were received say so.
    /// [`ClientConn::stream_length`] asks the server. `None` for a live stream.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration.filter(|_| self.is_recorded())
    }

    /// Stops playing: deletes the stream and waits until that is written. A playback from [`pull`](crate::pull())
    /// closes its connection as well.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the connection closed before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, playing stops all the same.
    pub async fn close(self) -> Result<(), Error> {
        let deleted = self.stream.close().await;
        match &self.conn {
            Some(conn) => conn.close().await,
            None => deleted,
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<MediaMessage>, Error>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(match ready!(self.poll_next_message(cx)) {
            Ok(message) => {
                self.time = self.clock.unwrap_timestamp(message.timestamp);
                Ok(Some(message))
            }
            Err(end) => {
                self.is_over = true;
                self.ended(end).map(|()| None)
            }
        })
    }

    /// The next message, or why there is none any more.
    pub(crate) fn poll_next_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<MediaMessage, StreamEnd>> {
        loop {
            let turn = ready!(tokio::task::coop::poll_proceed(cx));
            let next = ready!(self.queue.poll_next(cx));
            turn.made_progress();
            match next {
                Ok(Delivery::Media(message)) => {
                    self.is_publisher_gone = false;
                    if message.kind.is_data()
                        && let Ok(metadata) = Metadata::parse(&message.payload)
                    {
                        self.duration = metadata.duration();
                    }
                    return Poll::Ready(Ok(message));
                }
                Ok(Delivery::PublisherGone) => {
                    self.is_publisher_gone = true;
                    if self.when_unpublished == WhenUnpublished::End {
                        // Should the publisher come back, its media must not hold up the connection.
                        self.queue.end(StreamEnd::Finished);
                        self.queue.clear();
                        return Poll::Ready(Err(StreamEnd::Finished));
                    }
                }
                Err(end) => return Poll::Ready(Err(end)),
            }
        }
    }

    fn ended(&self, end: StreamEnd) -> Result<(), Error> {
        match end {
            StreamEnd::Finished | StreamEnd::Deleted | StreamEnd::Closed(CloseReason::Local) => Ok(()),
            StreamEnd::Closed(
                CloseReason::PeerClosed | CloseReason::CutOff | CloseReason::CloseRequested,
            ) if self.is_publisher_gone => Ok(()),
            end => Err(end.into_error(Operation::Receive, self.stream.id())),
        }
    }
}

impl Stream for Playback {
    type Item = Result<MediaMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Result::transpose)
    }
}
