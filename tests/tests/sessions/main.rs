//! The life of a session: who is asked, what the client is told, and who hears of the end.

mod conduct;
mod connect;
mod life;
mod streams;
mod support;
