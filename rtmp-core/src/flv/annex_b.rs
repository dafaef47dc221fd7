//! The byte stream format of NAL units, and from there to the one with length prefixes.

use bytes::{BufMut, Bytes, BytesMut};

use super::VideoTrack;

/// Turns NAL units between start codes (H.264 and H.265 Annex B) into NAL units with 4-byte length prefixes (AVCC,
/// ISO/IEC 14496-15), as messages carry them for AVC, HEVC and VVC.
///
/// The units themselves are not looked into: parameter sets and delimiters among them are kept. What comes before
/// the first start code is dropped, so the result is empty when there is none.
///
/// ```
/// use rtmp_core::flv::annex_b_to_avcc;
///
/// let annex_b = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68];
/// assert_eq!(annex_b_to_avcc(&annex_b)[..], [0, 0, 0, 2, 0x67, 0x42, 0, 0, 0, 1, 0x68]);
/// ```
#[must_use]
pub fn annex_b_to_avcc(annex_b: &[u8]) -> Bytes {
    // Start codes of three bytes become a byte longer; one in a hundred bytes is far more than there are.
    let mut avcc = BytesMut::with_capacity(
        annex_b
            .len()
            .saturating_add(annex_b.len() / 100)
            .saturating_add(4),
    );
    for nal_unit in nal_units(annex_b) {
        // A unit too long for its prefix would be 256 times longer than a message can be.
        let Ok(len) = u32::try_from(nal_unit.len()) else {
            continue;
        };
        avcc.put_u32(len);
        avcc.put_slice(nal_unit);
    }
    avcc.freeze()
}

impl VideoTrack<'_> {
    /// Whether the NAL units of an AVC, HEVC or VVC track stand between start codes (Annex B), where messages are to
    /// have length prefixes: players cannot decode it then. [`annex_b_to_avcc`] puts it right.
    ///
    /// A first length of 1, or of 256 to 511, looks like a start code, so data that 4-byte lengths divide to its last
    /// byte never counts as Annex B; if such data is cut off, it does.
    ///
    /// ```
    /// use rtmp_core::flv::VideoHeader;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let header = VideoHeader::parse(b"\x17\x01\0\0\0\0\0\0\x01\x65\x88\x84")?;
    /// let track = header.tracks().next().ok_or("no track")??;
    /// assert!(track.is_annex_b());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_annex_b(&self) -> bool {
        // The codecs with composition times are those of NAL units. Lengths of one or two bytes need no look: only
        // an empty unit would make them begin like a start code.
        self.codec.has_composition_time()
            && begins_with_start_code(self.body)
            && !is_divided_by_lengths(self.body)
    }
}

/// Whether the first byte other than 0 ends a start code; zeros may come before it (H.264 section B.1).
fn begins_with_start_code(bytes: &[u8]) -> bool {
    let first = bytes.iter().position(|&byte| byte != 0);
    first.is_some_and(|at| at >= 2 && bytes.get(at) == Some(&1))
}

/// Whether the bytes are NAL units with 4-byte length prefixes, to the last byte.
fn is_divided_by_lengths(mut bytes: &[u8]) -> bool {
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let next = usize::try_from(u32::from_be_bytes(*len))
            .ok()
            .and_then(|len| rest.get(len..));
        let Some(next) = next else {
            return false;
        };
        bytes = next;
    }
    bytes.is_empty()
}

/// The NAL units between start codes, without those that are empty.
fn nal_units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(annex_b).map(|(_, rest)| rest);
    std::iter::from_fn(move || {
        let (unit, next) = match after_start_code(rest?) {
            Some((unit, next)) => (unit, Some(next)),
            None => (rest?, None),
        };
        rest = next;
        // A NAL unit ends with a byte other than 0; zeros before a start code are part of it or are padding.
        let last = unit.iter().rposition(|&byte| byte != 0);
        Some(last.and_then(|last| unit.get(..=last)).unwrap_or_default())
    })
    .filter(|unit| !unit.is_empty())
}

