//! Calls, observers that do not answer, what players do, and figures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::MediaKind;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{Command, ConnectReply, ConnectRequest, PlayRequest, PublishRequest, StatusCode};
use rtmp_server::{
    CloseReason, ConnectObserver, Observers, PlayGrant, PlayObserver, PublishGrant, PublishObserver, Relay,
    SessionConfig, SessionInfo, StreamInfo, Verdict,
};
use rtmp_tests::media::{audio, keyframe, metadata, video_header};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, Recorder, session, session_over};

use crate::support::{Patient, code_of};

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_much_before_it_reads_gets_every_answer() {
    const ROUNDS: usize = 2;
    let (client, server) = tokio::io::duplex(PIPE_LEN);
    let _running = session_over(server, &Observers::new(), SessionConfig::default());
    let mut peer = Peer::connected(client, "live").await;
    // More answers than the session holds back at a time, in fewer writes than it reads.
    for _ in 0..ROUNDS {
        for _ in 0..4000 {
            peer.machine()
                .call(MessageStreamId::CONNECTION, "c", vec![])
                .unwrap();
        }
        peer.flush().await;
        for _ in 0..4000 {
            peer.until("an answer", |event| {
                matches!(event, ClientEvent::CallReturned { .. }).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_verdict_in_time_means_no() {
    let patient = Patient::default();
    let observers = Observers::new().publish(patient.clone()).play(patient.clone());
    let (io, _running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let begun = tokio::time::Instant::now();
    let status = peer.publish("cam").await.unwrap_err();
    assert_eq!(
        (code_of(&status), begun.elapsed().as_secs()),
        ("NetStream.Publish.Failed", 10)
    );
    let status = peer.play("cam").await.unwrap_err();
    assert_eq!(
        (code_of(&status), begun.elapsed().as_secs()),
        ("NetStream.Play.Failed", 20)
    );

    let (io, running) = session(&Observers::new().connect(patient));
    let status = Peer::new(io).connect("live").await.unwrap_err();
    assert_eq!(code_of(&status), "NetConnection.Connect.Rejected");
    assert!(matches!(running.ended().await, CloseReason::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_ended_while_an_observer_decides() {
    let recorder = Recorder::default();
    let patient = Patient::default();
    let observers = recorder.observers().publish(patient);
    let (io, running) = session(&observers);
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.create_stream().await;
    peer.say(stream, Command::new("publish").with_argument("cam"))
        .await;
    recorder.called("on_publish").await;
    let begun = tokio::time::Instant::now();
    running.info.dispose("enough");
    recorder.called("on_disconnect").await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(peer);
    assert!(matches!(running.ended().await, CloseReason::Disposed(_)));
    assert_eq!(
        recorder.calls()[1..],
        [
            "on_publish cam",
            "on_unpublish cam: ended by the server: enough",
            "on_disconnect live: ended by the server: enough",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn observers_hear_what_a_player_does() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let _publisher = relay.publish("live", "cam").unwrap();
    let (io, _running) = session(&recorder.observers().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.play("cam").await.unwrap();
    peer.machine().pause(stream, true, Duration::ZERO).unwrap();
    peer.status(StatusCode::PauseNotify).await;
    peer.machine().pause(stream, false, Duration::ZERO).unwrap();
    peer.status(StatusCode::UnpauseNotify).await;
    peer.machine().receive_video(stream, false).unwrap();
    peer.machine().receive_audio(stream, true).unwrap();
    peer.status(StatusCode::SeekNotify).await;
    peer.machine().seek(stream, Duration::from_secs(9)).unwrap();
    let status = peer.status(StatusCode::SeekFailed).await;
    assert!(status.is_error());
    let kinds = [MediaKind::Video, MediaKind::Audio];
    assert_eq!(
        recorder.calls()[2..],
        [
            "on_pause cam true".to_owned(),
            "on_pause cam false".to_owned(),
            format!("on_receive cam {:?} false", kinds[0]),
            format!("on_receive cam {:?} true", kinds[1]),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn statistics_count_every_byte_and_the_media_messages() {
    let relay = Relay::default();
    let (io, running) = session(&Observers::new().relay(relay.clone()));
    let mut peer = Peer::connected(io, "live").await;
    let stream = peer.publish("cam").await.unwrap();
    peer.send(
        stream,
        &[metadata(0, 0), video_header(0, 1), keyframe(0, 2), audio(0, 3)],
    )
    .await;
    peer.play("cam").await.unwrap();
    peer.media(3).await;
    peer.say(MessageStreamId::CONNECTION, Command::new("close")).await;
    peer.to_the_end().await;
    let info = running.info.clone();
    running.ended().await;
    let figures = info.statistics();
    assert_eq!((figures.bytes_received, figures.bytes_sent), peer.traffic());
    assert_eq!((figures.messages_received, figures.messages_dropped), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn debug_shows_neither_whole_stream_names_nor_queries() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    struct Spy(Arc<Mutex<Vec<String>>>);
    impl Spy {
        fn note(&self, text: String) {
            self.0.lock().unwrap().push(text);
        }
    }
    #[async_trait]
    impl ConnectObserver for Spy {
        async fn on_connect(&self, session: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
            self.note(format!("{session:?} {request:?}"));
            Verdict::accept()
        }

        async fn on_disconnect(&self, session: &SessionInfo, reason: &CloseReason) {
            self.note(format!("{session:?} {reason:?}"));
        }
    }
    #[async_trait]
    impl PublishObserver for Spy {
        async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
            self.note(format!("{session:?} {request:?}"));
            Verdict::Accept(PublishGrant::default().rename("renamed-stream-s3cret"))
        }

        async fn on_unpublish(&self, stream: &StreamInfo, _: &CloseReason) {
            self.note(format!("{stream:?} {:?}", stream.session()));
        }
    }
    #[async_trait]
    impl PlayObserver for Spy {
        async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
            self.note(format!("{session:?} {request:?}"));
            Verdict::accept()
        }

        async fn on_stop(&self, stream: &StreamInfo, _: &CloseReason) {
            self.note(format!("{stream:?}"));
        }
    }
    let spy = || Spy(Arc::clone(&seen));
    let observers = Observers::new()
        .connect(spy())
        .publish(spy())
        .play(spy())
        .relay(Relay::default());
    let (io, running) = session(&observers);
    let mut peer = Peer::new(io);
    peer.connect("live?token=s3cret").await.unwrap();
    peer.publish("publish-stream-s3cret?token=s3cret").await.unwrap();
    peer.play("played-stream-s3cret?token=s3cret").await.unwrap();
    drop(peer);
    running.ended().await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 6);
    for text in seen.iter() {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
