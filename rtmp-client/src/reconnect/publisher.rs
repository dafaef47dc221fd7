//! Publishing over several connections.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Sink;
use rtmp_amf::amf0::Object;
use rtmp_core::chunk::MAX_MESSAGE_LEN;
use rtmp_core::flv::{Metadata, with_set_data_frame};
use rtmp_core::url::RtmpUrl;
use rtmp_core::{MediaMessage, Timestamp};

use super::continuity::{Admission, Continuity};
use super::line::Line;
use super::{ReconnectEvent, ReconnectPolicy};
use crate::error::Operation;
use crate::open::Publish;
use crate::{ClientBuilder, ClientConn, Error, Progress};

/// What a [`ReconnectingPublisher`] does with messages while there is no connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// They are dropped and counted, as is right for a live source.
    #[default]
    Drop,
    /// [`send`](ReconnectingPublisher::send) waits, as is right for a file. It waits as long as the policy tries.
    Wait,
}

/// Publishes a live stream, and connects again when the connection is lost.
///
/// The stream goes on where it would be without the loss. Over a new connection go first the last metadata and sequence
/// headers of all tracks, then a keyframe: what comes before it is dropped. Audio waits with it, for 10 s of media at
/// most; a stream without video resumes at once. Times are the caller's and go out as they are; those of the headers
/// that are sent again are that of the keyframe.
///
/// While there is no connection messages are dropped ([`dropped`](Self::dropped) counts them), or wait
/// ([`when_down`](Self::when_down)). For the first connection they always wait. What the server had not taken when the
/// line was lost is lost; how much that was can not be known.
///
/// Connecting goes on in a task that ends with this handle. A loss is noticed when something is sent.
///
/// It is a [`Sink`] as well.
#[derive(Debug)]
pub struct ReconnectingPublisher {
    line: Line<Publish>,
    continuity: Continuity,
    when_down: WhenDown,
    /// Which of the connections is in use.
    connection: u64,
    /// What earlier connections have sent.
    earlier: Progress,
    dropped: u64,
    /// Those since the stream was interrupted.
    dropped_now: u64,
    last_timestamp: Timestamp,
}

