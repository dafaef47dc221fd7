//! Which header the encoder chooses, and messages framed once for all.

use bytes::BytesMut;
use rtmp_core::chunk::{
    ChunkCodec, ChunkEncoder, ChunkStreamId, EncodeError, FramedMessage, MAX_MESSAGE_LEN, RawMessage,
};
use tokio_util::codec::{Decoder, Encoder};

use crate::model::Wire;
use crate::support::{AUDIO, COMMAND, VIDEO, decode, encoded, encoder_at, message, noise};

const DATA: u8 = 18;
const AMF3_DATA: u8 = 15;

/// The chunk type that each message starts with; one chunk stream, ids below 64.
fn formats(messages: &[RawMessage]) -> Vec<u8> {
    let mut encoder = ChunkEncoder::default();
    messages
        .iter()
        .map(|message| encoded(&mut encoder, message)[0] >> 6)
        .collect()
}

fn audio(time: u32, len: usize) -> RawMessage {
    message(4, time, AUDIO, 1, noise(len))
}

#[test]
fn the_shortest_header_is_used_where_every_peer_reads_it_alike() {
    let messages = [
        audio(0, 9),
        audio(23, 9),
        audio(46, 9),
        audio(69, 9),
        audio(93, 9),
        audio(116, 8),
    ];
    assert_eq!(formats(&messages), [0, 2, 3, 3, 2, 1]);
}

#[test]
fn the_first_message_of_a_chunk_stream_has_a_full_header() {
    let messages = [
        audio(0, 9),
        message(6, 0, VIDEO, 1, noise(9)),
        message(7, 0, VIDEO, 1, noise(9)),
    ];
    assert_eq!(formats(&messages), [0, 0, 0]);
}

#[test]
fn data_messages_have_full_headers() {
    for data in [DATA, AMF3_DATA] {
        let messages = [0, 40, 80].map(|time| message(4, time, data, 1, noise(9)));
        assert_eq!(formats(&messages), [0, 0, 0]);
    }
}

#[test]
fn time_that_goes_back_needs_a_full_header() {
    assert_eq!(formats(&[audio(100, 9), audio(99, 9), audio(100, 9)]), [0, 0, 2]);
}

#[test]
fn another_message_stream_needs_a_full_header() {
    let messages = [1, 2, 2, 1].map(|stream| message(4, 0, AUDIO, stream, noise(9)));
    assert_eq!(formats(&messages), [0, 0, 2, 0]);
}

#[test]
fn another_type_needs_no_full_header() {
    let messages = [audio(0, 9), message(4, 10, VIDEO, 1, noise(9)), audio(20, 9)];
    assert_eq!(formats(&messages), [0, 1, 1]);
}

#[test]
fn times_from_the_extended_mark_on_have_full_headers() {
    let times = [0xFF_FFFD, 0xFF_FFFE, 0xFF_FFFF, 0x100_0000, u32::MAX, 0, 5, 10];
    assert_eq!(
        formats(&times.map(|time| audio(time, 9))),
        [0, 2, 0, 0, 0, 0, 2, 3]
    );
    let jump = [audio(0, 9), audio(0xFF_FFFE, 9)];
    assert_eq!(formats(&jump), [0, 2]);
}

#[test]
fn extended_times_are_repeated_on_every_chunk() {
    let payload = noise(300);
    let expected = Wire::new()
        .full(6, 0x1234_5678, 300, VIDEO, 1)
        .bytes(&payload[..128])
        .repeat(6)
        .extended(0x1234_5678)
        .bytes(&payload[128..256])
        .repeat(6)
        .extended(0x1234_5678)
        .bytes(&payload[256..]);
    let video = message(6, 0x1234_5678, VIDEO, 1, payload);
    assert_eq!(encoded(&mut ChunkEncoder::default(), &video), expected.0);
}

/// Servers disagree on the delta behind a full header: 0 for some, its absolute time for the others.
#[test]
fn no_message_starts_with_type_3_behind_a_full_header() {
    for step in [0, 1, 26, 1000] {
        assert_eq!(
            formats(&[audio(26, 9), audio(26 + step, 9), audio(26 + 2 * step, 9)]),
            [0, 2, 3]
        );
    }
}

#[test]
fn encode_full_ignores_what_came_before_and_starts_anew() {
    let mut encoder = ChunkEncoder::default();
    let messages = [
        audio(0, 9),
        audio(20, 9),
        audio(40, 9),
        audio(60, 9),
        audio(80, 9),
    ];
    let mut wire = BytesMut::new();
    for message in &messages[..2] {
        encoder
            .encode(message, &mut wire)
            .expect("the message can be encoded");
    }
    let before = wire.len();
    encoder
        .encode_full(&messages[2], &mut wire)
        .expect("the message can be encoded");
    assert_eq!(wire[before] >> 6, 0);
    let formats = [&messages[3], &messages[4]].map(|message| encoded(&mut encoder, message)[0] >> 6);
    assert_eq!(formats, [2, 3]);
}

