//! A publisher and a player behind sessions, and beside them clients that send anything, read nothing and vanish: the
//! player gets every frame from a keyframe on, and nothing is left of anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rtmp_core::Limits;
use rtmp_core::chunk::{ChunkEncoder, MessageStreamId};
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{PlayRequest, PublishKind, PublishRequest, StatusCode};
use rtmp_server::relay::{Handover, RelayConfig, SlowPlayers};
use rtmp_server::{
    CloseReason, Observers, PublishGrant, PublishObserver, Relay, SessionConfig, SessionInfo, Verdict,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::film::{Feed, Role, Seen, Sent};
use crate::paused;
use crate::peer::Peer;
use crate::script::Script;

const APP: &str = "live";
/// What the publisher sends.
const NAME: &str = "cam";
/// What the others may publish; the player looks at it, too.
const OTHER: &str = "x";

const PIPE_LEN: usize = 64 << 10;
/// So little that who does not read is soon noticed, and messages are written in parts.
const SHORT_PIPE_LEN: usize = 1500;
const MAX_OTHERS: usize = 3;
const MAX_STREAMS: usize = 3;

const MAX_MESSAGE_LEN: usize = 4096;
/// What a held publisher has sent meanwhile comes at once, and has to fit; see the costs at
/// [`RelayConfig::max_lag_len`].
const MAX_HISTORY_LEN: usize = 4 * PIPE_LEN;
/// The largest bound of a stream, and what a message and the headers add to it.
const MAX_STREAM_LEN: u64 = (MAX_HISTORY_LEN + 2 * MAX_MESSAGE_LEN + 256 + 2000) as u64;

/// What does not end by itself while a target takes its time.
const LONG: Duration = Duration::from_secs(1 << 24);

/// How long who behaves takes at most to read and to answer; less than the server waits for.
const MAX_STEP: Duration = Duration::from_secs(9);

/// Lets nobody but one session publish [`NAME`].
#[derive(Clone, Debug, Default)]
struct Gate(Arc<AtomicU64>);

#[async_trait]
impl PublishObserver for Gate {
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        let is_guarded = session.app() == APP && request.stream_name() == NAME;
        if is_guarded && session.id().get() != self.0.load(Ordering::Relaxed) {
            return Verdict::reject(StatusCode::PublishDenied, "another's name");
        }
        Verdict::accept()
    }
}

struct Publisher {
    peer: Peer,
    feed: Feed<MessageStreamId>,
}

struct Player {
    peer: Peer,
    stream: MessageStreamId,
    seen: Seen,
    /// What had been sent when it asked to play.
    joined_at: usize,
}

/// A client without manners.
struct Other {
    peer: Peer,
    encoder: ChunkEncoder,
    reads: bool,
}

struct World {
    relay: Relay,
    observers: Observers,
    config: SessionConfig,
    gate: Gate,
    sessions: JoinSet<CloseReason>,
    publisher: Option<Publisher>,
    player: Option<Player>,
    others: [Option<Other>; MAX_OTHERS],
    log: Vec<Sent>,
    /// Players can hold the publisher.
    can_hold: bool,
    /// Players that are too slow are ended.
    ends_slow: bool,
}

const POLICIES: [SlowPlayers; 5] = [
    SlowPlayers::SkipToKeyframe,
    SlowPlayers::DropVideo,
    SlowPlayers::Disconnect,
    SlowPlayers::Keep,
    SlowPlayers::HoldPublisher,
];

fn policy(choice: u8) -> SlowPlayers {
    POLICIES[usize::from(choice & 0x0F) % POLICIES.len()]
}

fn relay_config(choice: u8) -> RelayConfig {
    let handover = if choice & 0x40 == 0 {
        Handover::Announced
    } else {
        Handover::Seamless
    };
    RelayConfig::default()
        .slow_players(policy(choice))
        .gop_cache(choice & 0x10 == 0)
        .max_lag(if choice & 0x20 == 0 {
            Duration::from_secs(10)
        } else {
            Duration::from_millis(100)
        })
        .handover(handover)
        .max_lag_len(5000)
        .max_gop_len(8000)
        .max_history_len(MAX_HISTORY_LEN)
        .max_configurations_len(2000)
        .wait_for_publisher(LONG)
        .grace(LONG)
        .chunk_size(if choice & 0x80 == 0 { 60_000 } else { 500 })
}

