//! Recording streams to files.
//!
//! ```no_run
//! use rtmp_server::files::MediaRoot;
//! use rtmp_server::record::{RecordConfig, RecordStreams, Recorder};
//! use rtmp_server::{Observers, Relay, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = RecordConfig::default()
//!     .streams(RecordStreams::All)
//!     .on_event(|event| println!("{event:?}"));
//! let recorder = Recorder::new(MediaRoot::new("/var/media")?, config);
//! recorder.recover()?; // what a crash has left behind
//! let observers = Observers::new().relay(Relay::default()).publish(recorder);
//! Server::bind("0.0.0.0:1935").await?.observers(observers).serve().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Who decides
//!
//! A [`Recorder`] is an observer: put it behind those that decide who may publish, and behind the relay. By itself it
//! records those that ask for it with `publish(name, "record")` or `"append"`; [`RecordStreams::All`] records everybody.
//! Without a recorder nothing is recorded, whatever a publisher asks for. To decide for each stream, grant the
//! [`Recording`] yourself ([`Recorder::record`] makes one, and it is a [`MediaSink`](crate::MediaSink)), or record a
//! stream of a relay at any time with [`Recorder::record_player`].
//!
//! # Files
//!
//! [`MediaName`](crate::files::MediaName) says which file a stream is in. It is an FLV file that begins at time 0, with
//! metadata and headers in front; everything the publisher says of the stream is kept, and duration, length and an index
//! of keyframes are added. [`RecordMode::Append`] goes on behind the last whole tag of a file that is there. With
//! [`segment_duration`](RecordConfig::segment_duration) or [`segment_len`](RecordConfig::segment_len) a recording is cut
//! at keyframes; each file begins at 0 with the headers in force.
//!
//! A file is locked against other writers. One that is replaced stays whole for who reads it, and stays at all if the
//! publisher sends nothing.
//!
//! # Slow, full and broken disks
//!
//! Between a stream, which never waits, and the threads that write there is a queue with a bound. If it is full the
//! recording loses whole groups of pictures, and says how much. If a file can not be written the recording ends, what
//! was written is completed if the system lets it, and the stream goes on. The publisher is told, too:
//! `NetStream.Record.Start` and `Stop`, `NoAccess` and `Failed`.
//!
//! One thread writes for all recordings of a recorder. When a disk holds it up for 100 ms another takes over the
//! recordings that are left; so one that hangs costs a thread for each recording that writes to it, and no other
//! recording anything.
//!
//! # Crashes
//!
//! Media are given to the system every [`write_interval`](RecordConfig::write_interval), in whole tags. A killed process
//! loses what has gathered since, 10 ms by default, and the tag that is being written; the file plays as it is, and knows
//! its duration after [`Recorder::recover`], or when something is appended to it. A loss of power also takes what the
//! system had not written yet, usually the last half minute of what is being recorded; what is complete is
//! [on the medium](RecordConfig::sync).
//!
//! When a server is shut down its sessions end in order, and a session's end waits for its recordings, within the
//! [drain time](crate::ServerConfig::drain). [`Recorder::shutdown`] waits for all.

mod config;
mod event;
mod job;
mod output;
mod pool;
mod queue;
mod recorder;
mod recording;
mod running;
mod writer;

pub use config::{RecordConfig, RecordStreams};
pub use event::{RecordError, RecordEvent, RecordStatistics, RecordedFile};
pub use recorder::Recorder;
pub use recording::{Recording, RecordingHandle};

/// What becomes of a recording that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMode {
    /// The new one takes its place, and that of all its segments.
    Replace,
    /// The new one goes on behind it.
    Append,
}
