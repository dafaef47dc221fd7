//! Boxes (ISO/IEC 14496-12 section 4.2): found here, read by `mp4_atom`.
//!
//! It gets one box after the other, each with fields of its own, and never one with boxes inside. It descends by
//! recursion, as deep as a file says: 1,000 boxes of 8 bytes, each in the one before, take the whole stack of a thread,
//! and with it the program. It also reads each box that it knows, and refuses a film for any that is odd.

use mp4_atom::{Atom, Decode, Error};
use rtmp_core::flv::FourCc;

use super::Mp4Error;

/// Where a table has the number of its entries: behind version and flags.
pub(super) const COUNT_AT: usize = 4;

/// Type and length of a box. `mp4_atom::Header` has lengths in `usize`, too short for a film on a machine of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: FourCc,
    /// Of the header.
    pub(super) len: u64,
    /// Of the whole box; without it the box goes on to the end of what it is in.
    pub(super) box_len: Option<u64>,
}

impl Header {
    /// How long it can be.
    pub(super) const MAX_LEN: u64 = 16;

    /// `None` if it can not be right.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let size = u32::decode(&mut bytes).ok()?;
        let name = FourCc::new(Decode::decode(&mut bytes).ok()?);
        let (len, box_len) = match size {
            0 => (8, None),
            1 => (16, Some(u64::decode(&mut bytes).ok()?)),
            size => (8, Some(size.into())),
        };
        let is_right = box_len.is_none_or(|box_len| box_len >= len);
        is_right.then_some(Self { name, len, box_len })
    }
}

/// A box that is in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mp4Box<'a> {
    pub(super) name: FourCc,
    /// Where it begins in the file.
    pub(super) offset: u64,
    pub(super) content: Content<'a>,
}

/// Bytes and where they begin in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) offset: u64,
}

impl<'a> Mp4Box<'a> {
    /// The boxes in it.
    pub(super) fn boxes(self) -> Boxes<'a> {
        Boxes(self.content)
    }

    /// The fields it begins with, and the boxes behind them.
    pub(super) fn fields<T: Decode>(self) -> Result<(T, Boxes<'a>), Mp4Error> {
        let Content { mut bytes, offset } = self.content;
        let fields = T::decode(&mut bytes).map_err(|error| self.unreadable(error))?;
        let read = self.content.bytes.len().saturating_sub(bytes.len());
        let offset = offset.saturating_add(read as u64);
        Ok((fields, Boxes(Content { bytes, offset })))
    }

    /// All of it, which has no boxes inside. What stands behind the fields is passed over.
    pub(super) fn read<T: Atom>(self) -> Result<T, Mp4Error> {
        T::decode_body(&mut { self.content.bytes }).map_err(|error| self.unreadable(error))
    }

    /// The box in it that has to be there.
    pub(super) fn child<T: Atom>(self) -> Result<T, Mp4Error> {
        let missing = || self.unreadable(Error::MissingBox(T::KIND));
        self.boxes().read()?.ok_or_else(missing)
    }

    /// How many entries it says it has.
    pub(super) fn count(self, at: usize) -> Result<u32, Mp4Error> {
        let mut bytes = self.content.bytes.get(at..).unwrap_or_default();
        u32::decode(&mut bytes).map_err(|error| self.unreadable(error))
    }

    /// Refuses one that is too long.
    pub(super) fn within(self, limit: u64) -> Result<Self, Mp4Error> {
        match self.content.bytes.len() as u64 {
            len if len <= limit => Ok(self),
            len => Err(Mp4Error::BoxTooLong {
                name: self.name,
                offset: self.offset,
                len,
                limit,
            }),
        }
    }

    fn unreadable(self, error: Error) -> Mp4Error {
        Mp4Error::Unreadable {
            name: self.name,
            offset: self.offset,
            source: std::sync::Arc::new(error),
        }
    }
}

/// Boxes one behind the other. They end at one that can not be right; one that is cut off has what there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boxes<'a>(pub(super) Content<'a>);

