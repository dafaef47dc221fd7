//! The decoder's part of sequence headers that come in several forms.
//!
//! Enhanced RTMP v2 says what a sequence header of FLAC, VP8 and VP9 is; programs send less or more of the container
//! around the same record.

use super::{AudioCodec, AudioTrack, VideoCodec, VideoTrack};

const STREAM_INFO_LEN: usize = 34;

impl<'a> AudioTrack<'a> {
    /// The STREAMINFO in a FLAC sequence header (RFC 9639 section 8.2), whether it stands alone, as FFmpeg 9 sends
    /// it, or behind the header of its metadata block, or behind `fLaC` too, as Enhanced RTMP v2 has it. Metadata
    /// blocks after it are left out.
    ///
    /// `None` if the codec is another, or it is not there. The body has to be that of a sequence header.
    #[must_use]
    pub fn flac_stream_info(&self) -> Option<&'a [u8; STREAM_INFO_LEN]> {
        if self.codec != AudioCodec::Flac {
            return None;
        }
        if let Ok(stream_info) = self.body.try_into() {
            return Some(stream_info);
        }
        let blocks = self.body.strip_prefix(b"fLaC").unwrap_or(self.body);
        // Block type 0, of 34 bytes; the first bit says whether more blocks follow.
        let [0x00 | 0x80, 0, 0, 34, after_header @ ..] = blocks else {
            return None;
        };
        after_header.first_chunk()
    }
}

impl<'a> VideoTrack<'a> {
    /// The VPCodecConfigurationRecord in a VP8 or VP9 sequence header ("VP Codec ISO Media File Format Binding"),
    /// whether it stands alone, as Enhanced RTMP v2 has it, or behind the version and flags of its `vpcC` box, as
    /// FFmpeg 9 sends it, or behind the version only.
    ///
    /// It has 8 bytes and the initialisation data they announce, of which VP8 and VP9 have none. `None` if the codec
    /// is another, or the body is not one such record. The body has to be that of a sequence header.
    #[must_use]
    pub fn vp_configuration_record(&self) -> Option<&'a [u8]> {
        const VERSION_AND_FLAGS: &[u8] = &[1, 0, 0, 0];
        const VERSION: &[u8] = &[1];
        if !matches!(self.codec, VideoCodec::Vp8 | VideoCodec::Vp9) {
            return None;
        }
        // The announced length tells the forms apart: profile 1 alone would look like the version.
        [VERSION_AND_FLAGS, VERSION, &[]]
            .into_iter()
            .filter_map(|prefix| self.body.strip_prefix(prefix))
            .find(|record| is_vp_configuration_record(record))
    }
}

