//! Protocol and user control messages that are broken, absurd, misplaced or too many, to either machine.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rtmp_core::Limits;
use rtmp_core::chunk::{ChunkError, MessageType};
use rtmp_core::conn::{ProtocolError, ServerConfig};
use rtmp_core::message::{BandwidthLimit, Control, Message, MessageError, UserControl};

use crate::scripted::{
    ABORT, ACKNOWLEDGEMENT, AUDIO, Client, SET_CHUNK_SIZE, SET_PEER_BANDWIDTH, Server, USER_CONTROL, VIDEO,
    WINDOW_ACK_SIZE, control, ping, raw, stream,
};

/// Set Chunk Size as bytes: an encoder would obey it.
fn set_chunk_size(size: u32) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 0, 4, SET_CHUNK_SIZE, 0, 0, 0, 0];
    bytes.put_u32(size);
    bytes
}

#[test]
fn a_chunk_size_of_zero_or_with_the_top_bit_closes() {
    for size in [0, 0x8000_0000, u32::MAX] {
        let mut server = Server::connected();
        server.peer.sent.extend_from_slice(&set_chunk_size(size));
        let fault = server.fault();
        assert!(
            matches!(fault, ProtocolError::Chunk(ChunkError::InvalidChunkSize { size: seen }) if seen == size),
            "{fault:?}"
        );
        let mut client = Client::connected();
        client.peer.sent.extend_from_slice(&set_chunk_size(size));
        let fault = client.fault();
        assert!(matches!(
            fault,
            ProtocolError::Chunk(ChunkError::InvalidChunkSize { .. })
        ));
    }
}

#[test]
fn every_chunk_size_from_1_to_the_largest_works() {
    for size in [1, 2, 0xFF_FFFF, 0x100_0000, 0x7FFF_FFFF] {
        let mut server = Server::publishing();
        server.say(&control(Control::SetChunkSize(size)));
        server.send_raw(&raw(6, VIDEO, 1, vec![7; 70_000]));
        assert_eq!(server.events(), ["media 1 video at 0 of 70000"]);
    }
}

#[test]
fn a_chunk_size_between_the_chunks_of_a_message_binds_those_behind_it() {
    let mut server = Server::publishing();
    // 300 bytes of audio: a chunk of 128, then one of 172.
    server
        .peer
        .sent
        .extend_from_slice(&[4, 0, 0, 0, 0, 1, 44, AUDIO, 1, 0, 0, 0]);
    server.peer.sent.extend_from_slice(&[7; 128]);
    server.peer.sent.extend_from_slice(&set_chunk_size(1000));
    server.peer.sent.extend_from_slice(&[0xC4]);
    server.peer.sent.extend_from_slice(&[7; 172]);
    assert_eq!(server.events(), ["media 1 audio at 0 of 300"]);
}

