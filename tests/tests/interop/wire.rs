//! What a program sends, message by message, read on its way to the server.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use rtmp_core::Limits;
use rtmp_core::chunk::ChunkDecoder;
use rtmp_core::handshake::PACKET_LEN;
use rtmp_core::message::{Command, Message, UserControl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use crate::process::DEADLINE;

/// C0, C1 and C2.
const HANDSHAKE_LEN: usize = 1 + 2 * PACKET_LEN;

/// Stands between one program and a server.
pub(crate) struct Wire {
    addr: SocketAddr,
    sent: watch::Receiver<Sent>,
}

/// What the program has sent so far, but for audio and video.
#[derive(Debug, Default)]
struct Sent {
    commands: Vec<Command>,
    user_controls: Vec<UserControl>,
    data: Vec<Bytes>,
}

impl Wire {
    /// Listens for one program, whose bytes go to `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("a listener has an address");
        let (sender, sent) = watch::channel(Sent::default());
        tokio::spawn(async move {
            let (program, _) = listener.accept().await.expect("a program dials");
            let server = TcpStream::connect(server).await.expect("the server listens");
            // A line that breaks ends the program or the server, which the test notices.
            let _ = pass_on(program, server, &sender).await;
        });
        Self { addr, sent }
    }

    /// The address of a stream of the application `live`.
    pub(crate) fn url(&self, stream: &str) -> String {
        format!("rtmp://{}/live/{stream}", self.addr)
    }

    /// Waits for a command.
    pub(crate) async fn command(&mut self, name: &str) -> Command {
        self.find(name, |sent| {
            let mut commands = sent.commands.iter();
            commands
                .find(|command| command.name.as_bytes() == name.as_bytes())
                .cloned()
        })
        .await
    }

    /// Waits for a user control event that `is_it`.
    pub(crate) async fn user_control(
        &mut self,
        what: &str,
        is_it: impl Fn(&UserControl) -> bool,
    ) -> UserControl {
        self.find(what, |sent| {
            sent.user_controls.iter().find(|event| is_it(event)).cloned()
        })
        .await
    }

    /// The payloads of all data messages so far.
    pub(crate) fn data(&self) -> Vec<Bytes> {
        self.sent.borrow().data.clone()
    }

    async fn find<T>(&mut self, what: &str, find: impl Fn(&Sent) -> Option<T>) -> T {
        // What was waited for is looked up below, or missed.
        let _ = timeout(DEADLINE, self.sent.wait_for(|sent| find(sent).is_some())).await;
        let sent = self.sent.borrow();
        find(&sent).unwrap_or_else(|| panic!("no {what} among {sent:?}"))
    }
}

async fn pass_on(program: TcpStream, server: TcpStream, sent: &watch::Sender<Sent>) -> std::io::Result<()> {
    let (mut from_program, mut to_program) = program.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_program).await?;
        to_program.shutdown().await
    };
    let forth = async {
        let mut decoder = ChunkDecoder::new(Limits::default());
        let mut input = BytesMut::new();
        let mut is_shaken = false;
        loop {
            let mut buffer = [0; 4096];
            let len = from_program.read(&mut buffer).await?;
            if len == 0 {
                return to_server.shutdown().await;
            }
            to_server.write_all(&buffer[..len]).await?;
            input.extend_from_slice(&buffer[..len]);
            if !is_shaken && input.len() >= HANDSHAKE_LEN {
                input.advance(HANDSHAKE_LEN);
                is_shaken = true;
            }
            while is_shaken
                && let Some(raw) = decoder
                    .decode(&mut input)
                    .expect("the program keeps to the protocol")
            {
                match Message::decode(raw) {
                    Ok(Message::Command { command, .. }) => {
                        sent.send_modify(|sent| sent.commands.push(command))
                    }
                    Ok(Message::UserControl(event)) => {
                        sent.send_modify(|sent| sent.user_controls.push(event))
                    }
                    Ok(Message::Media { message, .. }) if message.kind.is_data() => {
                        sent.send_modify(|sent| sent.data.push(message.payload));
                    }
                    _ => {}
                }
            }
        }
    };
    tokio::try_join!(back, forth)?;
    Ok(())
}
