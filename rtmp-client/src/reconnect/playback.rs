//! Playing over several connections.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use rtmp_core::message::PlayRequest;
use rtmp_core::url::RtmpUrl;
use rtmp_core::{MediaMessage, TimestampUnwrapper};

use super::ReconnectPolicy;
use super::line::Line;
use super::seam::Seam;
use crate::error::{CloseReason, Operation, StreamEnd};
use crate::open::Play;
use crate::{ClientBuilder, ClientConn, Error, WhenUnpublished};

/// What a [`ReconnectingPlayback`] does with the times of a later connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// They go on. Times that begin at or behind the last one, by no more than the outage and 10 s, are kept as they
    /// are; others are shifted, such that the first frame is as much later as the outage has lasted. Configuration in
    /// front of it gets the last time from before, and nothing is earlier than that.
    #[default]
    Continue,
    /// They are those of the server.
    AsReceived,
}

/// Plays a live stream, and connects again when the connection is lost.
///
/// What the server sends over a new connection follows what came before: mostly metadata and sequence headers again,
/// then a keyframe, which may be one that was there already. [`connection`](Self::connection) tells the connections
/// apart, and the event [`Connected`](super::ReconnectEvent::Connected) comes before the first message of each.
///
/// A stream that the server ends well is over. With [`WhenUnpublished::Wait`] its end is waited for through any number
/// of publishers and connections.
///
/// Connecting goes on in a task that ends with this handle.
///
/// It is a [`Stream`] as well, and stays at its end once it got there.
#[derive(Debug)]
pub struct ReconnectingPlayback {
    line: Line<Play>,
    timestamps: Timestamps,
    seam: Seam,
    /// Which of the connections is in use.
    connection: u64,
    clock: TimestampUnwrapper,
    time: Duration,
    is_over: bool,
}

impl ReconnectingPlayback {
    /// A playback of the stream that the URL names. Nothing is dialled before [`connect`](Self::connect) or
    /// [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// [`Error::Url`], [`Error::MissingStreamName`].
    pub fn new<U>(builder: ClientBuilder, url: U, policy: ReconnectPolicy) -> Result<Self, Error>
    where
        U: TryInto<RtmpUrl>,
        Error: From<U::Error>,
    {
        Ok(Self {
            line: Line::new(builder, Play::default(), url.try_into()?, policy)?,
            timestamps: Timestamps::default(),
            seam: Seam::default(),
            connection: 0,
            clock: TimestampUnwrapper::default(),
            time: Duration::ZERO,
            is_over: false,
        })
    }

    /// What is asked for, but for the name, which is that of the URL. It is asked for anew over each connection.
    #[must_use]
    pub fn request(mut self, request: PlayRequest) -> Self {
        self.line.role_mut().request = request;
        self
    }

    /// Sets what happens when the publisher goes.
    #[must_use]
    pub fn when_unpublished(mut self, then: WhenUnpublished) -> Self {
        self.line.role_mut().when_unpublished = then;
        self
    }

    /// Sets what happens to the times of later connections.
    #[must_use]
    pub fn timestamps(mut self, timestamps: Timestamps) -> Self {
        self.timestamps = timestamps;
        self
    }

    /// Waits until there is a connection and the server has agreed to play.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, connecting goes on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn connect(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_connected(cx)).await
    }

    /// The next message, as [`Playback::recv`](crate::Playback::recv), over as many connections as it takes. `None` when
    /// the stream has ended well.
    ///
    /// # Errors
    ///
    /// [`Error::GaveUp`] when the policy allows no more tries, with the error of the last; an error that makes no other
    /// try worth it, such as [`Error::Refused`], as it is or within [`Error::GaveUp`]. After an error, `None` follows.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped, and connecting goes on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn recv(&mut self) -> Result<Option<MediaMessage>, Error> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The time of the message received last, on a clock that does not wrap; it starts at the first timestamp.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Over which connection the last message came: 1 for the first, 0 before it.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether the server has said that what it plays is a recording; see
    /// [`Playback::is_recorded`](crate::Playback::is_recorded). `false` while there is no connection.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.line
            .opened()
            .is_some_and(|opened| opened.handle.is_recorded())
    }

    /// How long the whole recording is, if that is known; see [`Playback::duration`](crate::Playback::duration).
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.line.opened()?.handle.duration()
    }

    /// The current connection, if there is one: its [`health`](ClientConn::health), its events.
    #[must_use]
    pub fn conn(&self) -> Option<&ClientConn> {
        self.line.conn()
    }

    /// Stops playing and closes the connection.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the connection closed before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, playing stops all the same.
    pub async fn close(self) -> Result<(), Error> {
        match self.line.into_handle() {
            Ok(Some(playback)) => playback.close().await,
            // Nothing of it is left.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.line.poll_up(cx, Operation::Receive))?;
        if self.connection != self.line.connections() {
            self.begin_connection();
        }
        Poll::Ready(Ok(()))
    }

    fn begin_connection(&mut self) {
        self.connection = self.line.connections();
        self.seam.reconnected(self.line.last_outage());
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<MediaMessage>, Error>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let received = ready!(self.poll_message(cx));
        self.is_over = !matches!(received, Ok(Some(_)));
        Poll::Ready(received)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<MediaMessage>, Error>> {
        loop {
            ready!(self.poll_connected(cx))?;
            if let Err(error) = self.line.follow_requests(cx) {
                self.line.lost(error)?;
                continue;
            }
            let Some(playback) = self.line.handle() else {
                continue;
            };
            match playback.poll_next_message(cx) {
                Poll::Ready(Ok(message)) => return Poll::Ready(Ok(Some(self.place(message)))),
                Poll::Ready(Err(end)) => {
                    let id = playback.stream().id();
                    if self.line.switch() {
                        continue;
                    }
                    match end {
                        StreamEnd::Finished | StreamEnd::Deleted | StreamEnd::Closed(CloseReason::Local) => {
                            return Poll::Ready(Ok(None));
                        }
                        end => self.line.lost(end.into_error(Operation::Receive, id))?,
                    }
                }
                // The old connection has nothing more for now.
                Poll::Pending if self.line.switch() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn place(&mut self, message: MediaMessage) -> MediaMessage {
        let message = match self.timestamps {
            Timestamps::Continue => MediaMessage {
                timestamp: self.seam.place(&message),
                ..message
            },
            Timestamps::AsReceived => message,
        };
        self.time = self.clock.unwrap_timestamp(message.timestamp);
        message
    }
}

impl Stream for ReconnectingPlayback {
    type Item = Result<MediaMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Result::transpose)
    }
}
