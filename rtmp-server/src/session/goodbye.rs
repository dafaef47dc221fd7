//! The end of a session, as the client sees it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rtmp_core::message::{Status, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::driver::Driver;
use crate::CloseReason;

/// How long a client may take to hang up once it was told that the session is over.
const LINGER: Duration = Duration::from_secs(1);

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Driver<T> {
    /// Puts into the output what the client is told of the end. From here on only the session's task writes.
    pub(super) fn prepare_goodbye(&mut self, reason: &CloseReason) {
        let outbound = self.outbound.begin_work();
        if !matches!(
            reason,
            CloseReason::ServerShutdown | CloseReason::Disposed(_) | CloseReason::TooSlow(_)
        ) {
            return;
        }
        let unpublished = Status::new(StatusCode::UnpublishSuccess, reason.to_string());
        for publication in &self.publications {
            // Fails only for streams that have ended; these need no word.
            let _ = self.machine.end_publish(publication.stream.id(), &unpublished);
        }
        for player in &outbound.players {
            let _ = self.machine.end_play(player.stream.id());
        }
        let _ = self.machine.close();
    }

    /// Sends what is on its way, and waits a little until the client has hung up: a socket that is closed with unread
    /// input resets the connection, and the client may never see what it was told.
    pub(super) async fn say_goodbye(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        self.io.shutdown().await?;
        let mut unwanted = [0; 1024];
        let hang_up = async {
            while self.io.read(&mut unwanted).await? > 0 {}
            Ok(())
        };
        tokio::time::timeout(LINGER, hang_up).await.unwrap_or(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outbound = self.outbound.lock();
        while !outbound.outbox.is_empty() || !self.machine.output().is_empty() {
            match outbound
                .outbox
                .poll_write(Pin::new(&mut self.io), cx, self.machine.output())
            {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(len)) => self.info.counters().count_sent(len),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}
