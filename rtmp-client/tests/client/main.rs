//! The client against servers in memory.

mod calls;
mod cancellation;
mod closing;
mod faults;
mod flow;
mod odd_servers;
mod pressure;
mod refusals;
mod support;
mod tcp;
