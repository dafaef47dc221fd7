//! Where a publisher's media go, and where a player's come from.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rtmp_core::chunk::{FramedMessage, MessageStreamId};
use rtmp_core::conn::{Played, ServerMachine, StreamOrigin};
use rtmp_core::message::{MediaKind, Status, StatusCode};
use rtmp_core::{MediaMessage, Timestamp};

use crate::play_limit::Filter;
use crate::relay::{Lag, PlayerConfig};
use crate::session::Lane;

/// Takes the media of one publisher. Dropping it ends the publication, however that came.
pub trait MediaSink: Send {
    /// Takes one message, in order. This is the hot path: clone the message (that costs no copy) and return. What is kept
    /// for long is better copied: a payload of some kilobytes may keep the buffer that it was read into, up to 512 KiB.
    fn send(&mut self, message: &MediaMessage);

    /// All messages that came in one piece have been sent: now is the time to wake whoever waits for them.
    fn flush(&mut self) {}

    /// Whether the sink takes more now. While one of a session's sinks is `Pending` nothing is read from that client, so its
    /// transport pushes back; the session otherwise goes on, and the waker of `cx` is woken when there is room. Always
    /// ready by default.
    ///
    /// It is asked after [`flush`](Self::flush), before the session reads, and what was read at once is sent in any case:
    /// up to 512 KiB of the stream and the message that they complete. Neither silence nor the end of a client is noticed
    /// while it is not read from, so a sink should be `Pending` for a limited time only.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Something to tell the publisher, such as `NetStream.Record.Failed`. Asked after each flush until there is nothing
    /// more.
    fn take_status(&mut self) -> Option<Status> {
        None
    }

    /// The publisher ends the publication and stays: the last word to it. The sink is dropped next.
    fn end(&mut self) -> Option<Status> {
        None
    }
}

/// Gives media to one player. Dropping it ends the playback, however that came.
pub trait MediaSource: Send {
    /// Puts messages into `batch` until it is full or there are no more, and says what happened. `Pending` means
    /// that there is no more now than what is in the batch, and that the waker of `cx` is woken when there is.
    ///
    /// Several sessions share a turn, so it must not block.
    ///
    /// It is called again when the batch is on its way to the player, so a source that keeps its media in shared
    /// memory holds nothing for a slow player but its place.
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch<'_>) -> Poll<SourceEvent>;

    /// Takes the settings that an observer has [granted](crate::PlayGrant::player), before anything else. A source to
    /// which they mean nothing ignores them, and does so by default.
    fn configure(&mut self, config: &PlayerConfig) {
        let _ = config;
    }

    /// Stops giving media, or goes on.
    fn pause(&mut self, paused: bool);

    /// Stops giving media of a kind, or gives them again.
    fn receive(&mut self, kind: MediaKind, wanted: bool);

    /// Goes on at another position of the stream. A live stream has none, and says so by default.
    ///
    /// # Errors
    ///
    /// The status that the player is told if that is not possible.
    fn seek(&mut self, position: Duration) -> Result<(), Status> {
        let _ = position;
        Err(Status::new(
            StatusCode::SeekFailed,
            "a live stream can not be searched",
        ))
    }

    /// Whether the media come from a publisher or from a recording, which the player is told before it gets any. Live
    /// by default.
    fn origin(&self) -> StreamOrigin {
        StreamOrigin::Live
    }

    /// Up to where the player was sent a recording, on the clock of the recording: where another one of the same content
    /// takes over. Live streams have none.
    fn position(&self) -> Option<Duration> {
        None
    }

    /// The time of the last coded frame that the player was given, on its own clock. `None` if the source does not know:
    /// then another stream takes over from it without regard to time.
    fn time(&self) -> Option<Timestamp> {
        None
    }

    /// Takes over from another recording of the same content: `position` on the clock of the recording is to be `time`
    /// for the player. What lies before is given as well, if a decoder needs it. Sources that have no positions pass
    /// over it, and do so by default.
    fn take_up(&mut self, position: Duration, time: Timestamp) {
        let (_, _) = (position, time);
    }

    /// The player wants to hold this much ahead of what it shows. It says so at the beginning and whenever it likes;
    /// some never do. Live sources send what there is, and pass over it by default.
    fn set_buffer_length(&mut self, length: Duration) {
        let _ = length;
    }

    /// Whether the player is too slow for the source to go on. It is asked when the player has taken something, but
    /// not all that is on its way: then [`poll_fill`](Self::poll_fill) is not called, for as long as that takes.
    fn too_slow(&self) -> Option<Lag> {
        None
    }

    /// Messages that were left out because the player was too slow, since the last call.
    fn take_dropped(&mut self) -> u64 {
        0
    }
}

/// What a [`MediaSource`] has to say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SourceEvent {
    /// There is something in the batch.
    Media,
    /// A publisher has come; its media follow.
    Published,
    /// The publisher is gone. The player is told and stays, until the source ends.
    Unpublished,
    /// The player has been sent as much as it wants to hold.
    BufferEmpty,
    /// More follows [`BufferEmpty`](Self::BufferEmpty).
    BufferReady,
    /// A recording was sent to its end. The player is told and stays, as it may seek; the source says nothing more
    /// until it does.
    Completed(Played),
    /// There will be no more media.
    Ended,
    /// There can be no more media.
    Failed(SourceFailure),
    /// The player is too slow to get everything, and is told. Media follow.
    Lagging(Lag),
    /// The player is too slow for the source to go on. The player is told, and its session ends.
    TooSlow(Lag),
}

