//! Recordings, played from files.
//!
//! A [`Vod`] is an observer: it finds the file of a name below a [`MediaRoot`] and grants its media. To let live streams
//! and recordings share their names, give it to the relay instead, with
//! [`Relay::recordings`](crate::Relay::recordings): then the start that a player asks for decides (RTMP 1.0
//! section 7.2.2.1).
//!
//! ```no_run
//! use rtmp_server::files::MediaRoot;
//! use rtmp_server::vod::Vod;
//! use rtmp_server::{Observers, Relay, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vod = Vod::new(MediaRoot::new("/var/media")?);
//! let relay = Relay::default().recordings(vod);
//! let server = Server::bind("0.0.0.0:1935").await?.observers(Observers::new().relay(relay));
//! server.serve().await;
//! # Ok(())
//! # }
//! ```
//!
//! An observer that knows its files itself grants them with [`Recording`].
//!
//! # What a player gets
//!
//! - Metadata, the headers of all tracks, then the media with their own times; from a start other than 0, with times
//!   that begin with 0 there, and so do the positions of its seeks.
//! - A start or a seek goes to the last keyframe that is not behind the position, or to audio if there is no video. For
//!   a player that has said with `connect` that it seeks by itself (`videoFunction` 1), video commands mark the frames
//!   from there to the position, which it is to decode and not to show. Beyond the end is the last keyframe.
//! - As much as it wants to hold ahead (Set Buffer Length, 3 s if it does not say) as fast as it takes it, the rest in
//!   real time. A step of more than 10 s in the times of a file is waited for 10 s.
//! - While it is paused nothing, but for one picture after a seek.
//! - At the end `NetStream.Play.Complete`, Play.Stop and Stream EOF. It can still seek, until it closes the stream.
//!
//! # Names
//!
//! `flv:name`, `name.flv` and `name` are one file, `mp4:name`, `mp4:name.mp4` and `name.mp4` another; `name` is that one
//! if there is no FLV file. Files may be called as [`MediaName`](crate::files::MediaName) says, as recordings are, or
//! simply `Movie.mp4`; see [`MediaRoot::open`].
//!
//! # Formats
//!
//! FLV with all that it may carry. MP4 with H.264, HEVC, AV1 or VP9, and AAC, MP3 or Opus, whole or in fragments, with the
//! description in front of the media or behind; edit lists move the times. HEVC, AV1, VP9 and Opus go out in the form of
//! Enhanced RTMP. Of several tracks of a kind the first is played. An MP4 file may have 4,000,000 samples, and a
//! description of 128 MiB; 64 tracks that can be played are looked at. Its boxes are read by `mp4-atom`.
//!
//! # Files
//!
//! Files are read off the runtime's workers, some 256 KiB at a time and one such block ahead. Playing an FLV file from the
//! beginning takes no index. The first seek takes the one in the metadata, if it is right; otherwise the headers of all
//! tags are read, once for all players. An MP4 file has its description read when it is opened. What is known of a file
//! is remembered for up to 256 files and 64 MiB, until the file changes. A file that is replaced or removed is played on;
//! one that becomes shorter ends with `NetStream.Play.Failed`.

mod cache;
mod error;
mod flv;
mod mp4;
mod names;
mod pacing;
mod reader;
mod source;
mod wanted;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use rtmp_amf::amf0::{self, Object};
use rtmp_core::message::{MediaKind, PlayRequest, PlayStart, StatusCode};
use rtmp_core::{MediaMessage, Timestamp};

use cache::{Cache, Key};
pub use error::VodError;
pub use mp4::Mp4Error;
use reader::{FileInfo, blocking};
use source::Limit;
pub use source::RecordedSource;

use crate::files::{FileError, MediaRoot};
use crate::{PlayGrant, PlayObserver, SessionInfo, Verdict};

/// Plays the files below a root. Cheap to clone; all clones share what they know of files.
#[derive(Clone, Debug)]
pub struct Vod(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: MediaRoot,
    cache: Cache,
}

impl Vod {
    /// Plays what is below `root`.
    #[must_use]
    pub fn new(root: MediaRoot) -> Self {
        Self(Arc::new(Shared {
            root,
            cache: Cache::default(),
        }))
    }

    /// Finds the recording of a name, which may have a prefix such as `flv:` and an extension.
    ///
    /// # Errors
    ///
    /// [`VodError`], above all if there is no such file.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens if the future is dropped.
    pub async fn open(&self, app: &str, stream_name: &str) -> Result<Recording, VodError> {
        let (shared, names) = (Arc::clone(&self.0), names::candidates(app, stream_name)?);
        blocking(move || {
            let mut missing = FileError::NotFound {
                path: shared.root.path().into(),
            };
            for name in &names {
                match shared.root.open(name) {
                    Ok(file) => return shared.read(file, shared.root.path_of(name)),
                    Err(error) => missing = error,
                }
            }
            Err(missing.into())
        })
        .await?
    }

