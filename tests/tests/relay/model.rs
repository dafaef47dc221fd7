//! Any number of players and publishers that come, go and stall as they like, beside a model of what each player may
//! get.
//!
//! Publishers and time take random steps; hundreds of players within the process and some behind sessions
//! join, read as much as they like, and leave. Each message carries its place in the order in which all of them went
//! on air, so that a player's sequence says by itself what it has missed.

use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;
use rtmp_core::{MediaKind, MediaMessage, Timestamp};
use rtmp_server::relay::{
    Handover, PlayerConfig, RelayConfig, RelayPlayer, RelayPublisher, SlowPlayers, TakeOver,
};
use rtmp_server::{Observers, Relay, SessionConfig, Timeouts};
use rtmp_tests::media::{audio, frame, keyframe, padded, video_header};
use rtmp_tests::{Peer, RunningSession, session_over};
use tokio::io::DuplexStream;

const MAX_LAG_LEN: u64 = 20_000;
const MAX_GOP_LEN: u64 = 60_000;
const MAX_HISTORY_LEN: u64 = 40_000;
const MAX_LAG: Duration = Duration::from_secs(4);

const POLICIES: [SlowPlayers; 5] = [
    SlowPlayers::SkipToKeyframe,
    SlowPlayers::DropVideo,
    SlowPlayers::Disconnect,
    SlowPlayers::Keep,
    SlowPlayers::HoldPublisher,
];

#[derive(Clone, Debug)]
enum Step {
    /// The publisher sends so many messages, with so many bytes each.
    Send {
        kind: Kind,
        count: usize,
        len: usize,
    },
    /// The publisher leaves, and after a while another comes, unless the other takes over at once.
    Change {
        takes_over: bool,
        away: u64,
        begins_at: u32,
    },
    /// Players join, all with this policy.
    Join {
        count: usize,
        policy: usize,
        within: Option<u64>,
    },
    /// Every player whose number fits takes up to so many messages.
    Take {
        of: usize,
        which: usize,
        count: usize,
    },
    /// Players whose number fits leave.
    Leave {
        of: usize,
        which: usize,
    },
    Wait(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Header,
    Keyframe,
    Frame,
    Audio,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        1 => Just(Kind::Header),
        3 => Just(Kind::Keyframe),
        10 => Just(Kind::Frame),
        5 => Just(Kind::Audio),
    ];
    let within = prop_oneof![Just(None), (0..3000_u64).prop_map(Some)];
    let step = prop_oneof![
        12 => (kind, 1..10_usize, 0..1500_usize).prop_map(|(kind, count, len)| Step::Send { kind, count, len }),
        12 => (1..6_usize, 0..6_usize, 1..60_usize).prop_map(|(of, which, count)| Step::Take { of, which, count }),
        3 => (1..30_usize, 0..5_usize, within)
            .prop_map(|(count, policy, within)| Step::Join { count, policy, within }),
        1 => (2..8_usize, 0..8_usize).prop_map(|(of, which)| Step::Leave { of, which }),
        2 => (any::<bool>(), 0..2000_u64, any::<u32>())
            .prop_map(|(takes_over, away, begins_at)| Step::Change { takes_over, away, begins_at }),
        4 => (1..1500_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..70)
}

/// What went on air, in order.
struct Aired {
    kind: Kind,
    /// The header that it needs; headers of one publisher are none of another.
    header: Option<usize>,
    /// Which of the publishers sent it.
    publisher: usize,
    payload_len: usize,
}

struct Script {
    relay: Relay,
    publisher: Option<RelayPublisher>,
    aired: Vec<Aired>,
    publishers: usize,
    /// The publisher's clock.
    millis: u32,
}

impl Script {
    fn send(&mut self, kind: Kind, len: usize) {
        let begins = self
            .aired
            .last()
            .is_none_or(|last| last.publisher != self.publishers || last.header.is_none());
        // A header stands for itself and the keyframe that it is for, and video begins with both.
        if (begins || kind == Kind::Header) && kind != Kind::Audio {
            self.push(Kind::Header, 0);
            self.push(Kind::Keyframe, len);
        } else {
            self.push(kind, len);
        }
    }

