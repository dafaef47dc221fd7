//! The handshake that opens every connection (RTMP 1.0 section 5.2).
//!
//! Each end sends one version byte (C0, S0) and two packets of [`PACKET_LEN`] bytes (C1 and C2, S1 and S2). There
//! are two forms:
//!
//! - *simple*, the one that the specification describes: packet 1 is a time and random bytes, packet 2 an echo of
//!   the peer's packet 1;
//! - *digest*, not in the specification and used by Adobe's products and by FFmpeg: the version bytes of packet 1
//!   are not zero, an HMAC-SHA256 digest hides among its random bytes, and packet 2 ends with a signature of the
//!   peer's digest. Its keys are public: it proves which family of software speaks, not who does.
//!
//! ```text
//! client                                       server
//!   start --C0 C1----------------------------->  C0 C1 complete: zero version bytes or no valid digest -> simple
//!                                                                valid digest, in either layout      -> digest
//!   S1 complete: form known <---S0 S1 S2-------  (at once, without waiting for C2)
//!         --C2-------------------------------->  C2 complete: done
//!   S2 complete: done
//! ```
//!
//! [`ClientHandshake`] and [`ServerHandshake`] are calculations: the time and the random bytes are arguments, and
//! bytes go from one buffer to the other. A deadline is left to the caller. Neither takes a packet from the input
//! before it is complete, and neither touches what follows the handshake, so the caller's buffer has to grow to
//! `PACKET_LEN` bytes and no further, and what is left in it at the end is the start of the chunk stream.
//!
//! ```
//! use bytes::BytesMut;
//! use rtmp_core::handshake::{ClientHandshake, ClientHandshakeConfig, HandshakeKind, Layout, ServerHandshake};
//!
//! // Real callers pass their clock and their random source.
//! let mut client = ClientHandshake::new(ClientHandshakeConfig::default(), 0, |bytes| bytes.fill(7));
//! let mut server = ServerHandshake::new(0, |bytes| bytes.fill(9));
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
//!
//! client.start(&mut to_server);
//! assert_eq!(server.handle_input(&mut to_server, &mut to_client)?, None);
//! let client_kind = client.handle_input(&mut to_client, &mut to_server)?;
//! let server_kind = server.handle_input(&mut to_server, &mut to_client)?;
//! assert_eq!(client_kind, Some(HandshakeKind::Digest(Layout::DigestFirst)));
//! assert_eq!(server_kind, client_kind);
//! # Ok::<(), rtmp_core::handshake::HandshakeError>(())
//! ```

mod client;
mod digest;
mod error;
mod server;
mod simple;

use digest::Digest;

pub use client::{ClientHandshake, ClientHandshakeConfig};
pub use error::{HandshakeError, HandshakePacket};
pub use server::{ServerHandshake, ServerHandshakeConfig};

/// The version of RTMP, sent as C0 and S0 (RTMP 1.0 section 5.2.2).
pub const VERSION: u8 = 3;

/// The length in bytes of each of C1, S1, C2 and S2 (RTMP 1.0 sections 5.2.3 and 5.2.4).
pub const PACKET_LEN: usize = 1536;

type Packet = [u8; PACKET_LEN];

/// Bytes 4 to 7 of packet 1, which the specification calls "zero".
type VersionBytes = [u8; 4];

/// The form of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeKind {
    /// Random bytes and their echo (RTMP 1.0 section 5.2).
    Simple,
    /// Digests and signatures. Not specified; spoken by Flash Player 9.0.115 and later, Adobe Media Server, FFmpeg.
    Digest(Layout),
}

/// Where packet 1 of a digest handshake has its digest: the 1528 bytes behind the time and version fields are two
/// blocks of 764 bytes. The other block holds the key of encrypted variants, and random bytes otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// The digest is in the first block. Adobe Media Server understands only this one from clients.
    DigestFirst,
    /// The digest is in the second block.
    KeyFirst,
}

impl Layout {
    fn other(self) -> Self {
        match self {
            Self::DigestFirst => Self::KeyFirst,
            Self::KeyFirst => Self::DigestFirst,
        }
    }
}

/// The form that the two packets 1 have settled, with what is needed to check the peer's packet 2.
#[derive(Clone, Copy)]
enum Form {
    Simple,
    Digest { layout: Layout, own_digest: Digest },
}

impl Form {
    fn kind(self) -> HandshakeKind {
        match self {
            Self::Simple => HandshakeKind::Simple,
            Self::Digest { layout, .. } => HandshakeKind::Digest(layout),
        }
    }
}

