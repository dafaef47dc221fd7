//! What a caller hears when the server says no.

use std::time::Duration;

use rtmp_client::{
    CloseReason, ConnectRequest, ConnectionStatus, Error, Operation, PlayRequest, PublishKind, Status,
    StatusCode, StreamState,
};
use rtmp_core::conn::ServerEvent;

use crate::support::{connect, create_stream_raw, dial_raw, dial_with, play, publish, stream_id};

fn status(code: StatusCode) -> Status {
    Status::new(code, "not today")
}

#[tokio::test]
async fn a_refused_connect_tells_the_servers_word_and_closes() {
    let (conn, mut server) = dial_with(Default::default()).await;
    let serve = async {
        assert!(matches!(server.next().await, Some(ServerEvent::Connect(_))));
        server
            .machine
            .reject_connect(&status(StatusCode::ConnectRejected))
            .unwrap();
        server.flush().await;
        drop(server);
    };
    let (refused, ()) = tokio::join!(conn.connect(ConnectRequest::default()), serve);
    let error = refused.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server refused to connect: NetConnection.Connect.Rejected (not today)"
    );
    assert!(!error.is_retryable());
    assert_eq!(conn.status(), ConnectionStatus::Closed);
    conn.close().await.unwrap();
    assert!(matches!(conn.close_reason(), Some(CloseReason::Refused(_))));
}

#[tokio::test]
async fn a_refused_publish_leaves_the_stream_to_another_try() {
    let (conn, mut server) = connect().await;
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        let error = stream.publish("cam", PublishKind::Live).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server refused to publish: NetStream.Publish.BadName (not today)"
        );
        assert!(error.is_retryable());
        assert_eq!(error.status().unwrap().code, StatusCode::PublishBadName);
        stream.publish("cam 2", PublishKind::Live).await.unwrap()
    };
    let serve = async {
        match server.next().await {
            Some(ServerEvent::Publish { stream, .. }) => {
                server
                    .machine
                    .reject_publish(stream, &status(StatusCode::PublishBadName))
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.accept_publish().await.1, "cam 2");
    };
    let (publisher, ()) = tokio::join!(client, serve);
    assert_eq!(publisher.stream().id(), stream_id(1));
}

