//! Publishing and playing from beginning to end.

use crate::support::{connect, dial_with, stream_id, video};
use rtmp_client::{
    Capabilities, CodecAbilities, ConnectReply, ConnectRequest, ConnectionStatus, FourCc, PlayRequest,
    PublishKind,
};
use rtmp_core::conn::ServerEvent;

#[tokio::test]
async fn a_publisher_sends_and_finishes_in_order() {
    let (conn, mut server) = connect().await;
    assert_eq!(conn.status(), ConnectionStatus::Connected);
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        assert_eq!(stream.id(), stream_id(1));
        let mut publisher = stream.publish("cam?token=1", PublishKind::Live).await.unwrap();
        assert_eq!(conn.status(), ConnectionStatus::StreamCreated);
        for at in 0..100 {
            publisher.send(video(at * 40, 10_000)).await.unwrap();
        }
        publisher.finish().await.unwrap();
        conn.close().await.unwrap();
        assert_eq!(conn.status(), ConnectionStatus::Closed);
    };
    let server = async {
        assert_eq!(
            server.accept_publish().await,
            (stream_id(1), "cam?token=1".to_owned())
        );
        for at in 0..100 {
            assert_eq!(server.media().await, video(at * 40, 10_000));
        }
        assert!(matches!(server.next().await, Some(ServerEvent::Unpublish { .. })));
        assert!(server.next().await.is_none());
        drop(server);
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn a_player_receives_until_the_server_stops() {
    let (conn, mut server) = connect().await;
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        for at in 0..300 {
            assert_eq!(playback.recv().await.unwrap(), Some(video(at * 40, 3_000)));
        }
        assert_eq!(playback.recv().await.unwrap(), None);
        drop((playback, stream, conn));
    };
    let server = async {
        let (stream, name) = server.accept_play().await;
        assert_eq!(name, "cam");
        for at in 0..300 {
            server.send(stream, &video(at * 40, 3_000)).await;
        }
        server.machine.end_play(stream).unwrap();
        server.flush().await;
        assert!(server.next().await.is_none());
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn both_ends_say_what_they_can_do_with_codecs() {
    let (conn, mut server) = dial_with(Default::default()).await;
    let ours = Capabilities::default().video(FourCc::HVC1, CodecAbilities::ENCODE);
    let theirs = Capabilities::default().video(FourCc::HVC1, CodecAbilities::DECODE);
    let serve = async {
        match server.next().await {
            Some(ServerEvent::Connect(request)) => assert_eq!(request.read_capabilities(), ours),
            other => panic!("{other:?}"),
        }
        let reply = ConnectReply::default().capabilities(&theirs);
        server.machine.accept_connect(&reply).unwrap();
        server.flush().await;
    };
    let (reply, ()) = tokio::join!(conn.connect(ConnectRequest::default().capabilities(&ours)), serve);
    assert_eq!(reply.unwrap().read_capabilities(), theirs);
}
