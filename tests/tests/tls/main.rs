//! RTMPS at both ends.

mod lines;
mod strangers;
mod support;
mod trust;
