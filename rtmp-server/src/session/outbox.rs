//! What is on its way to the client.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use rtmp_core::chunk::MessageStreamId;
use tokio::io::AsyncWrite;

use super::DirectEnd;
use crate::Batch;
use crate::source::Piece;

/// Pieces of media in wire form. Protocol bytes go in front of them, but never into one that has begun.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) media: VecDeque<Piece>,
    /// The first piece has been sent in part.
    has_begun: bool,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.media.is_empty()
    }

    /// Gives its memory back, if it is empty: what a player gets when it joins takes more than it ever needs again.
    pub(super) fn shrink(&mut self) {
        if self.media.is_empty() && self.media.capacity() > 4 {
            self.media = VecDeque::new();
        }
    }

    /// Forgets what was not begun of a stream's media.
    pub(super) fn take_back(&mut self, stream: MessageStreamId) {
        let mut has_begun = self.has_begun;
        self.media
            .retain(|piece| std::mem::take(&mut has_begun) || piece.stream != stream);
    }

    /// Writes once, as much as one vectored write takes.
    pub(super) fn poll_write(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
        control: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let written = match (self.media.len(), control.as_ref()) {
            // Nearly always there is one message, and nothing of the protocol.
            (1, []) => ready!(
                io.as_mut()
                    .poll_write(cx, self.media.front().map_or(&[], Piece::wire))
            )?,
            (0, control) => ready!(io.as_mut().poll_write(cx, control))?,
            (_, control) => {
                ready!(self.with_slices(control, |slices| io.as_mut().poll_write_vectored(cx, slices)))?
            }
        };
        self.advance(written, control);
        Poll::Ready(Ok(written))
    }

    /// Writes media once, if the socket takes any now. Only if nothing of the protocol is to be written.
    pub(super) fn try_write(&mut self, socket: &DirectEnd) -> io::Result<usize> {
        let written = match self.media.front() {
            Some(piece) if self.media.len() == 1 => socket.try_write(piece.wire())?,
            _ => self.with_slices(&[], |slices| socket.try_write_vectored(slices))?,
        };
        self.advance_media(written);
        Ok(written)
    }

    /// Takes over what a write of shared pieces has left.
    pub(super) fn put_rest(&mut self, pieces: &[Bytes], written: usize) {
        self.media.extend(pieces.iter().map(Piece::shared));
        self.advance_media(written);
    }

    /// Shows all that is to be written, in order.
    fn with_slices<R>(&self, control: &[u8], write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        const MAX_SLICES: usize = Batch::MAX_PIECES + 1;
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        let begun = usize::from(self.has_begun);
        let pieces = self.media.iter().take(begun).map(Piece::wire);
        let pieces = pieces
            .chain([control])
            .chain(self.media.iter().skip(begun).map(Piece::wire));
        for (slice, piece) in slices.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        write(slices.get(..count).unwrap_or_default())
    }

    fn advance(&mut self, mut written: usize, control: &mut BytesMut) {
        if self.has_begun {
            written = self.advance_media(written);
        }
        let of_control = written.min(control.len());
        control.advance(of_control);
        self.advance_media(written - of_control);
    }

    /// Takes sent bytes off the pieces, and returns those that are left when all pieces are sent or, if the first had
    /// begun, when that one is.
    fn advance_media(&mut self, mut written: usize) -> usize {
        while written > 0 {
            let Some(Piece { wire: front, .. }) = self.media.front_mut() else {
                break;
            };
            if written < front.len() {
                front.advance(written);
                self.has_begun = true;
                return 0;
            }
            written -= front.len();
            self.media.pop_front();
            if std::mem::take(&mut self.has_begun) {
                break;
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;

    /// Takes so many bytes a write.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let len = buf.len().min(self.0);
            self.1.extend_from_slice(&buf[..len]);
            Poll::Ready(Ok(len))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs
                .iter()
                .flat_map(|buf| buf.iter().copied())
                .take(self.0)
                .collect();
            self.1.extend_from_slice(&all);
            Poll::Ready(Ok(all.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn piece(stream: u32, wire: &'static [u8]) -> Piece {
        Piece {
            stream: MessageStreamId::new(stream),
            wire: Bytes::from_static(wire),
        }
    }

    #[test]
    fn media_of_a_stream_are_taken_back_but_for_a_piece_that_has_begun() {
        let mut io = Narrow(2, Vec::new());
        let mut outbox = Outbox::default();
        outbox.media.extend([
            piece(1, b"aaaa"),
            piece(2, b"bb"),
            piece(1, b"ccc"),
            piece(2, b"dd"),
        ]);
        let mut cx = Context::from_waker(Waker::noop());
        let mut write = |outbox: &mut Outbox| {
            let written = outbox.poll_write(Pin::new(&mut io), &mut cx, &mut BytesMut::new());
            assert!(written.is_ready());
        };
        write(&mut outbox);
        outbox.take_back(MessageStreamId::new(1));
        while !outbox.is_empty() {
            write(&mut outbox);
        }
        assert_eq!(io.1, b"aaaabbdd");
    }

    #[test]
    fn protocol_bytes_go_between_pieces_and_never_into_one() {
        for width in 1..12 {
            let mut io = Narrow(width, Vec::new());
            let mut outbox = Outbox::default();
            outbox
                .media
                .extend([piece(1, b"aaaa"), piece(1, b"bb"), piece(1, b"ccc")]);
            let mut control = BytesMut::from(&b"11"[..]);
            let mut cx = Context::from_waker(Waker::noop());
            let mut writes = 0;
            while !outbox.is_empty() || !control.is_empty() {
                assert!(
                    outbox
                        .poll_write(Pin::new(&mut io), &mut cx, &mut control)
                        .is_ready()
                );
                writes += 1;
                if writes == 1 {
                    control.extend_from_slice(b"22");
                }
            }
            let sent = String::from_utf8(io.1).unwrap();
            let without_control: String = sent.chars().filter(char::is_ascii_alphabetic).collect();
            assert_eq!(without_control, "aaaabbccc", "width {width}");
            assert_eq!(
                sent.chars().filter(char::is_ascii_digit).collect::<String>(),
                "1122",
                "width {width}"
            );
            for piece in ["aaaa", "bb", "ccc"] {
                assert!(sent.contains(piece), "width {width}: {sent}");
            }
        }
    }
}
