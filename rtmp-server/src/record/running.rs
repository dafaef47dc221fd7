//! The recordings that run: one for each name at a time.

use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::Job;
use super::pool::Pool;
use super::queue::Need;
use super::writer::Writer;
use super::{RecordConfig, RecordError};
use crate::files::MediaName;

/// What a recorder has begun and not completed, and the threads for it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pool: Arc<Pool>,
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    /// The first of each name has the file; the others wait for it, in order.
    of: HashMap<MediaName, VecDeque<Arc<Job>>>,
    is_shut_down: bool,
}

/// Recordings of one name that wait until the file of those before is complete.
const MAX_WAITING: usize = 16;

const FIRST_TURN: Need = Need {
    turn: true,
    hurry: true,
};

impl Running {
    pub(super) fn new(config: &RecordConfig) -> Self {
        Self {
            pool: Arc::new(Pool::new(config.write_interval)),
            jobs: Mutex::default(),
        }
    }

    /// Locked for a few lines at a time.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a recording, once those before it have ended.
    pub(super) fn begin(
        self: &Arc<Self>,
        name: MediaName,
        config: &RecordConfig,
        writer: Writer,
    ) -> Result<Arc<Job>, RecordError> {
        let mut jobs = self.lock();
        if jobs.is_shut_down {
            return Err(RecordError::ShutDown);
        }
        let of_name = jobs.of.entry(name.clone()).or_default();
        if of_name.len() > MAX_WAITING || of_name.back().is_some_and(|job| !job.queue.is_closed()) {
            return Err(RecordError::Busy);
        }
        if let Err(error) = self.pool.begin_task() {
            if of_name.is_empty() {
                jobs.of.remove(&name);
            }
            return Err(RecordError::Thread(Arc::new(error)));
        }
        let job = Arc::new(Job::new(name, config, Arc::clone(self), writer));
        of_name.push_back(Arc::clone(&job));
        if of_name.len() == 1 {
            job.wake(FIRST_TURN);
        }
        Ok(job)
    }

    /// A recording had its last turn: the next of its name may begin.
    pub(super) fn end(&self, ended: &Job) {
        let mut jobs = self.lock();
        let Some(of_name) = jobs.of.get_mut(&ended.name) else {
            return;
        };
        of_name.retain(|job| !ptr::eq(Arc::as_ptr(job), ended));
        match of_name.front() {
            Some(next) => next.wake(FIRST_TURN),
            None => drop(jobs.of.remove(&ended.name)),
        }
    }

    /// Ends all, and lets none begin. Gives those whose files are not complete yet.
    pub(super) fn close(&self) -> Vec<Arc<Job>> {
        let mut jobs = self.lock();
        jobs.is_shut_down = true;
        let running: Vec<_> = jobs.of.values().flatten().cloned().collect();
        drop(jobs);
        running.iter().for_each(Job::close);
        running
    }
}
