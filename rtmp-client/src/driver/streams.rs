//! The streams of a connection: who uses them, and what waits in their queues.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::{MediaMessage, TimestampUnwrapper};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tracing::debug;

use super::{Driver, Reply};
use crate::error::{Error, StreamEnd, StreamState};
use crate::playback::Delivery;
use crate::publisher::{Queued, Sent};
use crate::queue::{Receiver, Sender};

#[derive(Debug)]
pub(super) struct StreamEntry {
    pub(super) id: MessageStreamId,
    /// Ends when the last handle of the stream is dropped.
    handles: oneshot::Receiver<Infallible>,
    pub(super) activity: Activity,
}

#[derive(Debug)]
pub(super) enum Activity {
    Idle,
    PublishRequested,
    Publishing(Publishing),
    Playing(Playing),
}

#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) queue: Receiver<Queued>,
    pub(super) sent: Arc<Sent>,
    /// The mark at which the last message ends, if it is not written.
    pub(super) unwritten: Option<u64>,
    /// The publisher has finished, and waits until that is written.
    pub(super) finish: Option<Reply<()>>,
}

#[derive(Debug)]
pub(super) struct Playing {
    pub(super) queue: Sender<Delivery>,
    clock: TimestampUnwrapper,
    /// The time of the last audio or video message.
    pub(super) position: Duration,
    pub(super) is_paused: bool,
    /// The server has said that the stream is recorded.
    is_recorded: Arc<AtomicBool>,
    /// What was played came to its end while a seek was under way.
    pub(super) has_stopped: bool,
}

impl Playing {
    pub(super) fn new(queue: Sender<Delivery>, is_recorded: Arc<AtomicBool>) -> Self {
        Self {
            queue,
            is_recorded,
            clock: TimestampUnwrapper::default(),
            position: Duration::ZERO,
            is_paused: false,
            has_stopped: false,
        }
    }

    pub(super) fn note_recorded(&self) {
        self.is_recorded.store(true, Ordering::Relaxed);
    }

    /// Says whether there is room for another message.
    pub(super) fn deliver(&mut self, mut message: MediaMessage) -> bool {
        if !message.kind.is_data() {
            self.position = self.clock.unwrap_timestamp(message.timestamp);
        }
        if self.queue.is_piling_up() {
            // It may wait for long, and must not keep the buffer that it was read into.
            message.payload = Bytes::copy_from_slice(&message.payload);
        }
        let len = message.payload.len();
        self.queue.push(Delivery::Media(message), len)
    }
}

/// The end of a publication that is on its way: reported when all up to `mark` is written.
#[derive(Debug)]
pub(super) struct Farewell {
    mark: u64,
    reply: Reply<()>,
}

impl StreamEntry {
    pub(super) fn new(id: MessageStreamId, handles: oneshot::Receiver<Infallible>) -> Self {
        Self {
            id,
            handles,
            activity: Activity::Idle,
        }
    }

    pub(super) fn state(&self) -> StreamState {
        match self.activity {
            Activity::Idle => StreamState::Idle,
            Activity::PublishRequested | Activity::Publishing(_) => StreamState::Publishing,
            Activity::Playing(_) => StreamState::Playing,
        }
    }

