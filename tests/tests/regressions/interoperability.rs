//! What encoders, players and servers do that others could not take.

use bytes::BytesMut;
use rtmp_amf::amf0::Object;
use rtmp_client::ClientConn;
use rtmp_core::chunk::{ChunkEncoder, ChunkError, MessageStreamId};
use rtmp_core::conn::{ClientConfig, ClientEvent, ProtocolError};
use rtmp_core::handshake::{ClientHandshakeConfig, HandshakeKind, Layout};
use rtmp_core::message::{Command, Message, PublishKind, UserControl};
use rtmp_server::{CloseReason, Observers, Relay, SessionConfig};
use rtmp_tests::media::{audio, audio_header, frame, keyframe, metadata, padded, video_header};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, Recorder, session, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_util::codec::Encoder;

use crate::support::{Desk, URL, peer, player, raw, say_on, send_on, send_raw};

const CONNECTION: MessageStreamId = MessageStreamId::CONNECTION;

#[tokio::test(start_paused = true)]
async fn i1_either_digest_layout_and_no_digest_at_all_connect() {
    let offers = [
        (None, HandshakeKind::Digest(Layout::DigestFirst)),
        (Some(HandshakeKind::Simple), HandshakeKind::Simple),
        (
            Some(HandshakeKind::Digest(Layout::KeyFirst)),
            HandshakeKind::Digest(Layout::KeyFirst),
        ),
    ];
    for (offered, kind) in offers {
        let (io, _session) = session(&Observers::new());
        let offer = ClientHandshakeConfig::default();
        let offer = offered.map_or(offer, |kind| offer.offer(kind));
        let mut peer = Peer::with_config(io, ClientConfig::default().handshake(offer));
        let answered = peer
            .until("the handshake", |event| match event {
                ClientEvent::HandshakeDone(kind) => Some(kind),
                _ => None,
            })
            .await;
        assert_eq!(answered, kind);
        peer.connect("live").await.unwrap();
    }

    // Version bytes as of Flash Player, and nothing at either place of a digest.
    let (mut io, _session) = session(&Observers::new());
    let mut c0c1 = [0x2B; 1537];
    c0c1[0] = 3;
    c0c1[5..9].copy_from_slice(&[0x80, 0, 7, 2]);
    io.write_all(&c0c1).await.unwrap();
    let mut answer = [0; 3073];
    io.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], &answer[5..9]), (3, &[0; 4][..]));
    assert_eq!(answer[1545..], c0c1[9..], "an echo");
}

#[tokio::test(start_paused = true)]
async fn i2_every_command_with_a_transaction_id_is_answered() {
    let mut peer = peer(&Relay::default()).await;
    let names = [
        "releaseStream",
        "FCPublish",
        "createStream",
        "_checkbw",
        "checkBandwidth",
        "getStreamLength",
        "FCSubscribe",
        "FCUnpublish",
        "connect",
        "DVRSetStreamInfo",
        "aVendorsOwn",
    ];
    let mut owed: Vec<_> = names
        .map(|name| {
            let call = peer.machine().call(CONNECTION, name, vec!["cam".into()]);
            call.unwrap()
        })
        .into();
    peer.flush().await;
    while !owed.is_empty() {
        let answered = peer
            .until("an answer", |event| match event {
                ClientEvent::CallReturned { transaction, .. }
                | ClientEvent::CallFailed { transaction, .. } => Some(transaction),
                _ => None,
            })
            .await;
        let place = owed.iter().position(|transaction| *transaction == answered);
        owed.remove(place.expect("an answer to what was asked"));
    }
}

