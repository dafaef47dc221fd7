//! Playbacks whose connection is lost.

use rtmp_client::WhenUnpublished;
use rtmp_client::reconnect::Timestamps;

use super::{Told, accept_player, frame, keyframe, metadata, playback, video_header};
use crate::support::{dialled_lines, settle, stream_id};

#[tokio::test(start_paused = true)]
async fn a_playback_goes_on_over_another_connection_with_its_times() {
    for (timestamps, expected) in [
        (Timestamps::Continue, [100, 140, 140, 140]),
        (Timestamps::AsReceived, [100, 140, 0, 7]),
    ] {
        let (builder, mut lines) = dialled_lines();
        let told = Told::default();
        let mut playback = playback(builder, told.policy()).timestamps(timestamps);
        let serve = async {
            let (_, mut server) = accept_player(&mut lines).await;
            for message in [keyframe(100), frame(140)] {
                server.send(stream_id(1), &message).await;
            }
            settle().await;
            drop(server);
            let (_, mut server) = accept_player(&mut lines).await;
            // The clock of another publisher.
            for message in [metadata(0), video_header(7), keyframe(40), frame(80)] {
                server.send(stream_id(1), &message).await;
            }
            server.machine.end_play(stream_id(1)).unwrap();
            server.flush().await;
            while server.next().await.is_some() {}
        };
        let receive = async {
            let mut received = Vec::new();
            while let Some(message) = playback.recv().await.unwrap() {
                received.push((playback.connection(), message.timestamp.as_millis()));
                assert_eq!(
                    playback.time().as_millis(),
                    u128::from(message.timestamp.as_millis())
                );
            }
            drop(playback);
            received
        };
        let (received, ()) = tokio::join!(receive, serve);
        let connections: Vec<_> = received.iter().map(|(connection, _)| *connection).collect();
        assert_eq!(connections, [1, 1, 2, 2, 2, 2]);
        let times: Vec<_> = received.iter().map(|(_, at)| *at).collect();
        assert_eq!(times[..4], expected);
        match timestamps {
            Timestamps::Continue => {
                assert!((640..=1150).contains(&times[4]), "{times:?}");
                assert_eq!(times[5], times[4] + 40);
            }
            Timestamps::AsReceived => assert_eq!(times[4..], [40, 80]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_playback_that_waits_for_publishers_waits_for_the_server_too() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut playback = playback(builder, told.policy()).when_unpublished(WhenUnpublished::Wait);
    let serve = async {
        let (_, mut server) = accept_player(&mut lines).await;
        server.send(stream_id(1), &keyframe(0)).await;
        server.machine.notify_unpublished(stream_id(1)).unwrap();
        server.flush().await;
        settle().await;
        drop(server);
        let (_, mut server) = accept_player(&mut lines).await;
        server.send(stream_id(1), &keyframe(1000)).await;
        server
    };
    let receive = async {
        assert_eq!(playback.recv().await.unwrap().unwrap(), keyframe(0));
        assert!(playback.recv().await.unwrap().unwrap().is_keyframe());
        assert_eq!(playback.connection(), 2);
    };
    tokio::join!(receive, serve);
}
