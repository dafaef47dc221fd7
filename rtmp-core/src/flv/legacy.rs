//! Messages of the form with codec numbers, to be written (FLV 10.1 sections E.4.2 and E.4.3).

use bytes::{BufMut, Bytes, BytesMut};

use super::body::si24;
use super::{AudioCodec, FrameType, MediaBodyError, SoundFormat, VideoCodec, VideoCommand};
use crate::{MediaMessage, Timestamp};

/// Messages made of what an encoder gives, in the form every receiver knows.
///
/// Other codecs and further tracks have the enhanced form: [`VideoBody`](super::VideoBody) and
/// [`AudioBody`](super::AudioBody).
///
/// # Example
///
/// H.264 from an encoder that writes Annex B, with its parameter sets before each keyframe:
///
/// ```
/// use rtmp_core::flv::{self, FrameType, MediaBodyError};
/// use rtmp_core::{MediaMessage, Timestamp};
///
/// /// `record` is the encoder's `AVCDecoderConfigurationRecord` (the content of an MP4 `avcC` box).
/// fn start(record: &[u8]) -> MediaMessage {
///     MediaMessage::avc_sequence_header(Timestamp::ZERO, record)
/// }
///
/// /// `dts` and `pts` are in milliseconds from the start of the stream.
/// fn frame(dts: u32, pts: u32, is_idr: bool, annex_b: &[u8]) -> Result<MediaMessage, MediaBodyError> {
///     let frame_type = if is_idr { FrameType::Key } else { FrameType::Inter };
///     let composition_time = pts.wrapping_sub(dts).cast_signed();
///     let nal_units = flv::annex_b_to_avcc(annex_b);
///     MediaMessage::avc_frame(Timestamp::from_millis(dts), frame_type, composition_time, &nal_units)
/// }
///
/// let message = frame(40, 120, true, &[0, 0, 0, 1, 0x65, 0x88])?;
/// assert_eq!(message.payload[..], [0x17, 1, 0, 0, 80, 0, 0, 0, 2, 0x65, 0x88]);
/// assert!(message.is_keyframe());
/// # assert!(start(&[1]).is_sequence_header());
/// # Ok::<(), MediaBodyError>(())
/// ```
impl MediaMessage {
    /// Decoder configuration of AVC: an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15). It must come before the
    /// first frame.
    #[must_use]
    pub fn avc_sequence_header(timestamp: Timestamp, record: &[u8]) -> Self {
        Self::video(timestamp, with_head([0x17, 0, 0, 0, 0], record))
    }

    /// An access unit of AVC: all NAL units of a frame, each with the length prefix that the sequence header
    /// announces (see [`annex_b_to_avcc`](super::annex_b_to_avcc)).
    ///
    /// `timestamp` is the decoding time, `composition_time` the presentation time minus it in milliseconds: 0
    /// without B-frames.
    ///
    /// # Errors
    ///
    /// [`MediaBodyError::CompositionTime`] beyond 24 bits, [`MediaBodyError::FrameType`] for a frame type that is no
    /// picture.
    pub fn avc_frame(
        timestamp: Timestamp,
        frame_type: FrameType,
        composition_time: i32,
        nal_units: &[u8],
    ) -> Result<Self, MediaBodyError> {
        let first = frame_type.picture_to_wire()? << 4 | AVC;
        let [a, b, c] = si24(composition_time)?;
        Ok(Self::video(timestamp, with_head([first, 1, a, b, c], nal_units)))
    }

    /// End of an AVC sequence.
    #[must_use]
    pub const fn avc_sequence_end(timestamp: Timestamp) -> Self {
        Self {
            kind: crate::MediaKind::Video,
            timestamp,
            payload: Bytes::from_static(&[0x17, 2, 0, 0, 0]),
        }
    }

    /// A command to the player, such as not to show the frames up to the target of a seek.
    ///
    /// # Errors
    ///
    /// [`MediaBodyError::Command`] for a reserved command.
    pub fn video_command(timestamp: Timestamp, command: VideoCommand) -> Result<Self, MediaBodyError> {
        Ok(Self::video(
            timestamp,
            Bytes::copy_from_slice(&[COMMAND, command.to_wire()?]),
        ))
    }

