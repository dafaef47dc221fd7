//! What a publisher has to send over a new connection before it goes on, and what it may not send.

use rtmp_core::flv::Configuration;
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

/// How much audio, in milliseconds, waits for a keyframe that does not come.
const MAX_KEYFRAME_WAIT: i32 = 10_000;

/// The configuration of a stream as far as it was published, and whether the server can follow it.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    /// In the order they came, each with the parts that no later message replaces.
    configuration: Vec<(Vec<Configuration>, MediaMessage)>,
    has_video: bool,
    /// The track whose keyframes begin the groups of pictures.
    lead_track: Option<u8>,
    flow: Flow,
}

/// ```text
/// everything --interrupted--> nothing --keyframe--> everything
///                                \--no video, or no keyframe for long--> no video --keyframe--> everything
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum Flow {
    #[default]
    Everything,
    /// Since the first message that waits.
    Nothing(Option<Timestamp>),
    NoVideo,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Send,
    /// Send the configuration, and then the message.
    Resume,
    /// It is configuration, which is sent before the stream resumes.
    Keep,
    Drop,
}

impl Continuity {
    /// The server knows nothing of the stream any more.
    pub(super) fn interrupt(&mut self) {
        self.flow = Flow::Nothing(None);
    }

    /// Whether the stream could go over to another connection with this message.
    pub(super) fn may_begin_with(&self, message: &MediaMessage) -> bool {
        if message.configurations().next().is_some() {
            false
        } else if self.has_video {
            message.is_keyframe_of(self.lead_track.unwrap_or(0))
        } else {
            message.kind != MediaKind::Video || message.is_keyframe()
        }
    }

    /// Says what to do with the publisher's next message while there is a connection.
    pub(super) fn admit(&mut self, message: &MediaMessage) -> Admission {
        let is_configuration = self.note(message);
        match self.flow {
            Flow::Everything => Admission::Send,
            Flow::Nothing(_) if is_configuration => Admission::Keep,
            Flow::Nothing(_) if self.may_begin_with(message) => {
                self.flow = match message.kind {
                    MediaKind::Video => Flow::Everything,
                    // Should video come yet, it begins with a keyframe.
                    _ => Flow::NoVideo,
                };
                Admission::Resume
            }
            Flow::Nothing(since) => {
                let since = since.unwrap_or(message.timestamp);
                let has_waited = message.timestamp.signed_millis_since(since) >= MAX_KEYFRAME_WAIT;
                if has_waited && message.kind == MediaKind::Audio {
                    self.flow = Flow::NoVideo;
                    return Admission::Resume;
                }
                self.flow = Flow::Nothing(Some(since));
                Admission::Drop
            }
            Flow::NoVideo if message.kind != MediaKind::Video || is_configuration => Admission::Send,
            Flow::NoVideo if self.may_begin_with(message) => {
                self.flow = Flow::Everything;
                Admission::Send
            }
            Flow::NoVideo => Admission::Drop,
        }
    }

    /// Says what to do with the publisher's next message while there is no connection.
    pub(super) fn miss(&mut self, message: &MediaMessage) -> Admission {
        match self.note(message) {
            true => Admission::Keep,
            false => Admission::Drop,
        }
    }

    /// What the server has to know before the message with this time: metadata, then what came first.
    pub(super) fn configuration_at(&self, timestamp: Timestamp) -> impl Iterator<Item = MediaMessage> {
        let of_kind = move |is_data: bool| {
            let messages = self.configuration.iter().map(|(_, message)| message);
            messages.filter(move |message| message.kind.is_data() == is_data)
        };
        of_kind(true)
            .chain(of_kind(false))
            .map(move |message| MediaMessage {
                timestamp,
                ..message.clone()
            })
    }

