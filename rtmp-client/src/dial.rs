//! From a URL to a connection whose handshake is done.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::conn::{ClientEvent, ClientMachine, ProtocolError};
use rtmp_core::handshake::HandshakeError;
use rtmp_core::url::{RtmpUrl, Scheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span};

use crate::config::{Config, Connector, Line};
use crate::driver::{Driver, Opened};
use crate::error::{CloseReason, Operation};
use crate::expiry::{Expiry, expire};
#[cfg(feature = "tls")]
use crate::tls;
use crate::{ClientConn, Error};

/// Opens the line that the URL asks for, and shakes hands.
pub(crate) async fn dial(url: RtmpUrl, config: Config) -> Result<ClientConn, Error> {
    match url.scheme() {
        Scheme::Rtmp => {
            let line = reach_host(&url, &config).await?;
            open(line, url, config).await
        }
        #[cfg(feature = "tls")]
        Scheme::Rtmps => {
            let line = reach_host(&url, &config).await?;
            let mut expiry = Expiry::since(Instant::now(), config.timeouts.handshake);
            let line = secure(line, &mut expiry, &url, &config).await?;
            open_until(expiry, line, url, config).await
        }
        scheme => Err(Error::UnsupportedScheme { scheme }),
    }
}

/// Shakes hands in TLS, for which there is the time of the whole handshake.
#[cfg(feature = "tls")]
async fn secure(
    line: TcpStream,
    expiry: &mut Expiry,
    url: &RtmpUrl,
    config: &Config,
) -> Result<tls::TlsLine, Error> {
    let connecting = tls::connect(line, url.host(), config.tls.as_ref());
    match expire(expiry, connecting).await {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(source)) => Err(Error::Tls {
            host: url.host().to_owned(),
            source: source.into(),
        }),
        Err(_) => Err(Error::Timeout {
            operation: Operation::TlsHandshake,
            after: config.timeouts.handshake,
        }),
    }
}

/// Connects to the first address of the host that answers.
async fn reach_host(url: &RtmpUrl, config: &Config) -> Result<TcpStream, Error> {
    let mut expiry = Expiry::since(Instant::now(), config.timeouts.dial);
    let unresolved = |source| Error::Resolve {
        host: url.host().to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = match expire(&mut expiry, lookup_host((url.host(), url.port()))).await {
        Ok(Ok(addresses)) => addresses.filter(|address| is_usable(*address, config)).collect(),
        Ok(Err(error)) => return Err(unresolved(error)),
        Err(_) => return Err(unresolved(io::ErrorKind::TimedOut.into())),
    };
    let mut failure = unresolved(io::ErrorKind::AddrNotAvailable.into());
    for (tried, &address) in addresses.iter().enumerate() {
        // An address that does not answer leaves time for those behind it.
        let now = Instant::now();
        let left = if expiry.is_over(now) {
            Duration::ZERO
        } else {
            expiry.at() - now
        };
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let source = match expire(&mut Expiry::since(now, share), reach(address, config)).await {
            Ok(Ok(line)) => return Ok(line),
            Ok(Err(source)) => source,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        debug!(%address, error = %source, "address can not be reached");
        failure = Error::Dial {
            host: url.host().to_owned(),
            address,
            source,
        };
    }
    Err(failure)
}

/// Lets the caller's connector open the line.
pub(crate) async fn dial_by(
    connector: &Connector,
    url: &RtmpUrl,
    config: &Config,
) -> Result<Box<dyn Line>, Error> {
    let mut expiry = Expiry::since(Instant::now(), config.timeouts.dial);
    let opened = expire(&mut expiry, connector.open(url.clone())).await;
    let source = match opened {
        Ok(Ok(line)) => return Ok(line),
        Ok(Err(source)) => source,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    Err(Error::Connector {
        host: url.host().to_owned(),
        source,
    })
}

fn is_usable(address: SocketAddr, config: &Config) -> bool {
    config
        .local_addr
        .is_none_or(|local| local.is_ipv4() == address.is_ipv4())
}

async fn reach(address: SocketAddr, config: &Config) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(local) = config.local_addr {
        socket.bind(local)?;
    }
    let line = socket.connect(address).await?;
    line.set_nodelay(config.tcp_nodelay)?;
    Ok(line)
}

/// Shakes hands over a line and starts the connection's driver.
pub(crate) async fn open<Io>(io: Io, url: RtmpUrl, config: Config) -> Result<ClientConn, Error>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let expiry = Expiry::since(Instant::now(), config.timeouts.handshake);
    open_until(expiry, io, url, config).await
}

/// The same when the time of the handshake is running already.
async fn open_until<Io>(
    mut expiry: Expiry,
    mut io: Io,
    url: RtmpUrl,
    config: Config,
) -> Result<ClientConn, Error>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let span = debug_span!("rtmp_client", host = url.host(), app = url.app());
    let epoch = Instant::now();
    let mut machine = ClientMachine::new(config.machine.clone(), Duration::ZERO, |random| {
        rand::fill(random)
    });
    if let Some(tap) = config.tap.clone() {
        machine.set_tap(move |direction, message| tap.see(direction, message));
    }
    let handshake = shake_hands(&mut io, &mut machine, epoch, url.host()).instrument(span.clone());
    let input = match expire(&mut expiry, handshake).await {
        Ok(done) => done?,
        Err(_) => {
            return Err(Error::Timeout {
                operation: Operation::Handshake,
                after: config.timeouts.handshake,
            });
        }
    };
    let opened = Opened {
        io,
        machine,
        input,
        epoch,
    };
    let (driver, link) = Driver::new(opened, url, config);
    tokio::spawn(driver.run().instrument(span));
    Ok(ClientConn::new(link))
}

/// Runs the handshake and gives what came behind it.
async fn shake_hands<Io>(
    io: &mut Io,
    machine: &mut ClientMachine,
    epoch: Instant,
    host: &str,
) -> Result<BytesMut, Error>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let lost = |error: io::Error| {
        // In TLS 1.3 the server's word on our certificate comes behind the handshake.
        #[cfg(feature = "tls")]
        let error = match tls::TlsError::try_from(error) {
            Ok(source) => {
                return Error::Tls {
                    host: host.to_owned(),
                    source: source.into(),
                };
            }
            Err(error) => error,
        };
        Error::Closed {
            operation: Operation::Handshake,
            reason: CloseReason::Io(Arc::new(error)),
        }
    };
    let failed = |source| Error::Handshake {
        host: host.to_owned(),
        source,
    };
    let mut input = BytesMut::new();
    loop {
        io.write_all_buf(machine.output()).await.map_err(lost)?;
        io.flush().await.map_err(lost)?;
        if io.read_buf(&mut input).await.map_err(lost)? == 0 {
            let Some(awaited) = machine.awaited_handshake_packet() else {
                return Ok(input);
            };
            return Err(failed(HandshakeError::ConnectionClosed { awaited }));
        }
        match machine.poll_event(&mut input, epoch.elapsed()) {
            Ok(Some(ClientEvent::HandshakeDone(kind))) => {
                debug!(?kind, "handshake done");
                return Ok(input);
            }
            Ok(_) => {}
            Err(ProtocolError::Handshake(source)) => return Err(failed(source)),
            Err(error) => {
                return Err(Error::Closed {
                    operation: Operation::Handshake,
                    reason: CloseReason::Protocol(Arc::new(error)),
                });
            }
        }
    }
}
