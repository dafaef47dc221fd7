//! Sessions and servers whose futures are dropped, behind every poll from their beginning to their end: the name is
//! free, players hear of it, and nothing is left behind.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rtmp_client::{ClientConn, Error};
use rtmp_core::MediaMessage;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{ConnectReply, ConnectRequest, PlayRequest, PublishRequest, StatusCode};
use rtmp_server::relay::{RelayConfig, RelayStatistics, SlowPlayers};
use rtmp_server::tls::TlsAcceptor;
use rtmp_server::{
    CallError, CloseReason, ConnectObserver, Observers, PlayGrant, PlayObserver, PublishGrant,
    PublishObserver, Relay, Server, ServerSession, SessionConfig, SessionInfo, StreamInfo, Verdict,
};
use rtmp_tests::certificates::Authority;
use rtmp_tests::media::{frame, keyframe, padded};
use rtmp_tests::{Peer, session};
use tokio::io::{DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::cut::{plays, publishes, publishes_on};
use crate::dropping::{behind_every_poll, dropped_behind};

/// So narrow that a session is polled some hundred times, also within headers and messages.
const NARROW: usize = 128;

const SOON: Duration = Duration::from_secs(20);

/// Takes two polls for each answer, so that sessions are also dropped while they wait for it. Clones count as users of
/// what they share.
#[derive(Clone, Default)]
struct Hesitant {
    ends_at_millis: Option<u32>,
    shared: Arc<()>,
}

impl Hesitant {
    fn observers(&self, relay: &Relay) -> Observers {
        Observers::new()
            .connect(self.clone())
            .publish(self.clone())
            .play(self.clone())
            .relay(relay.clone())
    }

    /// Whether no session holds it any more.
    fn is_released(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }
}

#[async_trait]
impl ConnectObserver for Hesitant {
    async fn on_connect(&self, _: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        yield_now().await;
        Verdict::accept()
    }

    async fn on_disconnect(&self, _: &SessionInfo, _: &CloseReason) {
        yield_now().await;
    }
}

#[async_trait]
impl PublishObserver for Hesitant {
    async fn on_publish(&self, _: &SessionInfo, _: &PublishRequest) -> Verdict<PublishGrant> {
        yield_now().await;
        Verdict::accept()
    }

    fn on_message(&self, stream: &StreamInfo, message: &MediaMessage) {
        if self.ends_at_millis == Some(message.timestamp.as_millis()) {
            stream.session().dispose("enough");
        }
    }

    async fn on_unpublish(&self, _: &StreamInfo, _: &CloseReason) {
        yield_now().await;
    }
}

#[async_trait]
impl PlayObserver for Hesitant {
    async fn on_play(&self, _: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        yield_now().await;
        Verdict::accept()
    }

    async fn on_stop(&self, _: &StreamInfo, _: &CloseReason) {
        yield_now().await;
    }
}

/// A session that nothing happens to, with a client that plays.
async fn healthy_player(relay: &Relay) -> Peer<DuplexStream> {
    let (io, _session) = session(&Observers::new().relay(relay.clone()));
    let mut player = Peer::connected(io, "live").await;
    player.play("cam").await.unwrap();
    player
}

/// The session is gone for everybody who knew it.
fn assert_gone(info: &SessionInfo, observer: &Hesitant) {
    assert!(observer.is_released());
    let called = info.call("hello", vec![]).now_or_never();
    assert!(matches!(called, Some(Err(CallError::Closed))), "{called:?}");
}

/// What the client at the other end of a dropped session sees is that the line has ended, and nothing that takes time.
fn assert_line_has_ended<T: std::fmt::Debug>(outcome: &Result<T, Error>, polls: usize) {
    let is_expected = matches!(
        outcome,
        Ok(_) | Err(Error::Handshake { .. } | Error::Closed { .. })
    );
    assert!(is_expected, "{polls}: {outcome:?}");
}

/// A player was told of each publisher's coming and going in turns, and now sees the second one.
fn assert_sees_the_next(events: Vec<ClientEvent>, expected: &MediaMessage, polls: usize) {
    let mut is_on_air = false;
    let mut last = None;
    for event in events {
        match event {
            ClientEvent::Status { status, .. } if status.code == StatusCode::PlayPublishNotify => {
                assert!(!is_on_air, "{polls}: told twice of a publisher");
                is_on_air = true;
            }
            ClientEvent::Status { status, .. } if status.code == StatusCode::PlayUnpublishNotify => {
                assert!(is_on_air, "{polls}: told twice of the end");
                is_on_air = false;
            }
            ClientEvent::Media { message, .. } => {
                assert!(is_on_air, "{polls}: media of nobody");
                last = Some(message);
            }
            _ => {}
        }
    }
    assert!(is_on_air, "{polls}: nobody is on air");
    assert_eq!(last.as_ref(), Some(expected), "{polls}");
}

/// A publisher's session is dropped behind so many polls.
async fn publishing(polls: usize, observer: Hesitant) -> bool {
    let relay = Relay::default();
    let mut player = healthy_player(&relay).await;
    let (ours, theirs) = duplex(NARROW);
    let client = tokio::spawn(publishes(ours));
    let session = ServerSession::new(theirs, observer.observers(&relay), SessionConfig::default());
    let info = session.info().clone();
    let ended = dropped_behind(polls, session.run()).await;
    assert_gone(&info, &observer);
    let mut next = relay.publish("live", "cam").expect("the name is free");
    next.send(keyframe(1000, 99));
    assert_line_has_ended(&client.await.unwrap(), polls);
    assert_sees_the_next(player.rest().await, &keyframe(1000, 99), polls);
    drop((next, player));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(relay.statistics(), RelayStatistics::default(), "{polls}");
    ended.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_publishers_session_can_be_dropped_behind_every_poll() {
    let polls = behind_every_poll(|polls| publishing(polls, Hesitant::default())).await;
    assert!(polls > 50, "{polls}");
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_dropped_behind_every_poll_of_its_closing() {
    let ends = || Hesitant {
        ends_at_millis: Some(40),
        ..Hesitant::default()
    };
    let polls = behind_every_poll(|polls| publishing(polls, ends())).await;
    assert!(polls > 50, "{polls}");
}

/// A player's session is dropped behind so many polls. The publisher waits for its players.
async fn playing(polls: usize, is_disposed: bool) -> bool {
    let policy = RelayConfig::default()
        .slow_players(SlowPlayers::HoldPublisher)
        .max_lag_len(1000);
    let relay = Relay::new(policy);
    let mut tap = relay.play("live", "cam");
    let tapped = tokio::spawn(async move {
        let mut count = 0;
        while tap.recv().await.is_some() {
            count += 1;
        }
        count
    });
    let observer = Hesitant::default();
    let (ours, theirs) = duplex(NARROW);
    let session = ServerSession::new(theirs, observer.observers(&relay), SessionConfig::default());
    let info = session.info().clone();
    let mut publisher = relay.publish("live", "cam").unwrap();
    let publishing = tokio::spawn({
        let info = info.clone();
        async move {
            for number in 0..30 {
                publisher.ready().await;
                publisher.send(match number % 10 {
                    0 => padded(keyframe(number * 40, number), 500),
                    _ => padded(frame(number * 40, number), 100),
                });
                if is_disposed && number == 20 {
                    info.dispose("enough");
                }
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let client = tokio::spawn(plays(ours));
    let ended = dropped_behind(polls, session.run()).await;
    assert_gone(&info, &observer);
    assert_line_has_ended(&client.await.unwrap(), polls);
    publishing.await.unwrap();
    assert_eq!(
        tapped.await.unwrap(),
        30,
        "{polls}: another player misses something"
    );
    assert_eq!(relay.statistics(), RelayStatistics::default(), "{polls}");
    ended.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_players_session_can_be_dropped_behind_every_poll_and_holds_nobody() {
    let polls = behind_every_poll(|polls| playing(polls, false)).await;
    assert!(polls > 50, "{polls}");
    let polls = behind_every_poll(|polls| playing(polls, true)).await;
    assert!(polls > 50, "{polls}");
}

#[tokio::test]
async fn a_session_over_tls_can_be_dropped_behind_every_poll_of_its_handshakes_and_later() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::new(authority.issue("localhost").server());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "rtmps://localhost:{}/live/cam",
        listener.local_addr().unwrap().port()
    );
    let round = async |polls| {
        let relay = Relay::default();
        let observer = Hesitant::default();
        let (builder, url) = (ClientConn::builder().tls(authority.client()), url.clone());
        let client = tokio::spawn(async move { publishes_on(builder.dial(url.as_str()).await?).await });
        let (socket, _) = listener.accept().await.unwrap();
        let ended = dropped_behind(polls, async {
            let stream = acceptor.accept(socket).await.unwrap();
            let observers = observer.observers(&relay);
            ServerSession::new(stream, observers, SessionConfig::default())
                .run()
                .await
        })
        .await;
        assert!(observer.is_released());
        assert!(relay.publish("live", "cam").is_ok(), "{polls}: the name is taken");
        let outcome = timeout(SOON, client).await.unwrap().unwrap();
        let is_expected = matches!(
            outcome,
            Ok(())
                | Err(Error::Dial { .. }
                    | Error::Tls { .. }
                    | Error::Handshake { .. }
                    | Error::Closed { .. })
        );
        assert!(is_expected, "{polls}: {outcome:?}");
        ended.is_some()
    };
    let polls = behind_every_poll(round).await;
    assert!(polls > 5, "{polls}");
}

/// A server with a publisher and a player is dropped behind so many polls from when it is told to stop on, or before
/// with none.
async fn serving(polls: usize) -> bool {
    let relay = Relay::default();
    let observer = Hesitant::default();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.observers(observer.observers(&relay));
    let addr = server.local_addr().unwrap();
    let stop = Notify::new();
    let guests = async {
        let dial = || async { TcpStream::connect(addr).await.unwrap() };
        let mut publisher = Peer::connected(dial().await, "live").await;
        let stream = publisher.publish("cam").await.unwrap();
        let mut player = Peer::connected(dial().await, "live").await;
        player.play("cam").await.unwrap();
        publisher.send(stream, &[keyframe(0, 1)]).await;
        assert_eq!(player.next_media().await, keyframe(0, 1));
        (publisher, player)
    };
    let (ended, (mut publisher, mut player)) = {
        let mut serving = Box::pin(server.serve_until(stop.notified()));
        let guests = tokio::select! {
            () = &mut serving => panic!("nobody has stopped it"),
            guests = guests => guests,
        };
        stop.notify_one();
        let ended = match polls {
            0 => None,
            polls => dropped_behind(polls, &mut serving).await,
        };
        drop(serving);
        (ended, guests)
    };
    timeout(SOON, async {
        publisher.to_the_end().await;
        player.to_the_end().await;
        while relay.stream_count() > 0 || !observer.is_released() {
            yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(relay.statistics(), RelayStatistics::default(), "{polls}");
    // Nobody listens any more.
    TcpListener::bind(addr).await.unwrap();
    ended.is_some()
}

#[tokio::test]
async fn a_server_can_be_dropped_while_it_serves_and_behind_every_poll_of_its_shutdown() {
    assert!(!serving(0).await);
    let polls = behind_every_poll(serving).await;
    assert!(polls > 1, "{polls}");
}
