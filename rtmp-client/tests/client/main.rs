//! The client against servers in memory.

mod calls;
mod cancellation;
mod closing;
mod faults;
mod flow;
mod health;
mod low_level;
mod odd_servers;
mod playing;
mod pressure;
mod reconnecting;
mod redirects;
mod refusals;
mod standstill;
mod support;
mod tcp;
