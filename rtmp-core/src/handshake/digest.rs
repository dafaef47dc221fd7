//! Digests and signatures of the digest form.
//!
//! Not specified by Adobe; known from Flash Player, Adobe Media Server, FFmpeg, librtmp and nginx-rtmp.
//!
//! | layout | bytes 8..772 | bytes 772..1536 |
//! |---|---|---|
//! | digest-first | digest block | key block |
//! | key-first | key block | digest block |
//!
//! A digest block starts with four bytes whose sum, modulo 728, is the place of the 32-byte digest behind them. The
//! digest is the HMAC-SHA256 of the rest of the packet. Packet 2 ends with a signature: the HMAC-SHA256 of what
//! precedes it, keyed with the HMAC-SHA256 of the digest in the peer's packet 1.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "places are constants, but for that of a digest, which ends inside the packet"
)]

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Layout, PACKET_LEN, Packet};

const DIGEST_LEN: usize = 32;

/// Where the signature of packet 2 starts.
const SIGNATURE_POSITION: usize = PACKET_LEN - DIGEST_LEN;

/// Where a digest can start behind the four offset bytes of its block of 764 bytes.
const POSITIONS: usize = 764 - 4 - DIGEST_LEN;

const CLIENT_KEY: &[u8; 62] = b"Genuine Adobe Flash Player 001\
    \xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57\
    \x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae";

const SERVER_KEY: &[u8; 68] = b"Genuine Adobe Flash Media Server 001\
    \xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57\
    \x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae";

pub(super) type Digest = [u8; DIGEST_LEN];

/// Whose packet it is, which decides the key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signer {
    Client,
    Server,
}

impl Signer {
    /// The key of the digest in packet 1: only the text.
    fn digest_key(self) -> &'static [u8] {
        match self {
            Self::Client => &CLIENT_KEY[..30],
            Self::Server => &SERVER_KEY[..36],
        }
    }

    /// The key that signs packet 2: the text and the 32 bytes behind it.
    fn signature_key(self) -> &'static [u8] {
        match self {
            Self::Client => CLIENT_KEY,
            Self::Server => SERVER_KEY,
        }
    }
}

/// Puts the digest into packet 1, whose other bytes must be final, and returns it.
pub(super) fn write_digest(packet1: &mut Packet, layout: Layout, signer: Signer) -> Digest {
    let position = digest_position(packet1, layout);
    let digest = packet1_digest(packet1, position, signer);
    packet1[position..position + DIGEST_LEN].copy_from_slice(&digest);
    digest
}

/// The valid digest in the peer's packet 1, if it has one in the first or else the second of `layouts`.
pub(super) fn find_digest(
    packet1: &Packet,
    layouts: [Layout; 2],
    signer: Signer,
) -> Option<(Layout, Digest)> {
    layouts.into_iter().find_map(|layout| {
        let position = digest_position(packet1, layout);
        let digest = packet1_digest(packet1, position, signer);
        (packet1[position..position + DIGEST_LEN] == digest).then_some((layout, digest))
    })
}

/// Puts the signature for the peer's digest at the end of packet 2, whose other bytes must be final.
pub(super) fn sign(packet2: &mut Packet, peer_digest: &Digest, signer: Signer) {
    let signature = signature(packet2, peer_digest, signer);
    packet2[SIGNATURE_POSITION..].copy_from_slice(&signature);
}

/// Whether the peer signed its packet 2 for our digest.
pub(super) fn is_signed(packet2: &Packet, our_digest: &Digest, signer: Signer) -> bool {
    packet2[SIGNATURE_POSITION..] == signature(packet2, our_digest, signer)
}

/// At most 1503, so that the digest ends inside the packet.
fn digest_position(packet: &Packet, layout: Layout) -> usize {
    let block = match layout {
        Layout::DigestFirst => 8,
        Layout::KeyFirst => 772,
    };
    let sum: usize = packet[block..block + 4]
        .iter()
        .map(|byte| usize::from(*byte))
        .sum();
    block + 4 + sum % POSITIONS
}

fn packet1_digest(packet1: &Packet, position: usize, signer: Signer) -> Digest {
    hmac(
        signer.digest_key(),
        [&packet1[..position], &packet1[position + DIGEST_LEN..]],
    )
}