impl<'a> Boxes<'a> {
    /// The first box of a type.
    pub(super) fn find(mut self, name: FourCc) -> Option<Mp4Box<'a>> {
        Iterator::find(&mut self, |found| found.name == name)
    }

    /// The first box of a type that is known, read.
    pub(super) fn read<T: Atom>(self) -> Result<Option<T>, Mp4Error> {
        self.find(name_of::<T>()).map(Mp4Box::read).transpose()
    }

    /// The first table of a type that is known, read. It is looked at only if it says that it has no more entries than
    /// `limit`.
    pub(super) fn table<T: Atom>(self, limit: u32) -> Result<Option<T>, Mp4Error> {
        let Some(found) = self.find(name_of::<T>()) else {
            return Ok(None);
        };
        let announced = found.count(COUNT_AT)?;
        if announced > limit {
            return Err(Mp4Error::TooManyEntries {
                name: found.name,
                offset: found.offset,
                announced,
                limit,
            });
        }
        found.read().map(Some)
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Mp4Box<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let Content { bytes, offset } = self.0;
        let header = Header::read(bytes)?;
        let header_len = usize::try_from(header.len).ok()?;
        let len = header
            .box_len
            .and_then(|len| usize::try_from(len).ok())
            .map_or(bytes.len(), |len| len.min(bytes.len()));
        let content = Content {
            bytes: bytes.get(header_len..len)?,
            offset: offset.saturating_add(header.len),
        };
        self.0 = Content {
            bytes: bytes.get(len..)?,
            offset: offset.saturating_add(len as u64),
        };
        Some(Mp4Box {
            name: header.name,
            offset,
            content,
        })
    }
}

/// The type of a box that `mp4_atom` knows.
pub(super) fn name_of<T: Atom>() -> FourCc {
    FourCc::new(T::KIND.into())
}

#[cfg(test)]
mod tests {
    use mp4_atom::Stco;

    use super::*;

    fn boxes(bytes: &[u8]) -> Boxes<'_> {
        Boxes(Content { bytes, offset: 100 })
    }

    #[test]
    fn boxes_end_where_one_can_not_be_right_and_a_cut_one_has_what_there_is() {
        let content = b"\0\0\0\x0aaaaaxx\0\0\0\x01bbbb\0\0\0\0\0\0\0\x11y\0\0\0\0ccccz";
        let found: Vec<_> = boxes(content)
            .map(|found| {
                (
                    found.name.as_bytes(),
                    found.offset,
                    found.content.offset,
                    found.content.bytes,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (*b"aaaa", 100, 108, &b"xx"[..]),
                (*b"bbbb", 110, 126, b"y"),
                (*b"cccc", 127, 135, b"z")
            ]
        );
        for content in [
            &b""[..],
            b"\0\0\0\x07aaaa",
            b"\0\0\0\x01aaaa\0\0\0\0\0\0\0\x0f",
            b"\0\0\0\x01aaaa\0\0\0",
            b"\0\0\0",
        ] {
            assert_eq!(boxes(content).count(), 0, "{content:02x?}");
        }
        let cut = boxes(b"\xff\xff\xff\xffaaaax").find(FourCc::new(*b"aaaa"));
        assert_eq!(cut.unwrap().content.bytes, b"x");
    }

    #[test]
    fn what_is_wrong_with_a_box_is_said_with_its_type_and_its_place() {
        let said = |content: &[u8]| {
            let error = boxes(content).table::<Stco>(2).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            (error.to_string(), source)
        };
        assert_eq!(
            said(b"\0\0\0\x0aaaaaxx\0\0\0\x14stco\0\0\0\0\0\0\0\x02\0\0\0\x01"),
            (
                "the stco box at byte 110 can not be read".to_owned(),
                Some("out of bounds".to_owned())
            )
        );
        assert_eq!(
            said(b"\0\0\0\x14stco\0\0\0\0\0\0\0\x03\0\0\0\x01"),
            (
                "the stco box at byte 100 announces 3 entries, the limit is 2".to_owned(),
                None
            )
        );
    }
}
