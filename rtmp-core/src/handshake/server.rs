//! The server's side of the handshake.

use std::fmt;

use bytes::{Buf, BytesMut};

use super::digest::{self, Signer};
use super::error::check_version;
use super::{Form, HandshakeError, HandshakeKind, HandshakePacket, Layout, PACKET_LEN, Packet};
use super::{VERSION, VersionBytes, simple, version_bytes};

/// How a server shakes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHandshakeConfig {
    version: VersionBytes,
    strict_echo: bool,
}

impl Default for ServerHandshakeConfig {
    /// Version bytes 4.5.0.1, and no look at what C2 contains.
    fn default() -> Self {
        Self {
            version: [4, 5, 0, 1],
            strict_echo: false,
        }
    }
}

impl ServerHandshakeConfig {
    /// The version bytes of S1 in the digest form. In the simple form they are always zero: FFmpeg, when it plays,
    /// demands a digest of servers whose first version byte is 3 or more.
    #[must_use]
    pub fn version(mut self, version: [u8; 4]) -> Self {
        self.version = version;
        self
    }

    /// Whether a C2 that is not the echo of S1 (simple form) or not signed for it (digest form) fails the
    /// handshake. Off by default: FFmpeg, for one, echoes S1 instead of signing C2 when it publishes.
    #[must_use]
    pub fn strict_echo(mut self, strict: bool) -> Self {
        self.strict_echo = strict;
        self
    }
}

/// Answers the handshake of one client (RTMP 1.0 section 5.2).
///
/// It answers in the form that the client offers: digest, in the same layout, if C1 has version bytes and a valid
/// digest, and simple otherwise. S0, S1 and S2 are sent together as soon as C1 is complete. Every C0 below 32 that
/// is not known to mean something else is answered with version 3.
pub struct ServerHandshake {
    config: ServerHandshakeConfig,
    s1: Box<Packet>,
    phase: Phase,
}

/// version --C0--> packet 1 --C1, S0 S1 S2--> packet 2 --C2--> done
#[derive(Clone, Copy)]
enum Phase {
    Version,
    Packet1,
    Packet2(Form),
    Done(HandshakeKind),
}

impl ServerHandshake {
    /// A handshake with the default configuration; see [`with_config`](Self::with_config).
    #[must_use]
    pub fn new(now_millis: u32, fill_random: impl FnOnce(&mut [u8])) -> Self {
        Self::with_config(ServerHandshakeConfig::default(), now_millis, fill_random)
    }

    /// A handshake whose S1 has the time `now_millis`, in milliseconds on any clock, and the bytes with which
    /// `fill_random` fills the slice it is called with. They need not be secret, only differ between connections.
    #[must_use]
    pub fn with_config(
        config: ServerHandshakeConfig,
        now_millis: u32,
        fill_random: impl FnOnce(&mut [u8]),
    ) -> Self {
        Self {
            config,
            s1: simple::packet1(now_millis, [0; 4], fill_random),
            phase: Phase::Version,
        }
    }

