//! A peer that follows a script: bytes that a fuzzer can vary become messages that a machine looks at.

use bytes::BytesMut;
use rtmp_amf::amf0::{Encoder, Object, Value};
use rtmp_core::Timestamp;
use rtmp_core::chunk::{ChunkEncoder, ChunkStreamId, MessageStreamId, MessageType, RawMessage};
use tokio_util::codec::Encoder as _;

const NAMES: [&str; 24] = [
    "connect",
    "createStream",
    "deleteStream",
    "closeStream",
    "publish",
    "play",
    "pause",
    "pauseRaw",
    "seek",
    "receiveAudio",
    "receiveVideo",
    "releaseStream",
    "FCPublish",
    "FCUnpublish",
    "FCSubscribe",
    "getStreamLength",
    "_result",
    "_error",
    "onStatus",
    "close",
    "onFCPublish",
    "_checkbw",
    "",
    "x",
];

const TEXTS: [&str; 12] = [
    "live",
    "cam",
    "cam?key=1",
    "",
    "/",
    "record",
    "status",
    "error",
    "NetStream.Publish.Start",
    "NetStream.Play.Start",
    "NetStream.Play.StreamNotFound",
    "NetConnection.Connect.Success",
];

const NUMBERS: [f64; 12] = [
    0.0,
    -0.0,
    1.0,
    2.0,
    3.0,
    -1.0,
    -2000.0,
    0.5,
    1e10,
    1e308,
    f64::NAN,
    f64::INFINITY,
];

/// One step of a script.
#[derive(Debug)]
pub enum Step {
    /// The peer sends something.
    Sends,
    /// The other end is told to do something; the bytes say what.
    Told([u8; 3]),
}

/// Turns the rest of a fuzzer's input into what a peer sends.
#[derive(Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
    encoder: ChunkEncoder,
}

impl<'a> Script<'a> {
    /// The script that these bytes are.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            encoder: ChunkEncoder::default(),
        }
    }

    /// The next step, or `None` at the end. What the peer sends goes to `sent`.
    pub fn step(&mut self, sent: &mut BytesMut) -> Option<Step> {
        match self.byte()? % 8 {
            0 => return Some(Step::Told([self.byte()?, self.byte()?, self.byte()?])),
            1 => {
                let len = self.byte()?;
                sent.extend_from_slice(self.take(len.into()));
            }
            2 | 3 => {
                let message_type = MessageType::from(self.byte()? % 24);
                let stream = self.stream()?;
                let len = usize::from(self.byte()?) * usize::from(self.byte()? % 4 + 1);
                let mut payload = self.take(len).to_vec();
                payload.resize(len, 0);
                self.send(message_type, stream, payload, sent)?;
            }
            _ => {
                let stream = self.stream()?;
                let mut payload = BytesMut::new();
                let name = *pick(&NAMES, self.byte()?);
                let mut values = vec![Value::from(name), Value::from(f64::from(self.byte()? % 16))];
                for _ in 0..self.byte()? % 6 {
                    values.push(self.value(0)?);
                }
                let mut encoder = Encoder::new(&mut payload);
                for value in &values {
                    encoder.value(value).expect("values of the script are small");
                }
                self.send(MessageType::Command, stream, payload.to_vec(), sent)?;
            }
        }
        Some(Step::Sends)
    }

    /// What puts messages into chunks, to be changed where several peers follow one script.
    pub fn encoder(&mut self) -> &mut ChunkEncoder {
        &mut self.encoder
    }

    fn send(&mut self, kind: MessageType, stream: u32, payload: Vec<u8>, sent: &mut BytesMut) -> Option<()> {
        let message = RawMessage {
            chunk_stream: ChunkStreamId::new(2 + u32::from(self.byte()? % 12))?,
            timestamp: Timestamp::from_millis(u32::from(self.byte()?) << (self.byte()? % 25)),
            message_type: kind,
            stream: MessageStreamId::new(stream),
            payload: payload.into(),
        };
        // A chunk size that can not be announced is a message that can not be sent.
        let _ = self.encoder.encode(&message, sent);
        Some(())
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        let kind = self.byte()?;
        Some(match kind % 8 {
            0 => Value::Null,
            1 => Value::Boolean(self.byte()? & 1 == 1),
            2 | 3 => Value::Number(*pick(&NUMBERS, self.byte()?)),
            4 | 5 => Value::from(*pick(&TEXTS, self.byte()?)),
            _ if depth > 2 => Value::Undefined,
            6 => Value::StrictArray(vec![self.value(depth + 1)?]),
            _ => {
                let mut object = Object::new();
                for key in ["app", "code", "level", "tcUrl"] {
                    if self.byte()? & 1 == 1 {
                        object.push(key, self.value(depth + 1)?);
                    }
                }
                Value::Object(object)
            }
        })
    }

    fn stream(&mut self) -> Option<u32> {
        let byte = self.byte()?;
        Some(if byte < 250 {
            u32::from(byte % 5)
        } else {
            u32::MAX - u32::from(byte)
        })
    }

    /// The next byte, for what is no step of a peer.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

fn pick<T>(list: &[T], byte: u8) -> &T {
    &list[usize::from(byte) % list.len()]
}
