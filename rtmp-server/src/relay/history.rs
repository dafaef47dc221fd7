//! The messages of a stream that its players share.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use rtmp_core::chunk::FramedMessage;
use rtmp_core::flv::{Configuration, is_clear_data_frame, strip_set_data_frame};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use tokio::time::Instant;

use super::RelayConfig;
use super::clock::Clock;
use crate::source::SHARED_STREAM;

/// What an entry takes besides its bytes, roughly. Without it a flood of empty messages would count for nothing.
const ENTRY_OVERHEAD: u64 = 256;

const NOTHING_FORGOTTEN: Range<u64> = Range {
    start: u64::MAX,
    end: 0,
};

/// One message of the history, in both of its forms; they share memory where one chunk is enough.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: MediaMessage,
    pub(super) framed: FramedMessage,
    pub(super) is_keyframe: bool,
    /// Video that means nothing without the frames before it.
    pub(super) needs_keyframe: bool,
    arrived: Instant,
    /// Bytes that all messages in front of this one take since the stream began.
    offset: u64,
}

/// The newest message of a part of the configuration.
#[derive(Debug)]
struct Kept {
    number: u64,
    message: MediaMessage,
    /// Since which number there has been one, if only with other content.
    since: u64,
}

/// The newest messages of a stream, numbered without gap, and its configuration.
///
/// Its front is bounded by what a player may be behind, but the group of pictures that a joiner begins with stays, up
/// to bounds of its own.
#[derive(Debug)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// The number of the publisher's first message.
    start: u64,
    /// Bytes that all messages so far take.
    end_offset: u64,
    /// The number of the keyframe that a joiner begins with.
    gop_start: Option<u64>,
    configurations: BTreeMap<Configuration, Kept>,
    clock: Clock,
    /// From the first header that was replaced to the newest that replaced one. Who begins in between needs one that is
    /// not known any more.
    forgotten: Range<u64>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            start: 0,
            end_offset: 0,
            gop_start: None,
            configurations: BTreeMap::new(),
            clock: Clock::default(),
            forgotten: NOTHING_FORGOTTEN,
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

    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(place)
    }

    /// Where a joiner begins: at the last keyframe, or with what comes next.
    pub(super) fn join_at(&self) -> u64 {
        self.gop_start.unwrap_or_else(|| self.end())
    }

    /// Where a player begins that was there before the publisher: at the very first message, if nothing was dropped
    /// yet.
    pub(super) fn begin_at(&self) -> u64 {
        if self.first == self.start {
            self.start
        } else {
            self.join_at()
        }
    }

    /// Whether the configuration at `number` is still known.
    pub(super) fn knows_configuration_at(&self, number: u64) -> bool {
        number <= self.forgotten.start || number >= self.forgotten.end
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

    pub(super) fn has_gop(&self) -> bool {
        self.gop_start.is_some()
    }

    /// The configuration that was sent from number `from` up to `to`, in the order to send it. Of metadata it is the
    /// newest even if they come later, because some encoders send other ones all the time.
    pub(super) fn configurations(&self, from: u64, to: u64) -> impl Iterator<Item = &MediaMessage> {
        let is_owed = move |kind: Configuration, kept: &Kept| {
            let in_force_since = if decodes(kind) { kept.number } else { kept.since };
            kept.number >= from && in_force_since < to
        };
        let mut last = None;
        self.configurations
            .iter()
            .filter(move |(kind, kept)| is_owed(**kind, kept))
            .map(|(_, kept)| kept)
            // One message may have the headers of several tracks.
            .filter(move |kept| last.replace(kept.number) != Some(kept.number))
            .map(|kept| &kept.message)
    }

    /// Messages that tell which tracks there are: the headers, then the newest of each kind.
    pub(super) fn telling(&self) -> impl Iterator<Item = &MediaMessage> {
        let newest = |kind| {
            self.entries
                .iter()
                .rev()
                .map(|entry| &entry.message)
                .find(move |message| message.kind == kind && message.is_coded_frames())
        };
        let newest = [newest(MediaKind::Video), newest(MediaKind::Audio)];
        self.configurations
            .values()
            .map(|kept| &kept.message)
            .chain(newest.into_iter().flatten())
    }

    /// When the newest message came.
    pub(super) fn last_arrival(&self) -> Option<Instant> {
        self.entries.back().map(|entry| entry.arrived)
    }

    /// How far a player at `number` is behind: in bytes, and in time of arrival. Media time may jump.
    pub(super) fn lag(&self, number: u64) -> (u64, Duration) {
        let (Some(entry), Some(last)) = (self.get(number), self.entries.back()) else {
            return (0, Duration::ZERO);
        };
        (
            self.end_offset - entry.offset,
            last.arrived.duration_since(entry.arrived),
        )
    }

    /// How much follows the keyframe at `number`: in bytes and in media time.
    fn gop_len(&self, number: u64) -> (u64, Duration) {
        let (Some(entry), Some(last)) = (self.get(number), self.entries.back()) else {
            return (0, Duration::ZERO);
        };
        let time = distance(entry.message.timestamp, last.message.timestamp);
        (self.end_offset - entry.offset, time)
    }

    /// Takes a message of the publisher. `has_players` says whether someone may be behind.
    pub(super) fn push(&mut self, message: &MediaMessage, config: &RelayConfig, has_players: bool) {
        let Some(mut message) = self.prepare(message) else {
            return;
        };
        message.timestamp = self
            .clock
            .place(message.kind, message.timestamp, config.backward_time);
        let number = self.end();
        let is_configuration = message.configurations().next().is_some();
        if is_configuration {
            self.keep_configuration(&message, number, config);
        }
        let Ok(framed) = FramedMessage::new(&message.to_raw(SHARED_STREAM), config.chunk_size) else {
            // Longer than a message can be; no chunk decoder yields such a one.
            return;
        };
        let is_keyframe = message.is_keyframe();
        if config.gop_cache && is_keyframe && message.is_keyframe_of(0) {
            self.gop_start = Some(number);
        }
        let offset = self.end_offset;
        let wire_len = framed.wire().len() as u64;
        // In one chunk the payload lies inside the wire form, and the publisher's copy of it can go.
        let copy_len = if framed.payload().len() as u64 > u64::from(config.chunk_size) {
            framed.payload().len() as u64
        } else {
            0
        };
        self.end_offset += wire_len + copy_len + ENTRY_OVERHEAD;
        let message = MediaMessage {
            payload: Bytes::clone(framed.payload()),
            ..message
        };
        let needs_keyframe = message.kind == MediaKind::Video && !is_keyframe && !is_configuration;
        self.entries.push_back(Entry {
            message,
            framed,
            is_keyframe,
            needs_keyframe,
            arrived: Instant::now(),
            offset,
        });
        self.trim(config, has_players);
    }

    /// What players get of a message: `@setDataFrame` is for servers (its argument is for players), and so is
    /// `@clearDataFrame`.
    fn prepare(&mut self, message: &MediaMessage) -> Option<MediaMessage> {
        if !message.kind.is_data() {
            return Some(message.clone());
        }
        if is_clear_data_frame(&message.payload) {
            self.configurations.remove(&Configuration::Metadata);
            return None;
        }
        Some(MediaMessage {
            payload: strip_set_data_frame(&message.payload),
            ..*message
        })
    }

    fn keep_configuration(&mut self, message: &MediaMessage, number: u64, config: &RelayConfig) {
        for configuration in message.configurations() {
            let before = self.configurations.get(&configuration);
            if before.is_some_and(|before| before.message.payload == message.payload) {
                // Repeated for those who join; it is in force since it came first.
                continue;
            }
            let before = if message.payload.len() <= config.max_configuration_len {
                let kept = Kept {
                    number,
                    message: message.clone(),
                    since: before.map_or(number, |before| before.since),
                };
                self.configurations.insert(configuration, kept)
            } else {
                // It is in force all the same, so the one before must not be given to anybody.
                self.configurations.remove(&configuration)
            };
            if let Some(before) = before
                && decodes(configuration)
            {
                // A joiner would get the new header, and the pictures so far need the old one.
                self.gop_start = None;
                self.forgotten = self.forgotten.start.min(before.number)..number;
            }
        }
    }

    /// Drops what nobody needs any more.
    fn trim(&mut self, config: &RelayConfig, has_players: bool) {
        if let Some(start) = self.gop_start {
            let (len, time) = self.gop_len(start);
            if len > config.max_gop_len as u64 || time > config.max_gop {
                self.gop_start = None;
            }
        }
        let keep_from = self.join_at();
        while self.first < keep_from {
            let (len, time) = self.lag(self.first);
            if has_players && len <= config.max_lag_len as u64 && time <= config.max_lag {
                break;
            }
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// Forgets everything but the count: another publisher begins.
    pub(super) fn clear(&mut self, config: &RelayConfig) {
        self.clock.restart(config.backward_time);
        self.first = self.end();
        self.start = self.first;
        self.entries.clear();
        self.gop_start = None;
        self.forgotten = NOTHING_FORGOTTEN;
        self.configurations.clear();
    }
}

/// Whether media can not be decoded without it.
fn decodes(configuration: Configuration) -> bool {
    !matches!(
        configuration,
        Configuration::Metadata | Configuration::VideoMetadata { .. }
    )
}

/// The time from one timestamp to another; a step back counts as none.
fn distance(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.signed_millis_since(from)).unwrap_or(0))
}
