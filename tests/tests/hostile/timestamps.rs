//! Section 5: time.

use rtmp_core::MediaMessage;
use rtmp_core::Timestamp;
use rtmp_tests::Target;
use rtmp_tests::media::{audio, frame, keyframe};

use crate::support::{Pair, VIDEO, header};

/// A chunk of type 0 with this time, and its extension where there is one.
fn at(time: u32, extended: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(6, payload.len() as u32, VIDEO, 1);
    bytes[1..4].copy_from_slice(&time.to_be_bytes()[1..]);
    bytes.extend(extended.map(u32::to_be_bytes).into_iter().flatten());
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn h5_1_times_around_24_and_32_bits_are_exact() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for time in [0xFF_FFFE, 0xFF_FFFF, 0x100_0000, u32::MAX] {
        let expected = keyframe(time, 1);
        let short = time.min(0xFF_FFFF);
        let extended = (short == 0xFF_FFFF).then_some(time);
        pair.reads_as(&at(short, extended, &expected.payload), &[expected])
            .await;
    }
    // The same as deltas: from 0 on.
    let base = keyframe(0, 2);
    pair.reads_as(&at(0, None, &base.payload), &[base]).await;
    let later = frame(0x100_0000, 3);
    let mut bytes = vec![
        0x46,
        0xFF,
        0xFF,
        0xFF,
        0,
        0,
        later.payload.len() as u8,
        VIDEO,
        1,
        0,
        0,
        0,
    ];
    bytes.extend(&later.payload);
    pair.reads_as(&bytes, &[later]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h5_2_the_extension_may_be_repeated_or_left_out() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    for is_repeated in [true, false] {
        let long = rtmp_tests::media::padded(keyframe(0x200_0000, 1), 100_000);
        let mut bytes = header(6, long.payload.len() as u32, VIDEO, 1);
        bytes[1..4].fill(0xFF);
        bytes.extend(0x200_0000_u32.to_be_bytes());
        bytes.extend(&long.payload[..60_000]);
        bytes.push(0xC6);
        if is_repeated {
            bytes.extend(0x200_0000_u32.to_be_bytes());
        }
        bytes.extend(&long.payload[60_000..]);
        pair.reads_as(&bytes, &[long]).await;
    }
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h5_3_an_extension_with_a_small_value_counts() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let expected = keyframe(5, 1);
    pair.reads_as(&at(0xFF_FFFF, Some(5), &expected.payload), &[expected])
        .await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h5_4_times_that_go_back_jump_or_wrap_are_passed_on() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let times = [1000, 500, 500 + (1 << 31), 0, u32::MAX, 3];
    let sent: Vec<MediaMessage> = (1..)
        .zip(times)
        .map(|(number, time)| keyframe(time, number))
        .collect();
    pair.relays(&sent).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h5_5_a_delta_beyond_32_bits_wraps() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let first = keyframe(u32::MAX - 1, 1);
    let bytes = at(0xFF_FFFF, Some(u32::MAX - 1), &first.payload);
    pair.reads_as(&bytes, &[first]).await;
    let second = frame(3, 2);
    let mut bytes = vec![0x46, 0, 0, 5, 0, 0, second.payload.len() as u8, VIDEO];
    bytes.extend(&second.payload);
    pair.reads_as(&bytes, &[second]).await;
    drop(pair);
    target.unharmed().await;
}

#[tokio::test]
async fn h5_6_sound_and_picture_may_have_clocks_of_their_own() {
    let target = Target::start().await;
    let mut pair = Pair::join(&target).await;
    let day = Timestamp::from_millis(86_400_000).as_millis();
    pair.relays(&[keyframe(day, 1), audio(7, 2), frame(day + 40, 3), audio(30, 4)])
        .await;
    drop(pair);
    target.unharmed().await;
}
