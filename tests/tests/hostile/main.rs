//! What hostile and broken peers send over sockets, one test for each row of docs/hostile-inputs.md that is about sockets.
//! Beside every attack on a server a publisher and a player go on undisturbed, and afterwards nothing of it is left.

mod amf;
mod chunks;
mod commands;
mod control;
mod handshake;
mod media;
mod servers;
mod support;
mod timestamps;
mod transport;
