//! A stream of 2.5 Mb/s, second by second.

use bytes::Bytes;
use rtmp_core::chunk::{FramedMessage, MessageStreamId};
use rtmp_core::conn::DEFAULT_OUTGOING_CHUNK_SIZE;
use rtmp_core::{MediaMessage, Timestamp};

const FRAMES: u32 = 30;
const PACKETS: u32 = 43;
const PACKET_LEN: usize = 370;

/// Bytes of a second's payloads.
pub(crate) const SECOND_LEN: u64 = {
    let (mut sum, mut frame) = (PACKETS as usize * PACKET_LEN, 0);
    while frame < FRAMES {
        sum += frame_len(frame);
        frame += 1;
    }
    sum as u64
};

const fn frame_len(frame: u32) -> usize {
    match frame {
        0 => 60_000,
        _ => 8000 + frame as usize * 70,
    }
}

/// Gives one second after the other.
#[derive(Debug)]
pub(crate) struct Clock {
    /// With times inside the second.
    messages: Vec<MediaMessage>,
    seconds: u32,
}

impl Default for Clock {
    fn default() -> Self {
        let body = |start: &[u8], len: usize| {
            let mut body = start.to_vec();
            body.resize(len, 0x55);
            Bytes::from(body)
        };
        let frames = (0..FRAMES).map(|frame| {
            let start = if frame == 0 { b"\x17\x01" } else { b"\x27\x01" };
            let at = Timestamp::from_millis(frame * 1000 / FRAMES);
            MediaMessage::video(at, body(start, frame_len(frame)))
        });
        let packets = (0..PACKETS).map(|packet| {
            let at = Timestamp::from_millis(packet * 1000 / PACKETS);
            MediaMessage::audio(at, body(b"\xAF\x01", PACKET_LEN))
        });
        let mut messages: Vec<_> = frames.chain(packets).collect();
        messages.sort_by_key(|message| message.timestamp.as_millis());
        Self { messages, seconds: 0 }
    }
}

impl Clock {
    /// 30 frames, the first of them a keyframe, and 43 audio messages, in the order of time.
    pub(crate) fn next_second(&mut self) -> Vec<MediaMessage> {
        let start = self.seconds.wrapping_mul(1000);
        self.seconds = self.seconds.wrapping_add(1);
        let placed = self.messages.iter().cloned().map(|mut message| {
            message.timestamp = message.timestamp.wrapping_add(start);
            message
        });
        placed.collect()
    }
}

/// Bytes that a player gets for a message.
pub(crate) fn wire_len(message: &MediaMessage) -> u64 {
    let raw = message.to_raw(MessageStreamId::new(1));
    let framed = FramedMessage::new(&raw, DEFAULT_OUTGOING_CHUNK_SIZE).expect("it is short enough");
    framed.wire().len() as u64
}
