//! The header of an audio body (FLV 10.1 section E.4.2.1, Enhanced RTMP v2).

use super::enhanced::{self, Input, TrackBodies};
use super::{AudioCodec, MediaHeaderError, MultitrackType};

/// The header of an audio body, and where the tracks' data is. Nothing is copied.
///
/// The old form (sound format in the first byte) and the enhanced form (FourCC) read alike: a body of the old form
/// has the single track 0.
///
/// ```
/// use rtmp_core::flv::{AudioCodec, AudioHeader, AudioPacketType};
///
/// # fn main() -> Result<(), rtmp_core::flv::MediaHeaderError> {
/// let header = AudioHeader::parse(&[0xAF, 0x00, 0x12, 0x10])?;
/// assert_eq!(header.codec(), Some(AudioCodec::Aac));
/// assert_eq!(header.packet_type, AudioPacketType::SequenceStart);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AudioHeader<'a> {
    /// What the body holds.
    pub packet_type: AudioPacketType,
    /// What the first byte of the old form says about the samples; `None` for the enhanced form.
    pub sound_format: Option<SoundFormat>,
    /// How the body is divided into tracks; `None` for a body without track ids.
    pub multitrack: Option<MultitrackType>,
    /// Nanoseconds to add to the presentation time, below 1 000 000 (ModEx `TimestampOffsetNano`).
    pub presentation_offset_nanos: u32,
    bodies: TrackBodies<'a, AudioCodec>,
}

impl<'a> AudioHeader<'a> {
    /// Reads the header of an audio body. An empty body is [`AudioPacketType::Silence`].
    ///
    /// # Errors
    ///
    /// [`MediaHeaderError`] when the body ends inside its header or inside its first track's, or nests multitrack.
    pub fn parse(body: &'a [u8]) -> Result<Self, MediaHeaderError> {
        let mut input = Input::new(body);
        if input.is_empty() {
            return Ok(Self {
                packet_type: AudioPacketType::Silence,
                sound_format: None,
                multitrack: None,
                presentation_offset_nanos: 0,
                bodies: TrackBodies::none(),
            });
        }
        let first = input.u8()?;
        if first >> 4 != EX_HEADER {
            return Self::parse_legacy(first, input);
        }
        let (packet_type, presentation_offset_nanos) = enhanced::read_mod_ex(&mut input, first & 0x0F)?;
        let (packet_type, multitrack, bodies) =
            TrackBodies::open(input, packet_type, MULTITRACK, AudioPacketType::from_enhanced)?;
        let header = Self {
            packet_type,
            sound_format: None,
            multitrack,
            presentation_offset_nanos,
            bodies,
        };
        match header.tracks().next() {
            Some(Err(fault)) => Err(fault),
            _ => Ok(header),
        }
    }

    /// The tracks in the body, in order; none when the body is silence or is not understood.
    #[must_use]
    pub const fn tracks(&self) -> AudioTracks<'a> {
        AudioTracks(self.bodies)
    }

    /// Whether the body has the enhanced form.
    #[must_use]
    pub fn is_enhanced(&self) -> bool {
        self.sound_format.is_none() && self.packet_type != AudioPacketType::Silence
    }

    /// The codec of the first track.
    #[must_use]
    pub fn codec(&self) -> Option<AudioCodec> {
        self.tracks().next()?.ok().map(|track| track.codec)
    }

    /// Whether this holds decoder configuration.
    #[must_use]
    pub fn is_sequence_header(&self) -> bool {
        self.packet_type == AudioPacketType::SequenceStart
    }

    fn parse_legacy(first: u8, mut input: Input<'a>) -> Result<Self, MediaHeaderError> {
        let codec = AudioCodec::from_legacy(first >> 4);
        let packet_type = if codec == AudioCodec::Aac {
            match input.u8()? {
                0 => AudioPacketType::SequenceStart,
                1 => AudioPacketType::CodedFrames,
                other => AudioPacketType::Other(other),
            }
        } else {
            AudioPacketType::CodedFrames
        };
        Ok(Self {
            packet_type,
            sound_format: Some(SoundFormat::from_wire(first)),
            multitrack: None,
            presentation_offset_nanos: 0,
            bodies: TrackBodies::plain(codec, input),
        })
    }
}

