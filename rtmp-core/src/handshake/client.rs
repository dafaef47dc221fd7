//! The client's side of the handshake.

use std::fmt;

use bytes::{Buf, BytesMut};

use super::digest::{self, Digest, Signer};
use super::error::check_version;
use super::{Form, HandshakeError, HandshakeKind, HandshakePacket, Layout, PACKET_LEN, Packet};
use super::{VERSION, VersionBytes, simple, version_bytes};

/// How a client shakes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHandshakeConfig {
    offer: HandshakeKind,
    version: VersionBytes,
    strict_echo: bool,
}

impl Default for ClientHandshakeConfig {
    /// Offers the digest form, digest-first, with version bytes 9.0.124.2 as FFmpeg does; does not demand an echo.
    fn default() -> Self {
        Self {
            offer: HandshakeKind::Digest(Layout::DigestFirst),
            version: [9, 0, 124, 2],
            strict_echo: false,
        }
    }
}

impl ClientHandshakeConfig {
    /// The form offered to the server. A server that does not know the digest form answers with the simple one,
    /// which is accepted; the simple form is never answered with anything else.
    #[must_use]
    pub fn offer(mut self, kind: HandshakeKind) -> Self {
        self.offer = kind;
        self
    }

    /// The version bytes of C1 in the digest form; in the simple form they are zero. Servers take zero bytes for an
    /// offer of the simple form, whatever follows.
    #[must_use]
    pub fn version(mut self, version: [u8; 4]) -> Self {
        self.version = version;
        self
    }

    /// Whether an S2 that is not the echo of C1 fails a simple handshake. Off by default, as many servers do not
    /// echo. The signature of a digest handshake is always checked.
    #[must_use]
    pub fn strict_echo(mut self, strict: bool) -> Self {
        self.strict_echo = strict;
        self
    }
}

/// Opens a connection to a server (RTMP 1.0 section 5.2).
///
/// C2 is sent as soon as S1 is complete, without waiting for S2: servers exist that send S2 only after C2, and all
/// accept this order, which is librtmp's.
pub struct ClientHandshake {
    config: ClientHandshakeConfig,
    c1: Box<Packet>,
    offered: Option<(Layout, Digest)>,
    phase: Phase,
}

/// start --C0 C1--> version --S0--> packet 1 --S1, C2--> packet 2 --S2--> done
#[derive(Clone, Copy)]
enum Phase {
    Start,
    Version,
    Packet1,
    Packet2(Form),
    Done(HandshakeKind),
}

impl ClientHandshake {
    /// A handshake whose C1 has the time `now_millis`, in milliseconds on any clock, and the bytes with which
    /// `fill_random` fills the slice it is called with. They need not be secret, only differ between connections.
    #[must_use]
    pub fn new(config: ClientHandshakeConfig, now_millis: u32, fill_random: impl FnOnce(&mut [u8])) -> Self {
        let (c1, offered) = match config.offer {
            HandshakeKind::Simple => (simple::packet1(now_millis, [0; 4], fill_random), None),
            HandshakeKind::Digest(layout) => {
                let mut c1 = simple::packet1(now_millis, config.version, fill_random);
                let digest = digest::write_digest(&mut c1, layout, Signer::Client);
                (c1, Some((layout, digest)))
            }
        };
        Self {
            config,
            c1,
            offered,
            phase: Phase::Start,
        }
    }

    /// Appends C0 and C1 to `out`, the first time it is called.
    pub fn start(&mut self, out: &mut BytesMut) {
        if let Phase::Start = self.phase {
            out.extend_from_slice(&[VERSION]);
            out.extend_from_slice(&self.c1[..]);
            self.phase = Phase::Version;
        }
    }

