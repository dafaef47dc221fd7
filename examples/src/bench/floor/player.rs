//! Those whom the bare loop serves.

use std::io::{self, Write};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::ConnectReply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::batch::STREAM;

/// A player that is so many bytes behind is given up.
const MAX_BACKLOG: usize = 8 << 20;

/// How much of a publisher's media is read at once.
const DISCARD_LEN: usize = 256 << 10;

/// A connection that only writes.
#[derive(Debug)]
pub(super) struct Player {
    socket: std::net::TcpStream,
    pub(super) has_begun: bool,
    /// What the system has not taken yet.
    backlog: BytesMut,
}

impl Player {
    pub(super) fn new(socket: TcpStream) -> io::Result<Self> {
        // It stays non-blocking; nobody waits for it.
        Ok(Self {
            socket: socket.into_std()?,
            has_begun: false,
            backlog: BytesMut::new(),
        })
    }

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
fn write_now(socket: &mut std::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// What a client has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Play,
    Publish,
}

/// Opens a connection up to `play` or `publish`. `None` if the client does something else or hangs up.
pub(super) async fn open(socket: &mut TcpStream) -> Option<Role> {
    socket.set_nodelay(true).ok()?;
    let mut machine = ServerMachine::new(ServerConfig::default(), Duration::ZERO, |bytes| bytes.fill(0x5A));
    let mut input = BytesMut::new();
    let mut role = None;
    while role.is_none() {
        while let Some(event) = machine.poll_event(&mut input, Duration::ZERO).ok()? {
            match event {
                ServerEvent::Connect(_) => machine.accept_connect(&ConnectReply::default()).ok()?,
                ServerEvent::Play { stream: STREAM, .. } => {
                    machine.accept_play(STREAM).ok()?;
                    role = Some(Role::Play);
                }
                ServerEvent::Publish { stream, .. } => {
                    machine.accept_publish(stream).ok()?;
                    role = Some(Role::Publish);
                }
                ServerEvent::Play { .. } | ServerEvent::CloseRequested => return None,
                _ => {}
            }
        }
        socket.write_all_buf(machine.output()).await.ok()?;
        if role.is_none() && socket.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
    role
}

/// Sends the same bytes over and over, until the player is gone.
pub(super) async fn flood(mut socket: TcpStream, wire: Bytes) {
    while socket.write_all(&wire).await.is_ok() {}
}

/// Reads what a publisher sends and throws it away, until it is gone.
pub(super) async fn discard(mut socket: TcpStream) {
    let mut bytes = vec![0; DISCARD_LEN];
    while socket.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}
