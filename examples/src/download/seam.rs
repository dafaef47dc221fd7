//! Where what a server plays joins on to a file.

use std::collections::VecDeque;
use std::time::Duration;

use rtmp_core::flv::Metadata;
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use super::tail::{Known, Tail, digest};

/// Servers round the times of MP4 files from each position they begin at.
const ROUNDING: i64 = 1;
/// A server may begin so many keyframes in front of the position that it was asked for.
const MAX_EARLIER_KEYFRAMES: usize = 2;
/// Audio and video do not stand in the order of time, but nearly; in milliseconds.
const INTERLEAVING: i64 = 1000;

/// Why what a server plays does not join on to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeamError {
    /// It plays something else.
    #[error("the server has another recording than this one at {:.3} s", at.as_secs_f64())]
    Differs {
        /// Where, on the clock of the file.
        at: Duration,
    },
    /// It leaves out something that is in the file.
    #[error("the server does not play what the file has at {:.3} s", at.as_secs_f64())]
    Gap {
        /// Where, on the clock of the file.
        at: Duration,
    },
    /// It ends before the file.
    #[error("the server's recording ends before {:.3} s, which is in the file", at.as_secs_f64())]
    Shorter {
        /// The first message that it does not have, on the clock of the file.
        at: Duration,
    },
}

/// Where a message belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is in the file, or stands before what was compared.
    InFile,
    /// Behind the end of the file, at this time.
    Behind(MediaMessage),
}

/// Compares what a server plays with the end of a file.
#[derive(Debug)]
pub(super) struct Seam {
    tail: Tail,
    /// What is added to the server's times.
    offset: Option<i64>,
    /// How long the server's recording is, in milliseconds, if it says so.
    duration: Option<i64>,
    earlier_keyframes: usize,
    begins_with_the_file: bool,
    audio: Track,
    video: Track,
    /// Metadata, text and commands.
    others: VecDeque<Known>,
}

/// What of a kind is still to come before something new does.
#[derive(Debug, Default)]
struct Track {
    awaited: VecDeque<Known>,
    has_begun: bool,
}

impl Seam {
    pub(super) fn new(tail: Tail) -> Self {
        let all = |is_wanted: &dyn Fn(&&Known) -> bool| -> VecDeque<_> {
            tail.messages.iter().filter(is_wanted).copied().collect()
        };
        let track = |kind| Track {
            awaited: all(&|known| known.is_frame && known.kind == kind),
            has_begun: false,
        };
        Self {
            offset: None,
            duration: None,
            earlier_keyframes: 0,
            begins_with_the_file: false,
            audio: track(MediaKind::Audio),
            video: track(MediaKind::Video),
            others: all(&|known| !known.is_frame),
            tail,
        }
    }

    /// Takes the next message of the server.
    pub(super) fn place(&mut self, message: &MediaMessage) -> Result<Place, SeamError> {
        let Some(offset) = self.offset else {
            self.align(message)?;
            return match self.offset {
                Some(_) => self.place(message),
                None => Ok(Place::InFile),
            };
        };
        let known = Known {
            at: i64::from(message.timestamp.as_millis()) + offset,
            ..Known::of(message)
        };
        if message.is_sequence_header() {
            return Ok(self.place_header(message, known.at));
        }
        let is_new = match message.kind {
            MediaKind::Audio if known.is_frame => self.audio.takes(known)? && self.video.is_through(known)?,
            MediaKind::Video if known.is_frame => self.video.takes(known)? && self.audio.is_through(known)?,
            _ => self.takes_other(known),
        };
        Ok(if is_new {
            behind(message, known.at)
        } else {
            Place::InFile
        })
    }

    /// The server has ended well.
    pub(super) fn end(&self) -> Result<(), SeamError> {
        let awaited = [self.video.awaited.front(), self.audio.awaited.front()];
        match awaited.into_iter().flatten().map(|known| known.at).min() {
            Some(at) => Err(SeamError::Shorter { at: time(at) }),
            None => Ok(()),
        }
    }

