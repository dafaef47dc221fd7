//! Both roles of the handshake, whole and in pieces.

use std::iter;

use bytes::{Bytes, BytesMut};
use rtmp_core::handshake::{
    ClientHandshake, ClientHandshakeConfig, HandshakeError, HandshakeKind, PACKET_LEN, ServerHandshake,
};

type Step<'a> = dyn FnMut(&mut BytesMut, &mut BytesMut) -> Result<Option<HandshakeKind>, HandshakeError> + 'a;

/// How the handshake ended, what was sent, and what was left in the buffer; the last means nothing behind an error.
type Outcome = (Result<Option<HandshakeKind>, String>, Bytes, Bytes);

fn shake<'a>(step: &mut Step<'_>, reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut kind = None;
    for read in reads {
        input.extend_from_slice(read);
        match step(&mut input, &mut out) {
            Ok(reached) => kind = reached,
            Err(error) => return (Err(format!("{error:?}")), out.freeze(), Bytes::new()),
        }
        assert!(
            kind.is_some() || input.len() < PACKET_LEN,
            "a complete packet is kept"
        );
    }
    assert!(out.len() <= 1 + 2 * PACKET_LEN);
    (Ok(kind), out.freeze(), input.freeze())
}

fn server<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut server = ServerHandshake::new(7, |bytes| bytes.fill(9));
    shake(&mut |input, out| server.handle_input(input, out), reads)
}

fn client<'a>(config: ClientHandshakeConfig, reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut client = ClientHandshake::new(config, 7, |bytes| bytes.fill(9));
    client.start(&mut BytesMut::new());
    shake(&mut |input, out| client.handle_input(input, out), reads)
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((seed, bytes)) = crate::split_seed(data) else {
        return;
    };
    assert_eq!(server(iter::once(bytes)), server(crate::reads(seed, bytes)));
    for config in [
        ClientHandshakeConfig::default(),
        ClientHandshakeConfig::default().offer(HandshakeKind::Simple),
    ] {
        assert_eq!(
            client(config, iter::once(bytes)),
            client(config, crate::reads(seed, bytes))
        );
    }
}