#[tokio::test]
async fn a_refused_play_leaves_the_stream_to_another_try() {
    let (conn, mut server) = connect().await;
    let client = async {
        let stream = conn.create_stream().await.unwrap();
        let error = stream.play(PlayRequest::new("cam")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server refused to play: NetStream.Play.StreamNotFound (not today)"
        );
        stream.play(PlayRequest::new("cam 2")).await.unwrap()
    };
    let serve = async {
        match server.next().await {
            Some(ServerEvent::Play { stream, .. }) => {
                server
                    .machine
                    .reject_play(stream, &status(StatusCode::PlayStreamNotFound))
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.accept_play().await.1, "cam 2");
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn a_refused_create_stream_leaves_the_connection_connected() {
    let (conn, mut server) = connect().await;
    let mut streams = Vec::new();
    let client = async {
        loop {
            match conn.create_stream().await {
                Ok(stream) => streams.push(stream),
                Err(error) => return error,
            }
        }
    };
    let error = tokio::select! {
        error = client => error,
        event = server.next() => panic!("{event:?}"),
    };
    assert!(matches!(
        error,
        Error::Refused {
            operation: Operation::CreateStream,
            ..
        }
    ));
    assert_eq!(
        (streams.len(), conn.status()),
        (32, ConnectionStatus::StreamCreated)
    );
}

#[tokio::test]
async fn a_refused_seek_leaves_the_playback_alone() {
    let (_conn, playback, mut server) = play().await;
    let serve = async {
        match server.next().await {
            Some(ServerEvent::Seek { stream, position }) => {
                assert_eq!(position, Duration::from_secs(90));
                server
                    .machine
                    .reject_seek(stream, &status(StatusCode::SeekInvalidTime))
                    .unwrap();
                server.flush().await;
            }
            other => panic!("{other:?}"),
        }
    };
    let (refused, ()) = tokio::join!(playback.stream().seek(Duration::from_secs(90)), serve);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the server refused to seek: NetStream.Seek.InvalidTime (not today)"
    );
}

#[tokio::test]
async fn a_failed_call_carries_the_whole_answer() {
    let (conn, mut server) = connect().await;
    let serve = async {
        match server.next().await {
            Some(ServerEvent::Call { command, .. }) => {
                let failed = status(StatusCode::CallProhibited).with("detail", "because");
                server
                    .machine
                    .answer_call(command.transaction, Err(failed))
                    .unwrap();
                server.flush().await;
            }
            other => panic!("{other:?}"),
        }
    };
    let (failed, ()) = tokio::join!(conn.call("open\u{7}Door", vec![]), serve);
    let error = failed.unwrap_err();
    assert_eq!(
        error.to_string(),
        "calling open\\u{7}Door failed: NetConnection.Call.Prohibited (not today)"
    );
    let Error::CallFailed { answer, .. } = error else {
        panic!("{error:?}");
    };
    let details = answer.argument(0).unwrap().as_object().unwrap();
    assert_eq!(details.get("detail").unwrap().as_str(), Some("because"));
}

#[tokio::test]
async fn what_comes_too_early_or_twice_is_the_callers_mistake() {
    let (conn, mut raw) = dial_raw().await;
    let error = conn.create_stream().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "can not create a stream while the connection is not connected"
    );
    let (connected, ()) = tokio::join!(conn.connect(ConnectRequest::default()), raw.accept_connect());
    connected.unwrap();
    let again = conn.connect(ConnectRequest::default()).await.unwrap_err();
    assert!(matches!(
        again,
        Error::WrongState {
            operation: Operation::Connect,
            status: ConnectionStatus::Connected
        }
    ));
}

#[tokio::test]
async fn a_stream_serves_one_purpose_at_a_time() {
    let (_conn, publisher, _server) = publish().await;
    let stream = publisher.stream();
    let error = stream.play(PlayRequest::new("cam")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "can not play on stream 1, which is being published"
    );
    let error = stream.publish("cam", PublishKind::Live).await.unwrap_err();
    assert!(matches!(
        error,
        Error::WrongStream {
            state: StreamState::Publishing,
            ..
        }
    ));
    let error = stream.pause().await.unwrap_err();
    assert!(matches!(
        error,
        Error::WrongStream {
            operation: Operation::Pause,
            ..
        }
    ));
}

#[tokio::test]
async fn a_second_play_waits_for_the_first_answer() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let first = stream.play(PlayRequest::new("cam"));
    tokio::pin!(first);
    tokio::select! {
        biased;
        answered = &mut first => panic!("{answered:?}"),
        _ = raw.expect("play") => {}
    }
    let error = stream.play(PlayRequest::new("cam")).await.unwrap_err();
    assert!(matches!(
        error,
        Error::WrongStream {
            state: StreamState::Playing,
            ..
        }
    ));
    raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
    first.await.unwrap();
}

#[tokio::test]
async fn a_publisher_hears_why_the_server_ended_it() {
    let (_conn, mut publisher, mut server) = publish().await;
    server
        .machine
        .end_publish(stream_id(1), &status(StatusCode::PublishBadName))
        .unwrap();
    server.flush().await;
    let error = loop {
        match publisher.send_audio(Default::default(), vec![0xaf, 1]).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.to_string(),
        "the server ended the stream: NetStream.Publish.BadName (not today)"
    );
    let error = publisher.finish().await.unwrap_err();
    assert!(matches!(
        error,
        Error::Ended {
            operation: Operation::Close,
            ..
        }
    ));
}

#[tokio::test]
async fn a_player_hears_why_the_server_ended_it() {
    let (_conn, mut playback, mut server) = play().await;
    server
        .machine
        .reject_seek(stream_id(1), &status(StatusCode::PlayFileStructureInvalid))
        .unwrap();
    server.flush().await;
    let error = playback.recv().await.unwrap_err();
    assert!(matches!(
        error,
        Error::Ended {
            operation: Operation::Receive,
            ..
        }
    ));
    assert_eq!(playback.recv().await.unwrap(), None);
}
