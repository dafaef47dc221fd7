//! What stands behind the addresses of version 2: values by type and length, of which one may be a checksum over the
//! whole header (sections 2.2 and 2.2.3).

use super::ProxyError;

/// `PP2_TYPE_CRC32C`.
const CRC32C: u8 = 0x03;

/// CRC-32C (RFC 4960 appendix B), bit by bit: most headers are of some ten bytes.
#[derive(Clone, Copy, Debug)]
struct Crc32c(u32);

impl Crc32c {
    fn new() -> Self {
        Self(u32::MAX)
    }

    fn add(&mut self, byte: u8) {
        self.0 ^= u32::from(byte);
        for _ in 0..8 {
            let divisor = if self.0 & 1 == 1 { 0x82F6_3B78 } else { 0 };
            self.0 = (self.0 >> 1) ^ divisor;
        }
    }

    fn value(self) -> u32 {
        !self.0
    }
}

/// Follows a header through its values and keeps nothing of them but the checksum.
#[derive(Debug)]
pub(super) struct Checksum {
    computed: Crc32c,
    announced: Option<u32>,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Type,
    LengthHigh { kind: u8 },
    LengthLow { kind: u8, high: u8 },
    Value { is_checksum: bool, rest: u16 },
}

impl Checksum {
    /// Begins with what stands in front of the values.
    pub(super) fn of(start: &[u8]) -> Self {
        let mut computed = Crc32c::new();
        start.iter().for_each(|byte| computed.add(*byte));
        Self {
            computed,
            announced: None,
            place: Place::Type,
        }
    }

    pub(super) fn add(&mut self, values: &[u8]) {
        for &byte in values {
            let is_of_checksum = matches!(
                self.place,
                Place::Value {
                    is_checksum: true,
                    ..
                }
            );
            // The sender has computed it with zeros in its place.
            self.computed.add(if is_of_checksum { 0 } else { byte });
            self.place = match self.place {
                Place::Type => Place::LengthHigh { kind: byte },
                Place::LengthHigh { kind } => Place::LengthLow { kind, high: byte },
                Place::LengthLow { kind, high } => {
                    let is_checksum = (kind, high, byte) == (CRC32C, 0, 4);
                    if is_checksum {
                        self.announced = Some(0);
                    }
                    Place::behind(is_checksum, u16::from_be_bytes([high, byte]))
                }
                Place::Value { is_checksum, rest } => {
                    if is_checksum {
                        let so_far = self.announced.unwrap_or_default();
                        self.announced = Some(so_far << 8 | u32::from(byte));
                    }
                    Place::behind(is_checksum, rest.saturating_sub(1))
                }
            };
        }
    }

    /// Compares, if the header has a checksum.
    pub(super) fn verify(self) -> Result<(), ProxyError> {
        let computed = self.computed.value();
        match self.announced {
            Some(announced) if announced != computed => Err(ProxyError::Checksum { announced, computed }),
            _ => Ok(()),
        }
    }
}

impl Place {
    fn behind(is_checksum: bool, rest: u16) -> Self {
        match rest {
            0 => Self::Type,
            rest => Self::Value { is_checksum, rest },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogue of parametrised CRC algorithms (CRC-32/ISCSI).
    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        let mut crc = Crc32c::new();
        b"123456789".iter().for_each(|byte| crc.add(*byte));
        assert_eq!(crc.value(), 0xE306_9283);
    }
}
