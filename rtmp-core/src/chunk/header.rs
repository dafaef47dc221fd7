//! Chunk headers: basic header, message header, extended timestamp (RTMP 1.0 section 5.3.1).

use bytes::BufMut;

use super::{ChunkStreamId, MessageStreamId, MessageType};

/// A 24-bit time field of this value announces an extended timestamp (5.3.1.3).
pub(super) const EXTENDED_MARK: u32 = 0xFF_FFFF;

/// Which fields a message header has: `fmt` in the specification (5.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkFormat {
    /// Type 0: all fields, the time is absolute.
    Full,
    /// Type 1: the message stream is that of the header before.
    SameStream,
    /// Type 2: only the time delta.
    TimeOnly,
    /// Type 3: no fields; continues a message, or starts one like the last.
    Nothing,
}

impl ChunkFormat {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Full => 0,
            Self::SameStream => 1,
            Self::TimeOnly => 2,
            Self::Nothing => 3,
        }
    }
}

/// The first 1 to 3 bytes of a chunk (5.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasicHeader {
    pub(super) format: ChunkFormat,
    pub(super) chunk_stream: ChunkStreamId,
}

impl BasicHeader {
    /// The header at the start of `input` and what follows it, or `None` if more bytes are needed. Ids that would
    /// fit a shorter form are accepted in a longer one.
    pub(super) fn parse(input: &[u8]) -> Option<(Self, &[u8])> {
        let (&first, rest) = input.split_first()?;
        let format = match first >> 6 {
            0 => ChunkFormat::Full,
            1 => ChunkFormat::SameStream,
            2 => ChunkFormat::TimeOnly,
            _ => ChunkFormat::Nothing,
        };
        let (id, rest) = match first & 0x3F {
            0 => {
                let (&id, rest) = rest.split_first()?;
                (64 + u32::from(id), rest)
            }
            1 => {
                // The first byte is the low one.
                let (id, rest) = rest.split_first_chunk()?;
                (64 + u32::from(u16::from_le_bytes(*id)), rest)
            }
            id => (u32::from(id), rest),
        };
        let chunk_stream = ChunkStreamId::from_wire(id);
        Some((Self { format, chunk_stream }, rest))
    }

    /// Appends the shortest form.
    pub(super) fn write(self, out: &mut impl BufMut) {
        let format = self.format.number() << 6;
        let id = self.chunk_stream.get();
        match id {
            0..64 => out.put_u8(format | id as u8),
            64..320 => out.put_slice(&[format, id.saturating_sub(64) as u8]),
            _ => {
                let [high, low] = (id.saturating_sub(64) as u16).to_be_bytes();
                out.put_slice(&[format | 1, low, high]);
            }
        }
    }

    pub(super) const fn len(self) -> usize {
        match self.chunk_stream.get() {
            0..64 => 1,
            64..320 => 2,
            _ => 3,
        }
    }
}

/// The message header of a chunk of type 0, 1 or 2, extended timestamp resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageHeader {
    /// Absolute time in type 0, a delta in types 1 and 2; milliseconds.
    pub(super) time: u32,
    /// Whether the time stood in an extended timestamp.
    pub(super) extended: bool,
    /// Length and type, in types 0 and 1.
    pub(super) message: Option<(usize, MessageType)>,
    /// The message stream, in type 0.
    pub(super) stream: Option<MessageStreamId>,
}

impl MessageHeader {
    /// The header at the start of `input`, which is behind the basic header, and what follows it and its extended
    /// timestamp; `None` if more bytes are needed. `format` is not type 3.
    pub(super) fn parse(format: ChunkFormat, input: &[u8]) -> Option<(Self, &[u8])> {
        let (field, mut rest) = input.split_first_chunk()?;
        let mut time = read_u24(field);
        let mut message = None;
        if let ChunkFormat::Full | ChunkFormat::SameStream = format {
            let ([length @ .., message_type], behind) = rest.split_first_chunk::<4>()?;
            message = Some((read_u24(length) as usize, MessageType::from(*message_type)));
            rest = behind;
        }
        let mut stream = None;
        if format == ChunkFormat::Full {
            let (id, behind) = rest.split_first_chunk()?;
            stream = Some(MessageStreamId::new(u32::from_le_bytes(*id)));
            rest = behind;
        }
        let extended = time == EXTENDED_MARK;
        if extended {
            let (field, behind) = rest.split_first_chunk()?;
            time = u32::from_be_bytes(*field);
            rest = behind;
        }
        let header = Self {
            time,
            extended,
            message,
            stream,
        };
        Some((header, rest))
    }
}

/// The two 24-bit or 32-bit time fields for `time`: what stands in the header, and what follows it.
pub(super) const fn split_time(time: u32) -> (u32, Option<u32>) {
    if time >= EXTENDED_MARK {
        (EXTENDED_MARK, Some(time))
    } else {
        (time, None)
    }
}

pub(super) fn put_u24(out: &mut impl BufMut, value: u32) {
    let [_, bytes @ ..] = value.to_be_bytes();
    out.put_slice(&bytes);
}

fn read_u24(&[a, b, c]: &[u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn basic_headers_take_the_shortest_form_and_read_back() {
        for (id, len) in [(2, 1), (63, 1), (64, 2), (319, 2), (320, 3), (65_599, 3)] {
            let header = BasicHeader {
                format: ChunkFormat::TimeOnly,
                chunk_stream: ChunkStreamId::new(id).unwrap(),
            };
            let mut out = BytesMut::new();
            header.write(&mut out);
            assert_eq!((out.len(), header.len()), (len, len));
            assert_eq!(BasicHeader::parse(&out), Some((header, &[][..])));
            assert_eq!(BasicHeader::parse(&out[..len - 1]), None);
        }
    }

    #[test]
    fn the_second_byte_of_a_three_byte_id_is_the_low_one() {
        let (header, rest) = BasicHeader::parse(&[0x01, 0x00, 0x01, 0x77]).unwrap();
        assert_eq!((header.chunk_stream.get(), rest), (320, &[0x77][..]));
    }
}
