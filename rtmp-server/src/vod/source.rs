//! A recording on its way to one player.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rtmp_core::conn::{Played, StreamOrigin};
use rtmp_core::flv::VideoCommand;
use rtmp_core::message::{MediaKind, Status};
use rtmp_core::{MediaMessage, Timestamp};
use tokio::time::{Instant, Sleep};

use super::VodError;
use super::pacing::{Due, Pacing};
use super::reader::{BLOCK_LEN, Block, Reader};
use super::wanted::Wanted;
use crate::{Batch, MediaSource, SourceEvent, SourceFailure};

/// The media of a [`Recording`](super::Recording) for one player: from a keyframe, with what a decoder needs first, as
/// far ahead as the player wants to hold.
///
/// It reads ahead one block of 256 KiB, off the runtime's workers.
pub struct RecordedSource {
    /// Reads, or goes elsewhere first. `None` when there is nothing to read.
    job: Option<BoxFuture<'static, Result<(Reader, Block), VodError>>>,
    /// Away while there is a job, and for good once reading has failed.
    reader: Option<Reader>,
    /// Where to go once the reader is back.
    target: Option<Duration>,
    queue: VecDeque<MediaMessage>,
    queue_len: usize,
    is_end: bool,
    /// The player has been told that it has everything.
    is_complete: bool,
    opening: VecDeque<MediaMessage>,
    wanted: Wanted,
    seek: Option<SeekMarks>,
    shows_seeks: bool,
    paused: bool,
    /// A player that is paused is owed one picture of its new position.
    owes_picture: bool,
    limit: Limit,
    first: Option<Timestamp>,
    base: Base,
    played: Played,
    pacing: Pacing,
    begun: Instant,
    /// The player has been told that it holds enough.
    is_waiting: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

/// How much the player has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    /// A single frame, of video if there is any.
    Frame(MediaKind),
    Duration(Duration),
}

/// What is time 0 for the player. Playback from a position begins with 0, for who asked for a part of a recording sees
/// only that; librtmp counts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// In milliseconds on the clock of the file.
    Known(u32),
    /// The time of the first message, which is at this position or before it.
    OfFirst(Duration),
}

/// Frames between a keyframe and the position that was asked for.
#[derive(Clone, Copy, Debug)]
struct SeekMarks {
    position: Timestamp,
    has_begun: bool,
}

impl RecordedSource {
    pub(super) fn new(reader: Reader, opening: Vec<MediaMessage>, start: Duration, limit: Limit) -> Self {
        let mut source = Self {
            job: None,
            reader: Some(reader),
            target: None,
            queue: VecDeque::new(),
            queue_len: 0,
            is_end: false,
            is_complete: false,
            opening: opening.into(),
            wanted: Wanted::default(),
            seek: None,
            shows_seeks: false,
            paused: false,
            owes_picture: false,
            limit,
            first: None,
            base: if start.is_zero() {
                Base::Known(0)
            } else {
                Base::OfFirst(start)
            },
            played: Played::default(),
            pacing: Pacing::default(),
            begun: Instant::now(),
            is_waiting: false,
            timer: None,
        };
        source.go_to(start);
        source
    }

    /// Marks the frames between a keyframe and the position that was asked for, so that a player which knows these
    /// marks decodes them without showing them.
    #[must_use]
    pub(super) fn with_seek_marks(mut self) -> Self {
        self.shows_seeks = true;
        self.go_to(self.target.unwrap_or_default());
        self
    }

    fn go_to(&mut self, position: Duration) {
        self.target = Some(position);
        self.queue.clear();
        self.queue_len = 0;
        self.is_end = false;
        self.is_complete = false;
        self.is_waiting = false;
        self.timer = None;
        self.seek = self.shows_seeks.then(|| SeekMarks {
            position: timestamp(position),
            has_begun: false,
        });
        self.owes_picture = self.paused;
        self.pacing.restart();
        if self.paused {
            self.pacing.pause(true, self.begun.elapsed());
        }
    }