fn session_config() -> SessionConfig {
    let limits = Limits::default()
        .max_message_len(MAX_MESSAGE_LEN)
        .max_partial_bytes(2 * MAX_MESSAGE_LEN)
        .max_streams(MAX_STREAMS)
        .max_name_len(20);
    SessionConfig::default().limits(limits)
}

impl World {
    fn new(choice: u8) -> Self {
        let (relay, gate) = (Relay::new(relay_config(choice)), Gate::default());
        Self {
            observers: Observers::new().publish(gate.clone()).relay(relay.clone()),
            relay,
            gate,
            config: session_config(),
            sessions: JoinSet::new(),
            publisher: None,
            player: None,
            others: [None, None, None],
            log: Vec::new(),
            can_hold: policy(choice) == SlowPlayers::HoldPublisher,
            ends_slow: policy(choice) == SlowPlayers::Disconnect,
        }
    }

    async fn act(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (op, arg) = (script.byte()?, script.byte()?);
        let place = usize::from(arg) % MAX_OTHERS;
        match (op % 16, &mut self.others[place]) {
            // What somebody is going to send changes nothing yet.
            (2 | 3, Some(other)) => return other.prepare(script),
            (4, Some(other)) => return other.tamper(script.byte()?, script.byte()?),
            (8, Some(other)) => return other.command(op / 16, script.byte()?),
            (0, Some(_)) | (1..=8, None) => return Some(()),
            (0, None) => self.open(place, arg / 3).await,
            (1, _) => self.others[place] = None,
            (5, Some(other)) => {
                other.peer.send(usize::from(op / 16) * 8 + 1);
            }
            (6, Some(other)) => {
                other.peer.send(usize::MAX);
            }
            (7, Some(other)) => other.reads = !other.reads,
            (9, _) => {
                self.wait(Duration::from_millis(u64::from(arg) * u64::from(arg)))
                    .await
            }
            (10, _) if arg.is_multiple_of(4) => self.change_publisher().await,
            (10, _) if arg % 4 == 1 => self.change_player().await,
            _ => self.send(
                Role::ALL[usize::from(op / 16) % Role::ALL.len()],
                usize::from(arg) * 4,
            ),
        }
        self.settle().await;
        self.check();
        Some(())
    }

    async fn open(&mut self, place: usize, stage: u8) {
        let (mut peer, _) = self.connection(SHORT_PIPE_LEN);
        // One that has done nothing yet may not even shake hands.
        if stage % 8 > 0 {
            let stream = peer.prepare(APP).await;
            match stage % 8 {
                1 => {}
                2 | 3 => play(&mut peer, stream, NAME),
                4 => play(&mut peer, stream, OTHER),
                _ => publish(&mut peer, stream, OTHER),
            }
        }
        peer.collect();
        if stage % 8 > 1 {
            peer.send(usize::MAX);
        }
        peer.is_held = true;
        self.others[place] = Some(Other {
            peer,
            encoder: ChunkEncoder::default(),
            reads: stage & 0x10 != 0,
        });
    }

    fn connection(&mut self, pipe_len: usize) -> (Peer, u64) {
        let (peer, id) = Peer::new(pipe_len, &self.observers, &self.config, &mut self.sessions);
        (peer, id.get())
    }

    async fn change_publisher(&mut self) {
        if self.publisher.is_some() {
            self.release_publisher().await;
            self.publisher = None;
        } else {
            let (mut peer, id) = self.connection(PIPE_LEN);
            self.gate.0.store(id, Ordering::Relaxed);
            let stream = peer.prepare(APP).await;
            publish(&mut peer, stream, NAME);
            peer.until(|event| matches!(event, ClientEvent::PublishStarted { .. }).then_some(()))
                .await;
            self.publisher = Some(Publisher {
                peer,
                feed: Feed::new(stream),
            });
        }
    }

    async fn change_player(&mut self) {
        if self.player.is_some() {
            self.release_publisher().await;
            if let Some(player) = self.player.take() {
                player.check_whole(&self.log, self.can_hold);
            }
        } else {
            let (mut peer, _) = self.connection(SHORT_PIPE_LEN);
            let stream = peer.prepare(APP).await;
            // Others may flood their stream, and one that is ended for being slow there is ended here.
            if !self.ends_slow {
                play(&mut peer, stream, OTHER);
            }
            let stream = peer.create_stream().await;
            play(&mut peer, stream, NAME);
            let is_it = |event: &ClientEvent| matches!(event, ClientEvent::PlayStarted { stream: on, .. } if *on == stream);
            peer.until(|event| is_it(event).then_some(())).await;
            self.player = Some(Player {
                peer,
                stream,
                seen: Seen::default(),
                joined_at: self.log.len(),
            });
        }
    }

