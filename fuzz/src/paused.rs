//! A runtime whose clock stands still while anything can go on.

use tokio::runtime::{Builder, Runtime};

thread_local! {
    /// One for all executions: to make one, and its threads for files, takes as long as a short session. Tasks and times are
    /// all that one execution could leave to the next, so no task may be left, and nobody looks at the time itself.
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

/// Runs one execution of a target.
///
/// # Panics
///
/// If a task is left when it ends.
pub fn run(execution: impl Future<Output = ()>) {
    RUNTIME.with(|runtime| {
        runtime.block_on(execution);
        assert_eq!(runtime.metrics().num_alive_tasks(), 0, "a task is left");
    });
}
