//! The configuration of a stream: what decoders need before anything else, and metadata.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use rtmp_core::MediaMessage;
use rtmp_core::flv::Configuration;

use super::RelayConfig;

/// The newest configuration of a publisher, by the numbers of the messages that it came in.
#[derive(Debug, Default)]
pub(super) struct ConfigurationCache {
    kept: BTreeMap<Configuration, Kept>,
    /// Bytes of what is kept; a message with several parts counts with each.
    len: usize,
    /// From the first header that was replaced to the newest that replaced one. Who begins in between needs one that is
    /// not known any more.
    forgotten: Option<Range<u64>>,
}

/// The newest message of a part of the configuration.
#[derive(Debug)]
struct Kept {
    number: u64,
    message: MediaMessage,
    /// Since which number there has been one, if only with other content.
    since: u64,
}

impl ConfigurationCache {
    /// Keeps the configuration in a message. Returns whether headers were replaced: then what came before can not be
    /// decoded with what is kept now.
    pub(super) fn keep(&mut self, message: &MediaMessage, number: u64, config: &RelayConfig) -> bool {
        let mut has_replaced = false;
        for configuration in message.configurations() {
            let before = self.kept.get(&configuration);
            if before.is_some_and(|before| before.message.payload == message.payload) {
                // Repeated for those who join; it is in force since it came first.
                continue;
            }
            // The one before must not be given to anybody, whether this one can be kept or not.
            let before = self.remove(configuration);
            let len = message.payload.len();
            if len <= config.max_configuration_len && self.len + len <= config.max_configurations_len {
                let kept = Kept {
                    number,
                    // It is kept as long as the stream, and must not keep the buffer that it was read into.
                    message: MediaMessage {
                        payload: Bytes::copy_from_slice(&message.payload),
                        ..*message
                    },
                    since: before.as_ref().map_or(number, |before| before.since),
                };
                self.kept.insert(configuration, kept);
                self.len += len;
            }
            if let Some(before) = before
                && decodes(configuration)
            {
                let start = self.forgotten.as_ref().map_or(u64::MAX, |range| range.start);
                self.forgotten = Some(start.min(before.number)..number);
                has_replaced = true;
            }
        }
        has_replaced
    }

    fn remove(&mut self, configuration: Configuration) -> Option<Kept> {
        let removed = self.kept.remove(&configuration)?;
        self.len -= removed.message.payload.len();
        Some(removed)
    }

    pub(super) fn forget_metadata(&mut self) {
        self.remove(Configuration::Metadata);
    }

    /// Whether the configuration in force at `number` is still known.
    pub(super) fn is_known_at(&self, number: u64) -> bool {
        self.forgotten
            .as_ref()
            .is_none_or(|range| number <= range.start || number >= range.end)
    }

    /// What was sent from number `from` up to `to`, in the order to send it. Of metadata it is the newest even if they
    /// come later, because some encoders send other ones all the time.
    pub(super) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &MediaMessage> {
        let is_owed = move |kind: Configuration, kept: &Kept| {
            let in_force_since = if decodes(kind) { kept.number } else { kept.since };
            kept.number >= from && in_force_since < to
        };
        let mut last = None;
        self.kept
            .iter()
            .filter(move |(kind, kept)| is_owed(**kind, kept))
            .map(|(_, kept)| kept)
            // One message may have the headers of several tracks.
            .filter(move |kept| last.replace(kept.number) != Some(kept.number))
            .map(|kept| &kept.message)
    }

    /// All of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = &MediaMessage> {
        self.between(0, u64::MAX)
    }
}

/// Whether media can not be decoded without it.
fn decodes(configuration: Configuration) -> bool {
    !matches!(
        configuration,
        Configuration::Metadata | Configuration::VideoMetadata { .. }
    )
}

#[cfg(test)]
mod tests {
    use rtmp_core::Timestamp;

    use super::*;

    fn header(track: u8, content: &[u8]) -> MediaMessage {
        let body = [&[0x96, 0, b'h', b'v', b'c', b'1', track], content].concat();
        MediaMessage::video(Timestamp::ZERO, body)
    }

    #[test]
    fn all_parts_together_are_bounded_and_replacing_one_makes_no_room_for_more() {
        let config = RelayConfig::default().max_configurations_len(1000);
        let mut cache = ConfigurationCache::default();
        for number in 0..=255_u8 {
            cache.keep(&header(number, &[number; 93]), number.into(), &config);
        }
        assert_eq!((cache.iter().count(), cache.len), (10, 1000));
        // One that is replaced gives its room to the new one, if that fits.
        assert!(cache.keep(&header(3, &[0; 90]), 300, &config));
        assert_eq!((cache.iter().count(), cache.len), (10, 997));
        // One that does not fit is in force all the same.
        assert!(cache.keep(&header(3, &[0; 94]), 301, &config));
        assert_eq!((cache.iter().count(), cache.len), (9, 900));
    }

    #[test]
    fn what_is_repeated_is_in_force_since_it_came_first() {
        let config = RelayConfig::default();
        let mut cache = ConfigurationCache::default();
        assert!(!cache.keep(&header(0, b"a"), 5, &config));
        assert!(!cache.keep(&header(0, b"a"), 7, &config));
        assert!(cache.is_known_at(6));
        assert_eq!(cache.between(0, 6).count(), 1);
        assert!(cache.keep(&header(0, b"b"), 9, &config));
        assert!(cache.is_known_at(5) && !cache.is_known_at(6) && cache.is_known_at(9));
    }
}