    /// Lets all that the publisher has sent so far go on air.
    async fn release_publisher(&mut self) {
        if self.can_hold {
            self.others = [None, None, None];
            self.settle().await;
        }
    }

    fn send(&mut self, role: Role, len: usize) {
        // There is room for the headers of a stream, so that who joins gets them.
        let len = if role.is_header() { len / 4 } else { len };
        if let Some(Publisher { peer, feed }) = &mut self.publisher {
            let message = feed.prepare(role, len, &mut self.log);
            peer.machine()
                .send_media(feed.handle, &message)
                .expect("it publishes");
        }
    }

    /// Lets time pass; who behaves answers pings meanwhile.
    async fn wait(&mut self, mut time: Duration) {
        while !time.is_zero() {
            let step = time.min(MAX_STEP);
            time -= step;
            sleep(step).await;
            self.settle().await;
        }
    }

    /// Goes on until nothing moves any more.
    async fn settle(&mut self) {
        for _ in 0..10_000 {
            // With paused time this is when all sessions wait.
            sleep(Duration::from_millis(1)).await;
            if !self.exchange() {
                return;
            }
        }
        panic!("something moves for ever");
    }

    fn exchange(&mut self) -> bool {
        let mut has_moved = false;
        if let Some(Publisher { peer, .. }) = &mut self.publisher {
            has_moved |= peer.exchange(&mut Vec::new());
            assert!(!peer.has_ended, "the publisher's session ends");
        }
        if let Some(player) = &mut self.player {
            let mut events = Vec::new();
            has_moved |= player.peer.exchange(&mut events);
            for event in &events {
                player.take(event, &self.log);
            }
            assert!(!player.peer.has_ended, "the player's session ends");
        }
        for place in &mut self.others {
            if let Some(other) = place
                && other.reads
            {
                has_moved |= other.peer.exchange(&mut Vec::new());
                if other.peer.has_ended {
                    *place = None;
                }
            }
        }
        has_moved
    }

    fn check(&self) {
        let statistics = self.relay.statistics();
        assert!(
            statistics.streams <= 2 + MAX_OTHERS * MAX_STREAMS,
            "{} streams",
            statistics.streams
        );
        assert!(
            statistics.bytes <= statistics.streams as u64 * MAX_STREAM_LEN,
            "{} bytes are held",
            statistics.bytes
        );
    }

    async fn end(mut self) {
        // Nothing that the others have done matters once they are gone.
        self.others = [None, None, None];
        self.settle().await;
        self.send(Role::Keyframe, 0);
        self.settle().await;
        let newest = self.publisher.as_ref().map(|_| self.log.len() as u32 - 1);
        if let Some(player) = &self.player {
            assert!(
                newest.is_none() || player.seen.frame == newest,
                "it is there and gets nothing"
            );
        }
        if let Some(player) = self.player.take() {
            player.check_whole(&self.log, self.can_hold);
        }
        self.publisher = None;
        let mut sessions = self.sessions;
        let all_end = async {
            while let Some(reason) = sessions.join_next().await {
                let reason = reason.expect("a session does not panic");
                assert!(
                    !matches!(reason, CloseReason::ObserverPanicked),
                    "the relay panics"
                );
            }
        };
        timeout(Duration::from_secs(1), all_end)
            .await
            .expect("sessions end with their connections");
        assert_eq!(self.relay.stream_count(), 0, "a stream that nobody uses is kept");
    }
}

impl Player {
    fn take(&mut self, event: &ClientEvent, log: &[Sent]) {
        match event {
            ClientEvent::Media { stream, message } if *stream == self.stream => self.seen.check(message, log),
            ClientEvent::Status { stream, status } if *stream == self.stream => {
                assert_ne!(
                    status.code,
                    StatusCode::PlayInsufficientBandwidth,
                    "it reads all the time"
                );
            }
            ClientEvent::CloseRequested => panic!("it has done nothing"),
            _ => {}
        }
    }

