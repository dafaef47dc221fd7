//! Sections 7 and 8: AMF0 and AMF3, in commands and in data messages.

use rtmp_core::MediaMessage;
use rtmp_core::Timestamp;
use rtmp_tests::Target;
use rtmp_tests::media::keyframe;

use crate::support::{COMMAND, Pair, goes_on, message};

/// The start of a command that nobody knows, with transaction 7 and these bytes behind it.
fn command(rest: &[u8]) -> Vec<u8> {
    [b"\x02\0\x05probe\0\x40\x1c\0\0\0\0\0\0", rest].concat()
}

/// Sends each body as a command, in AMF0 and as the content of a type 17 message, and as metadata of a publisher. The
/// connection goes on each time.
async fn is_survived(values: impl IntoIterator<Item = Vec<u8>>) {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let mut pair = Pair::join(&target).await;
    for (number, value) in (0..).zip(values) {
        attacker
            .send_bytes(&message(3, COMMAND, 0, &command(&value)))
            .await;
        attacker
            .send_bytes(&message(3, 17, 0, &[&[0], &command(&value)[..]].concat()))
            .await;
        goes_on(&mut attacker).await;
        let metadata = [b"\x02\0\x0aonMetaData", &value[..]].concat();
        let metadata = MediaMessage::data(Timestamp::ZERO, metadata);
        pair.publisher.send(pair.stream, &[metadata]).await;
        pair.publisher
            .send(pair.stream, &[keyframe(number, number)])
            .await;
        // Whether the data came through or not: what follows does.
        while pair.player.next_media().await != keyframe(number, number) {}
    }
    drop((attacker, pair));
    target.unharmed().await;
}

fn nested(part: &[u8]) -> Vec<u8> {
    part.repeat(100_000)
}

#[tokio::test]
async fn h7_1_values_nested_a_hundred_thousand_deep_are_refused_without_recursion() {
    is_survived([
        nested(b"\x03\0\x01a"),
        nested(b"\x0a\0\0\0\x01"),
        nested(b"\x08\0\0\0\x01\0\x01a"),
    ])
    .await;
}

#[tokio::test]
async fn h7_3_a_strict_array_of_four_billion_elements_reserves_nothing() {
    is_survived([
        b"\x0a\xff\xff\xff\xff".to_vec(),
        b"\x0a\xff\xff\xff\xff\x05\x05".to_vec(),
    ])
    .await;
}

#[tokio::test]
async fn h7_4_the_count_of_an_ecma_array_is_a_hint() {
    let properties = b"\0\x05width\0\x40\x94\0\0\0\0\0\0\0\0\x09";
    is_survived([0, 1, 99, u32::MAX].map(|count| [b"\x08", &count.to_be_bytes()[..], properties].concat()))
        .await;
}

#[tokio::test]
async fn h7_5_an_object_that_ends_with_the_message_ends_nothing_else() {
    is_survived([b"\x03\0\x01a\x05".to_vec(), b"\x08\0\0\0\x01\0\x01a\x05".to_vec()]).await;
}

#[tokio::test]
async fn h7_6_a_string_longer_than_the_message_is_refused() {
    is_survived([
        b"\x02\xff\xffab".to_vec(),
        b"\x0c\xff\xff\xff\xffab".to_vec(),
        b"\x0f\xff\xff\xff\xff".to_vec(),
    ])
    .await;
}

#[tokio::test]
async fn h7_7_an_empty_key_is_a_key() {
    is_survived([
        b"\x03\0\0\x05\0\0\x09".to_vec(),
        b"\x03\0\0\x02\0\x01a\0\0\x09".to_vec(),
    ])
    .await;
}

#[tokio::test]
async fn h7_8_references_do_not_grow_what_they_point_to() {
    let big = [b"\x0a\0\0\x03\xe8".to_vec(), vec![5; 1000]].concat();
    let many = [b"\x0a\0\0\xc3\x51".to_vec(), big, b"\x07\0\x01".repeat(50_000)].concat();
    is_survived([
        b"\x07\xff\xff".to_vec(),
        b"\x03\0\x01a\x07\0\0\0\0\x09".to_vec(),
        many,
    ])
    .await;
}

#[tokio::test]
async fn h7_9_strings_that_are_not_text_end_nothing() {
    is_survived([
        b"\x02\0\x02\xff\xfe".to_vec(),
        b"\x02\0\x03\xed\xa0\x80".to_vec(),
        b"\x02\0\x03a\0b".to_vec(),
    ])
    .await;
}

#[tokio::test]
async fn h7_10_markers_that_nobody_knows_are_refused() {
    is_survived(
        [4_u8, 13, 14]
            .into_iter()
            .chain(18..=255)
            .map(|marker| vec![marker, 0, 0, 0]),
    )
    .await;
}

