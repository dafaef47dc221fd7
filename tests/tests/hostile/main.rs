//! What hostile and broken peers send to a server over sockets, one test for each row of docs/hostile-inputs.md. Beside
//! every attack a publisher and a player go on undisturbed, and afterwards nothing of it is left.

mod amf;
mod chunks;
mod commands;
mod control;
mod handshake;
mod media;
mod support;
mod timestamps;
mod transport;
