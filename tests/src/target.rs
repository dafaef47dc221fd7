//! A server under attack, and the people it must go on serving meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rtmp_server::{CloseReason, Observers, Relay, ServerSession, SessionConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::{Peer, media};

/// Longer than anything takes on a busy machine: what is not there by then does not come.
pub const SOON: Duration = Duration::from_secs(20);

/// Serves a relay on a free port of the loopback interface, with a publisher and a player that must not notice
/// anything: each message of the publisher has to reach the player before the next one is sent. Every other session is
/// an attack; the harness hands over why it ended.
#[derive(Debug)]
pub struct Target {
    addr: SocketAddr,
    relay: Relay,
    ends: mpsc::Receiver<(SocketAddr, CloseReason)>,
    accepting: JoinHandle<()>,
    healthy: Healthy,
}

impl Target {
    /// A server with default settings.
    pub async fn start() -> Self {
        Self::with(SessionConfig::default(), Observers::new()).await
    }

    /// A server whose sessions have these settings, and these observers in front of the relay.
    ///
    /// # Panics
    ///
    /// If it can not listen, or does not serve the healthy pair.
    pub async fn with(config: SessionConfig, observers: Observers) -> Self {
        let relay = Relay::default();
        let observers = observers.relay(relay.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (sender, ends) = mpsc::channel(1024);
        let accepting = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((socket, peer)) = listener.accept().await {
                let (observers, config, sender) = (observers.clone(), config.clone(), sender.clone());
                sessions.spawn(async move {
                    let session = ServerSession::with_peer_addr(socket, peer, observers, config);
                    let reason = session.run().await;
                    // Nobody has to ask how a session ended.
                    let _ = sender.send((peer, reason)).await;
                });
            }
        });
        let healthy = Healthy::start(addr).await;
        Self {
            addr,
            relay,
            ends,
            accepting,
            healthy,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The relay behind it.
    #[must_use]
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// A connection on which nothing was sent yet.
    ///
    /// # Panics
    ///
    /// If the server does not listen.
    pub async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.addr)
            .await
            .expect("a server that listens")
    }

    /// A client that has shaken hands and connected to the application `live`.
    pub async fn connected(&self) -> Peer<TcpStream> {
        Peer::connected(self.dial().await, "live").await
    }

    /// Why the next session ended that does so.
    ///
    /// # Panics
    ///
    /// If none does.
    pub async fn reason(&mut self) -> CloseReason {
        let end = timeout(SOON, self.ends.recv()).await;
        end.expect("a session that ends").expect("a server that runs").1
    }

    /// The attack is over: the healthy pair has got everything, before, while and after, and nothing else is left.
    ///
    /// # Panics
    ///
    /// If that is not so.
    pub async fn unharmed(mut self) {
        self.healthy.stop().await;
        timeout(SOON, async {
            while self.relay.statistics().players + self.relay.statistics().publishers > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("something is left: {:?}", self.relay.statistics()));
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A publisher and a player of the stream `healthy`, one message after the other.
#[derive(Debug)]
struct Healthy {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Healthy {
    async fn start(addr: SocketAddr) -> Self {
        let dial = || async { TcpStream::connect(addr).await.expect("a server that listens") };
        let mut publisher = Peer::connected(dial().await, "live").await;
        let stream = publisher.publish("healthy").await.expect("a free name");
        let mut player = Peer::connected(dial().await, "live").await;
        player.play("healthy").await.expect("a stream to play");
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let task = tokio::spawn({
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            async move {
                let mut number = 0;
                while !stop.load(Ordering::Acquire) {
                    let sent = match number % 25 {
                        0 => media::keyframe(number * 40, number),
                        _ => media::frame(number * 40, number),
                    };
                    publisher.send(stream, std::slice::from_ref(&sent)).await;
                    let received = timeout(SOON, player.next_media()).await;
                    assert_eq!(received.expect("the healthy player stalls"), sent);
                    number += 1;
                    rounds.store(number, Ordering::Release);
                    // They are to be disturbed, not to take the processor from others.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        Self { stop, rounds, task }
    }

    async fn stop(&mut self) {
        // What follows the attack has to arrive as well.
        let before = self.rounds.load(Ordering::Acquire);
        while self.rounds.load(Ordering::Acquire) < before + 2 && !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
        self.stop.store(true, Ordering::Release);
        (&mut self.task).await.expect("the healthy pair");
    }
}
