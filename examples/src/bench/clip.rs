//! The file that is published again and again.

use std::path::PathBuf;
use std::sync::Arc;

use rtmp_core::flv::{Configuration, with_set_data_frame};
use rtmp_core::{MediaMessage, Timestamp};

use super::BenchError;
use super::stamp::{Stamp, add_stamp, nal_length_size};
use crate::flv_input::{FlvInput, InputPath, LoopClock};

/// A recorded stream in memory, with times that start at zero.
#[derive(Debug)]
pub(super) struct Clip {
    path: InputPath,
    messages: Vec<MediaMessage>,
    nal_length_size: Option<usize>,
}

impl Clip {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`BenchError::Input`], or [`BenchError::Empty`] if there is no audio and no video in it.
    pub(super) async fn load(path: PathBuf) -> Result<Arc<Self>, BenchError> {
        let path = InputPath::from(path);
        let mut input = FlvInput::open(path.clone()).await?;
        let mut messages = Vec::new();
        while let Some(message) = input.next().await? {
            messages.push(message);
        }
        let Some(first) = messages.iter().find(|message| message.is_coded_frames()) else {
            return Err(BenchError::Empty { path });
        };
        let start = first.timestamp;
        for message in &mut messages {
            let millis = u32::try_from(message.timestamp.signed_millis_since(start)).unwrap_or(0);
            message.timestamp = Timestamp::from_millis(millis);
        }
        let nal_length_size = messages.iter().find_map(nal_length_size);
        Ok(Arc::new(Self {
            path,
            messages,
            nal_length_size,
        }))
    }

    /// All messages, in order.
    #[must_use]
    pub(super) fn messages(&self) -> &[MediaMessage] {
        &self.messages
    }

    /// What stamps the frames of this file.
    ///
    /// # Errors
    ///
    /// [`BenchError::NoStamps`] if its video is not H.264.
    pub(super) fn stamper(&self) -> Result<Stamper, BenchError> {
        match self.nal_length_size {
            Some(length_size) => Ok(Stamper { length_size, next: 0 }),
            None => Err(BenchError::NoStamps {
                path: self.path.clone(),
            }),
        }
    }
}

/// Puts the number and the time into frames as they are sent.
#[derive(Clone, Debug)]
pub(super) struct Stamper {
    length_size: usize,
    next: u32,
}

impl Stamper {
    /// The message, with a stamp if it is a video frame.
    #[must_use]
    pub(super) fn stamp(&mut self, message: MediaMessage) -> MediaMessage {
        match add_stamp(&message, self.length_size, Stamp::now(self.next)) {
            Some(stamped) => {
                self.next = self.next.wrapping_add(1);
                stamped
            }
            None => message,
        }
    }
}

/// Gives a clip's messages round after round on one clock. The configuration comes in the first round only.
#[derive(Debug)]
pub(super) struct Rounds {
    clip: Arc<Clip>,
    clock: LoopClock,
    place: usize,
    round: u32,
    last_round: Option<u32>,
}

impl Rounds {
    /// So many rounds, or endlessly many.
    #[must_use]
    pub(super) fn new(clip: Arc<Clip>, count: Option<u32>) -> Self {
        Self {
            clip,
            clock: LoopClock::default(),
            place: 0,
            round: 1,
            last_round: count,
        }
    }
}

impl Iterator for Rounds {
    type Item = MediaMessage;

    fn next(&mut self) -> Option<MediaMessage> {
        loop {
            let Some(message) = self.clip.messages.get(self.place) else {
                if self.last_round.is_some_and(|last| self.round >= last) {
                    return None;
                }
                self.round = self.round.saturating_add(1);
                self.place = 0;
                self.clock.next_round();
                continue;
            };
            self.place += 1;
            if self.round == 1 || message.configurations().next().is_none() {
                return Some(self.clock.place(message.clone()));
            }
        }
    }
}

/// The message as a publisher sends it: servers keep metadata for those who join later only if they are told to.
#[must_use]
pub(super) fn for_server(message: MediaMessage) -> MediaMessage {
    let is_metadata = message
        .configurations()
        .any(|configuration| configuration == Configuration::Metadata);
    if is_metadata {
        MediaMessage {
            payload: with_set_data_frame(&message.payload),
            ..message
        }
    } else {
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(messages: Vec<MediaMessage>) -> Arc<Clip> {
        let nal_length_size = messages.iter().find_map(nal_length_size);
        Arc::new(Clip {
            path: PathBuf::from("test").into(),
            messages,
            nal_length_size,
        })
    }

    fn audio(millis: u32, body: &'static [u8]) -> MediaMessage {
        MediaMessage::audio(Timestamp::from_millis(millis), body)
    }

    #[test]
    fn later_rounds_go_on_behind_the_first_and_leave_the_configuration_out() {
        let clip = clip(vec![
            audio(0, b"\xAF\0\x12\x10"),
            audio(0, b"\xAF\x01\x01"),
            audio(20, b"\xAF\x01\x02"),
        ]);
        let rounds = Rounds::new(Arc::clone(&clip), Some(2));
        let sent: Vec<_> = rounds
            .map(|message| (message.timestamp.as_millis(), message.payload))
            .collect();
        let times: Vec<_> = sent.iter().map(|(millis, _)| *millis).collect();
        assert_eq!(times, [0, 0, 20, 40, 60]);
        assert_eq!(sent[3].1, b"\xAF\x01\x01".as_slice());
        assert_eq!(Rounds::new(clip, None).take(1000).count(), 1000);
    }

    #[test]
    fn only_h264_can_be_stamped() {
        let error = clip(vec![audio(0, b"\xAF\x01\x01")]).stamper().unwrap_err();
        assert!(matches!(error, BenchError::NoStamps { .. }));
    }
}
