//! What both roles do alike: chunks to messages and back, acknowledgements, bandwidth, pings.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_amf::amf0::Value;
use tokio_util::codec::Decoder;

use super::acknowledged::Acknowledged;
use super::outgoing::Outgoing;
use super::{DEFAULT_WINDOW, Direction, ProtocolError};
use crate::Limits;
use crate::chunk::{ChunkDecoder, ChunkError, MessageStreamId, MessageType, RawMessage};
use crate::message::{
    Aggregate, BandwidthLimit, Command, Control, MediaMessage, Message, MessageError, Status, TransactionId,
    UserControl,
};

/// The count of received bytes starts anew when it gets here. The specification lets it wrap at 2^32, and some
/// encoders misread the wrap and stop; nginx-rtmp, SRS and lal restart it here for them.
const SEQUENCE_RESTART: u32 = 0xF000_0000;

/// No acknowledgement is sent for fewer bytes than this, so that a tiny window is no amplifier.
const MIN_ACK_DISTANCE: u32 = 256;

/// A message that the link has not dealt with itself.
#[derive(Debug)]
pub(super) enum Incoming {
    Command {
        stream: MessageStreamId,
        command: Command,
    },
    Media {
        stream: MessageStreamId,
        message: MediaMessage,
    },
    UserControl(UserControl),
    Acknowledgement(u32),
    /// The answer to our newest ping, and the time until it came.
    Pong(Duration),
    Other(RawMessage),
    Undecodable(MessageError),
}

#[derive(Debug)]
pub(super) struct Link {
    decoder: ChunkDecoder,
    outgoing: Outgoing,
    limits: Limits,
    /// The peer is a client whose `connect` was not accepted yet.
    awaits_connect: bool,
    /// The peer publishes or plays, or has done so.
    is_media_allowed: bool,
    /// Parts of an aggregate message that are not handed on yet.
    aggregate: Option<(MessageStreamId, Aggregate)>,
    /// Bytes received, for acknowledgements.
    sequence: u32,
    /// Of these, bytes that the decoder has left in the input until a message is complete.
    left_in_input: usize,
    /// Of these, bytes not acknowledged yet.
    unacknowledged: u32,
    /// How often the peer wants acknowledgements.
    peer_window: u32,
    /// What the peer says it has received.
    acknowledged: Acknowledged,
    /// The window that we told the peer.
    announced_window: Option<u32>,
    /// The limit that the peer set on us, for the Dynamic limit type behind it.
    bandwidth: Option<(u32, BandwidthLimit)>,
    /// The value of the newest ping that is not answered.
    owed_pong: Option<u32>,
    /// The ping that we wait for: its value, and when it was sent.
    pending_ping: Option<(u32, Duration)>,
    round_trip: Option<Duration>,
    tap: Option<Tap>,
}

/// Sees every message.
struct Tap(Box<TapFn>);

