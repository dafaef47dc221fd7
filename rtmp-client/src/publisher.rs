//! Sending media.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Sink;
use rtmp_amf::amf0::Object;
use rtmp_core::chunk::MAX_MESSAGE_LEN;
use rtmp_core::flv::{Metadata, with_set_data_frame};
use rtmp_core::{MediaMessage, Timestamp};
use tokio::time::Instant;

use crate::driver::Request;
use crate::error::{CloseReason, Operation, StreamEnd};
use crate::queue::{Fill, Sender};
use crate::{ClientConn, ClientStream, Error};

/// The driver's side of a publisher's queue, as a handle holds it.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) queue: Sender<Queued>,
    pub(crate) sent: Arc<Sent>,
}

/// A message in a publisher's queue.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) message: MediaMessage,
    pub(crate) since: Instant,
}

/// What the driver has taken from a publisher.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Sent {
    pub(crate) fn count(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// How far a publisher has got, from [`Publisher::progress`]. Bytes are those of payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Messages that were put on the line, but for the last few, which may wait to be written.
    pub messages_sent: u64,
    /// Bytes that were put on the line.
    pub bytes_sent: u64,
    /// Messages that wait.
    pub messages_queued: usize,
    /// Bytes that wait. More than a second's worth means that the line is too slow.
    pub bytes_queued: usize,
}

/// Sends the media of a stream that is being published, from [`ClientStream::publish`] or [`push`](crate::push()).
///
/// Messages go through a bounded queue ([`media_capacity`](crate::ClientBuilder::media_capacity)), and
/// [`send`](Self::send) waits while it is full. What to drop when a live source can not wait is the caller's choice:
/// [`progress`](Self::progress) tells how much is queued.
///
/// [`finish`](Self::finish) ends the publication and tells whether everything was written. Dropping the publisher ends
/// it too: what is queued is still sent, then the stream is deleted.
///
/// It is a [`Sink`] as well. Flushing it waits until everything is written to the line; closing it is flushing it.
#[derive(Debug)]
pub struct Publisher {
    // The feed goes first, so that the stream's end finds it gone.
    feed: Feed,
    stream: ClientStream,
    /// Closed with the publisher.
    conn: Option<ClientConn>,
    last_timestamp: Timestamp,
}

impl Publisher {
    pub(crate) fn new(stream: ClientStream, feed: Feed) -> Self {
        Self {
            feed,
            stream,
            conn: None,
            last_timestamp: Timestamp::ZERO,
        }
    }

    pub(crate) fn closing(mut self, conn: ClientConn) -> Self {
        self.conn = Some(conn);
        self
    }

    /// The stream that is being published.
    #[must_use]
    pub fn stream(&self) -> &ClientStream {
        &self.stream
    }

    /// Sends a message; waits while the queue is full. That it returns does not mean that the message is written.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] if the server has ended the publication, [`Error::Closed`] if the connection is closed,
    /// [`Error::MessageTooLong`] for a payload of more than 2^24 - 1 bytes.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was not sent.
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

    /// Sends metadata for the server to keep and give to players: `@setDataFrame`, `onMetaData` and the properties.
    /// They have the time of the message before.
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

    /// Waits until everything that was sent is written to the line.
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

    /// Ends the publication: waits until everything is written, with `FCUnpublish` and `deleteStream` behind it. A
    /// publisher from [`push`](crate::push()) closes its connection as well.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] if the server ended the publication before, [`Error::Closed`] if the connection closed before
    /// everything was written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the publication ends all the same.
    pub async fn finish(self) -> Result<(), Error> {
        let id = self.stream.id();
        let ended = match self.feed.queue.ended() {
            Some(end @ (StreamEnd::Status(_) | StreamEnd::Closed(_))) => {
                Err(end.into_error(Operation::Close, id))
            }
            _ => {
                let link = self.stream.link();
                link.request(|| Operation::Close, |reply| Request::Finish { stream: id, reply })
                    .await
            }
        };
        let closed = match &self.conn {
            Some(conn) => conn.close().await,
            None => Ok(()),
        };
        match ended {
            // Another handle closes the connection in order, which sends everything first.
            Err(Error::Closed {
                reason: CloseReason::Local,
                ..
            }) => closed,
            ended => ended.and(closed),
        }
    }

    /// How much is sent, and how much waits.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let Fill { items, bytes } = self.feed.queue.fill();
        Progress {
            messages_sent: self.feed.sent.messages.load(Ordering::Relaxed),
            bytes_sent: self.feed.sent.bytes.load(Ordering::Relaxed),
            messages_queued: items,
            bytes_queued: bytes,
        }
    }

    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let turn = ready!(tokio::task::coop::poll_proceed(cx));
        let room = ready!(self.feed.queue.poll_room(cx));
        turn.made_progress();
        Poll::Ready(room.map_err(|end| self.ended(end)))
    }

    pub(crate) fn poll_flushed(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let settled = ready!(self.feed.queue.poll_settled(cx));
        Poll::Ready(settled.map_err(|end| self.ended(end)))
    }

    pub(crate) fn push(&mut self, message: MediaMessage) -> Result<(), Error> {
        let length = message.payload.len();
        if length > MAX_MESSAGE_LEN {
            return Err(Error::MessageTooLong {
                length,
                limit: MAX_MESSAGE_LEN,
            });
        }
        self.last_timestamp = message.timestamp;
        let since = Instant::now();
        self.feed.queue.push(Queued { message, since }, length);
        Ok(())
    }

    fn ended(&self, end: StreamEnd) -> Error {
        end.into_error(Operation::Send, self.stream.id())
    }
}

impl Sink<MediaMessage> for Publisher {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: MediaMessage) -> Result<(), Error> {
        self.push(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flushed(cx)
    }
}
