//! FLV: the bodies of audio, video and data messages, and the files they are stored in.
//!
//! An RTMP audio, video or data message carries exactly the data of an FLV tag (FLV 10.1 annex E, Enhanced RTMP
//! v2). This module answers what a relay or player asks of such a body without decoding it, and reads and writes
//! files, without I/O: the file codecs are `tokio_util` codecs for a `FramedRead` or `FramedWrite`, or to be fed by
//! hand.
//!
//! | to | use |
//! |---|---|
//! | ask a [`MediaMessage`](crate::MediaMessage) for keyframes, codecs and configuration | its methods, such as [`is_keyframe_of`](crate::MediaMessage::is_keyframe_of) and [`configurations`](crate::MediaMessage::configurations) |
//! | look into a body | [`VideoHeader`], [`AudioHeader`] |
//! | make messages of what an encoder gives | [`MediaMessage::avc_frame`](crate::MediaMessage::avc_frame) and its kin, [`annex_b_to_avcc`] |
//! | make bodies of newer codecs and further tracks | [`VideoBody`], [`AudioBody`] |
//! | find the decoder's part in the several forms of a sequence header | [`AudioTrack::flac_stream_info`], [`VideoTrack::vp_configuration_record`] |
//! | tell Annex B from length prefixes | [`VideoTrack::is_annex_b`] |
//! | read or make `onMetaData` | [`Metadata`] |
//! | wrap and unwrap metadata for publishing | [`with_set_data_frame`], [`strip_set_data_frame`] |
//! | read a file | [`FlvDecoder`] |
//! | write a file as it comes | [`FlvEncoder`] |
//! | record a stream with duration and keyframe index | [`FlvRecorder`] |
//! | go on with a recording, or finish one that was broken off | [`FlvResume`] |
//!
//! The old form of bodies and the enhanced one (FourCC codecs, ModEx, several tracks in a message) are read through
//! the same types. Elementary streams (NAL units, AAC frames, parameter sets) are left to others, but for the step
//! from Annex B to length prefixes.
//!
//! # Example
//!
//! What a relay keeps of a stream for players who join late:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use bytes::BytesMut;
//! use rtmp_core::MediaMessage;
//! use rtmp_core::flv::{Configuration, FlvDecoder, FlvError};
//! use tokio_util::codec::Decoder;
//!
//! fn configuration(mut file: BytesMut) -> Result<BTreeMap<Configuration, MediaMessage>, FlvError> {
//!     let mut decoder = FlvDecoder::new();
//!     let mut kept = BTreeMap::new();
//!     while let Some(tag) = decoder.decode_eof(&mut file)? {
//!         let message = MediaMessage::from(tag);
//!         for configuration in message.configurations() {
//!             kept.insert(configuration, message.clone());
//!         }
//!     }
//!     Ok(kept)
//! }
//!
//! let file = BytesMut::from(
//!     &b"FLV\x01\x04\0\0\0\x09\0\0\0\0\x08\0\0\x04\0\0\0\0\0\0\0\xAF\0\x12\x10\0\0\0\x0F"[..],
//! );
//! let kept = configuration(file)?;
//! assert!(kept.contains_key(&Configuration::AudioSequenceHeader { track: 0 }));
//! # Ok::<(), FlvError>(())
//! ```

mod annex_b;
mod audio;
mod body;
mod codec;
mod color_info;
mod decoder_configuration;
mod enhanced;
mod error;
mod header;
mod index;
mod inspect;
mod keyframe_index;
mod legacy;
mod metadata;
mod reader;
mod recorder;
mod script;
mod tag;
mod track_info;
#[cfg(test)]
mod vector_tests;
mod video;
mod writer;

pub use annex_b::annex_b_to_avcc;
pub use audio::{
    AudioHeader, AudioPacketType, AudioTrack, AudioTracks, ChannelOrder, MultichannelConfig, SoundFormat,
};
pub use body::{AudioBody, MediaBodyError, VideoBody};
pub use codec::{AudioCodec, VideoCodec};
pub use color_info::{Chromaticity, ColorConfig, ColorInfo, ContentLightLevel, MasteringDisplay};
pub use enhanced::{FourCc, MultitrackType};
pub use error::{FlvError, MediaHeaderError};
pub use header::FlvHeader;
pub use index::{FlvIndex, FlvIndexer, IndexStep, IndexedTag};
pub use inspect::{Configuration, Configurations};
pub use metadata::{KeyframePosition, Metadata};
pub use reader::{FlvDecoder, Irregularities};
pub use recorder::{FlvPatch, FlvRecorder, FlvResume};
pub use script::{is_clear_data_frame, strip_set_data_frame, with_set_data_frame};
pub use tag::Tag;
pub use video::{FrameType, VideoCommand, VideoHeader, VideoPacketType, VideoTrack, VideoTracks};
pub use writer::FlvEncoder;