    /// It has got everything from some place on, and that is not behind the first that came after it. Of what a held
    /// publisher has sent at once, a player that has got nothing yet may miss what earlier headers are for.
    fn check_whole(&self, log: &[Sent], can_hold: bool) {
        let of = |is: fn(&Sent) -> bool| {
            move |number: &u32| {
                let sent = &log[*number as usize];
                is(sent)
            }
        };
        let is_video: fn(&Sent) -> bool =
            |sent| sent.role == Role::Keyframe || (sent.role == Role::Inter && sent.frame_before.is_some());
        let begins: fn(&Sent) -> bool = |sent| sent.role == Role::Keyframe;
        let is_audio: fn(&Sent) -> bool = |sent| sent.role == Role::Audio;
        for (is, begins) in [(is_video, begins), (is_audio, is_audio)] {
            let sent: Vec<u32> = (0..log.len() as u32).filter(of(is)).collect();
            let seen: Vec<u32> = self.seen.numbers.iter().copied().filter(of(is)).collect();
            assert!(sent.ends_with(&seen), "{seen:?} has gaps, {sent:?} was sent");
            let due = sent
                .iter()
                .find(|number| **number >= self.joined_at as u32 && of(begins)(number));
            assert!(
                can_hold || due.is_none_or(|due| seen.contains(due)),
                "{due:?} is missing in {seen:?}"
            );
        }
    }
}

impl Other {
    /// Puts what the script says into the outbox.
    fn prepare(&mut self, script: &mut Script<'_>) -> Option<()> {
        std::mem::swap(script.encoder(), &mut self.encoder);
        let step = script.step(&mut self.peer.outbox);
        std::mem::swap(script.encoder(), &mut self.encoder);
        step.map(drop)
    }

    /// Changes what waits to be sent.
    fn tamper(&mut self, place: u8, what: u8) -> Option<()> {
        let outbox = &mut self.peer.outbox;
        let place = usize::from(place) * (outbox.len() / 256 + 1);
        if place < outbox.len() {
            match what % 8 {
                0 => outbox.truncate(place),
                1 => drop(outbox.split_to(place)),
                2 => {
                    let copy = outbox[place..].to_vec();
                    outbox.extend_from_slice(&copy[..copy.len().min(500)]);
                }
                _ => outbox[place] ^= what | 1,
            }
        }
        Some(())
    }

    /// Says what a client can say; what it can not say now is no matter.
    fn command(&mut self, what: u8, value: u8) -> Option<()> {
        let stream = MessageStreamId::new(u32::from(value % 4));
        let name = if value & 0x80 == 0 { OTHER } else { NAME };
        let machine = self.peer.machine();
        if !machine.is_connected() {
            if machine.is_handshake_done() && !machine.is_closed() && value & 1 == 0 {
                let _ = machine.connect(&Default::default(), APP, "rtmp://localhost/");
            }
        } else {
            let role = Role::ALL[usize::from(value / 4) % Role::ALL.len()];
            let _ = match what {
                0 => machine.create_stream().map(drop),
                1 => machine.publish(stream, &PublishRequest::new(name, PublishKind::Live)),
                2 => machine.play(stream, &PlayRequest::new(name)),
                3 => machine.pause(stream, value & 0x40 == 0, Duration::ZERO),
                4 => machine.seek(stream, Duration::from_millis(value.into())),
                5 => machine.receive_audio(stream, value & 0x40 == 0),
                6 => machine.receive_video(stream, value & 0x40 == 0),
                7 => machine.close_stream(stream),
                8 => machine.delete_stream(stream),
                9 => machine.close(),
                _ => machine.send_media(stream, &role.message(value.into(), usize::from(value) * 16)),
            };
        }
        self.peer.collect();
        Some(())
    }
}

fn play(peer: &mut Peer, stream: MessageStreamId, name: &str) {
    peer.machine()
        .play(stream, &PlayRequest::new(name))
        .expect("the stream is free");
}

fn publish(peer: &mut Peer, stream: MessageStreamId, name: &str) {
    let request = PublishRequest::new(name, PublishKind::Live);
    peer.machine()
        .publish(stream, &request)
        .expect("the stream is free");
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    paused::run(async {
        let mut world = World::new(choice);
        world.change_publisher().await;
        world.change_player().await;
        let mut script = Script::new(rest);
        while world.act(&mut script).await.is_some() {}
        world.end().await;
    });
}
