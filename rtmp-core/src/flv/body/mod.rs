//! Writes audio and video bodies of the enhanced form: first byte, ModEx, multitrack division, FourCC, tracks
//! (Enhanced RTMP v2).
//!
//! What readers in the field are known to take is preferred where the specification leaves a choice: track 0 is
//! written without track id, configuration as one track per message, the nano offset with exactly three bytes.

mod audio;
mod error;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
mod video;

use bytes::{BufMut, Bytes, BytesMut};

pub use audio::AudioBody;
pub use error::MediaBodyError;
pub use video::VideoBody;

use super::FourCc;

/// What stands before the tracks.
#[derive(Clone, Copy)]
struct Head {
    /// The first byte without its packet type.
    first: u8,
    packet_type: u8,
    multitrack_packet_type: u8,
    presentation_offset_nanos: u32,
}

/// One track's part of a body: `fields`, then `data`.
#[derive(Clone, Copy)]
struct Part<'a> {
    track: u8,
    four_cc: FourCc,
    fields: Fields,
    data: &'a [u8],
}

/// What stands before a track's data: nothing, a composition time, or what describes channels.
#[derive(Clone, Copy)]
enum Fields {
    None,
    CompositionTime([u8; 3]),
    Channels([u8; 2]),
    ChannelMask([u8; 6]),
}

impl Fields {
    const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::CompositionTime(bytes) => bytes,
            Self::Channels(bytes) => bytes,
            Self::ChannelMask(bytes) => bytes,
        }
    }
}

/// First byte, ModEx, division and FourCC.
const MAX_HEAD_LEN: usize = 11;
/// FourCC, track id, size and fields.
const MAX_PART_HEAD_LEN: usize = 14;

impl Head {
    const MOD_EX: u8 = 7;
    const TIMESTAMP_OFFSET_NANO: u8 = 0;
    const ONE_TRACK: u8 = 0;
    const MANY_TRACKS: u8 = 1;
    const MANY_TRACKS_MANY_CODECS: u8 = 2;
    const MAX_NANOS: u32 = 999_999;

    fn one_track(self, part: Part<'_>) -> Result<Bytes, MediaBodyError> {
        let mut body = self.begin(
            part.data.len().saturating_add(MAX_PART_HEAD_LEN),
            (part.track != 0).then_some(Self::ONE_TRACK),
        )?;
        body.put_slice(&part.four_cc.as_bytes());
        if part.track != 0 {
            body.put_u8(part.track);
        }
        part.put_content(&mut body);
        Ok(body.freeze())
    }

    /// Several tracks, with one FourCC for all of them if they have the same.
    fn many_tracks<'a>(
        self,
        parts: impl Iterator<Item = Result<Part<'a>, MediaBodyError>> + Clone,
    ) -> Result<Bytes, MediaBodyError> {
        let (mut seen, mut len, mut shared) = ([false; 256], 0_usize, None);
        let mut is_one_codec = true;
        for part in parts.clone() {
            let part = part?;
            let is_seen = seen.get_mut(usize::from(part.track));
            if is_seen.is_some_and(|is_seen| std::mem::replace(is_seen, true)) {
                return Err(MediaBodyError::DuplicateTrack { track: part.track });
            }
            // Before anything is reserved for it.
            part.size()?;
            len = len.saturating_add(part.data.len().saturating_add(MAX_PART_HEAD_LEN));
            is_one_codec &= part.four_cc == *shared.get_or_insert(part.four_cc);
        }
        let first_codec = shared.ok_or(MediaBodyError::NoTracks)?;
        let mut body = if is_one_codec {
            let mut body = self.begin(len, Some(Self::MANY_TRACKS))?;
            body.put_slice(&first_codec.as_bytes());
            body
        } else {
            self.begin(len, Some(Self::MANY_TRACKS_MANY_CODECS))?
        };
        for part in parts {
            let part = part?;
            if !is_one_codec {
                body.put_slice(&part.four_cc.as_bytes());
            }
            body.put_u8(part.track);
            body.put_slice(&part.size()?);
            part.put_content(&mut body);
        }
        Ok(body.freeze())
    }

    /// Everything up to the FourCC, with room for `len` more bytes. `division` is the multitrack type.
    fn begin(self, len: usize, division: Option<u8>) -> Result<BytesMut, MediaBodyError> {
        let nanos = self.presentation_offset_nanos;
        if nanos > Self::MAX_NANOS {
            return Err(MediaBodyError::PresentationOffset {
                nanos,
                limit: Self::MAX_NANOS,
            });
        }
        let mut body = BytesMut::with_capacity(len.saturating_add(MAX_HEAD_LEN));
        let packet_type = if division.is_some() {
            self.multitrack_packet_type
        } else {
            self.packet_type
        };
        if nanos == 0 {
            body.put_u8(self.first | packet_type);
        } else {
            let [_, offset @ ..] = nanos.to_be_bytes();
            // Some readers ignore an offset that does not have exactly three bytes. The size is sent less one.
            body.put_slice(&[self.first | Self::MOD_EX, 2]);
            body.put_slice(&offset);
            body.put_u8(Self::TIMESTAMP_OFFSET_NANO << 4 | packet_type);
        }
        if let Some(division) = division {
            body.put_u8(division << 4 | self.packet_type);
        }
        Ok(body)
    }
}

impl Part<'_> {
    /// The size field of one of several tracks.
    fn size(&self) -> Result<[u8; 3], MediaBodyError> {
        const MAX_LEN: u32 = 0xFF_FFFF;
        let len = self.data.len().saturating_add(self.fields.as_bytes().len());
        match u32::try_from(len) {
            Ok(len @ ..=MAX_LEN) => {
                let [_, size @ ..] = len.to_be_bytes();
                Ok(size)
            }
            _ => Err(MediaBodyError::TrackTooLong {
                track: self.track,
                len,
                limit: MAX_LEN as usize,
            }),
        }
    }

    fn put_content(&self, body: &mut BytesMut) {
        body.put_slice(self.fields.as_bytes());
        body.put_slice(self.data);
    }
}

/// A composition time as a signed number of 24 bits.
pub(super) const fn si24(composition_time: i32) -> Result<[u8; 3], MediaBodyError> {
    const MAX: i32 = 0x7F_FFFF;
    const MIN: i32 = -MAX - 1;
    if composition_time < MIN || composition_time > MAX {
        return Err(MediaBodyError::CompositionTime {
            composition_time,
            min: MIN,
            max: MAX,
        });
    }
    let [_, si24 @ ..] = composition_time.to_be_bytes();
    Ok(si24)
}
