//! Serves players with nothing but writes: what no server can be cheaper than.
//!
//! Each message of a file is put into wire form once, at its time, and written to every player with one `write`, from
//! one thread. There is no reading, no waiting for sockets. A server that writes each message to each player on its own
//! pays at least this; one that merges writes can be cheaper, as `--merge` shows.
//!
//! It is also the peer that costs a client least: `--fast` sends the file's bytes over and over, as fast as each player
//! takes them, and what a publisher sends is thrown away as it was read.

mod batch;
mod player;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

use self::batch::Batch;
use self::player::{Player, Role, discard, flood, open};
use super::BenchError;
use super::clip::{Clip, Rounds};
use crate::descriptors::reserve_descriptors;

/// Players that are opened and wait for the loop to take them over.
const OPENED: usize = 1024;

/// What to serve, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct FloorOptions {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:1935")]
    pub listen: String,

    /// The FLV file that every player gets, whatever it asks for; - for standard input
    pub file: PathBuf,

    /// Gather messages for so many milliseconds and write them as one
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub merge: u64,

    /// Send as fast as each player takes it, not in real time; times begin anew with each round of the file
    #[arg(long, conflicts_with = "merge")]
    pub fast: bool,

    /// How many players there may be
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub max_players: usize,
}

/// Serves until `stop` is ready. `on_listening` is told the address.
///
/// # Errors
///
/// [`BenchError`] if it can not begin.
pub async fn run(
    options: &FloorOptions,
    on_listening: impl FnOnce(std::net::SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), BenchError> {
    reserve_descriptors(options.max_players)?;
    let clip = Clip::load(options.file.clone()).await?;
    let listen_error = |source| BenchError::Listen {
        address: options.listen.clone(),
        source,
    };
    let listener = TcpListener::bind(&options.listen).await.map_err(listen_error)?;
    on_listening(listener.local_addr().map_err(listen_error)?);
    let (opened, players) = mpsc::channel(OPENED);
    let wire = options.fast.then(|| Batch::whole(&clip));
    tokio::select! {
        () = accept(listener, wire, opened) => {}
        () = serve(clip, Duration::from_millis(options.merge), players) => {}
        () = stop => {}
    }
    Ok(())
}

/// Opens connections. Players get `wire`, if there is one, or are handed on.
async fn accept(listener: TcpListener, wire: Option<Bytes>, opened: mpsc::Sender<Player>) {
    let mut openings = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Without a descriptor there is nobody to serve.
                let Ok((mut socket, _)) = accepted else { continue };
                let (wire, opened) = (wire.clone(), opened.clone());
                openings.spawn(async move {
                    match (open(&mut socket).await, wire) {
                        (Some(Role::Publish), _) => discard(socket).await,
                        (Some(Role::Play), Some(wire)) => flood(socket, wire).await,
                        (Some(Role::Play), None) => {
                            if let Ok(player) = Player::new(socket) {
                                // Fails only at the end, when nobody is served any more.
                                let _ = opened.send(player).await;
                            }
                        }
                        (None, _) => {}
                    }
                });
            }
            Some(_) = openings.join_next() => {}
        }
    }
}

/// Writes the clip round after round to all players.
async fn serve(clip: Arc<Clip>, merge: Duration, mut opened: mpsc::Receiver<Player>) {
    // Players of a file without H.264 can not measure latency; that is no reason not to serve them.
    let mut stamper = clip.stamper().ok();
    let mut players: Vec<Player> = Vec::new();
    let mut batch = Batch::new(&clip);
    let begin = Instant::now();
    let mut write_at = begin;
    for message in Rounds::new(clip, None) {
        let due = begin + Duration::from_millis(message.timestamp.as_millis().into());
        if !merge.is_zero() && due >= write_at {
            sleep_until(write_at).await;
            batch.write_to(&mut players);
            write_at = due + merge;
        }
        sleep_until(due).await;
        // When the core is too busy to wait for the next message, players must still be able to open and to leave.
        yield_now().await;
        while let Ok(player) = opened.try_recv() {
            players.push(player);
        }
        let message = match &mut stamper {
            Some(stamper) => stamper.stamp(message),
            None => message,
        };
        batch.push(&message);
        if merge.is_zero() {
            batch.write_to(&mut players);
        }
    }
}