    /// Lets the reader go on if there is room for what it reads.
    fn read_on(&mut self) {
        if self.job.is_some() {
            return;
        }
        if let Some(position) = self.target.take() {
            let Some(reader) = self.reader.take() else {
                return;
            };
            self.job = Some(async move { reader.seek(position).await?.read().await }.boxed());
        } else if !self.is_end
            && self.queue_len < BLOCK_LEN / 2
            && let Some(reader) = self.reader.take()
        {
            self.job = Some(reader.read().boxed());
        }
    }

    /// Takes what the reader has found.
    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), VodError>> {
        let Some(job) = &mut self.job else {
            return Poll::Pending;
        };
        let Poll::Ready(done) = job.poll_unpin(cx) else {
            return Poll::Pending;
        };
        self.job = None;
        let (reader, block) = done?;
        self.reader = Some(reader);
        // What was read before a seek is not wanted any more.
        if self.target.is_none() {
            self.is_end = block.is_end;
            let added = block.messages.iter().map(weight).sum();
            self.queue_len = self.queue_len.saturating_add(added);
            self.queue.extend(block.messages);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the player is to have now. `None` if that is nothing.
    fn send(&mut self, batch: &mut Batch<'_>) -> Option<SourceEvent> {
        let mut has_media = false;
        while !batch.is_full() {
            let Some(message) = self.queue.front() else {
                break;
            };
            if self.paused && !self.owes_picture {
                break;
            }
            if !self.is_of_limit(message) {
                // The one frame that was asked for is of another kind.
                if let Some(message) = self.queue.pop_front() {
                    self.queue_len = self.queue_len.saturating_sub(weight(&message));
                }
                continue;
            }
            if self.is_beyond_limit(message) {
                self.queue.clear();
                self.queue_len = 0;
                // The reader stays, as a seek may still go back.
                self.is_end = true;
                break;
            }
            if !self.paused
                && let Due::At(due) = self.pacing.take(message.timestamp, self.begun.elapsed())
            {
                if has_media {
                    break;
                }
                let wait = due.saturating_sub(self.begun.elapsed());
                self.timer = Some(Box::pin(tokio::time::sleep(wait)));
                let was_waiting = std::mem::replace(&mut self.is_waiting, true);
                return (!was_waiting).then_some(SourceEvent::BufferEmpty);
            }
            if self.is_waiting && !has_media {
                self.is_waiting = false;
                return Some(SourceEvent::BufferReady);
            }
            let Some(message) = self.queue.pop_front() else {
                break;
            };
            self.queue_len = self.queue_len.saturating_sub(weight(&message));
            has_media |= self.pass_on(&message, batch);
        }
        has_media.then_some(SourceEvent::Media)
    }

    fn pass_on(&mut self, message: &MediaMessage, batch: &mut Batch<'_>) -> bool {
        if self.paused && message.kind == MediaKind::Audio && message.is_coded_frames() {
            return false;
        }
        if !self.wanted.is(message) {
            return false;
        }
        let base = match self.base {
            Base::Known(base) => base,
            Base::OfFirst(_) => message.timestamp.as_millis(),
        };
        self.base = Base::Known(base);
        let timestamp = Timestamp::from_millis(message.timestamp.as_millis().wrapping_sub(base));
        for opening in self.opening.drain(..) {
            batch.push(&MediaMessage { timestamp, ..opening });
        }
        if let Some(command) = self.seek_mark(message)
            && let Ok(mark) = MediaMessage::video_command(timestamp, command)
        {
            batch.push(&mark);
        }
        let message = MediaMessage {
            timestamp,
            ..message.clone()
        };
        batch.push(&message);
        self.note(&message);
        true
    }

    /// The mark that stands before a frame: around those that lead to the position of a seek.
    fn seek_mark(&mut self, message: &MediaMessage) -> Option<VideoCommand> {
        if message.kind != MediaKind::Video || !message.is_coded_frames() {
            return None;
        }
        let is_there = self
            .seek
            .is_none_or(|seek| !seek.position.is_after(message.timestamp));
        if is_there || !self.shows_seeks {
            self.owes_picture = false;
        }
        if is_there {
            let seek = self.seek.take()?;
            return seek.has_begun.then_some(VideoCommand::EndSeek);
        }
        let seek = self.seek.as_mut()?;
        let begins = !std::mem::replace(&mut seek.has_begun, true);
        begins.then_some(VideoCommand::StartSeek)
    }

    fn note(&mut self, message: &MediaMessage) {
        self.played.bytes = self.played.bytes.saturating_add(message.payload.len() as u64);
        if message.is_coded_frames() {
            let first = *self.first.get_or_insert(message.timestamp);
            self.played.end = message.timestamp;
            let millis = message.timestamp.signed_millis_since(first).max(0);
            self.played.duration = Duration::from_millis(millis.unsigned_abs().into());
        }
    }

    fn is_of_limit(&self, message: &MediaMessage) -> bool {
        match self.limit {
            Limit::Frame(kind) => message.kind == kind || !message.is_coded_frames() || self.first.is_some(),
            Limit::None | Limit::Duration(_) => true,
        }
    }

    /// Whether the player did not ask for as much as this.
    fn is_beyond_limit(&self, message: &MediaMessage) -> bool {
        let (Some(first), Base::Known(base)) = (self.first, self.base) else {
            return false;
        };
        match self.limit {
            Limit::None => false,
            Limit::Frame(_) => true,
            Limit::Duration(limit) => {
                let at = Timestamp::from_millis(message.timestamp.as_millis().wrapping_sub(base));
                Duration::from_millis(at.signed_millis_since(first).max(0).unsigned_abs().into()) >= limit
            }
        }
    }
}

impl MediaSource for RecordedSource {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch<'_>) -> Poll<SourceEvent> {
        loop {
            self.read_on();
            if let Some(event) = self.send(batch) {
                return Poll::Ready(event);
            }
            match self.poll_job(cx) {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(SourceEvent::Failed(SourceFailure::new(error.to_status(), error)));
                }
                Poll::Pending => {}
            }
            if self.is_end && self.queue.is_empty() && !self.is_complete && !self.paused {
                self.is_complete = true;
                return Poll::Ready(SourceEvent::Completed(self.played));
            }
            match &mut self.timer {
                Some(timer) if !self.paused => match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => self.timer = None,
                    Poll::Pending => return Poll::Pending,
                },
                _ => return Poll::Pending,
            }
        }
    }

    fn pause(&mut self, paused: bool) {
        if self.paused != paused {
            self.paused = paused;
            self.owes_picture = false;
            self.timer = None;
            self.pacing.pause(paused, self.begun.elapsed());
        }
    }

    fn receive(&mut self, kind: MediaKind, wanted: bool) {
        self.wanted.set(kind, wanted);
    }

    fn seek(&mut self, position: Duration) -> Result<(), Status> {
        let base = match self.base {
            Base::Known(base) => Duration::from_millis(base.into()),
            // It has not seen anything yet, and can only mean the position it has asked for.
            Base::OfFirst(start) => start,
        };
        self.go_to(position.saturating_add(base));
        Ok(())
    }

    fn origin(&self) -> StreamOrigin {
        StreamOrigin::Recorded
    }

    fn position(&self) -> Option<Duration> {
        match self.base {
            Base::Known(base) => {
                let end = self.played.end.wrapping_add(base);
                Some(Duration::from_millis(end.as_millis().into()))
            }
            Base::OfFirst(start) => Some(start),
        }
    }

    fn time(&self) -> Option<Timestamp> {
        self.first.map(|_| self.played.end)
    }

    fn take_up(&mut self, position: Duration, time: Timestamp) {
        let base = timestamp(position).as_millis().wrapping_sub(time.as_millis());
        self.base = Base::Known(base);
        self.go_to(position);
    }

    fn set_buffer_length(&mut self, length: Duration) {
        self.pacing.set_buffer(length);
        self.timer = None;
    }
}

impl fmt::Debug for RecordedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedSource")
            .field("played", &self.played)
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}

/// Roughly what a message takes in memory.
fn weight(message: &MediaMessage) -> usize {
    message.payload.len().saturating_add(size_of::<MediaMessage>())
}

fn timestamp(position: Duration) -> Timestamp {
    // Beyond the clock's range is behind everything.
    Timestamp::from_millis(u32::try_from(position.as_millis()).unwrap_or(u32::MAX >> 1))
}
