//! Section 4: headers of chunks.

use rtmp_core::Limits;
use rtmp_core::chunk::MessageStreamId;
use rtmp_server::{Observers, SessionConfig};
use rtmp_tests::Target;
use rtmp_tests::media::{keyframe, padded};

use crate::support::{Pair, SET_CHUNK_SIZE, VIDEO, closes, goes_on, header, message, passes, text};

/// The payload of [`keyframe`] as a chunk of type 0, with a basic header of the test's.
fn keyframe_behind(basic: &[u8], number: u32) -> Vec<u8> {
    let sent = keyframe(0, number);
    let header = header(0, sent.payload.len() as u32, VIDEO, 1);
    [basic, &header[1..], &sent.payload].concat()
}

#[tokio::test]
async fn h4_1_longer_forms_of_an_id_mean_the_same_chunk_stream() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let forms: [&[u8]; 4] = [&[6], &[0, 0], &[0, 255], &[1, 0, 0]];
    for (number, basic) in (0..).zip(forms) {
        let expected = keyframe(0, number);
        pair.reads_as(&keyframe_behind(basic, number), &[expected]).await;
    }
    // Begun in the form of two bytes, gone on with in the form of three.
    let long = padded(keyframe(0, 9), 100);
    let mut bytes = message(2, SET_CHUNK_SIZE, 0, &[0, 0, 0, 60]);
    bytes.extend([0, 10]);
    bytes.extend(&header(0, long.payload.len() as u32, VIDEO, 1)[1..]);
    bytes.extend(&long.payload[..60]);
    bytes.extend([0xC1, 10, 0]);
    bytes.extend(&long.payload[60..]);
    pair.reads_as(&bytes, &[long]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h4_2_the_largest_id_works() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    pair.reads_as(&keyframe_behind(&[1, 255, 255], 1), &[keyframe(0, 1)])
        .await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h4_3_a_chunk_stream_that_begins_without_a_header_closes() {
    for (byte, format) in [(0x8A, 2), (0xCA, 3)] {
        let reason =
            format!("reading chunks: chunk of type {format} on chunk stream 10, which has no earlier header");
        closes(&[byte, 0, 0, 0, 0, 0, 0, 0], &reason).await;
    }
    // Some encoders begin with type 1; that is read with stream 0.
    passes(&[0x4A, 0, 0, 0, 0, 0, 1, 9, 0x17]).await;
}

#[tokio::test]
async fn h4_4_a_full_header_inside_a_message_drops_what_came_of_it() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let begun = [header(6, 70_000, VIDEO, 1), vec![0x17; 60_000]].concat();
    let bytes = [begun, keyframe_behind(&[6], 3)].concat();
    pair.reads_as(&bytes, &[keyframe(0, 3)]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h4_5_a_header_that_shortens_a_message_below_what_came_closes() {
    let begun = [header(6, 70_000, VIDEO, 1), vec![0x17; 60_000]].concat();
    let shortened = [begun, vec![0x46, 0, 0, 0, 0, 0, 9, VIDEO]].concat();
    closes(
        &shortened,
        "reading chunks: message on chunk stream 6 changed to 9 bytes after 60000 were received",
    )
    .await;
}

#[tokio::test]
async fn h4_6_an_empty_message_of_any_type_goes_on_unless_its_type_says_no() {
    let target = Target::start().await;
    for message_type in (0..=255).filter(|message_type| !(1..=6).contains(message_type)) {
        let mut attacker = target.connected().await;
        attacker.send_bytes(&message(7, message_type, 1, &[])).await;
        goes_on(&mut attacker).await;
    }
    target.unharmed().await;
}

#[tokio::test]
async fn h4_7_a_declared_length_of_which_little_comes_holds_up_nobody() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    attacker
        .send_bytes(&[header(6, 10 << 20, VIDEO, 1), vec![0x17; 10]].concat())
        .await;
    let mut other = target.connected().await;
    goes_on(&mut other).await;
    drop((attacker, other));
    target.unharmed().await;
}

#[tokio::test]
async fn h4_8_a_longer_message_than_allowed_closes_at_its_header() {
    closes(
        &header(6, 0xFF_FFFF, VIDEO, 1),
        "reading chunks: message of 16777215 bytes announced on chunk stream 6, max_message_len is 10485760",
    )
    .await;
}

#[tokio::test]
async fn h4_9_the_longest_message_passes_where_it_is_allowed() {
    let limits = Limits::default()
        .max_message_len(0xFF_FFFF)
        .max_partial_bytes(32 << 20);
    let config = SessionConfig::default().limits(limits);
    let mut target = Target::with(config, Observers::new()).await;
    let mut publisher = target.connected().await;
    let stream = publisher.publish("attack").await.unwrap();
    let mut tap = target.relay().play("live", "attack");
    let longest = padded(keyframe(0, 1), 0xFF_FFFF - 9);
    publisher.send(stream, std::slice::from_ref(&longest)).await;
    let received = tap.recv().await;
    assert!(received == Some(longest), "the longest message is not what came");
    drop((publisher, tap));
    assert_eq!(text(&target.reason().await), "the client closed the connection");
    target.unharmed().await;
}

#[tokio::test]
async fn h4_10_many_begun_messages_close_at_the_limits() {
    let begun = |count: u8, len: usize| {
        (3..3 + count).flat_map(move |id| [header(id, 60_001, VIDEO, 1), vec![0; len]].concat())
    };
    closes(
        &begun(60, 60_000).collect::<Vec<_>>(),
        "incomplete messages of 1080000 bytes before publish or play, max_partial_bytes_before_media is 1048576",
    )
    .await;
    let many: Vec<u8> = (0..65)
        .flat_map(|id| {
            [
                vec![0, id],
                header(0, 60_001, VIDEO, 1)[1..].to_vec(),
                vec![0; 60_000],
            ]
            .concat()
        })
        .collect();
    let limits = Limits::default().max_partial_bytes_before_media(32 << 20);
    let config = SessionConfig::default().limits(limits);
    let mut target = Target::with(config, Observers::new()).await;
    let mut attacker = target.connected().await;
    attacker.send_bytes(&many).await;
    assert_eq!(
        text(&target.reason().await),
        "the client broke the protocol: reading chunks: 65 incomplete messages, max_partial_messages is 64"
    );
    target.unharmed().await;
}

#[tokio::test]
async fn h4_11_many_chunk_streams_close_at_the_limit() {
    let bytes: Vec<u8> = (0..1100_u16)
        .flat_map(|id| {
            let [high, low] = id.to_be_bytes();
            [vec![1, low, high], header(0, 0, 77, 0)[1..].to_vec()].concat()
        })
        .collect();
    closes(
        &bytes,
        "reading chunks: 1025 chunk streams in use, max_chunk_streams is 1024",
    )
    .await;
}

#[tokio::test]
async fn h4_12_a_message_that_never_ends_holds_up_no_other() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let begun = [header(20, 70_000, VIDEO, 1), vec![0x17; 60_000]].concat();
    pair.publisher.send_bytes(&begun).await;
    pair.relays(&[keyframe(0, 1), keyframe(40, 2)]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h4_13_chunks_of_twenty_messages_may_take_turns() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let sent: Vec<_> = (0..20)
        .map(|number| padded(keyframe(0, number), 150_000))
        .collect();
    let mut bytes = Vec::new();
    for round in 0..3 {
        for (id, message) in (10..).zip(&sent) {
            let payload = message.payload.chunks(60_000).nth(round).unwrap();
            match round {
                0 => bytes.extend(header(id, message.payload.len() as u32, VIDEO, 1)),
                _ => bytes.push(0xC0 | id),
            }
            bytes.extend(payload);
        }
    }
    pair.reads_as(&bytes, &sent).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h4_14_headers_may_come_one_byte_at_a_time() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for byte in keyframe_behind(&[1, 3, 0], 5) {
        pair.publisher.send_bytes(&[byte]).await;
    }
    pair.reads_as(&[], &[keyframe(0, 5)]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h4_15_noise_behind_the_handshake_is_refused_or_waits_within_bounds() {
    let target = Target::start().await;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..50 {
        let mut attacker = target.connected().await;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(20_000)
        .collect();
        attacker.send_bytes(&noise).await;
    }
    target.unharmed().await;
}

#[tokio::test]
async fn h4_16_messages_of_streams_that_do_not_exist_are_ignored() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    // With one stream only, media of any other are taken for its.
    pair.publisher.publish("another").await.unwrap();
    for stream in [0, 3, 0x0100_0000, u32::MAX] {
        let stream = MessageStreamId::new(stream);
        pair.publisher.force(stream, &[keyframe(0, 66)]).await;
    }
    pair.relays(&[keyframe(0, 1)]).await;
    drop(pair);
    target.unharmed().await;
}
