//! A player of the bare loop.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::ConnectReply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::batch::STREAM;

/// A player that is so many bytes behind is given up.
const MAX_BACKLOG: usize = 8 << 20;

/// A connection that only writes.
#[derive(Debug)]
pub(super) struct Player {
    socket: TcpStream,
    pub(super) has_begun: bool,
    /// What the system has not taken yet.
    backlog: BytesMut,
}

impl Player {
    /// Writes what the system takes now, and keeps the rest for the next time. `false` if the player is gone.
    pub(super) fn write(&mut self, wire: &Bytes) -> bool {
        if !self.backlog.is_empty() {
            self.backlog.extend_from_slice(wire);
            let written = write_now(&mut self.socket, &self.backlog);
            return match written {
                Ok(count) => {
                    self.backlog.advance(count);
                    self.backlog.len() <= MAX_BACKLOG
                }
                Err(_) => false,
            };
        }
        match write_now(&mut self.socket, wire) {
            Ok(count) => {
                self.backlog
                    .extend_from_slice(wire.get(count..).unwrap_or_default());
                true
            }
            Err(_) => false,
        }
    }
}

/// One write; how many bytes of it the system took.
fn write_now(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Opens a connection up to `play`. `None` if the client does something else or hangs up.
pub(super) async fn open(mut socket: tokio::net::TcpStream) -> Option<Player> {
    socket.set_nodelay(true).ok()?;
    let mut machine = ServerMachine::new(ServerConfig::default(), Duration::ZERO, |bytes| bytes.fill(0x5A));
    let mut input = BytesMut::new();
    let mut plays = false;
    while !plays {
        while let Some(event) = machine.poll_event(&mut input, Duration::ZERO).ok()? {
            match event {
                ServerEvent::Connect(_) => machine.accept_connect(&ConnectReply::default()).ok()?,
                ServerEvent::Play { stream: STREAM, .. } => {
                    machine.accept_play(STREAM).ok()?;
                    plays = true;
                }
                ServerEvent::Play { .. } | ServerEvent::Publish { .. } | ServerEvent::CloseRequested => {
                    return None;
                }
                _ => {}
            }
        }
        socket.write_all_buf(machine.output()).await.ok()?;
        if !plays && socket.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
    // It stays non-blocking; from here on nobody waits for it.
    Some(Player {
        socket: socket.into_std().ok()?,
        has_begun: false,
        backlog: BytesMut::new(),
    })
}
