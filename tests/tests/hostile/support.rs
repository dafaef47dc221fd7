//! Bytes of attacks, and how sessions end.

use std::error::Error;

use rtmp_core::chunk::{ChunkStreamId, FramedMessage, MessageStreamId, MessageType, RawMessage};
use rtmp_core::message::StatusCode;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_server::CloseReason;
use rtmp_tests::{Peer, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use rtmp_tests::target::SOON;

pub(crate) const SET_CHUNK_SIZE: u8 = 1;
pub(crate) const ABORT: u8 = 2;
pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
pub(crate) const USER_CONTROL: u8 = 4;
pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
pub(crate) const SET_PEER_BANDWIDTH: u8 = 6;
pub(crate) const AUDIO: u8 = 8;
pub(crate) const VIDEO: u8 = 9;
pub(crate) const DATA: u8 = 18;
pub(crate) const COMMAND: u8 = 20;
pub(crate) const AGGREGATE: u8 = 22;

/// C0 and a C1 without digest.
pub(crate) fn c0_c1() -> Vec<u8> {
    let mut bytes = vec![0; 1537];
    bytes[0] = 3;
    bytes
}

/// A message in chunks of the size that scripted clients announce.
pub(crate) fn message(chunk_stream: u32, message_type: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let message = RawMessage {
        chunk_stream: ChunkStreamId::new(chunk_stream).expect("an id of a chunk stream"),
        timestamp: Timestamp::ZERO,
        message_type: MessageType::from(message_type),
        stream: MessageStreamId::new(stream),
        payload: body.to_vec().into(),
    };
    let framed = FramedMessage::new(&message, rtmp_core::conn::DEFAULT_OUTGOING_CHUNK_SIZE);
    framed.expect("a message that RTMP can carry").wire().to_vec()
}

/// The header of type 0 alone, with a declared length.
pub(crate) fn header(chunk_stream: u8, length: u32, message_type: u8, stream: u32) -> Vec<u8> {
    let [_, length @ ..] = length.to_be_bytes();
    let mut bytes = vec![chunk_stream, 0, 0, 0];
    bytes.extend(length);
    bytes.push(message_type);
    bytes.extend(stream.to_le_bytes());
    bytes
}

/// Why a session ended, with all causes.
pub(crate) fn text(reason: &CloseReason) -> String {
    let mut text = reason.to_string();
    let mut cause = reason.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Sends bytes on a fresh connection and keeps it open. A server that closes meanwhile is no error here.
pub(crate) async fn send(target: &Target, bytes: &[u8]) -> TcpStream {
    let mut socket = target.dial().await;
    // What the server thinks of it shows in the reason.
    let _ = socket.write_all(bytes).await;
    socket
}

/// The server has closed the connection.
pub(crate) async fn is_closed(mut socket: TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(SOON, socket.read_to_end(&mut rest)).await;
    // A reset is a way of closing, too.
    let _ = end.expect("the server closes");
}

/// The connection goes on: a question behind the attack is answered.
pub(crate) async fn goes_on(peer: &mut Peer<TcpStream>) {
    let stream = timeout(SOON, peer.create_stream()).await;
    let stream = stream.expect("an answer to createStream");
    peer.machine().delete_stream(stream).expect("a stream to delete");
    peer.flush().await;
}

/// Sends bytes behind `connect`, which end the session with this reason.
pub(crate) async fn closes(bytes: &[u8], reason: &str) {
    let mut target = Target::start().await;
    let mut attacker = target.connected().await;
    attacker.send_bytes(bytes).await;
    assert_eq!(
        text(&target.reason().await),
        format!("the client broke the protocol: {reason}")
    );
    target.unharmed().await;
}

/// Sends bytes behind `connect`, which do not end the session.
pub(crate) async fn passes(bytes: &[u8]) {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    attacker.send_bytes(bytes).await;
    goes_on(&mut attacker).await;
    drop(attacker);
    target.unharmed().await;
}

/// A publisher and a player of `attack` on two connections, for what must pass the relay.
pub(crate) struct Pair {
    pub(crate) publisher: Peer<TcpStream>,
    pub(crate) stream: MessageStreamId,
    pub(crate) player: Peer<TcpStream>,
}

impl Pair {
    pub(crate) async fn join(target: &Target) -> Self {
        let mut publisher = target.connected().await;
        let stream = publisher.publish("attack").await.expect("a free name");
        let mut player = target.connected().await;
        player.play("attack").await.expect("a stream to play");
        Self {
            publisher,
            stream,
            player,
        }
    }

    /// Sends messages as they are, and checks that the player gets the same.
    pub(crate) async fn relays(&mut self, messages: &[MediaMessage]) {
        for message in messages {
            self.publisher
                .send(self.stream, std::slice::from_ref(message))
                .await;
            let received = timeout(SOON, self.player.next_media()).await;
            assert_eq!(&received.expect("media"), message);
        }
    }

    /// Sends bytes, and checks that the player then gets these messages.
    pub(crate) async fn reads_as(&mut self, bytes: &[u8], expected: &[MediaMessage]) {
        self.publisher.send_bytes(bytes).await;
        let received = timeout(SOON, self.player.media(expected.len())).await;
        assert_eq!(received.expect("media"), expected);
    }
}

/// The code with which the server refuses something.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, rtmp_core::message::Status>) -> StatusCode {
    answer.expect_err("a refusal").code
}