    /// Takes complete packets from the front of `input` and appends what to send to `out`, first of all what
    /// [`start`](Self::start) would. Gives the form of the handshake when it is done, and `None` when it needs more
    /// input. Then, what remains in `input` is chunk data; further calls take nothing. The layout of a digest
    /// handshake is that of the server's packets, which may differ from the one offered.
    ///
    /// # Errors
    ///
    /// If the server speaks no RTMP, an encrypted variant or another version, as soon as its first byte is there; if
    /// S1 has a valid digest and S2 a wrong signature; or if [`strict_echo`](ClientHandshakeConfig::strict_echo) is
    /// on and S2 is no echo. Nothing is taken from `input` then, and the connection has to be closed.
    pub fn handle_input(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<HandshakeKind>, HandshakeError> {
        self.start(out);
        loop {
            self.phase = match self.phase {
                Phase::Start | Phase::Version => {
                    let Some(s0) = input.first() else { return Ok(None) };
                    check_s0(*s0)?;
                    input.advance(1);
                    Phase::Packet1
                }
                Phase::Packet1 => {
                    let Some(s1) = input.first_chunk() else {
                        return Ok(None);
                    };
                    let form = self.answer(s1, out);
                    input.advance(PACKET_LEN);
                    Phase::Packet2(form)
                }
                Phase::Packet2(form) => {
                    let Some(s2) = input.first_chunk() else {
                        return Ok(None);
                    };
                    self.check_s2(form, s2)?;
                    input.advance(PACKET_LEN);
                    Phase::Done(form.kind())
                }
                Phase::Done(kind) => return Ok(Some(kind)),
            }
        }
    }

    /// To be called when the server has ended its side of the connection.
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
            Phase::Start | Phase::Version => Some(HandshakePacket::S0),
            Phase::Packet1 => Some(HandshakePacket::S1),
            Phase::Packet2(_) => Some(HandshakePacket::S2),
            Phase::Done(_) => None,
        }
    }

    /// Sends C2, a copy of S1, which in the digest form ends with the signature.
    ///
    /// The answer is in the simple form if S1 has zero version bytes, and also if it has others but no valid digest:
    /// such servers fill packet 1 with whatever they like.
    fn answer(&self, s1: &Packet, out: &mut BytesMut) -> Form {
        let mut c2 = *s1;
        let offered = self.offered.filter(|_| version_bytes(s1) != [0; 4]);
        let answered = offered.and_then(|(layout, own_digest)| {
            let layouts = [layout, layout.other()];
            let (layout, s1_digest) = digest::find_digest(s1, layouts, Signer::Server)?;
            digest::sign(&mut c2, &s1_digest, Signer::Client);
            Some(Form::Digest { layout, own_digest })
        });
        out.extend_from_slice(&c2);
        answered.unwrap_or(Form::Simple)
    }

    fn check_s2(&self, form: Form, s2: &Packet) -> Result<(), HandshakeError> {
        let packet = HandshakePacket::S2;
        match form {
            Form::Simple if self.config.strict_echo && !simple::is_echo(s2, &self.c1) => {
                Err(HandshakeError::EchoMismatch { packet })
            }
            Form::Digest { own_digest, .. } if !digest::is_signed(s2, &own_digest, Signer::Server) => {
                Err(HandshakeError::SignatureMismatch { packet })
            }
            Form::Simple | Form::Digest { .. } => Ok(()),
        }
    }
}

