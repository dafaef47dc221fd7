//! Servers that do as the specification does not say, and servers that mean harm.

use std::time::Duration;

use bytes::Bytes;
use rtmp_client::amf0::{Object, Value};
use rtmp_client::{
    Command, ConnectRequest, Error, Event, MediaMessage, PlayRequest, PublishKind, Status, StatusCode,
    Timestamp,
};
use rtmp_core::message::{Control, Message, TransactionId, UserControl};

use crate::support::{Raw, connect_raw, create_stream_raw, dial_raw, stream_id, video};

#[tokio::test]
async fn the_servers_stream_number_is_used_whatever_it_is() {
    let (_conn, stream, mut raw) = create_stream_raw(7).await;
    assert_eq!(stream.id(), stream_id(7));
    let serve = async {
        let (id, publish) = raw.expect_publish().await;
        assert_eq!((id, publish.text_argument(0)), (stream_id(7), Some("cam")));
        raw.send_status(7, Status::new(StatusCode::PublishStart, ""))
            .await;
    };
    let (publisher, ()) = tokio::join!(stream.publish("cam", PublishKind::Live), serve);
    publisher.unwrap().finish().await.unwrap();
    raw.expect("FCUnpublish").await;
    assert_eq!(raw.expect("deleteStream").await.number_argument(0), Some(7.0));
}

#[tokio::test]
async fn statuses_on_stream_0_are_those_of_the_only_stream() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        raw.expect_publish().await;
        raw.send_status(0, Status::new(StatusCode::PublishStart, ""))
            .await;
    };
    tokio::join!(stream.publish("cam", PublishKind::Live), serve)
        .0
        .unwrap();
}

#[tokio::test]
async fn errors_for_release_stream_and_fc_publish_do_no_harm() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        for courtesy in ["releaseStream", "FCPublish"] {
            let command = raw.expect(courtesy).await;
            let status = Status::new(StatusCode::CallFailed, "method not found");
            raw.send(0, Command::error(command.transaction, &status)).await;
        }
        raw.expect("publish").await;
        raw.send_status(1, Status::new(StatusCode::PublishStart, ""))
            .await;
    };
    tokio::join!(stream.publish("cam", PublishKind::Live), serve)
        .0
        .unwrap();
}

#[tokio::test]
async fn a_result_for_publish_and_play_is_as_good_as_a_status() {
    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        let (_, publish) = raw.expect_publish().await;
        raw.send(0, Command::result(publish.transaction)).await;
    };
    let (publisher, ()) = tokio::join!(stream.publish("cam", PublishKind::Live), serve);
    publisher.unwrap();
    let (stream, ()) = tokio::join!(conn.create_stream(), async {
        raw.expect("FCUnpublish").await;
        raw.expect("deleteStream").await;
        raw.accept_create_stream(2).await;
    });
    let serve = async {
        let play = raw.expect("play").await;
        raw.send(0, Command::result(play.transaction)).await;
    };
    let stream = stream.unwrap();
    tokio::join!(stream.play(PlayRequest::new("cam")), serve)
        .0
        .unwrap();
}

