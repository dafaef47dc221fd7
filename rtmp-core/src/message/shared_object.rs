//! Shared objects: named sets of values that several clients see (RTMP 1.0 section 7.1.3).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rtmp_amf::amf0::{self, Value};
use rtmp_amf::{Amf0Error, AmfString};

/// A shared object message: which object it is about, and what happened to it.
///
/// This library keeps no shared objects itself; it reads and writes their messages for applications that do.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedObjectMessage {
    /// The object's name.
    pub name: AmfString,
    /// Counts the changes.
    pub version: u32,
    /// 0 for an object that ends with its last client, 2 for one that is stored.
    pub persistence: u32,
    /// What happened, in order.
    pub events: Vec<SharedObjectEvent>,
}

/// What happens to a shared object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SharedObjectEvent {
    /// A client wants to use the object (1).
    Use,
    /// A client does not use it any more (2).
    Release,
    /// A client asks to change a value (3).
    RequestChange {
        /// The value's key.
        key: AmfString,
        /// What it is to be.
        value: Value,
    },
    /// Values have changed (4).
    Change(Vec<(AmfString, Value)>),
    /// The change that this client asked for was made (5).
    Success {
        /// The value's key.
        key: AmfString,
    },
    /// A message to all who use the object (6): a handler name, then its arguments.
    SendMessage(Vec<Value>),
    /// Something went wrong (7).
    Status {
        /// What, for example `SharedObject.NoReadAccess`.
        code: AmfString,
        /// How bad it is.
        level: AmfString,
    },
    /// All values are gone (8).
    Clear,
    /// A value is gone (9).
    Remove {
        /// The value's key.
        key: AmfString,
    },
    /// A client asks to remove a value (10).
    RequestRemove {
        /// The value's key.
        key: AmfString,
    },
    /// A client may use the object (11).
    UseSuccess,
    /// Any other event.
    Other {
        /// Its number.
        event: u8,
        /// Its data.
        data: Bytes,
    },
}

/// Why a shared object message has no meaning, or can not be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedObjectError {
    /// The message ends inside a field.
    #[error("a shared object message that ends early")]
    Truncated,
    /// A value is broken or beyond the limits.
    #[error("a value of a shared object")]
    Value(#[from] Amf0Error),
    /// A name or key is longer than its 16-bit length can tell.
    #[error("a name of {length} bytes in a shared object message, at most 65535 can be written")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl SharedObjectMessage {
    /// Reads the body of a message of type 19. Type 16 has a format selector in front, which the caller takes off.
    ///
    /// # Errors
    ///
    /// [`SharedObjectError`].
    pub fn decode(mut body: Bytes) -> Result<Self, SharedObjectError> {
        let name = take_name(&mut body)?;
        let version = take_u32(&mut body)?;
        let persistence = take_u32(&mut body)?;
        // Four more bytes of flags that nobody uses.
        take_u32(&mut body)?;
        let mut events = Vec::new();
        while body.has_remaining() {
            let event = body.try_get_u8().map_err(|_| SharedObjectError::Truncated)?;
            let length = take_u32(&mut body)? as usize;
            if length > body.len() {
                return Err(SharedObjectError::Truncated);
            }
            events.push(SharedObjectEvent::decode(event, body.split_to(length))?);
        }
        Ok(Self {
            name,
            version,
            persistence,
            events,
        })
    }

    /// The body of a message of type 19.
    ///
    /// # Errors
    ///
    /// [`SharedObjectError`].
    pub fn encode(&self) -> Result<Bytes, SharedObjectError> {
        let mut body = BytesMut::new();
        put_name(&self.name, &mut body)?;
        body.put_u32(self.version);
        body.put_u32(self.persistence);
        body.put_u32(0);
        for event in &self.events {
            let mut data = BytesMut::new();
            body.put_u8(event.encode(&mut data)?);
            // Its parts are bounded by 32-bit lengths of their own, and a message is at most 16 MiB.
            body.put_u32(u32::try_from(data.len()).map_err(|_| SharedObjectError::Truncated)?);
            body.put_slice(&data);
        }
        Ok(body.freeze())
    }
}

impl SharedObjectEvent {
    fn decode(event: u8, mut data: Bytes) -> Result<Self, SharedObjectError> {
        Ok(match event {
            1 => Self::Use,
            2 => Self::Release,
            3 => {
                let (key, value) = take_slot(&mut data)?;
                Self::RequestChange { key, value }
            }
            4 => {
                let mut slots = Vec::new();
                while data.has_remaining() {
                    slots.push(take_slot(&mut data)?);
                }
                Self::Change(slots)
            }
            5 => Self::Success {
                key: take_name(&mut data)?,
            },
            6 => Self::SendMessage(amf0::decode_all(data)?),
            7 => Self::Status {
                code: take_name(&mut data)?,
                level: take_name(&mut data)?,
            },
            8 => Self::Clear,
            9 => Self::Remove {
                key: take_name(&mut data)?,
            },
            10 => Self::RequestRemove {
                key: take_name(&mut data)?,
            },
            11 => Self::UseSuccess,
            event => Self::Other { event, data },
        })
    }

