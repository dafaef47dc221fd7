//! Messages of a small stream. Each carries a number, so that a test can say which of them have arrived.

use rtmp_core::{MediaMessage, Timestamp};

/// An AVC sequence header; `number` stands for its content.
#[must_use]
pub fn video_header(millis: u32, number: u32) -> MediaMessage {
    numbered(b"\x17\0\0\0\0", number, |payload| {
        MediaMessage::video(at(millis), payload)
    })
}

/// An AVC keyframe.
#[must_use]
pub fn keyframe(millis: u32, number: u32) -> MediaMessage {
    numbered(b"\x17\x01\0\0\0", number, |payload| {
        MediaMessage::video(at(millis), payload)
    })
}

/// An AVC frame that needs the frames before it.
#[must_use]
pub fn frame(millis: u32, number: u32) -> MediaMessage {
    numbered(b"\x27\x01\0\0\0", number, |payload| {
        MediaMessage::video(at(millis), payload)
    })
}

/// An AAC sequence header.
#[must_use]
pub fn audio_header(millis: u32, number: u32) -> MediaMessage {
    numbered(b"\xAF\0\x12\x10", number, |payload| {
        MediaMessage::audio(at(millis), payload)
    })
}

/// A frame of AAC.
#[must_use]
pub fn audio(millis: u32, number: u32) -> MediaMessage {
    numbered(b"\xAF\x01", number, |payload| {
        MediaMessage::audio(at(millis), payload)
    })
}

/// `onMetaData` with a number for its value.
#[must_use]
pub fn metadata(millis: u32, number: u32) -> MediaMessage {
    numbered(b"\x02\0\x0aonMetaData\0\0\0\0\0", number, |payload| {
        MediaMessage::data(at(millis), payload)
    })
}

/// The same message with `len` bytes more.
#[must_use]
pub fn padded(message: MediaMessage, len: usize) -> MediaMessage {
    let padding = vec![0x55; len];
    MediaMessage {
        payload: [message.payload.as_ref(), &padding].concat().into(),
        ..message
    }
}

/// The same message at another time.
#[must_use]
pub fn at_time(message: &MediaMessage, millis: u32) -> MediaMessage {
    MediaMessage {
        timestamp: at(millis),
        ..message.clone()
    }
}

fn at(millis: u32) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn numbered(start: &[u8], number: u32, build: impl Fn(Vec<u8>) -> MediaMessage) -> MediaMessage {
    build([start, &number.to_be_bytes()].concat())
}
