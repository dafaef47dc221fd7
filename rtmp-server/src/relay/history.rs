//! The messages of a stream that its players share.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rtmp_core::chunk::FramedMessage;
use rtmp_core::flv::{Configuration, is_clear_data_frame, strip_set_data_frame};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use super::RelayConfig;
use crate::source::SHARED_STREAM;

/// One message of the history, in both of its forms; they share memory where one chunk is enough.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: MediaMessage,
    pub(super) framed: FramedMessage,
    pub(super) is_keyframe: bool,
    /// Video that means nothing without the frames before it.
    pub(super) needs_keyframe: bool,
    /// Bytes of wire form in front of this message since the stream began.
    offset: u64,
}

/// The newest messages of a stream, numbered without gap, and its configuration.
///
/// Its front is bounded by what a player may be behind, but the group of pictures that a joiner begins with stays, up
/// to bounds of its own.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// The number of the publisher's first message.
    start: u64,
    /// Bytes of wire form of all messages so far.
    end_offset: u64,
    /// The number of the keyframe that a joiner begins with.
    gop_start: Option<u64>,
    /// The newest message of each part of the configuration, with its number.
    configurations: BTreeMap<Configuration, (u64, MediaMessage)>,
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

    pub(super) fn has_gop(&self) -> bool {
        self.gop_start.is_some()
    }

    /// The configuration that was sent from number `from` up to `to`, in the order to send it.
    pub(super) fn configurations(&self, from: u64, to: u64) -> impl Iterator<Item = &MediaMessage> {
        self.configurations
            .values()
            .filter(move |(number, _)| (from..to).contains(number))
            .map(|(_, message)| message)
    }

    /// How far a player at `number` is behind: in bytes of wire form and in media time.
    pub(super) fn lag(&self, number: u64) -> (u64, Duration) {
        let (Some(entry), Some(last)) = (self.get(number), self.entries.back()) else {
            return (0, Duration::ZERO);
        };
        (
            self.end_offset - entry.offset,
            distance(entry.message.timestamp, last.message.timestamp),
        )
    }

    /// Takes a message of the publisher. `has_players` says whether someone may be behind.
    pub(super) fn push(&mut self, message: &MediaMessage, config: &RelayConfig, has_players: bool) {
        let Some(message) = self.prepare(message) else {
            return;
        };
        let number = self.end();
        self.keep_configuration(&message, number, config);
        let Ok(framed) = FramedMessage::new(&message.to_raw(SHARED_STREAM), config.chunk_size) else {
            // Longer than a message can be; no chunk decoder yields such a one.
            return;
        };
        let is_keyframe = message.is_keyframe();
        let is_configuration = message.configurations().next().is_some();
        if config.gop_cache && message.is_keyframe_of(0) {
            self.gop_start = Some(number);
        }
        let offset = self.end_offset;
        self.end_offset += framed.wire().len() as u64;
        // The payload inside the wire form, so that the copy out of the read buffer can go.
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
            if message.payload.len() > config.max_configuration_len {
                continue;
            }
            let payload = Bytes::clone(&message.payload);
            let kept = MediaMessage { payload, ..*message };
            let before = self.configurations.insert(configuration, (number, kept));
            let changed = before.is_some_and(|(_, before)| before.payload != message.payload);
            if changed && matches!(configuration, Configuration::VideoSequenceHeader { .. }) {
                // The pictures so far need the old header, and a joiner would get the new one.
                self.gop_start = None;
            }
        }
    }

    /// Drops what nobody needs any more.
    fn trim(&mut self, config: &RelayConfig, has_players: bool) {
        if let Some(start) = self.gop_start {
            let (len, time) = self.lag(start);
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
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.start = self.first;
        self.entries.clear();
        self.gop_start = None;
        self.configurations.clear();
    }
}

/// The time from one timestamp to another; a step back counts as none.
fn distance(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.signed_millis_since(from)).unwrap_or(0))
}