    /// Nobody holds it any more, or its publisher has finished and everything is sent.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.activity {
            Activity::Idle | Activity::PublishRequested => Pin::new(&mut self.handles).poll(cx).map(drop),
            // Publishers and playbacks are handles too. What a publisher leaves behind is still sent.
            Activity::Publishing(publishing)
                if publishing.finish.is_some() && publishing.queue.is_empty() =>
            {
                Poll::Ready(())
            }
            Activity::Publishing(publishing) => publishing.queue.poll_closed(cx),
            Activity::Playing(playing) => match Pin::new(&mut self.handles).poll(cx) {
                // Before the server agrees, the queue waits here for its playback.
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => playing.queue.poll_closed(cx),
            },
        }
    }

    /// While a player waits for the server's word on a pause or seek, its queue may grow to twice its capacity: the
    /// word comes behind media that are under way.
    pub(super) fn poll_room(&self, cx: &Context<'_>, awaits_control: bool) -> Poll<()> {
        match &self.activity {
            Activity::Playing(playing) => {
                let times = if awaits_control { 2 } else { 1 };
                playing.queue.poll_room_times(cx, times).map(drop)
            }
            _ => Poll::Ready(()),
        }
    }

    /// Lets nothing more in; what is queued stays.
    pub(super) fn end(&self, end: &StreamEnd) {
        match &self.activity {
            Activity::Idle | Activity::PublishRequested => {}
            Activity::Publishing(publishing) => publishing.queue.end(end.clone()),
            Activity::Playing(playing) => playing.queue.end(end.clone()),
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.activity {
            Activity::Publishing(publishing) => publishing.queue.is_empty(),
            _ => true,
        }
    }

    fn poll_media(&mut self, cx: &Context<'_>) -> Option<MediaMessage> {
        match &self.activity {
            Activity::Publishing(publishing) => match publishing.queue.poll_next(cx) {
                Poll::Ready(Ok(queued)) => Some(queued.message),
                Poll::Ready(Err(_)) | Poll::Pending => None,
            },
            _ => None,
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin> Driver<Io> {
    pub(super) fn stream(&mut self, id: MessageStreamId) -> Option<&mut StreamEntry> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    pub(super) fn playing(&mut self, id: MessageStreamId) -> Option<&mut Playing> {
        match &mut self.stream(id)?.activity {
            Activity::Playing(playing) => Some(playing),
            _ => None,
        }
    }

    /// Deletes the streams that are over.
    pub(super) fn sweep_streams(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        let mut place = 0;
        while let Some(stream) = self.streams.get_mut(place) {
            match stream.poll_over(cx) {
                Poll::Pending => place += 1,
                Poll::Ready(()) => {
                    let id = stream.id;
                    self.delete_stream(id);
                    moved = true;
                }
            }
        }
        moved
    }

    /// Takes messages from publishers in turn, while there is room for them.
    pub(super) fn take_media(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        let mut idle = 0;
        while idle < self.streams.len() && self.has_output_room() {
            self.turn = (self.turn + 1) % self.streams.len();
            let Some(stream) = self.streams.get_mut(self.turn) else {
                break;
            };
            match stream.poll_media(cx) {
                None => idle += 1,
                Some(message) => {
                    let id = stream.id;
                    self.send_media(id, &message);
                    idle = 0;
                    moved = true;
                }
            }
        }
        moved
    }

    fn send_media(&mut self, id: MessageStreamId, message: &MediaMessage) {
        if let Err(error) = self.machine.send_media(id, message) {
            debug!(stream = id.get(), %error, "media not sent");
            return;
        }
        let mark = self.mark();
        self.media_mark = mark;
        if let Some(StreamEntry {
            activity: Activity::Publishing(publishing),
            ..
        }) = self.stream(id)
        {
            publishing.unwritten = Some(mark);
            publishing.sent.count(message.payload.len());
        }
    }

    /// Where all that is sent so far ends. Not in bytes since the handshake, but without those that have overtaken
    /// others: they come before what was there first, and would pass for it.
    fn mark(&self) -> u64 {
        let sent = self.line.written + self.machine.unsent_len() as u64;
        sent.saturating_sub(self.machine.overtaking_len())
    }

    /// Everything up to this [mark](Self::mark) is written.
    pub(super) fn delivered(&self) -> u64 {
        self.line.written.saturating_sub(self.machine.overtaking_len())
    }

    /// Tells who waits for it what is written up to here, where it was written up to `before`.
    pub(super) fn settle(&mut self, before: u64) {
        let written = self.delivered();
        if before < self.media_mark {
            self.heard();
        }
        for stream in &mut self.streams {
            let Activity::Publishing(publishing) = &mut stream.activity else {
                continue;
            };
            if publishing.unwritten.is_some_and(|mark| mark <= written) {
                publishing.unwritten = None;
                publishing.queue.settle();
            }
        }
        for done in self.farewells.extract_if(.., |farewell| farewell.mark <= written) {
            // Who has gone meanwhile does not mind.
            let _ = done.reply.send(Ok(()));
        }
    }

    pub(super) fn delete_stream(&mut self, id: MessageStreamId) {
        let Some(place) = self.streams.iter().position(|stream| stream.id == id) else {
            return;
        };
        let stream = self.streams.remove(place);
        debug!(stream = id.get(), "deleting the stream");
        if let Err(error) = self.machine.delete_stream(id) {
            debug!(stream = id.get(), %error, "stream not deleted");
        }
        stream.end(&StreamEnd::Deleted);
        self.refresh_status();
        self.fail_waiting(
            |waiting| waiting.stream() == Some(id),
            |operation| Error::WrongStream {
                operation,
                stream: id,
                state: StreamState::Closed,
            },
        );
        if let Activity::Publishing(Publishing {
            finish: Some(reply), ..
        }) = stream.activity
        {
            self.answer_when_written(reply);
        }
    }

    pub(super) fn answer_when_written(&mut self, reply: Reply<()>) {
        let mark = self.mark();
        self.farewells.push(Farewell { mark, reply });
    }
}
