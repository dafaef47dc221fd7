//! Connections that break: at every byte, on both sides, again and again, and slowly. Futures that are dropped behind
//! every poll.

mod churn;
mod cut;
mod dropped_calls;
mod dropped_sessions;
mod dropping;
mod line;
mod slow_line;
mod standstill;
