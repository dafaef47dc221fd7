//! Acknowledgements, and what must not depend on them.

use rtmp_client::{ClientBuilder, ClientConn, ConnectRequest, PublishKind, Publisher};
use rtmp_core::conn::ServerEvent;
use rtmp_core::message::Control;
use rtmp_server::{Observers, Relay, SessionConfig};
use rtmp_tests::media::{audio, padded};
use rtmp_tests::{session, session_over};
use tokio::io::duplex;

use crate::support::{Host, URL, peer};

/// A publisher of the library, and the server at its other end.
async fn publisher(builder: ClientBuilder, host: Host, io: tokio::io::DuplexStream) -> (Publisher, Host) {
    let mut host = host;
    let client = async {
        let conn = builder.from_io(io, URL).await.unwrap();
        conn.connect(ConnectRequest::default()).await.unwrap();
        let stream = conn.create_stream().await.unwrap();
        stream.publish("cam", PublishKind::Live).await.unwrap()
    };
    let server = async {
        host.until(|event| matches!(event, ServerEvent::Publish { .. }).then_some(()))
            .await;
        host
    };
    tokio::join!(client, server)
}

/// Publishes under a server that acknowledges each message with the next of these numbers.
async fn publishes_under(acknowledgements: impl Iterator<Item = u32>) {
    let (ours, theirs) = duplex(64 << 10);
    let (mut publisher, mut host) = publisher(ClientConn::builder(), Host::new(theirs), ours).await;
    for (number, sequence) in (0..).zip(acknowledgements) {
        let message = padded(audio(number, number), 20_000);
        publisher.send(message.clone()).await.unwrap();
        assert!(host.media().await == message);
        host.machine
            .send_control(Control::Acknowledgement(sequence))
            .unwrap();
        host.flush().await;
    }
    let (finished, ()) = tokio::join!(publisher.finish(), async { while host.next().await.is_some() {} });
    finished.unwrap();
}

#[tokio::test(start_paused = true)]
async fn w1_totals_of_acknowledgements_may_wrap() {
    publishes_under((0..100).map(|step| 0xFFF0_0000_u32.wrapping_add(step * 20_000))).await;
    // The same on a server's side, which tells what it has heard.
    let (io, running) = session(&Observers::new());
    let mut player = rtmp_tests::Peer::connected(io, "live").await;
    for sequence in [0xFFFF_0000, 0x1000, 0x1800] {
        player
            .machine()
            .send_control(Control::Acknowledgement(sequence))
            .unwrap();
    }
    player.flush().await;
    player.rest().await;
    assert_eq!(running.info.statistics().bytes_acknowledged, (1 << 32) + 0x1800);
}

#[tokio::test(start_paused = true)]
async fn w3_a_server_that_acknowledges_increments_does_not_stop_a_publisher() {
    publishes_under(std::iter::repeat_n(131_325, 200)).await;
    // Nor does one that restarts its count, or counts at random.
    publishes_under([0xEFFF_FFFF, 0, 20_000, 5, u32::MAX, 7].into_iter()).await;
}

#[tokio::test(start_paused = true)]
async fn w4_a_publisher_that_never_looks_at_acknowledgements_is_not_stopped_by_them() {
    // One for each read, through a line that holds less than they take together.
    let relay = Relay::default();
    let mut tap = relay.play("live", "cam");
    let (ours, theirs) = duplex(256);
    // A limit of one byte: the client asks for acknowledgements as often as that.
    let config = SessionConfig::default().peer_bandwidth(1);
    let _session = session_over(theirs, &Observers::new().relay(relay.clone()), config);
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    for number in 0..50 {
        let message = padded(audio(number, number), 20_000);
        publisher.send(message.clone()).await.unwrap();
        assert!(tap.recv().await.as_ref() == Some(&message));
    }
    assert!(conn.bytes_received() > 16_000, "{}", conn.bytes_received());

    // A client that does not even read.
    let mut silent = peer(&relay).await;
    let stream = silent.publish("cam2").await.unwrap();
    let mut tap = relay.play("live", "cam2");
    for number in 0..200 {
        let message = padded(audio(number, number), 100_000);
        silent.send(stream, std::slice::from_ref(&message)).await;
        assert!(tap.recv().await.as_ref() == Some(&message));
    }
}