    /// Remembers the message if it is configuration, and says whether it is.
    fn note(&mut self, message: &MediaMessage) -> bool {
        self.has_video |= message.kind == MediaKind::Video;
        let parts: Vec<_> = message.configurations().collect();
        if parts.is_empty() {
            return false;
        }
        for part in &parts {
            if let Configuration::VideoSequenceHeader { track } = part {
                self.lead_track = Some(self.lead_track.map_or(*track, |lead| lead.min(*track)));
            }
        }
        self.configuration.retain_mut(|(earlier, _)| {
            earlier.retain(|part| !parts.contains(part));
            !earlier.is_empty()
        });
        self.configuration.push((parts, message.clone()));
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn video(at: u32, body: &'static [u8]) -> MediaMessage {
        MediaMessage::video(Timestamp::from_millis(at), body)
    }

    fn audio(at: u32) -> MediaMessage {
        MediaMessage::audio(Timestamp::from_millis(at), &b"\xAF\x01\x21"[..])
    }

    const KEYFRAME: &[u8] = b"\x17\x01\0\0\0\x65";
    const FRAME: &[u8] = b"\x27\x01\0\0\0\x41";
    const HEADER: &[u8] = b"\x17\0\0\0\0\x01";
    const AUDIO_HEADER: &[u8] = b"\xAF\0\x12\x10";
    const METADATA: &[u8] = b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09";

    fn payloads(continuity: &Continuity) -> Vec<MediaMessage> {
        continuity.configuration_at(Timestamp::from_millis(7)).collect()
    }

    #[test]
    fn a_stream_with_video_resumes_at_a_keyframe() {
        let mut continuity = Continuity::default();
        assert_eq!(continuity.admit(&video(0, HEADER)), Admission::Send);
        assert_eq!(continuity.admit(&video(0, FRAME)), Admission::Send);
        continuity.interrupt();
        assert_eq!(continuity.admit(&video(40, FRAME)), Admission::Drop);
        assert_eq!(continuity.admit(&audio(41)), Admission::Drop);
        assert_eq!(continuity.admit(&video(80, HEADER)), Admission::Keep);
        assert_eq!(continuity.admit(&video(80, KEYFRAME)), Admission::Resume);
        assert_eq!(continuity.admit(&audio(81)), Admission::Send);
    }

    #[test]
    fn a_stream_without_video_resumes_at_once() {
        let mut continuity = Continuity::default();
        continuity.admit(&audio(0));
        continuity.interrupt();
        assert_eq!(continuity.admit(&audio(20)), Admission::Resume);
        assert_eq!(continuity.admit(&audio(40)), Admission::Send);
    }

    #[test]
    fn audio_goes_on_alone_when_no_keyframe_comes() {
        let mut continuity = Continuity::default();
        continuity.admit(&video(0, KEYFRAME));
        continuity.interrupt();
        assert_eq!(continuity.admit(&audio(1000)), Admission::Drop);
        assert_eq!(continuity.admit(&audio(10_999)), Admission::Drop);
        assert_eq!(continuity.admit(&video(11_000, FRAME)), Admission::Drop);
        assert_eq!(continuity.admit(&audio(11_000)), Admission::Resume);
        assert_eq!(continuity.admit(&video(11_040, FRAME)), Admission::Drop);
        assert_eq!(continuity.admit(&audio(11_041)), Admission::Send);
        assert_eq!(continuity.admit(&video(11_080, KEYFRAME)), Admission::Send);
        assert_eq!(continuity.admit(&video(11_120, FRAME)), Admission::Send);
    }

    #[test]
    fn the_last_configuration_of_each_track_is_sent_with_metadata_first() {
        let mut continuity = Continuity::default();
        let messages = [
            video(0, HEADER),
            MediaMessage::audio(Timestamp::ZERO, AUDIO_HEADER),
            MediaMessage::data(Timestamp::ZERO, METADATA),
            video(0, b"\x96\x20avc1\x00\0\0\x01\x01av01\x02\0\0\x01\x81"),
            video(0, b"\x17\0\0\0\0\x02"),
        ];
        for message in &messages {
            continuity.admit(message);
        }
        // The first header of track 0 is replaced; the message of both tracks still has that of track 2.
        let expected = [&messages[2], &messages[1], &messages[3], &messages[4]];
        let sent = payloads(&continuity);
        assert_eq!(
            sent.iter().map(|message| &message.payload).collect::<Vec<_>>(),
            expected.map(|message| &message.payload)
        );
        assert!(sent.iter().all(|message| message.timestamp.as_millis() == 7));
    }

    #[test]
    fn configuration_that_comes_in_an_outage_is_not_missed() {
        let mut continuity = Continuity::default();
        assert_eq!(continuity.miss(&video(0, HEADER)), Admission::Keep);
        assert_eq!(continuity.miss(&video(0, KEYFRAME)), Admission::Drop);
        assert_eq!(payloads(&continuity).len(), 1);
    }

    proptest! {
        /// What a server gets over each connection can be decoded from its first frame on.
        #[test]
        fn no_connection_has_video_before_a_keyframe(steps in prop::collection::vec((0..6_usize, 0..2000_u32), 0..200)) {
            let mut continuity = Continuity::default();
            let (mut at, mut is_new, mut has_keyframe, mut has_video) = (0, false, true, false);
            for (kind, step) in steps {
                at += step;
                let message = match kind {
                    0 => video(at, KEYFRAME),
                    1 | 2 => video(at, FRAME),
                    3 => audio(at),
                    4 => video(at, HEADER),
                    _ => {
                        continuity.interrupt();
                        (is_new, has_keyframe) = (true, false);
                        continue;
                    }
                };
                has_video |= message.kind == MediaKind::Video;
                match continuity.admit(&message) {
                    Admission::Send => prop_assert!(!is_new),
                    Admission::Resume => {
                        prop_assert!(is_new);
                        is_new = false;
                    }
                    Admission::Keep => {
                        prop_assert!(kind == 4 && is_new);
                        continue;
                    }
                    Admission::Drop => {
                        prop_assert!(has_video && !message.is_keyframe() && kind != 4);
                        continue;
                    }
                }
                has_keyframe |= message.is_keyframe();
                prop_assert!(has_keyframe || message.kind == MediaKind::Audio || kind == 4);
            }
        }
    }

    #[test]
    fn a_keyframe_of_another_track_begins_nothing() {
        let mut continuity = Continuity::default();
        continuity.admit(&video(0, HEADER));
        continuity.interrupt();
        assert_eq!(
            continuity.admit(&video(1, b"\x96\x01av01\x01\x0A")),
            Admission::Drop
        );
        assert_eq!(continuity.admit(&video(1, KEYFRAME)), Admission::Resume);
    }
}
