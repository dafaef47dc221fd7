//! A second opinion: chunks written and read straight from the text of RTMP 1.0 section 5.3.1, one byte after the
//! other, with no regard to speed and nothing shared with the library.

use std::collections::BTreeMap;

use rtmp_core::chunk::RawMessage;

use crate::support::message;

/// Chunks written by hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(pub(crate) Vec<u8>);

impl Wire {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn basic(mut self, format: u8, chunk_stream: u32) -> Self {
        let first = format << 6;
        match chunk_stream {
            2..64 => self.0.push(first | chunk_stream as u8),
            64..320 => self.0.extend([first, (chunk_stream - 64) as u8]),
            _ => return self.basic_of_3_bytes(format, chunk_stream),
        }
        self
    }

    pub(crate) fn basic_of_3_bytes(mut self, format: u8, chunk_stream: u32) -> Self {
        let rest = chunk_stream - 64;
        self.0
            .extend([format << 6 | 1, (rest % 256) as u8, (rest / 256) as u8]);
        self
    }

    /// A type 0 header.
    pub(crate) fn full(
        self,
        chunk_stream: u32,
        time: u32,
        length: usize,
        message_type: u8,
        stream: u32,
    ) -> Self {
        let mut wire = self
            .basic(0, chunk_stream)
            .u24(time.min(0xFF_FFFF))
            .u24(length as u32)
            .bytes(&[message_type]);
        wire.0.extend(stream.to_le_bytes());
        wire.extended_if_needed(time)
    }

    /// A type 1 header.
    pub(crate) fn same_stream(self, chunk_stream: u32, delta: u32, length: usize, message_type: u8) -> Self {
        self.basic(1, chunk_stream)
            .u24(delta.min(0xFF_FFFF))
            .u24(length as u32)
            .bytes(&[message_type])
            .extended_if_needed(delta)
    }

    /// A type 2 header.
    pub(crate) fn time_only(self, chunk_stream: u32, delta: u32) -> Self {
        self.basic(2, chunk_stream)
            .u24(delta.min(0xFF_FFFF))
            .extended_if_needed(delta)
    }

    /// A type 3 header, without an extended timestamp.
    pub(crate) fn repeat(self, chunk_stream: u32) -> Self {
        self.basic(3, chunk_stream)
    }

    pub(crate) fn extended(self, time: u32) -> Self {
        self.bytes(&time.to_be_bytes())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A protocol control message with a 4-byte body.
    pub(crate) fn control(self, message_type: u8, value: u32) -> Self {
        self.full(2, 0, 4, message_type, 0).bytes(&value.to_be_bytes())
    }

    fn u24(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes()[1..])
    }

    fn extended_if_needed(self, time: u32) -> Self {
        if time >= 0xFF_FFFF {
            self.extended(time)
        } else {
            self
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Lane {
    time: u32,
    delta: u32,
    has_extended: bool,
    length: usize,
    message_type: u8,
    stream: u32,
    partial: Option<Vec<u8>>,
}

/// Where a decoder with limits has to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelLimits {
    pub(crate) message_len: usize,
    pub(crate) partial_messages: usize,
    pub(crate) partial_bytes: usize,
    pub(crate) chunk_streams: usize,
}

impl ModelLimits {
    pub(crate) const NONE: Self = Self {
        message_len: usize::MAX,
        partial_messages: usize::MAX,
        partial_bytes: usize::MAX,
        chunk_streams: usize::MAX,
    };
}

/// Reads complete, valid chunks: the messages, and the name of the first limit exceeded.
pub(crate) fn model_decode(limits: ModelLimits, input: &[u8]) -> (Vec<RawMessage>, Option<&'static str>) {
    let mut lanes = BTreeMap::<u32, Lane>::new();
    let mut messages = Vec::new();
    let mut chunk_size = 128;
    let mut input = input.iter().copied();
    let mut take = |count: usize| -> Vec<u8> { input.by_ref().take(count).collect() };
    let number = |bytes: Vec<u8>| {
        bytes
            .iter()
            .fold(0_u32, |value, &byte| value << 8 | u32::from(byte))
    };
    loop {
        let Some(&first) = take(1).first() else {
            return (messages, None);
        };
        let chunk_stream = match first % 64 {
            0 => 64 + u32::from(take(1)[0]),
            1 => {
                let rest = take(2);
                64 + u32::from(rest[0]) + 256 * u32::from(rest[1])
            }
            id => u32::from(id),
        };
        let format = first / 64;
        if !lanes.contains_key(&chunk_stream) && lanes.len() == limits.chunk_streams {
            return (messages, Some("TooManyChunkStreams"));
        }
        let partial_bytes: usize = lanes.values().flat_map(|lane| &lane.partial).map(Vec::len).sum();
        let partial_messages = lanes.values().filter(|lane| lane.partial.is_some()).count();
        let lane = lanes.entry(chunk_stream).or_default();

        if format < 3 {
            let mut time = number(take(3));
            if format < 2 {
                lane.length = number(take(3)) as usize;
                lane.message_type = take(1)[0];
            }
            if format == 0 {
                lane.stream = number(take(4)).swap_bytes();
            }
            lane.has_extended = time == 0xFF_FFFF;
            if lane.has_extended {
                time = number(take(4));
            }
            lane.delta = time;
            if format == 0 {
                lane.time = 0;
            }
        } else if lane.has_extended {
            take(4);
        }
        if lane.length > limits.message_len {
            return (messages, Some("MessageTooLong"));
        }
        if lane.partial.is_none() {
            lane.time = lane.time.wrapping_add(lane.delta);
            lane.partial = Some(Vec::new());
            if partial_messages == limits.partial_messages {
                return (messages, Some("TooManyPartialMessages"));
            }
        }
        let received = lane.partial.get_or_insert_default();
        let part = take(chunk_size.min(lane.length - received.len()));
        if partial_bytes + part.len() > limits.partial_bytes {
            return (messages, Some("PartialMessagesTooLong"));
        }
        received.extend(part);
        if received.len() < lane.length {
            continue;
        }
        let payload = lane.partial.take().unwrap_or_default();
        messages.push(message(
            chunk_stream,
            lane.time,
            lane.message_type,
            lane.stream,
            payload.clone(),
        ));
        match lane.message_type {
            1 => chunk_size = number(payload) as usize,
            2 => {
                if let Some(lane) = lanes.get_mut(&number(payload)) {
                    lane.partial = None;
                }
            }
            _ => {}
        }
    }
}
