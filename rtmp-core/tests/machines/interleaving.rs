//! What goes between the chunks of a long message, and what does not.

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use rtmp_core::chunk::{ChunkDecoder, ChunkEncoder, MessageStreamId, MessageType, RawMessage};
use rtmp_core::conn::{ClientMachine, OUTPUT_HIGH_WATER};
use rtmp_core::message::{Control, PublishKind, PublishRequest};
use tokio_util::codec::{Decoder, Encoder};

use crate::scripted::{ACKNOWLEDGEMENT, AUDIO, COMMAND, Client, SET_CHUNK_SIZE, VIDEO, on_status, ping, raw};

/// More output than this does not stand in front of what overtakes: 16 KiB, and the chunk that went beyond.
const FRONT: usize = (16 << 10) + 60_000 + 16;

const DATA: u8 = 18;

/// A client that publishes, and has sent all it had to send.
fn publishing() -> Client {
    let mut client = Client::with_stream();
    client
        .machine
        .publish(
            MessageStreamId::new(1),
            &PublishRequest::new("cam", PublishKind::Live),
        )
        .unwrap();
    client.replies();
    client.send(1, on_status("NetStream.Publish.Start"));
    client.events();
    client.replies();
    client
}

/// Takes up to `len` bytes of output at a time and decodes them.
struct Line {
    decoder: ChunkDecoder,
    input: BytesMut,
}

impl Line {
    fn new(client: &Client) -> Self {
        let mut decoder = ChunkDecoder::default();
        let mut announcement = BytesMut::new();
        ChunkEncoder::default()
            .encode(
                raw(2, SET_CHUNK_SIZE, 0, 60_000_u32.to_be_bytes().to_vec()),
                &mut announcement,
            )
            .unwrap();
        decoder.decode(&mut announcement).unwrap();
        assert_eq!(client.machine.unsent_len(), 0);
        Self {
            decoder,
            input: BytesMut::new(),
        }
    }

    fn take(&mut self, machine: &mut ClientMachine, len: usize) -> Vec<RawMessage> {
        let output = machine.output();
        let taken = output.split_to(len.min(output.len()));
        self.input.unsplit(taken);
        std::iter::from_fn(|| self.decoder.decode(&mut self.input).unwrap()).collect()
    }

    fn take_all(&mut self, machine: &mut ClientMachine) -> Vec<RawMessage> {
        let mut messages = Vec::new();
        while machine.unsent_len() > 0 {
            messages.extend(self.take(machine, 1000));
        }
        assert!(self.input.is_empty());
        messages
    }
}

fn types(messages: &[RawMessage]) -> Vec<MessageType> {
    messages.iter().map(|message| message.message_type).collect()
}

#[test]
fn audio_acknowledgements_and_pings_go_between_the_chunks_of_a_keyframe() {
    let mut client = publishing();
    let mut line = Line::new(&client);
    let machine = &mut client.machine;
    let keyframe = raw(6, VIDEO, 1, vec![7; 500_000]);
    machine.send_raw(&keyframe).unwrap();
    assert_eq!(line.take(machine, 100_000), []);
    machine.send_raw(&raw(4, AUDIO, 1, vec![1; 400])).unwrap();
    machine.ping(Duration::ZERO).unwrap();
    machine.send_control(Control::Acknowledgement(1)).unwrap();
    let first = line.take(machine, FRONT);
    assert_eq!(
        types(&first),
        [
            MessageType::Audio,
            MessageType::UserControl,
            MessageType::Acknowledgement
        ]
    );
    assert!(line.take_all(machine) == [keyframe]);
}

#[test]
fn a_ping_of_the_peer_is_answered_while_a_keyframe_is_on_its_way() {
    let mut client = publishing();
    let mut line = Line::new(&client);
    client
        .machine
        .send_raw(&raw(6, VIDEO, 1, vec![7; 500_000]))
        .unwrap();
    client.say(&ping(9));
    client.events();
    let first = line.take(&mut client.machine, FRONT);
    assert_eq!(types(&first), [MessageType::UserControl]);
}

#[test]
fn commands_data_and_video_keep_their_places_and_hold_back_audio() {
    let mut client = publishing();
    let mut line = Line::new(&client);
    let machine = &mut client.machine;
    let sent = [
        raw(6, VIDEO, 1, vec![7; 500_000]),
        raw(6, VIDEO, 1, vec![8; 10]),
        raw(7, DATA, 1, vec![2; 10]),
        raw(9, COMMAND, 1, vec![2; 10]),
        raw(4, AUDIO, 1, vec![1; 10]),
    ];
    for message in &sent {
        machine.send_raw(message).unwrap();
    }
    assert!(line.take_all(machine) == sent);
}

#[test]
fn the_end_of_a_stream_comes_behind_its_media() {
    let mut client = publishing();
    let mut line = Line::new(&client);
    client
        .machine
        .send_raw(&raw(6, VIDEO, 1, vec![7; 500_000]))
        .unwrap();
    client.machine.delete_stream(MessageStreamId::new(1)).unwrap();
    let types = types(&line.take_all(&mut client.machine));
    assert_eq!(types.first(), Some(&MessageType::Video));
    assert!(types.len() > 1 && types[1..].iter().all(|kind| *kind == MessageType::Command));
}

