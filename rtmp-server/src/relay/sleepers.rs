//! Players that wait for the next message.
//!
//! Most are woken by it. Those whose messages are gathered for a while are woken together, by one timer of the stream
//! for each such time: the first message behind the last wake-up sets it, so none is ever left lying. If too much comes
//! meanwhile, that wakes them before it.

use std::collections::BTreeMap;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use super::Lag;
use super::history::History;
use super::stream::LiveStream;

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    /// Those that are woken at once.
    prompt: Round,
    /// Those that are woken together, by the time for which messages are gathered.
    patient: BTreeMap<Duration, Round>,
    /// Numbers the rounds.
    rounds: u64,
}

/// Those that are woken together next.
#[derive(Debug, Default)]
struct Round {
    number: u64,
    wakers: Vec<Option<Waker>>,
    /// Places that were left.
    free: Vec<usize>,
    /// The first message that one of them has not got, and how many bytes may gather from there on.
    from: u64,
    max_len: u64,
    /// Wakes them, if they are not woken at once and something has come.
    timer: Option<Pin<Box<Sleep>>>,
}

/// A player's place among the sleepers, good for one round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SleepPlace {
    latency: Duration,
    round: Option<u64>,
    index: usize,
}

impl Sleepers {
    /// Puts a player among the sleepers, once a round. It has got everything before `next`, and so much is gathered for it.
    pub(super) fn sleep(&mut self, place: &mut SleepPlace, next: u64, gathers: Lag, waker: &Waker) {
        let latency = gathers.time;
        if let Some(known) = self.waker(*place) {
            known.clone_from(waker);
            return;
        }
        let round = if latency.is_zero() {
            &mut self.prompt
        } else {
            let rounds = &mut self.rounds;
            let begin = || {
                *rounds += 1;
                Round::of(*rounds)
            };
            &mut self.patient.entry(latency).or_insert_with(begin)
        };
        round.from = round.from.min(next);
        round.max_len = round.max_len.min(gathers.len);
        *place = SleepPlace {
            latency,
            round: Some(round.number),
            index: round.add(waker.clone()),
        };
    }

    /// Takes a player that leaves from among the sleepers: a waker keeps the memory of its task.
    pub(super) fn forget(&mut self, place: SleepPlace) {
        if let Some(round) = self.round(place)
            && let Some(sleeper) = round.wakers.get_mut(place.index)
            && sleeper.take().is_some()
        {
            round.free.push(place.index);
        }
    }

    /// Something has come. Those that are to be woken at once are swapped for the empty `spare`; for the others the
    /// timer runs from now on, unless enough has been gathered for them.
    pub(super) fn note_media(
        &mut self,
        spare: &mut Vec<Option<Waker>>,
        stream: &Arc<LiveStream>,
        history: &History,
    ) {
        self.rounds += 1;
        self.prompt.number = self.rounds;
        self.prompt.free.clear();
        mem::swap(&mut self.prompt.wakers, spare);
        if self.patient.is_empty() {
            return;
        }
        if Handle::try_current().is_err() {
            // There is no clock to wait by.
            for round in mem::take(&mut self.patient).into_values() {
                spare.extend(round.wakers);
            }
            return;
        }
        self.patient.retain(|_, round| {
            let gathered = history.lag(round.from.max(history.first()));
            let is_enough = gathered.len > round.max_len;
            if is_enough {
                spare.append(&mut round.wakers);
            }
            !is_enough
        });
        for (&latency, round) in &mut self.patient {
            if round.timer.is_none() {
                let waker = Waker::from(Arc::new(Alarm(Arc::downgrade(stream))));
                let timer = round.timer.insert(Box::pin(sleep(latency)));
                // It can not be over yet; this tells it whom to wake. Whatever the publisher's task may still do in
                // its turn, this must not wait for the next.
                let _ = pin!(unconstrained(timer.as_mut())).poll(&mut Context::from_waker(&waker));
            }
        }
    }

    /// Takes those whose time is over.
    fn take_due(&mut self) -> Vec<Round> {
        let now = Instant::now();
        let is_due = |round: &Round| round.timer.as_ref().is_some_and(|timer| timer.deadline() <= now);
        let (due, rest) = mem::take(&mut self.patient)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, round)| is_due(round));
        self.patient = rest;
        due.into_values().collect()
    }

    fn round(&mut self, place: SleepPlace) -> Option<&mut Round> {
        let round = if place.latency.is_zero() {
            &mut self.prompt
        } else {
            self.patient.get_mut(&place.latency)?
        };
        (place.round == Some(round.number)).then_some(round)
    }

    fn waker(&mut self, place: SleepPlace) -> Option<&mut Waker> {
        self.round(place)?.wakers.get_mut(place.index)?.as_mut()
    }
}

impl Round {
    fn of(number: u64) -> Self {
        Self {
            number,
            from: u64::MAX,
            max_len: u64::MAX,
            ..Self::default()
        }
    }

    fn add(&mut self, waker: Waker) -> usize {
        let index = self.free.pop().unwrap_or(self.wakers.len());
        match self.wakers.get_mut(index) {
            Some(place) => *place = Some(waker),
            None => self.wakers.push(Some(waker)),
        }
        index
    }
}

/// What a timer wakes. It does not keep the stream.
struct Alarm(Weak<LiveStream>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let Some(stream) = self.0.upgrade() else {
            return;
        };
        let due = stream.lock().sleepers.take_due();
        for round in due {
            round.wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }
}
