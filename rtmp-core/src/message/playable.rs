//! What a player has said that it can play (RTMP 1.0 section 7.2.1.1; Enhanced RTMP v2, "Enhancing NetConnection connect
//! Command").

use rtmp_amf::amf0::Value;

use super::{Capabilities, ConnectRequest, Extensions};
use crate::flv::{AudioCodec, AudioHeader, FourCc, MultitrackType, VideoCodec, VideoHeader};
use crate::{MediaKind, MediaMessage};

/// What a player can play by its own word: [`ConnectRequest::playable`].
///
/// Codecs of the old form are in the masks `videoCodecs` and `audioCodecs`, those with a FourCC, packets of several
/// tracks and ModEx packets in its [`Capabilities`]. Where it says nothing it can play everything, because most players
/// say less than they can: many that play HEVC or Opus have never heard of the properties that announce them.
///
/// ```
/// use rtmp_core::flv::{FourCc, VideoCodec};
/// use rtmp_core::message::{Capabilities, CodecAbilities, ConnectRequest};
///
/// let abilities = Capabilities::default().video(FourCc::HVC1, CodecAbilities::DECODE);
/// let player = ConnectRequest::default().capabilities(&abilities).playable();
/// assert!(player.plays_video(VideoCodec::Avc) && player.plays_video(VideoCodec::Hevc));
/// assert!(!player.plays_video(VideoCodec::Av1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playable {
    video_mask: Option<u32>,
    audio_mask: Option<u32>,
    /// `None` if it says nothing of Enhanced RTMP.
    capabilities: Option<Capabilities>,
}

impl ConnectRequest {
    /// What the client can play by its own word.
    #[must_use]
    pub fn playable(&self) -> Playable {
        let mask = |key| self.get(key).and_then(Value::to_u32).filter(|&mask| mask != 0);
        let capabilities = self.read_capabilities();
        Playable {
            video_mask: mask("videoCodecs"),
            audio_mask: mask("audioCodecs"),
            capabilities: (!capabilities.is_silent()).then_some(capabilities),
        }
    }
}

impl Playable {
    /// Whether the player can play this video codec, in the old form or with its FourCC.
    #[must_use]
    pub fn plays_video(&self, codec: VideoCodec) -> bool {
        let number = (0..=15).find(|&number| VideoCodec::from_legacy(number) == codec);
        let in_mask = number
            .and_then(video_bit)
            .map(|bit| has_bit(self.video_mask, bit));
        self.plays_codec(in_mask, codec.four_cc(), Capabilities::can_take_video)
    }

    /// Whether the player can play this audio codec, in the old form or with its FourCC.
    #[must_use]
    pub fn plays_audio(&self, codec: AudioCodec) -> bool {
        let number = (0..=15).find(|&number| AudioCodec::from_legacy(number) == codec);
        let in_mask = number
            .and_then(audio_bit)
            .map(|bit| has_bit(self.audio_mask, bit));
        self.plays_codec(in_mask, codec.four_cc(), Capabilities::can_take_audio)
    }

    /// A codec of both forms has to be in the mask or named; silence on the second does not count then.
    fn plays_codec(
        &self,
        in_mask: Option<bool>,
        four_cc: Option<FourCc>,
        can_take: fn(&Capabilities, FourCc) -> bool,
    ) -> bool {
        let named = four_cc.and_then(|four_cc| Some(can_take(self.capabilities.as_ref()?, four_cc)));
        match in_mask {
            Some(in_mask) => in_mask || named == Some(true),
            None => named.unwrap_or(true),
        }
    }

    /// Whether the player can play everything in this message, in the form that it has. Data and what can not be
    /// parsed pass.
    #[must_use]
    pub fn plays(&self, message: &MediaMessage) -> bool {
        match message.kind {
            MediaKind::Video => self.plays_video_body(&message.payload),
            MediaKind::Audio => self.plays_audio_body(&message.payload),
            MediaKind::Data | MediaKind::Amf3Data => true,
        }
    }