#[test]
fn a_long_message_leaves_room_and_what_waits_behind_it_takes_it() {
    let mut client = publishing();
    let machine = &mut client.machine;
    machine.send_raw(&raw(6, VIDEO, 1, vec![7; 9_000_000])).unwrap();
    assert!(machine.has_room());
    let mut count = 0;
    while machine.has_room() {
        machine.send_raw(&raw(6, VIDEO, 1, vec![7; 1000])).unwrap();
        count += 1;
    }
    assert_eq!(count, OUTPUT_HIGH_WATER / 1008 + 1);
    assert!(machine.output().len() < FRONT);
    while machine.unsent_len() > 0 {
        assert!(machine.output().len() < FRONT);
        machine.output().clear();
    }
    assert!(machine.has_room());
}

#[test]
fn another_chunk_size_completes_what_was_cut_before() {
    let mut client = publishing();
    let mut line = Line::new(&client);
    let machine = &mut client.machine;
    let video = raw(6, VIDEO, 1, vec![7; 300_000]);
    machine.send_raw(&video).unwrap();
    line.take(machine, 1000);
    machine.send_control(Control::SetChunkSize(128)).unwrap();
    machine.send_raw(&video).unwrap();
    let received = line.take_all(machine);
    assert_eq!(
        types(&received),
        [MessageType::Video, MessageType::SetChunkSize, MessageType::Video]
    );
    assert!(received[0] == video && received[2] == video);
}

#[derive(Clone, Debug)]
enum Step {
    /// Chunk stream, type, length, milliseconds since the last message.
    Send(u32, u8, usize, u32),
    ChunkSize(u32),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![0_usize..2000, 16_000_usize..17_000, 50_000_usize..200_000];
    let lane = prop_oneof![
        4 => Just((6, VIDEO)),
        4 => Just((4, AUDIO)),
        1 => Just((6, AUDIO)),
        1 => Just((7, DATA)),
        1 => Just((9, COMMAND)),
        1 => Just((2, ACKNOWLEDGEMENT)),
        1 => Just((400, VIDEO)),
    ];
    let time = prop_oneof![Just(0), Just(40), 0_u32..0x200_0000];
    prop_oneof![
        5 => (lane, len, time).prop_map(|((lane, kind), len, time)| {
            // An acknowledgement has four bytes.
            Step::Send(lane, kind, if kind == ACKNOWLEDGEMENT { 4 } else { len }, time)
        }),
        1 => prop_oneof![Just(1), Just(128), Just(4096), Just(60_000), Just(1_000_000)].prop_map(Step::ChunkSize),
        4 => prop_oneof![0_usize..100, 0_usize..100_000].prop_map(Step::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However it is taken, every chunk stream arrives in order and whole, and what may overtake does.
    #[test]
    fn every_chunk_stream_arrives_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let mut client = publishing();
        let mut line = Line::new(&client);
        let machine = &mut client.machine;
        let (mut sent, mut received, mut millis) = (Vec::new(), Vec::new(), 0_u32);
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send(lane, kind, len, time) => {
                    millis = millis.wrapping_add(time);
                    let mut message = raw(lane, kind, 1, vec![at as u8; len]);
                    message.timestamp = rtmp_core::Timestamp::from_millis(millis);
                    machine.send_raw(&message).unwrap();
                    sent.push(message);
                }
                Step::ChunkSize(size) => {
                    let message = raw(2, SET_CHUNK_SIZE, 0, size.to_be_bytes().to_vec());
                    machine.send_raw(&message).unwrap();
                    sent.push(message);
                }
                Step::Take(len) => received.extend(line.take(machine, len)),
            }
        }
        received.extend(line.take_all(machine));
        prop_assert_eq!(sent.len(), received.len());
        for lane in [2, 4, 6, 7, 9, 400] {
            let of_lane = |messages: &[RawMessage]| -> Vec<RawMessage> {
                messages.iter().filter(|message| message.chunk_stream.get() == lane).cloned().collect()
            };
            prop_assert!(of_lane(&sent) == of_lane(&received), "chunk stream {}", lane);
        }
        // But for acknowledgements and audio, the order is as it was.
        let rest = |messages: &[RawMessage]| -> Vec<RawMessage> {
            let stays = |kind| !matches!(kind, MessageType::Audio | MessageType::Acknowledgement);
            messages.iter().filter(|message| stays(message.message_type)).cloned().collect()
        };
        prop_assert!(rest(&sent) == rest(&received));
    }

    /// Audio behind video waits for what is in the output, and for none of the video that is not.
    #[test]
    fn no_audio_waits_for_video_that_is_not_in_the_output(
        video in 20_000_usize..2_000_000,
        chunk_size in prop_oneof![Just(128_u32), Just(4096), Just(60_000)],
        takes in prop::collection::vec(0_usize..60_000, 1..10),
    ) {
        let mut client = publishing();
        let mut line = Line::new(&client);
        let machine = &mut client.machine;
        machine.send_control(Control::SetChunkSize(chunk_size)).unwrap();
        line.take_all(machine);
        machine.send_raw(&raw(6, VIDEO, 1, vec![7; video])).unwrap();
        for (at, take) in takes.into_iter().enumerate() {
            line.take(machine, take);
            let audio = raw(4, AUDIO, 1, vec![at as u8; 300]);
            machine.send_raw(&audio).unwrap();
            let in_front = machine.output().len();
            prop_assert!(in_front < (16 << 10) + chunk_size as usize + 1024);
            let received = line.take(machine, in_front);
            prop_assert!(received.contains(&audio));
        }
    }
}
