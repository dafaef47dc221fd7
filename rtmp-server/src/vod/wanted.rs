//! Which kinds of media a player wants.

use rtmp_core::MediaMessage;
use rtmp_core::message::MediaKind;

#[derive(Debug)]
pub(super) struct Wanted {
    audio: bool,
    video: bool,
    /// Video was not wanted, and is of no use up to the next keyframe.
    awaits_keyframe: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            audio: true,
            video: true,
            awaits_keyframe: false,
        }
    }
}

impl Wanted {
    pub(super) fn set(&mut self, kind: MediaKind, wanted: bool) {
        match kind {
            MediaKind::Audio => self.audio = wanted,
            MediaKind::Video => {
                self.awaits_keyframe |= !wanted;
                self.video = wanted;
            }
            MediaKind::Data | MediaKind::Amf3Data => {}
        }
    }

    /// Whether the player wants a message. Headers always: it may want frames later.
    pub(super) fn is(&mut self, message: &MediaMessage) -> bool {
        if !message.is_coded_frames() {
            return true;
        }
        match message.kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => {
                self.awaits_keyframe &= !(self.video && message.is_keyframe());
                self.video && !self.awaits_keyframe
            }
            MediaKind::Data | MediaKind::Amf3Data => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use rtmp_core::Timestamp;

    use super::*;

    fn video(payload: &'static [u8]) -> MediaMessage {
        MediaMessage::video(Timestamp::ZERO, payload)
    }

    #[test]
    fn video_that_is_wanted_again_begins_with_a_keyframe_and_headers_always_pass() {
        let (header, key, inter) = (
            video(b"\x17\0\0\0\0\x01\x02\x03\x04"),
            video(b"\x17\x01\0\0\0\x65"),
            video(b"\x27\x01\0\0\0\x41"),
        );
        let mut wanted = Wanted::default();
        assert!(wanted.is(&inter));
        wanted.set(MediaKind::Video, false);
        assert!(wanted.is(&header) && !wanted.is(&key) && !wanted.is(&inter));
        wanted.set(MediaKind::Video, true);
        assert!(wanted.is(&header) && !wanted.is(&inter));
        assert!(wanted.is(&key) && wanted.is(&inter));
    }
}
