//! The end of a file, as far as it takes to tell whether a recording goes on with it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rtmp_core::{MediaKind, MediaMessage};

/// So many groups of pictures are compared, because a server may begin a group later or earlier than it was asked to.
const GROUPS: usize = 3;
/// The same without video, in milliseconds.
const AUDIO_MILLIS: i64 = 10_000;

/// The last messages of a file.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) messages: VecDeque<Known>,
    /// The first keyframe of the file, or its first frame if it has no video.
    pub(super) first: Option<Known>,
    /// The newest header of each kind.
    pub(super) audio_header: Option<u64>,
    pub(super) video_header: Option<u64>,
    pub(super) has_video: bool,
    keyframes: usize,
}

/// A message of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) kind: MediaKind,
    /// Milliseconds on the clock of the file.
    pub(super) at: i64,
    pub(super) digest: u64,
    /// Not metadata, text or a command.
    pub(super) is_frame: bool,
    pub(super) is_keyframe: bool,
}

impl Known {
    pub(super) fn of(message: &MediaMessage) -> Self {
        Self {
            kind: message.kind,
            at: message.timestamp.as_millis().into(),
            digest: digest(message),
            is_frame: message.is_coded_frames(),
            is_keyframe: message.kind == MediaKind::Video && message.is_keyframe(),
        }
    }
}

impl Tail {
    /// Takes the next message of the file.
    pub(super) fn note(&mut self, message: &MediaMessage) {
        if message.is_sequence_header() {
            *self.header(message.kind) = Some(digest(message));
            return;
        }
        if !message.is_coded_frames() {
            // Metadata in front of everything are written anew by who records.
            if self.first.is_some() {
                self.messages.push_back(Known::of(message));
            }
            return;
        }
        let known = Known::of(message);
        if known.is_keyframe && !self.has_video {
            self.has_video = true;
            self.first = Some(known);
        }
        self.first.get_or_insert(known);
        self.keyframes += usize::from(known.is_keyframe);
        self.messages.push_back(known);
        while self.is_too_long(known.at) {
            let dropped = self.messages.pop_front();
            self.keyframes -= usize::from(dropped.is_some_and(|dropped| dropped.is_keyframe));
        }
    }

    pub(super) fn header(&mut self, kind: MediaKind) -> &mut Option<u64> {
        match kind {
            MediaKind::Video => &mut self.video_header,
            _ => &mut self.audio_header,
        }
    }

    fn is_too_long(&self, now: i64) -> bool {
        let Some(front) = self.messages.front() else {
            return false;
        };
        if self.has_video {
            self.keyframes > GROUPS || (self.keyframes == GROUPS && !front.is_keyframe)
        } else {
            now - front.at > AUDIO_MILLIS
        }
    }

    /// The time of the first message at which playback can begin. `None` if there is none.
    pub(super) fn start(&self) -> Option<Duration> {
        let can_begin = |known: &&Known| known.is_keyframe || !self.has_video;
        let begin = self.messages.iter().find(can_begin)?;
        let is_all = self.keyframes < GROUPS && self.has_video;
        Some(if is_all {
            Duration::ZERO
        } else {
            Duration::from_millis(begin.at.max(0).unsigned_abs())
        })
    }
}

/// Tells payloads apart: two that differ have the same digest once in 2^64 times.
pub(super) fn digest(message: &MediaMessage) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.payload.hash(&mut hasher);
    hasher.finish()
}
