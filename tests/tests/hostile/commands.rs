//! Section 9: commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::{Command, StatusCode, TransactionId};
use rtmp_server::rtmp_core::message::{ConnectReply, ConnectRequest};
use rtmp_server::{ConnectObserver, Observers, SessionConfig, SessionInfo, Timeouts, Verdict};
use rtmp_tests::media::{frame, keyframe};
use rtmp_tests::{Peer, Recorder, Target};
use tokio::net::TcpStream;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::support::{COMMAND, Pair, SET_CHUNK_SIZE, goes_on, message, refused, text};

const MAIN: MessageStreamId = MessageStreamId::new(0);

fn command(name: &str, transaction: u32) -> Command {
    Command::new(name).with_transaction(TransactionId::new(transaction))
}

/// Values where another kind is meant.
fn odd() -> Vec<Value> {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e308];
    let mut odd: Vec<Value> = numbers.into_iter().map(Value::Number).collect();
    odd.extend([
        Value::Null,
        Value::Undefined,
        Value::Object(Object::new()),
        Value::from("x"),
    ]);
    odd
}

/// The next status about a stream.
async fn status(peer: &mut Peer<TcpStream>) -> StatusCode {
    peer.until("a status", |event| match event {
        ClientEvent::Status { status, .. }
        | ClientEvent::PublishRefused { status, .. }
        | ClientEvent::PlayRefused { status, .. } => Some(status.code),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn h9_1_a_command_without_a_usable_name_is_ignored() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let long = [b"\x0c\0\x01\0\0", &[b'x'; 65_536][..], b"\0\0\0\0\0\0\0\0\0"].concat();
    for body in [
        &b""[..],
        b"\x05",
        b"\0\x3f\xf0\0\0\0\0\0\0",
        b"\x03\0\0\x09",
        b"\x02\0\xff",
        &long,
    ] {
        attacker.send_bytes(&message(3, COMMAND, 0, body)).await;
        goes_on(&mut attacker).await;
    }
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_2_a_transaction_that_is_no_number_is_owed_no_answer() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    for transaction in [
        &b""[..],
        b"\x05",
        b"\x02\0\x011",
        b"\0\x7f\xf8\0\0\0\0\0\0",
        b"\0\x7f\xf0\0\0\0\0\0\0",
        b"\0\xbf\xf0\0\0\0\0\0\0",
    ] {
        let body = [b"\x02\0\x0dreleaseStream", transaction].concat();
        attacker.send_bytes(&message(3, COMMAND, 0, &body)).await;
        goes_on(&mut attacker).await;
    }
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_3_a_connect_without_a_usable_application_is_refused_and_closed() {
    let mut apps: Vec<Option<Value>> = odd().into_iter().take(8).map(Some).collect();
    apps.extend([None, Some(Value::from("")), Some(Value::from("x".repeat(60_000)))]);
    for app in apps {
        let mut target = Target::start().await;
        let mut attacker = Peer::new(target.dial().await);
        attacker.shake_hands().await;
        attacker
            .send_bytes(&message(2, SET_CHUNK_SIZE, 0, &60_000_u32.to_be_bytes()))
            .await;
        let object = match app {
            Some(app) => Object::new().with("app", app),
            None => Object::new(),
        };
        attacker
            .say(MAIN, command("connect", 1).with_object(object))
            .await;
        attacker.to_the_end().await;
        assert_eq!(text(&target.reason().await), "refused");
        target.unharmed().await;
    }
}

/// Lets nobody in but the healthy pair, which comes first.
struct Doorman(AtomicUsize);

#[async_trait::async_trait]
impl ConnectObserver for Doorman {
    async fn on_connect(&self, _: &SessionInfo, _: &ConnectRequest) -> Verdict<ConnectReply> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Verdict::accept(),
            _ => Verdict::reject(StatusCode::ConnectInvalidApp, "not here"),
        }
    }
}

#[tokio::test]
async fn h9_4_a_connect_that_an_observer_refuses_is_told_why_and_closed() {
    let observers = Observers::new().connect(Doorman(0.into()));
    let mut target = Target::with(SessionConfig::default(), observers).await;
    let mut attacker = Peer::new(target.dial().await);
    assert_eq!(
        refused(attacker.connect("live").await),
        StatusCode::ConnectInvalidApp
    );
    assert_eq!(text(&target.reason().await), "refused");
    target.unharmed().await;
}

#[tokio::test]
async fn h9_5_a_thousand_further_connects_are_refused_and_change_nothing() {
    let recorder = Recorder::default();
    let target = Target::with(SessionConfig::default(), recorder.observers()).await;
    let mut attacker = target.connected().await;
    // Numbers that the scripted client does not use itself.
    for transaction in 5000..6000 {
        let object = Object::new().with("app", "other");
        attacker
            .say(MAIN, command("connect", transaction).with_object(object))
            .await;
    }
    goes_on(&mut attacker).await;
    // Those of the healthy pair and the first of this one.
    assert_eq!(recorder.calls_with("on_connect ").len(), 3);
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_6_commands_and_media_before_connect_register_nothing() {
    let recorder = Recorder::default();
    let target = Target::with(SessionConfig::default(), recorder.observers()).await;
    let mut attacker = Peer::new(target.dial().await);
    attacker.shake_hands().await;
    attacker.say(MAIN, command("createStream", 2)).await;
    for name in ["publish", "play"] {
        let name = command(name, 3).with_argument("attack");
        attacker.say(MessageStreamId::new(1), name).await;
    }
    attacker.force(MessageStreamId::new(1), &[keyframe(0, 1)]).await;
    attacker.connect("live").await.expect("connect is still possible");
    goes_on(&mut attacker).await;
    assert_eq!(recorder.calls_with("attack"), [""; 0]);
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_7_streams_beyond_the_limit_are_refused_and_numbers_used_again() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    for transaction in 0..20_000 {
        attacker
            .say(MAIN, command("createStream", 10 + transaction))
            .await;
        // Answers that nobody reads hold up only who asked.
        if transaction % 100 == 99 {
            attacker
                .say(
                    MAIN,
                    command("deleteStream", 0).with_argument(f64::from(transaction % 32)),
                )
                .await;
        }
    }
    let mut other = target.connected().await;
    goes_on(&mut other).await;
    drop((attacker, other));
    target.unharmed().await;
}

#[tokio::test]
async fn h9_8_publish_and_play_on_a_stream_that_was_never_created_are_refused() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    for stream in [0, 77] {
        for (name, code) in [
            ("publish", StatusCode::PublishBadName),
            ("play", StatusCode::PlayFailed),
        ] {
            let asked = command(name, 0).with_argument("attack");
            attacker.say(MessageStreamId::new(stream), asked).await;
            assert_eq!(status(&mut attacker).await, code, "{name} on {stream}");
        }
    }
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_9_a_stream_in_use_is_given_no_other_use() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for name in ["publish", "play"] {
        let asked = command(name, 0).with_argument("other");
        pair.publisher.say(pair.stream, asked).await;
        status(&mut pair.publisher).await;
    }
    pair.relays(&[keyframe(0, 1)]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_10_a_name_that_is_taken_stays_with_who_has_it() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for name in ["attack", "healthy"] {
        let mut attacker = target.connected().await;
        assert_eq!(refused(attacker.publish(name).await), StatusCode::PublishBadName);
    }
    pair.relays(&[keyframe(0, 1)]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_11_a_publisher_that_has_gone_silent_loses_its_name_after_the_idle_time() {
    let timeouts = Timeouts::default()
        .ping(std::time::Duration::from_millis(50))
        .idle(std::time::Duration::from_millis(500));
    let config = SessionConfig::default().timeouts(timeouts);
    let mut target = Target::with(config, Observers::new()).await;
    let mut dead = target.connected().await;
    dead.publish("attack").await.expect("a free name");
    assert_eq!(
        text(&target.reason().await),
        "the client was silent for too long (limit 500ms)"
    );
    let mut back = target.connected().await;
    back.publish("attack").await.expect("the name is free");
    drop((dead, back));
    target.unharmed().await;
}

#[tokio::test]
async fn h9_12_a_stream_that_does_not_exist_is_waited_for_and_found_when_it_comes() {
    let target = Target::start().await;
    let mut player = target.connected().await;
    player.play("attack").await.expect("players may wait");
    let mut publisher = target.connected().await;
    let stream = publisher.publish("attack").await.expect("a free name");
    publisher.send(stream, &[keyframe(0, 1)]).await;
    assert_eq!(player.next_media().await, keyframe(0, 1));
    drop((player, publisher));
    target.unharmed().await;
}

#[tokio::test]
async fn h9_13_a_play_without_a_usable_name_is_refused_and_odd_numbers_are_as_absent() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let stream = attacker.create_stream().await;
    for name in odd().into_iter().take(8).chain([Value::from("")]) {
        attacker.say(stream, command("play", 0).with_argument(name)).await;
        assert_eq!(status(&mut attacker).await, StatusCode::PlayFailed);
    }
    attacker.say(stream, command("play", 0)).await;
    assert_eq!(status(&mut attacker).await, StatusCode::PlayFailed);
    drop(attacker);
    let mut pair = Pair::join(&target).await;
    for (number, value) in (0..).zip(odd()) {
        let asked = command("play", 0)
            .with_argument("attack")
            .with_argument(value.clone())
            .with_argument(value.clone())
            .with_argument(value);
        pair.player.say(MessageStreamId::new(1), asked).await;
        goes_on(&mut pair.player).await;
        let sent = [keyframe(number, number)];
        pair.publisher.send(pair.stream, &sent).await;
        while pair.player.next_media().await != sent[0] {}
    }
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_14_three_thousand_plays_on_a_stream_leave_one_subscription() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let stream = attacker.create_stream().await;
    for _ in 0..3000 {
        attacker
            .say(stream, command("play", 0).with_argument("attack"))
            .await;
    }
    goes_on(&mut attacker).await;
    // That of the healthy player and the last of these.
    assert_eq!(target.relay().statistics().players, 2);
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_15_seeks_and_pauses_to_nowhere_are_refused_or_brought_into_bounds() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let stream = MessageStreamId::new(1);
    for value in odd() {
        for name in ["seek", "pause", "pauseRaw"] {
            let asked = command(name, 0)
                .with_argument(value.clone())
                .with_argument(value.clone());
            pair.player.say(stream, asked.clone()).await;
            pair.publisher.say(pair.stream, asked).await;
        }
        pair.player.say(stream, command("seek", 0)).await;
    }
    pair.player
        .say(
            stream,
            command("pause", 0).with_argument(false).with_argument(0.0),
        )
        .await;
    goes_on(&mut pair.player).await;
    goes_on(&mut pair.publisher).await;
    pair.publisher.send(pair.stream, &[keyframe(40, 2)]).await;
    while pair.player.next_media().await != keyframe(40, 2) {}
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_16_deleting_the_streams_of_others_or_none_is_ignored() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let mut attacker = target.connected().await;
    for name in ["deleteStream", "closeStream"] {
        for value in odd().into_iter().chain([0.0, 1.0, 1e10].map(Value::from)) {
            attacker.say(MAIN, command(name, 0).with_argument(value)).await;
        }
    }
    goes_on(&mut attacker).await;
    pair.relays(&[keyframe(0, 1)]).await;
    drop((attacker, pair));
    target.unharmed().await;
}

#[tokio::test]
async fn h9_17_courtesies_about_the_streams_of_others_end_nothing() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let mut attacker = target.connected().await;
    for name in ["releaseStream", "FCPublish", "FCUnpublish"] {
        for value in [
            Value::from("attack"),
            Value::Null,
            Value::from("x".repeat(60_000)),
        ] {
            attacker.say(MAIN, command(name, 9).with_argument(value)).await;
        }
    }
    goes_on(&mut attacker).await;
    pair.relays(&[keyframe(0, 1)]).await;
    drop((attacker, pair));
    target.unharmed().await;
}

#[tokio::test]
async fn h9_18_fifty_thousand_unknown_commands_are_borne() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    for _ in 0..500 {
        let unknown = message(3, COMMAND, 0, b"\x02\0\x07unknown\0\0\0\0\0\0\0\0\0\x05");
        attacker.send_bytes(&unknown.repeat(100)).await;
    }
    goes_on(&mut attacker).await;
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h9_19_receive_without_a_boolean_means_true() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for value in odd() {
        for name in ["receiveAudio", "receiveVideo"] {
            let asked = command(name, 0).with_argument(value.clone());
            pair.player.say(MessageStreamId::new(1), asked).await;
        }
    }
    goes_on(&mut pair.player).await;
    pair.relays(&[keyframe(0, 1), frame(40, 2)]).await;
    drop(pair);
    target.unharmed().await;
}

/// Counts the lines that a log of the usual level has.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn h9_21_storms_of_requests_do_not_flood_the_log() {
    let lines = Lines::default();
    // The whole server runs on this thread.
    let _here = tracing::subscriber::set_default(lines.clone());
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let stream = attacker.create_stream().await;
    for _ in 0..3000 {
        // Played and given up again; then refused.
        attacker
            .say(stream, command("play", 0).with_argument("attack"))
            .await;
        attacker.say(stream, command("closeStream", 0)).await;
        attacker
            .say(stream, command("publish", 0).with_argument("healthy"))
            .await;
    }
    goes_on(&mut attacker).await;
    let count = lines.0.load(Ordering::Relaxed);
    assert!((100..500).contains(&count), "{count} lines");
    drop(attacker);
    target.unharmed().await;
}
