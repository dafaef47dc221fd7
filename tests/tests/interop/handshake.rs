//! The simple and the digest form of the handshake, on both sides.

use bytes::BytesMut;
use rtmp_client::{ClientConn, ConnectRequest, PublishKind};
use rtmp_core::handshake::{ClientHandshake, ClientHandshakeConfig, HandshakeKind, Layout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::DEADLINE;
use crate::programs::{Nginx, PlayerKind, PublisherKind, Relay, scratch};

const KINDS: [HandshakeKind; 3] = [
    HandshakeKind::Simple,
    HandshakeKind::Digest(Layout::DigestFirst),
    HandshakeKind::Digest(Layout::KeyFirst),
];

#[tokio::test]
async fn the_relay_answers_each_client_in_the_form_it_offers() {
    let directory = scratch();
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    for (count, kind) in [(1, PlayerKind::Rtmpdump), (2, PlayerKind::Rtmp2src)] {
        let _player = kind.play(&url, directory.path(), &format!("{kind:?}"));
        relay.process.logs("handshake done kind=Simple", count).await;
        relay.has_players(count).await;
    }
    for (count, kind) in [(1, PlayerKind::Ffmpeg), (2, PlayerKind::Pull)] {
        let _player = kind.play(&url, directory.path(), &format!("{kind:?}"));
        relay
            .process
            .logs("handshake done kind=Digest(DigestFirst)", count)
            .await;
        relay.has_players(2 + count).await;
    }
    let _publisher = PublisherKind::Rtmpsink.publish(&url);
    relay.process.logs("handshake done kind=Simple", 3).await;
    relay.has_publishers(1).await;
}

#[tokio::test]
async fn nginx_answers_each_form_with_the_same() {
    let nginx = Nginx::start().await;
    for offered in KINDS {
        let shaken = timeout(DEADLINE, shake_hands(&nginx, offered))
            .await
            .expect("the handshake ends");
        assert_eq!(
            matches!(shaken, HandshakeKind::Digest(_)),
            matches!(offered, HandshakeKind::Digest(_)),
            "offered {offered:?}, shaken {shaken:?}"
        );
    }
}

async fn shake_hands(nginx: &Nginx, offered: HandshakeKind) -> HandshakeKind {
    let mut line = TcpStream::connect(nginx.address()).await.expect("nginx listens");
    let config = ClientHandshakeConfig::default().offer(offered).strict_echo(true);
    let mut handshake = ClientHandshake::new(config, 0, |random| random.fill(0x5A));
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        let done = handshake
            .handle_input(&mut input, &mut output)
            .expect("nginx keeps to the handshake");
        line.write_all_buf(&mut output).await.expect("nginx reads");
        if let Some(kind) = done {
            return kind;
        }
        assert!(
            line.read_buf(&mut input).await.expect("nginx answers") > 0,
            "nginx closed the line"
        );
    }
}

#[tokio::test]
async fn the_client_publishes_to_nginx_after_each_form() {
    let mut nginx = Nginx::start().await;
    for (count, offered) in KINDS.into_iter().enumerate() {
        let published = async {
            let config = ClientHandshakeConfig::default().offer(offered);
            let conn = ClientConn::builder()
                .handshake(config)
                .dial(nginx.url("live"))
                .await?;
            conn.connect(ConnectRequest::default()).await?;
            let publisher = conn
                .create_stream()
                .await?
                .publish("cam", PublishKind::Live)
                .await?;
            publisher.finish().await?;
            conn.close().await
        };
        if let Err(error) = published.await {
            panic!("offered {offered:?}: {error:?}{}", nginx.process.printed());
        }
        nginx.process.logs(" publish: name='cam'", count + 1).await;
    }
}