#[test]
fn an_announced_chunk_size_binds_the_next_message() {
    let (mut encoder, _) = encoder_at(1000);
    assert_eq!(encoder.chunk_size(), 1000);
    assert_eq!(encoded(&mut encoder, &audio(0, 1000)).len(), 12 + 1000);
    assert_eq!(
        encoded(&mut encoder, &message(6, 0, VIDEO, 1, noise(1001))).len(),
        12 + 1001 + 1
    );
}

#[test]
fn what_can_not_be_encoded_leaves_no_trace() {
    let mut encoder = ChunkEncoder::default();
    let mut wire = BytesMut::from(&b"before"[..]);
    let long = audio(0, MAX_MESSAGE_LEN + 1);
    let error = encoder.encode(&long, &mut wire).expect_err("24 bits are too few");
    assert!(matches!(
        error,
        EncodeError::MessageTooLong { length: 0x100_0000 }
    ));
    let error = FramedMessage::new(&long, 1).expect_err("24 bits are too few");
    assert!(matches!(
        error,
        EncodeError::MessageTooLong { length: 0x100_0000 }
    ));
    for (body, expected) in [
        (&[0, 0, 0, 0][..], 0),
        (&[0x80, 0, 0, 0], 0x8000_0000),
        (&[0, 1, 0], 0),
    ] {
        let announcement = message(2, 0, 1, 0, body.to_vec());
        let error = encoder
            .encode(&announcement, &mut wire)
            .expect_err("no valid chunk size");
        assert!(
            matches!(error, EncodeError::InvalidChunkSize { size } if size == expected),
            "{error:?}"
        );
    }
    assert_eq!(wire, "before");
    assert_eq!(encoder.chunk_size(), 128);
    assert_eq!(encoded(&mut encoder, &audio(0, 1))[0] >> 6, 0);
}

#[test]
fn customary_chunk_streams_have_one_byte_headers() {
    for (id, number) in [
        (ChunkStreamId::CONTROL, 2),
        (ChunkStreamId::COMMAND, 3),
        (ChunkStreamId::AUDIO, 4),
        (ChunkStreamId::STATUS, 5),
        (ChunkStreamId::VIDEO, 6),
        (ChunkStreamId::DATA, 7),
        (ChunkStreamId::STREAM_COMMAND, 8),
    ] {
        assert_eq!(id.get(), number);
        let command = message(number, 0, COMMAND, 0, vec![1]);
        assert_eq!(encoded(&mut ChunkEncoder::default(), &command).len(), 1 + 11 + 1);
    }
}

#[test]
fn a_framed_message_has_its_payload_only_where_it_is_in_one_piece() {
    let video = message(6, 0, VIDEO, 1, noise(5000));
    let whole = FramedMessage::new(&video, 5000).expect("the message can be framed");
    let payload = whole.payload().expect("one chunk");
    assert_eq!(whole.wire()[12..].as_ptr(), payload.as_ptr());
    let cut = FramedMessage::new(&video, 4999).expect("the message can be framed");
    assert_eq!(cut.payload(), None);
    assert_eq!((whole.wire().len(), cut.wire().len()), (5012, 5013));
}

#[test]
fn framed_messages_share_a_block_as_long_as_it_has_room() {
    let mut block = BytesMut::with_capacity(1000);
    let range = block.as_ptr() as usize..block.as_ptr() as usize + block.capacity();
    let mut is_in_block = |len: usize| {
        let video = message(6, 0, VIDEO, 1, noise(len));
        let framed = FramedMessage::new_in(&video, 5000, &mut block).expect("the message can be framed");
        assert_eq!(framed.payload(), Some(video.payload));
        range.contains(&(framed.wire().as_ptr() as usize))
    };
    assert!(is_in_block(400));
    assert!(!is_in_block(600));
    assert!(is_in_block(564));
    assert!(!is_in_block(1));
}

#[test]
fn a_codec_reads_and_writes_with_separate_chunk_sizes() {
    let mut codec = ChunkCodec::default();
    let mut wire = BytesMut::new();
    codec
        .encode(message(2, 0, 1, 0, vec![0, 0, 0x10, 0]), &mut wire)
        .expect("the message can be encoded");
    assert_eq!(
        (codec.encoder().chunk_size(), codec.decoder().chunk_size()),
        (4096, 128)
    );
    codec
        .decode(&mut wire)
        .expect("the message is valid")
        .expect("and complete");
    assert_eq!(
        (codec.encoder().chunk_size(), codec.decoder().chunk_size()),
        (4096, 4096)
    );
    assert!(matches!(codec.decode_eof(&mut wire), Ok(None)));
    codec
        .encode(message(6, 0, VIDEO, 1, noise(4096)), &mut wire)
        .expect("the message can be encoded");
    assert_eq!(
        decode(&Wire::new().control(1, 4096).bytes(&wire).0)
            .complete()
            .len(),
        2
    );
}
