//! Commands: remote calls and their answers (RTMP 1.0 section 7.1.1).

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{Decoder, Encoder, Value};
use rtmp_amf::{Amf0Error, AmfString, Limits};

use super::{MessageError, Status};

/// Pairs a command with its answer; 0 means that no answer is wanted.
///
/// It is a double on the wire and is echoed bit for bit. A transaction id that is no finite number counts as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransactionId(f64);

impl TransactionId {
    /// No answer is wanted.
    pub const NONE: Self = Self(0.0);

    /// The transaction id of this number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id as f64)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether the sender waits for `_result` or `_error`.
    #[must_use]
    pub fn expects_answer(self) -> bool {
        self != Self::NONE
    }

    fn from_value(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_number) {
            Some(id) if id.is_finite() => Self(id),
            _ => Self::NONE,
        }
    }
}

/// A command as it stands on the wire: `name`, transaction id, command object, arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The procedure called, or `_result`, `_error`, `onStatus`.
    pub name: AmfString,
    /// Pairs the command with its answer.
    pub transaction: TransactionId,
    /// The first argument, by convention an object or null. Missing ones read as [`Value::Null`].
    pub object: Value,
    /// All further arguments.
    pub arguments: Vec<Value>,
}

impl Command {
    /// A command without answer, with a null object and no arguments.
    #[must_use]
    pub fn new(name: impl Into<AmfString>) -> Self {
        Self {
            name: name.into(),
            transaction: TransactionId::NONE,
            object: Value::Null,
            arguments: Vec::new(),
        }
    }

    /// Asks for an answer under this id.
    #[must_use]
    pub fn with_transaction(mut self, transaction: TransactionId) -> Self {
        self.transaction = transaction;
        self
    }

    /// Sets the command object.
    #[must_use]
    pub fn with_object(mut self, object: impl Into<Value>) -> Self {
        self.object = object.into();
        self
    }

    /// Appends an argument.
    #[must_use]
    pub fn with_argument(mut self, argument: impl Into<Value>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The answer to the command with this id: `_result`.
    #[must_use]
    pub fn result(transaction: TransactionId) -> Self {
        Self::new(AmfString::from_static("_result")).with_transaction(transaction)
    }

    /// The refusal of the command with this id: `_error` with an information object.
    #[must_use]
    pub fn error(transaction: TransactionId, status: &Status) -> Self {
        Self::new(AmfString::from_static("_error"))
            .with_transaction(transaction)
            .with_argument(status.to_value())
    }

    /// A status of the stream or connection that the message belongs to: `onStatus`.
    #[must_use]
    pub fn on_status(status: &Status) -> Self {
        Self::new(AmfString::from_static("onStatus")).with_argument(status.to_value())
    }

    /// The argument at `index`, the command object not counted.
    #[must_use]
    pub fn argument(&self, index: usize) -> Option<&Value> {
        self.arguments.get(index)
    }

    /// The argument at `index` if it is text in UTF-8.
    #[must_use]
    pub fn text_argument(&self, index: usize) -> Option<&str> {
        self.argument(index).and_then(Value::as_str)
    }

    /// The argument at `index` as a finite number; booleans and numeric strings count.
    #[must_use]
    pub fn number_argument(&self, index: usize) -> Option<f64> {
        self.argument(index)
            .and_then(Value::to_number)
            .filter(|number| number.is_finite())
    }

    /// Reads a body. Everything but the name may be missing, and what follows the last value that makes sense is
    /// ignored: peers send both.
    pub(super) fn decode(body: Bytes, limits: Limits) -> Result<Self, MessageError> {
        let mut values = Decoder::new(body).with_limits(limits);
        let name = match values.next_value().map_err(MessageError::Command)? {
            Some(Value::String(name) | Value::LongString(name)) => name,
            _ => return Err(MessageError::CommandName),
        };
        let transaction = values.next_value().map_err(MessageError::Command)?;
        if transaction.as_ref().is_some_and(counts_for_references) {
            // It is not kept, and what refers to it or to those behind it would then mean another.
            return Err(MessageError::CommandTransaction);
        }
        let object = values
            .next_value()
            .map_err(MessageError::Command)?
            .unwrap_or(Value::Null);
        let mut arguments = Vec::new();
        loop {
            match values.next_value() {
                Ok(Some(value)) => arguments.push(value),
                Ok(None) | Err(Amf0Error::UnknownMarker { .. }) => break,
                Err(error) => return Err(MessageError::Command(error)),
            }
        }
        Ok(Self {
            name,
            transaction: TransactionId::from_value(transaction.as_ref()),
            object,
            arguments,
        })
    }

    pub(super) fn encode_body(&self) -> Result<Bytes, Amf0Error> {
        let mut body = BytesMut::with_capacity(256);
        let mut encoder = Encoder::new(&mut body);
        encoder.string(&self.name)?;
        encoder.number(self.transaction.get());
        encoder.value(&self.object)?;
        for argument in &self.arguments {
            encoder.value(argument)?;
        }
        Ok(body.freeze())
    }
}

/// Whether references may point to a value (AMF 0 section 2.9).
fn counts_for_references(value: &Value) -> bool {
    matches!(
        value,
        Value::Object(_) | Value::TypedObject(_) | Value::EcmaArray(_) | Value::StrictArray(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &[u8]) -> Result<Command, MessageError> {
        Command::decode(Bytes::copy_from_slice(body), Limits::default())
    }

    #[test]
    fn a_command_of_only_a_name_is_complete() {
        // FFmpeg's listener sends onFCPublish like this.
        let command = decode(b"\x02\0\x0bonFCPublish").unwrap();
        assert_eq!(command, Command::new("onFCPublish"));
    }

    #[test]
    fn a_transaction_id_that_is_no_finite_number_asks_for_no_answer() {
        for id in [
            &b"\0\x7f\xf8\0\0\0\0\0\0"[..],
            b"\0\x7f\xf0\0\0\0\0\0\0",
            b"\x02\0\x011",
            b"\x05",
        ] {
            let body = [&b"\x02\0\x01x"[..], id].concat();
            assert!(!decode(&body).unwrap().transaction.expects_answer());
        }
    }

    #[test]
    fn an_object_in_place_of_the_transaction_id_is_refused_since_references_count_it() {
        // Found by fuzzing: written again, the reference pointed to nothing.
        let body = b"\x02\0\x01x\x03\0\0\x09\x05\x07\0\0";
        assert!(matches!(decode(body), Err(MessageError::CommandTransaction)));
    }

    #[test]
    fn data_behind_the_last_value_are_ignored() {
        let command = decode(b"\x02\0\x01x\0\x3f\xf0\0\0\0\0\0\0\x05\x01\x01\x77garbage").unwrap();
        assert_eq!(
            command,
            Command::new("x")
                .with_transaction(TransactionId::new(1))
                .with_argument(true)
        );
    }

    #[test]
    fn a_body_without_a_name_is_refused() {
        assert!(matches!(decode(b""), Err(MessageError::CommandName)));
        assert!(matches!(decode(b"\x05"), Err(MessageError::CommandName)));
        assert!(matches!(decode(b"\x02\0\x09x"), Err(MessageError::Command(_))));
    }
}
