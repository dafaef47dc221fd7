//! What is in an FLV file, tag by tag and byte by byte.

use std::ops::Range;
use std::path::Path;

use bytes::BytesMut;
use rtmp_core::flv::FlvDecoder;
use rtmp_core::{MediaKind, MediaMessage};
use tokio_util::codec::Decoder;

/// Reads all tags of a recording.
pub(crate) fn tags(file: &Path) -> Vec<MediaMessage> {
    let bytes =
        std::fs::read(file).unwrap_or_else(|error| panic!("{} can not be read: {error}", file.display()));
    let mut bytes = BytesMut::from(&bytes[..]);
    let mut decoder = FlvDecoder::new();
    let mut tags = Vec::new();
    while let Some(tag) = decoder
        .decode_eof(&mut bytes)
        .unwrap_or_else(|error| panic!("{} is damaged: {error}", file.display()))
    {
        tags.push(MediaMessage::from(tag));
    }
    tags
}

/// The audio or video among messages, without sequence headers.
pub(crate) fn coded_frames(messages: &[MediaMessage], kind: MediaKind) -> Vec<MediaMessage> {
    messages
        .iter()
        .filter(|message| message.kind == kind && message.is_coded_frames())
        .cloned()
        .collect()
}

/// A time in milliseconds.
pub(crate) fn millis(message: &MediaMessage) -> i64 {
    i64::from(message.timestamp.as_millis())
}

/// Asserts that `received` are frames of `sent` in order and without a gap, each of them later by `offset`
/// milliseconds, give or take `rounding`. Gives where in `sent` they are.
pub(crate) fn assert_run(
    sent: &[MediaMessage],
    received: &[MediaMessage],
    offset: i64,
    rounding: u64,
) -> Range<usize> {
    let is_frame = |sent: &MediaMessage, received: &MediaMessage| {
        (sent.kind, &sent.payload) == (received.kind, &received.payload)
            && (millis(sent) + offset).abs_diff(millis(received)) <= rounding
    };
    let first = received.first().expect("some frames arrived");
    let begin = sent.iter().position(|sent| is_frame(sent, first));
    let begin = begin.unwrap_or_else(|| {
        panic!(
            "with times moved by {offset} ms, nothing sent came at {}",
            first.timestamp
        )
    });
    let rest = &sent[begin..];
    assert!(received.len() <= rest.len(), "more frames came than were sent");
    for (sent, received) in rest.iter().zip(received) {
        assert!(
            is_frame(sent, received),
            "with times moved by {offset} ms, {} bytes of {} came as {} bytes of {}",
            sent.payload.len(),
            sent.timestamp,
            received.payload.len(),
            received.timestamp
        );
    }
    begin..begin + received.len()
}
