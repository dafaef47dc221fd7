//! Messages in wire form that go out as one.

use bytes::{Bytes, BytesMut};
use rtmp_core::chunk::{ChunkEncoder, MessageStreamId};
use rtmp_core::conn::DEFAULT_OUTGOING_CHUNK_SIZE;
use rtmp_core::message::{Control, Message};
use rtmp_core::{MediaMessage, Timestamp};
use tokio_util::codec::Encoder;

use super::super::clip::Clip;
use super::player::Player;

/// The first stream of a connection, which all players use.
pub(super) const STREAM: MessageStreamId = MessageStreamId::new(1);

/// Messages that were not written yet.
#[derive(Debug)]
pub(super) struct Batch {
    encoder: ChunkEncoder,
    configuration: Vec<MediaMessage>,
    has_video: bool,
    wire: BytesMut,
    /// Where a player can begin: the place of the message in `wire`, and its time.
    beginning: Option<(usize, Timestamp)>,
}

impl Batch {
    pub(super) fn new(clip: &Clip) -> Self {
        let mut encoder = ChunkEncoder::default();
        // Players were told this size when they were opened.
        if let Ok(raw) = Message::Control(Control::SetChunkSize(DEFAULT_OUTGOING_CHUNK_SIZE)).encode() {
            let announced = encoder.encode(raw, &mut BytesMut::new());
            debug_assert!(announced.is_ok(), "the size is in its range");
        }
        let is_configuration = |message: &&MediaMessage| message.configurations().next().is_some();
        Self {
            encoder,
            configuration: clip.messages().iter().filter(is_configuration).cloned().collect(),
            has_video: clip.messages().iter().any(MediaMessage::is_keyframe),
            wire: BytesMut::new(),
            beginning: None,
        }
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: &MediaMessage) {
        let is_beginning = if self.has_video {
            message.is_keyframe()
        } else {
            message.is_coded_frames()
        };
        if is_beginning && self.beginning.is_none() {
            self.beginning = Some((self.wire.len(), message.timestamp));
        }
        self.append(message);
    }

    /// The whole clip as chunks.
    pub(super) fn whole(clip: &Clip) -> Bytes {
        let mut batch = Self::new(clip);
        for message in clip.messages() {
            batch.append(message);
        }
        batch.wire.freeze()
    }

    /// Writes all to the players that have begun, and lets those begin that can. Forgets players that are gone.
    pub(super) fn write_to(&mut self, players: &mut Vec<Player>) {
        let wire = self.wire.split().freeze();
        let first = self
            .beginning
            .take()
            .map(|(place, time)| self.first_bytes(wire.slice(place..), time));
        players.retain_mut(|player| {
            if player.has_begun {
                return player.write(&wire);
            }
            match &first {
                Some(first) => {
                    player.has_begun = true;
                    player.write(first)
                }
                None => true,
            }
        });
    }

    /// What a player begins with: the configuration, then what is at hand.
    fn first_bytes(&mut self, at_hand: Bytes, timestamp: Timestamp) -> Bytes {
        for message in self.configuration.clone() {
            self.append(&MediaMessage { timestamp, ..message });
        }
        let mut first = self.wire.split();
        first.extend_from_slice(&at_hand);
        first.freeze()
    }

    fn append(&mut self, message: &MediaMessage) {
        // A full header depends on no player's state. No message of a file is too long for its length field.
        let appended = self.encoder.encode_full(&message.to_raw(STREAM), &mut self.wire);
        debug_assert!(appended.is_ok(), "a file's tags are as short as messages");
    }
}
