//! Whether players get the file that is published, byte for byte.

use std::sync::Arc;

use bytes::Bytes;
use rtmp_core::MediaKind;

use super::clip::Clip;

/// What a player of a looped file may get.
#[derive(Debug)]
pub(super) struct Reference {
    audio: Vec<Bytes>,
    video: Vec<Bytes>,
    configurations: Vec<Bytes>,
}

impl Reference {
    /// The frames and sequence headers of a file. Metadata are not compared: servers add to them.
    #[must_use]
    pub(super) fn new(clip: &Clip) -> Arc<Self> {
        let frames = |kind| {
            let of_kind = clip.messages().iter().filter(move |message| message.kind == kind);
            of_kind
                .filter(|message| message.is_coded_frames())
                .map(|message| message.payload.clone())
                .collect()
        };
        let headers = clip
            .messages()
            .iter()
            .filter(|message| message.is_sequence_header());
        Arc::new(Self {
            audio: frames(MediaKind::Audio),
            video: frames(MediaKind::Video),
            configurations: headers.map(|message| message.payload.clone()).collect(),
        })
    }
}

/// Follows one player through the file, from wherever it joined.
#[derive(Debug)]
pub(super) struct Comparison {
    reference: Arc<Reference>,
    audio: Places,
    video: Places,
}

/// Where in the file a player may be: frames that are alike leave several places open for a while.
#[derive(Debug, Default)]
struct Places(Vec<usize>);

impl Comparison {
    /// A player that has not joined yet.
    #[must_use]
    pub(super) fn new(reference: Arc<Reference>) -> Self {
        Self {
            reference,
            audio: Places::default(),
            video: Places::default(),
        }
    }

    /// Whether this can be the next frame. After one that can not, the comparison goes on from where the file has
    /// that frame.
    pub(super) fn frame_matches(&mut self, kind: MediaKind, payload: &Bytes) -> bool {
        match kind {
            MediaKind::Audio => self.audio.advance(&self.reference.audio, payload),
            MediaKind::Video => self.video.advance(&self.reference.video, payload),
            MediaKind::Data | MediaKind::Amf3Data => true,
        }
    }

    /// Whether the file has this sequence header.
    #[must_use]
    pub(super) fn has_configuration(&self, payload: &Bytes) -> bool {
        self.reference.configurations.contains(payload)
    }
}

impl Places {
    fn advance(&mut self, frames: &[Bytes], payload: &Bytes) -> bool {
        let follow = |place: usize| {
            let next = if place + 1 < frames.len() { place + 1 } else { 0 };
            (frames.get(next) == Some(payload)).then_some(next)
        };
        let is_first = self.0.is_empty();
        let places: Vec<usize> = self.0.iter().filter_map(|&place| follow(place)).collect();
        let follows = !places.is_empty();
        self.0 = if follows {
            places
        } else {
            frames
                .iter()
                .enumerate()
                .filter(|(_, frame)| *frame == payload)
                .map(|(place, _)| place)
                .collect()
        };
        follows || (is_first && !self.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(video: &[&'static [u8]]) -> Comparison {
        let frames = |list: &[&'static [u8]]| list.iter().map(|frame| Bytes::from_static(frame)).collect();
        let reference = Reference {
            audio: Vec::new(),
            video: frames(video),
            configurations: frames(&[b"header"]),
        };
        Comparison::new(Arc::new(reference))
    }

    fn results<const N: usize>(comparison: &mut Comparison, frames: [&'static str; N]) -> [bool; N] {
        frames.map(|frame| comparison.frame_matches(MediaKind::Video, &Bytes::from_static(frame.as_bytes())))
    }

    #[test]
    fn a_player_may_join_anywhere_and_stay_for_rounds() {
        let mut comparison = comparison(&[b"a", b"b", b"c"]);
        assert_eq!(
            results(&mut comparison, ["b", "c", "a", "b", "c", "a"]),
            [true; 6]
        );
        assert!(comparison.has_configuration(&Bytes::from_static(b"header")));
        assert!(!comparison.has_configuration(&Bytes::from_static(b"other")));
    }

    #[test]
    fn a_lost_frame_is_one_difference() {
        let mut comparison = comparison(&[b"a", b"b", b"c", b"d"]);
        assert_eq!(
            results(&mut comparison, ["a", "c", "d", "a"]),
            [true, false, true, true]
        );
    }

    #[test]
    fn frames_that_are_alike_do_not_mislead() {
        let mut comparison = comparison(&[b"x", b"x", b"a", b"x", b"b"]);
        assert_eq!(results(&mut comparison, ["x", "b", "x", "x", "a"]), [true; 5]);
        assert_eq!(results(&mut comparison, ["x", "x"]), [true, false]);
    }

    #[test]
    fn a_frame_that_the_file_does_not_have_is_a_difference_also_at_first() {
        let mut comparison = comparison(&[b"a", b"b"]);
        assert_eq!(
            results(&mut comparison, ["changed", "a", "b"]),
            [false, true, true]
        );
    }
}
