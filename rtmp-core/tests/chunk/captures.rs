//! Connections recorded from real programs; `vectors/captures/README.md` says which and how.

use proptest::prelude::*;
use rtmp_core::Limits;
use rtmp_core::chunk::{MessageType, RawMessage};

use crate::support::{decode, decode_cut, vector};

/// C0 C1 C2, or S0 S1 S2.
const HANDSHAKE_LEN: usize = 3073;

/// Direction of a capture; messages of protocol and user control, audio, video, AMF0 data, AMF0 commands; and the
/// 64-bit FNV-1a hash of all messages. The numbers come from another decoder, written in another language from
/// RTMP 1.0 section 5.3.1. Where the media was at hand as a file, its packets are as many: `ffprobe -count_packets`
/// says 88 audio and 30 video packets of the clip, to which a sequence header each and an end of sequence come.
const CAPTURES: [(&str, [usize; 5], u64); 38] = [
    (
        "ffmpeg5-play-exttimestamp-chunk512.c2s",
        [2, 0, 0, 0, 5],
        0x866d7da72744bce1,
    ),
    (
        "ffmpeg5-play-exttimestamp-chunk512.s2c",
        [5, 140, 42, 2, 3],
        0xe590f0c44ba65fb3,
    ),
    ("ffmpeg5-play-live.c2s", [2, 0, 0, 0, 5], 0xfe990d32e52d811f),
    ("ffmpeg5-play-live.s2c", [5, 152, 42, 2, 3], 0x772917ef21f5d7ab),
    ("ffmpeg5-play-vod-mp4.c2s", [2, 0, 0, 0, 5], 0xcdbf68d15cd39cec),
    ("ffmpeg5-play-vod-mp4.s2c", [7, 85, 31, 3, 5], 0xb422cc00344927eb),
    (
        "ffmpeg5-publish-exttimestamp-chunk512.c2s",
        [1, 89, 32, 1, 7],
        0xd7021bdfda6829e9,
    ),
    (
        "ffmpeg5-publish-exttimestamp-chunk512.s2c",
        [3, 0, 0, 0, 4],
        0xf7d2722e2e5398ae,
    ),
    (
        "ffmpeg5-publish-to-ffmpeg5-listen.c2s",
        [1, 89, 32, 1, 8],
        0xbf3e979f34f60d19,
    ),
    (
        "ffmpeg5-publish-to-ffmpeg5-listen.s2c",
        [5, 0, 0, 0, 8],
        0x53cc44ed3124e848,
    ),
    ("ffmpeg5-publish.c2s", [1, 89, 32, 1, 7], 0xcf236f33b1555bb9),
    ("ffmpeg5-publish.s2c", [3, 0, 0, 0, 4], 0x0211d6b3870ffb1c),
    (
        "ffmpeg9-publish-av1-flac.c2s",
        [1, 59, 20, 1, 7],
        0x7559c45720ff5b9b,
    ),
    (
        "ffmpeg9-publish-av1-flac.s2c",
        [3, 0, 0, 0, 4],
        0x0211d6b3870ffb1c,
    ),
    (
        "ffmpeg9-publish-hevc-opus.c2s",
        [1, 63, 20, 1, 7],
        0xaae87bee39e12e09,
    ),
    (
        "ffmpeg9-publish-hevc-opus.s2c",
        [3, 0, 0, 0, 4],
        0x0211d6b3870ffb1c,
    ),
    (
        "ffmpeg9-publish-multitrack.c2s",
        [1, 116, 42, 1, 7],
        0x49430c803daac739,
    ),
    (
        "ffmpeg9-publish-multitrack.s2c",
        [3, 0, 0, 0, 4],
        0x0211d6b3870ffb1c,
    ),
    (
        "ffmpeg9-publish-vp9-ac3.c2s",
        [1, 40, 20, 1, 7],
        0xa01f6a16a5a25338,
    ),
    ("ffmpeg9-publish-vp9-ac3.s2c", [3, 0, 0, 0, 4], 0x0211d6b3870ffb1c),
    (
        "ffmpeg9-publish-vvc-eac3-51.c2s",
        [1, 27, 14, 1, 7],
        0x09461f82ee4d57bb,
    ),
    (
        "ffmpeg9-publish-vvc-eac3-51.s2c",
        [3, 0, 0, 0, 4],
        0x0211d6b3870ffb1c,
    ),
    (
        "gst-rtmp2sink-publish.c2s",
        [2, 91, 32, 14, 7],
        0xefc399fd3da613c0,
    ),
    ("gst-rtmp2sink-publish.s2c", [3, 0, 0, 0, 4], 0x9d6f0964e568194c),
    ("gst-rtmp2src-play-live.c2s", [4, 0, 0, 0, 3], 0x7abe6eb314b47d6a),
    (
        "gst-rtmp2src-play-live.s2c",
        [4, 46, 12, 2, 3],
        0x3f8357dfc9f73f01,
    ),
    (
        "gst-rtmpsink-librtmp-publish.c2s",
        [0, 91, 32, 14, 7],
        0x5c55ec8e527d1ad2,
    ),
    (
        "gst-rtmpsink-librtmp-publish.s2c",
        [3, 0, 0, 0, 4],
        0x0211d6b3870ffb1c,
    ),
    (
        "librtmp-publish-exttimestamp-chunk128.c2s",
        [0, 89, 32, 1, 7],
        0xdb18f7751a5d058f,
    ),
    (
        "librtmp-publish-exttimestamp-chunk128.s2c",
        [3, 0, 0, 0, 4],
        0x0211d6b3870ffb1c,
    ),
    ("nginx-pull-relay.c2s", [3, 0, 0, 0, 3], 0x3ae316ba6751fc0b),
    ("nginx-pull-relay.s2c", [4, 122, 42, 2, 3], 0xbfa9e4048dcb7000),
    ("nginx-push-relay.c2s", [3, 85, 17, 1, 3], 0xa659912b8c564e36),
    ("nginx-push-relay.s2c", [3, 0, 0, 0, 3], 0x65f5c52c7a08b3d0),
    ("rtmpdump-play-live.c2s", [3, 0, 0, 0, 5], 0x324471d3cd86134f),
    ("rtmpdump-play-live.s2c", [5, 262, 82, 2, 3], 0x07c05bb951d75367),
    ("rtmpdump-play-vod-flv.c2s", [3, 0, 0, 0, 5], 0x0f3b7e22178d748b),
    ("rtmpdump-play-vod-flv.s2c", [7, 89, 32, 3, 5], 0x0cff5052a33b0a39),
];