fn check_s0(version: u8) -> Result<(), HandshakeError> {
    check_version(version)?;
    match version {
        VERSION => Ok(()),
        _ => Err(HandshakeError::UnsupportedVersion { version }),
    }
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake")
            .field("config", &self.config)
            .field("awaits", &self.awaits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::client;
    use super::*;

    const DIGEST_FIRST: HandshakeKind = HandshakeKind::Digest(Layout::DigestFirst);
    const KEY_FIRST: HandshakeKind = HandshakeKind::Digest(Layout::KeyFirst);

    /// What the client sends, what the server answers, and the layout offered.
    const DIGEST_EXCHANGES: [(&[u8], &[u8], HandshakeKind); 3] = [
        (
            include_bytes!("../../../tests/vectors/handshake/digest-first.c0c1c2.bin"),
            include_bytes!("../../../tests/vectors/handshake/digest-first.s0s1s2.bin"),
            DIGEST_FIRST,
        ),
        (
            include_bytes!("../../../tests/vectors/handshake/key-first.c0c1c2.bin"),
            include_bytes!("../../../tests/vectors/handshake/key-first.s0s1s2.bin"),
            KEY_FIRST,
        ),
        (
            include_bytes!("../../../tests/vectors/handshake/ffmpeg5-publish.c0c1c2.bin"),
            include_bytes!("../../../tests/vectors/handshake/ffmpeg5-publish.s0s1s2.bin"),
            DIGEST_FIRST,
        ),
    ];
    const LIBRTMP: &[u8] = include_bytes!("../../../tests/vectors/handshake/librtmp-publish.c0c1c2.bin");
    const NGINX_SIMPLE: &[u8] = include_bytes!("../../../tests/vectors/handshake/librtmp-publish.s0s1s2.bin");

    const C0C1: usize = 1 + PACKET_LEN;

    /// A client that sends the recorded C0 and C1.
    fn replay(c0c1: &[u8], offer: HandshakeKind, strict: bool) -> ClientHandshake {
        let time = u32::from_be_bytes(*c0c1[1..].first_chunk().unwrap());
        let config = ClientHandshakeConfig::default().offer(offer).strict_echo(strict);
        let mut client = ClientHandshake::new(config, time, |bytes| bytes.copy_from_slice(&c0c1[9..C0C1]));
        let mut sent = BytesMut::new();
        client.start(&mut sent);
        assert_eq!(sent, c0c1[..C0C1]);
        client
    }

    fn finish(mut client: ClientHandshake, answer: &[u8]) -> Result<Option<HandshakeKind>, HandshakeError> {
        client.handle_input(&mut BytesMut::from(answer), &mut BytesMut::new())
    }

    #[test]
    fn recorded_digest_servers_are_recognised_and_their_signatures_accepted() {
        for (c0c1, answer, kind) in DIGEST_EXCHANGES {
            assert_eq!(finish(replay(c0c1, kind, true), answer), Ok(Some(kind)));
        }
    }

    #[test]
    fn the_server_may_answer_in_the_other_layout() {
        let (_, key_first, _) = DIGEST_EXCHANGES[1];
        let mut client = client(DIGEST_FIRST, false);
        let (mut c0c1, mut c2) = (BytesMut::new(), BytesMut::new());
        client.start(&mut c0c1);
        let (_, c1_digest) = digest::find_digest(
            c0c1[1..].first_chunk().unwrap(),
            [Layout::DigestFirst; 2],
            Signer::Client,
        )
        .unwrap();
        let mut s2 = [1; PACKET_LEN];
        digest::sign(&mut s2, &c1_digest, Signer::Server);
        let mut input = BytesMut::from(&[&key_first[..C0C1], &s2].concat()[..]);
        assert_eq!(client.handle_input(&mut input, &mut c2), Ok(Some(KEY_FIRST)));
    }

    #[test]
    fn a_wrong_s2_signature_is_an_error_in_the_digest_form() {
        for (c0c1, answer, kind) in DIGEST_EXCHANGES {
            for damaged in [C0C1, 2 * PACKET_LEN] {
                let mut answer = answer.to_vec();
                answer[damaged] ^= 1;
                let error = HandshakeError::SignatureMismatch {
                    packet: HandshakePacket::S2,
                };
                assert_eq!(finish(replay(c0c1, kind, false), &answer), Err(error));
            }
        }
    }

    #[test]
    fn simple_answers_are_accepted_whatever_was_offered() {
        for offer in [HandshakeKind::Simple, DIGEST_FIRST, KEY_FIRST] {
            assert_eq!(
                finish(client(offer, false), NGINX_SIMPLE),
                Ok(Some(HandshakeKind::Simple))
            );
        }
    }

    #[test]
    fn an_answer_with_version_bytes_and_no_valid_digest_counts_as_simple() {
        let mut answer = NGINX_SIMPLE.to_vec();
        answer[5..9].copy_from_slice(&[3, 5, 1, 1]);
        assert_eq!(
            finish(client(DIGEST_FIRST, false), &answer),
            Ok(Some(HandshakeKind::Simple))
        );
    }

    #[test]
    fn a_simple_echo_is_enforced_only_on_request() {
        let mut wrong = NGINX_SIMPLE.to_vec();
        wrong[2000] ^= 1;
        let error = HandshakeError::EchoMismatch {
            packet: HandshakePacket::S2,
        };
        let simple = HandshakeKind::Simple;
        assert_eq!(
            finish(replay(LIBRTMP, simple, true), NGINX_SIMPLE),
            Ok(Some(simple))
        );
        assert_eq!(finish(replay(LIBRTMP, simple, false), &wrong), Ok(Some(simple)));
        assert_eq!(finish(replay(LIBRTMP, simple, true), &wrong), Err(error));
    }

    #[test]
    fn c2_is_sent_when_s1_is_complete_without_waiting_for_s2() {
        let mut client = client(HandshakeKind::Simple, false);
        let (mut input, mut out) = (BytesMut::from(&NGINX_SIMPLE[..C0C1 - 1]), BytesMut::new());
        client.start(&mut out);
        assert_eq!(out[..9], [3, 1, 2, 3, 4, 0, 0, 0, 0]);
        out.clear();
        assert_eq!(client.handle_input(&mut input, &mut out), Ok(None));
        assert_eq!((out.len(), client.awaits()), (0, Some(HandshakePacket::S1)));
        input.extend_from_slice(&NGINX_SIMPLE[C0C1 - 1..C0C1]);
        assert_eq!(client.handle_input(&mut input, &mut out), Ok(None));
        assert_eq!(out, NGINX_SIMPLE[1..C0C1]);
        assert_eq!(client.awaits(), Some(HandshakePacket::S2));
        input.extend_from_slice(&NGINX_SIMPLE[C0C1..]);
        input.extend_from_slice(b"chunk");
        assert_eq!(
            client.handle_input(&mut input, &mut out),
            Ok(Some(HandshakeKind::Simple))
        );
        assert_eq!(
            (&input[..], client.awaits(), client.handle_eof()),
            (&b"chunk"[..], None, Ok(()))
        );
    }

    #[test]
    fn other_protocols_and_versions_are_told_by_the_first_byte() {
        let cases = [
            (b'H', HandshakeError::NotRtmp { first_byte: b'H' }),
            (0x15, HandshakeError::NotRtmp { first_byte: 0x15 }),
            (6, HandshakeError::EncryptedNotSupported { version: 6 }),
            (4, HandshakeError::UnsupportedVersion { version: 4 }),
        ];
        for (first_byte, error) in cases {
            assert_eq!(finish(client(DIGEST_FIRST, false), &[first_byte]), Err(error));
        }
    }

    #[test]
    fn the_end_of_the_connection_names_the_packet_that_was_awaited() {
        for (received, awaited) in [
            (0, HandshakePacket::S0),
            (1, HandshakePacket::S1),
            (3000, HandshakePacket::S2),
        ] {
            let mut client = client(DIGEST_FIRST, false);
            let mut input = BytesMut::from(&NGINX_SIMPLE[..received]);
            client.handle_input(&mut input, &mut BytesMut::new()).unwrap();
            assert_eq!(
                client.handle_eof(),
                Err(HandshakeError::ConnectionClosed { awaited })
            );
        }
    }
}
