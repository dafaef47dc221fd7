//! Section 3: the handshake.

use rtmp_server::{Observers, SessionConfig, Timeouts};
use rtmp_tests::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{SOON, c0_c1, goes_on, is_closed, send, text};

/// Reads S0, S1 and S2.
async fn answer(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = vec![0; 1 + 2 * 1536];
    let read = timeout(SOON, socket.read_exact(&mut answer)).await;
    read.expect("an answer in time").expect("an answer");
    answer
}

/// `connect` to `live` in chunks of 128 bytes, and what the server says to it.
async fn connects(socket: &mut TcpStream) {
    let body = b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0\x03\0\x03app\x02\0\x04live\0\0\x09";
    let mut connect = vec![3, 0, 0, 0, 0, 0, body.len() as u8, 20, 0, 0, 0, 0];
    connect.extend(body);
    socket.write_all(&connect).await.unwrap();
    let mut said = Vec::new();
    while !said.windows(7).any(|window| window == b"_result") {
        let read = timeout(SOON, socket.read_buf(&mut said)).await;
        assert_ne!(read.expect("an answer in time").expect("an answer"), 0);
    }
}

/// A whole handshake with these packets, and `connect` behind it.
async fn is_accepted(c0_c1: &[u8], c2: &[u8]) {
    let target = Target::start().await;
    let mut socket = send(&target, c0_c1).await;
    assert_eq!(answer(&mut socket).await[0], 3);
    socket.write_all(c2).await.unwrap();
    connects(&mut socket).await;
    drop(socket);
    target.unharmed().await;
}

fn with_c1(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut packets = c0_c1();
    change(&mut packets[1..]);
    packets
}

#[tokio::test]
async fn h3_1_a_version_below_32_is_answered_with_version_3() {
    for version in [0, 1, 2, 4, 10, 31] {
        let mut packets = c0_c1();
        packets[0] = version;
        is_accepted(&packets, &[0; 1536]).await;
    }
}

#[tokio::test]
async fn h3_2_encrypted_forms_are_refused_by_name() {
    for version in [6, 8, 9] {
        let mut target = Target::start().await;
        let socket = send(&target, &[version]).await;
        assert_eq!(
            text(&target.reason().await),
            format!(
                "the client broke the protocol: handshake: encrypted RTMP (version {version}) is not supported"
            )
        );
        is_closed(socket).await;
        target.unharmed().await;
    }
}

#[tokio::test]
async fn h3_3_a_first_byte_of_32_or_more_closes_at_once() {
    let mut target = Target::start().await;
    let socket = send(&target, b" ").await;
    assert_eq!(
        text(&target.reason().await),
        "the client broke the protocol: handshake: not RTMP: the first byte is 0x20"
    );
    is_closed(socket).await;
    target.unharmed().await;
}

#[tokio::test]
async fn h3_4_a_digest_that_does_not_verify_makes_it_a_simple_handshake() {
    let packets = with_c1(|c1| {
        c1.fill(0x33);
        c1[4..8].copy_from_slice(&[9, 0, 124, 2]);
    });
    is_accepted(&packets, &[0; 1536]).await;
}

#[tokio::test]
async fn h3_5_offsets_at_their_extremes_never_leave_the_packet() {
    for offset in [0, 255] {
        let packets = with_c1(|c1| {
            c1.fill(offset);
            c1[4..8].copy_from_slice(&[128, 0, 7, 2]);
        });
        is_accepted(&packets, &[0; 1536]).await;
    }
}

#[tokio::test]
async fn h3_6_time_and_zero_field_may_be_anything() {
    let packets = with_c1(|c1| c1[..8].fill(0xFF));
    is_accepted(&packets, &[0; 1536]).await;
}

#[tokio::test]
async fn h3_7_packet_2_need_not_be_an_echo() {
    is_accepted(&c0_c1(), &[0xA5; 1536]).await;
}

#[tokio::test]
async fn h3_8_it_may_come_in_single_bytes_or_all_at_once_with_connect() {
    let target = Target::start().await;
    let mut socket = target.dial().await;
    for byte in c0_c1().into_iter().chain([0; 1536]) {
        socket.write_all(&[byte]).await.unwrap();
    }
    answer(&mut socket).await;
    connects(&mut socket).await;
    // The scripted client sends its `connect` in one piece with C2.
    let mut together = target.connected().await;
    goes_on(&mut together).await;
    drop((socket, together));
    target.unharmed().await;
}

#[tokio::test]
async fn h3_9_packet_2_has_to_come_in_time_and_nothing_is_kept_meanwhile() {
    let config = SessionConfig::default()
        .timeouts(Timeouts::default().handshake(std::time::Duration::from_millis(50)));
    let mut target = Target::with(config, Observers::new()).await;
    let mut socket = send(&target, &[c0_c1(), vec![7; 1535]].concat()).await;
    answer(&mut socket).await;
    assert_eq!(
        text(&target.reason().await),
        "the handshake took too long (limit 50ms)"
    );
    is_closed(socket).await;
    target.unharmed().await;
}