/// What was recorded behind the handshake.
fn chunks(capture: &str) -> Vec<u8> {
    vector(&format!("captures/{capture}.bin")).split_off(HANDSHAKE_LEN)
}

fn fingerprint(messages: &[RawMessage]) -> u64 {
    let fnv_1a = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    messages.iter().fold(0xCBF2_9CE4_8422_2325, |hash, message| {
        let header = [
            &message.chunk_stream.get().to_be_bytes()[..],
            &message.timestamp.as_millis().to_be_bytes(),
            &[u8::from(message.message_type)],
            &message.stream.get().to_be_bytes(),
            &(message.payload.len() as u32).to_be_bytes(),
        ]
        .concat();
        header.iter().chain(&message.payload).fold(hash, fnv_1a)
    })
}

#[test]
fn every_capture_decodes_to_its_last_byte() {
    for (capture, expected_counts, expected_fingerprint) in CAPTURES {
        let messages = decode(&chunks(capture)).complete();
        let mut counts = [0; 5];
        for message in &messages {
            counts[match message.message_type {
                MessageType::Audio => 1,
                MessageType::Video => 2,
                MessageType::Data => 3,
                MessageType::Command => 4,
                _ => {
                    assert!(u8::from(message.message_type) < 7, "{capture}: {message:?}");
                    0
                }
            }] += 1;
        }
        assert_eq!(counts, expected_counts, "{capture}");
        assert_eq!(fingerprint(&messages), expected_fingerprint, "{capture}");
    }
}

#[test]
fn every_capture_decodes_byte_by_byte() {
    for (capture, _, expected_fingerprint) in CAPTURES {
        let input = chunks(capture);
        let every_byte: Vec<usize> = (0..input.len()).collect();
        let messages = decode_cut(Limits::default(), &input, &every_byte).complete();
        assert_eq!(fingerprint(&messages), expected_fingerprint, "{capture}");
    }
}

/// Chunk sizes 4096, 512 and 128, small and extended times, repeated or absolute: the way does not change the clip.
#[test]
fn one_clip_is_the_same_media_whoever_sends_it() {
    let media = |capture: &str| -> Vec<_> {
        let messages = decode(&chunks(capture)).complete().into_iter();
        messages
            .filter(|message| matches!(message.message_type, MessageType::Audio | MessageType::Video))
            .map(|message| (message.message_type, message.payload))
            .collect()
    };
    let clip = media("ffmpeg5-publish.c2s");
    for capture in [
        "ffmpeg5-publish-exttimestamp-chunk512.c2s",
        "ffmpeg5-publish-to-ffmpeg5-listen.c2s",
        "librtmp-publish-exttimestamp-chunk128.c2s",
        "rtmpdump-play-vod-flv.s2c",
    ] {
        assert!(media(capture) == clip, "{capture}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_the_socket_cuts_a_capture_does_not_matter(
        capture in 0..CAPTURES.len(),
        cuts in prop::collection::vec(any::<usize>(), 0..200),
    ) {
        let (capture, _, expected_fingerprint) = CAPTURES[capture];
        let messages = decode_cut(Limits::default(), &chunks(capture), &cuts).complete();
        prop_assert_eq!(fingerprint(&messages), expected_fingerprint);
    }
}