#[tokio::test(start_paused = true)]
async fn i3_any_content_of_the_last_handshake_packets_is_accepted() {
    // A server whose S2 echoes nothing.
    let (ours, mut theirs) = duplex(PIPE_LEN);
    let server = tokio::spawn(async move {
        let mut s0s1s2 = [0xEE; 3073];
        s0s1s2[0] = 3;
        s0s1s2[5..9].fill(0);
        theirs.write_all(&s0s1s2).await.unwrap();
        theirs.read_exact(&mut [0; 3073]).await.unwrap();
        theirs
    });
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    let _theirs = server.await.unwrap();
    assert!(conn.close_reason().is_none());

    // A client whose C2 does not.
    let recorder = Recorder::default();
    let (mut io, _session) = session(&recorder.observers());
    let mut packets = BytesMut::zeroed(3073);
    packets[0] = 3;
    packets[1537..].fill(0xEE);
    let connect = Message::Command {
        stream: CONNECTION,
        command: Command::new("connect").with_object(Object::new().with("app", "live")),
    };
    ChunkEncoder::default()
        .encode(&connect.encode().unwrap(), &mut packets)
        .unwrap();
    io.write_all(&packets).await.unwrap();
    recorder.called("on_connect live").await;
}

#[tokio::test(start_paused = true)]
async fn i6_a_chunk_stream_may_begin_with_type_1_and_fails_with_a_clear_error_otherwise() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let (io, running) = session(&Observers::new().relay(relay.clone()));
    let mut drone = Peer::connected(io, "live").await;
    drone.publish("cam").await.unwrap();
    // Type 1 on chunk stream 33: 7 ms after nothing, three bytes of audio, on whatever stream there is.
    drone
        .send_bytes(&[0x40 | 33, 0, 0, 7, 0, 0, 3, 8, 0xAF, 1, 9])
        .await;
    let first = watcher.next_media().await;
    assert_eq!(
        (first.timestamp.as_millis(), &first.payload[..]),
        (7, &[0xAF, 1, 9][..])
    );

    // Type 2 on chunk stream 34, which has said no length.
    drone.send_bytes(&[0x80 | 34, 0, 0, 7, 0xAF]).await;
    let CloseReason::Protocol(error) = running.ended().await else {
        panic!("the header is missing");
    };
    let ProtocolError::Chunk(ChunkError::MissingHeader { chunk_stream, format }) = *error else {
        panic!("{error}");
    };
    assert_eq!((chunk_stream.get(), format), (34, 2));
}

#[tokio::test(start_paused = true)]
async fn i7_an_encoder_with_odd_ids_and_an_odd_order_of_commands_publishes() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut drone = peer(&relay).await;
    let stream = drone.create_stream().await;
    let named = |name| Command::new(name).with_argument("cam");
    // On the stream that it was not given, on the chunk streams that it likes, and the courtesies last.
    say_on(&mut drone, 40, CONNECTION, named("publish")).await;
    say_on(&mut drone, 40, CONNECTION, named("FCPublish")).await;
    say_on(&mut drone, 41, stream, named("releaseStream")).await;
    let sent = [audio_header(0, 1), audio(0, 2), keyframe(0, 3)];
    for (chunk_stream, message) in (42..).zip(&sent) {
        send_on(&mut drone, chunk_stream, stream, message).await;
    }
    assert_eq!(watcher.media(3).await, sent);
}

#[tokio::test(start_paused = true)]
async fn i8_chunk_stream_ids_above_31_are_read() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    for (number, id) in [32, 33, 63, 64, 65, 319, 320, 1000, 65_599]
        .into_iter()
        .enumerate()
    {
        let message = padded(audio(20 * number as u32, id), 200);
        send_on(&mut publisher, id, stream, &message).await;
        assert_eq!(watcher.next_media().await, message, "{id}");
    }
}