#[tokio::test]
async fn window_bandwidth_and_chunk_size_may_come_late() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    raw.send_message(Message::Control(Control::SetChunkSize(0x7fff_ffff)))
        .await;
    raw.send_message(Message::Control(Control::WindowAckSize(1000)))
        .await;
    raw.send_message(Message::UserControl(UserControl::StreamBegin(stream_id(0))))
        .await;
    let serve = async {
        raw.expect("play").await;
        raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
        raw.send_message(Message::Media {
            stream: stream_id(1),
            message: video(0, 100_000),
        })
        .await;
    };
    let client = async {
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        assert_eq!(playback.recv().await.unwrap(), Some(video(0, 100_000)));
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn media_before_play_start_and_metadata_are_received() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let metadata = MediaMessage::data(
        Timestamp::ZERO,
        Bytes::from_static(b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09"),
    );
    let serve = async {
        raw.expect("play").await;
        raw.send_message(Message::Media {
            stream: stream_id(1),
            message: metadata.clone(),
        })
        .await;
        raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
    };
    let client = async {
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        assert_eq!(playback.recv().await.unwrap(), Some(metadata.clone()));
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn stream_eof_alone_ends_a_playback() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        raw.expect("play").await;
        raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
        raw.send_message(Message::Media {
            stream: stream_id(1),
            message: video(0, 10),
        })
        .await;
        raw.send_message(Message::UserControl(UserControl::StreamEof(stream_id(1))))
            .await;
    };
    let client = async {
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        assert_eq!(playback.recv().await.unwrap(), Some(video(0, 10)));
        assert_eq!(playback.recv().await.unwrap(), None);
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn calls_of_the_server_are_events_and_get_an_answer() {
    let (conn, mut raw) = connect_raw().await;
    let mut events = conn.events();
    let call = Command::new("_onbwcheck")
        .with_transaction(TransactionId::new(9))
        .with_argument(1);
    raw.send(0, call.clone()).await;
    assert_eq!(raw.expect("_result").await.transaction, TransactionId::new(9));
    match events.recv().await {
        Some(Event::Call { command, .. }) => assert_eq!(command, call),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_returns_all_that_the_server_answers() {
    let (conn, mut raw) = connect_raw().await;
    let serve = async {
        let call = raw.expect("sum").await;
        assert_eq!(call.arguments, [Value::from(1), Value::from(2)]);
        raw.send(
            0,
            Command::result(call.transaction)
                .with_object(Object::new().with("a", 1))
                .with_argument(3)
                .with_argument("x"),
        )
        .await;
    };
    let (answer, ()) = tokio::join!(conn.call("sum", vec![1.into(), 2.into()]), serve);
    let answer = answer.unwrap();
    assert_eq!(answer.object.as_object().unwrap().get("a"), Some(&Value::from(1)));
    assert_eq!(answer.arguments, [Value::from(3), Value::from("x")]);
}

/// Answers to nothing, statuses of nothing, half a status, a name that is none, unknown types: all are passed over.
async fn send_nonsense(raw: &mut Raw) {
    for name in ["_result", "_error"] {
        raw.send(0, Command::new(name).with_transaction(TransactionId::new(4711)))
            .await;
        raw.send(0, Command::new(name)).await;
        raw.send(99, Command::new(name).with_argument("x")).await;
    }
    raw.send(1, Command::new("onStatus")).await;
    raw.send(
        1,
        Command::new("onStatus").with_argument(Object::new().with("level", "error")),
    )
    .await;
    raw.send(
        98,
        Command::new("onStatus").with_argument(Object::new().with("code", 7)),
    )
    .await;
    raw.send(0, Command::new("onFCPublish")).await;
    for event in [
        UserControl::StreamEof(stream_id(97)),
        UserControl::PingResponse(5),
        UserControl::StreamDry(stream_id(0)),
    ] {
        raw.send_message(Message::UserControl(event)).await;
    }
    raw.send_message(Message::Media {
        stream: stream_id(96),
        message: video(0, 10),
    })
    .await;
    // An aggregate message without content, and a command that is no AMF0.
    raw.send_bytes(&[60, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0, 0]).await;
    raw.send_bytes(&[61, 0, 0, 0, 0, 0, 2, 20, 0, 0, 0, 0, 0x0d, 0xff])
        .await;
}

#[tokio::test]
async fn nonsense_is_passed_over_at_every_stage() {
    let (conn, mut raw) = dial_raw().await;
    let serve = async {
        send_nonsense(&mut raw).await;
        raw.accept_connect().await;
        send_nonsense(&mut raw).await;
        raw.accept_create_stream(5).await;
        send_nonsense(&mut raw).await;
        raw.expect("play").await;
        raw.send_status(5, Status::new(StatusCode::PlayStart, "")).await;
        send_nonsense(&mut raw).await;
        raw.send_message(Message::Media {
            stream: stream_id(5),
            message: video(40, 10),
        })
        .await;
    };
    let client = async {
        conn.connect(ConnectRequest::default()).await.unwrap();
        let stream = conn.create_stream().await.unwrap();
        let mut playback = stream.play(PlayRequest::new("cam")).await.unwrap();
        while playback.recv().await.unwrap() != Some(video(40, 10)) {}
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn an_error_status_without_a_code_refuses_with_what_was_there() {
    let (_conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        raw.expect_publish().await;
        let status = Object::new()
            .with("level", "error")
            .with("description", "full up\u{1b}[31m");
        raw.send(1, Command::new("onStatus").with_argument(status)).await;
    };
    let (refused, ()) = tokio::join!(stream.publish("cam", PublishKind::Live), serve);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the server refused to publish: full up\\u{1b}[31m"
    );
}

#[tokio::test]
async fn create_stream_answered_without_a_number_is_refused() {
    let (conn, mut raw) = connect_raw().await;
    for answer in [
        Value::Null,
        Value::from("one"),
        Value::from(-1),
        Value::from(f64::NAN),
        Value::from(1.5),
    ] {
        let serve = async {
            let create = raw.expect("createStream").await;
            raw.send(0, Command::result(create.transaction).with_argument(answer))
                .await;
        };
        let (refused, ()) = tokio::join!(conn.create_stream(), serve);
        assert!(matches!(refused, Err(Error::Refused { .. })));
    }
}

#[tokio::test]
async fn the_publisher_may_come_back_or_be_missed() {
    use rtmp_client::WhenUnpublished;
    for then in [WhenUnpublished::End, WhenUnpublished::Wait] {
        let (_conn, stream, mut raw) = create_stream_raw(1).await;
        let serve = async {
            raw.expect("play").await;
            for (code, at) in [
                (StatusCode::PlayStart, 0),
                (StatusCode::PlayUnpublishNotify, 40),
                (StatusCode::PlayPublishNotify, 80),
            ] {
                raw.send_status(1, Status::new(code, "")).await;
                raw.send_message(Message::Media {
                    stream: stream_id(1),
                    message: video(at, 10),
                })
                .await;
            }
            raw.send_status(1, Status::new(StatusCode::PlayUnpublishNotify, ""))
                .await;
            drop(raw);
        };
        let client = async {
            let mut playback = stream
                .play(PlayRequest::new("cam"))
                .await
                .unwrap()
                .when_unpublished(then);
            let mut times = Vec::new();
            while let Some(message) = playback.recv().await.unwrap() {
                times.push(message.timestamp.as_millis());
            }
            times
        };
        let (times, ()) = tokio::join!(client, serve);
        match then {
            WhenUnpublished::End => assert_eq!(times, [0]),
            WhenUnpublished::Wait => assert_eq!(times, [0, 40, 80]),
        }
    }
}

/// nginx-rtmp sends recordings ahead, so the end of one may cross a seek: EOF, Play.Complete, Play.Stop, and then the
/// answer to the seek.
#[tokio::test(start_paused = true)]
async fn an_end_that_crosses_a_seek_is_not_the_end() {
    for seek_succeeds in [true, false] {
        let (_conn, stream, mut raw) = create_stream_raw(1).await;
        let serve = async {
            raw.expect("play").await;
            raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
        };
        let (playback, ()) = tokio::join!(stream.play(PlayRequest::new("film")), serve);
        let mut playback = playback.unwrap();
        let serve = async {
            raw.expect("seek").await;
            raw.send_message(Message::UserControl(UserControl::StreamEof(stream_id(1))))
                .await;
            raw.send_status(1, Status::new(StatusCode::PlayStop, "")).await;
            if seek_succeeds {
                raw.send_status(1, Status::new(StatusCode::SeekNotify, "")).await;
                raw.send_message(Message::Media {
                    stream: stream_id(1),
                    message: video(1000, 10),
                })
                .await;
            } else {
                raw.send_status(1, Status::new(StatusCode::SeekFailed, "")).await;
            }
        };
        let (sought, ()) = tokio::join!(stream.seek(Duration::from_secs(1)), serve);
        assert_eq!(sought.is_ok(), seek_succeeds);
        let next = playback.recv().await.unwrap();
        assert_eq!(next, seek_succeeds.then(|| video(1000, 10)));
    }
}
