//! What happens on a connection besides media and answers.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use rtmp_amf::amf0::{Object, Value};
use rtmp_amf::amf3;
use rtmp_core::chunk::{MessageStreamId, RawMessage};
use rtmp_core::message::{Command, Status, UserControl};

use crate::CloseReason;
use crate::queue::Receiver;

/// Something that happens on a connection, from [`ClientConn::events`](crate::ClientConn::events).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A status (`onStatus`), also if a method returned because of it.
    Status {
        /// The stream it is about, 0 for the connection.
        stream: MessageStreamId,
        /// What the server says.
        status: Status,
    },
    /// The stream is functional (RTMP 1.0 section 7.1.7); 0 is the connection.
    StreamBegin(MessageStreamId),
    /// The server has sent all of the stream, for now.
    StreamEof(MessageStreamId),
    /// The stream has had no data for a while.
    StreamDry(MessageStreamId),
    /// The stream is a recording.
    StreamIsRecorded(MessageStreamId),
    /// Any other user control event but pings, which are answered and not reported.
    UserControl(UserControl),
    /// The server has received so many bytes, modulo 2^32; some servers count differently.
    Acknowledgement(u32),
    /// A remote call of the server, for information: [`Calls`](crate::Calls) are there to answer them. If nobody does,
    /// a call that wants an answer gets the empty one.
    Call {
        /// The stream it is about, 0 for the connection.
        stream: MessageStreamId,
        /// The call.
        command: Command,
    },
    /// A message of a type that means nothing here: a shared object
    /// ([`SharedObjectMessage`](rtmp_core::message::SharedObjectMessage)), or one that no specification explains.
    Other(RawMessage),
    /// The connection is closed. This is the last event.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

impl Event {
    /// Roughly the memory that the event holds, in bytes.
    pub(crate) fn held_len(&self) -> usize {
        let more = match self {
            Self::Status { status, .. } => {
                status.code.as_str().len() + status.description.len() + object_len(&status.details)
            }
            Self::Call { command, .. } => {
                let arguments: usize = command.arguments.iter().map(value_len).sum();
                command.name.len() + value_len(&command.object) + arguments
            }
            Self::UserControl(UserControl::Other { data, .. }) => data.len(),
            Self::Other(message) => message.payload.len(),
            _ => 0,
        };
        size_of::<Self>() + more
    }
}

fn value_len(value: &Value) -> usize {
    let more = match value {
        Value::String(text) | Value::LongString(text) | Value::XmlDocument(text) => text.len(),
        Value::Object(object) | Value::EcmaArray(object) => object_len(object),
        Value::TypedObject(object) => object.class_name.len() + object_len(&object.properties),
        Value::StrictArray(values) => values.iter().map(value_len).sum(),
        Value::Amf3(value) => amf3_len(value),
        Value::Number(_)
        | Value::Boolean(_)
        | Value::Null
        | Value::Undefined
        | Value::Reference(_)
        | Value::Date { .. }
        | Value::Unsupported => 0,
    };
    size_of::<Value>() + more
}

fn amf3_len(value: &amf3::Value) -> usize {
    use amf3::{Piece, Value};
    let pairs = |properties: &amf3::Properties| -> usize {
        properties
            .iter()
            .map(|(key, value)| key.len() + size_of_val(key) + amf3_len(value))
            .sum()
    };
    let all = |values: &[Value]| -> usize { values.iter().map(amf3_len).sum() };
    let more = match value {
        Value::String(text) | Value::XmlDocument(text) | Value::Xml(text) => text.len(),
        Value::ByteArray(bytes) => bytes.len(),
        Value::Array(array) => pairs(&array.properties) + all(&array.elements),
        Value::Object(object) => object.class_name().len() + all(object.sealed()) + pairs(object.dynamic()),
        Value::Externalizable(object) => {
            let piece = |piece: &Piece| match piece {
                Piece::Bytes(bytes) => size_of::<Piece>() + bytes.len(),
                Piece::Value(value) => amf3_len(value),
            };
            object.class_name.len() + object.body.iter().map(piece).sum::<usize>()
        }
        Value::VectorInt(vector) => size_of_val(vector.elements.as_slice()),
        Value::VectorUint(vector) => size_of_val(vector.elements.as_slice()),
        Value::VectorDouble(vector) => size_of_val(vector.elements.as_slice()),
        Value::VectorObject(vector) => vector.type_name.len() + all(&vector.elements),
        Value::Dictionary(dictionary) => dictionary
            .entries
            .iter()
            .map(|(key, value)| amf3_len(key) + amf3_len(value))
            .sum(),
        Value::Undefined
        | Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Double(_)
        | Value::Date(_)
        | Value::Cycle(_) => 0,
    };
    size_of::<Value>() + more
}

fn object_len(object: &Object) -> usize {
    object
        .iter()
        .map(|(key, value)| key.len() + size_of_val(key) + value_len(value))
        .sum()
}

/// The events of a connection from the time it was asked for, in order.
///
/// Nobody has to read them: it holds a bounded number ([`event_capacity`](crate::ClientBuilder::event_capacity)) of
/// at most 1 MiB in all, and beyond that the oldest are [`lost`](Self::lost). It does not keep the connection open.
///
/// It is a [`Stream`] as well.
#[derive(Debug)]
pub struct Events {
    queue: Receiver<Event>,
}

impl Events {
    pub(crate) fn new(queue: Receiver<Event>) -> Self {
        Self { queue }
    }

    /// The next event; `None` behind [`Event::Closed`].
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// How many events were lost because nobody read them in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<Event>> {
        self.queue.poll_next(cx).map(Result::ok)
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_recv(cx)
    }
}