/// Publishes with this chunk size, and plays on the same connection.
async fn publishes_in_chunks_of(size: u32, config: SessionConfig, sent_len: usize) {
    let (client, theirs) = duplex(PIPE_LEN);
    let _session = session_over(theirs, &Observers::new().relay(Relay::default()), config);
    let mut peer = Peer::with_config(client, ClientConfig::default().chunk_size(size));
    peer.connect("live").await.unwrap();
    let stream = peer.publish("cam").await.unwrap();
    peer.play("cam").await.unwrap();
    let sent = [
        padded(keyframe(0, 1), sent_len),
        padded(frame(40, 2), sent_len / 2),
    ];
    peer.send(stream, &sent).await;
    for message in &sent {
        assert!(peer.next_media().await == *message, "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn i9_chunk_sizes_above_10_mb_are_accepted_and_reserve_nothing() {
    for size in [10_485_761, 0x00FF_FFFF, 0x0100_0000, 0x7FFF_FFFF] {
        publishes_in_chunks_of(size, SessionConfig::default(), 100_000).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i10_small_chunk_sizes_are_accepted() {
    for size in [1, 2, 64, 127, 129] {
        publishes_in_chunks_of(size, SessionConfig::default(), 2000).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i11_each_direction_has_a_chunk_size_of_its_own() {
    for (ours, theirs) in [(128, 4096), (4096, 128), (1, 60_000), (60_000, 333)] {
        publishes_in_chunks_of(ours, SessionConfig::default().chunk_size(theirs), 10_000).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i12_a_player_hears_of_its_start_before_it_gets_anything() {
    let relay = Relay::default();
    let mut publisher = relay.publish("live", "cam").unwrap();
    for message in [metadata(0, 1), video_header(0, 2), keyframe(0, 3)] {
        publisher.send(message);
    }
    let mut watcher = peer(&relay).await;
    let stream = watcher.create_stream().await;
    watcher.rest().await;
    watcher
        .say(stream, Command::new("play").with_argument("cam"))
        .await;
    let told: Vec<_> = watcher
        .rest()
        .await
        .iter()
        .filter_map(|event| match event {
            ClientEvent::UserControl(UserControl::StreamBegin(_)) => Some("begin".to_owned()),
            ClientEvent::Status { status, .. } => Some(status.code.to_string()),
            // The scripted client has not asked by its own account, so it passes media over.
            ClientEvent::Media { .. } | ClientEvent::Ignored(_) => Some("media".to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(
        told[..3],
        ["begin", "NetStream.Play.Reset", "NetStream.Play.Start"]
    );
    assert_eq!(told[3..], ["media", "media", "media"]);
}

#[tokio::test(start_paused = true)]
async fn i14_messages_of_any_size_pass_chunks_of_any_size() {
    for (ours, theirs) in [(128, 128), (1000, 999), (60_000, 128)] {
        let relay = Relay::default();
        let (client, server) = duplex(PIPE_LEN);
        let config = SessionConfig::default().chunk_size(theirs);
        let _session = session_over(server, &Observers::new().relay(relay), config);
        let mut peer = Peer::with_config(client, ClientConfig::default().chunk_size(ours));
        peer.connect("live").await.unwrap();
        let stream = peer.publish("cam").await.unwrap();
        peer.play("cam").await.unwrap();
        for edge in [128, 256, 999, 1000, 2000, 60_000, 120_000] {
            for len in edge - 1..=edge + 1 {
                let message = padded(audio(0, 1), len - 6);
                assert_eq!(message.payload.len(), len);
                peer.send(stream, std::slice::from_ref(&message)).await;
                assert!(peer.next_media().await == message, "{len} in {ours} and {theirs}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i15_a_publish_without_a_type_is_live() {
    let desk = Desk::default();
    let (io, _session) = session(&desk.observers());
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    peer.say(stream, Command::new("publish").with_argument("cam"))
        .await;
    peer.rest().await;
    let asked = desk.publishes();
    assert_eq!((asked[0].name(), asked[0].kind()), ("cam", &PublishKind::Live));
}

#[tokio::test(start_paused = true)]
async fn i21_control_messages_may_be_longer_than_needed() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let more = [0xFF; 9];
    let with_more = |body: &[u8]| [body, &more].concat();
    for (message_type, body) in [
        (2, &[0, 0, 0, 9][..]),
        (3, &[0, 0, 1, 0]),
        (4, &[0, 3, 0, 0, 0, 1, 0, 0, 1, 0]),
        (4, &[0, 6, 0, 0, 0, 7]),
        (5, &[0, 0, 16, 0]),
        (6, &[0, 0, 16, 0, 2]),
    ] {
        send_raw(
            &mut publisher,
            &raw(2, message_type, CONNECTION, &with_more(body)),
        )
        .await;
    }
    // The window counts all the same.
    let sent = padded(audio(0, 1), 3000);
    publisher.send(stream, std::slice::from_ref(&sent)).await;
    publisher
        .until("an acknowledgement", |event| {
            matches!(event, ClientEvent::Acknowledgement(_)).then_some(())
        })
        .await;
    assert_eq!(watcher.next_media().await, sent);
}
