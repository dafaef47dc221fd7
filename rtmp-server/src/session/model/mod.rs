//! A model of the concurrent core: what threads share when one publishes, others write for many players, and sessions
//! come and go.
//!
//! Shuttle runs each test hundreds of times and decides at each lock, flag and wake-up which thread goes on. Whoever
//! waits for a wake-up that was lost shows as a deadlock, with the schedule that led to it. All is real but the
//! transport, a [`Line`] in memory that takes some bytes at a time: the relay, the fan-out and its workers, and whole
//! sessions, from their handshake on.
//!
//! ```sh
//! CARGO_TARGET_DIR=target/shuttle RUSTFLAGS="--cfg shuttle" cargo test -p rtmp-server --lib model
//! ```

mod client;
mod line;

use std::sync::{Arc, Weak};

use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use client::{Client, Habit};
pub(super) use line::DirectEnd;
use line::Line;

use super::driver::Driver;
use super::fanout::Fanout;
use super::outbound::Direct;
use crate::relay::RelayPublisher;
use crate::{CloseReason, Observers, Relay, ServerSession, SessionConfig, SessionInfo};

const APP: &str = "live";
const NAME: &str = "cam";
/// How the last message ends.
const LAST: &[u8] = b"the end";
/// How many are tried out for each test, of each kind.
const SCHEDULES: usize = 400;
const WORKERS: usize = 2;

impl ServerSession<TcpStream> {
    /// Nothing writes past a socket here.
    pub(crate) fn run_with(self, _: Arc<Fanout>) -> impl Future<Output = CloseReason> {
        self.run()
    }
}

/// A relay, what writes for its players, and their sessions.
struct Stage {
    relay: Relay,
    fanout: Arc<Fanout>,
    workers: Vec<JoinHandle<()>>,
    lines: Vec<Weak<line::Shared>>,
}

impl Stage {
    fn new() -> Self {
        let fanout = Arc::new(Fanout::default());
        let work = |_| spawn(Arc::clone(&fanout).work());
        Self {
            relay: Relay::default(),
            workers: (0..WORKERS).map(work).collect(),
            fanout,
            lines: Vec::new(),
        }
    }

    /// Begins the session of a player.
    fn play(&mut self, habit: Habit) -> Playing {
        let line = Line::new();
        self.lines.push(line.downgrade());
        let direct = Direct {
            socket: line.direct_end(),
            fanout: Arc::clone(&self.fanout),
        };
        let info = SessionInfo::new(None);
        let session = Driver::new(
            line.waiting_end(),
            Some(direct),
            info.clone(),
            Instant::now(),
            Arc::new(Observers::new().relay(self.relay.clone())),
            Arc::new(SessionConfig::default()),
        );
        Playing {
            info,
            client: spawn(Client::new(line, APP, NAME, habit).run()),
            session: spawn(session.run()),
        }
    }

    /// Of connections that have ended nothing is left once the workers are done with their turns.
    async fn wait_until_all_are_gone(&self) {
        while self.lines.iter().any(|line| line.strong_count() > 0) {
            yield_now().await;
        }
    }

    /// All have gone.
    async fn strike(self) {
        assert_eq!(self.relay.stream_count(), 0);
        self.wait_until_all_are_gone().await;
        for worker in self.workers {
            worker.abort();
        }
    }
}

/// A player and its session.
struct Playing {
    info: SessionInfo,
    /// Gives what it has seen.
    client: JoinHandle<Vec<MediaMessage>>,
    session: JoinHandle<CloseReason>,
}

/// A header, a keyframe, and sound and pictures behind it.
fn broadcast() -> Vec<MediaMessage> {
    let at = |millis| Timestamp::from_millis(millis);
    vec![
        MediaMessage::video(at(0), &b"\x17\0\0\0\0header"[..]),
        MediaMessage::video(at(0), &b"\x17\x01\0\0\0keyframe"[..]),
        MediaMessage::audio(at(10), &b"\xAF\x01sound"[..]),
        MediaMessage::video(at(40), &b"\x27\x01\0\0\0picture"[..]),
        MediaMessage::video(at(80), &b"\x27\x01\0\0\0more"[..]),
        MediaMessage::audio(at(90), [b"\xAF\x01", LAST].concat()),
    ]
}

fn sound(mut messages: Vec<MediaMessage>) -> Vec<MediaMessage> {
    messages.retain(|message| message.kind == MediaKind::Audio);
    messages
}

fn payloads(messages: &[MediaMessage]) -> Vec<&[u8]> {
    messages.iter().map(|message| message.payload.as_ref()).collect()
}

