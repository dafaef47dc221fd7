//! Section 2: connections.

use std::time::Duration;

use rtmp_server::{Observers, SessionConfig, Timeouts};
use rtmp_tests::Target;
use rtmp_tests::media::{keyframe, padded};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Pair, c0_c1, header, is_closed, send, text};

fn short(set: impl FnOnce(Timeouts, Duration) -> Timeouts) -> SessionConfig {
    SessionConfig::default().timeouts(set(Timeouts::default(), Duration::from_millis(50)))
}

#[tokio::test]
async fn h2_1_a_connection_that_sends_nothing_has_the_time_of_the_handshake() {
    let mut target = Target::with(short(Timeouts::handshake), Observers::new()).await;
    let silent = target.dial().await;
    assert_eq!(
        text(&target.reason().await),
        "the handshake took too long (limit 50ms)"
    );
    is_closed(silent).await;
    target.unharmed().await;
}

#[tokio::test]
async fn h2_2_hundreds_of_silent_connections_and_one_that_dribbles_have_no_more_time() {
    let mut target = Target::with(short(Timeouts::handshake), Observers::new()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(target.dial().await);
    }
    let mut dribbling = target.dial().await;
    let (mut reader, mut writer) = dribbling.split();
    let dribble = async {
        for byte in c0_c1() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        panic!("all of C1 was taken");
    };
    let closed = async {
        let mut rest = Vec::new();
        // A reset is a way of closing, too.
        let _ = reader.read_to_end(&mut rest).await;
        rest
    };
    tokio::select! {
        rest = closed => assert_eq!(rest, [], "C1 never was complete"),
        () = dribble => {}
    }
    for _ in 0..201 {
        assert_eq!(
            text(&target.reason().await),
            "the handshake took too long (limit 50ms)"
        );
    }
    target.unharmed().await;
}

/// Everything a publisher sends, up to and into a message.
fn stages() -> Vec<Vec<u8>> {
    let handshake = [c0_c1(), vec![0; 1536]].concat();
    let inside_header = [handshake.clone(), header(6, 100, 9, 1)[..7].to_vec()].concat();
    let inside_payload = [handshake.clone(), header(6, 100, 9, 1), vec![0; 50]].concat();
    vec![
        Vec::new(),
        vec![3],
        c0_c1()[..700].to_vec(),
        c0_c1(),
        handshake,
        inside_header,
        inside_payload,
    ]
}

#[tokio::test]
async fn h2_3_a_connection_that_ends_at_any_stage_ends_its_session_once() {
    let mut target = Target::start().await;
    for is_reset in [false, true] {
        for stage in stages() {
            let socket = send(&target, &stage).await;
            if is_reset {
                SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(socket);
            assert_eq!(text(&target.reason().await), "the client closed the connection");
        }
        let mut publisher = target.connected().await;
        let stream = publisher.publish("attack").await.unwrap();
        publisher
            .send_bytes(&[header(6, 100, 9, stream.get()), vec![0x17; 50]].concat())
            .await;
        if is_reset {
            let linger = Some(Duration::ZERO);
            SockRef::from(&*publisher.io()).set_linger(linger).unwrap();
        }
        drop(publisher);
        assert_eq!(text(&target.reason().await), "the client closed the connection");
    }
    target.unharmed().await;
}

#[tokio::test]
async fn h2_4_a_client_that_shuts_its_writing_half_is_served_to_the_end_of_what_it_sent() {
    let mut target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let sent = padded(keyframe(0, 7), 300_000);
    pair.publisher
        .send(pair.stream, std::slice::from_ref(&sent))
        .await;
    pair.publisher.io().shutdown().await.unwrap();
    assert_eq!(pair.player.next_media().await, sent);
    assert_eq!(text(&target.reason().await), "the client closed the connection");
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h2_5_a_peer_that_never_reads_has_the_time_of_a_write() {
    let mut target = Target::with(short(Timeouts::write), Observers::new()).await;
    let mut pair = Pair::join(&target).await;
    // More than the system takes for a socket that nobody reads.
    for number in 0..40 {
        let large = padded(keyframe(number, number), 1_000_000);
        pair.publisher.send(pair.stream, &[large]).await;
    }
    assert_eq!(
        text(&target.reason().await),
        "the client did not read for too long (limit 50ms)"
    );
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h2_7_noise_http_and_tls_on_the_plain_port_are_closed_at_the_first_byte() {
    for (bytes, reason) in [
        (
            &b"GET / HTTP/1.1\r\n"[..],
            "not RTMP: the first byte is 0x47, the peer seems to speak HTTP",
        ),
        (
            b"\x16\x03\x01\x02\0\x01",
            "not RTMP: the first byte is 0x16, the peer seems to speak TLS",
        ),
        (b"\xff\xfe\xfd", "not RTMP: the first byte is 0xff"),
    ] {
        let mut target = Target::start().await;
        let socket = send(&target, bytes).await;
        assert_eq!(
            text(&target.reason().await),
            format!("the client broke the protocol: handshake: {reason}")
        );
        is_closed(socket).await;
        target.unharmed().await;
    }
}
