//! FLV.

mod audio;
mod enhanced;
mod error;
mod inspect;
mod script;
mod video;

pub use audio::{
    AudioCodec, AudioHeader, AudioPacketType, AudioTrack, AudioTracks, ChannelOrder, MultichannelConfig,
    SoundFormat,
};
pub use enhanced::{FourCc, MultitrackType};
pub use error::{FlvError, MediaHeaderError};
pub use inspect::{Configuration, Configurations};
pub use script::{is_clear_data_frame, strip_set_data_frame, with_set_data_frame};
pub use video::{FrameType, VideoCodec, VideoCommand, VideoHeader, VideoPacketType, VideoTrack, VideoTracks};
