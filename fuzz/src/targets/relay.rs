//! Publishers, stand-ins and players of a relay in any order: whoever plays gets a stream that can be decoded.

use std::cell::LazyCell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rtmp_server::Relay;
use rtmp_server::relay::{
    Handover, PlayerConfig, RelayConfig, RelayPlayer, RelayPublisher, RelayStandIn, SlowPlayers,
};
use tokio::runtime::{Builder, Runtime};

use crate::film::{Feed, Role, Seen, Sent};

const NAMES: [&str; 2] = ["a", "b"];
const MAX_PLAYERS: usize = 5;
/// The largest bound of a stream, and what one message may add to it.
const MAX_LEN: u64 = 6000;
const MAX_MESSAGE_LEN: u64 = 2 * 400 + 256;

thread_local! {
    /// Players without a publisher need a clock; nobody waits for it.
    static RUNTIME: LazyCell<Runtime> =
        LazyCell::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
}

struct Watcher {
    player: RelayPlayer,
    name: usize,
    seen: Seen,
}

impl Watcher {
    fn new(player: RelayPlayer, name: usize) -> Self {
        Self {
            player,
            name,
            seen: Seen::default(),
        }
    }

    /// Takes at most so many messages; `true` if there were no more.
    fn take(&mut self, count: usize, log: &[Sent]) -> bool {
        let mut ends = 0;
        for _ in 0..count {
            let polled = pin!(self.player.recv()).poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Pending => return true,
                Poll::Ready(Some(message)) => self.seen.check(&message, log),
                // A publisher has left; twice in a row is not told without another in between.
                Poll::Ready(None) => {
                    ends += 1;
                    assert!(ends <= log.len() + 2, "the end without end");
                    if self.player.too_slow().is_some() {
                        return true;
                    }
                }
            }
        }
        false
    }
}

fn config(choice: u8) -> RelayConfig {
    let policies = [
        SlowPlayers::SkipToKeyframe,
        SlowPlayers::DropVideo,
        SlowPlayers::Disconnect,
        SlowPlayers::Keep,
    ];
    let join_within = if choice & 0x08 == 0 {
        Duration::MAX
    } else {
        Duration::ZERO
    };
    let handover = if choice & 0x10 == 0 {
        Handover::Announced
    } else {
        Handover::Seamless
    };
    RelayConfig::default()
        .slow_players(policies[usize::from(choice % 4)])
        .gop_cache(choice & 0x04 == 0)
        .join_within(join_within)
        .handover(handover)
        .max_lag_len(if choice & 0x20 == 0 { 5000 } else { 1000 })
        .max_gop_len(if choice & 0x40 == 0 {
            MAX_LEN as usize
        } else {
            1500
        })
        .max_gop_messages(if choice & 0x80 == 0 { 100 } else { 4 })
        .max_history_len(4000)
}

struct World {
    relay: Relay,
    publishers: [Option<Feed<RelayPublisher>>; 2],
    stand_ins: [Option<Feed<RelayStandIn>>; 2],
    watchers: Vec<Watcher>,
    log: Vec<Sent>,
}

impl World {
    fn act(&mut self, op: u8, arg: u8) {
        let name = usize::from(arg & 1);
        let watcher = usize::from(arg >> 1) % self.watchers.len().max(1);
        match op % 16 {
            0 => match (self.relay.publish("app", NAMES[name]), &mut self.publishers[name]) {
                (Ok(handle), free @ None) => *free = Some(Feed::new(handle)),
                (Err(_), Some(_)) => {}
                (claimed, known) => panic!("{claimed:?} while somebody publishes: {}", known.is_some()),
            },
            1 => self.publishers[name] = None,
            2 => match (self.relay.stand_in("app", NAMES[name]), &mut self.stand_ins[name]) {
                (Ok(handle), free @ None) => *free = Some(Feed::new(handle)),
                (Err(_), Some(_)) => {}
                (claimed, known) => panic!("{claimed:?} while somebody stands in: {}", known.is_some()),
            },
            3 => self.stand_ins[name] = None,
            4 | 5 if self.watchers.len() < MAX_PLAYERS => {
                let config = match arg >> 6 {
                    0 => PlayerConfig::default().slow_players(SlowPlayers::Keep),
                    1 => PlayerConfig::default().max_lag_len(3000),
                    _ => PlayerConfig::default(),
                };
                let player = self.relay.play_with("app", NAMES[name], config);
                self.watchers.push(Watcher::new(player, name));
            }
            6 if watcher < self.watchers.len() => drop(self.watchers.swap_remove(watcher)),
            7 | 8 => {
                if let Some(watcher) = self.watchers.get_mut(watcher) {
                    watcher.take(usize::from(arg >> 4) + 1, &self.log);
                }
            }
            9 => self.take_all(),
            4..=6 => {}
            _ => self.send(op, arg),
        }
    }

    fn send(&mut self, op: u8, arg: u8) {
        let role = Role::ALL[usize::from(op / 16) % Role::ALL.len()];
        let name = usize::from(arg & 1);
        let len = usize::from(arg >> 2) * 5;
        if arg & 2 == 0 {
            if let Some(feed) = &mut self.publishers[name] {
                let message = feed.prepare(role, len, &mut self.log);
                feed.handle.send(message);
            }
        } else if let Some(feed) = &mut self.stand_ins[name] {
            let message = feed.prepare(role, len, &mut self.log);
            feed.handle.send(message);
        }
    }

    fn take_all(&mut self) {
        for watcher in &mut self.watchers {
            assert!(
                watcher.take(10 * self.log.len() + 20, &self.log),
                "messages without end"
            );
        }
    }

    fn check(&self) {
        let statistics = self.relay.statistics();
        assert_eq!(statistics.players, self.watchers.len());
        assert_eq!(statistics.publishers, self.publishers.iter().flatten().count());
        assert!(statistics.streams <= 2);
        assert!(
            statistics.bytes <= 2 * (MAX_LEN + MAX_MESSAGE_LEN),
            "{} bytes are held",
            statistics.bytes
        );
    }
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&choice, ops)) = data.split_first() else {
        return;
    };
    RUNTIME.with(|runtime| {
        let _clock = runtime.enter();
        let mut world = World {
            relay: Relay::new(config(choice)),
            publishers: [None, None],
            stand_ins: [None, None],
            watchers: Vec::new(),
            log: Vec::new(),
        };
        let (pairs, _) = ops.as_chunks::<2>();
        for [op, arg] in pairs {
            world.act(*op, *arg);
            world.check();
        }

        let caches = choice & 0x0C == 0;
        // Whatever has happened, everybody who is still there gets the next keyframe of a publisher.
        world.take_all();
        for name in 0..NAMES.len() {
            let Some(feed) = &mut world.publishers[name] else {
                continue;
            };
            let message = feed.prepare(Role::Keyframe, 0, &mut world.log);
            feed.handle.send(message);
            let number = world.log.len() as u32 - 1;
            for watcher in world.watchers.iter_mut().filter(|watcher| watcher.name == name) {
                watcher.take(usize::MAX, &world.log);
                assert!(watcher.seen.frame == Some(number) || watcher.player.too_slow().is_some());
            }
            if caches {
                let mut joiner = Watcher::new(world.relay.play("app", NAMES[name]), name);
                joiner.take(usize::MAX, &world.log);
                assert_eq!(
                    joiner.seen.frame,
                    Some(number),
                    "it begins with the newest keyframe"
                );
            }
        }

        let relay = world.relay.clone();
        drop(world);
        assert_eq!(relay.stream_count(), 0, "a stream that nobody uses is kept");
    });
}
