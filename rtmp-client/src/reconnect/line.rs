//! The connections of a handle, one after the other.

use std::future::Future;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rtmp_core::message::{Extensions, Status, StatusCode};
use rtmp_core::url::RtmpUrl;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::moves::Moves;
use super::policy::{Backoff, Retry};
use super::{ReconnectEvent, ReconnectPolicy};
use crate::error::{CloseReason, Operation};
use crate::open::{Opened, Role, open};
use crate::redirect::Hops;
use crate::{ClientBuilder, ClientConn, ConnectionStatus, Error};

/// Makes connections and keeps the current one. What comes over it is left to the handle that has this.
#[derive(Debug)]
pub(super) struct Line<R: Role> {
    way: Way<R>,
    backoff: Backoff,
    moves: Moves,
    connections: u64,
    last_outage: Duration,
    state: State<R::Handle>,
}

/// ```text
/// idle --> down --connected--> up --lost--> down
///            \--given up--> over     \--no retry--> over
/// ```
#[derive(Debug)]
enum State<H> {
    Idle,
    Down(Down<H>),
    Up(Box<Up<H>>),
    Over,
}

#[derive(Debug)]
struct Down<H> {
    since: Instant,
    connecting: Task<(Backoff, Opened<H>)>,
    /// Why the last connection was lost.
    lost: Option<Error>,
}

#[derive(Debug)]
struct Up<H> {
    since: Instant,
    opened: Opened<H>,
    next: Next<H>,
}

/// The connection that the server has asked for.
#[derive(Debug)]
enum Next<H> {
    None,
    Opening(Task<Opened<H>>),
    Ready(Opened<H>),
}

/// How a connection is made.
#[derive(Clone, Debug)]
struct Way<R> {
    builder: ClientBuilder,
    role: R,
    policy: ReconnectPolicy,
    home: RtmpUrl,
    /// Where a server has asked to go.
    away: Option<RtmpUrl>,
}

impl<R: Role> Line<R> {
    pub(super) fn new(
        builder: ClientBuilder,
        role: R,
        url: RtmpUrl,
        policy: ReconnectPolicy,
    ) -> Result<Self, Error> {
        url.stream_name_with_query().ok_or(Error::MissingStreamName)?;
        Ok(Self {
            way: Way {
                builder: following(builder),
                role,
                policy,
                home: url,
                away: None,
            },
            backoff: Backoff::default(),
            moves: Moves::default(),
            connections: 0,
            last_outage: Duration::ZERO,
            state: State::Idle,
        })
    }

    pub(super) fn role_mut(&mut self) -> &mut R {
        &mut self.way.role
    }

