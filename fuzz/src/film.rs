//! Messages that carry their number, what was sent of them, and whether a player can decode what it has got.

use rtmp_core::{MediaKind, MediaMessage, Timestamp};

/// What a message is to a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Metadata,
    VideoHeader,
    AudioHeader,
    Keyframe,
    Inter,
    Audio,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Metadata,
        Self::VideoHeader,
        Self::AudioHeader,
        Self::Keyframe,
        Self::Inter,
        Self::Audio,
    ];

    /// Whether it is no frame, but says how frames are to be read.
    pub fn is_header(self) -> bool {
        matches!(self, Self::Metadata | Self::VideoHeader | Self::AudioHeader)
    }

    /// Whether it is one of video.
    pub fn is_frame(self) -> bool {
        matches!(self, Self::Keyframe | Self::Inter)
    }

    /// A message of which `number` is a part.
    pub fn message(self, number: u32, len: usize) -> MediaMessage {
        let time = Timestamp::from_millis(number * 10);
        let id = number.to_be_bytes();
        let padding = vec![0; len];
        let with = |head: &[u8]| [head, &id, &padding].concat();
        match self {
            Self::Metadata => {
                let payload = with(b"\x02\0\x0AonMetaData\x03\0\x01i\x0C\0\0\0\x04");
                let end = payload.len() - len;
                MediaMessage::data(time, [&payload[..end], b"\0\0\x09"].concat())
            }
            Self::VideoHeader => MediaMessage::video(time, with(b"\x17\0\0\0\0")),
            Self::Keyframe => MediaMessage::video(time, with(b"\x17\x01\0\0\0")),
            Self::Inter => MediaMessage::video(time, with(b"\x27\x01\0\0\0")),
            Self::AudioHeader => MediaMessage::audio(time, with(b"\xAF\0")),
            Self::Audio => MediaMessage::audio(time, with(b"\xAF\x01")),
        }
    }
}

/// The newest header of each kind, by number.
#[derive(Clone, Copy, Debug, Default)]
struct Headers {
    metadata: Option<u32>,
    video: Option<u32>,
    audio: Option<u32>,
}

impl Headers {
    fn note(&mut self, role: Role, number: u32) {
        match role {
            Role::Metadata => self.metadata = Some(number),
            Role::VideoHeader => self.video = Some(number),
            Role::AudioHeader => self.audio = Some(number),
            Role::Keyframe | Role::Inter | Role::Audio => {}
        }
    }

    /// The one that a frame is decoded with.
    fn decoder(self, role: Role) -> Option<u32> {
        match role {
            Role::Audio => self.audio,
            _ => self.video,
        }
    }
}

/// What was sent, in the order of its numbers.
#[derive(Debug)]
pub struct Sent {
    /// What it is to a decoder.
    pub role: Role,
    /// The message.
    pub message: MediaMessage,
    /// What its feed had sent before.
    headers: Headers,
    /// The frame before it in its feed; `None` if a keyframe has yet to come.
    pub frame_before: Option<u32>,
}

/// A publisher or somebody who stands in.
#[derive(Debug)]
pub struct Feed<T> {
    /// What sends for it.
    pub handle: T,
    headers: Headers,
    frame: Option<u32>,
}

impl<T> Feed<T> {
    /// One that has sent nothing yet.
    pub fn new(handle: T) -> Self {
        Self {
            handle,
            headers: Headers::default(),
            frame: None,
        }
    }

    /// Notes a message that it is about to send.
    pub fn prepare(&mut self, role: Role, len: usize, log: &mut Vec<Sent>) -> MediaMessage {
        let number = log.len() as u32;
        let message = role.message(number, len);
        let frame_before = if role == Role::Inter { self.frame } else { None };
        log.push(Sent {
            role,
            message: message.clone(),
            headers: self.headers,
            frame_before,
        });
        self.headers.note(role, number);
        if role == Role::Keyframe || (role == Role::Inter && self.frame.is_some()) {
            self.frame = Some(number);
        }
        message
    }
}

/// What a player has got.
#[derive(Debug, Default)]
pub struct Seen {
    headers: Headers,
    /// The numbers of all messages that are no headers.
    pub numbers: Vec<u32>,
    /// The newest frame of video.
    pub frame: Option<u32>,
}

impl Seen {
    /// Notes a message.
    ///
    /// # Panics
    ///
    /// If it is not what was sent, comes twice or out of order, or something that it needs did not come before.
    pub fn check(&mut self, message: &MediaMessage, log: &[Sent]) {
        let number = number_of(message);
        let sent = &log[number as usize];
        assert_eq!(
            (message.kind, &message.payload),
            (sent.message.kind, &sent.message.payload)
        );
        if sent.role.is_header() {
            self.headers.note(sent.role, number);
            return;
        }
        let newest = self.numbers.last();
        assert!(newest < Some(&number), "{number} comes behind {newest:?}");
        self.numbers.push(number);
        let (have, needed) = (self.headers.decoder(sent.role), sent.headers.decoder(sent.role));
        assert!(
            needed.is_none() || have == needed,
            "{number} needs {needed:?}, the player has {have:?}"
        );
        // Who joins at an earlier keyframe gets the newest metadata.
        let (have, needed) = (self.headers.metadata, sent.headers.metadata);
        assert!(
            have >= needed,
            "{number} needs metadata {needed:?}, the player has {have:?}"
        );
        if sent.role == Role::Inter {
            assert!(
                sent.frame_before.is_some() && sent.frame_before == self.frame,
                "{number} needs {:?}, the player has {:?}",
                sent.frame_before,
                self.frame
            );
        }
        if sent.role.is_frame() {
            self.frame = Some(number);
        }
    }
}

/// The number that [`Role::message`] has put into it.
fn number_of(message: &MediaMessage) -> u32 {
    let at = match message.kind {
        MediaKind::Video => 5,
        MediaKind::Audio => 2,
        MediaKind::Data | MediaKind::Amf3Data => 22,
    };
    let id = message.payload[at..].first_chunk().expect("a number");
    u32::from_be_bytes(*id)
}
