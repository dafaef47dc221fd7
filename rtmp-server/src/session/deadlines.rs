//! What time a client has: for each stage before media, for a write, and for a sign of life.
//!
//! One timer looks after all of them. It is set when a deadline comes nearer, and not with every sign of life: when it
//! goes off too early it is set anew.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::expiry::Expiry;
use crate::{CloseReason, Deadline, SessionConfig, Timeouts};

/// The deadlines of a session, and where it stands.
pub(super) struct Deadlines {
    config: Arc<SessionConfig>,
    /// That of the stage before media.
    stage: Option<(Deadline, Expiry)>,
    /// When the client last gave a sign of life.
    last_heard: Instant,
    /// The time of a write that makes no progress.
    blocked: Option<Expiry>,
    /// The time that a silent client has left to say something, once it is asked for that by a ping.
    silent: Option<Expiry>,
    /// A sink takes nothing, so the client is not read from and can not be heard.
    is_deaf: bool,
    timer: Pin<Box<Sleep>>,
}

/// What is to be done when the timer has gone off and no deadline is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// The client is to be asked for a sign of life.
    Ping,
}

impl Deadlines {
    /// The handshake's time runs since the connection was `accepted`.
    pub(super) fn begin(config: Arc<SessionConfig>, accepted: Instant) -> Self {
        let handshake = Expiry::since(accepted, config.timeouts.handshake);
        Self {
            config,
            stage: Some((Deadline::Handshake, handshake)),
            last_heard: Instant::now(),
            blocked: None,
            silent: None,
            is_deaf: false,
            timer: Box::pin(tokio::time::sleep_until(handshake.at())),
        }
    }

    /// The session is in this stage, or past all of them.
    pub(super) fn follow(&mut self, stage: Option<Deadline>) {
        let Some(deadline) = stage else {
            self.stage = None;
            return;
        };
        if self.stage.is_none_or(|(current, _)| current != deadline) {
            let time = self.timeouts().of(deadline);
            self.stage = Some((deadline, Expiry::since(Instant::now(), time)));
            self.set_timer();
        }
    }

    /// The client has given a sign of life, or could give none.
    pub(super) fn hear(&mut self) {
        self.last_heard = Instant::now();
        if self.silent.take().is_some() {
            self.set_timer();
        }
    }

    /// The client is not read from for now.
    pub(super) fn be_deaf(&mut self) {
        self.is_deaf = true;
    }

    /// The client is read from. Its silence counts from when that was not so.
    pub(super) fn listen(&mut self) {
        if mem::take(&mut self.is_deaf) {
            self.hear();
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// The client has no room: from now on it has the time of a write. Ready means that the timer has gone off.
    pub(super) fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.blocked.is_some() {
            return Poll::Pending;
        }
        self.blocked = Some(Expiry::since(Instant::now(), self.timeouts().write));
        self.set_timer();
        // The timer may have moved forward, and has to be asked to wake us then.
        self.poll(cx)
    }

    /// The client has taken something, so it is there.
    pub(super) fn note_progress(&mut self) {
        if self.blocked.take().is_some() {
            self.hear();
        }
    }

    /// There is nothing that the client has to take.
    pub(super) fn note_all_written(&mut self) {
        self.blocked = None;
    }

    /// Ready means that the timer has gone off.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(cx)
    }

    /// The first deadline that is over ends the session; silence is first answered with a ping.
    pub(super) fn check(&mut self) -> Result<Due, CloseReason> {
        let now = Instant::now();
        if let Some((deadline, expiry)) = &mut self.stage
            && expiry.is_over(now)
        {
            return Err(self.config.timeouts.over(*deadline));
        }
        if self.blocked.as_mut().is_some_and(|expiry| expiry.is_over(now)) {
            return Err(self.timeouts().over(Deadline::Write));
        }
        let mut due = Due::Nothing;
        if self.silent.is_none() && self.last_heard + self.silence() <= now {
            let idle = self.timeouts().idle;
            let rest = idle.saturating_sub(self.silence());
            // Without time for an answer it is not asked.
            self.silent = Some(if rest.is_zero() {
                Expiry::since(self.last_heard, idle)
            } else {
                due = Due::Ping;
                Expiry::since(now, rest)
            });
        }
        if self.silent.as_mut().is_some_and(|expiry| expiry.is_over(now)) {
            if !self.is_deaf {
                return Err(self.timeouts().over(Deadline::Idle));
            }
            self.last_heard = now;
            self.silent = None;
        }
        self.set_timer();
        Ok(due)
    }

    /// How long the client may be silent until something is done about it.
    fn silence(&self) -> Duration {
        let timeouts = self.timeouts();
        match self.stage {
            Some((Deadline::Handshake, _)) => timeouts.idle,
            _ => timeouts.ping.min(timeouts.idle),
        }
    }

    fn set_timer(&mut self) {
        let mut next = match &self.silent {
            Some(expiry) => expiry.at(),
            None => self.last_heard + self.silence(),
        };
        if let Some((_, expiry)) = &self.stage {
            next = next.min(expiry.at());
        }
        if let Some(expiry) = &self.blocked {
            next = next.min(expiry.at());
        }
        self.timer.as_mut().reset(next);
    }

    fn timeouts(&self) -> &Timeouts {
        &self.config.timeouts
    }
}
