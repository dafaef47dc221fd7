//! Control of what is played, besides pausing and seeking.

use std::time::Duration;

use rtmp_client::amf0::Object;
use rtmp_client::{
    ClientConn, Error, MediaMessage, MessageStreamId, Operation, PlayOptions, PlayRequest, Playback, Status,
    StatusCode, StreamState, Timestamp, Transition, UserControl,
};
use rtmp_core::conn::ServerEvent;
use rtmp_core::flv::Metadata;
use rtmp_core::message::Message;

use crate::support::{
    Raw, connect, connect_raw, create_stream_raw, dial_raw_with, play, publish, stream_id, video,
};

fn options() -> PlayOptions {
    PlayOptions::new("cam_low", Transition::Switch)
}

async fn play_raw() -> (ClientConn, Playback, Raw) {
    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        raw.expect("play").await;
        raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
    };
    let (playback, ()) = tokio::join!(stream.play(PlayRequest::new("cam")), serve);
    (conn, playback.unwrap(), raw)
}

async fn send_video(raw: &mut Raw, at: u32) {
    let (stream, message) = (stream_id(1), video(at, 10));
    raw.send_message(Message::Media { stream, message }).await;
}

#[tokio::test]
async fn a_player_says_what_it_wants_to_receive() {
    let (_conn, playback, mut raw) = play_raw().await;
    playback.stream().receive_audio(false).await.unwrap();
    playback.stream().receive_video(false).await.unwrap();
    playback.stream().receive_video(true).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..3 {
        let (stream, command) = raw.next().await.unwrap();
        assert_eq!(stream, stream_id(1));
        heard.push((
            command.name.to_string_lossy().into_owned(),
            command.argument(0).cloned(),
        ));
    }
    assert_eq!(
        heard,
        [
            ("receiveAudio".to_owned(), Some(false.into())),
            ("receiveVideo".to_owned(), Some(false.into())),
            ("receiveVideo".to_owned(), Some(true.into())),
        ]
    );
}

