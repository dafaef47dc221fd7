//! Both roles of the handshake, whole and in pieces.
//!
//! Few inputs of a fuzzer would have a valid digest. So an input says what to change in a handshake that is right, and is
//! short; or it is what the peer sends as it is.

use std::iter;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use rtmp_core::handshake::{
    ClientHandshake, ClientHandshakeConfig, HandshakeError, HandshakeKind, Layout, PACKET_LEN,
    ServerHandshake,
};

const KINDS: [HandshakeKind; 3] = [
    HandshakeKind::Simple,
    HandshakeKind::Digest(Layout::DigestFirst),
    HandshakeKind::Digest(Layout::KeyFirst),
];

/// What each end sends if the client offers this kind.
static EXCHANGES: LazyLock<[Exchange; 3]> = LazyLock::new(|| KINDS.map(Exchange::of));

struct Exchange {
    from_client: BytesMut,
    from_server: BytesMut,
}

impl Exchange {
    fn of(kind: HandshakeKind) -> Self {
        let (mut client, mut server) = (client(config(kind)), server());
        let (mut from_client, mut from_server) = (BytesMut::new(), BytesMut::new());
        client.start(&mut from_client);
        let done = server.handle_input(&mut from_client.clone(), &mut from_server);
        assert_eq!(done, Ok(None), "C2 has yet to come");
        let done = client.handle_input(&mut from_server.clone(), &mut from_client);
        assert_eq!(done, Ok(Some(kind)), "the roles understand each other");
        Self {
            from_client,
            from_server,
        }
    }
}

fn config(offer: HandshakeKind) -> ClientHandshakeConfig {
    ClientHandshakeConfig::default().offer(offer)
}

fn client(config: ClientHandshakeConfig) -> ClientHandshake {
    ClientHandshake::new(config, 7, |bytes| bytes.fill(9))
}

fn server() -> ServerHandshake {
    ServerHandshake::new(7, |bytes| bytes.fill(9))
}

/// Changes `bytes` as the rest of an input says, four bytes for a change: the place, what to do, and with what.
fn edit(bytes: &mut BytesMut, edits: &[u8]) {
    let (edits, tail) = edits.as_chunks::<4>();
    for &[high, low, what, value] in edits {
        let place = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match (what % 4, bytes.get_mut(place)) {
            (0, Some(byte)) => *byte = value,
            (1, Some(byte)) => *byte ^= value | 1,
            (2, Some(_)) => bytes.truncate(place),
            (3, _) => {
                let behind = bytes.split_off(place);
                bytes.extend_from_slice(&[value]);
                bytes.unsplit(behind);
            }
            (_, _) => bytes.extend_from_slice(&[value]),
        }
    }
    bytes.extend_from_slice(tail);
}

/// How the handshake ended, what was sent, and what was left in the buffer; the last means nothing behind an error.
type Outcome = (Result<Option<HandshakeKind>, HandshakeError>, Bytes, Bytes);

fn shake<'a>(
    mut step: impl FnMut(&mut BytesMut, &mut BytesMut) -> Result<Option<HandshakeKind>, HandshakeError>,
    reads: impl Iterator<Item = &'a [u8]>,
) -> Outcome {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut kind = None;
    for read in reads {
        input.extend_from_slice(read);
        match step(&mut input, &mut out) {
            Ok(reached) => kind = reached,
            Err(error) => return (Err(error), out.freeze(), Bytes::new()),
        }
        assert!(
            kind.is_some() || input.len() < PACKET_LEN,
            "a complete packet is kept"
        );
    }
    assert!(out.len() <= 1 + 2 * PACKET_LEN);
    (Ok(kind), out.freeze(), input.freeze())
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((seed, rest)) = crate::split_seed(data) else {
        return;
    };
    let Some((&choice, rest)) = rest.split_first() else {
        return;
    };
    // The server, or a client that offers one of the kinds and may be strict.
    let offer = usize::from(choice >> 2) % 4;
    let config = KINDS
        .get(offer)
        .map(|kind| config(*kind).strict_echo(choice & 0x10 != 0));
    let exchange = usize::from(choice % 4);
    let bytes = match EXCHANGES.get(exchange) {
        None => BytesMut::from(rest),
        Some(exchange) => {
            let sent = if config.is_some() {
                &exchange.from_server
            } else {
                &exchange.from_client
            };
            let mut bytes = sent.clone();
            edit(&mut bytes, rest);
            bytes
        }
    };
    let shake = |reads: &mut dyn Iterator<Item = &[u8]>| match config {
        None => {
            let mut server = server();
            shake(|input, out| server.handle_input(input, out), reads)
        }
        Some(config) => {
            let mut client = client(config);
            client.start(&mut BytesMut::new());
            shake(|input, out| client.handle_input(input, out), reads)
        }
    };
    let whole = shake(&mut iter::once(&bytes[..]));
    // Many short reads would take nearly all the time, and there is little in a packet to be cut.
    assert_eq!(whole, shake(&mut crate::reads(seed | 0x0108, &bytes)));
    if rest.is_empty() && exchange < KINDS.len() && (config.is_none() || exchange == offer) {
        assert_eq!(whole.0, Ok(Some(KINDS[exchange])), "nothing was changed");
    }
}