fn is_vp_configuration_record(bytes: &[u8]) -> bool {
    let [_, _, _, _, _, _, len_high, len_low, initialization_data @ ..] = bytes else {
        return false;
    };
    initialization_data.len() == usize::from(u16::from_be_bytes([*len_high, *len_low]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flv::{AudioHeader, AudioPacketType, VideoHeader, VideoPacketType};

    /// The sequence header FFmpeg 9.0.2 sends (`tests/vectors/captures/ffmpeg9-publish-av1-flac.c2s.bin`).
    const FLAC: [u8; 39] = *b"\x90fLaC\
        \x04\0\x04\0\0\0\x93\0\x01\x7f\x0b\xb8\x02\xf0\0\0\xe1\0\
        \x32\x63\x9f\x84\x5f\xfd\x8f\x16\x17\x56\xe7\x23\xa7\x5c\xb2\x56";
    /// The same (`tests/vectors/captures/ffmpeg9-publish-vp9-ac3.c2s.bin`).
    const VP9: [u8; 17] = *b"\x90vp09\x01\0\0\0\0\x0b\x82\x02\x02\x02\0\0";

    fn flac(body: &[u8]) -> Option<&[u8]> {
        let stream_info = AudioTrack::new(AudioCodec::Flac, body).flac_stream_info();
        stream_info.map(|stream_info| &stream_info[..])
    }

    fn vp9(body: &[u8]) -> Option<&[u8]> {
        VideoTrack::new(VideoCodec::Vp9, body).vp_configuration_record()
    }

    fn recorded(capture: &str) -> Vec<u8> {
        let captures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/captures");
        std::fs::read(format!("{captures}/{capture}.c2s.bin")).unwrap()
    }

    #[test]
    fn what_ffmpeg_sends_has_the_decoders_part() {
        for (capture, body) in [
            ("ffmpeg9-publish-av1-flac", &FLAC[..]),
            ("ffmpeg9-publish-vp9-ac3", &VP9),
        ] {
            let bytes = recorded(capture);
            assert!(
                bytes.windows(body.len()).any(|window| window == body),
                "{capture}"
            );
        }
        let audio = AudioHeader::parse(&FLAC).unwrap();
        assert_eq!(audio.packet_type, AudioPacketType::SequenceStart);
        let track = audio.tracks().next().unwrap().unwrap();
        assert_eq!(track.flac_stream_info().unwrap()[..], FLAC[5..]);
        let video = VideoHeader::parse(&VP9).unwrap();
        assert_eq!(video.packet_type, VideoPacketType::SequenceStart);
        let track = video.tracks().next().unwrap().unwrap();
        assert_eq!(
            track.vp_configuration_record(),
            Some(&[0, 0x0B, 0x82, 2, 2, 2, 0, 0][..])
        );
    }

    #[test]
    fn stream_info_is_found_in_every_form_of_a_flac_sequence_header() {
        let stream_info = &FLAC[5..];
        for before in [
            &b""[..],
            b"\0\0\0\x22",
            b"\x80\0\0\x22",
            b"fLaC\0\0\0\x22",
            b"fLaC\x80\0\0\x22",
        ] {
            let body = [before, stream_info].concat();
            assert_eq!(flac(&body), Some(stream_info), "{before:02x?}");
            assert_eq!(flac(&body[..body.len() - 1]), None, "{before:02x?}");
        }
        let comment_follows = [b"fLaC\0\0\0\x22", stream_info, b"\x84\0\0\0"].concat();
        assert_eq!(flac(&comment_follows), Some(stream_info));
        for before in [
            &b"fLaC"[..],
            b"fLaC\x84\0\0\x22",
            b"\0\0\0\x21",
            b"flac\0\0\0\x22",
        ] {
            assert_eq!(flac(&[before, stream_info].concat()), None, "{before:02x?}");
        }
        assert_eq!(
            AudioTrack::new(AudioCodec::Opus, stream_info).flac_stream_info(),
            None
        );
    }

    #[test]
    fn the_record_is_found_in_every_form_of_a_vp8_or_vp9_sequence_header() {
        // Profile 1 is as the version is; the second record announces initialisation data.
        for record in [
            &[1, 10, 0x82, 2, 2, 2, 0, 0][..],
            &[1, 0, 0, 0, 2, 2, 0, 2, 0xAA, 0xBB],
        ] {
            for before in [&[][..], &[1], &[1, 0, 0, 0]] {
                let body = [before, record].concat();
                assert_eq!(vp9(&body), Some(record), "{body:02x?}");
                assert_eq!(
                    VideoTrack::new(VideoCodec::Vp8, &body).vp_configuration_record(),
                    Some(record)
                );
                assert_eq!(vp9(&body[..body.len() - 1]), None, "{body:02x?}");
                assert_eq!(
                    VideoTrack::new(VideoCodec::Av1, &body).vp_configuration_record(),
                    None
                );
            }
        }
        for body in [
            &[][..],
            &[2, 0, 10, 0x82, 2, 2, 2, 0, 0],
            &[0, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0],
        ] {
            assert_eq!(vp9(body), None, "{body:02x?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(record) = vp9(&body) {
                prop_assert!(body.ends_with(record));
            }
            prop_assert!(flac(&body).is_none_or(|stream_info| stream_info.len() == STREAM_INFO_LEN));
        }
    }
}
