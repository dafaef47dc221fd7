//! What a sample is, by its description, and the message that it becomes.

use mp4_atom::esds::DecoderConfig;
use mp4_atom::{Audio, Dops, Esds, Visual};
use rtmp_core::flv::{
    AudioBody, AudioCodec, AudioTrack, FourCc, FrameType, MediaBodyError, SoundFormat, VideoBody, VideoCodec,
    VideoTrack,
};
use rtmp_core::{MediaKind, MediaMessage, Timestamp};

use super::Mp4Error;
use super::boxes::{Boxes, Mp4Box, name_of};

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
    pub(super) sample_rate: u16,
}

/// How long the configuration of a codec may be, in bytes. It goes out to each player, and has some hundred.
const MAX_CONFIG_LEN: u64 = 64 << 10;

/// How long an `esds` may be, in bytes. `mp4_atom` reads descriptors by recursion, and each takes five bytes or more.
const MAX_ESDS_LEN: u64 = 1024;

impl Description {
    /// Reads the first sample description that means something to us (ISO/IEC 14496-12 section 8.5.2). The configuration
    /// of a video codec is taken as it stands: so it goes into a sequence header.
    pub(super) fn read(stsd: Mp4Box<'_>) -> Result<Option<Self>, Mp4Error> {
        // Version, flags and the number of entries.
        let (_, mut entries) = stsd.fields::<[u8; 8]>()?;
        let read = |entry: Mp4Box<'_>| match &entry.name.as_bytes() {
            b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp09" => Self::video(entry),
            b"mp4a" | b".mp3" | b"Opus" => Self::audio(entry),
            _ => Ok(None),
        };
        entries.find_map(|entry| read(entry).transpose()).transpose()
    }

    fn video(entry: Mp4Box<'_>) -> Result<Option<Self>, Mp4Error> {
        let (visual, boxes) = entry.fields::<Visual>()?;
        for found in boxes {
            let with_config: fn(Vec<u8>) -> Codec = match &found.name.as_bytes() {
                b"avcC" => Codec::Avc,
                b"hvcC" => |config| Codec::Video(VideoCodec::Hevc, config),
                b"av1C" => |config| Codec::Video(VideoCodec::Av1, config),
                b"vpcC" => |config| Codec::Video(VideoCodec::Vp9, config),
                _ => continue,
            };
            return Ok(Some(Self {
                codec: with_config(found.within(MAX_CONFIG_LEN)?.content.bytes.to_vec()),
                width: visual.width,
                height: visual.height,
                channels: 0,
                sample_rate: 0,
            }));
        }
        Ok(None)
    }

    fn audio(entry: Mp4Box<'_>) -> Result<Option<Self>, Mp4Error> {
        let (audio, boxes) = entry.fields::<Audio>()?;
        let is_stereo = audio.channel_count > 1;
        let codec = match &entry.name.as_bytes() {
            b".mp3" => Some(Codec::Mp3 { is_stereo }),
            b"Opus" => boxes.read::<Dops>()?.map(|dops| Codec::Opus(opus_head(&dops))),
            _ => elementary_stream(boxes)?.and_then(|stream| match stream.object_type_indication {
                AAC => Some(Codec::Aac(
                    stream.dec_specific.filter(|config| config.raw.len() >= 2)?.raw,
                )),
                MP3 | MP3_MPEG2 => Some(Codec::Mp3 { is_stereo }),
                _ => None,
            }),
        };
        Ok(codec.map(|codec| Self {
            codec,
            width: 0,
            height: 0,
            channels: audio.channel_count,
            sample_rate: audio.sample_rate.integer(),
        }))
    }
}

const AAC: u8 = 0x40;
const MP3: u8 = 0x6B;
const MP3_MPEG2: u8 = 0x69;

/// What an `esds` says, which QuickTime has inside of a `wave` (ISO/IEC 14496-1 section 7.2.6).
fn elementary_stream(boxes: Boxes<'_>) -> Result<Option<DecoderConfig>, Mp4Error> {
    let name = name_of::<Esds>();
    let in_wave = || boxes.find(FourCc::new(*b"wave"))?.boxes().find(name);
    let Some(esds) = boxes.find(name).or_else(in_wave) else {
        return Ok(None);
    };
    let esds: Esds = esds.within(MAX_ESDS_LEN)?.read()?;
    Ok(Some(esds.es_desc.dec_config))
}

/// The head of an Ogg stream, which has the same fields as the box in another byte order (RFC 7845 section 5.1).
fn opus_head(dops: &Dops) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(dops.output_channel_count);
    head.extend(dops.pre_skip.to_le_bytes());
    head.extend(dops.input_sample_rate.to_le_bytes());
    head.extend(dops.output_gain.to_le_bytes());
    match &dops.channel_mapping {
        None => head.push(0),
        Some(mapping) => {
            head.extend([mapping.family, mapping.stream_count, mapping.coupled_count]);
            head.extend(&mapping.channel_mapping);
        }
    }
    head
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
