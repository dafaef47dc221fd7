//! A machine and a peer that follows a script: the machine answers in proportion, in whole messages, and the same for
//! every way to cut what it reads.

use std::iter;
use std::time::Duration;

use bytes::BytesMut;
use rtmp_core::chunk::ChunkDecoder;
use rtmp_core::message::Message;
use tokio_util::codec::Decoder;

use crate::script::{Script, Step};

/// One of the machines with an application that answers it.
pub trait Machine {
    /// How many bytes it may send for one of the peer's.
    const MAX_FACTOR: usize;
    /// How many bytes it may send beyond that.
    const SLACK: usize;

    /// One behind the handshake; `agrees` says what its application answers.
    fn new(agrees: bool) -> Self;

    /// Takes the next event and does what the application does then; `None` if that needs more input.
    ///
    /// # Errors
    ///
    /// What the connection fails with.
    fn next_event(&mut self, input: &mut BytesMut, now: Duration) -> Result<Option<String>, String>;

    /// Does what the bytes stand for, or refuses it.
    fn tell(&mut self, what: [u8; 3]);

    /// What the application has asked for by itself, in bytes; that needs no message of the peer.
    fn asked_len(&self) -> usize;

    /// Whether nothing more comes.
    fn is_closed(&self) -> bool;

    /// How many bytes are still to be sent.
    fn unsent_len(&self) -> usize;

    /// The first of them.
    fn output(&mut self) -> &mut BytesMut;
}

/// Takes all events; `false` if the connection is at its end.
fn follow(machine: &mut impl Machine, input: &mut BytesMut, events: &mut Vec<String>) -> bool {
    loop {
        match machine.next_event(input, Duration::from_millis(events.len() as u64)) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return !machine.is_closed(),
            Err(error) => {
                events.push(error);
                return false;
            }
        }
    }
}

fn events<'a, M: Machine>(agrees: bool, reads: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut machine, mut input, mut events) = (M::new(agrees), BytesMut::new(), Vec::new());
    for read in reads {
        input.extend_from_slice(read);
        if !follow(&mut machine, &mut input, &mut events) {
            break;
        }
    }
    events
}

/// Runs a target once: a seed, and a script.
pub fn run<M: Machine>(data: &[u8]) {
    let Some((seed, bytes)) = crate::split_seed(data) else {
        return;
    };
    let agrees = seed & 3 != 3;
    let (mut machine, mut script) = (M::new(agrees), Script::new(bytes));
    let (mut input, mut sent, mut all) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
    let mut output = BytesMut::new();
    while let Some(step) = script.step(&mut sent) {
        match step {
            Step::Told(what) => machine.tell(what),
            Step::Sends => {
                all.extend_from_slice(&sent);
                input.unsplit(sent.split());
                if !follow(&mut machine, &mut input, &mut Vec::new()) {
                    break;
                }
            }
        }
        output.unsplit(machine.output().split());
    }
    while machine.unsent_len() > 0 {
        output.unsplit(machine.output().split());
    }
    let (received_len, asked_len) = (all.len(), machine.asked_len());
    assert!(
        output.len() <= M::SLACK + M::MAX_FACTOR * received_len + asked_len,
        "{} bytes for {received_len} and {asked_len}",
        output.len()
    );
    let mut decoder = ChunkDecoder::default();
    while let Some(message) = decoder.decode(&mut output).expect("whole chunks go out") {
        Message::decode(message).expect("what goes out can be read");
    }
    assert!(output.is_empty(), "whole messages go out");

    let whole = events::<M>(agrees, iter::once(&all[..]));
    assert_eq!(whole, events::<M>(agrees, crate::reads(seed, &all)));
}