/// Why a source can not go on.
#[derive(Clone, Debug)]
pub struct SourceFailure {
    pub(crate) status: Status,
    pub(crate) error: Arc<dyn Error + Send + Sync>,
}

impl SourceFailure {
    /// The player is told `status`; the application gets `error`, as
    /// [`CloseReason::SourceFailed`](crate::CloseReason::SourceFailed).
    #[must_use]
    pub fn new(status: Status, error: impl Error + Send + Sync + 'static) -> Self {
        Self {
            status,
            error: Arc::new(error),
        }
    }
}

/// A message in wire form, on its way to a player.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) stream: MessageStreamId,
    pub(crate) wire: Bytes,
}

impl Piece {
    pub(crate) fn shared(wire: &Bytes) -> Self {
        Self {
            stream: SHARED_STREAM,
            wire: wire.clone(),
        }
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }
}

/// What a player's session has agreed on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WireForm {
    chunk_size: u32,
    takes_amf3: bool,
}

impl WireForm {
    pub(crate) fn of(machine: &ServerMachine) -> Self {
        Self {
            chunk_size: machine.outgoing_chunk_size(),
            takes_amf3: machine.is_amf3_agreed(),
        }
    }
}

/// Collects what is sent to a player next.
pub struct Batch<'a> {
    pieces: &'a mut VecDeque<Piece>,
    stream: MessageStreamId,
    form: WireForm,
    filter: Option<&'a mut dyn Filter>,
    len: usize,
    lane: Option<Lane<'a>>,
}

impl<'a> Batch<'a> {
    /// No more pieces than go into one vectored write.
    pub(crate) const MAX_PIECES: usize = 64;
    /// More than a socket takes at a time would only sit here.
    const MAX_LEN: usize = 256 << 10;

    pub(crate) fn new(pieces: &'a mut VecDeque<Piece>, stream: MessageStreamId, form: WireForm) -> Self {
        Self {
            pieces,
            stream,
            form,
            filter: None,
            len: 0,
            lane: None,
        }
    }

    /// Takes only what the player is to have.
    pub(crate) fn through(mut self, filter: Option<&'a mut dyn Filter>) -> Self {
        self.filter = filter;
        self
    }

    /// Lets the player follow, if there is a connection for that.
    pub(crate) fn over(mut self, lane: Option<Lane<'a>>) -> Self {
        self.lane = lane;
        self
    }

    /// Whether so many pieces of so many bytes are to be sent before more are added.
    pub(crate) fn is_enough(count: usize, len: usize) -> bool {
        count >= Self::MAX_PIECES || len >= Self::MAX_LEN
    }

    /// The connection of a player that may follow, if it takes all, and in the wire form that all share, of this chunk
    /// size.
    pub(crate) fn lane(&mut self, chunk_size: u32) -> Option<&mut Lane<'a>> {
        let is_shared = self.stream == SHARED_STREAM && self.form.chunk_size == chunk_size;
        let takes_all = self.filter.is_none();
        self.lane.as_mut().filter(|_| is_shared && takes_all)
    }

    /// Whether the batch is large enough to be sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        Self::is_enough(self.pieces.len(), self.len)
    }

    /// Adds a message that is in wire form already. If it was cut for another chunk size it is framed anew, and if
    /// the player has another stream than number 1 it is copied; neither is usual.
    pub fn push_framed(&mut self, message: &MediaMessage, framed: &FramedMessage) {
        if !self.passes(message) {
            return;
        }
        if framed.chunk_size() != self.form.chunk_size || self.must_change(message) {
            self.frame(message);
        } else if self.stream == SHARED_STREAM {
            self.push_piece(framed.wire().clone());
        } else {
            self.push_piece(framed.wire_for(self.stream));
        }
    }

    /// Adds a message, putting it into wire form. One that RTMP can not carry is left out, and AMF3 data become AMF0
    /// data for a player that did not agree to AMF3.
    pub fn push(&mut self, message: &MediaMessage) {
        if self.passes(message) {
            self.frame(message);
        }
    }

    fn passes(&mut self, message: &MediaMessage) -> bool {
        self.filter.as_mut().is_none_or(|filter| filter.takes(message))
    }

    fn frame(&mut self, message: &MediaMessage) {
        if self.must_change(message) {
            return self.frame(&message.without_amf3_envelope());
        }
        if let Ok(framed) = FramedMessage::new(&message.to_raw(self.stream), self.form.chunk_size) {
            self.push_piece(framed.wire().clone());
        }
    }

    fn must_change(&self, message: &MediaMessage) -> bool {
        message.kind == MediaKind::Amf3Data && !self.form.takes_amf3
    }

    fn push_piece(&mut self, wire: Bytes) {
        self.len += wire.len();
        self.pieces.push_back(Piece {
            stream: self.stream,
            wire,
        });
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("pieces", &self.pieces.len())
            .field("len", &self.len)
            .finish()
    }
}

/// The stream number that shared wire forms carry: nearly every player has only this one.
pub(crate) const SHARED_STREAM: MessageStreamId = MessageStreamId::new(1);
