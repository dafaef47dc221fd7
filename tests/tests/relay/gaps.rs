//! Any number of players that come, go and stall as they like: where what they get has gaps, and where it goes on.

use futures::FutureExt;
use proptest::prelude::*;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::Relay;
use rtmp_server::relay::{RelayConfig, RelayPlayer, RelayPublisher};
use rtmp_tests::media::{audio, frame, keyframe, padded, video_header};

/// What happens to a stream.
#[derive(Clone, Debug)]
enum Step {
    /// The publisher sends so many messages, with so many bytes each.
    Send {
        kind: Sent,
        count: u32,
        len: usize,
    },
    /// A player takes up to so many.
    Take {
        player: usize,
        count: usize,
    },
    Join,
    Leave {
        player: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Header,
    Keyframe,
    Frame,
    Audio,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A header stands for itself and the keyframe behind it.
    let kind = prop_oneof![
        1 => Just(Sent::Header),
        3 => Just(Sent::Keyframe),
        10 => Just(Sent::Frame),
        4 => Just(Sent::Audio),
    ];
    let step = prop_oneof![
        8 => (kind, 1..12_u32, 0..2000_usize).prop_map(|(kind, count, len)| Step::Send { kind, count, len }),
        8 => (0..6_usize, 1..30_usize).prop_map(|(player, count)| Step::Take { player, count }),
        1 => Just(Step::Join),
        1 => (0..6_usize).prop_map(|player| Step::Leave { player }),
    ];
    prop::collection::vec(step, 1..80)
}

const MAX_LAG_LEN: usize = 20_000;

/// What the publisher has sent. Message `n` has the time 40 * `n`.
struct Script {
    publisher: RelayPublisher,
    sent: Vec<(Sent, MediaMessage)>,
    /// The number of the header in force, for each message.
    headers: Vec<u32>,
}

impl Script {
    fn send(&mut self, kind: Sent, len: usize) {
        if kind == Sent::Header {
            self.push(Sent::Header, 0);
            self.push(Sent::Keyframe, len);
        } else {
            self.push(kind, len);
        }
    }

    fn push(&mut self, kind: Sent, len: usize) {
        let number = self.sent.len() as u32;
        let message = match kind {
            Sent::Header => video_header(40 * number, number),
            Sent::Keyframe => keyframe(40 * number, number),
            Sent::Frame => frame(40 * number, number),
            Sent::Audio => audio(40 * number, number),
        };
        let message = padded(message, len);
        let header = if kind == Sent::Header {
            number
        } else {
            self.headers[self.headers.len() - 1]
        };
        self.publisher.send(message.clone());
        self.sent.push((kind, message));
        self.headers.push(header);
    }

    /// At least what a player that has got everything up to `last` has before it.
    fn len_behind(&self, last: u32) -> usize {
        self.sent[last as usize + 1..]
            .iter()
            .map(|(_, message)| message.payload.len() + 12 + 256)
            .sum()
    }
}

/// The number of a message of a [`Script`].
fn number(message: &MediaMessage) -> u32 {
    message.timestamp.as_millis() / 40
}

/// A player, and what it has got so far.
struct Watched {
    player: RelayPlayer,
    /// The last message that was not a repeated header.
    last: Option<u32>,
    header: Option<u32>,
    /// It has missed something, and no keyframe has come since.
    is_broken: bool,
    last_time: Timestamp,
    missed: u64,
    dropped: u64,
}

impl Watched {
    fn new(player: RelayPlayer) -> Self {
        let last_time = Timestamp::ZERO;
        Self {
            player,
            last: None,
            header: None,
            is_broken: false,
            last_time,
            missed: 0,
            dropped: 0,
        }
    }

    /// Takes a message, if there is one, and compares it with what was sent.
    fn take(&mut self, script: &Script) -> Result<bool, TestCaseError> {
        let received = self.player.recv().now_or_never().flatten();
        let dropped = self.player.take_dropped();
        if let Some(last) = self.last {
            let was_late = script.len_behind(last) > MAX_LAG_LEN;
            prop_assert!(dropped == 0 || was_late || self.is_broken, "dropped without need");
            self.dropped += dropped;
            self.is_broken |= dropped > 0;
        }
        let Some(message) = received else { return Ok(false) };
        prop_assert!(!self.last_time.is_after(message.timestamp), "time goes back");
        self.last_time = message.timestamp;
        let number = number(&message);
        if message.is_sequence_header() {
            let content = u32::from_be_bytes(message.payload[5..9].try_into().unwrap());
            self.header = Some(content);
            if content != number {
                // It is given again, with the time of what follows.
                prop_assert_eq!(&script.sent[content as usize].1.payload, &message.payload);
                return Ok(true);
            }
        }
        let (kind, sent) = &script.sent[number as usize];
        prop_assert!(*sent == message, "another content");
        match self.last {
            None => prop_assert_eq!(*kind, Sent::Keyframe, "a joiner begins with a keyframe"),
            Some(last) => {
                prop_assert!(number > last, "{} after {}", number, last);
                let gap = u64::from(number - last - 1);
                self.missed += gap;
                self.is_broken |= gap > 0;
            }
        }
        self.last = Some(number);
        self.is_broken &= *kind != Sent::Keyframe;
        prop_assert!(
            *kind != Sent::Frame || !self.is_broken,
            "frame {} without its keyframe",
            number
        );
        if *kind != Sent::Audio {
            prop_assert_eq!(
                self.header,
                Some(script.headers[number as usize]),
                "message {}",
                number
            );
        }
        Ok(true)
    }
}

proptest! {
    #[test]
    fn every_player_gets_a_run_without_gap_from_a_keyframe_unless_it_is_late_and_then_the_gap_is_counted(
        steps in steps(),
    ) {
        let relay = Relay::new(RelayConfig::default().max_lag_len(MAX_LAG_LEN));
        let publisher = relay.publish("live", "cam").unwrap();
        let mut script = Script { publisher, sent: Vec::new(), headers: Vec::new() };
        script.send(Sent::Header, 10);
        let mut players = vec![Watched::new(relay.play("live", "cam"))];
        for step in steps {
            match step {
                Step::Send { kind, count, len } => (0..count).for_each(|_| script.send(kind, len)),
                Step::Join => players.push(Watched::new(relay.play("live", "cam"))),
                Step::Leave { player } if player < players.len() => drop(players.swap_remove(player)),
                Step::Take { player, count } => {
                    if let Some(player) = players.get_mut(player) {
                        for _ in 0..count {
                            player.take(&script)?;
                        }
                    }
                }
                Step::Leave { .. } => {}
            }
        }
        script.send(Sent::Header, 10);
        let last = script.sent.len() as u32 - 1;
        for player in &mut players {
            while player.take(&script)? {}
            prop_assert_eq!(player.last, Some(last));
            prop_assert_eq!(player.missed, player.dropped);
        }
        prop_assert_eq!(relay.statistics().players, players.len());
        drop((players, script));
        prop_assert_eq!(relay.stream_count(), 0);
    }
}