    /// Opens any file, with what is known of it already.
    ///
    /// # Errors
    ///
    /// [`VodError`] if it can not be opened or is not a recording.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens if the future is dropped.
    pub async fn open_file(&self, path: impl Into<PathBuf>) -> Result<Recording, VodError> {
        let (shared, path) = (Arc::clone(&self.0), path.into());
        blocking(move || shared.read(open_regular(&path)?, path)).await?
    }

    /// The media that a player has asked for; `None` if there is no such file.
    pub(crate) async fn find(
        &self,
        session: &SessionInfo,
        request: &PlayRequest,
    ) -> Result<Option<RecordedSource>, VodError> {
        match self.open(session.app(), request.stream_name()).await {
            Ok(recording) => Ok(Some(recording.play(session, request))),
            Err(error) if error.to_status().code == StatusCode::PlayStreamNotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Shared {
    /// Blocks.
    fn read(&self, mut file: File, path: PathBuf) -> Result<Recording, VodError> {
        let key = Key::of(&path, &file)?;
        let info = match self.cache.get(&key) {
            Some(info) => info,
            None => self.cache.insert(key, FileInfo::read(&mut file)?),
        };
        Ok(Recording { file, info })
    }
}

/// A file that can be played, opened.
pub struct Recording {
    file: File,
    info: FileInfo,
}

impl Recording {
    /// Opens a file. Who opens the same files again and again has [`Vod::open_file`].
    ///
    /// # Errors
    ///
    /// [`VodError`] if it can not be opened or is not a recording.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens if the future is dropped.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, VodError> {
        let path = path.as_ref().to_owned();
        blocking(move || {
            let mut file = open_regular(&path)?;
            let info = FileInfo::read(&mut file)?;
            Ok(Self { file, info })
        })
        .await?
    }

    /// How long it is, if that is known without reading all of it.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.info.duration()
    }

    /// Plays it as a player has asked, from the position in its request and for the time in it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, whose clock it needs.
    #[must_use]
    pub fn play(self, session: &SessionInfo, request: &PlayRequest) -> RecordedSource {
        let start = match request.play_start() {
            PlayStart::Recorded(position) => position,
            PlayStart::LiveOrRecorded | PlayStart::Live => Duration::ZERO,
        };
        let limit = match request.play_duration() {
            None => Limit::None,
            Some(Duration::ZERO) if self.info.has_video() => Limit::Frame(MediaKind::Video),
            Some(Duration::ZERO) => Limit::Frame(MediaKind::Audio),
            Some(duration) => Limit::Duration(duration),
        };
        let opening = data_start()
            .into_iter()
            .chain(self.info.metadata().cloned())
            .collect();
        let reader = self.info.reader(self.file);
        let source = RecordedSource::new(reader, opening, start, limit);
        if seeks_by_itself(session) {
            source.with_seek_marks()
        } else {
            source
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("duration", &self.duration())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl PlayObserver for Vod {
    async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        if request.play_start() == PlayStart::Live {
            return Verdict::reject(StatusCode::PlayStreamNotFound, "there are only recordings");
        }
        match self.open(session.app(), request.stream_name()).await {
            Ok(recording) => Verdict::Accept(PlayGrant::default().source(recording.play(session, request))),
            Err(error) => Verdict::Reject(error.to_status()),
        }
    }

    async fn stream_length(&self, session: &SessionInfo, request: &PlayRequest) -> Option<Duration> {
        self.open(session.app(), request.stream_name())
            .await
            .ok()?
            .duration()
    }
}

/// Opens a file of the application's own.
fn open_regular(path: &Path) -> Result<File, VodError> {
    let failed = |source: std::io::Error| FileError::Open {
        path: path.into(),
        source: Arc::new(source),
    };
    let path_is_regular = std::fs::metadata(path).map_err(failed)?.is_file();
    if !path_is_regular {
        return Err(FileError::NotRegular { path: path.into() }.into());
    }
    Ok(File::open(path).map_err(failed)?)
}

/// Says that data follow. Not specified; sent by Flash Media Server, whose players show nothing without it.
fn data_start() -> Option<MediaMessage> {
    let mut payload = BytesMut::new();
    let code = Object::new().with("code", StatusCode::DataStart.as_str());
    amf0::encode_all(&["onStatus".into(), code.into()], &mut payload).ok()?;
    Some(MediaMessage::data(Timestamp::ZERO, payload.freeze()))
}

/// Whether the player knows the marks around frames that it is not to show (RTMP 1.0 section 7.2.1.1, the flag
/// `SUPPORT_VID_CLIENT_SEEK` of `videoFunction`).
fn seeks_by_itself(session: &SessionInfo) -> bool {
    let functions = session
        .connect_request()
        .and_then(|request| request.get("videoFunction")?.to_number());
    functions.is_some_and(|functions| functions % 2.0 == 1.0)
}
