//! A client's connection, lean enough to have thousands.

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::FutureExt;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::conn::{ClientConfig, ClientEvent, ClientMachine, ProtocolError};
use rtmp_core::message::{ConnectRequest, PlayRequest, PublishKind, PublishRequest, Status};
use rtmp_core::url::RtmpUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::BenchError;
use super::line::{Dialler, Line};
use crate::tls::ClientTls;

/// How long the server may take from the TCP connection to the answer to `publish` or `play`.
const OPENING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the last commands may take to go out.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const READ_LEN: usize = 16 << 10;

/// How a connection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no TCP connection.
    #[error("can not connect")]
    Dial(#[source] io::Error),
    /// There is no TLS.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The TCP connection broke.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// The server hung up.
    #[error("the server closed the connection")]
    Closed,
    /// The server breaks the protocol.
    #[error("the server breaks the protocol")]
    Protocol(#[from] ProtocolError),
    /// The server says no.
    #[error("the server refused {what}: {status}")]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// Its answer.
        status: Box<Status>,
    },
    /// The server does not answer.
    #[error("no answer within {} s", OPENING_TIMEOUT.as_secs())]
    Timeout,
}

/// Where to connect, resolved once for all.
#[derive(Clone, Debug)]
pub(super) struct Target {
    dialler: Dialler,
    url: RtmpUrl,
    stream_name: String,
}

impl Target {
    pub(super) async fn resolve(url: &RtmpUrl, tls: &ClientTls) -> Result<Self, BenchError> {
        let stream_name = url.stream_name_with_query().unwrap_or_default().to_owned();
        Ok(Self {
            dialler: Dialler::new(url, tls).await?,
            url: url.clone(),
            stream_name,
        })
    }

    pub(super) fn check_stream_name(&self) -> Result<(), BenchError> {
        if self.stream_name.is_empty() {
            Err(BenchError::NoStreamName)
        } else {
            Ok(())
        }
    }