    /// Finds out where in the file the server begins.
    fn align(&mut self, message: &MediaMessage) -> Result<(), SeamError> {
        if message.kind.is_data()
            && let Ok(metadata) = Metadata::parse(&message.payload)
        {
            self.duration = metadata.duration().map(millis);
        }
        let can_begin = if self.tail.has_video {
            message.kind == MediaKind::Video && message.is_keyframe()
        } else {
            message.kind == MediaKind::Audio
        };
        if !can_begin || !message.is_coded_frames() {
            return Ok(());
        }
        let (found, at) = (digest(message), i64::from(message.timestamp.as_millis()));
        let start = self.tail.start().map_or(0, millis);
        let same = |known: &&Known| known.kind == message.kind && known.digest == found;
        let is_at = |time: i64| {
            let mut same = self.tail.messages.iter().filter(same);
            same.find(|known| (known.at - time).abs() <= ROUNDING)
        };
        // Most servers count from the position they were asked for, some go on counting from the beginning. Where a
        // picture stands still there are many frames alike, and only the time tells them apart.
        let expected = is_at(start + at).or_else(|| is_at(at));
        let place = expected.or_else(|| self.tail.messages.iter().find(same));
        if let Some(known) = place {
            let end = self.tail.messages.back().map_or(0, |last| last.at);
            // It may have nothing at the position it was asked for.
            if expected.is_none() && self.duration.is_some_and(|duration| duration < end) {
                return Err(SeamError::Shorter { at: time(end) });
            }
            self.offset = Some(known.at - at);
            return Ok(());
        }
        self.begins_with_the_file |= self.earlier_keyframes == 0
            && self
                .tail
                .first
                .is_some_and(|first| first.digest == found && first.kind == message.kind);
        self.earlier_keyframes += 1;
        if self.begins_with_the_file && at <= start || self.earlier_keyframes <= MAX_EARLIER_KEYFRAMES {
            return Ok(());
        }
        Err(SeamError::Differs { at: time(start) })
    }

    /// Headers come again wherever playback begins. One behind the end of the file that is another counts.
    fn place_header(&mut self, message: &MediaMessage, at: i64) -> Place {
        let track = match message.kind {
            MediaKind::Video => &self.video,
            _ => &self.audio,
        };
        let is_behind = track.has_begun && track.awaited.is_empty();
        let found = digest(message);
        let newest = self.tail.header(message.kind);
        if is_behind && newest.replace(found) != Some(found) {
            behind(message, at)
        } else {
            Place::InFile
        }
    }

    /// Whether metadata, text or a video command are new: behind the last frame of the file, unless they are in it.
    fn takes_other(&mut self, known: Known) -> bool {
        if let Some(place) = self.others.iter().position(|other| other.digest == known.digest) {
            self.others.drain(..=place);
            return false;
        }
        let is_through = |track: &Track| track.awaited.is_empty();
        is_through(&self.video) && is_through(&self.audio) && (self.video.has_begun || self.audio.has_begun)
    }
}

impl Track {
    /// Whether nothing of this kind is missing before a frame of the other that is new. A little may still come.
    fn is_through(&self, new: Known) -> Result<bool, SeamError> {
        match self.awaited.front() {
            Some(front) if front.at + INTERLEAVING < new.at => Err(SeamError::Gap { at: time(front.at) }),
            _ => Ok(true),
        }
    }

    /// Whether the next frame is new.
    fn takes(&mut self, known: Known) -> Result<bool, SeamError> {
        if !self.has_begun {
            let last = self.awaited.back().copied();
            while self
                .awaited
                .front()
                .is_some_and(|front| front.at + ROUNDING < known.at)
            {
                self.awaited.pop_front();
            }
            match (self.awaited.front(), last) {
                (None, Some(last)) => return Err(SeamError::Gap { at: time(last.at) }),
                (Some(front), _) if known.at + ROUNDING < front.at => return Ok(false),
                _ => self.has_begun = true,
            }
        }
        match self.awaited.pop_front() {
            None => Ok(true),
            Some(front) if front.digest == known.digest && (front.at - known.at).abs() <= ROUNDING => {
                Ok(false)
            }
            Some(front) => Err(SeamError::Differs { at: time(front.at) }),
        }
    }
}

fn behind(message: &MediaMessage, at: i64) -> Place {
    Place::Behind(MediaMessage {
        // Wraps after 49.7 days, as the format does.
        timestamp: Timestamp::from_millis(at as u32),
        ..message.clone()
    })
}

