//! The threads that write, for all recordings of a recorder.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::warn;

/// Gives threads to tasks that may block.
///
/// One thread is in charge, and does the turns of all tasks. It does them in rounds with an interval between them, so
/// what is scheduled meanwhile wakes nobody. A second thread stands in reserve. When a turn holds up the one that is in
/// charge, the reserve takes charge and gets a reserve of its own. So a disk that blocks keeps a thread for each task
/// that writes to it, and holds up the other tasks for [`PATIENCE`] at most. There are never more threads than tasks.
pub(super) struct Pool {
    interval: Duration,
    state: Mutex<State>,
    /// Who is in charge waits here for the next round,
    next_round: Condvar,
    /// and its reserve here.
    reserve: Condvar,
}

/// Something that is done in turns, by one thread at a time.
pub(super) trait Task: Send + Sync {
    fn turn(&self) -> Turn;
}

/// How a turn of a task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is nothing to do until it is scheduled again.
    Done,
    /// There is more to do, in the next round.
    More,
    /// There will be no other turn.
    Last,
}

type WorkerId = u64;

struct State {
    /// Tasks that wait for their turn, each of them once.
    ready: VecDeque<Arc<dyn Task>>,
    /// Tasks that have begun and have not had their last turn.
    tasks: usize,
    /// Threads that have not ended, and what to join them by.
    workers: usize,
    handles: Vec<JoinHandle<()>>,
    next_worker: WorkerId,
    in_charge: Option<WorkerId>,
    in_reserve: Option<WorkerId>,
    /// Turns that are left in this round.
    left: usize,
    /// When the turn that is being done in charge has begun.
    turn_since: Option<Instant>,
    round_due: Instant,
    last_round: Instant,
    /// Who is in charge waits until something is scheduled.
    is_parked: bool,
}

/// How long a turn may hold up all others.
const PATIENCE: Duration = Duration::from_millis(100);
/// When there was nothing to do for so long there are no rounds until there is.
const LULL: Duration = Duration::from_secs(1);

