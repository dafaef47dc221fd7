//! Media over sockets, which are written for many players in one turn and not in those of their sessions.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{MediaKind, PlayRequest, StatusCode};
use rtmp_core::{MediaMessage, Timestamp};
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

#[tokio::test]
async fn players_that_pause_come_or_go_do_not_disturb_those_that_get_everything() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut steady = players(&server, 70).await;
    let mut restless = players(&server, 30).await;
    let stream = MessageStreamId::new(1);
    for round in 0..10 {
        let sent: Vec<_> = [keyframe, audio, frame]
            .iter()
            .zip(3 * round..)
            .map(|(message, number)| message(40 * number, number))
            .collect();
        publisher.send(sent[0].clone());
        for player in &mut restless {
            assert!(player.next_media().await == sent[0]);
            player.machine().pause(stream, true, Duration::ZERO).unwrap();
            player.flush().await;
            player.status(StatusCode::PauseNotify).await;
        }
        send_all(&mut publisher, &sent[1..]);
        for player in &mut steady {
            assert!(player.media(sent.len()).await == sent);
        }
        for player in &mut restless {
            player.machine().pause(stream, false, Duration::ZERO).unwrap();
            player.flush().await;
            let is_on = |event| match event {
                ClientEvent::Status { status, .. } => {
                    (status.code == StatusCode::UnpauseNotify).then_some(())
                }
                ClientEvent::Media { .. } => panic!("it was paused"),
                _ => None,
            };
            player.until("the confirmation", is_on).await;
        }
        drop(steady.swap_remove(0));
        let mut newcomer = players(&server, 1).await.remove(0);
        assert!(newcomer.media(sent.len()).await == sent);
        steady.push(newcomer);
    }
    drop((steady, restless));
    server.shutdown().await;
}

#[tokio::test]
async fn listeners_get_video_from_its_first_keyframe_on() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut players = players(&server, 3).await;
    let of_no_use = frame(40, 4);
    let sent = [
        audio(0, 1),
        audio(20, 2),
        audio(40, 3),
        audio(60, 5),
        video_header(80, 6),
        keyframe(80, 7),
        frame(120, 8),
    ];
    for message in &sent[..3] {
        publisher.send(message.clone());
        for player in &mut players {
            assert!(player.next_media().await == *message);
        }
    }
    publisher.send(of_no_use);
    send_all(&mut publisher, &sent[3..]);
    for player in &mut players {
        assert!(player.media(4).await == sent[3..]);
    }
    drop(players);
    server.shutdown().await;
}

#[tokio::test]
async fn two_servers_give_the_same_stream_to_their_players() {
    let relay = Relay::default();
    let observers = Observers::new().relay(relay.clone());
    let (first, second) = (
        RunningServer::start(observers.clone()).await,
        RunningServer::start(observers).await,
    );
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut of_first = players(&first, 3).await;
    let mut of_second = players(&second, 3).await;
    for message in clip(50, 500) {
        publisher.send(message.clone());
        for player in of_first.iter_mut().chain(&mut of_second) {
            assert!(player.next_media().await == message);
        }
    }
    drop(of_first);
    first.shutdown().await;
    let last = keyframe(9000, 9000);
    publisher.send(last.clone());
    for player in &mut of_second {
        assert!(player.next_media().await == last);
    }
    drop(of_second);
    second.shutdown().await;
}

#[tokio::test]
async fn players_that_are_late_all_at_once_are_told_and_go_on_at_the_next_keyframe() {
    let relay = Relay::new(RelayConfig::default().max_lag_len(20_000));
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut players = players(&server, 70).await;
    let sent = clip(50, 1000);
    for message in &sent[..3] {
        publisher.send(message.clone());
        for player in &mut players {
            assert!(player.next_media().await == *message);
        }
    }
    // All at once: nobody has a turn between.
    send_all(&mut publisher, &sent[3..]);
    for player in &mut players {
        player.status(StatusCode::PlayInsufficientBandwidth).await;
    }
    let again = padded(keyframe(4000, 1000), 1000);
    publisher.send(again.clone());
    for player in &mut players {
        assert!(player.next_media().await == again);
    }
    drop(players);
    server.shutdown().await;
}

#[tokio::test]
async fn a_player_that_takes_nothing_for_a_while_misses_nothing_and_goes_on_with_the_others() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut late = players(&server, 1).await.remove(0);
    let mut healthy = players(&server, 3).await;
    // More than the sockets take, and less than a player may be behind.
    let sent = clip(700, 10_000);
    for part in sent.chunks(10) {
        send_all(&mut publisher, part);
        for player in &mut healthy {
            assert!(player.media(part.len()).await == part);
        }
    }
    assert!(late.media(sent.len()).await == sent);
    healthy.push(late);
    for message in clip(20, 1000) {
        publisher.send(message.clone());
        for player in &mut healthy {
            assert!(player.next_media().await == message);
        }
    }
    drop(healthy);
    server.shutdown().await;
}

#[tokio::test]
async fn a_player_that_wants_a_part_gets_no_more_than_that_amid_others() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut others = players(&server, 3).await;
    let mut player = server.peer("live").await;
    let stream = player.create_stream().await;
    let part = PlayRequest::new("cam").duration(Duration::from_millis(400));
    player.machine().play(stream, &part).unwrap();
    player.flush().await;
    let has_begun = |event| matches!(event, ClientEvent::PlayStarted { .. }).then_some(());
    player.until("the answer to play", has_begun).await;
    // 400 ms from the keyframe on.
    let sent = clip(50, 1000);
    for message in &sent[..11] {
        publisher.send(message.clone());
        assert!(player.next_media().await == *message);
    }
    send_all(&mut publisher, &sent[11..]);
    let mut beyond = 0;
    let is_end = |event| match event {
        ClientEvent::Status { status, .. } => (status.code == StatusCode::PlayStop).then_some(()),
        ClientEvent::Media { .. } => {
            beyond += 1;
            None
        }
        _ => None,
    };
    player.until("the end", is_end).await;
    assert_eq!(beyond, 0);
    for other in &mut others {
        assert!(other.media(sent.len()).await == sent);
    }
    drop((others, player));
    server.shutdown().await;
}

#[tokio::test]
async fn amf3_data_amid_media_reach_players_without_amf3_as_amf0() {
    let relay = Relay::default();
    let server = RunningServer::start(Observers::new().relay(relay.clone())).await;
    let mut publisher = relay.publish("live", "cam").unwrap();
    let mut players = players(&server, 3).await;
    let data = MediaMessage {
        kind: MediaKind::Amf3Data,
        ..MediaMessage::data(Timestamp::from_millis(40), &b"\0\x02\0\x01x"[..])
    };
    let in_amf0 = MediaMessage::data(Timestamp::from_millis(40), &b"\x02\0\x01x"[..]);
    let expected = [keyframe(0, 1), frame(40, 2), in_amf0, frame(80, 3), frame(120, 4)];
    publisher.send(expected[0].clone());
    for player in &mut players {
        assert!(player.next_media().await == expected[0]);
    }
    send_all(&mut publisher, &[expected[1].clone(), data, expected[3].clone()]);
    for player in &mut players {
        assert!(player.media(3).await == expected[1..4]);
    }
    publisher.send(expected[4].clone());
    for player in &mut players {
        assert!(player.next_media().await == expected[4]);
    }
    drop(players);
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