    /// Decoder configuration of AAC: an `AudioSpecificConfig` (ISO/IEC 14496-3). It must come before the first
    /// frame.
    #[must_use]
    pub fn aac_sequence_header(timestamp: Timestamp, config: &[u8]) -> Self {
        Self::audio(timestamp, with_head([AAC, 0], config))
    }

    /// A raw frame of AAC, without ADTS header.
    #[must_use]
    pub fn aac_frame(timestamp: Timestamp, frame: &[u8]) -> Self {
        Self::audio(timestamp, with_head([AAC, 1], frame))
    }

    /// Video of a codec older than AVC, such as Sorenson H.263 and VP6: `data` follows the first byte.
    ///
    /// # Errors
    ///
    /// [`MediaBodyError::VideoCodec`] for a codec without number and for those with a layout of their own,
    /// [`MediaBodyError::FrameType`] for a frame type that is no picture.
    pub fn legacy_video(
        timestamp: Timestamp,
        codec: VideoCodec,
        frame_type: FrameType,
        data: &[u8],
    ) -> Result<Self, MediaBodyError> {
        let id = codec.to_legacy().ok_or(MediaBodyError::VideoCodec { codec })?;
        let first = frame_type.picture_to_wire()? << 4 | id;
        Ok(Self::video(timestamp, with_head([first], data)))
    }

    /// Audio of a codec other than AAC that has a number, such as MP3, Speex and G.711.
    ///
    /// # Errors
    ///
    /// [`MediaBodyError::AudioCodec`] for a codec without number and for AAC, [`MediaBodyError::SoundFormat`] for
    /// rates, sizes and channels the form does not have.
    pub fn legacy_audio(
        timestamp: Timestamp,
        codec: AudioCodec,
        format: SoundFormat,
        data: &[u8],
    ) -> Result<Self, MediaBodyError> {
        let id = codec.to_legacy().ok_or(MediaBodyError::AudioCodec { codec })?;
        let format = format.to_wire().ok_or(MediaBodyError::SoundFormat { format })?;
        Ok(Self::audio(timestamp, with_head([id << 4 | format], data)))
    }
}

const AVC: u8 = 7;
/// Frame type 5. The codec means nothing here; Flash Media Server sends that of AVC.
const COMMAND: u8 = 0x57;
/// AAC says 44.1 kHz, 16 bits and stereo, whatever it has.
const AAC: u8 = 0xAF;

