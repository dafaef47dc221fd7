//! Connections that break: at every byte, on both sides, again and again, and slowly.

mod churn;
mod cut;
mod line;
mod slow_line;
