//! Boxes and their fields (ISO/IEC 14496-12 section 4.2). Everything is read from what is there; no length sizes an
//! allocation, and nothing descends by itself.

/// The boxes in the content of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boxes<'a>(pub(super) &'a [u8]);

impl<'a> Boxes<'a> {
    /// The content of the first box of a type.
    pub(super) fn find(mut self, name: &[u8; 4]) -> Option<&'a [u8]> {
        self.find_map(|(found, content)| (found == *name).then_some(content))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    /// Stops at a box that can not be right; a last one that is cut off has what there is.
    fn next(&mut self) -> Option<Self::Item> {
        let (name, header_len, len) = header(self.0)?;
        let len = len.map_or(self.0.len(), |len| usize::try_from(len).unwrap_or(usize::MAX));
        let content = self.0.get(header_len..len.min(self.0.len()))?;
        self.0 = self.0.get(len..).unwrap_or_default();
        Some((name, content))
    }
}

/// Type, length of the header, and length of the whole box, which is `None` if it reaches to the end of the file.
pub(super) fn header(bytes: &[u8]) -> Option<([u8; 4], usize, Option<u64>)> {
    let mut fields = Fields(bytes);
    let (size, name) = (fields.u32()?, fields.array()?);
    let (header_len, len) = match size {
        0 => (8, None),
        1 => (16, Some(fields.u64()?)),
        size => (8, Some(u64::from(size))),
    };
    len.is_none_or(|len| len >= header_len)
        .then_some((name, if header_len == 8 { 8 } else { 16 }, len))
}

/// Fields one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn skip(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Version and flags of a full box.
    pub(super) fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0x00FF_FFFF))
    }

    /// A field of 32 bits in version 0, of 64 in version 1.
    pub(super) fn by_version(&mut self, version: u8) -> Option<u64> {
        if version == 0 {
            self.u32().map(u64::from)
        } else {
            self.u64()
        }
    }
}

/// The entries of a table: as many as announced, or as there are.
pub(super) fn table<'a, const N: usize>(
    content: Option<&'a [u8]>,
) -> impl Iterator<Item = [u8; N]> + Clone + 'a {
    let mut fields = Fields(content.unwrap_or_default());
    let count = fields.version_and_flags().and_then(|_| fields.u32()).unwrap_or(0);
    let entries = fields.0.as_chunks::<N>().0;
    entries
        .iter()
        .copied()
        .take(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The two halves of an entry.
pub(super) fn pair(entry: [u8; 8]) -> (u32, u32) {
    let whole = u64::from_be_bytes(entry);
    ((whole >> 32) as u32, whole as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_end_where_one_can_not_be_right_and_a_cut_one_has_what_there_is() {
        let content = b"\0\0\0\x0aaaaaxx\0\0\0\x01bbbb\0\0\0\0\0\0\0\x11y\0\0\0\0ccccz";
        let found: Vec<_> = Boxes(content).collect();
        assert_eq!(
            found,
            [(*b"aaaa", &b"xx"[..]), (*b"bbbb", b"y"), (*b"cccc", b"z")]
        );
        for content in [
            &b""[..],
            b"\0\0\0\x07aaaa",
            b"\0\0\0\x01aaaa\0\0\0\0\0\0\0\x0f",
            b"\0\0\0",
        ] {
            assert_eq!(Boxes(content).count(), 0, "{content:02x?}");
        }
        assert_eq!(Boxes(b"\xff\xff\xff\xffaaaax").find(b"aaaa"), Some(&b"x"[..]));
    }

    #[test]
    fn a_count_is_believed_only_as_far_as_there_are_entries() {
        let content = b"\0\0\0\0\xff\xff\xff\xff\0\0\0\x01\0\0\0\x02\0\0";
        assert_eq!(table::<4>(Some(content)).count(), 2);
        assert_eq!(
            table::<4>(Some(b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x02")).count(),
            1
        );
        assert_eq!(table::<4>(None).count(), 0);
    }
}