fn with_head<const N: usize>(head: [u8; N], data: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(data.len().saturating_add(N));
    body.put_slice(&head);
    body.put_slice(data);
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flv::{AudioHeader, AudioPacketType, VideoHeader, VideoPacketType};

    const AT: Timestamp = Timestamp::from_millis(1000);

    /// FLV 10.1 sections E.4.2 and E.4.3, by hand.
    #[test]
    fn avc_and_aac_have_the_layout_of_the_specification() -> Result<(), MediaBodyError> {
        for (message, body) in [
            (
                MediaMessage::avc_sequence_header(AT, &[1, 0x4D]),
                &[0x17, 0, 0, 0, 0, 1, 0x4D][..],
            ),
            (
                MediaMessage::avc_frame(AT, FrameType::Key, 133, &[0, 0, 0, 1, 0x65])?,
                &[0x17, 1, 0, 0, 0x85, 0, 0, 0, 1, 0x65],
            ),
            (
                MediaMessage::avc_frame(AT, FrameType::Inter, -2, &[9])?,
                &[0x27, 1, 0xFF, 0xFF, 0xFE, 9],
            ),
            (MediaMessage::avc_sequence_end(AT), &[0x17, 2, 0, 0, 0]),
        ] {
            assert_eq!(message, MediaMessage::video(AT, body));
        }
        assert_eq!(
            MediaMessage::aac_sequence_header(AT, &[0x12, 0x10]),
            MediaMessage::audio(AT, &b"\xAF\0\x12\x10"[..])
        );
        assert_eq!(
            MediaMessage::aac_frame(AT, &[0x21]),
            MediaMessage::audio(AT, &b"\xAF\x01\x21"[..])
        );
        Ok(())
    }

    #[test]
    fn the_parser_reads_what_was_written() {
        for composition_time in [-0x80_0000, -1, 0, 0x7F_FFFF] {
            let message =
                MediaMessage::avc_frame(AT, FrameType::DisposableInter, composition_time, &[1]).unwrap();
            let header = VideoHeader::parse(&message.payload).unwrap();
            assert_eq!(header.packet_type, VideoPacketType::CodedFrames);
            assert_eq!(header.frame_type, FrameType::DisposableInter);
            let track = header.tracks().next().unwrap().unwrap();
            assert_eq!((track.composition_time, track.body), (composition_time, &[1][..]));
        }
        let header = MediaMessage::avc_sequence_end(AT);
        assert_eq!(
            VideoHeader::parse(&header.payload).unwrap().packet_type,
            VideoPacketType::SequenceEnd
        );
    }

    #[test]
    fn what_avc_cannot_say_is_refused() {
        for composition_time in [0x80_0000, -0x80_0001, i32::MIN, i32::MAX] {
            assert_eq!(
                MediaMessage::avc_frame(AT, FrameType::Key, composition_time, &[]),
                Err(MediaBodyError::CompositionTime {
                    composition_time,
                    min: -0x80_0000,
                    max: 0x7F_FFFF
                })
            );
        }
        for frame_type in [FrameType::Command, FrameType::Other(0), FrameType::Other(200)] {
            assert_eq!(
                MediaMessage::avc_frame(AT, frame_type, 0, &[]),
                Err(MediaBodyError::FrameType { frame_type })
            );
        }
    }

    /// Every number is either written and read as the same codec, or belongs to a codec with a layout of its own, to
    /// the enhanced form (9) or to a use that is not specified (video 12 and 13, audio 13).
    #[test]
    fn older_codecs_are_read_as_they_were_written() {
        let mut refused = (Vec::new(), Vec::new());
        for id in 0..=16 {
            let codec = VideoCodec::from_legacy(id);
            match MediaMessage::legacy_video(AT, codec, FrameType::Inter, &[7, 8]) {
                Ok(message) => {
                    let header = VideoHeader::parse(&message.payload).unwrap();
                    let track = header.tracks().next().unwrap().unwrap();
                    assert_eq!(
                        (header.frame_type, track.codec, track.body),
                        (FrameType::Inter, codec, &[7, 8][..])
                    );
                }
                Err(error) => {
                    assert_eq!(error, MediaBodyError::VideoCodec { codec });
                    refused.0.push(id);
                }
            }
            let codec = AudioCodec::from_legacy(id);
            match MediaMessage::legacy_audio(AT, codec, SoundFormat::new(11025, 8, 2), &[7, 8]) {
                Ok(message) => {
                    let header = AudioHeader::parse(&message.payload).unwrap();
                    assert_eq!(header.packet_type, AudioPacketType::CodedFrames);
                    assert_eq!(header.sound_format, Some(SoundFormat::new(11025, 8, 2)));
                    let track = header.tracks().next().unwrap().unwrap();
                    assert_eq!((track.codec, track.body), (codec, &[7, 8][..]));
                }
                Err(error) => {
                    assert_eq!(error, MediaBodyError::AudioCodec { codec });
                    refused.1.push(id);
                }
            }
        }
        assert_eq!(refused, (vec![7, 12, 13, 16], vec![9, 10, 13, 16]));
        let disguised = VideoCodec::Other(7);
        assert_eq!(
            MediaMessage::legacy_video(AT, disguised, FrameType::Key, &[]),
            Err(MediaBodyError::VideoCodec { codec: disguised })
        );
    }

    #[test]
    fn sound_formats_are_those_of_the_first_byte() {
        for first in 0x20..0x30 {
            let format = AudioHeader::parse(&[first]).unwrap().sound_format.unwrap();
            let message = MediaMessage::legacy_audio(AT, AudioCodec::Mp3, format, &[]).unwrap();
            assert_eq!(message.payload[..], [first]);
        }
        for format in [
            SoundFormat::new(48000, 16, 2),
            SoundFormat::new(44100, 24, 2),
            SoundFormat::new(44100, 16, 0),
        ] {
            assert_eq!(
                MediaMessage::legacy_audio(AT, AudioCodec::Mp3, format, &[]),
                Err(MediaBodyError::SoundFormat { format })
            );
        }
    }
}