    fn push(&mut self, kind: Kind, len: usize) {
        let number = self.aired.len();
        let content = u32::try_from(number).unwrap();
        let message = match kind {
            Kind::Header => video_header(self.millis, content),
            Kind::Keyframe => keyframe(self.millis, content),
            Kind::Frame => frame(self.millis, content),
            Kind::Audio => audio(self.millis, content),
        };
        let message = padded(message, len);
        self.millis = self.millis.wrapping_add(40);
        let before = self
            .aired
            .last()
            .filter(|last| last.publisher == self.publishers)
            .and_then(|last| last.header);
        self.aired.push(Aired {
            kind,
            header: if kind == Kind::Header {
                Some(number)
            } else {
                before
            },
            publisher: self.publishers,
            payload_len: message.payload.len(),
        });
        self.publisher.as_mut().unwrap().send(message);
    }

    /// At least the bytes from `number` on that the relay counts.
    fn len_from(&self, number: usize) -> u64 {
        let len = |aired: &Aired| aired.payload_len as u64 + 12 + 256;
        self.aired.get(number..).unwrap_or_default().iter().map(len).sum()
    }
}

/// The number that a message carries.
fn number(message: &MediaMessage) -> usize {
    let start = if message.kind == MediaKind::Audio { 2 } else { 5 };
    let bytes = message.payload[start..start + 4].try_into().unwrap();
    u32::from_be_bytes(bytes) as usize
}

/// A player, and what it has got so far.
struct Watched {
    policy: SlowPlayers,
    /// How many messages were on air before it came.
    joined_at: usize,
    last: Option<usize>,
    header: Option<usize>,
    /// Those that came since `last`.
    headers: Vec<usize>,
    needs_keyframe: bool,
    last_time: Option<Timestamp>,
    /// It has had no keyframe yet, and video that it can not use is not missed.
    is_joining: bool,
    missed: u64,
    /// The first message that it might have got, and how many it has got that are no headers.
    begin: usize,
    got: u64,
    is_ended: bool,
}

impl Watched {
    fn new(policy: SlowPlayers, script: &Script) -> Self {
        let joined_at = script.aired.len();
        let keyframe = script
            .aired
            .iter()
            .rposition(|aired| aired.kind == Kind::Keyframe);
        Self {
            policy,
            joined_at,
            last: None,
            header: None,
            headers: Vec::new(),
            needs_keyframe: true,
            last_time: None,
            is_joining: true,
            missed: 0,
            begin: keyframe.unwrap_or(joined_at),
            got: 0,
            is_ended: false,
        }
    }

