//! Integers of 29 bits in one to four bytes (AMF3 section 1.3.1).

use bytes::BytesMut;

/// The greatest one. The specification's table says 3FFFFFFF, which is one bit more than there is room for.
pub(super) const MAX: u32 = 0x1FFF_FFFF;

/// The greatest length, count or index: one bit of the U29 says whether it is a reference.
pub(super) const MAX_LEN: usize = 0x0FFF_FFFF;

/// Bytes 1 to 3 have seven bits and say whether another one follows; the fourth has eight.
pub(super) fn read<E>(mut next: impl FnMut() -> Result<u8, E>) -> Result<u32, E> {
    let mut value = 0;
    for _ in 0..3 {
        let byte = next()?;
        value = value << 7 | u32::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Ok(value << 8 | u32::from(next()?))
}

/// Writes the low 29 bits in the shortest form.
pub(super) fn write(value: u32, out: &mut BytesMut) {
    let value = value & MAX;
    let seven = |shift: u32| (value >> shift & 0x7F) as u8;
    match value {
        0..=0x7F => out.extend_from_slice(&[seven(0)]),
        0x80..=0x3FFF => out.extend_from_slice(&[seven(7) | 0x80, seven(0)]),
        0x4000..=0x1F_FFFF => out.extend_from_slice(&[seven(14) | 0x80, seven(7) | 0x80, seven(0)]),
        _ => {
            let [.., last] = value.to_be_bytes();
            out.extend_from_slice(&[seven(22) | 0x80, seven(15) | 0x80, seven(8) | 0x80, last]);
        }
    }
}

/// The signed integer whose low 29 bits these are (section 3.6).
pub(super) const fn sign_extend(value: u32) -> i32 {
    (value << 3).cast_signed() >> 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: u32) -> Vec<u8> {
        let mut out = BytesMut::new();
        write(value, &mut out);
        out.to_vec()
    }

    fn read_from(bytes: &[u8]) -> Result<u32, ()> {
        let mut bytes = bytes.iter();
        read(|| bytes.next().copied().ok_or(()))
    }

    /// AMF3 section 1.3.1, table of ranges, with the last one as 29 bits demand.
    #[test]
    fn the_length_changes_at_the_boundaries_of_the_specification() {
        for (value, bytes) in [
            (0, &b"\x00"[..]),
            (0x7F, b"\x7f"),
            (0x80, b"\x81\x00"),
            (0x3FFF, b"\xff\x7f"),
            (0x4000, b"\x81\x80\x00"),
            (0x1F_FFFF, b"\xff\xff\x7f"),
            (0x20_0000, b"\x80\xc0\x80\x00"),
            (0x0FFF_FFFF, b"\xbf\xff\xff\xff"),
            (0x1000_0000, b"\xc0\x80\x80\x00"),
            (MAX, b"\xff\xff\xff\xff"),
        ] {
            assert_eq!(written(value), bytes, "{value:#x}");
            assert_eq!(read_from(bytes), Ok(value), "{bytes:02x?}");
            assert_eq!(read_from(&bytes[..bytes.len() - 1]), Err(()), "{bytes:02x?}");
        }
    }

    #[test]
    fn longer_forms_than_needed_are_read() {
        for bytes in [&b"\x80\x01"[..], b"\x80\x80\x01", b"\x80\x80\x80\x01"] {
            assert_eq!(read_from(bytes), Ok(1), "{bytes:02x?}");
        }
    }

    #[test]
    fn bit_28_is_the_sign() {
        assert_eq!(sign_extend(0x0FFF_FFFF), 268_435_455);
        assert_eq!(sign_extend(0x1000_0000), -268_435_456);
        assert_eq!(sign_extend(MAX), -1);
    }
}
