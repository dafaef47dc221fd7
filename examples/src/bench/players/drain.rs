//! Reads bytes that nobody looks at, as cheaply as the system lets us.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::super::line::Line;

const BUFFER_LEN: usize = 256 << 10;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_LEN].into());
}

/// Waits for bytes and takes up to [`BUFFER_LEN`] of them: how many there were; 0 at the end.
pub(super) async fn drain(line: &mut Line) -> io::Result<usize> {
    match line {
        Line::Plain(io) => loop {
            io.readable().await?;
            if let Some(count) = take(io)? {
                return Ok(count);
            }
        },
        Line::Tls(io) => {
            poll_fn(|cx| {
                BUFFER.with_borrow_mut(|buffer| {
                    let mut buf = ReadBuf::new(buffer);
                    ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
                    Poll::Ready(Ok(buf.filled().len()))
                })
            })
            .await
        }
    }
}

/// Takes up to [`BUFFER_LEN`] bytes off a socket: how many there were, or `None` if there are none now.
#[cfg(target_os = "linux")]
fn take(io: &TcpStream) -> io::Result<Option<usize>> {
    use rustix::net::{RecvFlags, recv};
    use tokio::io::Interest;

    let mut taken = None;
    let result = io.try_io(Interest::READABLE, || {
        // A TCP socket throws the bytes away instead of copying them (man 7 tcp, MSG_TRUNC).
        let (_, count) = BUFFER.with_borrow_mut(|buffer| recv(io, &mut buffer[..], RecvFlags::TRUNC))?;
        taken = Some(count);
        if (1..BUFFER_LEN).contains(&count) {
            // Empty now: to say so saves the system call that would find it out.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match result {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(taken),
    }
}

/// Takes up to [`BUFFER_LEN`] bytes off a socket: how many there were, or `None` if there are none now.
#[cfg(not(target_os = "linux"))]
fn take(io: &TcpStream) -> io::Result<Option<usize>> {
    match BUFFER.with_borrow_mut(|buffer| io.try_read(buffer)) {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_comes_is_counted_up_to_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (receiver, _) = listener.accept().await.unwrap();
        let total = BUFFER_LEN * 3 + 5;
        let receive = async {
            let (mut line, mut received) = (Line::Plain(receiver), 0);
            loop {
                match drain(&mut line).await.unwrap() {
                    0 => return received,
                    count => received += count,
                }
            }
        };
        let send = async {
            sender.write_all(&vec![1; total]).await.unwrap();
            drop(sender);
        };
        assert_eq!(tokio::join!(receive, send).0, total);
    }
}
