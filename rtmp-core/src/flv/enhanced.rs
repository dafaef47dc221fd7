//! The parts audio and video bodies share in Enhanced RTMP v2: FourCC, ModEx and multitrack.

use std::fmt;

use super::MediaHeaderError;

/// A codec's four-character code, its bytes in reading order.
///
/// ```
/// use rtmp_core::flv::FourCc;
///
/// assert_eq!(FourCc::HVC1.to_string(), "hvc1");
///
/// // `videocodecid` and `audiocodecid` of `onMetaData` have the number.
/// let properties = rtmp_amf::amf0::Object::new().with("videocodecid", FourCc::HVC1.as_u32());
/// assert_eq!(properties.get("videocodecid").and_then(|id| id.as_number()), Some(1_752_589_105.0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc([u8; 4]);

impl FourCc {
    /// AV1.
    pub const AV01: Self = Self(*b"av01");
    /// VP9.
    pub const VP09: Self = Self(*b"vp09");
    /// VP8.
    pub const VP08: Self = Self(*b"vp08");
    /// HEVC (H.265).
    pub const HVC1: Self = Self(*b"hvc1");
    /// AVC (H.264).
    pub const AVC1: Self = Self(*b"avc1");
    /// VVC (H.266).
    pub const VVC1: Self = Self(*b"vvc1");
    /// AC-3.
    pub const AC_3: Self = Self(*b"ac-3");
    /// E-AC-3.
    pub const EC_3: Self = Self(*b"ec-3");
    /// Opus.
    pub const OPUS: Self = Self(*b"Opus");
    /// MP3.
    pub const MP3: Self = Self(*b".mp3");
    /// FLAC.
    pub const FLAC: Self = Self(*b"fLaC");
    /// AAC.
    pub const MP4A: Self = Self(*b"mp4a");

    /// The code with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    #[must_use]
    pub const fn as_bytes(self) -> [u8; 4] {
        self.0
    }

    /// The code as a number: its bytes read as a big-endian integer.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        u32::from_be_bytes(self.0)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// How a multitrack body is divided (Enhanced RTMP v2, `AvMultitrackType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MultitrackType {
    /// One track, with its id.
    OneTrack,
    /// Several tracks of one codec.
    ManyTracks,
    /// Several tracks, each with its own codec.
    ManyTracksManyCodecs,
    /// A reserved value; the body is not looked into.
    Other(u8),
}

/// What has not been read yet of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], MediaHeaderError> {
        let (array, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(MediaHeaderError::Truncated {
                needed: N,
                left: self.0.len(),
            })?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, MediaHeaderError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u24(&mut self) -> Result<u32, MediaHeaderError> {
        self.array::<3>()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// A signed 24-bit number.
    pub(super) fn si24(&mut self) -> Result<i32, MediaHeaderError> {
        self.array::<3>()
            .map(|[a, b, c]| i32::from_be_bytes([a, b, c, 0]) >> 8)
    }

    pub(super) fn four_cc(&mut self) -> Result<FourCc, MediaHeaderError> {
        self.array().map(FourCc)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], MediaHeaderError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(MediaHeaderError::Truncated {
            needed: len,
            left: self.0.len(),
        })?;
        self.0 = rest;
        Ok(bytes)
    }
}

const MOD_EX: u8 = 7;
const TIMESTAMP_OFFSET_NANO: u8 = 0;
const MAX_TIMESTAMP_OFFSET_NANO: u32 = 999_999;

/// Reads the chain of ModEx extensions that starts when `packet_type` says so. Returns the packet type after it
/// and the presentation time offset in nanoseconds.
pub(super) fn read_mod_ex(input: &mut Input<'_>, mut packet_type: u8) -> Result<(u8, u32), MediaHeaderError> {
    let mut offset = 0;
    while packet_type == MOD_EX {
        let mut len = usize::from(input.u8()?) + 1;
        if len == 256 {
            len = usize::from(u16::from_be_bytes(input.array()?)) + 1;
        }
        let mut data = Input(input.bytes(len)?);
        let next = input.u8()?;
        if next >> 4 == TIMESTAMP_OFFSET_NANO
            && let Ok(nanos @ ..=MAX_TIMESTAMP_OFFSET_NANO) = data.u24()
        {
            offset = nanos;
        }
        packet_type = next & 0x0F;
    }
    Ok((packet_type, offset))
}

/// One track's share of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackBody<'a, C> {
    pub(super) id: u8,
    pub(super) codec: C,
    pub(super) body: Input<'a>,
}

/// The tracks that have not been read yet; the first fault ends the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackBodies<'a, C> {
    layout: Layout<C>,
    input: Input<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Layout<C> {
    Done,
    Plain(C),
    OneTrack(C),
    ManyTracks(C),
    ManyTracksManyCodecs,
}

impl<'a, C: Copy + From<FourCc>> TrackBodies<'a, C> {
    /// A body without tracks, or one that is not understood.
    pub(super) const fn none() -> Self {
        Self {
            layout: Layout::Done,
            input: Input(&[]),
        }
    }

    /// A body that is one track's as a whole, which makes it track 0's.
    pub(super) const fn plain(codec: C, body: Input<'a>) -> Self {
        Self {
            layout: Layout::Plain(codec),
            input: body,
        }
    }

