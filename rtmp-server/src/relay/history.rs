//! The messages of a stream that its players share.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::{FramedMessage, RawMessage};
use rtmp_core::flv::{is_clear_data_frame, strip_set_data_frame};
use rtmp_core::{MediaKind, MediaMessage};
use tokio::time::Instant;

use super::clock::Clock;
use super::configuration::ConfigurationCache;
use super::readers::Readers;
use super::{Lag, RelayConfig};
use crate::source::SHARED_STREAM;

/// How much memory is taken at once for messages that share it, and how long a message may be to begin another block.
const BLOCK_LEN: usize = 64 << 10;
const MAX_SHARING_LEN: usize = BLOCK_LEN / 4;

/// What an entry takes besides its bytes, roughly. Without it a flood of empty messages would count for nothing.
const ENTRY_OVERHEAD: u64 = 256;

/// One message of the history, in both of its forms; they share memory where one chunk is enough.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: MediaMessage,
    pub(super) framed: FramedMessage,
    pub(super) is_keyframe: bool,
    /// Video that means nothing without the frames before it.
    pub(super) needs_keyframe: bool,
    /// Which of the stream's publishers has sent it.
    pub(super) epoch: u64,
    arrived: Instant,
    /// Bytes that all messages in front of this one take since the stream began.
    offset: u64,
}

/// The newest messages of a stream, numbered without gap over all its publishers, and its configuration.
///
/// Its front is bounded by what a player may be behind, but the group of pictures that a joiner begins with stays, and
/// so does what a patient player has not got, each up to bounds of its own.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// Counts the publishers that were on air.
    epoch: u64,
    /// The number of the publisher's first message.
    start: u64,
    /// Bytes that all messages so far take.
    end_offset: u64,
    /// The number of the newest keyframe from which a player can go on.
    keyframe: Option<u64>,
    configurations: ConfigurationCache,
    clock: Clock,
    blocks: Blocks,
}

/// Memory for wire forms. Of a publisher that sends in real time every message has its own; those of one that sends a
/// file, and so hundreds at a time, share it.
#[derive(Debug, Default)]
struct Blocks {
    block: BytesMut,
    /// Bytes of messages that may share, since the end of the last turn; and whether that had as many as a block takes.
    turn_len: usize,
    is_busy: bool,
}

impl Blocks {
    /// The block for a message, which goes into it if there is room, and has memory of its own if not. A long one begins no
    /// other block.
    fn for_message(&mut self, message: &RawMessage) -> &mut BytesMut {
        let len = message.payload.len();
        if len <= MAX_SHARING_LEN {
            self.turn_len += len;
            if self.is_busy && self.block.capacity() <= len {
                self.block = BytesMut::with_capacity(BLOCK_LEN);
            }
        }
        &mut self.block
    }

    fn end_turn(&mut self) {
        self.is_busy = mem::take(&mut self.turn_len) >= BLOCK_LEN;
        if !self.is_busy {
            self.block = BytesMut::new();
        }
    }
}

impl History {
    /// The number that the next message will get.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The publisher that the message with this number is from, or will be.
    pub(super) fn epoch_at(&self, number: u64) -> u64 {
        self.get(number).map_or(self.epoch, |entry| entry.epoch)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(place)
    }

    /// Where a joiner begins: at the newest keyframe if that came within so much time, or with what comes next.
    pub(super) fn join_at(&self, within: Option<Duration>) -> u64 {
        let is_recent = |entry: &Entry| within.is_some_and(|within| entry.arrived.elapsed() <= within);
        self.keyframe
            .filter(|&number| self.get(number).is_some_and(is_recent))
            .unwrap_or_else(|| self.end())
    }

    /// Where a player at `number` goes on that can not follow: at the newest keyframe or, if it is past that one, behind
    /// everything.
    pub(super) fn next_entrance(&self, number: u64) -> u64 {
        self.keyframe
            .filter(|&keyframe| keyframe >= number)
            .unwrap_or_else(|| self.end())
    }

    /// Where a player begins that was there before the publisher: at the very first message, if nothing was dropped
    /// yet.
    pub(super) fn begin_at(&self) -> u64 {
        if self.first <= self.start {
            self.start
        } else {
            self.next_entrance(self.start)
        }
    }

    pub(super) fn configurations(&self) -> &ConfigurationCache {
        &self.configurations
    }

    /// Bytes that its messages take.
    pub(super) fn len(&self) -> u64 {
        self.entries
            .front()
            .map_or(0, |first| self.end_offset - first.offset)
    }

    /// How many messages it has.
    pub(super) fn message_count(&self) -> usize {
        self.entries.len()
    }