impl ReconnectingPublisher {
    /// A publisher of the stream that the URL names. Nothing is dialled before [`connect`](Self::connect) or the first
    /// message.
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
            line: Line::new(builder, Publish::default(), url.try_into()?, policy)?,
            continuity: Continuity::default(),
            when_down: WhenDown::default(),
            connection: 0,
            earlier: Progress::default(),
            dropped: 0,
            dropped_now: 0,
            last_timestamp: Timestamp::ZERO,
        })
    }

    /// Sets what happens to messages while there is no connection.
    #[must_use]
    pub fn when_down(mut self, then: WhenDown) -> Self {
        self.when_down = then;
        self
    }

    /// Waits until there is a connection and the server has agreed to the publication.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
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

    /// Sends a message, as [`Publisher::send`](crate::Publisher::send): waits while the queue of the connection is full.
    ///
    /// # Errors
    ///
    /// [`Error::GaveUp`] when the policy allows no more tries, with the error of the last; an error that makes no other
    /// try worth it, such as [`Error::Refused`], as it is or within [`Error::GaveUp`]; [`Error::MessageTooLong`].
    /// Behind one of the first two every call fails with [`Error::WrongState`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was not sent, and connecting goes on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    pub async fn send(&mut self, message: MediaMessage) -> Result<(), Error> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.push(message)
    }

    /// Sends an audio message; `payload` is the body of an FLV audio tag. See [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_audio(&mut self, timestamp: Timestamp, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.send(MediaMessage::audio(timestamp, payload)).await
    }

    /// Sends a video message; `payload` is the body of an FLV video tag. See [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_video(&mut self, timestamp: Timestamp, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.send(MediaMessage::video(timestamp, payload)).await
    }

    /// Sends a data message; `payload` is a list of AMF0 values, the first the name of a handler. See
    /// [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_data(&mut self, timestamp: Timestamp, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.send(MediaMessage::data(timestamp, payload)).await
    }

    /// Sends metadata, as [`Publisher::send_metadata`](crate::Publisher::send_metadata).
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] if the properties can not be written as AMF0; and as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_metadata(&mut self, properties: Object) -> Result<(), Error> {
        let payload = Metadata::new(properties).encode().map_err(Error::Metadata)?;
        self.send_data(self.last_timestamp, with_set_data_frame(&payload))
            .await
    }

    /// Waits until everything that was sent is written to the line, or lost with it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flushed(cx)).await
    }

    /// Ends the publication and closes the connection: waits until everything is written.
    ///
    /// # Errors
    ///
    /// The error that the connection was lost with, if there is none now; as
    /// [`Publisher::finish`](crate::Publisher::finish).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the publication ends all the same.
    pub async fn finish(self) -> Result<(), Error> {
        match self.line.into_handle()? {
            Some(publisher) => publisher.finish().await,
            None => Ok(()),
        }
    }

    /// How much is sent over all connections, and how much waits.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let now = self.line.opened().map(|opened| opened.handle.progress());
        let now = now.unwrap_or_default();
        Progress {
            messages_sent: self.earlier.messages_sent + now.messages_sent,
            bytes_sent: self.earlier.bytes_sent + now.bytes_sent,
            ..now
        }
    }

    /// How many messages were dropped: while there was no connection, before a keyframe, or in the queue of a
    /// connection that was lost. Metadata and sequence headers that are sent later do not count.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.line.connections()
    }

    /// The current connection, if there is one: its [`health`](ClientConn::health), its events.
    #[must_use]
    pub fn conn(&self) -> Option<&ClientConn> {
        self.line.conn()
    }

    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.line.poll_up(cx, Operation::Send))?;
        if self.connection != self.line.connections() {
            self.begin_connection();
        }
        Poll::Ready(Ok(()))
    }

    fn begin_connection(&mut self) {
        if self.connection > 0 {
            self.continuity.interrupt();
        }
        self.connection = self.line.connections();
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match self.poll_connected(cx)? {
                Poll::Ready(()) => {}
                Poll::Pending if self.connection > 0 && self.when_down == WhenDown::Drop => {
                    // A caller that never waits must not keep the connecting task from its turn.
                    ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
            let room = match self.line.follow_requests(cx) {
                Ok(()) => match self.line.handle() {
                    Some(publisher) => ready!(publisher.poll_room(cx)),
                    None => continue,
                },
                Err(error) => Err(error),
            };
            match room {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) => self.lost(error)?,
            }
        }
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            ready!(self.poll_room(cx))?;
            let Some(publisher) = self.line.handle() else {
                return Poll::Ready(Ok(()));
            };
            match ready!(publisher.poll_flushed(cx)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) => self.lost(error)?,
            }
        }
    }

    fn lost(&mut self, error: Error) -> Result<(), Error> {
        self.leave_connection();
        self.line.lost(error)
    }

    fn leave_connection(&mut self) {
        let progress = self.progress();
        self.drop_messages(progress.messages_queued as u64);
        self.earlier = progress;
    }

    fn drop_messages(&mut self, count: u64) {
        self.dropped += count;
        self.dropped_now += count;
    }

    fn push(&mut self, message: MediaMessage) -> Result<(), Error> {
        let length = message.payload.len();
        if length > MAX_MESSAGE_LEN {
            return Err(Error::MessageTooLong {
                length,
                limit: MAX_MESSAGE_LEN,
            });
        }
        self.last_timestamp = message.timestamp;
        if self.line.has_next() && self.continuity.may_begin_with(&message) {
            self.earlier = self.progress();
            self.line.switch();
            self.begin_connection();
        }
        let Some(publisher) = self.line.handle() else {
            if self.continuity.miss(&message) == Admission::Drop {
                self.drop_messages(1);
            }
            return Ok(());
        };
        match self.continuity.admit(&message) {
            Admission::Send => publisher.push(message),
            Admission::Resume => {
                for configuration in self.continuity.configuration_at(message.timestamp) {
                    publisher.push(configuration)?;
                }
                publisher.push(message)?;
                let dropped = std::mem::take(&mut self.dropped_now);
                self.line.policy().observe(ReconnectEvent::Resumed { dropped });
                Ok(())
            }
            Admission::Keep => Ok(()),
            Admission::Drop => {
                self.drop_messages(1);
                Ok(())
            }
        }
    }
}

impl Sink<MediaMessage> for ReconnectingPublisher {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: MediaMessage) -> Result<(), Error> {
        self.push(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flushed(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flushed(cx)
    }
}