    /// Reads from the packet type on: multitrack division and FourCC. `packet_type_of` tells the packet type from
    /// its number, or that it is reserved, and then nothing is known about the layout.
    pub(super) fn open<P>(
        mut input: Input<'a>,
        packet_type: u8,
        multitrack_packet_type: u8,
        packet_type_of: impl Fn(u8) -> Result<P, P>,
    ) -> Result<(P, Option<MultitrackType>, Self), MediaHeaderError> {
        if packet_type != multitrack_packet_type {
            return Ok(match packet_type_of(packet_type) {
                Ok(known) => (known, None, Self::plain(input.four_cc()?.into(), input)),
                Err(reserved) => (reserved, None, Self::none()),
            });
        }
        let byte = input.u8()?;
        if byte & 0x0F == multitrack_packet_type {
            return Err(MediaHeaderError::NestedMultitrack);
        }
        let multitrack = match byte >> 4 {
            0 => MultitrackType::OneTrack,
            1 => MultitrackType::ManyTracks,
            2 => MultitrackType::ManyTracksManyCodecs,
            other => MultitrackType::Other(other),
        };
        let packet_type = match packet_type_of(byte & 0x0F) {
            Ok(known) => known,
            Err(reserved) => return Ok((reserved, Some(multitrack), Self::none())),
        };
        let layout = match multitrack {
            MultitrackType::OneTrack => Layout::OneTrack(input.four_cc()?.into()),
            MultitrackType::ManyTracks => Layout::ManyTracks(input.four_cc()?.into()),
            MultitrackType::ManyTracksManyCodecs => Layout::ManyTracksManyCodecs,
            MultitrackType::Other(_) => Layout::Done,
        };
        Ok((packet_type, Some(multitrack), Self { layout, input }))
    }

    pub(super) fn end(&mut self) {
        self.layout = Layout::Done;
    }

    fn read(&mut self) -> Result<Option<TrackBody<'a, C>>, MediaHeaderError> {
        let (id, codec) = match self.layout {
            Layout::Done => return Ok(None),
            Layout::Plain(codec) => (0, codec),
            Layout::OneTrack(codec) => (self.input.u8()?, codec),
            Layout::ManyTracks(_) | Layout::ManyTracksManyCodecs if self.input.is_empty() => return Ok(None),
            Layout::ManyTracks(codec) => {
                let id = self.input.u8()?;
                return self.sized(id, codec).map(Some);
            }
            Layout::ManyTracksManyCodecs => {
                let codec = self.input.four_cc()?.into();
                let id = self.input.u8()?;
                return self.sized(id, codec).map(Some);
            }
        };
        self.end();
        Ok(Some(TrackBody {
            id,
            codec,
            body: self.input,
        }))
    }

    fn sized(&mut self, id: u8, codec: C) -> Result<TrackBody<'a, C>, MediaHeaderError> {
        let announced = self.input.u24()? as usize;
        let left = self.input.rest().len();
        let body = self
            .input
            .bytes(announced)
            .map_err(|_| MediaHeaderError::TrackTooLong {
                track: id,
                announced,
                left,
            })?;
        Ok(TrackBody {
            id,
            codec,
            body: Input(body),
        })
    }
}

impl<'a, C: Copy + From<FourCc>> Iterator for TrackBodies<'a, C> {
    type Item = Result<TrackBody<'a, C>, MediaHeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let track = self.read();
        if track.is_err() {
            self.end();
        }
        track.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_24_bit_numbers_extend_their_sign() {
        assert_eq!(Input(&[0xFF, 0xFF, 0xD8]).si24(), Ok(-40));
        assert_eq!(Input(&[0x7F, 0xFF, 0xFF]).si24(), Ok(0x7F_FFFF));
        assert_eq!(Input(&[0x80, 0, 0]).si24(), Ok(-0x80_0000));
    }

    #[test]
    fn a_nano_offset_out_of_range_or_too_short_is_ignored() {
        for extension in [&[2, 0x0F, 0x42, 0x40, 0x01][..], &[1, 0, 9, 0x01]] {
            assert_eq!(read_mod_ex(&mut Input(extension), MOD_EX), Ok((1, 0)));
        }
        assert_eq!(
            read_mod_ex(&mut Input(&[3, 0, 0, 9, 0xAA, 0x01]), MOD_EX),
            Ok((1, 9)),
            "bytes after the offset are ignored"
        );
    }

    #[test]
    fn a_mod_ex_chain_without_end_stops_with_the_input() {
        let chain = [0, 0, 0x17].repeat(5000);
        assert_eq!(
            read_mod_ex(&mut Input(&chain), MOD_EX),
            Err(MediaHeaderError::Truncated { needed: 1, left: 0 })
        );
    }

    #[test]
    fn a_four_cc_prints_its_letters_and_escapes_others() {
        assert_eq!(
            format!("{:?} {}", FourCc::AC_3, FourCc::new([0, b'a', 0xFF, b'\n'])),
            r"FourCc(ac-3) \x00a\xff\n"
        );
    }

    /// The numbers that Enhanced RTMP v2 lists for `videocodecid` and `audiocodecid`.
    #[test]
    fn a_four_cc_as_a_number_is_what_metadata_has() {
        for (four_cc, number) in [
            (FourCc::AV01, 1_635_135_537),
            (FourCc::HVC1, 1_752_589_105),
            (FourCc::AVC1, 1_635_148_593),
            (FourCc::VP09, 1_987_063_865),
            (FourCc::VP08, 1_987_063_864),
            (FourCc::VVC1, 1_987_470_129),
            (FourCc::OPUS, 1_332_770_163),
            (FourCc::FLAC, 1_716_281_667),
            (FourCc::AC_3, 1_633_889_587),
            (FourCc::EC_3, 1_700_998_451),
            (FourCc::MP4A, 1_836_069_985),
            (FourCc::MP3, 778_924_083),
        ] {
            assert_eq!(four_cc.as_u32(), number, "{four_cc}");
        }
    }
}
