//! The client against servers in memory.

mod flow;
mod support;
