//! Recordings that are played from files: what players get and are told, whatever they do.

mod files;
mod mp4;
mod playing;
mod seeking;
mod support;
mod transitions;