    /// Compares what it gets with what was sent.
    fn get(&mut self, message: &MediaMessage, script: &Script) -> Result<(), TestCaseError> {
        let number = number(message);
        let aired = &script.aired[number];
        prop_assert_eq!(message.payload.len(), aired.payload_len);
        prop_assert!(
            self.last_time
                .is_none_or(|last| !last.is_after(message.timestamp)),
            "time goes back at {}",
            number
        );
        self.last_time = Some(message.timestamp);
        if aired.kind == Kind::Header {
            self.header = Some(number);
            if self.last.is_none_or(|last| number != last + 1) {
                // It is given again, or comes behind a gap that the next message shows.
                self.headers.push(number);
                return Ok(());
            }
        }
        let from = match self.last {
            Some(last) => {
                prop_assert!(number > last, "{} after {}", number, last);
                last + 1
            }
            // What came before it began is none of its business, but what came since is.
            None => number.min(self.joined_at),
        };
        let skipped: Vec<_> = (from..number)
            .filter(|number| !self.headers.contains(number))
            .map(|number| &script.aired[number])
            .collect();
        self.got += u64::from(aired.kind != Kind::Header);
        let is_of_use = |aired: &&&Aired| !self.is_joining || aired.kind != Kind::Frame;
        let missed = skipped.iter().filter(is_of_use).count();
        if missed > 0 && self.last.is_some() {
            self.missed += missed as u64;
            let lost_sound = skipped.iter().any(|aired| aired.kind == Kind::Audio);
            match self.policy {
                SlowPlayers::Keep | SlowPlayers::HoldPublisher | SlowPlayers::Disconnect => {
                    prop_assert!(false, "a gap before {} under {:?}", number, self.policy);
                }
                SlowPlayers::DropVideo => prop_assert!(
                    !lost_sound || script.len_from(from) > MAX_HISTORY_LEN,
                    "sound is lost before {}",
                    number
                ),
                _ => {}
            }
        }
        let changes = self
            .last
            .is_some_and(|last| script.aired[last].publisher != aired.publisher);
        self.needs_keyframe |= changes || skipped.iter().any(|aired| aired.kind != Kind::Audio);
        self.needs_keyframe &= aired.kind != Kind::Keyframe;
        self.is_joining &= aired.kind != Kind::Keyframe;
        self.last = Some(number);
        self.headers.clear();
        if aired.kind == Kind::Frame {
            prop_assert!(!self.needs_keyframe, "frame {} without its keyframe", number);
        }
        if matches!(aired.kind, Kind::Frame | Kind::Keyframe) {
            prop_assert_eq!(self.header, aired.header, "the header of {}", number);
        }
        Ok(())
    }
}

impl Watched {
    /// What was counted is what it has missed: not less than the gaps between what it has got, and not more than all
    /// that it has not got.
    fn check_count(&self, dropped: u64, last: usize) -> Result<(), TestCaseError> {
        let not_got = (last + 1 - self.begin) as u64 - self.got;
        let is_right = (self.missed..=not_got).contains(&dropped);
        prop_assert!(is_right, "{} <= {} <= {}", self.missed, dropped, not_got);
        Ok(())
    }
}

/// A player within the process.
struct Tap {
    player: RelayPlayer,
    watched: Watched,
    dropped: u64,
}

impl Tap {
    /// Takes up to so many messages.
    fn take(&mut self, count: usize, script: &Script) -> Result<(), TestCaseError> {
        for _ in 0..count {
            // A `None` here is another publisher, and the messages of that one follow.
            let mut received = None;
            for _ in 0..200 {
                received = self.player.recv().now_or_never();
                if !matches!(received, Some(None)) || self.player.too_slow().is_some() {
                    break;
                }
            }
            self.dropped += self.player.take_dropped();
            if let Some(lag) = self.player.too_slow() {
                prop_assert!(
                    matches!(
                        self.watched.policy,
                        SlowPlayers::Disconnect | SlowPlayers::Keep | SlowPlayers::HoldPublisher
                    ),
                    "{:?} {}",
                    self.watched.policy,
                    lag
                );
                self.watched.is_ended = true;
                return Ok(());
            }
            let Some(Some(message)) = received else {
                return Ok(());
            };
            self.watched.get(&message, script)?;
        }
        Ok(())
    }
}

/// A player behind a session, over a pipe that holds little.
struct Client {
    peer: Peer<DuplexStream>,
    session: RunningSession,
    watched: Watched,
}

async fn client(script: &Script) -> Client {
    let (near, far) = tokio::io::duplex(2000);
    let observers = Observers::new().relay(script.relay.clone());
    // It may stall as long as it likes.
    let ever = Duration::from_secs(100_000);
    let timeouts = Timeouts::default().write(ever).ping(ever).idle(ever);
    let session = session_over(far, &observers, SessionConfig::default().timeouts(timeouts));
    let mut peer = Peer::connected(near, "live").await;
    peer.play("cam").await.unwrap();
    Client {
        peer,
        session,
        watched: Watched::new(SlowPlayers::SkipToKeyframe, script),
    }
}

async fn run(steps: Vec<Step>, handover: Handover) -> Result<(), TestCaseError> {
    let config = RelayConfig::default()
        .handover(handover)
        .backward_time(rtmp_server::relay::BackwardTime::Rebase)
        .take_over(TakeOver::Always)
        .max_lag(MAX_LAG)
        .max_lag_len(MAX_LAG_LEN as usize)
        .max_gop_len(MAX_GOP_LEN as usize)
        .max_history_len(MAX_HISTORY_LEN as usize);
    let relay = Relay::new(config);
    let mut script = Script {
        relay: relay.clone(),
        publisher: Some(relay.publish("live", "cam").unwrap()),
        aired: Vec::new(),
        publishers: 0,
        millis: 0,
    };
    script.send(Kind::Header, 10);
    let mut taps: Vec<Tap> = Vec::new();
    let mut clients = vec![client(&script).await];
    for step in steps {
        match step {
            Step::Send { kind, count, len } => (0..count).for_each(|_| script.send(kind, len)),
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Change {
                takes_over,
                away,
                begins_at,
            } => {
                if !takes_over {
                    script.publisher = None;
                    tokio::time::sleep(Duration::from_millis(away)).await;
                }
                script.publisher = Some(script.relay.publish("live", "cam").unwrap());
                script.publishers += 1;
                script.millis = begins_at;
            }
            Step::Join {
                count,
                policy,
                within,
            } => {
                let policy = POLICIES[policy];
                let mut config = PlayerConfig::default().slow_players(policy);
                if let Some(millis) = within {
                    config = config.join_within(Duration::from_millis(millis));
                }
                for _ in 0..count {
                    taps.push(Tap {
                        player: relay.play_with("live", "cam", config),
                        watched: Watched::new(policy, &script),
                        dropped: 0,
                    });
                }
            }
            Step::Take { of, which, count } => {
                for tap in taps.iter_mut().skip(which).step_by(of) {
                    tap.take(count, &script)?;
                }
                if which == 0 {
                    for client in &mut clients {
                        for message in client.peer.rest_of_media().await {
                            client.watched.get(&message, &script)?;
                        }
                    }
                }
            }
            Step::Leave { of, which } => {
                let mut place = 0;
                taps.retain(|_| {
                    place += 1;
                    place % of != which
                });
            }
        }
        let held = relay.statistics();
        let most = MAX_LAG_LEN.max(MAX_GOP_LEN).max(MAX_HISTORY_LEN);
        prop_assert!(held.bytes <= most + 2000, "{:?}", held);
        prop_assert_eq!(held.players, taps.len() + clients.len());
    }
    // Whoever still plays gets the end, and has missed what was counted.
    script.send(Kind::Header, 10);
    let last = script.aired.len() - 1;
    for tap in &mut taps {
        tap.take(usize::MAX, &script)?;
        if !tap.watched.is_ended {
            prop_assert_eq!(tap.watched.last, Some(last));
            tap.watched.check_count(tap.dropped, last)?;
        }
    }
    for client in &mut clients {
        for message in client.peer.rest_of_media().await {
            client.watched.get(&message, &script)?;
        }
        prop_assert_eq!(client.watched.last, Some(last));
        let dropped = client.session.info.statistics().messages_dropped;
        client.watched.check_count(dropped, last)?;
    }
    clients.clear();
    drop((taps, script));
    tokio::time::sleep(Duration::from_secs(100)).await;
    prop_assert_eq!(relay.statistics(), Default::default());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_a_player_gets_has_no_gap_but_those_that_its_policy_allows_and_that_are_counted(
        steps in steps(),
        is_seamless in any::<bool>(),
    ) {
        let handover = if is_seamless { Handover::Seamless } else { Handover::Announced };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(steps, handover))?;
    }
}