    pub(super) fn policy(&self) -> &ReconnectPolicy {
        &self.way.policy
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> u64 {
        self.connections
    }

    /// How long there was no connection before this one.
    pub(super) fn last_outage(&self) -> Duration {
        self.last_outage
    }

    pub(super) fn handle(&mut self) -> Option<&mut R::Handle> {
        match &mut self.state {
            State::Up(up) => Some(&mut up.opened.handle),
            _ => None,
        }
    }

    pub(super) fn opened(&self) -> Option<&Opened<R::Handle>> {
        match &self.state {
            State::Up(up) => Some(&up.opened),
            _ => None,
        }
    }

    pub(super) fn conn(&self) -> Option<&ClientConn> {
        self.opened().map(|opened| &opened.conn)
    }

    /// What is left of it: the current connection, or why there is none.
    pub(super) fn into_handle(self) -> Result<Option<R::Handle>, Error> {
        match self.state {
            State::Idle => Ok(None),
            State::Up(up) => Ok(Some(up.opened.handle)),
            State::Down(Down { lost: None, .. }) => Ok(None),
            State::Down(Down { lost: Some(lost), .. }) => Err(lost),
            State::Over => Err(over(Operation::Close)),
        }
    }

    /// Ready when there is a connection, or there will be none any more.
    pub(super) fn poll_up(&mut self, cx: &mut Context<'_>, operation: Operation) -> Poll<Result<(), Error>> {
        if let State::Idle = self.state {
            let way = self.way.clone();
            let first = Retry {
                number: 0,
                delay: Duration::ZERO,
            };
            let connecting = way.connect(self.backoff, first, Instant::now(), Phase::First);
            self.state = State::Down(Down {
                since: Instant::now(),
                connecting: Task::spawn(connecting),
                lost: None,
            });
        }
        match &mut self.state {
            State::Up(_) => Poll::Ready(Ok(())),
            State::Over | State::Idle => Poll::Ready(Err(over(operation))),
            State::Down(down) => match ready!(down.connecting.poll(cx)) {
                Ok((backoff, opened)) => {
                    let outage = match down.lost {
                        Some(_) => down.since.elapsed(),
                        None => Duration::ZERO,
                    };
                    self.backoff = backoff;
                    self.connected(opened, outage);
                    Poll::Ready(Ok(()))
                }
                Err(error) => {
                    self.state = State::Over;
                    Poll::Ready(Err(error))
                }
            },
        }
    }

    /// Follows the server's requests to reconnect, while there is a connection. The error is that of a connection that
    /// has to be given up for that.
    pub(super) fn follow_requests(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        while let State::Up(up) = &mut self.state
            && let Poll::Ready(Ok(status)) = up.opened.moves.poll_next(cx)
        {
            if let Next::None = up.next
                && self.way.builder.config().max_redirects > 0
                && let Err(error) = self.move_on(&status)
            {
                self.way
                    .policy
                    .observe(ReconnectEvent::MoveFailed { error: &error });
            }
        }
        if let State::Up(up) = &mut self.state
            && let Next::Opening(task) = &mut up.next
            && let Poll::Ready(opened) = task.poll(cx)
        {
            let mut backoff = self.backoff;
            up.next = match opened {
                Ok(opened) => Next::Ready(opened),
                // The server takes us for somebody else: the old connection has to go first.
                Err(error)
                    if is_name_taken(&error)
                        && backoff.next(&self.way.policy, Duration::ZERO, 0).is_some() =>
                {
                    return Err(error);
                }
                Err(error) => {
                    self.way
                        .policy
                        .observe(ReconnectEvent::MoveFailed { error: &error });
                    Next::None
                }
            };
        }
        Ok(())
    }

    fn move_on(&mut self, status: &Status) -> Result<(), Error> {
        let State::Up(up) = &mut self.state else {
            return Ok(());
        };
        let limit = self.way.builder.config().max_redirects;
        let (from, policy) = (&up.opened.url, &self.way.policy);
        let Some(to) = self.moves.follow(from, up.since, status, limit, policy)? else {
            return Ok(());
        };
        self.way
            .policy
            .observe(ReconnectEvent::MoveRequested { url: &to });
        self.way.away = Some(to.clone());
        let way = self.way.clone();
        up.next = Next::Opening(Task::spawn(async move { way.attempt(to).await }));
        Ok(())
    }

    pub(super) fn has_next(&self) -> bool {
        matches!(&self.state, State::Up(up) if matches!(up.next, Next::Ready(_)))
    }

    /// Goes over to the connection that the server has asked for, if it is there.
    pub(super) fn switch(&mut self) -> bool {
        let State::Up(up) = &mut self.state else {
            return false;
        };
        match std::mem::replace(&mut up.next, Next::None) {
            Next::Ready(opened) => {
                self.connected(opened, Duration::ZERO);
                true
            }
            next => {
                up.next = next;
                false
            }
        }
    }

    /// Gives the connection up because of `error`, and makes another one if that is worth it.
    pub(super) fn lost(&mut self, error: Error) -> Result<(), Error> {
        let State::Up(up) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(error);
        };
        if self.way.policy.is_stable_after(up.since.elapsed()) {
            self.backoff = Backoff::default();
            self.moves = Moves::default();
        }
        self.way.policy.observe(ReconnectEvent::Lost { error: &error });
        if let Next::Ready(opened) = up.next {
            self.connected(opened, Duration::ZERO);
            return Ok(());
        }
        let from = &up.opened.url;
        match Hops::new(from.clone(), self.way.builder.config().max_redirects).follow(from, &error)? {
            Some(to) => self.way.away = Some(to),
            None if error.is_retryable() => {}
            None => return Err(error),
        }
        let tried = self.backoff;
        match self
            .backoff
            .next(&self.way.policy, Duration::ZERO, rand::random())
        {
            Some(retry) => {
                let since = Instant::now();
                let connecting = self.way.clone().connect(self.backoff, retry, since, Phase::Later);
                self.state = State::Down(Down {
                    since,
                    connecting: Task::spawn(connecting),
                    lost: Some(error),
                });
                Ok(())
            }
            None => Err(tried.gave_up(error)),
        }
    }

