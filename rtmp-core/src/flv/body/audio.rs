use bytes::Bytes;

use super::{Fields, Head, MediaBodyError, Part};
use crate::flv::{AudioCodec, AudioTrack, ChannelOrder, MultichannelConfig};

/// An audio body of the enhanced form, to be written (Enhanced RTMP v2): the reverse of
/// [`AudioHeader`](crate::flv::AudioHeader).
///
/// Track 0 is written without track id, other tracks with it. For the form with codec numbers, which is what most
/// receivers expect of AAC, see [`MediaMessage::aac_frame`](crate::MediaMessage::aac_frame).
///
/// ```
/// use rtmp_core::flv::{AudioBody, AudioCodec, AudioTrack, MultichannelConfig};
///
/// # fn main() -> Result<(), rtmp_core::flv::MediaBodyError> {
/// let stereo = AudioBody::multichannel_config(0, AudioCodec::Opus, MultichannelConfig::native(0b11)).to_bytes()?;
/// assert_eq!(stereo[..], *b"\x94Opus\x01\x02\0\0\0\x03");
///
/// let second_language = AudioTrack::new(AudioCodec::Opus, &[0xFC]).with_id(1);
/// assert_eq!(AudioBody::coded_frames(second_language).to_bytes()?[..], *b"\x95\x01Opus\x01\xFC");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a body is written by `to_bytes`"]
pub struct AudioBody<'a> {
    packet: Packet<'a>,
    presentation_offset_nanos: u32,
}

#[derive(Clone, Copy, Debug)]
enum Packet<'a> {
    OneTrack(u8, AudioTrack<'a>),
    ManyTracks(&'a [AudioTrack<'a>]),
    Channels(u8, AudioCodec, MultichannelConfig<'a>),
}

const EX_HEADER: u8 = 0x90;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const MULTICHANNEL_CONFIG: u8 = 4;
const MULTITRACK: u8 = 5;

impl<'a> AudioBody<'a> {
    /// Decoder configuration: `AudioSpecificConfig` (AAC), `OpusHead` with its magic, or nothing (Opus), the 34
    /// bytes of STREAMINFO (FLAC, as in the field), nothing (AC-3, E-AC-3, MP3).
    pub const fn sequence_start(track: AudioTrack<'a>) -> Self {
        Self::new(Packet::OneTrack(SEQUENCE_START, track))
    }

    /// The coded frames of one track.
    pub const fn coded_frames(track: AudioTrack<'a>) -> Self {
        Self::new(Packet::OneTrack(CODED_FRAMES, track))
    }

    /// The coded frames of several tracks, all with the same time; each id may be there once.
    ///
    /// The codec is written once if all tracks have the same (`ManyTracks`, else `ManyTracksManyCodecs`). Few
    /// receivers know these forms: a message for each track is understood more widely.
    pub const fn many_tracks(tracks: &'a [AudioTrack<'a>]) -> Self {
        Self::new(Packet::ManyTracks(tracks))
    }

    /// End of a track's sequence. The end of all audio is an empty message.
    pub const fn sequence_end(track: u8, codec: AudioCodec) -> Self {
        Self::new(Packet::OneTrack(
            SEQUENCE_END,
            AudioTrack::new(codec, &[]).with_id(track),
        ))
    }

    /// Number and meaning of a track's channels. Sent after the sequence header, which may have the old form.
    pub const fn multichannel_config(track: u8, codec: AudioCodec, config: MultichannelConfig<'a>) -> Self {
        Self::new(Packet::Channels(track, codec, config))
    }

    /// Adds up to 999 999 nanoseconds to the presentation time of all tracks (ModEx `TimestampOffsetNano`). Only for
    /// receivers that announced that they read ModEx. 0 is not sent.
    pub const fn with_presentation_offset_nanos(mut self, nanos: u32) -> Self {
        self.presentation_offset_nanos = nanos;
        self
    }

    /// The body: the payload of an audio message. Its data is copied once.
    ///
    /// # Errors
    ///
    /// [`MediaBodyError`] if the format has no place for what the body is to say.
    pub fn to_bytes(&self) -> Result<Bytes, MediaBodyError> {
        match self.packet {
            Packet::OneTrack(packet_type, track) => self.head(packet_type).one_track(part(&track)?),
            Packet::ManyTracks(tracks) => self.head(CODED_FRAMES).many_tracks(tracks.iter().map(part)),
            Packet::Channels(track, codec, config) => {
                let (fields, data) = channels(&config)?;
                let part = Part {
                    fields,
                    ..part(&AudioTrack::new(codec, data).with_id(track))?
                };
                self.head(MULTICHANNEL_CONFIG).one_track(part)
            }
        }
    }

    const fn new(packet: Packet<'a>) -> Self {
        Self {
            packet,
            presentation_offset_nanos: 0,
        }
    }

    const fn head(&self, packet_type: u8) -> Head {
        Head {
            first: EX_HEADER,
            packet_type,
            multitrack_packet_type: MULTITRACK,
            presentation_offset_nanos: self.presentation_offset_nanos,
        }
    }
}

fn part<'a>(track: &AudioTrack<'a>) -> Result<Part<'a>, MediaBodyError> {
    let AudioTrack { id, codec, body } = *track;
    Ok(Part {
        track: id,
        four_cc: codec.four_cc().ok_or(MediaBodyError::AudioCodec { codec })?,
        fields: Fields::None,
        data: body,
    })
}

fn channels<'a>(config: &MultichannelConfig<'a>) -> Result<(Fields, &'a [u8]), MediaBodyError> {
    let channel_count = config.channel_count;
    let checked = |speakers: usize| {
        if speakers == usize::from(channel_count) {
            Ok(())
        } else {
            Err(MediaBodyError::Speakers {
                channel_count,
                speakers,
            })
        }
    };
    match config.order {
        ChannelOrder::Unspecified => Ok((Fields::Channels([0, channel_count]), &[])),
        ChannelOrder::Native { mask } => {
            checked(mask.count_ones() as usize)?;
            let [a, b, c, d] = mask.to_be_bytes();
            Ok((Fields::ChannelMask([1, channel_count, a, b, c, d]), &[]))
        }
        ChannelOrder::Custom { speakers } => {
            checked(speakers.len())?;
            Ok((Fields::Channels([2, channel_count]), speakers))
        }
        ChannelOrder::Other(value) => Err(MediaBodyError::ChannelOrder { value }),
    }
}
