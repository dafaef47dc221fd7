//! Section 6: messages that steer the protocol.

use rtmp_tests::Target;
use rtmp_tests::media::{keyframe, padded};

use crate::support::{
    ABORT, ACKNOWLEDGEMENT, Pair, SET_CHUNK_SIZE, SET_PEER_BANDWIDTH, USER_CONTROL, VIDEO, WINDOW_ACK_SIZE,
    closes, goes_on, header, message, passes,
};

fn control(message_type: u8, value: u32) -> Vec<u8> {
    message(2, message_type, 0, &value.to_be_bytes())
}

fn event(kind: u16, values: &[u32]) -> Vec<u8> {
    let values = values.iter().flat_map(|value| value.to_be_bytes());
    message(
        2,
        USER_CONTROL,
        0,
        &kind.to_be_bytes().into_iter().chain(values).collect::<Vec<_>>(),
    )
}

#[tokio::test]
async fn h6_1_a_chunk_size_of_0_closes() {
    closes(
        &control(SET_CHUNK_SIZE, 0),
        "reading chunks: chunk size 0 is outside 1 to 2147483647",
    )
    .await;
}

#[tokio::test]
async fn h6_2_a_chunk_size_of_1_works() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let sent = padded(keyframe(0, 1), 10_000);
    let mut bytes = control(SET_CHUNK_SIZE, 1);
    bytes.extend(header(6, sent.payload.len() as u32, VIDEO, 1));
    for (place, byte) in sent.payload.iter().enumerate() {
        if place > 0 {
            bytes.push(0xC6);
        }
        bytes.push(*byte);
    }
    pair.reads_as(&bytes, &[sent]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h6_3_chunk_sizes_beyond_any_message_work() {
    for size in [0x0100_0000, 0x7FFF_FFFF] {
        let target = Target::start().await;
        let mut pair = Pair::join(&target).await;
        let sent = padded(keyframe(0, 1), 200_000);
        let mut bytes = control(SET_CHUNK_SIZE, size);
        bytes.extend(header(6, sent.payload.len() as u32, VIDEO, 1));
        bytes.extend(&sent.payload);
        pair.reads_as(&bytes, &[sent]).await;
        drop(pair);
        target.unharmed().await;
    }
}

#[tokio::test]
async fn h6_4_a_chunk_size_with_the_top_bit_closes() {
    closes(
        &control(SET_CHUNK_SIZE, 0x8000_0080),
        "reading chunks: chunk size 2147483776 is outside 1 to 2147483647",
    )
    .await;
}

#[tokio::test]
async fn h6_5_a_chunk_size_inside_a_message_binds_the_chunks_behind_it() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let sent = padded(keyframe(0, 1), 70_000);
    let mut bytes = header(6, sent.payload.len() as u32, VIDEO, 1);
    bytes.extend(&sent.payload[..60_000]);
    bytes.extend(control(SET_CHUNK_SIZE, 8000));
    for piece in sent.payload[60_000..].chunks(8000) {
        bytes.push(0xC6);
        bytes.extend(piece);
    }
    pair.reads_as(&bytes, &[sent]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h6_6_a_body_too_short_for_its_fields_closes_and_a_longer_one_does_not() {
    for (message_type, name) in [
        (SET_CHUNK_SIZE, "SetChunkSize"),
        (ABORT, "Abort"),
        (ACKNOWLEDGEMENT, "Acknowledgement"),
        (WINDOW_ACK_SIZE, "WindowAckSize"),
    ] {
        for len in [0, 1, 3] {
            let layer = match message_type {
                SET_CHUNK_SIZE | ABORT => "reading chunks: ",
                _ => "reading a message: ",
            };
            closes(
                &message(2, message_type, 0, &vec![0; len]),
                &format!("{layer}{name} message of {len} bytes, too short for its fields"),
            )
            .await;
        }
    }
    passes(&message(2, ACKNOWLEDGEMENT, 0, &[0; 60])).await;
}

#[tokio::test]
async fn h6_7_an_aborted_message_makes_room_for_the_next() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let mut bytes = [header(6, 70_000, VIDEO, 1), vec![0x17; 60_000]].concat();
    bytes.extend(control(ABORT, 6));
    pair.publisher.send_bytes(&bytes).await;
    let next = keyframe(0, 2);
    let mut bytes = header(6, next.payload.len() as u32, VIDEO, 1);
    bytes.extend(&next.payload);
    pair.reads_as(&bytes, &[next]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h6_8_aborts_of_nothing_are_ignored() {
    passes(&[2, 40, 70_000, u32::MAX].map(|id| control(ABORT, id)).concat()).await;
}

#[tokio::test]
async fn h6_9_a_hundred_thousand_acknowledgements_are_ignored() {
    let numbers = (0..100_000_u32).map(|number| number.wrapping_mul(0x9E37_79B9));
    passes(
        &numbers
            .flat_map(|number| control(ACKNOWLEDGEMENT, number))
            .collect::<Vec<_>>(),
    )
    .await;
}

#[tokio::test]
async fn h6_10_a_window_of_0_asks_for_nothing() {
    passes(&control(WINDOW_ACK_SIZE, 0)).await;
}

#[tokio::test]
async fn h6_11_a_window_of_1_makes_no_more_answers_than_reads() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    pair.publisher.send_bytes(&control(WINDOW_ACK_SIZE, 1)).await;
    let (_, before) = pair.publisher.traffic();
    pair.relays(&[padded(keyframe(0, 1), 1_000_000)]).await;
    goes_on(&mut pair.publisher).await;
    let (sent, received) = pair.publisher.traffic();
    assert!(
        received - before < sent / 10,
        "{received} bytes of answers to {sent}"
    );
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h6_12_a_peer_that_never_acknowledges_is_served() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    // Beyond the window that the server asks it to acknowledge.
    for number in 0..8 {
        pair.relays(&[padded(keyframe(number, number), 1_000_000)]).await;
    }
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h6_13_a_meaningless_peer_bandwidth_is_ignored() {
    let bandwidths = [(0, 0), (u32::MAX, 1), (5000, 2), (5000, 3), (5000, 255)];
    let bytes = bandwidths.map(|(size, kind)| {
        let [a, b, c, d] = size.to_be_bytes();
        message(2, SET_PEER_BANDWIDTH, 0, &[a, b, c, d, kind])
    });
    passes(&bytes.concat()).await;
}

#[tokio::test]
async fn h6_14_control_messages_work_on_any_chunk_stream_and_message_stream() {
    let body = 60_000_u32.to_be_bytes();
    let bytes = [
        message(9, SET_CHUNK_SIZE, 0, &body),
        message(2, WINDOW_ACK_SIZE, 7, &body),
        message(70, ACKNOWLEDGEMENT, u32::MAX, &body),
        message(3, USER_CONTROL, 1, &[0, 6, 0, 0, 0, 1]),
    ];
    passes(&bytes.concat()).await;
}

#[tokio::test]
async fn h6_15_a_user_control_message_without_event_closes_and_a_short_one_does_not() {
    for len in [0, 1] {
        closes(
            &message(2, USER_CONTROL, 0, &vec![0; len]),
            &format!("reading a message: UserControl message of {len} bytes, too short for its fields"),
        )
        .await;
    }
    passes(&(0..=32).flat_map(|kind| event(kind, &[])).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn h6_16_unknown_events_are_ignored() {
    let bytes = [
        event(0xFFFF, &[1, 2, 3]),
        message(2, USER_CONTROL, 0, &[0, 26, 1]),
        event(99, &[]),
    ];
    passes(&bytes.concat()).await;
}

#[tokio::test]
async fn h6_17_two_hundred_thousand_pings_get_no_more_answers_than_reads() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let pings: Vec<u8> = (0..200_000).flat_map(|time| event(6, &[time])).collect();
    attacker.send_bytes(&pings).await;
    goes_on(&mut attacker).await;
    let (sent, received) = attacker.traffic();
    assert!(received < sent / 10, "{received} bytes of answers to {sent}");
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h6_18_answers_to_pings_that_nobody_sent_are_ignored() {
    passes(&[event(7, &[0]), event(7, &[u32::MAX])].concat()).await;
}

#[tokio::test]
async fn h6_19_a_buffer_length_of_anything_is_accepted() {
    passes(&[event(3, &[1, 0]), event(3, &[77, u32::MAX])].concat()).await;
}

#[tokio::test]
async fn h6_20_floods_of_control_messages_hold_up_nobody() {
    let aborts = (0..20_000).flat_map(|id| control(ABORT, id));
    let windows = (0..100_000).flat_map(|size| control(WINDOW_ACK_SIZE, 1_000_000 + size));
    passes(&aborts.chain(windows).collect::<Vec<_>>()).await;
}
