//! One second of a 2.5 Mb/s stream through the relay, piece by piece and as a whole, without a network.
//!
//! Framing a message, which the relay does once for all players, is in `rtmp-core`'s benchmark `chunk`.

mod client;
mod second;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use futures::FutureExt;
use rtmp_server::{Observers, Relay, ServerSession, SessionConfig};
use tokio::runtime::Runtime;
use tokio::task::yield_now;

use client::{Client, Line, Wish};
use second::{Clock, SECOND_LEN, wire_len};

const APP: &str = "live";
const NAME: &str = "cam";
const PLAYERS: [usize; 2] = [1, 100];
/// More turns than any of the waits below takes.
const MAX_TURNS: usize = 100_000;

/// Into wire form and into the history, which keeps a group of pictures or two.
fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Bytes(SECOND_LEN));
    let relay = Relay::default();
    let mut publisher = relay.publish(APP, NAME).expect("the name is free");
    let mut clock = Clock::default();
    group.bench_function("history", |bencher| {
        bencher.iter_batched(
            || clock.next_second(),
            |second| second.into_iter().for_each(|message| publisher.send(message)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What players take out of the history; throughput counts every player's bytes.
fn play(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("play");
    for count in PLAYERS {
        group.throughput(Throughput::Bytes(SECOND_LEN * count as u64));
        let relay = Relay::default();
        let mut publisher = relay.publish(APP, NAME).expect("the name is free");
        let mut players: Vec<_> = (0..count).map(|_| relay.play(APP, NAME)).collect();
        let mut clock = Clock::default();
        group.bench_function(BenchmarkId::new("history", count), |bencher| {
            bencher.iter_batched(
                || {
                    let second = clock.next_second();
                    second.into_iter().for_each(|message| publisher.send(message));
                },
                |()| {
                    for player in &mut players {
                        while let Some(message) = player.recv().now_or_never() {
                            black_box(message);
                        }
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// From the history into the writes of sessions, message by message, and all messages of a second at once, as it is when
/// lines are slow; throughput counts every player's bytes.
fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send");
    group.sampling_mode(SamplingMode::Flat);
    for (name, at_once) in [("each", 1), ("gathered", usize::MAX)] {
        for count in PLAYERS {
            group.throughput(Throughput::Bytes(SECOND_LEN * count as u64));
            let runtime = runtime();
            let relay = Relay::default();
            let mut publisher = relay.publish(APP, NAME).expect("the name is free");
            let sent = Arc::new(AtomicU64::new(0));
            let clients: Vec<_> = (0..count)
                .map(|_| Client::new(Wish::Play, APP, NAME, &sent))
                .collect();
            runtime.block_on(serve(&clients, &relay));
            let mut clock = Clock::default();
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter_batched(
                    || clock.next_second(),
                    |second| {
                        runtime.block_on(async {
                            for messages in second.chunks(at_once.min(second.len())) {
                                let lens: u64 = messages.iter().map(wire_len).sum();
                                let goal = sent.load(Ordering::Relaxed) + lens * count as u64;
                                for message in messages {
                                    publisher.send(message.clone());
                                }
                                until(|| sent.load(Ordering::Relaxed) >= goal).await;
                            }
                        });
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

/// From the bytes of a publisher through its session into the history.
fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Bytes(SECOND_LEN));
    for chunk_size in [128, 4096, 60_000] {
        let runtime = runtime();
        let relay = Relay::default();
        let client = Client::with_chunk_size(Wish::Publish, APP, NAME, chunk_size);
        runtime.block_on(serve(std::slice::from_ref(&client), &relay));
        let mut clock = Clock::default();
        group.bench_function(BenchmarkId::new("session", chunk_size), |bencher| {
            bencher.iter_batched(
                || client.encode(&clock.next_second()),
                |wire| {
                    client.give(wire);
                    runtime.block_on(until(|| client.is_read()));
                },
                BatchSize::PerIteration,
            );
        });
        assert_eq!(relay.statistics().publishers, 1, "the session is still there");
    }
    group.finish();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}

/// Begins a session for each client, and waits until all are served.
async fn serve(clients: &[Client], relay: &Relay) {
    for client in clients {
        let observers = Observers::new().relay(relay.clone());
        tokio::spawn(ServerSession::<Line>::new(client.line(), observers, SessionConfig::default()).run());
    }
    until(|| clients.iter().all(Client::is_served)).await;
    // What a session sends behind its success status is not part of what is measured.
    for _ in 0..100 {
        yield_now().await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..MAX_TURNS {
        if is_so() {
            return;
        }
        yield_now().await;
    }
    panic!("the sessions do not get on");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = publish, play, send, ingest
}
criterion_main!(benches);