impl Pool {
    /// `interval` lies between the starts of two rounds. With zero every task has its turn as soon as a thread is free.
    pub(super) fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            interval,
            state: Mutex::new(State {
                ready: VecDeque::new(),
                tasks: 0,
                workers: 0,
                handles: Vec::new(),
                next_worker: 0,
                in_charge: None,
                in_reserve: None,
                left: 0,
                turn_since: None,
                round_due: now,
                last_round: now,
                is_parked: false,
            }),
            next_round: Condvar::new(),
            reserve: Condvar::new(),
        }
    }

    /// Locked for a few lines at a time.
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is another task. Whoever calls this schedules it until it has had its [last](Turn::Last) turn.
    ///
    /// # Errors
    ///
    /// There is no thread, and none can be started.
    pub(super) fn begin_task(self: &Arc<Self>) -> io::Result<()> {
        let mut state = self.lock();
        let ended = state.handles.extract_if(.., |handle| handle.is_finished());
        let ended: Vec<_> = ended.collect();
        state.tasks += 1;
        if state.in_charge.is_none()
            && let Err(error) = self.start_worker(&mut state)
        {
            state.tasks -= 1;
            return Err(error);
        }
        self.start_reserve(&mut state);
        drop(state);
        ended.into_iter().for_each(join);
        Ok(())
    }

    /// Gives a task a turn in the next round. It must not wait for one already.
    pub(super) fn schedule(&self, task: Arc<dyn Task>) {
        let mut state = self.lock();
        state.ready.push_back(task);
        if state.is_parked {
            self.next_round.notify_one();
        }
    }

    /// Begins the next round at once.
    pub(super) fn hurry(&self) {
        self.lock().round_due = Instant::now();
        self.next_round.notify_one();
    }

    /// Waits for the threads, which end when all tasks had their last turn.
    pub(super) fn join(&self) {
        let handles = std::mem::take(&mut self.lock().handles);
        handles.into_iter().for_each(join);
    }

    fn start_worker(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let id = state.next_worker;
        let pool = Arc::clone(self);
        let handle = thread::Builder::new()
            .name("rtmp-record".into())
            .spawn(move || pool.work(id))?;
        state.next_worker += 1;
        state.workers += 1;
        state.handles.push(handle);
        let place = match state.in_charge {
            None => &mut state.in_charge,
            Some(_) => &mut state.in_reserve,
        };
        *place = Some(id);
        Ok(())
    }

    /// Where there is one task nobody else could be held up.
    fn start_reserve(self: &Arc<Self>, state: &mut State) {
        if state.in_reserve.is_none()
            && state.workers < state.tasks
            && let Err(error) = self.start_worker(state)
        {
            warn!(%error, "no thread can be started: a disk that blocks will hold up all recordings");
        }
    }

    fn work(self: Arc<Self>, me: WorkerId) {
        let mut done = None;
        while let Some(task) = self.next(me, done) {
            let turn = task.turn();
            done = Some((task, turn));
        }
    }

    /// Waits for a task that this thread is to do, or for the end of the thread.
    fn next(self: &Arc<Self>, me: WorkerId, done: Option<(Arc<dyn Task>, Turn)>) -> Option<Arc<dyn Task>> {
        let mut guard = self.lock();
        if let Some((task, turn)) = done {
            self.end_turn(&mut guard, task, turn);
        }
        if guard.in_charge == Some(me) {
            guard.turn_since = None;
        }
        while guard.tasks > 0 {
            if guard.in_charge == Some(me) {
                if let Some(task) = guard.next_in_round() {
                    return Some(task);
                }
                guard = self.wait_for_round(guard);
            } else {
                if *guard.in_reserve.get_or_insert(me) != me || guard.workers > guard.tasks {
                    break;
                }
                guard = self.watch(guard, me);
            }
        }
        let state = &mut *guard;
        state.workers -= 1;
        state.in_charge.take_if(|id| *id == me);
        state.in_reserve.take_if(|id| *id == me);
        None
    }

    fn end_turn(&self, state: &mut State, task: Arc<dyn Task>, turn: Turn) {
        match turn {
            Turn::Done => {}
            Turn::More => {
                state.ready.push_back(task);
                if state.is_parked {
                    self.next_round.notify_one();
                }
            }
            Turn::Last => {
                state.tasks -= 1;
                self.reserve.notify_one();
                if state.tasks == 0 {
                    self.next_round.notify_one();
                }
            }
        }
    }

    /// In charge, between two rounds.
    fn wait_for_round<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let now = Instant::now();
        let left = state.round_due.saturating_duration_since(now);
        if !left.is_zero() {
            let waited = self.next_round.wait_timeout(state, left);
            return waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if !state.ready.is_empty() {
            state.left = state.ready.len();
            state.last_round = now;
            state.round_due = now + self.interval;
        } else if self.interval.is_zero() || now.saturating_duration_since(state.last_round) >= LULL {
            state.is_parked = true;
            state = self
                .next_round
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.is_parked = false;
        } else {
            state.round_due = now + self.interval;
        }
        state
    }

    /// In reserve: takes charge if who has it is held up.
    fn watch<'a>(self: &Arc<Self>, state: MutexGuard<'a, State>, me: WorkerId) -> MutexGuard<'a, State> {
        let waited = self.reserve.wait_timeout(state, PATIENCE);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let is_held_up = state.turn_since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if is_held_up && !state.ready.is_empty() {
            state.in_charge = Some(me);
            state.in_reserve = None;
            state.turn_since = None;
            state.round_due = Instant::now();
            state.left = 0;
            self.start_reserve(&mut state);
        }
        state
    }
}

impl State {
    fn next_in_round(&mut self) -> Option<Arc<dyn Task>> {
        self.left = self.left.checked_sub(1)?;
        let task = self.ready.pop_front()?;
        self.turn_since = Some(Instant::now());
        Some(task)
    }
}

fn join(handle: JoinHandle<()>) {
    // Tasks catch their panics.
    let _ = handle.join();
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Pool")
            .field("interval", &self.interval)
            .field("ready", &state.ready.len())
            .field("tasks", &state.tasks)
            .field("workers", &state.workers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