    /// Takes complete packets from the front of `input` and appends what to send to `out`. Gives the form of the
    /// handshake when it is done, and `None` when it needs more input. Then, what remains in `input` is chunk data;
    /// further calls take nothing.
    ///
    /// # Errors
    ///
    /// If the client speaks no RTMP or an encrypted variant, as soon as its first byte is there; or if
    /// [`strict_echo`](ServerHandshakeConfig::strict_echo) is on and C2 is wrong. Nothing is taken from `input`
    /// then, and the connection has to be closed.
    pub fn handle_input(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<HandshakeKind>, HandshakeError> {
        loop {
            self.phase = match self.phase {
                Phase::Version => {
                    let Some(c0) = input.first() else { return Ok(None) };
                    check_version(*c0)?;
                    input.advance(1);
                    Phase::Packet1
                }
                Phase::Packet1 => {
                    let Some(c1) = input.first_chunk() else {
                        return Ok(None);
                    };
                    let form = self.answer(c1, out);
                    input.advance(PACKET_LEN);
                    Phase::Packet2(form)
                }
                Phase::Packet2(form) => {
                    let Some(c2) = input.first_chunk() else {
                        return Ok(None);
                    };
                    self.check_c2(form, c2)?;
                    input.advance(PACKET_LEN);
                    Phase::Done(form.kind())
                }
                Phase::Done(kind) => return Ok(Some(kind)),
            }
        }
    }

    /// To be called when the client has ended its side of the connection.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::ConnectionClosed`] if the handshake is not done.
    pub fn handle_eof(&self) -> Result<(), HandshakeError> {
        self.awaits().map_or(Ok(()), |awaited| {
            Err(HandshakeError::ConnectionClosed { awaited })
        })
    }

    /// The packet that the handshake needs next; `None` once it is done.
    #[must_use]
    pub fn awaits(&self) -> Option<HandshakePacket> {
        match self.phase {
            Phase::Version => Some(HandshakePacket::C0),
            Phase::Packet1 => Some(HandshakePacket::C1),
            Phase::Packet2(_) => Some(HandshakePacket::C2),
            Phase::Done(_) => None,
        }
    }

    /// Sends S0, S1 and S2. S2 is a copy of C1, which in the digest form ends with the signature.
    fn answer(&mut self, c1: &Packet, out: &mut BytesMut) -> Form {
        let mut s2 = *c1;
        let offered = match version_bytes(c1) {
            [0, 0, 0, 0] => None,
            // Most clients put the digest first; each place that is tried costs a hash of all of C1.
            _ => digest::find_digest(c1, [Layout::DigestFirst, Layout::KeyFirst], Signer::Client),
        };
        let form = match offered {
            None => Form::Simple,
            Some((layout, c1_digest)) => {
                let s1: &mut Packet = &mut self.s1;
                s1[4..8].copy_from_slice(&self.config.version);
                digest::sign(&mut s2, &c1_digest, Signer::Server);
                Form::Digest {
                    layout,
                    own_digest: digest::write_digest(&mut self.s1, layout, Signer::Server),
                }
            }
        };
        out.extend_from_slice(&[VERSION]);
        out.extend_from_slice(&self.s1[..]);
        out.extend_from_slice(&s2);
        form
    }

    fn check_c2(&self, form: Form, c2: &Packet) -> Result<(), HandshakeError> {
        let packet = HandshakePacket::C2;
        match form {
            _ if !self.config.strict_echo => Ok(()),
            Form::Simple if simple::is_echo(c2, &self.s1) => Ok(()),
            Form::Simple => Err(HandshakeError::EchoMismatch { packet }),
            Form::Digest { own_digest, .. } if digest::is_signed(c2, &own_digest, Signer::Client) => Ok(()),
            Form::Digest { .. } => Err(HandshakeError::SignatureMismatch { packet }),
        }
    }
}

impl fmt::Debug for ServerHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandshake")
            .field("config", &self.config)
            .field("awaits", &self.awaits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{client, server};
    use super::*;

    const FFMPEG: &[u8] = include_bytes!("../../../tests/vectors/handshake/ffmpeg5-publish.c0c1c2.bin");
    const LIBRTMP: &[u8] = include_bytes!("../../../tests/vectors/handshake/librtmp-publish.c0c1c2.bin");
    const DIGEST_FIRST: &[u8] = include_bytes!("../../../tests/vectors/handshake/digest-first.c0c1c2.bin");
    const KEY_FIRST: &[u8] = include_bytes!("../../../tests/vectors/handshake/key-first.c0c1c2.bin");

    const C0C1: usize = 1 + PACKET_LEN;

    /// What the default server finds when it gets all of `bytes` at once, and S0 S1 S2.
    fn shake(bytes: &[u8]) -> (Result<Option<HandshakeKind>, HandshakeError>, BytesMut) {
        let mut out = BytesMut::new();
        let outcome = server(false).handle_input(&mut BytesMut::from(bytes), &mut out);
        (outcome, out)
    }

    #[test]
    fn the_digest_of_ffmpeg_and_of_both_layouts_is_recognised() {
        for (bytes, layout) in [
            (FFMPEG, Layout::DigestFirst),
            (DIGEST_FIRST, Layout::DigestFirst),
            (KEY_FIRST, Layout::KeyFirst),
        ] {
            let (outcome, out) = shake(bytes);
            assert_eq!(outcome, Ok(Some(HandshakeKind::Digest(layout))));
            assert_eq!(
                (out.len(), out[0], &out[5..9]),
                (1 + 2 * PACKET_LEN, 3, &[4, 5, 0, 1][..])
            );
            let s1 = out[1..].first_chunk().unwrap();
            assert_eq!(
                digest::find_digest(s1, [layout; 2], Signer::Server).map(|(found, _)| found),
                Some(layout)
            );
        }
    }

    #[test]
    fn a_c1_without_version_bytes_gets_a_simple_answer_with_its_echo() {
        let (outcome, out) = shake(LIBRTMP);
        assert_eq!(outcome, Ok(Some(HandshakeKind::Simple)));
        assert_eq!(out[..9], [3, 5, 6, 7, 8, 0, 0, 0, 0]);
        assert_eq!(out[C0C1..], LIBRTMP[1..C0C1]);
    }

    #[test]
    fn a_c1_with_version_bytes_and_an_invalid_digest_gets_a_simple_answer() {
        let mut bytes = DIGEST_FIRST.to_vec();
        bytes[700] ^= 1;
        let (outcome, out) = shake(&bytes);
        assert_eq!(outcome, Ok(Some(HandshakeKind::Simple)));
        assert_eq!(out[5..9], [0; 4]);
        assert_eq!(out[C0C1..], bytes[1..C0C1]);
    }

    #[test]
    fn the_answer_is_sent_when_c1_is_complete_and_not_before() {
        let mut server = server(false);
        let (mut input, mut out) = (BytesMut::from(&FFMPEG[..C0C1 - 1]), BytesMut::new());
        assert_eq!(server.handle_input(&mut input, &mut out), Ok(None));
        assert_eq!((out.len(), server.awaits()), (0, Some(HandshakePacket::C1)));
        input.extend_from_slice(&FFMPEG[C0C1 - 1..C0C1]);
        assert_eq!(server.handle_input(&mut input, &mut out), Ok(None));
        assert_eq!(
            (out.len(), server.awaits()),
            (1 + 2 * PACKET_LEN, Some(HandshakePacket::C2))
        );
    }

    #[test]
    fn single_byte_segments_and_chunk_data_behind_c2_work() {
        let mut server = server(false);
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        for (at, byte) in FFMPEG.iter().enumerate() {
            input.extend_from_slice(&[*byte]);
            let done = server.handle_input(&mut input, &mut out).unwrap().is_some();
            assert_eq!(done, at + 1 == FFMPEG.len());
        }
        input.extend_from_slice(b"chunk");
        assert_eq!(
            server.handle_input(&mut input, &mut out),
            Ok(Some(HandshakeKind::Digest(Layout::DigestFirst)))
        );
        assert_eq!(
            (&input[..], out.len(), server.awaits()),
            (&b"chunk"[..], 1 + 2 * PACKET_LEN, None)
        );
    }

    #[test]
    fn other_protocols_are_told_by_the_first_byte() {
        for (first_byte, hint) in [
            (0x16, ", the peer seems to speak TLS"),
            (b'G', ", the peer seems to speak HTTP"),
            (b'P', ", the peer seems to speak HTTP"),
            (b'H', ", the peer seems to speak HTTP"),
            (32, ""),
            (255, ""),
        ] {
            let (outcome, out) = shake(&[first_byte]);
            let error = outcome.unwrap_err();
            assert_eq!(error, HandshakeError::NotRtmp { first_byte });
            assert_eq!(
                error.to_string(),
                format!("not RTMP: the first byte is {first_byte:#04x}{hint}")
            );
            assert!(out.is_empty());
        }
    }

    #[test]
    fn encrypted_variants_are_refused_at_the_first_byte() {
        for version in [6, 8, 9] {
            let (outcome, out) = shake(&[version]);
            assert_eq!(
                (outcome, out.len()),
                (Err(HandshakeError::EncryptedNotSupported { version }), 0)
            );
        }
    }

    #[test]
    fn other_versions_are_answered_with_version_3() {
        for version in [0, 1, 2, 4, 5, 7, 10, 31] {
            let bytes = [&[version], &LIBRTMP[1..]].concat();
            let (outcome, out) = shake(&bytes);
            assert_eq!((outcome, out[0]), (Ok(Some(HandshakeKind::Simple)), VERSION));
        }
    }

    #[test]
    fn c2_is_enforced_only_on_request() {
        let mut client = client(HandshakeKind::Digest(Layout::KeyFirst), false);
        let mut c0c1 = BytesMut::new();
        client.start(&mut c0c1);
        let digest_error = HandshakeError::SignatureMismatch {
            packet: HandshakePacket::C2,
        };
        let simple_error = HandshakeError::EchoMismatch {
            packet: HandshakePacket::C2,
        };
        for (c0c1, error) in [(&c0c1[..], digest_error), (&LIBRTMP[..C0C1], simple_error)] {
            let bytes = [c0c1, &[7; PACKET_LEN]].concat();
            assert!(shake(&bytes).0.is_ok());
            let mut strict = server(true);
            let (mut input, mut out) = (BytesMut::from(&bytes[..]), BytesMut::new());
            assert_eq!(strict.handle_input(&mut input, &mut out), Err(error));
            assert_eq!(
                strict.handle_input(&mut input, &mut out),
                Err(error),
                "the error stays"
            );
        }
    }

    #[test]
    fn the_end_of_the_connection_names_the_packet_that_was_awaited() {
        for (received, packet) in [(0, "C0"), (9, "C1"), (C0C1, "C2")] {
            let mut server = server(false);
            server
                .handle_input(&mut BytesMut::from(&FFMPEG[..received]), &mut BytesMut::new())
                .unwrap();
            let error = server.handle_eof().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the connection ended before {packet} was complete")
            );
        }
        let mut server = server(false);
        server
            .handle_input(&mut BytesMut::from(FFMPEG), &mut BytesMut::new())
            .unwrap();
        assert_eq!(server.handle_eof(), Ok(()));
    }
}
