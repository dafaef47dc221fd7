use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;

/// An hour: a test that waits for it does not end.
const NEVER: Duration = Duration::from_secs(3600);

/// Calls a function for each turn.
struct Calls<F>(F);

impl<F: Fn() -> Turn + Send + Sync> Task for Calls<F> {
    fn turn(&self) -> Turn {
        (self.0)()
    }
}

fn pool(interval: Duration) -> Arc<Pool> {
    Arc::new(Pool::new(interval))
}

fn begin(pool: &Arc<Pool>, turn: impl Fn() -> Turn + Send + Sync + 'static) -> Arc<dyn Task> {
    pool.begin_task().unwrap();
    let task: Arc<dyn Task> = Arc::new(Calls(turn));
    pool.schedule(Arc::clone(&task));
    task
}

/// A task that says in its only turn that it has begun, and ends when it may.
fn stuck(pool: &Arc<Pool>) -> (Receiver<()>, SyncSender<()>) {
    let (begun, is_begun) = sync_channel(1);
    let (release, held) = sync_channel(1);
    let held = Mutex::new(held);
    begin(pool, move || {
        begun.send(()).unwrap();
        held.lock().unwrap().recv().unwrap();
        Turn::Last
    });
    (is_begun, release)
}

#[test]
fn a_task_has_turns_until_its_last() {
    let pool = pool(Duration::ZERO);
    let (sender, turns) = sync_channel(10);
    let left = Mutex::new(vec![Turn::Last, Turn::Done, Turn::More, Turn::More]);
    let task = begin(&pool, move || {
        let turn = left.lock().unwrap().pop().unwrap();
        sender.send(turn).unwrap();
        turn
    });
    let taken: Vec<_> = turns.iter().take(3).collect();
    assert_eq!(taken, [Turn::More, Turn::More, Turn::Done]);
    pool.schedule(task);
    assert_eq!(turns.recv().unwrap(), Turn::Last);
    pool.join();
    assert_eq!(pool.lock().workers, 0);
}

#[test]
fn the_first_turn_comes_at_once_and_another_with_the_next_round_or_in_a_hurry() {
    let pool = pool(NEVER);
    let (sender, turns) = sync_channel(10);
    let left = Mutex::new(vec![Turn::Last, Turn::Done]);
    let task = begin(&pool, move || {
        sender.send(()).unwrap();
        left.lock().unwrap().pop().unwrap()
    });
    turns.recv().unwrap();
    pool.schedule(task);
    assert!(turns.try_recv().is_err());
    pool.hurry();
    turns.recv().unwrap();
    pool.join();
}

#[test]
fn turns_that_block_hold_up_nobody_else() {
    let pool = pool(Duration::ZERO);
    let stuck: Vec<_> = (0..3).map(|_| stuck(&pool)).collect();
    let (sender, turns) = sync_channel(100);
    begin(&pool, move || match sender.send(()) {
        Ok(()) => Turn::More,
        Err(_) => Turn::Last,
    });
    for (is_begun, _) in &stuck {
        is_begun.recv().unwrap();
    }
    let (last, is_over) = sync_channel(1);
    begin(&pool, move || {
        last.send(()).unwrap();
        Turn::Last
    });
    is_over.recv().unwrap();
    turns.iter().take(100).for_each(drop);
    assert!(pool.lock().workers <= 5);
    for (_, release) in &stuck {
        release.send(()).unwrap();
    }
}

#[test]
fn all_threads_end_with_the_tasks_and_begin_with_others() {
    let pool = pool(NEVER);
    for _ in 0..3 {
        let stuck: Vec<_> = (0..3).map(|_| stuck(&pool)).collect();
        pool.hurry();
        for (is_begun, release) in stuck {
            is_begun.recv().unwrap();
            release.send(()).unwrap();
        }
        pool.join();
        assert_eq!(pool.lock().workers, 0);
    }
}