#[tokio::test]
async fn h7_11_values_cut_at_every_byte_are_refused() {
    let whole: [&[u8]; 5] = [
        b"\0\x40\x1c\0\0\0\0\0\0",
        b"\x01\x01",
        b"\x0b\x40\x1c\0\0\0\0\0\0\0\0",
        b"\x0f\0\0\0\x04<a/>",
        b"\x10\0\x01T\0\x01a\x05\0\0\x09",
    ];
    let cut = whole
        .iter()
        .flat_map(|value| (0..value.len()).map(|len| value[..len].to_vec()));
    is_survived(cut).await;
}

#[tokio::test]
async fn h7_12_numbers_that_are_none_end_nothing() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e308];
    let properties = numbers.map(|number| {
        let value = number.to_be_bytes();
        [
            b"\x03\0\x05width\0",
            &value[..],
            b"\0\x08duration\0",
            &value,
            b"\0\0\x09",
        ]
        .concat()
    });
    is_survived(properties).await;
}

#[tokio::test]
async fn h7_13_sixty_thousand_properties_are_read_in_one_go() {
    let different: Vec<u8> = (0..60_000_u16)
        .flat_map(|key| [&[0, 2], &key.to_be_bytes()[..], &[5]].concat())
        .collect();
    is_survived([
        [b"\x03", &different[..], b"\0\0\x09"].concat(),
        [b"\x03", &b"\0\x01a\x05".repeat(60_000)[..], b"\0\0\x09"].concat(),
        [5].repeat(100_000),
    ])
    .await;
}

#[tokio::test]
async fn h7_14_data_behind_the_last_value_are_ignored() {
    is_survived([b"\x05\x05\x05".to_vec(), b"\x05\xff\xff".to_vec()]).await;
}

/// AMF3 values behind the marker that switches to them.
async fn is_survived_in_amf3(values: impl IntoIterator<Item = &'static [u8]>) {
    is_survived(values.into_iter().map(|value| [b"\x11", value].concat())).await;
}

#[tokio::test]
async fn h8_1_numbers_of_29_bits_may_be_long_or_cut() {
    is_survived_in_amf3([
        &b"\x04\xff\xff\xff\xff"[..],
        b"\x04\x80\x80\x80\x01",
        b"\x04\xff\xff",
        b"\x04",
    ])
    .await;
}

#[tokio::test]
async fn h8_2_references_to_nothing_are_refused() {
    is_survived_in_amf3([
        &b"\x06\x00"[..],
        b"\x0a\x00",
        b"\x0a\x01\x01",
        b"\x09\xfe",
        b"\x08\x02",
    ])
    .await;
}

#[tokio::test]
async fn h8_3_counts_of_hundreds_of_millions_reserve_nothing() {
    is_survived_in_amf3([
        &b"\x0a\xff\xff\xff\xff\x01"[..],
        b"\x09\xff\xff\xff\xff\x01",
        b"\x0d\xff\xff\xff\xff\x00",
        b"\x0c\xff\xff\xff\xff",
        b"\x11\xff\xff\xff\xff\x00",
    ])
    .await;
}

#[tokio::test]
async fn h8_4_an_unknown_externalizable_class_is_skipped() {
    is_survived_in_amf3([&b"\x0a\x07\x07cls\x01\x02\x03"[..]]).await;
}

#[tokio::test]
async fn h8_5_nesting_and_loops_end_nothing() {
    let deep: &'static [u8] = nested(b"\x09\x03\x01").leak();
    is_survived_in_amf3([deep, b"\x09\x03\x01\x09\x00", b"\x0a\x0b\x01\x03a\x0a\x00\x01"]).await;
}

#[tokio::test]
async fn h8_6_amf3_commands_work_with_and_without_their_first_byte() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    let create = b"\x02\0\x0ccreateStream\0\x40\x1c\0\0\0\0\0\0\x05";
    for body in [[b"\0", &create[..]].concat(), create.to_vec()] {
        attacker.send_bytes(&message(3, 17, 0, &body)).await;
        goes_on(&mut attacker).await;
    }
    drop(attacker);
    target.unharmed().await;
}

#[tokio::test]
async fn h8_7_noise_in_amf3_data_and_shared_objects_is_ignored() {
    let target = Target::start().await;
    let mut attacker = target.connected().await;
    for message_type in [15, 16, 19] {
        for body in [&b""[..], b"\x00", b"\xff\xff\xff\xff", b"\x11\x0a\xff\xff\xff"] {
            attacker.send_bytes(&message(3, message_type, 1, body)).await;
            goes_on(&mut attacker).await;
        }
    }
    drop(attacker);
    target.unharmed().await;
}