#[test]
fn a_control_message_shorter_than_its_fields_closes_and_a_longer_one_does_not() {
    for message_type in [
        SET_CHUNK_SIZE,
        ABORT,
        ACKNOWLEDGEMENT,
        WINDOW_ACK_SIZE,
        SET_PEER_BANDWIDTH,
    ] {
        for len in 0..4 {
            // The peer's own encoder would obey, or refuse, these two.
            let mut bytes = vec![2, 0, 0, 0, 0, 0, len, message_type, 0, 0, 0, 0];
            bytes.extend(std::iter::repeat_n(0, len.into()));
            let mut server = Server::connected();
            server.peer.sent.extend_from_slice(&bytes);
            let fault = server.fault();
            let (seen_type, seen_len) = match &fault {
                ProtocolError::Chunk(ChunkError::ShortBody { message_type, length })
                | ProtocolError::Message(MessageError::ShortBody { message_type, length }) => {
                    (*message_type, *length)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (seen_type, seen_len),
                (MessageType::from(message_type), len.into())
            );
            let mut client = Client::connected();
            client.peer.sent.extend_from_slice(&bytes);
            assert_eq!(format!("{:?}", client.fault()), format!("{fault:?}"));
        }
        let mut server = Server::connected();
        server.send_raw(&raw(2, message_type, 0, vec![0, 1, 0, 0, 0, 0, 0, 0, 0]));
        server.assert_goes_on();
    }
}

/// Some servers leave the limit type out.
#[test]
fn a_peer_bandwidth_without_its_limit_type_is_read() {
    let mut client = Client::connected();
    client.send_raw(&raw(2, SET_PEER_BANDWIDTH, 0, vec![0, 1, 0, 0]));
    assert_eq!(client.events(), [""; 0]);
    assert_eq!(client.replies(), ["2/0 WindowAckSize(65536)"]);
}

#[test]
fn a_user_control_message_without_event_closes_and_one_with_a_short_body_is_passed_on() {
    for len in 0..2 {
        let mut server = Server::connected();
        server.send_raw(&raw(2, USER_CONTROL, 0, vec![0; len]));
        let fault = server.fault();
        assert!(
            matches!(fault, ProtocolError::Message(MessageError::ShortBody { length, .. }) if length == len),
            "{fault:?}"
        );
    }
    for event in 0..=40u8 {
        for len in 0..8 {
            let mut body = vec![0, event];
            body.resize(2 + len, 1);
            let mut server = Server::connected();
            server.send_raw(&raw(2, USER_CONTROL, 0, body));
            let events = server.events();
            let is_ping = matches!(event, 6 | 7) && len >= 4;
            assert_eq!(
                events.len(),
                usize::from(!is_ping),
                "event {event} of {len} bytes: {events:?}"
            );
            server.assert_goes_on();
        }
    }
}

#[test]
fn unknown_user_control_events_are_passed_on() {
    let mut client = Client::connected();
    client.send_raw(&raw(2, USER_CONTROL, 0, vec![0xFF, 0xFF]));
    client.send_raw(&raw(2, USER_CONTROL, 0, vec![0, 26, 1]));
    let events = client.events();
    assert!(events[0].starts_with("Other { event: 65535"), "{events:?}");
    assert!(events[1].starts_with("Other { event: 26"), "{events:?}");
    assert_eq!(client.replies(), [""; 0]);
}

#[test]
fn an_aborted_message_is_forgotten_and_the_next_one_works() {
    let mut server = Server::publishing();
    server
        .peer
        .sent
        .extend_from_slice(&[4, 0, 0, 0, 0, 1, 44, AUDIO, 1, 0, 0, 0]);
    server.peer.sent.extend_from_slice(&[7; 128]);
    server.send_raw(&raw(2, ABORT, 0, vec![0, 0, 0, 4]));
    server.send_raw(&raw(4, AUDIO, 1, vec![7; 9]));
    assert_eq!(server.events(), ["media 1 audio at 0 of 9"]);
}

#[test]
fn aborts_of_nothing_are_ignored() {
    for id in [0, 1, 2, 5, 65_600, u32::MAX] {
        let mut server = Server::connected();
        for _ in 0..1000 {
            server.say(&control(Control::Abort(id)));
        }
        assert_eq!(server.events(), [""; 0]);
        server.assert_goes_on();
    }
}

#[test]
fn acknowledgements_of_anything_are_only_told() {
    let mut server = Server::connected();
    for sequence in [0, u32::MAX, 5, 5, 0xF000_0000, 1] {
        server.say(&control(Control::Acknowledgement(sequence)));
    }
    assert_eq!(
        server.events(),
        [0, u32::MAX, 5, 5, 0xF000_0000, 1].map(|sequence| format!("acknowledgement {sequence}"))
    );
    assert_eq!(server.replies(), [""; 0]);
    server.assert_goes_on();
}

#[test]
fn a_window_of_zero_asks_for_nothing() {
    let mut server = Server::publishing();
    server.say(&control(Control::WindowAckSize(0)));
    server.send_raw(&raw(4, AUDIO, 1, vec![7; 100_000]));
    server.events();
    assert_eq!(server.replies(), [""; 0]);
}

#[test]
fn control_messages_work_on_any_chunk_stream_and_any_message_stream() {
    let mut server = Server::connected();
    server.send_raw(&raw(3, WINDOW_ACK_SIZE, 1, vec![0, 0, 4, 0]));
    server.send_raw(&raw(6, SET_PEER_BANDWIDTH, 77, vec![0, 0, 4, 0, 0]));
    server.send_raw(&raw(5, USER_CONTROL, 9, vec![0, 6, 1, 2, 3, 4]));
    server.send_raw(&raw(100, SET_CHUNK_SIZE, 1, vec![0, 0, 16, 0]));
    server.send_raw(&raw(4, AUDIO, 1, vec![0; 4096]));
    assert_eq!(server.events(), ["ignored media on 1"]);
    assert_eq!(
        server.replies(),
        [
            "2/0 WindowAckSize(1024)",
            "2/0 PingResponse(16909060)",
            "2/0 Acknowledgement(4223)",
        ]
    );
}

#[test]
fn a_meaningless_peer_bandwidth_is_ignored() {
    let mut server = Server::connected();
    for (window, limit) in [
        (0, BandwidthLimit::Hard),
        (0, BandwidthLimit::Soft),
        (0, BandwidthLimit::Dynamic),
        (5000, BandwidthLimit::Other(3)),
        (5000, BandwidthLimit::Other(255)),
        (2_500_000, BandwidthLimit::Hard),
    ] {
        server.say(&control(Control::SetPeerBandwidth { window, limit }));
    }
    assert_eq!(server.exchange(), [""; 0], "the window that was announced stays");
    let limit = BandwidthLimit::Hard;
    server.say(&control(Control::SetPeerBandwidth {
        window: u32::MAX,
        limit,
    }));
    assert_eq!(server.exchange(), ["2/0 WindowAckSize(4294967295)"]);
}

#[test]
fn pings_get_one_answer_for_all_that_a_read_brought() {
    let mut server = Server::connected();
    for value in 0..200_000 {
        server.say(&ping(value));
    }
    assert_eq!(server.events(), [""; 0]);
    assert_eq!(
        server.replies(),
        ["2/0 PingResponse(199999)", "2/0 Acknowledgement(1400061)"]
    );
    let mut client = Client::connected();
    client.say(&ping(1));
    client.say(&ping(u32::MAX));
    assert_eq!(client.events(), [""; 0]);
    assert_eq!(client.replies(), ["2/0 PingResponse(4294967295)"]);
}

#[test]
fn answers_to_pings_that_nobody_sent_are_ignored() {
    let mut server = Server::connected();
    server.say(&Message::UserControl(UserControl::PingResponse(0)));
    assert_eq!(server.exchange(), [""; 0]);
    assert_eq!(server.machine.round_trip(), None);
    server.now = Duration::from_millis(5000);
    server.machine.ping(server.now).unwrap();
    assert_eq!(server.replies(), ["2/0 PingRequest(5000)"]);
    server.now = Duration::from_millis(5030);
    server.say(&Message::UserControl(UserControl::PingResponse(4999)));
    assert_eq!(server.events(), [""; 0]);
    assert_eq!(server.machine.round_trip(), None, "the value is another's");
    server.say(&Message::UserControl(UserControl::PingResponse(5000)));
    server.now = Duration::from_millis(5040);
    assert_eq!(server.events(), ["pong 40"]);
    assert_eq!(server.machine.round_trip(), Some(Duration::from_millis(40)));
    server.now = Duration::from_millis(9000);
    server.say(&Message::UserControl(UserControl::PingResponse(5000)));
    assert_eq!(server.events(), [""; 0]);
    assert_eq!(server.machine.round_trip(), Some(Duration::from_millis(40)));
}

#[test]
fn a_buffer_length_of_anything_is_only_told() {
    let mut server = Server::playing();
    for (id, millis) in [(0, 0), (1, u32::MAX), (77, 1)] {
        let length = Duration::from_millis(millis.into());
        let event = UserControl::SetBufferLength {
            stream: stream(id),
            length,
        };
        server.say(&Message::UserControl(event));
    }
    assert_eq!(
        server.events(),
        [
            "SetBufferLength(0, 0)",
            "SetBufferLength(1, 4294967295)",
            "SetBufferLength(77, 1)",
        ]
    );
}

#[test]
fn types_that_nobody_knows_and_shared_objects_are_handed_on() {
    let mut server = Server::connected();
    let mut expected = Vec::new();
    for message_type in [0, 7, 10, 14, 16, 19, 21, 23, 255] {
        server.send_raw(&raw(3, message_type, 0, b"noise".to_vec()));
        expected.push(format!("other {:?}", MessageType::from(message_type)));
    }
    assert_eq!(server.events(), expected);
    server.assert_goes_on();
}

#[test]
fn the_chunk_layer_of_a_stranger_is_bounded() {
    let limits = Limits::default().max_partial_bytes_before_media(50_000);
    // Ten messages of 16 MB, a little of each: little enough one by one, too much together.
    let mut server = Server::connected_with(ServerConfig::default().limits(limits));
    server.say(&control(Control::SetChunkSize(0x7FFF_FFFF)));
    server
        .peer
        .sent
        .extend_from_slice(&[6, 0, 0, 0, 0xFF, 0xFF, 0xFF, VIDEO, 1, 0, 0, 0]);
    let fault = server.fault();
    assert!(
        matches!(fault, ProtocolError::Chunk(ChunkError::MessageTooLong { .. })),
        "{fault:?}"
    );

    let mut server = Server::connected_with(ServerConfig::default().limits(limits));
    for id in 10..30u8 {
        server
            .peer
            .sent
            .extend_from_slice(&[id, 0, 0, 0, 0, 0xA0, 0, VIDEO, 1, 0, 0, 0]);
        server.peer.sent.put_bytes(0, 128);
    }
    assert_eq!(server.events(), [""; 0]);
    for _ in 0..200 {
        for id in 10..30u8 {
            server.peer.sent.put_u8(0xC0 | id);
            server.peer.sent.put_bytes(0, 128);
        }
    }
    let fault = server.fault();
    assert!(
        matches!(
            fault,
            ProtocolError::TooLongBeforeMedia {
                length: 50_001..=50_128,
                limit: 50_000
            }
        ),
        "{fault:?}"
    );
}

#[test]
fn nothing_is_read_before_the_handshake_is_done() {
    let mut machine = rtmp_core::conn::ServerMachine::new(ServerConfig::default(), Duration::ZERO, |_| {});
    assert!(machine.ping(Duration::ZERO).is_err());
    for first_byte in [b'G', 0x16, 6, 255] {
        let mut machine =
            rtmp_core::conn::ServerMachine::new(ServerConfig::default(), Duration::ZERO, |_| {});
        let mut input = BytesMut::from(&[first_byte][..]);
        let fault = machine.poll_event(&mut input, Duration::ZERO).unwrap_err();
        assert!(matches!(fault, ProtocolError::Handshake(_)));
    }
}