    fn connected(&mut self, opened: Opened<R::Handle>, outage: Duration) {
        self.connections += 1;
        self.last_outage = outage;
        self.way.policy.observe(ReconnectEvent::Connected {
            connection: self.connections,
            url: &opened.url,
            outage,
        });
        self.state = State::Up(Box::new(Up {
            since: Instant::now(),
            opened,
            next: Next::None,
        }));
    }
}

/// Whether there has been a connection before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    First,
    Later,
}

impl<R: Role> Way<R> {
    /// Tries until there is a connection or no sense in it.
    async fn connect(
        self,
        mut backoff: Backoff,
        mut retry: Retry,
        since: Instant,
        phase: Phase,
    ) -> Result<(Backoff, Opened<R::Handle>), Error> {
        loop {
            let Retry { number, delay } = retry;
            // The address that a server has asked for may be wrong, and so may the first one be meanwhile.
            let url = self
                .away
                .as_ref()
                .filter(|_| number % 2 == 1)
                .unwrap_or(&self.home);
            self.policy
                .observe(ReconnectEvent::Attempt { number, delay, url });
            if !delay.is_zero() {
                sleep(delay).await;
            }
            let attempt = self.attempt(url.clone());
            let error = match self.within_limit(since, attempt).await {
                Ok(opened) => return Ok((backoff, opened)),
                Err(error) => error,
            };
            self.policy.observe(ReconnectEvent::Failed {
                number,
                error: &error,
            });
            let is_final = !error.is_retryable() || (phase == Phase::First && is_name_taken(&error));
            let tried = backoff;
            let next = if is_final {
                None
            } else {
                backoff.next(&self.policy, since.elapsed(), rand::random())
            };
            retry = next.ok_or_else(|| tried.gave_up(error))?;
        }
    }

    async fn attempt(&self, url: RtmpUrl) -> Result<Opened<R::Handle>, Error> {
        let redirected = |url: &RtmpUrl| self.policy.observe(ReconnectEvent::Redirected { url });
        open(&self.builder, &self.role, url, redirected).await
    }

    async fn within_limit<T>(
        &self,
        since: Instant,
        attempt: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(limit) = self.policy.outage_limit() else {
            return attempt.await;
        };
        match timeout(limit.saturating_sub(since.elapsed()), attempt).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Timeout {
                operation: Operation::Reconnect,
                after: limit,
            }),
        }
    }
}

/// The builder whose connections say that they follow a request to reconnect (`capsEx`), if they do.
fn following(builder: ClientBuilder) -> ClientBuilder {
    if builder.config().max_redirects == 0 {
        return builder;
    }
    let request = builder.config().connect_request.clone();
    let capabilities = request.read_capabilities().extensions(Extensions::RECONNECT);
    builder.connect_request(request.capabilities(&capabilities))
}

/// The name may be taken by our own connection that was lost.
fn is_name_taken(error: &Error) -> bool {
    matches!(error, Error::Refused { status, .. } if status.code == StatusCode::PublishBadName)
}

fn over(operation: Operation) -> Error {
    Error::WrongState {
        operation,
        status: ConnectionStatus::Closed,
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task<T>(JoinSet<Result<T, Error>>);

impl<T: Send + 'static> Task<T> {
    fn spawn(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        let mut task = JoinSet::new();
        task.spawn(work);
        Self(task)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        Poll::Ready(match ready!(self.0.poll_join_next(cx)) {
            Some(Ok(result)) => result,
            Some(Err(failure)) if failure.is_panic() => std::panic::resume_unwind(failure.into_panic()),
            Some(Err(_)) | None => Err(Error::Closed {
                operation: Operation::Reconnect,
                reason: CloseReason::RuntimeShutdown,
            }),
        })
    }
}
