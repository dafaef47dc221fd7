//! Codecs, signalled by number (FLV 10.1 sections E.4.2.1 and E.4.3.1) or by FourCC (Enhanced RTMP v2).

use super::FourCc;

/// A video codec, whichever way it was signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoCodec {
    /// JPEG (1).
    Jpeg,
    /// Sorenson H.263 (2).
    SorensonH263,
    /// Screen video (3).
    ScreenVideo,
    /// On2 VP6 (4).
    Vp6,
    /// On2 VP6 with alpha channel (5).
    Vp6Alpha,
    /// Screen video version 2 (6).
    ScreenVideo2,
    /// AVC, H.264 (7, `avc1`).
    Avc,
    /// HEVC, H.265 (`hvc1`; also 12, which is not specified, with the layout of AVC).
    Hevc,
    /// AV1 (`av01`; also 13, which is not specified, with the layout of AVC).
    Av1,
    /// VP8 (`vp08`).
    Vp8,
    /// VP9 (`vp09`).
    Vp9,
    /// VVC, H.266 (`vvc1`).
    Vvc,
    /// A FourCC that is not known here.
    FourCc(FourCc),
    /// A codec id of the old form that is not known here.
    Other(u8),
}

impl VideoCodec {
    pub(crate) const fn from_legacy(id: u8) -> Self {
        match id {
            1 => Self::Jpeg,
            2 => Self::SorensonH263,
            3 => Self::ScreenVideo,
            4 => Self::Vp6,
            5 => Self::Vp6Alpha,
            6 => Self::ScreenVideo2,
            7 => Self::Avc,
            12 => Self::Hevc,
            13 => Self::Av1,
            other => Self::Other(other),
        }
    }

    /// The number of the old form for codecs whose data follows the first byte. Numbers that are not specified, and
    /// unknown ones that stand for a codec known here, are not written.
    pub(super) const fn to_legacy(self) -> Option<u8> {
        match self {
            Self::Jpeg => Some(1),
            Self::SorensonH263 => Some(2),
            Self::ScreenVideo => Some(3),
            Self::Vp6 => Some(4),
            Self::Vp6Alpha => Some(5),
            Self::ScreenVideo2 => Some(6),
            Self::Other(id @ ..=0x0F) if matches!(Self::from_legacy(id), Self::Other(_)) => Some(id),
            _ => None,
        }
    }

    /// Whether the enhanced form has a composition time for it.
    pub(super) const fn has_composition_time(self) -> bool {
        matches!(
            self,
            Self::Avc | Self::Hevc | Self::Vvc | Self::FourCc(FourCc::AVC1 | FourCc::HVC1 | FourCc::VVC1)
        )
    }

    /// Whether the old form has a packet type and a composition time after the first byte.
    pub(super) const fn has_avc_layout(self) -> bool {
        matches!(self, Self::Avc | Self::Hevc | Self::Av1)
    }

    /// The codec's FourCC, if it has one.
    #[must_use]
    pub const fn four_cc(self) -> Option<FourCc> {
        match self {
            Self::Avc => Some(FourCc::AVC1),
            Self::Hevc => Some(FourCc::HVC1),
            Self::Av1 => Some(FourCc::AV01),
            Self::Vp8 => Some(FourCc::VP08),
            Self::Vp9 => Some(FourCc::VP09),
            Self::Vvc => Some(FourCc::VVC1),
            Self::FourCc(four_cc) => Some(four_cc),
            _ => None,
        }
    }
}

impl From<FourCc> for VideoCodec {
    fn from(four_cc: FourCc) -> Self {
        match four_cc {
            FourCc::AVC1 => Self::Avc,
            FourCc::HVC1 => Self::Hevc,
            FourCc::AV01 => Self::Av1,
            FourCc::VP08 => Self::Vp8,
            FourCc::VP09 => Self::Vp9,
            FourCc::VVC1 => Self::Vvc,
            other => Self::FourCc(other),
        }
    }
}

/// An audio codec, whichever way it was signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AudioCodec {
    /// Linear PCM in the sender's byte order, in practice little endian (0).
    LinearPcm,
    /// ADPCM (1).
    Adpcm,
    /// MP3 (2, `.mp3`).
    Mp3,
    /// Linear PCM, little endian (3).
    LinearPcmLittleEndian,
    /// Nellymoser 16 kHz mono (4).
    Nellymoser16Khz,
    /// Nellymoser 8 kHz mono (5).
    Nellymoser8Khz,
    /// Nellymoser (6).
    Nellymoser,
    /// G.711 A-law (7).
    G711ALaw,
    /// G.711 mu-law (8).
    G711MuLaw,
    /// AAC (10, `mp4a`).
    Aac,
    /// Speex (11).
    Speex,
    /// MP3 8 kHz (14).
    Mp38Khz,
    /// Device-specific sound (15).
    DeviceSpecific,
    /// Opus (`Opus`; also 13, which is not specified).
    Opus,
    /// FLAC (`fLaC`).
    Flac,
    /// AC-3 (`ac-3`).
    Ac3,
    /// E-AC-3 (`ec-3`).
    EAc3,
    /// A FourCC that is not known here.
    FourCc(FourCc),
    /// A sound format of the old form that is not known here.
    Other(u8),
}