fn signature(packet2: &Packet, digest: &Digest, signer: Signer) -> Digest {
    let key = hmac(signer.signature_key(), [digest, &[]]);
    hmac(&key, [&packet2[..SIGNATURE_POSITION], &[]])
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hmac(key: &[u8], parts: [&[u8]; 2]) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAYOUTS: [Layout; 2] = [Layout::DigestFirst, Layout::KeyFirst];

    const JSON: &str = include_str!("../../../tests/vectors/handshake/handshake.json");
    const VECTORS: [(Layout, &str, &[u8], &[u8]); 2] = [
        (
            Layout::DigestFirst,
            "digest-first",
            include_bytes!("../../../tests/vectors/handshake/digest-first.c0c1c2.bin"),
            include_bytes!("../../../tests/vectors/handshake/digest-first.s0s1s2.bin"),
        ),
        (
            Layout::KeyFirst,
            "key-first",
            include_bytes!("../../../tests/vectors/handshake/key-first.c0c1c2.bin"),
            include_bytes!("../../../tests/vectors/handshake/key-first.s0s1s2.bin"),
        ),
    ];

    fn packet(bytes: &[u8], number: usize) -> Packet {
        *bytes[1 + (number - 1) * PACKET_LEN..].first_chunk().unwrap()
    }

    /// The text of a field in `handshake.json`, which has one object for each layout.
    fn field(layout: &str, name: &str) -> &'static str {
        let object = JSON.split_once(&format!("\"{layout}\":")).unwrap().1;
        let value = object.split_once(&format!("\"{name}\": ")).unwrap().1;
        value.split([',', '\n']).next().unwrap().trim_matches('"')
    }

    #[test]
    fn offsets_and_digests_equal_the_vectors() {
        for (layout, name, client, server) in VECTORS {
            for (bytes, signer, prefix) in [(client, Signer::Client, "c1"), (server, Signer::Server, "s1")] {
                let mut packet1 = packet(bytes, 1);
                let position = digest_position(&packet1, layout);
                assert_eq!(
                    position.to_string(),
                    field(name, &format!("{prefix}_digest_offset"))
                );
                let (found, digest) = find_digest(&packet1, LAYOUTS, signer).unwrap();
                assert_eq!(
                    (found, hex::encode(digest).as_str()),
                    (layout, field(name, &format!("{prefix}_digest")))
                );
                packet1[position..position + DIGEST_LEN].fill(0);
                assert_eq!(find_digest(&packet1, LAYOUTS, signer), None);
                assert_eq!(write_digest(&mut packet1, layout, signer), digest);
                assert_eq!(packet1, packet(bytes, 1));
            }
        }
    }

    #[test]
    fn signatures_equal_the_vectors() {
        for (_, name, client, server) in VECTORS {
            for (bytes, peer, signer, prefix) in [
                (client, server, Signer::Client, "c2"),
                (server, client, Signer::Server, "s2"),
            ] {
                let peer_signer = if prefix == "c2" {
                    Signer::Server
                } else {
                    Signer::Client
                };
                let (_, digest) = find_digest(&packet(peer, 1), LAYOUTS, peer_signer).unwrap();
                let mut packet2 = packet(bytes, 2);
                assert!(is_signed(&packet2, &digest, signer));
                packet2[SIGNATURE_POSITION..].fill(0);
                assert!(!is_signed(&packet2, &digest, signer));
                sign(&mut packet2, &digest, signer);
                assert_eq!(packet2, packet(bytes, 2));
                let signature = hex::encode(&packet2[SIGNATURE_POSITION..]);
                assert_eq!(signature, field(name, &format!("{prefix}_signature")));
            }
        }
    }

    #[test]
    fn digest_positions_follow_the_sum_of_the_offset_bytes_modulo_728() {
        let cases = [
            ([0, 0, 0, 0], 0),
            ([255, 255, 217, 0], 727),
            ([255, 255, 218, 0], 0),
            ([255, 0, 0, 0], 255),
            ([0, 0, 0, 255], 255),
            ([255, 255, 255, 255], 292),
        ];
        for (offset_bytes, position) in cases {
            let mut packet = [0; PACKET_LEN];
            packet[8..12].copy_from_slice(&offset_bytes);
            assert_eq!(digest_position(&packet, Layout::DigestFirst), 12 + position);
            let mut packet = [0; PACKET_LEN];
            packet[772..776].copy_from_slice(&offset_bytes);
            assert_eq!(digest_position(&packet, Layout::KeyFirst), 776 + position);
        }
    }

    proptest! {
        #[test]
        fn a_digest_is_found_at_every_offset_and_only_while_the_packet_is_whole(
            offset_bytes in any::<[u8; 4]>(),
            layout in prop::sample::select(&LAYOUTS[..]),
            damaged in 0..PACKET_LEN,
        ) {
            let mut packet1 = [0x5A; PACKET_LEN];
            packet1[8..12].copy_from_slice(&offset_bytes);
            packet1[772..776].copy_from_slice(&offset_bytes);
            let digest = write_digest(&mut packet1, layout, Signer::Client);
            prop_assert_eq!(find_digest(&packet1, LAYOUTS, Signer::Client), Some((layout, digest)));
            prop_assert_eq!(find_digest(&packet1, LAYOUTS, Signer::Server), None);
            packet1[damaged] ^= 1;
            prop_assert_eq!(find_digest(&packet1, LAYOUTS, Signer::Client), None);
        }
    }
}
