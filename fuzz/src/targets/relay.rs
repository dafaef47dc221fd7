//! Publishers, stand-ins and players of a relay in any order: whoever plays gets a stream that can be decoded.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::Relay;
use rtmp_server::relay::{Handover, PlayerConfig, RelayConfig, RelayPlayer, RelayPublisher, RelayStandIn, SlowPlayers};
use tokio::runtime::{Builder, Runtime};

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

/// What a message is to a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Metadata,
    VideoHeader,
    AudioHeader,
    Keyframe,
    Inter,
    Audio,
}

impl Role {
    const ALL: [Self; 6] =
        [Self::Metadata, Self::VideoHeader, Self::AudioHeader, Self::Keyframe, Self::Inter, Self::Audio];

    fn is_header(self) -> bool {
        matches!(self, Self::Metadata | Self::VideoHeader | Self::AudioHeader)
    }

    fn is_frame(self) -> bool {
        matches!(self, Self::Keyframe | Self::Inter)
    }

    /// A message of which `number` is a part.
    fn message(self, number: u32, len: usize) -> MediaMessage {
        let time = Timestamp::from_millis(number * 10);
        let id = number.to_be_bytes();
        let padding = vec![0; len];
        let with = |head: &[u8]| [head, &id, &padding].concat();
        match self {
            Self::Metadata => {
                let payload = with(b"\x02\0\x0AonMetaData\x03\0\x01i\x0C\0\0\0\x04");
                let end = payload.len() - len;
                MediaMessage::data(time, [&payload[..end], b"\0\0\x09"].concat())
            }
            Self::VideoHeader => MediaMessage::video(time, with(b"\x17\0\0\0\0")),
            Self::Keyframe => MediaMessage::video(time, with(b"\x17\x01\0\0\0")),
            Self::Inter => MediaMessage::video(time, with(b"\x27\x01\0\0\0")),
            Self::AudioHeader => MediaMessage::audio(time, with(b"\xAF\0")),
            Self::Audio => MediaMessage::audio(time, with(b"\xAF\x01")),
        }
    }
}

/// What was sent, in the order of its numbers.
#[derive(Debug)]
struct Sent {
    role: Role,
    message: MediaMessage,
    /// The newest header of each kind that its feed had sent before.
    headers: HashMap<Role, u32>,
    /// The frame before it in its feed; `None` if a keyframe has yet to come.
    frame_before: Option<u32>,
}

/// A publisher or somebody who stands in.
struct Feed<T> {
    handle: T,
    headers: HashMap<Role, u32>,
    frame: Option<u32>,
}

impl<T> Feed<T> {
    fn new(handle: T) -> Self {
        Self { handle, headers: HashMap::new(), frame: None }
    }

    /// Notes a message that it is about to send.
    fn prepare(&mut self, role: Role, len: usize, log: &mut Vec<Sent>) -> MediaMessage {
        let number = log.len() as u32;
        let message = role.message(number, len);
        let frame_before = if role == Role::Inter { self.frame } else { None };
        log.push(Sent { role, message: message.clone(), headers: self.headers.clone(), frame_before });
        if role.is_header() {
            self.headers.insert(role, number);
        }
        if role == Role::Keyframe || (role == Role::Inter && self.frame.is_some()) {
            self.frame = Some(number);
        }
        message
    }
}

struct Watcher {
    player: RelayPlayer,
    name: usize,
    headers: HashMap<Role, u32>,
    /// The newest message that is no header.
    newest: Option<u32>,
    frame: Option<u32>,
}

impl Watcher {
    fn new(player: RelayPlayer, name: usize) -> Self {
        Self { player, name, headers: HashMap::new(), newest: None, frame: None }
    }