fn version_bytes(packet1: &Packet) -> VersionBytes {
    let [_, _, _, _, a, b, c, d, ..] = *packet1;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};
    use proptest::prelude::*;

    use super::*;

    pub(super) fn client(offer: HandshakeKind, strict: bool) -> ClientHandshake {
        let config = ClientHandshakeConfig::default().offer(offer).strict_echo(strict);
        ClientHandshake::new(config, 0x0102_0304, filler(5))
    }

    pub(super) fn server(strict: bool) -> ServerHandshake {
        let config = ServerHandshakeConfig::default().strict_echo(strict);
        ServerHandshake::with_config(config, 0x0506_0708, filler(11))
    }

    pub(super) fn filler(seed: u8) -> impl FnOnce(&mut [u8]) {
        move |bytes| {
            let mut last = seed;
            bytes.fill_with(|| {
                last = last.wrapping_mul(109).wrapping_add(89);
                last
            });
        }
    }

    const KINDS: [HandshakeKind; 3] = [
        HandshakeKind::Simple,
        HandshakeKind::Digest(Layout::DigestFirst),
        HandshakeKind::Digest(Layout::KeyFirst),
    ];

    /// Moves `len` bytes at most from one end's output to the other's input.
    fn carry(from: &mut BytesMut, to: &mut BytesMut, len: usize) -> bool {
        let part = from.split_to(len.min(from.len()));
        to.extend_from_slice(&part);
        !part.is_empty()
    }

    /// Runs both roles against each other over lines that deliver the bytes in pieces, and chunk data behind the
    /// handshake in both directions. Gives what each found, and what each left in its input.
    fn run(offer: HandshakeKind, strict: bool, cuts: &[usize]) -> [(HandshakeKind, Vec<u8>); 2] {
        let (mut client, mut server) = (client(offer, strict), server(strict));
        let [mut client_out, mut client_in, mut server_out, mut server_in] =
            [(); 4].map(|()| BytesMut::new());
        let (mut client_kind, mut server_kind) = (None, None);
        let mut cuts = cuts.iter().copied().cycle();
        client.start(&mut client_out);
        loop {
            let cut = cuts.next().unwrap();
            let mut moved = carry(&mut client_out, &mut server_in, cut);
            if server_kind.is_none() {
                server_kind = server.handle_input(&mut server_in, &mut server_out).unwrap();
                if server_kind.is_some() {
                    server_out.extend_from_slice(b"from server");
                }
            }
            moved |= carry(&mut server_out, &mut client_in, cut);
            if client_kind.is_none() {
                client_kind = client.handle_input(&mut client_in, &mut client_out).unwrap();
                if client_kind.is_some() {
                    client_out.extend_from_slice(b"from client");
                }
            }
            assert!(client_in.len() < PACKET_LEN + cut && server_in.len() < PACKET_LEN + cut);
            if !moved {
                return [
                    (client_kind.unwrap(), client_in.to_vec()),
                    (server_kind.unwrap(), server_in.to_vec()),
                ];
            }
        }
    }

    #[test]
    fn both_roles_agree_on_every_kind_and_pass_each_others_strict_checks() {
        for kind in KINDS {
            for strict in [false, true] {
                for cut in [1, 1536, 1537, 10_000] {
                    let [client, server] = run(kind, strict, &[cut]);
                    assert_eq!(
                        client,
                        (kind, b"from server".to_vec()),
                        "{kind:?} in pieces of {cut}"
                    );
                    assert_eq!(
                        server,
                        (kind, b"from client".to_vec()),
                        "{kind:?} in pieces of {cut}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn where_the_socket_cuts_does_not_matter(
            kind in prop::sample::select(&KINDS[..]),
            cuts in prop::collection::vec(1_usize..4000, 1..8),
        ) {
            let [client, server] = run(kind, true, &cuts);
            prop_assert_eq!(client, (kind, b"from server".to_vec()));
            prop_assert_eq!(server, (kind, b"from client".to_vec()));
        }

        #[test]
        fn no_input_panics_or_is_taken_beyond_the_handshake(
            noise in prop::collection::vec(any::<u8>(), 0..8000),
            first in prop::option::of(0_u8..10),
            strict in any::<bool>(),
            cut in 1_usize..4000,
        ) {
            let noise: Vec<u8> = first.into_iter().chain(noise).collect();
            let (mut client, mut server) = (client(KINDS[1], strict), server(strict));
            for is_client in [true, false] {
                let (mut input, mut out, mut given) = (BytesMut::new(), BytesMut::new(), 0);
                let outcome = noise.chunks(cut).try_for_each(|part| {
                    input.extend_from_slice(part);
                    given += part.len();
                    let outcome = match is_client {
                        true => client.handle_input(&mut input, &mut out),
                        false => server.handle_input(&mut input, &mut out),
                    };
                    outcome.map(drop)
                });
                let taken = given - input.remaining();
                prop_assert!(taken <= 1 + 2 * PACKET_LEN && out.len() <= 1 + 2 * PACKET_LEN);
                if outcome.is_ok() {
                    prop_assert_eq!(&input[..], &noise[taken..]);
                    prop_assert!(input.len() < PACKET_LEN || taken == 1 + 2 * PACKET_LEN);
                }
            }
        }
    }
}