fn time(millis: i64) -> Duration {
    Duration::from_millis(millis.max(0).unsigned_abs())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: MediaKind, millis: u32, number: u32) -> MediaMessage {
        let start: &[u8] = match (kind, number % 5) {
            (MediaKind::Audio, _) => b"\xAF\x01",
            (_, 0) => b"\x17\x01\0\0\0",
            _ => b"\x27\x01\0\0\0",
        };
        MediaMessage {
            kind,
            timestamp: Timestamp::from_millis(millis),
            payload: [start, &number.to_be_bytes()].concat().into(),
        }
    }

    /// Ten frames of video and audio a second, two keyframes.
    fn film(count: u32) -> Vec<MediaMessage> {
        let pair = |n| {
            [
                at(MediaKind::Video, n * 100, n),
                at(MediaKind::Audio, n * 100 + 50, n),
            ]
        };
        (0..count).flat_map(pair).collect()
    }

    fn seam(file: &[MediaMessage]) -> Seam {
        let mut tail = Tail::default();
        file.iter().for_each(|message| tail.note(message));
        Seam::new(tail)
    }

    /// What the server plays from a message on, counting from it.
    fn from(film: &[MediaMessage], first: usize) -> Vec<MediaMessage> {
        let base = film[first].timestamp.as_millis();
        let moved = |message: &MediaMessage| MediaMessage {
            timestamp: Timestamp::from_millis(message.timestamp.as_millis().wrapping_sub(base)),
            ..message.clone()
        };
        film[first..].iter().map(moved).collect()
    }

    fn joined(seam: &mut Seam, played: &[MediaMessage]) -> Result<Vec<MediaMessage>, SeamError> {
        let mut new = Vec::new();
        for message in played {
            if let Place::Behind(message) = seam.place(message)? {
                new.push(message);
            }
        }
        seam.end().map(|()| new)
    }

    #[test]
    fn wherever_the_file_was_cut_and_the_server_begins_the_rest_is_what_is_missing() {
        let film = film(60);
        for cut in 1..film.len() {
            let start = seam(&film[..cut]).tail.start().unwrap();
            let place = start.as_millis() as usize / 100 * 2;
            let keyframe_before = place.saturating_sub(10);
            let keyframe_behind = if start.is_zero() { 0 } else { place + 10 };
            for first in [place, keyframe_before, keyframe_behind] {
                let new = joined(&mut seam(&film[..cut]), &from(&film, first));
                assert_eq!(new.as_deref(), Ok(&film[cut..]), "cut {cut}, from {first}");
            }
            // A server that does not know where its keyframes are.
            assert_eq!(
                joined(&mut seam(&film[..cut]), &film).as_deref(),
                Ok(&film[cut..])
            );
        }
    }

    #[test]
    fn another_recording_is_noticed_before_anything_is_new() {
        let film = film(60);
        let other = |from: usize| -> Vec<_> {
            let mut other = film.clone();
            for message in &mut other[from..] {
                message.payload = [&message.payload[..], b"!"].concat().into();
            }
            other
        };
        let file = &film[..81];
        let begin = seam(file).tail.start().unwrap();
        assert_eq!(begin.as_millis(), 3000);
        for changed in [0, 60, 70, 80] {
            let error = joined(&mut seam(file), &from(&other(changed), 60)).unwrap_err();
            assert!(matches!(error, SeamError::Differs { .. }), "{changed}: {error}");
        }
        assert_eq!(
            joined(&mut seam(file), &from(&other(81), 60)).map(|new| new.len()),
            Ok(39)
        );
    }

    #[test]
    fn a_recording_that_ends_before_the_file_or_begins_behind_it_is_an_error() {
        let film = film(60);
        let shorter = joined(&mut seam(&film[..81]), &from(&film[..75], 60));
        assert_eq!(shorter, Err(SeamError::Shorter { at: time(3750) }));
        let (mut seam, mut late) = (seam(&film[..81]), from(&film, 60));
        late.retain(|message| message.kind == MediaKind::Video);
        assert_eq!(joined(&mut seam, &late), Err(SeamError::Gap { at: time(3050) }));
        let (mut seam, mut late) = (self::seam(&film[..81]), from(&film, 60));
        late.retain(|message| message.kind == MediaKind::Video || message.timestamp.as_millis() > 1000);
        assert_eq!(joined(&mut seam, &late), Err(SeamError::Gap { at: time(3950) }));
    }

    /// All frames are alike, as those of a black picture are.
    #[test]
    fn where_nothing_moves_the_times_decide() {
        let mut film = film(60);
        for message in &mut film {
            let len = message.payload.len() - 4;
            message.payload.truncate(len);
        }
        let file = &film[..95];
        let start = seam(file).tail.start().unwrap().as_millis() as usize / 50;
        assert_eq!(
            joined(&mut seam(file), &from(&film, start)).as_deref(),
            Ok(&film[95..])
        );
    }

    #[test]
    fn a_header_counts_only_behind_the_end_and_only_if_it_is_new() {
        let film = film(20);
        let header = |millis, number: u8| {
            MediaMessage::video(Timestamp::from_millis(millis), vec![0x17, 0, 0, 0, 0, number])
        };
        let file = [&[header(0, 1)], &film[..20]].concat();
        let played = [
            &[header(0, 1)],
            &film[..20],
            &[header(1000, 1), header(1000, 2)],
            &film[20..],
        ]
        .concat();
        let expected = [&[header(1000, 2)], &film[20..]].concat();
        assert_eq!(joined(&mut seam(&file), &played), Ok(expected));
    }
}
