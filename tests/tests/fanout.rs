//! Media over sockets, which are written for many players in one turn and not in those of their sessions.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::MediaMessage;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{MediaKind, PlayRequest, StatusCode};
use rtmp_server::relay::{RelayConfig, RelayPublisher};
use rtmp_server::{
    Batch, MediaSource, Observers, PlayGrant, PlayObserver, Relay, ServerConfig, SessionConfig, SessionInfo,
    SourceEvent, Timeouts, Verdict,
};
use rtmp_tests::media::{audio, frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, Recorder, RunningServer};
use tokio::net::{TcpSocket, TcpStream};

/// Frames behind a header and a keyframe.
fn clip(count: u32, len: usize) -> Vec<MediaMessage> {
    let frames = (2..count).map(|number| padded(frame(40 * number, number), len));
    [video_header(0, 0), padded(keyframe(40, 1), len)]
        .into_iter()
        .chain(frames)
        .collect()
}

fn send_all(publisher: &mut RelayPublisher, messages: &[MediaMessage]) {
    for message in messages {
        publisher.send(message.clone());
    }
}

async fn players(server: &RunningServer, count: usize) -> Vec<Peer<TcpStream>> {
    let mut players = Vec::new();
    for _ in 0..count {
        let mut player = server.peer("live").await;
        player.play("cam").await.unwrap();
        players.push(player);
    }
    players
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_player_gets_every_message_in_order_however_many_threads_write() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    // More than one turn's worth.
    let players = players(&server, 150).await;
    let sent = Arc::new(clip(300, 500));
    let mut receiving = tokio::task::JoinSet::new();
    for mut player in players {
        let sent = Arc::clone(&sent);
        receiving.spawn(async move { assert!(player.media(sent.len()).await == *sent) });
    }
    for message in sent.iter() {
        publisher.send(message.clone());
        tokio::task::yield_now().await;
    }
    while let Some(received) = receiving.join_next().await {
        received.unwrap();
    }
    server.shutdown().await;
    assert_eq!(relay.statistics().players, 0);
}

#[tokio::test]
async fn a_player_that_takes_nothing_is_closed_in_time_and_the_others_get_everything() {
    let recorder = Recorder::default();
    let relay = Relay::default();
    let timeouts = Timeouts::default().write(Duration::from_millis(300));
    let config = ServerConfig::default().session(SessionConfig::default().timeouts(timeouts));
    let server = RunningServer::with_config(recorder.observers().relay(relay.clone()), config).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(server.addr()).await.unwrap();
    let mut stalled = Peer::connected(socket, "live").await;
    stalled.play("cam").await.unwrap();
    let mut healthy = players(&server, 3).await;
    let mut sent = clip(1000, 20_000);
    for part in sent.chunks(50) {
        send_all(&mut publisher, part);
        for player in &mut healthy {
            assert!(player.media(part.len()).await == part);
        }
    }
    recorder
        .called("on_stop cam: the client did not read for too long (limit 300ms)")
        .await;
    let more = audio(50_000, 2000);
    publisher.send(more.clone());
    sent.push(more.clone());
    for player in &mut healthy {
        assert!(player.next_media().await == more);
    }
    drop((healthy, stalled));
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_written_past_the_session_counts_in_its_statistics() {
    let (sessions, infos) = Sessions::observe();
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().play(sessions).relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = players(&server, 1).await.remove(0);
    let sent = clip(100, 1000);
    for message in &sent {
        publisher.send(message.clone());
        assert!(player.next_media().await == *message);
    }
    let figures = infos.lock().unwrap()[0].statistics();
    assert!(figures.bytes_sent > 100_000);
    assert_eq!(figures.bytes_sent, player.traffic().1);
    drop(player);
    server.shutdown().await;
}

#[tokio::test]
async fn a_player_is_told_of_the_end_behind_all_media_and_of_the_next_publisher_before_any() {
    let relay = Relay::new(RelayConfig::default());
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut player = players(&server, 1).await.remove(0);
    for _ in 0..20 {
        let mut publisher = relay.publish("live", "cam").unwrap();
        player.status(StatusCode::PlayPublishNotify).await;
        let sent = clip(20, 3000);
        send_all(&mut publisher, &sent);
        drop(publisher);
        let mut received = Vec::new();
        let is_last = |event| match event {
            ClientEvent::Media { message, .. } => {
                received.push(message);
                None
            }
            ClientEvent::Status { status, .. } => {
                (status.code == StatusCode::PlayUnpublishNotify).then_some(())
            }
            _ => None,
        };
        player.until("the end", is_last).await;
        assert!(received == sent);
    }
    drop(player);
    server.shutdown().await;
}

#[tokio::test]
async fn what_a_client_asked_for_is_confirmed_before_the_media_that_follow() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut player = server.peer("live").await;
    let stream = player.play("cam").await.unwrap();
    for round in 0..20 {
        player.machine().pause(stream, true, Duration::ZERO).unwrap();
        player.flush().await;
        player.status(StatusCode::PauseNotify).await;
        publisher.send(audio(round, 2 * round));
        player.machine().pause(stream, false, Duration::ZERO).unwrap();
        player.flush().await;
        let mut media_before = 0;
        let is_confirmed = |event| match event {
            ClientEvent::Media { .. } => {
                media_before += 1;
                None
            }
            ClientEvent::Status { status, .. } => (status.code == StatusCode::UnpauseNotify).then_some(()),
            _ => None,
        };
        player.until("the confirmation", is_confirmed).await;
        assert_eq!(media_before, 0);
        let next = keyframe(round, 2 * round + 1);
        publisher.send(next.clone());
        assert!(player.next_media().await == next);
    }
    drop(player);
    server.shutdown().await;
}