    fn plays_video_body(&self, body: &[u8]) -> bool {
        let (Ok(header), Some(&first)) = (VideoHeader::parse(body), body.first()) else {
            return true;
        };
        if !header.is_enhanced {
            return video_bit(first & 0x0F).is_none_or(|bit| has_bit(self.video_mask, bit));
        }
        let four_ccs = header.tracks().flatten().map(|track| track.codec.four_cc());
        self.reads(first, header.multitrack)
            && four_ccs
                .flatten()
                .all(|four_cc| self.names(four_cc, Capabilities::can_take_video))
    }

    fn plays_audio_body(&self, body: &[u8]) -> bool {
        let (Ok(header), Some(&first)) = (AudioHeader::parse(body), body.first()) else {
            return true;
        };
        if !header.is_enhanced() {
            return audio_bit(first >> 4).is_none_or(|bit| has_bit(self.audio_mask, bit));
        }
        let four_ccs = header.tracks().flatten().map(|track| track.codec.four_cc());
        self.reads(first, header.multitrack)
            && four_ccs
                .flatten()
                .all(|four_cc| self.names(four_cc, Capabilities::can_take_audio))
    }

    /// Whether the player reads packets of this form. `first` is their first byte, whose lower half is the packet type.
    fn reads(&self, first: u8, multitrack: Option<MultitrackType>) -> bool {
        const MOD_EX: u8 = 7;
        let has = |extension| {
            let said = self.capabilities.as_ref().map(Capabilities::packet_extensions);
            said.is_none_or(|said| said.includes(extension))
        };
        (multitrack.is_none() || has(Extensions::MULTITRACK))
            && (first & 0x0F != MOD_EX || has(Extensions::MOD_EX))
    }

    fn names(&self, four_cc: FourCc, can_take: fn(&Capabilities, FourCc) -> bool) -> bool {
        let capabilities = self.capabilities.as_ref();
        capabilities.is_none_or(|capabilities| can_take(capabilities, four_cc))
    }
}

fn has_bit(mask: Option<u32>, bit: u32) -> bool {
    mask.is_none_or(|mask| mask >> bit & 1 == 1)
}

/// The place in `videoCodecs` of a codec number of the old form; those that are not specified have none.
const fn video_bit(number: u8) -> Option<u32> {
    match number {
        1..=7 => Some(number as u32),
        _ => None,
    }
}

