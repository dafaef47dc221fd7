//! What a relay tells of its streams.

use std::collections::BTreeMap;
use std::fmt;

use rtmp_core::flv::{AudioCodec, AudioHeader, VideoCodec, VideoHeader};
use rtmp_core::message::Shortened;
use rtmp_core::{MediaKind, MediaMessage};

use crate::SessionInfo;

/// A stream of a relay at one moment, from [`Relay::streams`](super::Relay::streams).
#[derive(Clone)]
#[non_exhaustive]
pub struct StreamOverview {
    /// The application.
    pub app: String,
    /// The stream name. It is often a secret and `Debug` shortens it.
    pub name: String,
    /// Whether somebody publishes it.
    pub has_publisher: bool,
    /// The session of the publisher, if it is not the application itself.
    pub publisher: Option<SessionInfo>,
    /// Whether the players get the media of a [stand-in](super::RelayStandIn).
    pub is_stand_in_on_air: bool,
    /// How many players it has.
    pub players: usize,
    /// Its tracks, as far as its sequence headers and its newest messages tell.
    pub tracks: Vec<Track>,
}

impl fmt::Debug for StreamOverview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamOverview")
            .field("app", &Shortened(&self.app))
            .field("name", &Shortened(&self.name))
            .field("publisher", &self.publisher)
            .field("players", &self.players)
            .field("tracks", &self.tracks)
            .finish_non_exhaustive()
    }
}

/// A track of a stream. Audio and video tracks are numbered independently; most streams have only those numbered 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Track {
    /// A video track.
    Video {
        /// Its number.
        id: u8,
        /// Its codec.
        codec: VideoCodec,
    },
    /// An audio track.
    Audio {
        /// Its number.
        id: u8,
        /// Its codec.
        codec: AudioCodec,
    },
}

/// The tracks that these messages belong to; later messages count more.
pub(super) fn tracks<'a>(messages: impl Iterator<Item = &'a MediaMessage>) -> Vec<Track> {
    let (mut video, mut audio) = (BTreeMap::new(), BTreeMap::new());
    for message in messages {
        match message.kind {
            MediaKind::Video => {
                let header = VideoHeader::parse(&message.payload).ok();
                let tracks = header.iter().flat_map(VideoHeader::tracks).flatten();
                video.extend(tracks.map(|track| (track.id, track.codec)));
            }
            MediaKind::Audio => {
                let header = AudioHeader::parse(&message.payload).ok();
                let tracks = header.iter().flat_map(AudioHeader::tracks).flatten();
                audio.extend(tracks.map(|track| (track.id, track.codec)));
            }
            MediaKind::Data | MediaKind::Amf3Data => {}
        }
    }
    let video = video.into_iter().map(|(id, codec)| Track::Video { id, codec });
    video
        .chain(audio.into_iter().map(|(id, codec)| Track::Audio { id, codec }))
        .collect()
}