/// One track's part of an audio body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioTrack<'a> {
    /// The track's id; 0 is the default track, and the one of bodies that name none.
    pub id: u8,
    /// The codec.
    pub codec: AudioCodec,
    /// The data after all headers.
    pub body: &'a [u8],
}

impl<'a> AudioTrack<'a> {
    /// Track 0.
    #[must_use]
    pub const fn new(codec: AudioCodec, body: &'a [u8]) -> Self {
        Self { id: 0, codec, body }
    }

    /// The same with another id.
    #[must_use]
    pub const fn with_id(self, id: u8) -> Self {
        Self { id, ..self }
    }
}

/// The tracks of an audio body; the first fault ends the list.
#[derive(Clone, Copy, Debug)]
pub struct AudioTracks<'a>(TrackBodies<'a, AudioCodec>);

impl<'a> Iterator for AudioTracks<'a> {
    type Item = Result<AudioTrack<'a>, MediaHeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let track = self.0.next()?;
        Some(track.map(|track| AudioTrack {
            id: track.id,
            codec: track.codec,
            body: track.body.rest(),
        }))
    }
}

/// What an audio body holds: the AAC packet types of FLV 10.1 and the packet types of Enhanced RTMP v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AudioPacketType {
    /// Decoder configuration: a sequence header. Empty for codecs that need none.
    SequenceStart,
    /// Coded frames.
    CodedFrames,
    /// End of the sequence: play out what is there.
    SequenceEnd,
    /// A [`MultichannelConfig`].
    MultichannelConfig,
    /// An empty body: play out what is there.
    Silence,
    /// A reserved value; an enhanced body is then not looked into.
    Other(u8),
}

const EX_HEADER: u8 = 9;
const MULTITRACK: u8 = 5;

impl AudioPacketType {
    const fn from_enhanced(value: u8) -> Result<Self, Self> {
        match value {
            0 => Ok(Self::SequenceStart),
            1 => Ok(Self::CodedFrames),
            2 => Ok(Self::SequenceEnd),
            4 => Ok(Self::MultichannelConfig),
            other => Err(Self::Other(other)),
        }
    }
}

/// What the first byte of the old form says about the samples. Nominal: AAC always says 44.1 kHz stereo, and other
/// codecs have rates of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SoundFormat {
    /// Samples per second: 5512, 11025, 22050 or 44100.
    pub sample_rate: u32,
    /// Bits per sample: 8 or 16.
    pub sample_bits: u8,
    /// Channels: 1 or 2.
    pub channels: u8,
}

impl SoundFormat {
    /// A format to be written; one that the first byte cannot say is refused then.
    #[must_use]
    pub const fn new(sample_rate: u32, sample_bits: u8, channels: u8) -> Self {
        Self {
            sample_rate,
            sample_bits,
            channels,
        }
    }

    const fn from_wire(first: u8) -> Self {
        Self {
            sample_rate: match (first >> 2) & 0x03 {
                0 => 5512,
                1 => 11025,
                2 => 22050,
                _ => 44100,
            },
            sample_bits: if first & 0x02 == 0 { 8 } else { 16 },
            channels: if first & 0x01 == 0 { 1 } else { 2 },
        }
    }

    /// The low half of the first byte.
    pub(super) const fn to_wire(self) -> Option<u8> {
        let rate = match self.sample_rate {
            5512 => 0,
            11025 => 1 << 2,
            22050 => 2 << 2,
            44100 => 3 << 2,
            _ => return None,
        };
        let bits = match self.sample_bits {
            8 => 0,
            16 => 0x02,
            _ => return None,
        };
        match self.channels {
            1 => Some(rate | bits),
            2 => Some(rate | bits | 0x01),
            _ => None,
        }
    }
}

/// Number and meaning of a track's channels (Enhanced RTMP v2, `MultichannelConfig`): the body of a track whose
/// packet type is [`AudioPacketType::MultichannelConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultichannelConfig<'a> {
    /// Number of channels.
    pub channel_count: u8,
    /// Which channel is which.
    pub order: ChannelOrder<'a>,
}