/// What a tap is told: which way a message goes, and the message.
pub(super) type TapFn = dyn FnMut(Direction, &RawMessage) + Send;

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl Link {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            decoder: ChunkDecoder::new(limits.before_media()),
            outgoing: Outgoing::default(),
            limits,
            awaits_connect: false,
            is_media_allowed: false,
            aggregate: None,
            sequence: 0,
            left_in_input: 0,
            unacknowledged: 0,
            peer_window: DEFAULT_WINDOW,
            acknowledged: Acknowledged::default(),
            announced_window: None,
            bandwidth: None,
            owed_pong: None,
            pending_ping: None,
            round_trip: None,
            tap: None,
        }
    }

    pub(super) fn output(&mut self) -> &mut BytesMut {
        self.outgoing.output()
    }

    pub(super) fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    pub(super) fn unsent_len(&self) -> usize {
        self.outgoing.unsent_len()
    }

    pub(super) fn overtaking_len(&self) -> u64 {
        self.outgoing.overtaking_len()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn outgoing_chunk_size(&self) -> u32 {
        self.outgoing.chunk_size()
    }

    pub(super) fn announced_window(&self) -> Option<u32> {
        self.announced_window
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.total()
    }

    pub(super) fn set_tap(&mut self, tap: Box<TapFn>) {
        self.tap = Some(Tap(tap));
    }

    /// Holds the peer to the limits of a client that is not connected, or no longer.
    pub(super) fn set_awaits_connect(&mut self, awaits_connect: bool) {
        self.awaits_connect = awaits_connect;
    }

    /// Grants the peer the limits of one that publishes or plays.
    pub(super) fn allow_media(&mut self) {
        self.decoder.set_limits(self.limits);
        self.is_media_allowed = true;
    }

    /// The next message that is not the link's own affair, or `None` when `input` has no whole one.
    pub(super) fn next_message(
        &mut self,
        input: &mut BytesMut,
        now: Duration,
    ) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            if let Some((stream, parts)) = &mut self.aggregate {
                let stream = *stream;
                if let Some(message) = parts.next() {
                    return Ok(Some(Incoming::Media { stream, message }));
                }
                self.aggregate = None;
            }
            let before = input.len();
            let raw = self
                .decoder
                .decode(input)
                .map_err(|error| self.name_limit(error))?;
            self.count_taken(before.saturating_sub(input.len()));
            let Some(raw) = raw else {
                self.count_left(input.len());
                self.settle()?;
                return Ok(None);
            };
            if let Some(Tap(tap)) = &mut self.tap {
                tap(Direction::Received, &raw);
            }
            let limits = if self.awaits_connect {
                &self.limits.before_connect()
            } else {
                &self.limits
            };
            let message = match Message::decode_with(raw, limits) {
                Ok(message) => message,
                Err(error @ MessageError::ShortBody { .. }) => return Err(ProtocolError::Message(error)),
                Err(error) => return Ok(Some(Incoming::Undecodable(error))),
            };
            return Ok(Some(match message {
                Message::Control(control) => match self.handle_control(control)? {
                    Some(incoming) => incoming,
                    None => continue,
                },
                Message::UserControl(UserControl::PingRequest(value)) => {
                    // Only the newest is answered: a peer that floods us gets one answer for all it has sent.
                    self.owed_pong = Some(value);
                    continue;
                }
                Message::UserControl(UserControl::PingResponse(value)) => {
                    match self.handle_pong(value, now) {
                        Some(round_trip) => Incoming::Pong(round_trip),
                        None => continue,
                    }
                }
                Message::UserControl(event) => Incoming::UserControl(event),
                Message::Command { stream, command } => Incoming::Command { stream, command },
                Message::Media { stream, message } => Incoming::Media { stream, message },
                Message::Other(raw) if raw.message_type == MessageType::Aggregate => {
                    self.aggregate = Some((raw.stream, Aggregate::new(&raw)));
                    continue;
                }
                Message::Other(raw) => Incoming::Other(raw),
            }));
        }
    }

    /// An error of the decoder, with the limit that it was given before media under its own name.
    fn name_limit(&self, error: ChunkError) -> ProtocolError {
        match error {
            ChunkError::PartialMessagesTooLong { length, limit } if !self.is_media_allowed => {
                ProtocolError::TooLongBeforeMedia { length, limit }
            }
            error => ProtocolError::Chunk(error),
        }
    }

    fn handle_control(&mut self, control: Control) -> Result<Option<Incoming>, ProtocolError> {
        match control {
            // The decoder has obeyed both.
            Control::SetChunkSize(_) | Control::Abort(_) => {}
            Control::Acknowledgement(sequence) => {
                self.acknowledged.note(sequence);
                return Ok(Some(Incoming::Acknowledgement(sequence)));
            }
            // 0 would ask for endless acknowledgements; some peers send it to mean none.
            Control::WindowAckSize(0) => {}
            Control::WindowAckSize(window) => self.peer_window = window,
            Control::SetPeerBandwidth { window, limit } => self.limit_bandwidth(window, limit)?,
        }
        Ok(None)
    }

    /// Section 5.4.5: the receiver answers with Window Acknowledgement Size if that changes.
    fn limit_bandwidth(&mut self, window: u32, limit: BandwidthLimit) -> Result<(), ProtocolError> {
        // No bandwidth at all would be no connection.
        if window == 0 {
            return Ok(());
        }
        let (window, limit) = match (limit, self.bandwidth) {
            (BandwidthLimit::Soft, Some((current, _))) => (window.min(current), limit),
            // Servers send Dynamic first, with nothing before it to be like, and mean it.
            (BandwidthLimit::Dynamic, Some((_, BandwidthLimit::Hard)) | None) => {
                (window, BandwidthLimit::Hard)
            }
            (BandwidthLimit::Hard | BandwidthLimit::Soft, _) => (window, limit),
            (BandwidthLimit::Dynamic | BandwidthLimit::Other(_), _) => return Ok(()),
        };
        self.bandwidth = Some((window, limit));
        if self.announced_window != Some(window) {
            self.send_control(Control::WindowAckSize(window))?;
        }
        Ok(())
    }

    fn count_taken(&mut self, count: usize) {
        self.count_received(count.saturating_sub(self.left_in_input));
        self.left_in_input = self.left_in_input.saturating_sub(count);
    }

    /// Bytes of a message that is not complete have been received as well, and the peer may wait to hear so.
    fn count_left(&mut self, count: usize) {
        self.count_received(count.saturating_sub(self.left_in_input));
        self.left_in_input = count;
    }

    fn count_received(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.unacknowledged = self.unacknowledged.saturating_add(count);
        self.sequence = self.sequence.wrapping_add(count) % SEQUENCE_RESTART;
    }

    /// Sends what is owed for the bytes handled since the last time.
    fn settle(&mut self) -> Result<(), ProtocolError> {
        if let Some(value) = self.owed_pong.take() {
            self.send_user_control(UserControl::PingResponse(value))?;
        }
        // Half a window early, so that the peer never has to wait for it.
        if self.unacknowledged >= (self.peer_window / 2).max(MIN_ACK_DISTANCE) {
            self.unacknowledged = 0;
            self.send_control(Control::Acknowledgement(self.sequence))?;
        }
        Ok(())
    }

    pub(super) fn send_ping(&mut self, now: Duration) -> Result<(), ProtocolError> {
        let value = now.as_millis() as u32;
        self.pending_ping = Some((value, now));
        self.send_user_control(UserControl::PingRequest(value))
    }

    fn handle_pong(&mut self, value: u32, now: Duration) -> Option<Duration> {
        let (_, sent) = self.pending_ping.take_if(|(expected, _)| *expected == value)?;
        self.round_trip = Some(now.saturating_sub(sent));
        self.round_trip
    }

    pub(super) fn send_control(&mut self, control: Control) -> Result<(), ProtocolError> {
        if let Control::WindowAckSize(window) = control {
            self.announced_window = Some(window);
        }
        self.send(&Message::Control(control))
    }

    pub(super) fn send_user_control(&mut self, event: UserControl) -> Result<(), ProtocolError> {
        self.send(&Message::UserControl(event))
    }

    pub(super) fn send_command(
        &mut self,
        stream: MessageStreamId,
        command: Command,
    ) -> Result<(), ProtocolError> {
        self.send(&Message::Command { stream, command })
    }

    /// `_result` or `_error`, if an answer is wanted.
    pub(super) fn answer_call(
        &mut self,
        transaction: TransactionId,
        result: Result<Value, Status>,
    ) -> Result<(), ProtocolError> {
        if !transaction.expects_answer() {
            return Ok(());
        }
        let answer = match result {
            Ok(value) => Command::result(transaction).with_argument(value),
            Err(status) => Command::error(transaction, &status),
        };
        self.send_command(MessageStreamId::CONNECTION, answer)
    }

    fn send(&mut self, message: &Message) -> Result<(), ProtocolError> {
        let raw = message.encode().map_err(ProtocolError::EncodeMessage)?;
        self.send_raw(&raw)
    }

    pub(super) fn send_raw(&mut self, raw: &RawMessage) -> Result<(), ProtocolError> {
        if let Some(Tap(tap)) = &mut self.tap {
            tap(Direction::Sent, raw);
        }
        Ok(self.outgoing.send(raw, false)?)
    }

    pub(super) fn send_media(
        &mut self,
        stream: MessageStreamId,
        message: &MediaMessage,
    ) -> Result<(), ProtocolError> {
        let raw = message.to_raw(stream);
        if !message.is_sequence_header() {
            return self.send_raw(&raw);
        }
        if let Some(Tap(tap)) = &mut self.tap {
            tap(Direction::Sent, &raw);
        }
        Ok(self.outgoing.send(&raw, true)?)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_util::codec::Encoder;

    use super::*;
    use crate::Timestamp;
    use crate::chunk::ChunkEncoder;

    /// Four gigabytes would take a while, so the count begins near its end.
    #[test]
    fn the_count_of_received_bytes_starts_anew_where_encoders_misread_the_wrap() {
        let mut link = Link::new(Limits::default());
        let mut input = BytesMut::new();
        link.peer_window = 1000;
        link.sequence = SEQUENCE_RESTART - 100;
        let media = MediaMessage::audio(Timestamp::ZERO, vec![0; 100]);
        let mut sequences = Vec::new();
        for _ in 0..20 {
            let raw = media.to_raw(MessageStreamId::new(1));
            ChunkEncoder::default().encode(&raw, &mut input).unwrap();
            while link.next_message(&mut input, Duration::ZERO).unwrap().is_some() {}
            let sent: Bytes = link.output().split().freeze();
            if let Some(field) = sent.last_chunk() {
                sequences.push(u32::from_be_bytes(*field));
            }
        }
        // Five messages of 112 bytes are more than half a window.
        assert_eq!(sequences, [460, 1020, 1580, 2140]);
    }
}