    /// Messages that tell which tracks there are: the headers, then the newest of each kind.
    pub(super) fn telling(&self) -> impl Iterator<Item = &MediaMessage> {
        let newest = |kind| {
            self.entries
                .iter()
                .rev()
                .take_while(|entry| entry.epoch == self.epoch)
                .map(|entry| &entry.message)
                .find(move |message| message.kind == kind && message.is_coded_frames())
        };
        let newest = [newest(MediaKind::Video), newest(MediaKind::Audio)];
        self.configurations.iter().chain(newest.into_iter().flatten())
    }

    /// When the newest message came.
    pub(super) fn last_arrival(&self) -> Option<Instant> {
        self.entries.back().map(|entry| entry.arrived)
    }

    /// How far a player at `number` is behind. It is the time of arrival that counts: media time may jump.
    pub(super) fn lag(&self, number: u64) -> Lag {
        let (Some(entry), Some(last)) = (self.get(number), self.entries.back()) else {
            return Lag::default();
        };
        Lag::new(
            last.arrived.duration_since(entry.arrived),
            self.end_offset - entry.offset,
        )
    }

    /// Takes a message of the publisher.
    pub(super) fn push(&mut self, message: &MediaMessage, config: &RelayConfig, readers: &Readers) {
        let Some(mut message) = self.prepare(message) else {
            return;
        };
        let is_configuration = message.configurations().next().is_some();
        let timestamp = message.timestamp;
        message.timestamp = self
            .clock
            .place(message.kind, timestamp, is_configuration, config.time_policy());
        let number = self.end();
        if is_configuration && self.configurations.keep(&message, number, config) {
            // A joiner would get the new header, and the pictures so far need the old one.
            self.keyframe = None;
        }
        let raw = message.to_raw(SHARED_STREAM);
        let Ok(framed) = FramedMessage::new_in(&raw, config.chunk_size, self.blocks.for_message(&raw)) else {
            // Longer than a message can be; no chunk decoder yields such a one.
            return;
        };
        let is_keyframe = message.is_keyframe();
        if is_keyframe && message.is_keyframe_of(0) {
            self.keyframe = Some(number);
        }
        let offset = self.end_offset;
        let wire_len = framed.wire().len() as u64;
        // In one chunk the payload lies inside the wire form, and the publisher's copy of it can go.
        let copy_len = match framed.payload() {
            Some(payload) => {
                message.payload = payload;
                0
            }
            None => message.payload.len() as u64,
        };
        self.end_offset += wire_len + copy_len + ENTRY_OVERHEAD;
        let needs_keyframe = message.kind == MediaKind::Video && !is_keyframe && !is_configuration;
        self.entries.push_back(Entry {
            message,
            framed,
            is_keyframe,
            needs_keyframe,
            epoch: self.epoch,
            arrived: Instant::now(),
            offset,
        });
        self.trim(config, readers);
    }

    /// What players get of a message: `@setDataFrame` is for servers (its argument is for players), and so is
    /// `@clearDataFrame`.
    fn prepare(&mut self, message: &MediaMessage) -> Option<MediaMessage> {
        if !message.kind.is_data() {
            return Some(message.clone());
        }
        if is_clear_data_frame(&message.payload) {
            self.configurations.forget_metadata();
            return None;
        }
        Some(MediaMessage {
            payload: strip_set_data_frame(&message.payload),
            ..*message
        })
    }

    /// Drops what nobody needs any more.
    fn trim(&mut self, config: &RelayConfig, readers: &Readers) {
        if let Some(keyframe) = self.keyframe {
            let lag = self.lag(keyframe);
            if lag.len > config.max_gop_len as u64
                || lag.time > config.max_gop
                || self.end() - keyframe > config.max_gop_messages
            {
                self.keyframe = None;
            }
        }
        let cached = self.keyframe.filter(|_| config.gop_cache);
        let keep_from = cached.unwrap_or_else(|| self.end());
        if self.first >= keep_from {
            return;
        }
        let slowest = readers.slowest();
        let common = config.lag_limit();
        while self.first < keep_from {
            let lag = self.lag(self.first);
            // The newest is for everybody, however long it is.
            let is_newest = self.first + 1 == self.end();
            let may_be_read = readers.count > 0 && (is_newest || !common.is_exceeded_by(lag));
            let is_waited_for = slowest.is_some_and(|slowest| slowest <= self.first)
                && lag.len <= config.max_history_len as u64;
            if may_be_read || is_waited_for {
                break;
            }
            self.entries.pop_front();
            self.first += 1;
        }
        self.keyframe = self.keyframe.filter(|&keyframe| keyframe >= self.first);
    }

    /// The publisher has sent what it had, for now.
    pub(super) fn end_turn(&mut self) {
        self.blocks.end_turn();
    }

    /// Another publisher begins. What its players have not got of the last one stays for them.
    pub(super) fn begin(&mut self, config: &RelayConfig) {
        self.epoch += 1;
        self.clock.restart(config.time_policy());
        self.start = self.end();
        self.keyframe = None;
        self.configurations = ConfigurationCache::default();
    }
}
