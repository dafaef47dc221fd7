//! What a sample is, by its description, and the message that it becomes.

use rtmp_core::flv::{
    AudioBody, AudioCodec, AudioTrack, FrameType, MediaBodyError, SoundFormat, VideoBody, VideoCodec,
    VideoTrack,
};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use super::boxes::{Boxes, Fields};

/// A codec that RTMP can carry, with its configuration in the form that goes into a sequence header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Avc(Vec<u8>),
    /// In the enhanced form.
    Video(VideoCodec, Vec<u8>),
    Aac(Vec<u8>),
    Mp3 {
        is_stereo: bool,
    },
    Opus(Vec<u8>),
}

/// The description of a track's samples.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) codec: Codec,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
}

const VIDEO_FIELDS_LEN: usize = 78;
const AUDIO_FIELDS_LEN: usize = 28;

impl Description {
    /// Reads the first sample description that means something to us (ISO/IEC 14496-12 section 8.5.2).
    pub(super) fn read(stsd: &[u8]) -> Option<Self> {
        let mut fields = Fields(stsd);
        fields.version_and_flags()?;
        fields.u32()?;
        Boxes(fields.0).find_map(|(format, entry)| match &format {
            b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp09" => Self::video(entry),
            b"mp4a" | b".mp3" | b"Opus" => Self::audio(&format, entry),
            _ => None,
        })
    }

    fn video(entry: &[u8]) -> Option<Self> {
        let mut fields = Fields(entry);
        fields.skip(24)?;
        let (width, height) = (fields.u16()?, fields.u16()?);
        let codec = Boxes(entry.get(VIDEO_FIELDS_LEN..)?).find_map(|(name, content)| match &name {
            b"avcC" => Some(Codec::Avc(content.to_vec())),
            b"hvcC" => Some(Codec::Video(VideoCodec::Hevc, content.to_vec())),
            b"av1C" => Some(Codec::Video(VideoCodec::Av1, content.to_vec())),
            b"vpcC" => Some(Codec::Video(VideoCodec::Vp9, content.to_vec())),
            _ => None,
        })?;
        Some(Self {
            codec,
            width,
            height,
            channels: 0,
            sample_rate: 0,
        })
    }

    fn audio(format: &[u8; 4], entry: &[u8]) -> Option<Self> {
        let mut fields = Fields(entry);
        fields.skip(8)?;
        // QuickTime has longer forms of the fields.
        let extra = match fields.u16()? {
            1 => 16,
            2 => 36,
            _ => 0,
        };
        fields.skip(6)?;
        let channels = fields.u16()?;
        fields.skip(6)?;
        let sample_rate = fields.u32()? >> 16;
        let boxes = Boxes(entry.get(AUDIO_FIELDS_LEN + extra..)?);
        let is_stereo = channels > 1;
        let codec = match format {
            b".mp3" => Codec::Mp3 { is_stereo },
            b"Opus" => Codec::Opus(opus_head(boxes.find(b"dOps")?)?),
            _ => {
                let in_wave = || Boxes(boxes.find(b"wave")?).find(b"esds");
                match elementary_stream(boxes.find(b"esds").or_else(in_wave)?)? {
                    (AAC, config) if config.len() >= 2 => Codec::Aac(config.to_vec()),
                    (MP3 | MP3_MPEG2, _) => Codec::Mp3 { is_stereo },
                    _ => return None,
                }
            }
        };
        Some(Self {
            codec,
            width: 0,
            height: 0,
            channels,
            sample_rate,
        })
    }
}

const AAC: u8 = 0x40;
const MP3: u8 = 0x6B;
const MP3_MPEG2: u8 = 0x69;

/// Object type and decoder configuration of an ES descriptor (ISO/IEC 14496-1 section 7.2.6).
fn elementary_stream(esds: &[u8]) -> Option<(u8, &[u8])> {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    let mut fields = Fields(esds);
    fields.version_and_flags()?;
    let mut stream = Fields(descriptor(&mut fields, ES)?);
    stream.u16()?;
    let flags = stream.u8()?;
    if flags & 0x80 != 0 {
        stream.skip(2)?;
    }
    if flags & 0x40 != 0 {
        let len = stream.u8()?;
        stream.skip(len.into())?;
    }
    if flags & 0x20 != 0 {
        stream.skip(2)?;
    }
    let mut config = Fields(descriptor(&mut stream, DECODER_CONFIG)?);
    let object_type = config.u8()?;
    config.skip(12)?;
    Some((
        object_type,
        descriptor(&mut config, DECODER_SPECIFIC).unwrap_or_default(),
    ))
}