/// What is before the first start code, and what is after it.
fn after_start_code(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(3).position(|window| window == [0, 0, 1])?;
    let (unit, start_code) = bytes.split_at_checked(at)?;
    Some((unit, start_code.get(3..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MediaKind;
    use crate::flv::vector_tests::{fixture, read_file};
    use crate::flv::{VideoCodec, VideoHeader};

    fn is_annex_b(codec: VideoCodec, body: &[u8]) -> bool {
        VideoTrack::new(codec, body).is_annex_b()
    }

    /// The frames and sequence headers of the files, and the same frames between start codes of either length.
    #[test]
    fn annex_b_is_told_from_length_prefixes_in_every_frame_of_real_files() {
        let mut frames = 0;
        for name in [
            "h264-aac.flv",
            "hevc-opus-enhanced.flv",
            "multitrack-enhanced.flv",
        ] {
            let (tags, ..) = read_file(fixture(&format!("tests/vectors/flv/{name}")));
            for tag in tags.iter().filter(|tag| tag.kind == MediaKind::Video) {
                let header = VideoHeader::parse(&tag.payload).unwrap();
                for track in header.tracks().map(Result::unwrap) {
                    assert!(!track.is_annex_b(), "{name}");
                    if header.packet_type.is_coded_frames() {
                        frames += 1;
                        for start_code in [&[0, 0, 1][..], &[0, 0, 0, 1]] {
                            let annex_b = with_start_codes(track.body, start_code);
                            assert!(is_annex_b(track.codec, &annex_b), "{name}");
                            assert_eq!(annex_b_to_avcc(&annex_b), track.body, "{name}");
                        }
                    }
                }
            }
        }
        assert_eq!(frames, 30 + 18 + 2 * 17);
    }

    fn with_start_codes(mut avcc: &[u8], start_code: &[u8]) -> Vec<u8> {
        let mut annex_b = Vec::new();
        while let Some((len, rest)) = avcc.split_first_chunk() {
            let (unit, next) = rest.split_at(u32::from_be_bytes(*len) as usize);
            annex_b.extend_from_slice(start_code);
            annex_b.extend_from_slice(unit);
            avcc = next;
        }
        annex_b
    }

    #[test]
    fn lengths_that_look_like_start_codes_are_lengths() {
        // An end of sequence unit of 1 byte, and a slice of 0x165 bytes.
        let one_byte = [0, 0, 0, 1, 0x0A];
        let long = [&[0, 0, 1, 0x65][..], &[0x41; 0x165]].concat();
        for body in [
            &one_byte[..],
            &long,
            &[&one_byte[..], &long].concat(),
            &[0, 0, 0, 0],
            &[],
        ] {
            assert!(!is_annex_b(VideoCodec::Avc, body), "{body:02x?}");
        }
        assert!(is_annex_b(VideoCodec::Avc, &[&long[..], &[0x41]].concat()));
    }

    #[test]
    fn only_start_codes_of_codecs_with_nal_units_are_annex_b() {
        let annex_b = [0, 0, 0, 0, 1, 0x09, 0xF0, 0, 0, 1, 0x65, 0x88];
        for codec in [VideoCodec::Avc, VideoCodec::Hevc, VideoCodec::Vvc] {
            assert!(is_annex_b(codec, &annex_b), "{codec:?}");
            for body in [
                &[0, 1, 0x65][..],
                &[0x65, 0, 0, 1],
                &[0, 0, 0],
                &[0, 0, 2, 1],
                &[1, 0x4D, 0x40],
            ] {
                assert!(!is_annex_b(codec, body), "{codec:?} {body:02x?}");
            }
        }
        for codec in [VideoCodec::Av1, VideoCodec::Vp9, VideoCodec::SorensonH263] {
            assert!(!is_annex_b(codec, &annex_b), "{codec:?}");
        }
    }

    #[test]
    fn bytes_outside_units_are_dropped() {
        for (annex_b, units) in [
            (&[][..], &[][..]),
            (&[0x65, 0x88], &[]),
            (&[0, 0, 1], &[]),
            (&[0, 0, 1, 0, 0, 0, 1, 0, 0], &[]),
            (&[7, 0, 0, 1, 0x65], &[&[0x65][..]]),
            (
                &[0, 0, 0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 0, 1, 0x65, 0, 5, 0, 0, 0],
                &[&[9, 0xF0], &[0x65, 0, 5]],
            ),
            (
                &[0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0, 2],
                &[&[0x65, 0, 0, 3, 1, 0, 0, 2]],
            ),
        ] {
            assert_eq!(nal_units(annex_b).collect::<Vec<_>>(), units, "{annex_b:?}");
        }
    }

    fn nal_unit() -> impl Strategy<Value = Vec<u8>> {
        // Small values make zeros likely; escaped as encoders do, and with a last byte other than 0.
        prop::collection::vec(0_u8..6, 0..40).prop_map(|bytes| {
            let mut unit = vec![0x65];
            for byte in bytes {
                if byte <= 3 && unit.ends_with(&[0, 0]) {
                    unit.push(3);
                }
                unit.push(byte);
            }
            unit.push(0x80);
            unit
        })
    }

    proptest! {
        #[test]
        fn every_unit_is_kept_whatever_start_codes_separate_them(
            units in prop::collection::vec((nal_unit(), 2_usize..6), 0..8),
        ) {
            let (mut annex_b, mut avcc) = (Vec::new(), Vec::new());
            for (unit, zeros) in &units {
                annex_b.resize(annex_b.len() + zeros, 0);
                annex_b.push(1);
                annex_b.extend(unit);
                avcc.extend(u32::try_from(unit.len()).unwrap().to_be_bytes());
                avcc.extend(unit);
            }
            prop_assert_eq!(annex_b_to_avcc(&annex_b), avcc);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(0_u8..3, 0..60)) {
            prop_assert!(annex_b_to_avcc(&bytes).len() <= bytes.len() * 2);
            if is_annex_b(VideoCodec::Avc, &bytes) {
                prop_assert!(after_start_code(&bytes).is_some_and(|(before, _)| before.iter().all(|&byte| byte == 0)));
            }
        }
    }
}