    /// Takes at most so many messages; `true` if there were no more.
    fn take(&mut self, count: usize, log: &[Sent]) -> bool {
        let mut ends = 0;
        for _ in 0..count {
            let polled = pin!(self.player.recv()).poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Pending => return true,
                Poll::Ready(Some(message)) => self.check(&message, log),
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

    fn check(&mut self, message: &MediaMessage, log: &[Sent]) {
        let number = number_of(message);
        let sent = &log[number as usize];
        assert_eq!((message.kind, &message.payload), (sent.message.kind, &sent.message.payload));
        if sent.role.is_header() {
            self.headers.insert(sent.role, number);
            return;
        }
        assert!(self.newest < Some(number), "{:?} comes behind {:?}", number, self.newest);
        self.newest = Some(number);
        let needed = match sent.role {
            Role::Audio => Role::AudioHeader,
            _ => Role::VideoHeader,
        };
        let (have, needed) = (self.headers.get(&needed), sent.headers.get(&needed));
        assert!(needed.is_none() || have == needed, "{number} needs {needed:?}, the player has {have:?}");
        // Who joins at an earlier keyframe gets the newest metadata.
        let (have, needed) = (self.headers.get(&Role::Metadata), sent.headers.get(&Role::Metadata));
        assert!(have >= needed, "{number} needs metadata {needed:?}, the player has {have:?}");
        if sent.role == Role::Inter {
            assert!(
                sent.frame_before.is_some() && sent.frame_before == self.frame,
                "{number} needs {:?}, the player has {:?}",
                sent.frame_before,
                self.frame
            );
        }
        if sent.role.is_frame() {
            self.frame = Some(number);
        }
    }
}

/// The number that [`Role::message`] has put into it.
fn number_of(message: &MediaMessage) -> u32 {
    let at = match message.kind {
        MediaKind::Video => 5,
        MediaKind::Audio => 2,
        MediaKind::Data | MediaKind::Amf3Data => 22,
    };
    let id = message.payload[at..].first_chunk().expect("a number");
    u32::from_be_bytes(*id)
}

fn config(choice: u8) -> RelayConfig {
    let policies =
        [SlowPlayers::SkipToKeyframe, SlowPlayers::DropVideo, SlowPlayers::Disconnect, SlowPlayers::Keep];
    let join_within = if choice & 0x08 == 0 { Duration::MAX } else { Duration::ZERO };
    let handover = if choice & 0x10 == 0 { Handover::Announced } else { Handover::Seamless };
    RelayConfig::default()
        .slow_players(policies[usize::from(choice % 4)])
        .gop_cache(choice & 0x04 == 0)
        .join_within(join_within)
        .handover(handover)
        .max_lag_len(if choice & 0x20 == 0 { 5000 } else { 1000 })
        .max_gop_len(if choice & 0x40 == 0 { MAX_LEN as usize } else { 1500 })
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
            assert!(watcher.take(10 * self.log.len() + 20, &self.log), "messages without end");
        }
    }

    fn check(&self) {
        let statistics = self.relay.statistics();
        assert_eq!(statistics.players, self.watchers.len());
        assert_eq!(statistics.publishers, self.publishers.iter().flatten().count());
        assert!(statistics.streams <= 2);
        assert!(statistics.bytes <= 2 * (MAX_LEN + MAX_MESSAGE_LEN), "{} bytes are held", statistics.bytes);
    }
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&choice, ops)) = data.split_first() else { return };
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

        // Whatever has happened, everybody who is still there gets the next keyframe of a publisher.
        world.take_all();
        for name in 0..NAMES.len() {
            let Some(feed) = &mut world.publishers[name] else { continue };
            let message = feed.prepare(Role::Keyframe, 0, &mut world.log);
            feed.handle.send(message);
            let number = world.log.len() as u32 - 1;
            for watcher in world.watchers.iter_mut().filter(|watcher| watcher.name == name) {
                watcher.take(usize::MAX, &world.log);
                assert!(watcher.frame == Some(number) || watcher.player.too_slow().is_some());
            }
        }

        let relay = world.relay.clone();
        drop(world);
        assert_eq!(relay.stream_count(), 0, "a stream that nobody uses is kept");
    });
}