/// Publishes these, and gives the publisher's handle back, with which the publication ends.
fn publish(relay: &Relay, messages: Vec<MediaMessage>) -> JoinHandle<RelayPublisher> {
    let mut publisher = relay.publish(APP, NAME).expect("the name is free");
    spawn(async move {
        for message in messages {
            publisher.send(message);
            yield_now().await;
        }
        publisher
    })
}

/// Timers are made, but no time passes.
fn clock() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// Tries a test out by schedules at random, and by such that switch rarely, at few places.
fn check(test: impl Fn() + Send + Sync + Clone + 'static) {
    let clock = clock();
    let _entered = clock.enter();
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    // Who waits in vain for something to go away.
    config.max_steps = MaxSteps::FailAfter(100_000);
    Runner::new(RandomScheduler::new(SCHEDULES), config.clone()).run(test.clone());
    Runner::new(PctScheduler::new(3, SCHEDULES), config).run(test);
}

#[test]
fn every_player_gets_all_there_is() {
    check(|| {
        let mut stage = Stage::new();
        let publisher = publish(&stage.relay, broadcast());
        let players = [Habit::Watch, Habit::Talk, Habit::Return(2)].map(|habit| stage.play(habit));
        block_on(async move {
            let publisher = publisher.await.expect("it has sent all");
            for Playing { client, session, .. } in players {
                assert_eq!(client.await.expect("it has seen the end"), broadcast());
                assert!(matches!(session.await, Ok(CloseReason::PeerClosed)));
            }
            drop(publisher);
            stage.strike().await;
        });
    });
}

#[test]
fn players_that_do_not_get_everything_miss_nothing_else() {
    check(|| {
        let mut stage = Stage::new();
        let publisher = publish(&stage.relay, broadcast());
        let players = [Habit::Listen, Habit::Listen].map(|habit| stage.play(habit));
        block_on(async move {
            let publisher = publisher.await.expect("it has sent all");
            for Playing { client, session, .. } in players {
                let heard = sound(client.await.expect("it has heard the end"));
                assert_eq!(heard, sound(broadcast()));
                assert!(session.await.is_ok());
            }
            drop(publisher);
            stage.strike().await;
        });
    });
}

#[test]
fn players_that_leave_are_forgotten_and_do_not_disturb() {
    check(|| {
        let mut stage = Stage::new();
        let publisher = publish(&stage.relay, broadcast());
        let leaving = [1, 4].map(|count| (count, stage.play(Habit::Leave(count))));
        let staying = stage.play(Habit::Watch);
        block_on(async move {
            let publisher = publisher.await.expect("it has sent all");
            for (count, Playing { client, session, .. }) in leaving {
                assert_eq!(client.await.expect("it has left"), broadcast()[..count]);
                assert!(session.await.is_ok());
            }
            assert_eq!(staying.client.await.expect("it has seen the end"), broadcast());
            assert!(staying.session.await.is_ok());
            stage.wait_until_all_are_gone().await;
            drop(publisher);
            stage.strike().await;
        });
    });
}

#[test]
fn players_go_over_from_one_publisher_to_the_next() {
    check(|| {
        let mut stage = Stage::new();
        let first = publish(&stage.relay, broadcast()[..4].to_vec());
        let players = [Habit::Watch, Habit::Talk].map(|habit| stage.play(habit));
        block_on(async move {
            drop(first.await.expect("it has sent its part"));
            let second = publish(&stage.relay, broadcast()).await;
            for Playing { client, session, .. } in players {
                let seen = client.await.expect("it has seen the end");
                let end = seen.len().saturating_sub(broadcast().len());
                let (of_first, of_second) = seen.split_at(end);
                assert_eq!(payloads(of_second), payloads(&broadcast()));
                assert!(payloads(&broadcast()).starts_with(&payloads(of_first)));
                assert!(session.await.is_ok());
            }
            drop(second);
            stage.strike().await;
        });
    });
}

#[test]
fn a_session_that_is_ended_from_elsewhere_ends_alone() {
    check(|| {
        let mut stage = Stage::new();
        let publisher = publish(&stage.relay, broadcast());
        let [ended, staying] = [Habit::Watch, Habit::Watch].map(|habit| stage.play(habit));
        block_on(async move {
            ended.info.dispose("by the test");
            let seen = ended.client.await.expect("it has seen the end of the line");
            assert!(broadcast().starts_with(&seen));
            assert!(ended.session.await.is_ok());
            let publisher = publisher.await.expect("it has sent all");
            assert_eq!(staying.client.await.expect("it has seen the end"), broadcast());
            assert!(staying.session.await.is_ok());
            drop(publisher);
            stage.strike().await;
        });
    });
}