impl AudioCodec {
    pub(crate) const fn from_legacy(format: u8) -> Self {
        match format {
            0 => Self::LinearPcm,
            1 => Self::Adpcm,
            2 => Self::Mp3,
            3 => Self::LinearPcmLittleEndian,
            4 => Self::Nellymoser16Khz,
            5 => Self::Nellymoser8Khz,
            6 => Self::Nellymoser,
            7 => Self::G711ALaw,
            8 => Self::G711MuLaw,
            10 => Self::Aac,
            11 => Self::Speex,
            13 => Self::Opus,
            14 => Self::Mp38Khz,
            15 => Self::DeviceSpecific,
            other => Self::Other(other),
        }
    }

    /// The number of the old form for codecs whose data follows the first byte. Neither numbers that are not
    /// specified nor 9, which announces the enhanced form, are written.
    pub(super) const fn to_legacy(self) -> Option<u8> {
        match self {
            Self::LinearPcm => Some(0),
            Self::Adpcm => Some(1),
            Self::Mp3 => Some(2),
            Self::LinearPcmLittleEndian => Some(3),
            Self::Nellymoser16Khz => Some(4),
            Self::Nellymoser8Khz => Some(5),
            Self::Nellymoser => Some(6),
            Self::G711ALaw => Some(7),
            Self::G711MuLaw => Some(8),
            Self::Speex => Some(11),
            Self::Mp38Khz => Some(14),
            Self::DeviceSpecific => Some(15),
            // The only number without a codec.
            Self::Other(12) => Some(12),
            _ => None,
        }
    }

    /// The codec's FourCC, if it has one.
    #[must_use]
    pub const fn four_cc(self) -> Option<FourCc> {
        match self {
            Self::Mp3 => Some(FourCc::MP3),
            Self::Aac => Some(FourCc::MP4A),
            Self::Opus => Some(FourCc::OPUS),
            Self::Flac => Some(FourCc::FLAC),
            Self::Ac3 => Some(FourCc::AC_3),
            Self::EAc3 => Some(FourCc::EC_3),
            Self::FourCc(four_cc) => Some(four_cc),
            _ => None,
        }
    }
}

impl From<FourCc> for AudioCodec {
    fn from(four_cc: FourCc) -> Self {
        match four_cc {
            FourCc::MP3 => Self::Mp3,
            FourCc::MP4A => Self::Aac,
            FourCc::OPUS => Self::Opus,
            FourCc::FLAC => Self::Flac,
            FourCc::AC_3 => Self::Ac3,
            FourCc::EC_3 => Self::EAc3,
            other => Self::FourCc(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_four_cc_names_the_codec_that_has_it() {
        for four_cc in [b"av01", b"vp09", b"hvc1", b"avc1", b"vp08", b"vvc1", b"xxxx"] {
            let four_cc = FourCc::new(*four_cc);
            let codec = VideoCodec::from(four_cc);
            assert_eq!(codec.four_cc(), Some(four_cc));
            assert_eq!(
                matches!(codec, VideoCodec::FourCc(_)),
                four_cc.as_bytes() == *b"xxxx"
            );
        }
        for four_cc in [b"ac-3", b"ec-3", b"Opus", b".mp3", b"fLaC", b"mp4a", b"xxxx"] {
            let four_cc = FourCc::new(*four_cc);
            let codec = AudioCodec::from(four_cc);
            assert_eq!(codec.four_cc(), Some(four_cc));
            assert_eq!(
                matches!(codec, AudioCodec::FourCc(_)),
                four_cc.as_bytes() == *b"xxxx"
            );
        }
    }

    #[test]
    fn numbers_that_are_not_known_are_kept() {
        assert_eq!(VideoCodec::from_legacy(14), VideoCodec::Other(14));
        assert_eq!(AudioCodec::from_legacy(12), AudioCodec::Other(12));
        assert_eq!(
            (VideoCodec::Other(14).four_cc(), AudioCodec::Speex.four_cc()),
            (None, None)
        );
    }
}