    /// The target with `-NUMBER` behind its stream name.
    pub(super) fn numbered(&self, number: usize) -> Result<Self, BenchError> {
        let name = self.url.stream_name().unwrap_or_default();
        let mut stream_name = format!("{name}-{number}");
        if let Some(query) = self.url.stream_query() {
            stream_name.push('?');
            stream_name.push_str(query);
        }
        let url = self.url.clone().with_stream(stream_name.as_str())?;
        Ok(Self {
            dialler: self.dialler.clone(),
            url,
            stream_name,
        })
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Client {
    io: Line,
    machine: ClientMachine,
    input: BytesMut,
    begin: Instant,
    /// Bytes received, with the handshake.
    received: u64,
}

impl Client {
    /// Opens the line and sends nothing over it.
    pub(super) async fn dial(target: &Target) -> Result<Self, ClientError> {
        within_opening_timeout(async { Ok(Self::over(target.dialler.dial().await?)) }).await
    }

    /// Opens the line and shakes hands.
    pub(super) async fn shake_hands(target: &Target) -> Result<Self, ClientError> {
        within_opening_timeout(async {
            let mut client = Self::over(target.dialler.dial().await?);
            while !matches!(client.next_event().await?, ClientEvent::HandshakeDone(_)) {}
            client.flush().await?;
            Ok(client)
        })
        .await
    }

    /// Connects, shakes hands, connects to the app and creates a stream.
    pub(super) async fn open(target: &Target) -> Result<(Self, MessageStreamId), ClientError> {
        within_opening_timeout(async {
            let mut client = Self::over(target.dialler.dial().await?);
            let stream = client.create_stream(&target.url).await?;
            Ok((client, stream))
        })
        .await
    }

    fn over(io: Line) -> Self {
        // The handshake's bytes need to be random for nobody, and making them so would be load on our side.
        let machine = ClientMachine::new(ClientConfig::default(), Duration::ZERO, |bytes| bytes.fill(0x5A));
        Self {
            io,
            machine,
            input: BytesMut::new(),
            begin: Instant::now(),
            received: 0,
        }
    }

    async fn create_stream(&mut self, url: &RtmpUrl) -> Result<MessageStreamId, ClientError> {
        loop {
            match self.next_event().await? {
                ClientEvent::HandshakeDone(_) => {
                    let request = ConnectRequest::default();
                    self.machine
                        .connect(&request, url.app_with_query(), &url.tc_url())?;
                }
                ClientEvent::Connected(_) => {
                    self.machine.create_stream()?;
                }
                ClientEvent::StreamCreated { stream, .. } => return Ok(stream),
                ClientEvent::ConnectRefused(status) => return Err(refused("connect", status)),
                ClientEvent::StreamRefused { status, .. } => return Err(refused("createStream", status)),
                ClientEvent::CloseRequested => return Err(ClientError::Closed),
                _ => {}
            }
        }
    }

    /// Asks to publish and waits until it may.
    pub(super) async fn publish(
        &mut self,
        stream: MessageStreamId,
        target: &Target,
    ) -> Result<(), ClientError> {
        let request = PublishRequest::new(target.stream_name.as_str(), PublishKind::Live);
        self.machine.publish(stream, &request)?;
        within_opening_timeout(async {
            loop {
                match self.next_event().await? {
                    ClientEvent::PublishStarted { .. } => return Ok(()),
                    ClientEvent::PublishRefused { status, .. } => return Err(refused("publish", status)),
                    ClientEvent::CloseRequested => return Err(ClientError::Closed),
                    _ => {}
                }
            }
        })
        .await
    }

    /// Asks to play and waits for the answer. Media may come before it with some servers, so they are handed on.
    pub(super) async fn play(
        &mut self,
        stream: MessageStreamId,
        target: &Target,
        mut on_event: impl FnMut(&ClientEvent),
    ) -> Result<(), ClientError> {
        self.machine
            .play(stream, &PlayRequest::new(target.stream_name.as_str()))?;
        within_opening_timeout(async {
            loop {
                let event = self.next_event().await?;
                on_event(&event);
                match event {
                    ClientEvent::PlayStarted { .. } => return Ok(()),
                    ClientEvent::PlayRefused { status, .. } => return Err(refused("play", status)),
                    ClientEvent::CloseRequested => return Err(ClientError::Closed),
                    _ => {}
                }
            }
        })
        .await
    }

    /// The next event, for which it reads and writes.
    ///
    /// Cancel safe.
    pub(super) async fn next_event(&mut self) -> Result<ClientEvent, ClientError> {
        loop {
            if let Some(event) = self.machine.poll_event(&mut self.input, self.begin.elapsed())? {
                return Ok(event);
            }
            self.flush().await?;
            self.input.reserve(READ_LEN);
            let count = self.io.read_buf(&mut self.input).await.map_err(ClientError::Io)?;
            if count == 0 {
                return Err(ClientError::Closed);
            }
            self.received += count as u64;
        }
    }

    /// Takes what has come meanwhile, without waiting: pings are answered with the next flush.
    pub(super) fn take_input(&mut self) -> Result<(), ClientError> {
        self.input.reserve(READ_LEN);
        match self.io.read_buf(&mut self.input).now_or_never() {
            Some(Ok(0)) => return Err(ClientError::Closed),
            Some(Ok(count)) => self.received += count as u64,
            None => return Ok(()),
            Some(Err(error)) => return Err(ClientError::Io(error)),
        }
        while let Some(event) = self.machine.poll_event(&mut self.input, self.begin.elapsed())? {
            match event {
                ClientEvent::CloseRequested => return Err(ClientError::Closed),
                ClientEvent::Status { status, .. } if status.is_error() => {
                    return Err(refused("to go on", status));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes what is to be sent.
    ///
    /// Cancel safe: what was written is gone from the output, the rest is still in it.
    pub(super) async fn flush(&mut self) -> Result<(), ClientError> {
        while !self.machine.output().is_empty() {
            self.io
                .write_buf(self.machine.output())
                .await
                .map_err(ClientError::Io)?;
        }
        self.io.flush().await.map_err(ClientError::Io)
    }

    /// Ends the connection in order.
    pub(super) async fn close(mut self) -> Result<(), ClientError> {
        self.machine.close()?;
        timeout(CLOSE_TIMEOUT, self.flush())
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    pub(super) fn machine(&mut self) -> &mut ClientMachine {
        &mut self.machine
    }

    /// Bytes received so far, with the handshake.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Ends the connection by a reset.
    pub(super) fn reset(self) -> io::Result<()> {
        self.io.reset()
    }

    /// The line alone.
    pub(super) fn into_io(self) -> Line {
        self.io
    }
}

fn refused(what: &'static str, status: Status) -> ClientError {
    ClientError::Refused {
        what,
        status: Box::new(status),
    }
}

async fn within_opening_timeout<T>(
    opening: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(OPENING_TIMEOUT, opening)
        .await
        .unwrap_or(Err(ClientError::Timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn numbers_stand_behind_the_name_and_before_its_query() {
        let url = RtmpUrl::parse("rtmp://127.0.0.1/live/cam?token=1").unwrap();
        let target = Target::resolve(&url, &ClientTls::default()).await.unwrap();
        let target = target.numbered(7).unwrap();
        assert_eq!(target.stream_name, "cam-7?token=1");
        assert_eq!(target.url.full_text(), "rtmp://127.0.0.1/live/cam-7?token=1");
    }

    #[tokio::test]
    async fn a_stream_without_a_name_is_refused() {
        let nameless = RtmpUrl::parse("rtmp://127.0.0.1/live").unwrap();
        let target = Target::resolve(&nameless, &ClientTls::default()).await.unwrap();
        assert!(matches!(
            target.check_stream_name(),
            Err(BenchError::NoStreamName)
        ));
    }
}