/// The content of a descriptor, whose length is in up to four groups of seven bits.
fn descriptor<'a>(fields: &mut Fields<'a>, tag: u8) -> Option<&'a [u8]> {
    if fields.u8()? != tag {
        return None;
    }
    let mut len = 0;
    for _ in 0..4 {
        let byte = fields.u8()?;
        len = len << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    fields.take(len.min(fields.0.len()))
}

/// The head of an Ogg stream, which has the same fields as the box in another byte order (RFC 7845 section 5.1).
fn opus_head(dops: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Fields(dops);
    let _version = fields.u8()?;
    let channels = fields.u8()?;
    let (pre_skip, rate, gain) = (fields.u16()?, fields.u32()?, fields.u16()?);
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(pre_skip.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend(gain.to_le_bytes());
    // Mapping family, and the mapping if there is one.
    head.extend_from_slice(fields.0);
    (!fields.0.is_empty()).then_some(head)
}

impl Codec {
    pub(super) fn kind(&self) -> MediaKind {
        match self {
            Self::Avc(_) | Self::Video(..) => MediaKind::Video,
            Self::Aac(_) | Self::Mp3 { .. } | Self::Opus(_) => MediaKind::Audio,
        }
    }

    /// The number in metadata: that of the form with codec numbers, or the FourCC.
    pub(super) fn metadata_id(&self) -> f64 {
        match self {
            Self::Avc(_) => 7.0,
            Self::Video(codec, _) => f64::from(
                codec
                    .four_cc()
                    .map_or(0, |code| u32::from_be_bytes(code.as_bytes())),
            ),
            Self::Aac(_) => 10.0,
            Self::Mp3 { .. } => 2.0,
            Self::Opus(_) => f64::from(u32::from_be_bytes(*b"Opus")),
        }
    }

    /// What a decoder needs first, if the codec has that.
    pub(super) fn sequence_header(&self, at: Timestamp) -> Option<MediaMessage> {
        match self {
            Self::Avc(record) => Some(MediaMessage::avc_sequence_header(at, record)),
            Self::Video(codec, record) => {
                let track = VideoTrack::new(*codec, record);
                let body = VideoBody::sequence_start(track).to_bytes().ok()?;
                Some(MediaMessage::video(at, body))
            }
            Self::Aac(config) => Some(MediaMessage::aac_sequence_header(at, config)),
            Self::Mp3 { .. } => None,
            Self::Opus(head) => {
                let body = AudioBody::sequence_start(AudioTrack::new(AudioCodec::Opus, head));
                Some(MediaMessage::audio(at, body.to_bytes().ok()?))
            }
        }
    }

    /// The message of a sample.
    pub(super) fn frame(
        &self,
        at: Timestamp,
        composition_time: i32,
        is_sync: bool,
        data: &[u8],
    ) -> Result<MediaMessage, MediaBodyError> {
        let frame_type = if is_sync { FrameType::Key } else { FrameType::Inter };
        match self {
            Self::Avc(_) => MediaMessage::avc_frame(at, frame_type, composition_time, data),
            Self::Video(codec, _) => {
                let mut track = VideoTrack::new(*codec, data);
                // Frames of other codecs come in the order in which they are shown.
                if *codec == VideoCodec::Hevc {
                    track = track.with_composition_time(composition_time);
                }
                let body = VideoBody::coded_frames(frame_type, track).to_bytes()?;
                Ok(MediaMessage::video(at, body))
            }
            Self::Aac(_) => Ok(MediaMessage::aac_frame(at, data)),
            Self::Mp3 { is_stereo } => {
                // What is true stands in the frames.
                let format = SoundFormat::new(44_100, 16, if *is_stereo { 2 } else { 1 });
                MediaMessage::legacy_audio(at, AudioCodec::Mp3, format, data)
            }
            Self::Opus(_) => {
                let track = AudioTrack::new(AudioCodec::Opus, data);
                let body = AudioBody::coded_frames(track).to_bytes()?;
                Ok(MediaMessage::audio(at, body))
            }
        }
    }
}