#[tokio::test]
async fn a_source_that_panics_ends_only_its_own_session() {
    let recorder = Recorder::default();
    let broken = Broken::default();
    let relay = Relay::default();
    let observers = recorder.observers().play(broken.clone()).relay(relay.clone());
    let server = RunningServer::start(observers).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut healthy = players(&server, 2).await;
    let mut victim = server.peer("live").await;
    victim.play("broken").await.unwrap();
    assert_eq!(victim.next_media().await, audio(7, 7));
    broken.wake();
    recorder.called("on_stop broken: an observer panicked").await;
    assert!(victim.next_event().await.is_none());
    let sent = clip(50, 1000);
    send_all(&mut publisher, &sent);
    for player in &mut healthy {
        assert!(player.media(sent.len()).await == sent);
    }
    drop((healthy, victim));
    server.shutdown().await;
}

/// Keeps the sessions of those who play.
struct Sessions(Arc<Mutex<Vec<SessionInfo>>>);

impl Sessions {
    fn observe() -> (Self, Arc<Mutex<Vec<SessionInfo>>>) {
        let infos = Arc::<Mutex<_>>::default();
        (Self(Arc::clone(&infos)), infos)
    }
}

#[async_trait]
impl PlayObserver for Sessions {
    async fn on_play(&self, session: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        self.0.lock().unwrap().push(session.clone());
        Verdict::accept()
    }
}

/// Grants a source for `broken` that gives one message and, when it is woken, panics.
#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Stage>>);

#[derive(Default)]
enum Stage {
    #[default]
    New,
    Waits(Waker),
    Woken,
}

impl Broken {
    fn wake(&self) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap(), Stage::Woken);
        let Stage::Waits(waker) = before else {
            panic!("it was not asked yet");
        };
        waker.wake();
    }
}

#[async_trait]
impl PlayObserver for Broken {
    async fn on_play(&self, _: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        match request.stream_name() {
            "broken" => Verdict::Accept(PlayGrant::default().source(self.clone())),
            _ => Verdict::accept(),
        }
    }
}

impl MediaSource for Broken {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut Batch<'_>) -> Poll<SourceEvent> {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::New => batch.push(&audio(7, 7)),
            Stage::Waits(_) => {}
            Stage::Woken => panic!("the source is broken"),
        }
        *stage = Stage::Waits(cx.waker().clone());
        Poll::Pending
    }

    fn pause(&mut self, _: bool) {}

    fn receive(&mut self, _: MediaKind, _: bool) {}
}
