//! The connection machines seen from outside: against each other, against recorded programs, against hostile peers.

mod acknowledgements;
mod answers;
mod described;
mod hostile_commands;
mod hostile_control;
mod hostile_server;
mod hostile_streams;
mod interleaving;
mod properties;
mod recorded_clients;
mod recorded_servers;
mod scripted;
mod together;