#[tokio::test]
async fn only_a_player_can_choose_what_it_receives() {
    let (_conn, publisher, _server) = publish().await;
    let stream = publisher.stream();
    let errors = [
        (stream.receive_audio(true).await, Operation::ReceiveAudio),
        (stream.receive_video(true).await, Operation::ReceiveVideo),
        (stream.transition(options()).await, Operation::Transition),
    ];
    for (error, expected) in errors {
        match error {
            Err(Error::WrongStream {
                operation,
                state: StreamState::Publishing,
                ..
            }) => assert_eq!(operation, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_player_goes_over_to_another_stream() {
    let (_conn, mut playback, mut server) = play().await;
    let stream = playback.stream().clone();
    let serve = async {
        match server.next().await {
            Some(ServerEvent::Transition {
                stream,
                options: asked,
                ..
            }) => {
                assert_eq!(asked, options());
                server.machine.accept_transition(stream).unwrap();
                server.machine.complete_transition(stream).unwrap();
                server.send(stream, &video(40, 10)).await;
            }
            other => panic!("{other:?}"),
        }
    };
    let (gone_over, ()) = tokio::join!(stream.transition(options()), serve);
    gone_over.unwrap();
    // What the server says of it comes before its media.
    assert!(playback.recv().await.unwrap().unwrap().kind.is_data());
    assert_eq!(playback.recv().await.unwrap(), Some(video(40, 10)));
}

#[tokio::test]
async fn a_refused_transition_leaves_the_playback_alone() {
    let (_conn, mut playback, mut raw) = play_raw().await;
    let stream = playback.stream().clone();
    let serve = async {
        assert_eq!(raw.expect("play2").await.transaction.get(), 0.0);
        let status = Status::new(StatusCode::PlayStreamNotFound, "not today");
        raw.send_status(1, status).await;
        send_video(&mut raw, 40).await;
    };
    let (refused, ()) = tokio::join!(stream.transition(options()), serve);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the server refused to go over to another stream: NetStream.Play.StreamNotFound (not today)"
    );
    assert_eq!(playback.recv().await.unwrap(), Some(video(40, 10)));
}

#[tokio::test(start_paused = true)]
async fn a_transition_that_is_never_answered_ends_with_the_command_timeout() {
    let (_conn, mut playback, mut raw) = play_raw().await;
    let error = playback.stream().transition(options()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "it took longer than 10s to go over to another stream"
    );
    send_video(&mut raw, 40).await;
    assert_eq!(playback.recv().await.unwrap(), Some(video(40, 10)));
}

#[tokio::test]
async fn a_recording_has_a_length_and_a_live_stream_has_none() {
    let (conn, mut server) = connect().await;
    for length in [Some(Duration::from_millis(90_500)), None] {
        let serve = async {
            match server.next().await {
                Some(ServerEvent::StreamLength {
                    transaction, name, ..
                }) => {
                    assert_eq!(name, "film?token=1");
                    server.machine.answer_stream_length(transaction, length).unwrap();
                    server.flush().await;
                }
                other => panic!("{other:?}"),
            }
        };
        let (told, ()) = tokio::join!(conn.stream_length("film?token=1"), serve);
        assert_eq!(told.unwrap(), length);
    }
}

#[tokio::test]
async fn a_length_that_makes_no_sense_is_none() {
    let (conn, mut raw) = connect_raw().await;
    for number in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        let serve = async {
            let ask = raw.expect("getStreamLength").await;
            let answer = rtmp_client::Command::result(ask.transaction).with_argument(number);
            raw.send(0, answer).await;
        };
        let (told, ()) = tokio::join!(conn.stream_length("film"), serve);
        assert_eq!(told.unwrap(), None, "{number}");
    }
}

#[tokio::test]
async fn a_stream_is_announced_before_it_is_played_if_the_builder_says_so() {
    let builder = ClientConn::builder().subscribe_before_play(true);
    let (conn, mut raw) = dial_raw_with(builder).await;
    let serve = async {
        raw.accept_connect().await;
        raw.accept_create_stream(1).await;
        let (stream, announced) = raw.next().await.unwrap();
        assert_eq!(stream, MessageStreamId::CONNECTION);
        assert_eq!(announced.name, *"FCSubscribe");
        assert_eq!(announced.text_argument(0), Some("cam?token=1"));
        assert_eq!(raw.expect("play").await.text_argument(0), Some("cam?token=1"));
        raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
    };
    let client = async {
        conn.connect(Default::default()).await.unwrap();
        let stream = conn.create_stream().await.unwrap();
        stream.play(PlayRequest::new("cam?token=1")).await.unwrap()
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn a_playback_knows_whether_it_plays_a_recording_and_how_long_that_is() {
    for is_recorded in [true, false] {
        let (_conn, stream, mut raw) = create_stream_raw(1).await;
        let serve = async {
            raw.expect("play").await;
            if is_recorded {
                let event = UserControl::StreamIsRecorded(stream_id(1));
                raw.send_message(Message::UserControl(event)).await;
            }
            raw.send_status(1, Status::new(StatusCode::PlayStart, "")).await;
        };
        let (playback, ()) = tokio::join!(stream.play(PlayRequest::new("film")), serve);
        let mut playback = playback.unwrap();
        assert_eq!((playback.is_recorded(), playback.duration()), (is_recorded, None));
        let metadata = Metadata::new(Object::new().with("duration", 7200.5));
        let message = MediaMessage::data(Timestamp::ZERO, metadata.encode().unwrap());
        let stream = stream_id(1);
        raw.send_message(Message::Media { stream, message }).await;
        playback.recv().await.unwrap();
        let known = is_recorded.then(|| Duration::from_millis(7_200_500));
        assert_eq!(playback.duration(), known);
    }
}