/// The place in `audioCodecs` of a sound format; those that are not specified have none.
const fn audio_bit(format: u8) -> Option<u32> {
    match format {
        // Both are samples without compression.
        0 | 3 => Some(0),
        2 | 14 => Some(2),
        // Nellymoser at 16 kHz has another place than number.
        4 => Some(9),
        1 | 5..=8 | 10 | 11 => Some(format as u32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rtmp_amf::amf0::Object;

    use super::*;
    use crate::Timestamp;
    use crate::message::CodecAbilities;

    fn video(body: &'static [u8]) -> MediaMessage {
        MediaMessage::video(Timestamp::ZERO, body)
    }

    fn audio(body: &'static [u8]) -> MediaMessage {
        MediaMessage::audio(Timestamp::ZERO, body)
    }

    const AVC: &[u8] = b"\x17\x01\0\0\0\x65";
    const HEVC: &[u8] = b"\x93hvc1\x26";
    const AV1_TRACK_1: &[u8] = b"\x96\x01av01\x01\x0A";
    const MOD_EX_HEVC: &[u8] = b"\x97\x02\0\0\x07\x03hvc1\x26";
    const AAC: &[u8] = b"\xAF\x01\x21";
    const OPUS: &[u8] = b"\x91Opus\xFC";

    #[test]
    fn who_says_nothing_plays_everything() {
        let player = ConnectRequest::empty().playable();
        for body in [AVC, HEVC, AV1_TRACK_1, MOD_EX_HEVC, b"", b"\x97"] {
            assert!(player.plays(&video(body)), "{body:02x?}");
        }
        for body in [AAC, OPUS, b""] {
            assert!(player.plays(&audio(body)), "{body:02x?}");
        }
        assert!(player.plays_video(VideoCodec::Av1) && player.plays_audio(AudioCodec::Flac));
    }

    #[test]
    fn the_masks_of_ffmpeg_and_librtmp_name_every_codec_of_the_old_form_and_no_other() {
        for mask in [4071.0, 3575.0, 3191.0] {
            let player = ConnectRequest::empty()
                .property("audioCodecs", mask)
                .property("videoCodecs", 252.0)
                .playable();
            assert!(player.plays(&video(AVC)) && player.plays(&audio(AAC)));
            assert!(player.plays_audio(AudioCodec::Mp3) && player.plays_audio(AudioCodec::Speex));
            // They say nothing of codecs with a FourCC.
            assert!(player.plays(&video(HEVC)) && player.plays(&audio(OPUS)));
        }
        let ffmpeg = ConnectRequest::empty().property("audioCodecs", 4071.0).playable();
        for format in 0..=15 {
            assert!(ffmpeg.plays_audio(AudioCodec::from_legacy(format)), "{format}");
        }
    }

    #[test]
    fn a_codec_that_is_not_in_a_mask_is_not_played() {
        let player = ConnectRequest::empty()
            .property("videoCodecs", 0x04)
            .property("audioCodecs", 0x04)
            .playable();
        assert!(!player.plays(&video(AVC)) && !player.plays_video(VideoCodec::Avc));
        assert!(!player.plays(&audio(AAC)) && !player.plays_audio(AudioCodec::Aac));
        assert!(player.plays(&video(b"\x12\0")) && player.plays(&audio(b"\x2F\xFF\xFB")));
        // What is not specified is in no mask.
        assert!(player.plays(&video(b"\x1C\x01\0\0\0\x26")));
        assert!(player.plays(&MediaMessage::data(Timestamp::ZERO, &b"\x02\0\x01x"[..])));
    }

    #[test]
    fn codecs_and_packets_of_enhanced_rtmp_are_played_by_who_names_them() {
        let hevc = Capabilities::default().video(FourCc::HVC1, CodecAbilities::DECODE);
        let player = ConnectRequest::empty().capabilities(&hevc).playable();
        assert!(player.plays(&video(HEVC)) && player.plays(&video(AVC)));
        assert!(!player.plays(&video(MOD_EX_HEVC)) && !player.plays(&video(AV1_TRACK_1)));
        assert!(!player.plays(&audio(OPUS)) && player.plays(&audio(AAC)));

        let av1 = hevc.clone().video(FourCc::AV01, CodecAbilities::DECODE);
        let player = ConnectRequest::empty().capabilities(&av1).playable();
        assert!(!player.plays(&video(AV1_TRACK_1)));
        let tracks = av1.extensions(Extensions::MULTITRACK.and(Extensions::MOD_EX));
        let player = ConnectRequest::empty().capabilities(&tracks).playable();
        assert!(player.plays(&video(AV1_TRACK_1)) && player.plays(&video(MOD_EX_HEVC)));
    }

    #[test]
    fn a_relay_that_plays_names_everything() {
        let player = ConnectRequest::default().playable();
        for body in [AVC, HEVC, AV1_TRACK_1, MOD_EX_HEVC] {
            assert!(player.plays(&video(body)), "{body:02x?}");
        }
    }

    #[test]
    fn the_list_of_version_1_and_odd_masks_are_read() {
        let list = Value::StrictArray(vec![Value::from("hvc1")]);
        let properties = Object::new().with("fourCcList", list).with("videoCodecs", "many");
        let request =
            ConnectRequest::from_command(crate::message::Command::new("connect").with_object(properties));
        let player = request.playable();
        assert!(player.plays(&video(HEVC)) && player.plays(&video(AVC)));
        assert!(!player.plays(&video(b"\x93av01\x0A")));
    }
}