    /// Appends the event's data and returns its number.
    fn encode(&self, data: &mut BytesMut) -> Result<u8, SharedObjectError> {
        let event = match self {
            Self::Use => 1,
            Self::Release => 2,
            Self::RequestChange { key, value } => {
                put_slot(key, value, data)?;
                3
            }
            Self::Change(slots) => {
                for (key, value) in slots {
                    put_slot(key, value, data)?;
                }
                4
            }
            Self::Success { key } => {
                put_name(key, data)?;
                5
            }
            Self::SendMessage(values) => {
                amf0::encode_all(values, data)?;
                6
            }
            Self::Status { code, level } => {
                put_name(code, data)?;
                put_name(level, data)?;
                7
            }
            Self::Clear => 8,
            Self::Remove { key } => {
                put_name(key, data)?;
                9
            }
            Self::RequestRemove { key } => {
                put_name(key, data)?;
                10
            }
            Self::UseSuccess => 11,
            Self::Other { event, data: kept } => {
                data.put_slice(kept);
                *event
            }
        };
        Ok(event)
    }
}

fn take_u32(body: &mut Bytes) -> Result<u32, SharedObjectError> {
    body.try_get_u32().map_err(|_| SharedObjectError::Truncated)
}

/// A 16-bit length and so many bytes.
fn take_name(body: &mut Bytes) -> Result<AmfString, SharedObjectError> {
    let length = usize::from(body.try_get_u16().map_err(|_| SharedObjectError::Truncated)?);
    if length > body.len() {
        return Err(SharedObjectError::Truncated);
    }
    Ok(AmfString::from(body.split_to(length)))
}

fn take_slot(body: &mut Bytes) -> Result<(AmfString, Value), SharedObjectError> {
    let key = take_name(body)?;
    let mut values = amf0::Decoder::new(body.clone());
    let value = values.next_value()?.ok_or(SharedObjectError::Truncated)?;
    *body = values.remaining();
    Ok((key, value))
}

fn put_name(name: &AmfString, body: &mut BytesMut) -> Result<(), SharedObjectError> {
    let length = name.len();
    body.put_u16(u16::try_from(length).map_err(|_| SharedObjectError::NameTooLong { length })?);
    body.put_slice(name.as_bytes());
    Ok(())
}

fn put_slot(key: &AmfString, value: &Value, body: &mut BytesMut) -> Result<(), SharedObjectError> {
    put_name(key, body)?;
    Ok(amf0::encode(value, body)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_event_survives_the_way_there_and_back() {
        let key = || AmfString::from("score");
        let message = SharedObjectMessage {
            name: "game".into(),
            version: 7,
            persistence: 2,
            events: vec![
                SharedObjectEvent::Use,
                SharedObjectEvent::Release,
                SharedObjectEvent::RequestChange {
                    key: key(),
                    value: 1.0.into(),
                },
                SharedObjectEvent::Change(vec![(key(), 2.0.into()), ("name".into(), "ann".into())]),
                SharedObjectEvent::Success { key: key() },
                SharedObjectEvent::SendMessage(vec!["hello".into(), true.into()]),
                SharedObjectEvent::Status {
                    code: "SharedObject.NoReadAccess".into(),
                    level: "error".into(),
                },
                SharedObjectEvent::Clear,
                SharedObjectEvent::Remove { key: key() },
                SharedObjectEvent::RequestRemove { key: key() },
                SharedObjectEvent::UseSuccess,
                SharedObjectEvent::Other {
                    event: 77,
                    data: Bytes::from_static(b"what"),
                },
            ],
        };
        assert_eq!(
            SharedObjectMessage::decode(message.encode().unwrap()),
            Ok(message)
        );
    }

    #[test]
    fn a_use_request_reads_as_the_specification_lays_it_out() {
        // By hand from section 7.1.3: name "so", version 0, flags, event 1 without data.
        let body = Bytes::from_static(b"\0\x02so\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0");
        let message = SharedObjectMessage::decode(body).unwrap();
        assert_eq!((message.name.to_str(), message.persistence), (Some("so"), 0));
        assert_eq!(message.events, [SharedObjectEvent::Use]);
    }

    #[test]
    fn an_event_longer_than_the_message_is_refused() {
        let body = Bytes::from_static(b"\0\x02so\0\0\0\0\0\0\0\0\0\0\0\0\x04\xff\xff\xff\xff");
        assert_eq!(
            SharedObjectMessage::decode(body),
            Err(SharedObjectError::Truncated)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = SharedObjectMessage::decode(body.into()) {
                prop_assert!(message.encode().is_ok());
            }
        }
    }
}