/// Which channel of a [`MultichannelConfig`] is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelOrder<'a> {
    /// Only the number of channels is known.
    Unspecified,
    /// The channels whose bits are set, from the lowest bit up (bit 0 front left, 1 front right, 2 front centre, ...).
    Native {
        /// The set of speakers.
        mask: u32,
    },
    /// One speaker number per channel.
    Custom {
        /// Speaker numbers; bits of the native mask, 0xFE unused, 0xFF unknown.
        speakers: &'a [u8],
    },
    /// A reserved value.
    Other(u8),
}

impl<'a> MultichannelConfig<'a> {
    /// That many channels, with no word about which is which.
    #[must_use]
    pub const fn unspecified(channel_count: u8) -> Self {
        Self {
            channel_count,
            order: ChannelOrder::Unspecified,
        }
    }

    /// One channel for each speaker of the set.
    #[must_use]
    pub const fn native(mask: u32) -> Self {
        Self {
            channel_count: mask.count_ones() as u8,
            order: ChannelOrder::Native { mask },
        }
    }

    /// One channel for each of the speakers, in that order. More than 255 are refused when they are written.
    #[must_use]
    pub const fn custom(speakers: &'a [u8]) -> Self {
        Self {
            channel_count: if speakers.len() > 0xFF {
                0xFF
            } else {
                speakers.len() as u8
            },
            order: ChannelOrder::Custom { speakers },
        }
    }

    /// Reads the body of a track. Bytes after it are ignored.
    ///
    /// # Errors
    ///
    /// [`MediaHeaderError::Truncated`] when bytes are missing.
    pub fn parse(body: &'a [u8]) -> Result<Self, MediaHeaderError> {
        let mut input = Input::new(body);
        let [order, channel_count] = input.array()?;
        let order = match order {
            0 => ChannelOrder::Unspecified,
            1 => ChannelOrder::Native {
                mask: u32::from_be_bytes(input.array()?),
            },
            2 => ChannelOrder::Custom {
                speakers: input.bytes(usize::from(channel_count))?,
            },
            other => ChannelOrder::Other(other),
        };
        Ok(Self { channel_count, order })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aac_has_a_packet_type_after_the_sound_format() {
        let header = AudioHeader::parse(&[0xAF, 1, 0x21, 0x10]).unwrap();
        assert!(!header.is_sequence_header() && !header.is_enhanced());
        assert_eq!(
            header.sound_format,
            Some(SoundFormat {
                sample_rate: 44100,
                sample_bits: 16,
                channels: 2
            })
        );
        let tracks: Vec<_> = header.tracks().collect();
        assert_eq!(
            tracks,
            [Ok(AudioTrack {
                id: 0,
                codec: AudioCodec::Aac,
                body: &[0x21, 0x10]
            })]
        );
    }

    #[test]
    fn other_old_codecs_are_coded_frames_from_the_second_byte() {
        let header = AudioHeader::parse(&[0xB2, 0x36]).unwrap();
        assert_eq!(header.packet_type, AudioPacketType::CodedFrames);
        assert_eq!(header.tracks().next().unwrap().unwrap().body, [0x36]);
        assert_eq!(
            AudioHeader::parse(&[0xC0]).unwrap().codec(),
            Some(AudioCodec::Other(12))
        );
    }

    #[test]
    fn headers_that_are_cut_off_are_errors() {
        for body in [&[0xAF][..], b"\x90Opu", b"\x95", b"\x95\x01Opus", b"\x97\x02\0\0"] {
            assert!(
                matches!(AudioHeader::parse(body), Err(MediaHeaderError::Truncated { .. })),
                "{body:02x?}"
            );
        }
    }

    #[test]
    fn a_custom_channel_order_names_every_channel() {
        assert_eq!(
            MultichannelConfig::parse(&[2, 3, 0, 1]),
            Err(MediaHeaderError::Truncated { needed: 3, left: 2 })
        );
        assert_eq!(
            MultichannelConfig::parse(&[9, 3]).map(|config| config.order),
            Ok(ChannelOrder::Other(9))
        );
    }
}
