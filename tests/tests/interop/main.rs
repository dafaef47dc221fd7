//! Real programs against the tools `relay`, `push` and `pull`, and against the client and the server themselves: what is
//! published has to arrive, packet by packet, and what is asked for, value by value.
//!
//! ```sh
//! cargo test -p rtmp-tests --features interop --test interop
//! ```
//!
//! Every program is a child process on the loopback interface, with ports and a directory of its own. One that is not
//! installed is a failure.

mod addresses;
mod command_line;
mod frames;
mod handshake;
mod interleaved;
mod metadata;
mod process;
mod programs;
mod reconnecting;
mod recorded;
mod recording;
mod relay;
mod requests;
mod requirements;
mod servers;
mod stopped;
mod tags;
mod tls;
mod vod;
mod wire;
