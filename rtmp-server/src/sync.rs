//! Locks and flags that connections, streams and the fan-out share.
//!
//! They are those of the standard library; in the model of the fan-out (`session/model`) those of shuttle, which
//! decides at each of them which thread goes on.

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
